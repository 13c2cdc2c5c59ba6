"""News as Events on the Secret, where nobody has asked to be left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Literal

from webhook.audit.watch.conditions import Troubles
from webhook.audit.watch.state import Known, news_of, told
from webhook.cluster.objects import ApiError, Conflict
from webhook.cluster.secrets import Stored, StoredSecrets

MUTED = "muted"
"""The value of the annotation `names.NOTIFICATIONS` that keeps Events from being written."""
_WHAT = "events"


class Telling:
    """Writes them."""

    def __init__(
        self, secrets: StoredSecrets, troubles: Troubles, on_event: Callable[[str], None] = lambda kind: None
    ) -> None:
        """
        Args:
            on_event: told of each Event that was written, ``Normal`` or ``Warning``.
        """
        self._secrets = secrets
        self._troubles = troubles
        self._on_event = on_event

    async def tell(self, known: Known, stored: Stored, now: datetime) -> Known:
        """Write what is news, if anything is; what is then known. What couldn't be told is still to be told."""
        news = news_of(known.entries, now)
        if news is not None:
            kind: Literal["Warning", "Normal"] = "Warning" if news.bad else "Normal"
            # What a restart would tell again has a name of its own, by which it is there once.
            name = _name(known) if news.first else ""
            try:
                await self._secrets.record(stored, news.reason, news.message, now, kind=kind, name=name)
                self._on_event(kind)
            except Conflict:
                pass  # it is there
            except ApiError as error:
                lacking = " (this account lacks the verb create on events)" if error.status == 403 else ""
                self._troubles.say(_WHAT, f"Events can't be written: {error}{lacking}")
                return known
            self._troubles.say(_WHAT, None)
        return replace(known, entries=told(known.entries, now))


def _name(known: Known) -> str:
    states = " ".join(f"{entry.field}={entry.state}" for entry in known.entries)
    return f"git-token-webhook-{sha256(f'{known.uid} {known.version} {states}'.encode()).hexdigest()[:20]}"
