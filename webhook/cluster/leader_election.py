"""One process of several does a piece of work: who holds a Lease of the cluster, as client-go's leader election has it.

Whether the holder is still there is told by whether the Lease changes, timed by our own clock from when we saw it: the
times in it are for people, and clocks that differ make no two holders. A holder times itself from before it asked for
the renewal that succeeded, so that it knows that it may have lost the Lease before anybody else may take it. What it
does then must still be safe to be done twice: no lease can stop a write that is on its way already.

`kubernetes.aio` has an election of its own, which ends with the first connection that is refused, goes by the wall
clock and never lets go; so this is ours.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from webhook.cluster.objects import LEASE, ApiError, ApiObjects, Conflict, Json

DURATION = 15.0
"""Seconds after which a Lease that nobody renews is free, as in Kubernetes' own components."""
# Of the duration: a holder gives up well before others may begin, and tries a few times until then.
_GIVES_UP_AFTER = 2 / 3
_RENEWS_EVERY = 2 / 15


@dataclass(frozen=True, slots=True)
class Seen:
    """A Lease as somebody left it, and when we first saw it so, by the clock of the event loop."""

    version: str
    holder: str
    duration: float
    at: float


class Lease:
    """Holds a Lease while some work is done, or waits for it."""

    def __init__(
        self,
        objects: ApiObjects,
        namespace: str,
        name: str,
        identity: str,
        *,
        duration: float = DURATION,
        on_change: Callable[[bool], None] = lambda holds: None,
        on_error: Callable[[ApiError | None], None] = lambda error: None,
    ) -> None:
        """
        Args:
            identity: who we are, such as the pod's name; no other process may call itself the same.
            duration: seconds after which others may take the Lease when we don't renew it. A whole number of them is
                what others read.
            on_change: told whether we hold it, whenever that changes.
            on_error: told what goes wrong, each time, and None when nothing does any more.
        """
        self._objects = objects
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._duration = duration
        self._on_change = on_change
        self._on_error = on_error
        self._seen: Seen | None = None
        self._held_since: datetime | None = None
        self._in_trouble = False
        self._random = Random()  # noqa: S311 - only so that not all ask at once

    @property
    def holder(self) -> str | None:
        """Who held it when we last looked; None where nobody did, or nobody has looked yet."""
        return self._seen.holder or None if self._seen is not None else None

    @property
    def held(self) -> bool:
        """Whether we do the work."""
        return self._held_since is not None

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` while we hold the Lease, as often as we come to hold it, until it returns or we are cancelled.

        `work` is cancelled when the Lease is lost. However this ends, the Lease is let go for others to take at once.
        """
        try:
            while True:
                renewed = await self._acquire()
                self._set(datetime.now(UTC))
                if await self._work_while_held(work, renewed):
                    return
                self._set(None)
        finally:
            held = self.held
            self._set(None)
            if held:
                # Also while we are being cancelled, but not for longer than a process may take to end.
                with contextlib.suppress(ApiError, TimeoutError):
                    async with asyncio.timeout(2):
                        await self._release()

    async def _acquire(self) -> float:
        """Wait until we hold it; when that was asked for, by the loop's clock."""
        while True:
            asked_at = asyncio.get_running_loop().time()
            if await self._tried(self._take):
                return asked_at
            await asyncio.sleep(self._pause())

    async def _work_while_held(self, work: Callable[[], Awaitable[None]], renewed: float) -> bool:
        """Whether the work is done; else the Lease is lost."""
        working = asyncio.ensure_future(work())
        try:
            while renewed + self._duration * _GIVES_UP_AFTER > (now := asyncio.get_running_loop().time()):
                left = renewed + self._duration * _GIVES_UP_AFTER - now
                await asyncio.wait({working}, timeout=min(self._pause(), left))
                if working.done():
                    await working
                    return True
                asked_at = asyncio.get_running_loop().time()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(renewed + self._duration * _GIVES_UP_AFTER):
                        if await self._tried(self._take):
                            renewed = asked_at
                if self._seen is not None and self._seen.holder != self._identity:
                    return False
            return False
        finally:
            working.cancel()
            await asyncio.wait({working})

    async def _tried(self, attempt: Callable[[], Awaitable[bool]]) -> bool:
        try:
            taken = await attempt()
        except Conflict:
            taken = False  # somebody else was quicker
        except ApiError as error:
            self._in_trouble = True
            self._on_error(error)
            return False
        if self._in_trouble:
            self._in_trouble = False
            self._on_error(None)
        return taken

    async def _take(self) -> bool:
        """Acquire or renew it, if nobody else has it.

        Raises:
            ApiError: the API server doesn't do its part.
        """
        found = await self._objects.read(LEASE, self._namespace, self._name)
        if found is None:
            metadata = {"name": self._name, "namespace": self._namespace}
            document = {"metadata": metadata, "spec": self._spec({})}
            self._look(await self._objects.create(LEASE, self._namespace, document))
            return True
        seen = self._look(found)
        if seen.holder not in ("", self._identity):
            if asyncio.get_running_loop().time() < seen.at + seen.duration:
                return False
        spec = found.get("spec") or {}
        self._look(await self._objects.replace(LEASE, {**found, "spec": {**spec, **self._spec(spec)}}))
        return True

    async def _release(self) -> None:
        found = await self._objects.read(LEASE, self._namespace, self._name)
        if found is None or (found.get("spec") or {}).get("holderIdentity") != self._identity:
            return
        spec = {**found["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
        self._look(await self._objects.replace(LEASE, {**found, "spec": spec}))

    def _spec(self, before: Json) -> Json:
        spec: Json = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._duration)),
            "renewTime": _now(),
        }
        if before.get("holderIdentity") != self._identity:
            spec["acquireTime"] = spec["renewTime"]
            spec["leaseTransitions"] = before.get("leaseTransitions", -1) + 1
        return spec

    def _look(self, found: Json) -> Seen:
        version = found["metadata"]["resourceVersion"]
        if self._seen is None or self._seen.version != version:
            spec = found.get("spec") or {}
            duration = float(spec.get("leaseDurationSeconds") or 0)
            now = asyncio.get_running_loop().time()
            self._seen = Seen(version, spec.get("holderIdentity") or "", duration, now)
        return self._seen

    def _set(self, since: datetime | None) -> None:
        changed = self.held is (since is None)
        self._held_since = since
        if changed:
            self._on_change(self.held)

    def _pause(self) -> float:
        return self._duration * _RENEWS_EVERY * self._random.uniform(0.8, 1.2)


def _now() -> str:
    """As Kubernetes writes a MicroTime."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
