"""Changes to tokens, with the code of the command ``token``: checked first, then written through the webhook."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from webhook.audit.questions import asking
from webhook.audit.rows import judged_evidence
from webhook.audit.watch.events import MUTED
from webhook.cluster.requests import ApiError
from webhook.cluster.secrets import StoredSecrets
from webhook.console.errors import PageError
from webhook.credentials.entries import Undecodable
from webhook.decision import Deny
from webhook.keyring.ring import KeyRing
from webhook.names import NOTIFICATIONS
from webhook.providers.token_shapes import name_holds_token
from webhook.report.advice import link
from webhook.report.page.entries import EvidenceLine, evidence_lines
from webhook.review import messages
from webhook.review.reviewer import Reviewer
from webhook.settings.model import Settings
from webhook.tokens.changes import NewToken, NotPossible
from webhook.tokens.summary import accepted
from webhook.tokens.writer import ChangedMeanwhile, Refused, TokenWriter

_PATIENCE = 30.0
"""Seconds for the check of one token. No API server waits for it."""
_LONGEST = 65_536
"""Characters of a token. A signed one has a few thousand."""


@dataclass(frozen=True, slots=True)
class Target:
    """A place for a token: a Secret, and the user in a Secret that holds a token for each user."""

    namespace: str
    name: str
    user: str = ""

    def __post_init__(self) -> None:
        """
        Raises:
            PageError: a token was pasted into one of the fields.
        """
        if name_holds_token(str(self)):
            raise PageError(
                400,
                "This looks like a token",
                "A name or user id would show it to everyone. Revoke it, and paste a new one into the token field.",
            )

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read ``NAMESPACE/NAME`` or ``NAMESPACE/NAME/USER``.

        Raises:
            PageError: `text` has another format.
        """
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(parts):
            raise PageError(400, "No such Secret", "Name it as NAMESPACE/NAME.")
        return cls(*parts)

    def __str__(self) -> str:
        return "/".join(filter(None, (self.namespace, self.name, self.user)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change.

    Attributes:
        message: whole sentences. No token is in them.
        remedy: a link to the page that creates a better token; may be empty.
    """

    target: Target
    done: bool
    message: str
    warnings: tuple[str, ...] = ()
    remedy: str = ""
    evidence: tuple[EvidenceLine, ...] = ()


def token_of(text: str) -> SecretStr:
    """Return the token of a form.

    Raises:
        PageError: it is empty, or has several lines.
    """
    token = text.strip("\r\n")
    if not token.strip():
        raise PageError(400, "The token is missing", "Go back, and paste it into the field.")
    if "\n" in token or "\r" in token or len(token) > _LONGEST:
        raise PageError(400, "This is not a token", "A token has one line. Go back, and paste only the token.")
    return SecretStr(token)


class Changes:
    """Changes tokens with the user's own permissions."""

    def __init__(self, secrets: StoredSecrets, settings: Settings, ring: KeyRing | None) -> None:
        """
        Args:
            ring: the webhook's key ring, to keep the other fields of a sealed value.
        """
        self._secrets = secrets
        # The webhook seals the token; here it is in plain text.
        plain = settings.encryption.model_copy(update={"mode": "annotate"})
        self._settings = settings.model_copy(update={"encryption": plain})
        self._ring = ring

    async def store(self, targets: Iterable[Target], new: NewToken) -> list[Outcome]:
        """Check the token for each target, and store it where it is sufficient."""
        async with self._writer() as writer:
            return [await self._store(writer, target, new) for target in targets]

    async def _store(self, writer: TokenWriter, target: Target, new: NewToken) -> Outcome:
        user = target.user or None
        try:
            planned = await writer.plan(target.namespace, target.name, user, new)
            checked = await writer.check(planned, _PATIENCE)
            warnings, verdict = checked.decision.warnings, checked.verdict
            evidence = tuple(evidence_lines(judged_evidence(verdict.judged))) if verdict is not None else ()
            if isinstance(checked.decision, Deny):
                message = f"{checked.decision.message} Nothing was changed."
                return Outcome(target, False, message, warnings, link(messages.link_in(message)), evidence)
            await writer.write(planned, user, new)
        except _FAILURES as error:
            return Outcome(target, False, f"{_sentence(error)} Nothing was changed.")
        return Outcome(target, True, f"The token is stored. {accepted(verdict)}".strip(), warnings, evidence=evidence)

    async def delete(self, target: Target) -> Outcome:
        """Delete a token: a user's from its Secret, a runtime's with its Secret."""
        try:
            async with self._writer() as writer:
                change = await writer.delete(target.namespace, target.name, target.user or None)
        except _FAILURES as error:
            return Outcome(target, False, f"{_sentence(error)} Nothing was changed.")
        what = "The Secret is deleted, and its token with it." if change.whole else "The token is deleted."
        return Outcome(target, True, f"{what} It is valid until it is revoked at its provider.")

    async def mute(self, target: Target, muted: bool) -> Outcome:
        """Turn the Events of the continuous audit about a Secret off or on."""
        try:
            stored = await self._secrets.read(target.namespace, target.name)
            if stored is None:
                return Outcome(target, False, "The Secret does not exist any more.")
            await self._secrets.change(stored, {"metadata": {"annotations": {NOTIFICATIONS: MUTED if muted else None}}})
        except ApiError as error:
            return Outcome(target, False, f"{_sentence(error)} Nothing was changed.")
        return Outcome(target, True, f"Notifications about this Secret are {'muted' if muted else 'on'}.")

    @asynccontextmanager
    async def _writer(self) -> AsyncIterator[TokenWriter]:
        ring = self._ring
        async with asking(self._settings, evidence=True) as questions:
            reviewer = Reviewer(self._settings, questions, ring=(lambda: ring) if ring is not None else None)
            yield TokenWriter(self._secrets, reviewer)


_FAILURES = (NotPossible, Undecodable, Refused, ChangedMeanwhile, ApiError)


def _sentence(error: Exception) -> str:
    text = str(error)
    sentence = text[:1].upper() + text[1:]
    return sentence if sentence.endswith(".") else f"{sentence}."
