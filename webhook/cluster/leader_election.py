"""Leader election with a Lease, as in client-go: one of several processes does the work.

The other processes observe whether the Lease changes, and measure its age with their own clocks. The times in the Lease
are for people only, so clocks that differ cannot make two leaders. The leader measures from the moment before it sent
the last successful renewal, so it stops before another process can take the Lease. Its work must still be safe to do
twice, because a lease cannot stop a write that was already sent.

The leader election of `kubernetes.aio` ends at the first failed connection, relies on the wall clock and never releases
the Lease.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from webhook.cluster.objects import LEASE, ApiObjects, Json
from webhook.cluster.requests import ApiError, Conflict

DURATION = 15.0
"""Seconds after which a Lease that was not renewed is free, as in Kubernetes' own components."""
# Fractions of the duration: a leader stops well before others can start, after several attempts to renew.
_RENEW_DEADLINE = 2 / 3
_RETRY_PERIOD = 2 / 15


@dataclass(frozen=True, slots=True)
class Observed:
    """A version of the Lease, and when it was first observed, by the clock of the event loop."""

    version: str
    holder: str
    duration: float
    at: float


class Lease:
    """Acquires and renews a Lease, and runs work while it is held."""

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
            identity: of this process, such as the pod's name; it must be unique.
            duration: seconds after which other processes can take the Lease if it is not renewed. The Lease has the
                rounded number.
            on_change: called with whether we hold the Lease, whenever that changes.
            on_error: called with each error, and with None after the first success that follows.
        """
        self._objects = objects
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._duration = duration
        self._on_change = on_change
        self._on_error = on_error
        self._observed: Observed | None = None
        self._held_since: datetime | None = None
        self._failing = False
        self._random = Random()  # noqa: S311 - jitter, so that not all processes send at once

    @property
    def holder(self) -> str | None:
        """The holder that was last observed; None without a holder or before the first request."""
        return self._observed.holder or None if self._observed is not None else None

    @property
    def held(self) -> bool:
        """Whether we hold the Lease."""
        return self._held_since is not None

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` whenever we hold the Lease, until it returns or this is cancelled.

        `work` is cancelled when the Lease is lost. At the end the Lease is released, and others can take it at once.
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
                # Also during cancellation, but for a short time only, because the process is about to exit.
                with contextlib.suppress(ApiError, TimeoutError):
                    async with asyncio.timeout(2):
                        await self._release()

    async def _acquire(self) -> float:
        """Wait until we hold it; return when the successful request was sent, by the loop's clock."""
        while True:
            sent_at = asyncio.get_running_loop().time()
            if await self._attempt(self._take):
                return sent_at
            await asyncio.sleep(self._pause())

    async def _work_while_held(self, work: Callable[[], Awaitable[None]], renewed: float) -> bool:
        """Run the work while renewing. Return True when the work is done, False when the Lease is lost."""
        working = asyncio.ensure_future(work())
        try:
            while renewed + self._duration * _RENEW_DEADLINE > (now := asyncio.get_running_loop().time()):
                left = renewed + self._duration * _RENEW_DEADLINE - now
                await asyncio.wait({working}, timeout=min(self._pause(), left))
                if working.done():
                    await working
                    return True
                sent_at = asyncio.get_running_loop().time()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(renewed + self._duration * _RENEW_DEADLINE):
                        if await self._attempt(self._take):
                            renewed = sent_at
                if self._observed is not None and self._observed.holder != self._identity:
                    return False
            return False
        finally:
            working.cancel()
            await asyncio.wait({working})

    async def _attempt(self, attempt: Callable[[], Awaitable[bool]]) -> bool:
        try:
            taken = await attempt()
        except Conflict:
            taken = False  # another process was faster
        except ApiError as error:
            self._failing = True
            self._on_error(error)
            return False
        if self._failing:
            self._failing = False
            self._on_error(None)
        return taken

    async def _take(self) -> bool:
        """Acquire or renew it, unless another process holds it.

        Raises:
            ApiError: a request to the API server failed.
        """
        found = await self._objects.read(LEASE, self._namespace, self._name)
        if found is None:
            metadata = {"name": self._name, "namespace": self._namespace}
            document = {"metadata": metadata, "spec": self._spec({})}
            self._observe(await self._objects.create(LEASE, self._namespace, document))
            return True
        seen = self._observe(found)
        if seen.holder not in ("", self._identity):
            if asyncio.get_running_loop().time() < seen.at + seen.duration:
                return False
        spec = found.get("spec") or {}
        self._observe(await self._objects.replace(LEASE, {**found, "spec": {**spec, **self._spec(spec)}}))
        return True

    async def _release(self) -> None:
        found = await self._objects.read(LEASE, self._namespace, self._name)
        if found is None or (found.get("spec") or {}).get("holderIdentity") != self._identity:
            return
        spec = {**found["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
        self._observe(await self._objects.replace(LEASE, {**found, "spec": spec}))

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

    def _observe(self, found: Json) -> Observed:
        version = found["metadata"]["resourceVersion"]
        if self._observed is None or self._observed.version != version:
            spec = found.get("spec") or {}
            duration = float(spec.get("leaseDurationSeconds") or 0)
            now = asyncio.get_running_loop().time()
            self._observed = Observed(version, spec.get("holderIdentity") or "", duration, now)
        return self._observed

    def _set(self, since: datetime | None) -> None:
        changed = self.held is (since is None)
        self._held_since = since
        if changed:
            self._on_change(self.held)

    def _pause(self) -> float:
        return self._duration * _RETRY_PERIOD * self._random.uniform(0.8, 1.2)


def _now() -> str:
    """Return the current time as a Kubernetes MicroTime."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
