"""A call to a simulated host and its reply, independent of any HTTP library.

Sites answer calls as plain values, in memory and synchronously; ``server.py`` alone knows sockets. How a reply travels
(late, cut off, never) is part of the reply, so that faults are plain functions from reply to reply.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an ``Authorization`` header holds. For Basic, ``secret`` is the password."""

    scheme: str
    secret: str = field(repr=False)
    username: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as a site sees it. Headers and body may hold tokens, hence no repr."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    peer: str = "127.0.0.1"
    raw_path: str = ""
    """The path as it was sent, percent-encoded: some hosts tell ``%2F`` from ``/``."""

    @property
    def host(self) -> str:
        """The ``Host`` header as sent, with its port."""
        return self.header("Host")

    def header(self, name: str) -> str:
        """A header by name in any case; empty where absent."""
        value = self.headers.get(name)
        if value is not None:
            return value
        lowered = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == lowered), "")

    def credentials(self) -> Credentials | None:
        """The credentials of the request; ``None`` without (or with an unreadable) ``Authorization`` header."""
        scheme, _, rest = self.header("Authorization").strip().partition(" ")
        rest = rest.strip()
        if not scheme or not rest:
            return None
        if scheme.lower() != "basic":
            return Credentials(scheme.lower(), rest)
        try:
            username, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return Credentials("basic", password, username)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a reply reaches the client. The default is: at once and whole."""

    delay: float = 0.0
    hang: bool = False
    """Accept the request and never say a word."""
    cut_before_headers: bool = False
    cut_after: int | None = None
    """Close the connection after so many bytes of a body announced as longer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One response."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    delivery: Delivery = Delivery()

    @classmethod
    def json(cls, status: int, document: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """A JSON document."""
        body = json.dumps(document, separators=(",", ":")).encode()
        return cls(status, {"Content-Type": JSON_TYPE, **(headers or {})}, body)

    @classmethod
    def text(cls, status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> Reply:
        """Plain text or HTML."""
        return cls(status, {"Content-Type": content_type}, text.encode())

    def with_headers(self, headers: Mapping[str, str]) -> Reply:
        """The same reply with further headers; its own win."""
        present = {name.lower() for name in self.headers}
        added = {name: value for name, value in headers.items() if name.lower() not in present}
        return replace(self, headers={**self.headers, **added})

    def without_headers(self, names: frozenset[str]) -> Reply:
        """The same reply without the named headers (lower case)."""
        return replace(self, headers={k: v for k, v in self.headers.items() if k.lower() not in names})
