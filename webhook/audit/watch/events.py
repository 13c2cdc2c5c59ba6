"""Events on Secrets about changes, unless notifications are muted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Literal

from webhook.audit.watch.conditions import Conditions
from webhook.audit.watch.state import Known, news_of, reported
from webhook.cluster.requests import ApiError, Conflict, explained
from webhook.cluster.secrets import Stored, StoredSecrets

MUTED = "muted"
"""The value of the annotation `names.NOTIFICATIONS` that keeps Events from being written."""
_WHAT = "events"


class EventWriter:
    """Writes Events."""

    def __init__(
        self, secrets: StoredSecrets, conditions: Conditions, on_event: Callable[[str], None] = lambda kind: None
    ) -> None:
        """
        Args:
            on_event: called with the type of each written Event, ``Normal`` or ``Warning``.
        """
        self._secrets = secrets
        self._conditions = conditions
        self._on_event = on_event

    async def write(self, known: Known, stored: Stored, now: datetime) -> Known:
        """Write an Event if there is news, and return the new state. If writing fails, the news stays pending."""
        news = news_of(known.entries, now)
        if news is not None:
            kind: Literal["Warning", "Normal"] = "Warning" if news.bad else "Normal"
            # A deterministic name prevents a duplicate after a restart.
            name = _name(known) if news.first else ""
            try:
                await self._secrets.record(stored, news.reason, news.message, now, kind=kind, name=name)
                self._on_event(kind)
            except Conflict:
                pass  # it exists already
            except ApiError as error:
                self._conditions.set(_WHAT, f"Events cannot be written: {explained(error)}", place=known.uid)
                return known
            self._conditions.set(_WHAT, None, place=known.uid)
        return replace(known, entries=reported(known.entries, now))


def _name(known: Known) -> str:
    states = " ".join(f"{entry.field}={entry.state}" for entry in known.entries)
    return f"git-token-webhook-{sha256(f'{known.uid} {known.version} {states}'.encode()).hexdigest()[:20]}"
