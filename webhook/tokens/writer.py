"""Replace, add or delete one token of the cluster: judged as the webhook judges it, then written as it was read.

What the webhook finds at the write counts; that it is judged before is for the person, who learns from the provider
what is wrong without touching what works.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field

from webhook.cluster.requests import ApiError, Conflict
from webhook.cluster.secrets import Stored, StoredSecrets
from webhook.decision import Decision, Stage
from webhook.review.policy import Verdict
from webhook.review.reviewer import Reviewer
from webhook.subject import Operation, SecretObject, Subject
from webhook.tokens.changes import Change, NewToken, NotPossible, created, with_token, without_token

_MOST_TRIES = 5


class Refused(Exception):
    """The API server, or a webhook that it asked, wants no such Secret; the text is a whole sentence."""


class ChangedMeanwhile(Exception):
    """Somebody else has written this very token since it was read; the text is a whole sentence."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A change that nobody has seen yet.

    Attributes:
        before: the Secret as it is stored; None where there is none yet.
        after: as it will be.
        key: of its token.
    """

    before: Stored | None
    after: SecretObject = field(repr=False)
    key: str
    change: Change = field(repr=False)


@dataclass(frozen=True, slots=True)
class Checked:
    """What the webhook would say.

    Attributes:
        verdict: of the token; None where nobody was asked about it.
    """

    decision: Decision
    verdict: Verdict | None


class TokenWriter:
    """Changes tokens with a person's own rights."""

    def __init__(self, secrets: StoredSecrets, reviewer: Reviewer) -> None:
        """
        Args:
            reviewer: judges the new token, and opens what is sealed, so that what stands beside a user's token is kept.
        """
        self._secrets = secrets
        self._reviewer = reviewer

    async def plan(self, namespace: str, name: str, user: str | None, new: NewToken) -> Planned:
        """What is to be done so that the Secret holds this token.

        Raises:
            NotPossible: nothing is.
            Undecodable: a value of the Secret isn't base64.
            ApiError: it can't be read.
        """
        stored = await self._secrets.read(namespace, name)
        if stored is None:
            made, key = created(namespace, name, user, new)
            return Planned(None, made, key, Change(key))
        opener = self._reviewer.opener(stored.secret)
        change = with_token(stored.secret, self._reviewer.match(stored.secret), user, new, opener)
        return Planned(stored, change.applied_to(stored.secret), change.key, change)

    async def check(self, planned: Planned, seconds: float) -> Checked:
        """What the webhook would say of it, within so many seconds."""
        before = planned.before
        operation = Operation.CREATE if before is None else Operation.UPDATE
        subject = Subject(operation, planned.after, before.secret if before is not None else None)
        deadline = asyncio.get_running_loop().time() + seconds
        reviewed = await self._reviewer.review(subject, Stage.VALIDATE, deadline)
        return Checked(reviewed.decision, reviewed.verdicts.get(planned.key))

    async def write(self, planned: Planned, user: str | None, new: NewToken, *, dry_run: bool = False) -> Stored:
        """Store it. Where others change the rest of the Secret meanwhile, it is read again; what they wrote stays.

        Raises:
            ChangedMeanwhile, NotPossible, Refused: see there.
            ApiError: it wasn't stored.
        """
        first = planned.before
        for _ in range(_MOST_TRIES):
            try:
                if planned.before is None:
                    return await self._secrets.create(planned.after, dry_run=dry_run)
                return await self._secrets.change(planned.before, _merge_patch(planned.change), dry_run=dry_run)
            except Conflict:
                secret = planned.after
                planned = await self.plan(secret.namespace, secret.name, user, new)
                if _value(planned.before, planned.key) != _value(first, planned.key):
                    raise ChangedMeanwhile(
                        f"Somebody else has just written this token of {secret.namespace}/{secret.name}; "
                        "see what it is, and run this again."
                    ) from None
            except ApiError as error:
                raise _refused(error, new) or error from None
        raise ApiError("others change it all the time")

    async def delete(self, namespace: str, name: str, user: str | None, *, dry_run: bool = False) -> Change:
        """Take a token away, for which nobody has to be asked.

        Raises:
            NotPossible: there is no such token.
            Refused: the API server wants it to stay.
            Undecodable: a value of the Secret isn't base64.
            ApiError: it wasn't taken away.
        """
        for _ in range(_MOST_TRIES):
            stored = await self._secrets.read(namespace, name)
            if stored is None:
                raise NotPossible(f"There is no Secret {namespace}/{name}.")
            change = without_token(stored.secret, self._reviewer.match(stored.secret), user)
            try:
                if change.whole:
                    await self._secrets.delete(stored, dry_run=dry_run)
                else:
                    await self._secrets.change(stored, _merge_patch(change), dry_run=dry_run)
            except Conflict:
                continue
            except ApiError as error:
                raise _refused(error, None) or error from None
            return change
        raise ApiError("others change it all the time")


def _merge_patch(change: Change) -> dict[str, object]:
    annotations = {"metadata": {"annotations": dict(change.annotations)}} if change.annotations else {}
    return {"data": dict(change.data), **annotations}


def _value(stored: Stored | None, key: str) -> str | None:
    return stored.secret.data.get(key) if stored is not None else None


def _refused(error: ApiError, new: NewToken | None) -> Refused | None:
    """A refusal in the words of whoever refused, unless these repeat the token."""
    message = error.message.get_secret_value()
    if error.status not in (400, 403, 422) or not message:
        return None
    if new is not None:
        token = new.token.get_secret_value()
        if token in message or base64.b64encode(token.encode()).decode().rstrip("=") in message:
            return Refused("The API server refuses this, in words that aren't shown because the token is in them.")
    return Refused(message)
