"""Replace, add or delete one token in the cluster, after the check that the webhook would make.

The check before the write shows a user what is wrong while the old token stays in place. The decision of the webhook at
the write is what counts.
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
    """The API server or a webhook denied the write. The text is a sentence."""


class ChangedMeanwhile(Exception):
    """Another user has changed the same token since it was read. The text is a sentence."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A change that is not written yet.

    Attributes:
        before: the stored Secret; None if it does not exist.
        after: the changed Secret.
        key: the key of the token.
    """

    before: Stored | None
    after: SecretObject = field(repr=False)
    key: str
    change: Change = field(repr=False)


@dataclass(frozen=True, slots=True)
class Checked:
    """The decision that the webhook would make.

    Attributes:
        verdict: on the token; None if it was not checked.
    """

    decision: Decision
    verdict: Verdict | None


class TokenWriter:
    """Changes tokens with the permissions of the user."""

    def __init__(self, secrets: StoredSecrets, reviewer: Reviewer) -> None:
        """
        Args:
            reviewer: checks the new token, and opens sealed values to keep their other fields.
        """
        self._secrets = secrets
        self._reviewer = reviewer

    async def plan(self, namespace: str, name: str, user: str | None, new: NewToken) -> Planned:
        """Return the change that stores a token in a Secret.

        Raises:
            NotPossible: the Secret cannot hold it.
            Undecodable: a value of the Secret is not base64.
            ApiError: the Secret cannot be read.
        """
        stored = await self._secrets.read(namespace, name)
        if stored is None:
            made, key = created(namespace, name, user, new)
            return Planned(None, made, key, Change(key))
        opener = self._reviewer.opener(stored.secret)
        change = with_token(stored.secret, self._reviewer.match(stored.secret), user, new, opener)
        return Planned(stored, change.applied_to(stored.secret), change.key, change)

    async def check(self, planned: Planned, seconds: float) -> Checked:
        """Return the decision that the webhook would make, within a number of seconds."""
        before = planned.before
        operation = Operation.CREATE if before is None else Operation.UPDATE
        subject = Subject(operation, planned.after, before.secret if before is not None else None)
        deadline = asyncio.get_running_loop().time() + seconds
        reviewed = await self._reviewer.review(subject, Stage.VALIDATE, deadline)
        return Checked(reviewed.decision, reviewed.verdicts.get(planned.key))

    async def write(self, planned: Planned, user: str | None, new: NewToken, *, dry_run: bool = False) -> Stored:
        """Write the change. After a conflict, the Secret is read again, and other changes are kept.

        Raises:
            ChangedMeanwhile, NotPossible, Refused: see there.
            ApiError: it was not written.
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
                        f"Another user has just changed this token of {secret.namespace}/{secret.name}; "
                        "check it, and run the command again."
                    ) from None
            except ApiError as error:
                raise _refused(error, new) or error from None
        raise ApiError("other programs keep changing it")

    async def delete(self, namespace: str, name: str, user: str | None, *, dry_run: bool = False) -> Change:
        """Delete a token, without a check by its provider.

        Raises:
            NotPossible: there is no such token.
            Refused: the API server or a webhook denied it.
            Undecodable: a value of the Secret is not base64.
            ApiError: it was not deleted.
        """
        for _ in range(_MOST_TRIES):
            stored = await self._secrets.read(namespace, name)
            if stored is None:
                raise NotPossible(f"The Secret {namespace}/{name} does not exist.")
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
        raise ApiError("other programs keep changing it")


def _merge_patch(change: Change) -> dict[str, object]:
    annotations = {"metadata": {"annotations": dict(change.annotations)}} if change.annotations else {}
    return {"data": dict(change.data), **annotations}


def _value(stored: Stored | None, key: str) -> str | None:
    return stored.secret.data.get(key) if stored is not None else None


def _refused(error: ApiError, new: NewToken | None) -> Refused | None:
    """Return a denial with the message of the API server or webhook, unless it contains the token."""
    message = error.message.get_secret_value()
    if error.status not in (400, 403, 422) or not message:
        return None
    if new is not None:
        token = new.token.get_secret_value()
        if token in message or base64.b64encode(token.encode()).decode().rstrip("=") in message:
            return Refused("The API server denies this; its message is not shown, because it contains the token.")
    return Refused(message)
