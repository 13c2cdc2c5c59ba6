"""Which Secrets are worth reading: told by name, namespace and labels, before anybody has seen their data."""

from __future__ import annotations

from collections.abc import Iterable

from webhook.credentials.matching import classify
from webhook.settings.model import Rule
from webhook.subject import SecretObject


class Selection:
    """The rules that a run goes by."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        # Whether a URL matches only the data tells.
        self._rules = tuple(rule.model_copy(update={"urls": ()}) for rule in rules)

    def may_match(self, secret: SecretObject) -> bool:
        """Whether its data must be read to know that a rule matches, or is all that is left to read."""
        return bool(classify(secret, self._rules))
