"""Headers and bodies of responses: decompressed up to a limit, and decoded."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import httpcore
import msgspec

from webhook.providers.base import ProviderUnavailable
from webhook.providers.transport.connections import Exchange

_NAMED_TYPES = frozenset({"text/html", "text/plain", "application/xml", "text/xml"})


def headers_of(response: httpcore.Response) -> dict[str, str]:
    """Return the headers, with names in lower case and repeated ones joined."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def read_whole(exchange: Exchange, headers: Mapping[str, str], limit: int) -> bytes:
    """Return the decompressed body.

    Raises:
        ProviderUnavailable: it is too large, cut off, or in an encoding that was not requested.
    """
    decoder = Decoder(headers.get("content-encoding", "").strip().lower(), limit)
    await exchange.read(decoder.feed)
    return decoder.finish()


async def read_beginning(exchange: Exchange, headers: Mapping[str, str], limit: int) -> bytes:
    """Return the decompressed body, truncated to the limit.

    Raises:
        ProviderUnavailable: it is cut off, or in an encoding that was not requested.
    """
    decoder = Decoder(headers.get("content-encoding", "").strip().lower(), limit)
    try:
        await exchange.read(decoder.feed)
    except _TooLarge:
        return decoder.so_far
    return decoder.finish()


class _TooLarge(ProviderUnavailable):
    """A body exceeds the limit."""


class Decoder:
    """Decompresses up to a limit, because a few kilobytes of gzip can expand to gigabytes."""

    def __init__(self, encoding: str, limit: int) -> None:
        if encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise ProviderUnavailable("answered in a content encoding that was not requested")
        self._limit = limit
        self._decoded = bytearray()
        self._deflate = encoding == "deflate"
        self._fed = False
        self._inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32) if encoding not in {"", "identity"} else None

    @property
    def so_far(self) -> bytes:
        return bytes(self._decoded[: self._limit])

    def feed(self, data: bytes) -> None:
        room = self._limit - len(self._decoded) + 1
        self._decoded += data if self._inflater is None else self._inflate(data, room)
        self._fed = self._fed or bool(data)
        if len(self._decoded) > self._limit:
            raise _TooLarge("answered with a body that is too large")

    def _inflate(self, data: bytes, room: int) -> bytes:
        assert self._inflater is not None  # noqa: S101 - for the type checker
        try:
            return self._inflater.decompress(data, room)
        except zlib.error:
            pass
        if self._deflate and not self._fed:  # some servers send deflate without the zlib header (RFC 9110, 8.4.1.2)
            self._inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            try:
                return self._inflater.decompress(data, room)
            except zlib.error:
                pass
        raise ProviderUnavailable("answered with invalid compressed data")

    def finish(self) -> bytes:
        if self._inflater is not None and self._fed and not self._inflater.eof:
            raise ProviderUnavailable("answered with compressed data that was cut off", transient=True)
        return bytes(self._decoded)


def decode_json(body: bytes, headers: Mapping[str, str]) -> object:
    """Return the JSON value of a body; None for an empty one.

    Raises:
        ProviderUnavailable: it is something else.
    """
    if not body:
        return None
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if "json" not in media_type:
        named = media_type if media_type in _NAMED_TYPES else "something else"
        raise ProviderUnavailable(f"answered with {named} where JSON was expected")
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    raise ProviderUnavailable("answered with invalid JSON")
