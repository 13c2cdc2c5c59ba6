"""Which Secrets there are, and when one changes: listed once, then followed, both without their data.

Where the API server has forgotten from where on we follow (410), or what we follow was never listed to its end, it is
listed anew. Where it doesn't answer, it is asked again, less and less often, from where we were.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import msgspec

from webhook.cluster.listing import Listed, Metadata, Page
from webhook.cluster.objects import ApiError, Expired, decoded

if TYPE_CHECKING:
    from aiohttp import ClientResponse

_METADATA_ONLY = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
_SECONDS = (240, 360)
"""After which the API server ends a watch, as client-go asks it (tools/cache/reflector.go, minWatchTimeout)."""
_MARGIN = 30.0
_SETTLED = 1.0
"""Seconds after which a watch works although nothing has changed: what is wrong with one is told at its beginning."""
_SOONEST, _LATEST = 1.0, 30.0
"""Seconds between two tries."""
_LONGEST_LINE = 8 << 20
"""Bytes of one change: an object's metadata are smaller by far."""


class Follows(Protocol):
    """Whoever wants to know."""

    def begins(self) -> None:
        """What is there is listed from its beginning, for the first time or again."""
        ...

    def seen(self, one: Listed) -> None:
        """This is there, and like this."""
        ...

    def gone(self, one: Listed) -> None:
        """This is no longer there."""
        ...

    def complete(self) -> None:
        """The list is at its end: what wasn't seen since it began isn't there."""
        ...


class _Object(msgspec.Struct):
    metadata: Metadata


class _Status(msgspec.Struct):
    code: int = 0


class _ObjectMetadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _Bookmark(msgspec.Struct):
    metadata: _ObjectMetadata


class _Change(msgspec.Struct):
    type: str
    object: msgspec.Raw


class Follower:
    """Follows all objects of one kind."""

    def __init__(
        self,
        pages: Callable[[], AsyncIterator[Page]],
        watch: Callable[..., Any],
        follows: Follows,
        say: Callable[[ApiError | None], None],
        on_expired: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            pages: lists all of them.
            watch: the client's method that lists them too, and watches where it is told to.
            say: told what goes wrong, and with None that it works.
            on_expired: told that they are listed anew, because the API server has forgotten where we were.
        """
        self._pages = pages
        self._watch = watch
        self._follows = follows
        self._say = say
        self._on_expired = on_expired
        self._version = ""
        self._random = Random()  # noqa: S311 - only so that not all ask at once

    async def run(self) -> NoReturn:
        """Follow them until cancelled."""
        pause = _SOONEST
        while True:
            try:
                if not self._version:
                    await self._list()
                    self._say(None)
                await self._follow()
                pause = _SOONEST
            except Expired:
                self._version = ""
                self._on_expired()
            except ApiError as error:
                self._say(error)
                await asyncio.sleep(pause * self._random.uniform(0.8, 1.2))
                pause = min(pause * 2, _LATEST)

    async def _list(self) -> None:
        version = ""
        async for page in self._pages():
            if page.anew:
                self._follows.begins()
            for one in page.secrets:
                self._follows.seen(one)
            version = page.version
        self._follows.complete()
        self._version = version

    async def _follow(self) -> None:
        """Until the API server ends it, as it does every few minutes.

        Raises:
            Expired: it has forgotten where we were.
            ApiError: it can't be followed, or can't any longer.
        """
        response = await self._open(self._random.randint(*_SECONDS))
        try:
            if response.status == 410:
                raise Expired("")
            if response.status != 200:
                raise ApiError(f"the API server answers {response.status}", response.status)
            settled = asyncio.get_running_loop().call_later(_SETTLED, self._say, None)
            try:
                async for line in _lines(response):
                    self._take(decoded(line, _Change))
                    self._say(None)
            finally:
                settled.cancel()
        finally:
            response.close()

    async def _open(self, seconds: int) -> ClientResponse:
        try:
            response: ClientResponse = await self._watch(
                watch=True,
                allow_watch_bookmarks=True,
                resource_version=self._version,
                timeout_seconds=seconds,
                _headers=_METADATA_ONLY,
                _request_timeout=seconds + _MARGIN,
            )
        except Exception as error:
            raise _unreachable(error) from None
        return response

    def _take(self, change: _Change) -> None:
        if change.type == "ERROR":
            code = decoded(bytes(change.object), _Status).code
            if code == 410:
                raise Expired("")
            raise ApiError(f"the API server answers {code}", code)
        if change.type == "BOOKMARK":
            self._version = decoded(bytes(change.object), _Bookmark).metadata.resource_version
            return
        metadata = decoded(bytes(change.object), _Object).metadata
        if change.type == "DELETED":
            self._follows.gone(metadata.listed())
        else:
            self._follows.seen(metadata.listed())
        self._version = metadata.resource_version


async def _lines(response: ClientResponse) -> AsyncIterator[bytes]:
    """The lines of an answer, as they come.

    Raises:
        ApiError: the connection breaks, or a line has no end.
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
        if len(rest) > _LONGEST_LINE:
            raise ApiError("the API server answers what this version doesn't understand")


def _unreachable(error: Exception) -> ApiError:
    """aiohttp's and the client's own errors may quote the request, whose header holds the caller's credentials."""
    if isinstance(error, TimeoutError):
        return ApiError("the API server doesn't answer in time")
    return ApiError(f"the API server can't be reached: {type(error).__name__}")
