"""List and watch objects without their data, as client-go's reflector does.

After a 410, or if a list was not read to its end, the objects are listed again. If the API server is unavailable, the
watch is retried from the last resourceVersion, with backoff.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import TYPE_CHECKING, NoReturn, Protocol

import msgspec

from webhook.cluster.listing import Listed, Metadata, Page, Watch
from webhook.cluster.requests import ApiError, Expired, decoded

if TYPE_CHECKING:
    from aiohttp import ClientResponse

_WATCH_TIMEOUT = (240, 360)
"""Range of the watch timeout in seconds, as in client-go (tools/cache/reflector.go, minWatchTimeout)."""
_SETTLED = 1.0
"""Seconds after which a watch without events counts as working: an error is reported at its start."""
_MIN_BACKOFF, _MAX_BACKOFF = 1.0, 30.0
"""Seconds between two attempts."""
_MAX_LINE = 8 << 20
"""Bytes of one event. The metadata of an object is far smaller."""


class WatchHandler(Protocol):
    """Receives the events of a list and watch."""

    def list_started(self) -> None:
        """A list starts, for the first time or again."""
        ...

    def updated(self, one: Listed) -> None:
        """The object was listed, added or modified."""
        ...

    def deleted(self, one: Listed) -> None:
        """The object was deleted."""
        ...

    def list_completed(self) -> None:
        """The list is complete: an object that was not in it does not exist."""
        ...


class ListTracker:
    """A `WatchHandler` that passes on, at the end of each list, which objects the list had."""

    def __init__(
        self,
        updated: Callable[[Listed], None],
        deleted: Callable[[Listed], None],
        list_completed: Callable[[set[str]], None],
        *,
        counts: Callable[[str], bool] = lambda uid: True,
    ) -> None:
        """
        Args:
            updated: called with each object that was listed, added or modified.
            deleted: called with each deleted object.
            list_completed: called with the uids of a list; other objects do not exist.
            counts: returns whether the uid of an updated object must be in that set, which saves memory.
        """
        self._updated = updated
        self.deleted = deleted
        self._list_completed = list_completed
        self._counts = counts
        self._seen: set[str] | None = None

    def list_started(self) -> None:
        """Start with an empty set."""
        self._seen = set()

    def updated(self, one: Listed) -> None:
        """Pass the object on, and remember its uid during a list."""
        self._updated(one)
        if self._seen is not None and self._counts(one.uid):
            self._seen.add(one.uid)

    def list_completed(self) -> None:
        """Pass the uids on."""
        seen, self._seen = self._seen or set(), None
        self._list_completed(seen)


class _Object(msgspec.Struct):
    metadata: Metadata


class _Status(msgspec.Struct):
    code: int = 0


class _ObjectMetadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _Bookmark(msgspec.Struct):
    metadata: _ObjectMetadata


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class Reflector:
    """Lists and watches all objects of one kind."""

    def __init__(
        self,
        pages: Callable[[], AsyncIterator[Page]],
        watch: Watch,
        handler: WatchHandler,
        on_status: Callable[[ApiError | None], None],
        on_expired: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            pages: lists all objects.
            watch: watches them, metadata only.
            on_status: called with each error, and with None while the watch works.
            on_expired: called when the objects are listed again because of a 410.
        """
        self._pages = pages
        self._watch = watch
        self._handler = handler
        self._on_status = on_status
        self._on_expired = on_expired
        self._version = ""
        self._random = Random()  # noqa: S311 - jitter, so that not all processes send at once

    async def run(self) -> NoReturn:
        """List and watch until cancelled."""
        pause = _MIN_BACKOFF
        while True:
            try:
                if not self._version:
                    await self._list()
                    self._on_status(None)
                await self._watch_once()
                pause = _MIN_BACKOFF
            except Expired:
                self._version = ""
                self._on_expired()
            except ApiError as error:
                self._on_status(error)
                await asyncio.sleep(pause * self._random.uniform(0.8, 1.2))
                pause = min(pause * 2, _MAX_BACKOFF)

    async def _list(self) -> None:
        version = ""
        async for page in self._pages():
            if page.is_first:
                self._handler.list_started()
            for one in page.secrets:
                self._handler.updated(one)
            version = page.version
        self._handler.list_completed()
        self._version = version

    async def _watch_once(self) -> None:
        """Watch until the API server ends the request, as it does every few minutes.

        Raises:
            Expired: the resourceVersion is too old.
            ApiError: the watch failed or broke.
        """
        response = await self._open(self._random.randint(*_WATCH_TIMEOUT))
        try:
            if response.status == 410:
                raise Expired("")
            if response.status != 200:
                raise ApiError(f"the API server answers {response.status}", response.status)
            settled = asyncio.get_running_loop().call_later(_SETTLED, self._on_status, None)
            try:
                async for line in _lines(response):
                    self._handle(decoded(line, _Event))
                    self._on_status(None)
            finally:
                settled.cancel()
        finally:
            response.close()

    async def _open(self, seconds: int) -> ClientResponse:
        try:
            return await self._watch(self._version, seconds)
        except Exception as error:
            raise _unreachable(error) from None

    def _handle(self, event: _Event) -> None:
        if event.type == "ERROR":
            code = decoded(bytes(event.object), _Status).code
            if code == 410:
                raise Expired("")
            raise ApiError(f"the API server answers {code}", code)
        if event.type == "BOOKMARK":
            self._version = decoded(bytes(event.object), _Bookmark).metadata.resource_version
            return
        metadata = decoded(bytes(event.object), _Object).metadata
        if event.type == "DELETED":
            self._handler.deleted(metadata.listed())
        else:
            self._handler.updated(metadata.listed())
        self._version = metadata.resource_version


async def _lines(response: ClientResponse) -> AsyncIterator[bytes]:
    """Yield the lines of a response as they arrive.

    Raises:
        ApiError: the connection breaks, or a line is too long.
    """
    rest = b""
    while True:
        try:
            chunk = await response.content.readany()
        except Exception as error:
            raise _unreachable(error) from None
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
        if len(rest) > _MAX_LINE:
            raise ApiError("the API server's response cannot be decoded")


def _unreachable(error: Exception) -> ApiError:
    """Map an error of aiohttp or the client, whose text may quote the caller's credentials."""
    if isinstance(error, TimeoutError):
        return ApiError("the API server does not answer in time")
    return ApiError(f"the API server cannot be reached: {type(error).__name__}")
