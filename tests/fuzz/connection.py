"""A client that takes as little CPU time as a client can."""

from __future__ import annotations

import asyncio
import ssl
import urllib.parse

from tests.fuzz.bodies import Body


class Connection:
    """One connection of HTTP/1.1, opened again where the server closes it."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        parsed = urllib.parse.urlsplit(url)
        self._address = parsed.hostname or "", parsed.port or 443
        self._context = context
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: Body) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address, ssl=self._context)
        reader, writer = self._streams
        head = f"POST /{body.stage}?timeout=10s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body.content)}\r\n\r\n".encode() + body.content)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        answer = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            await self.aclose()
        return int(lines[0].split()[1]), answer

    async def aclose(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None
