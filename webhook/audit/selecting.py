"""The selection of Secrets whose data must be read, by name, namespace and labels."""

from __future__ import annotations

from collections.abc import Iterable

from webhook.credentials.matching import classify
from webhook.settings.rules import Rule
from webhook.subject import SecretObject


class Selection:
    """The rules of a run."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        # URLs are part of the data.
        self._rules = tuple(rule.model_copy(update={"urls": ()}) for rule in rules)

    def may_match(self, secret: SecretObject) -> bool:
        """Whether a rule matches, or may match depending on the data."""
        return bool(classify(secret, self._rules))
