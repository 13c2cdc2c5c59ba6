"""Authorize a token with GitHub's device flow instead of pasting it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from secrets import token_urlsafe

from webhook.cluster.secrets import StoredSecrets
from webhook.console.changes import Changes, Outcome, Target
from webhook.console.errors import PageError
from webhook.keyring.opener import Opener
from webhook.keyring.ring import KeyRing
from webhook.settings.model import Settings
from webhook.subject import SecretObject
from webhook.tokens.authorize import authorizer_for, device_flow
from webhook.tokens.changes import NewToken, NotPossible
from webhook.tokens.device_flow import DeviceFlowError

_MOST = 16


@dataclass(slots=True)
class Pending:
    """An authorization that waits for the user, or has ended.

    Attributes:
        page: the host's own page, where the user enters the code.
        outcomes: empty while it waits.
    """

    target: Target
    page: str
    user_code: str
    scopes: tuple[str, ...]
    outcomes: Sequence[Outcome] = ()
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Authorizations:
    """Runs device flows."""

    def __init__(self, secrets: StoredSecrets, settings: Settings, ring: KeyRing | None, changes: Changes) -> None:
        """
        Args:
            ring: the webhook's key ring, which opens sealed values.
        """
        self._secrets = secrets
        self._settings = settings
        self._opener = Opener(ring, settings.hosts(), settings.defaults.user_host) if ring is not None else None
        self._changes = changes
        self._pending: OrderedDict[str, Pending] = OrderedDict()

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that authorize tokens."""
        return frozenset(app.host for app in self._settings.oauth)

    def find(self, key: str) -> Pending:
        """Return an authorization.

        Raises:
            PageError: there is none.
        """
        if (found := self._pending.get(key)) is None:
            raise PageError(404, "There is no such authorization", "Start it again on the page of the Secret.")
        return found

    async def start(self, target: Target) -> str:
        """Get a code from the host, and return the key of the authorization.

        Raises:
            PageError: the host issues none.
            ApiError: the Secret cannot be read.
        """
        stored = await self._secrets.read(target.namespace, target.name)
        secret = stored.secret if stored is not None else SecretObject(target.namespace, target.name)
        try:
            authorizer = authorizer_for(self._settings, secret, target.user or None, self._opener)
            async with contextlib.AsyncExitStack() as stack:
                flow = await stack.enter_async_context(device_flow(authorizer))
                authorization = await flow.start(authorizer.scopes)
                stack.pop_all()  # the task closes it
        except (NotPossible, DeviceFlowError) as error:
            raise PageError(502, "The token cannot be authorized", str(error)) from None
        pending = Pending(target, authorization.page, authorization.user_code, authorizer.scopes)

        async def finish() -> None:
            async with flow:
                try:
                    token = await flow.wait(authorization)
                except DeviceFlowError as error:
                    pending.outcomes = [Outcome(target, False, str(error))]
                else:
                    pending.outcomes = await self._changes.store([target], NewToken(token))

        pending.task = asyncio.create_task(finish())
        key = token_urlsafe(12)
        self._pending[key] = pending
        while len(self._pending) > _MOST:
            _, oldest = self._pending.popitem(last=False)
            if oldest.task is not None:
                oldest.task.cancel()
        return key

    async def stop(self) -> None:
        """End all authorizations."""
        tasks = [one.task for one in self._pending.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
