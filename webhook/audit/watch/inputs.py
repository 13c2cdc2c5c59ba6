"""The inputs of the controller: what decides a check, and how often it is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from webhook.audit.questions import Questions
from webhook.keyring.ring import KeyRing
from webhook.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Judging:
    """The inputs of a check besides the Secret.

    Attributes:
        rules: the rules of which one must match; empty for all.
        selector: a label selector for Secrets, in kubectl's syntax.
        digest: a digest of settings, keys and version, which decide the result together with Secret and provider.
    """

    settings: Settings
    questions: Questions
    ring: KeyRing | None
    rules: tuple[str, ...]
    selector: str
    digest: str


@dataclass(frozen=True, slots=True)
class Pace:
    """The intervals of periodic work.

    Attributes:
        interval: the time between two checks of a Secret.
        look_again: the time between attempts to find a report API or to repeat failed writes.
    """

    interval: timedelta
    look_again: timedelta
