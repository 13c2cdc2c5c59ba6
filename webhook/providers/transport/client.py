"""The HTTPS client for all providers.

`ProviderClient` is created once and holds the connections; `ProviderClient.api` returns the API for one inspection.
Each method that handles a request adds one concern::

    _HostApi.send     the request; pauses after rate limits; the concurrency limit
    ._follow          the deadline; the redirect of a renamed repository
    ._with_retry      a second attempt where it can help
    ._attempt         one attempt: every exception becomes a `_Failure`, every attempt is reported
    ._exchange        one response: status, size, encoding, JSON, rate limit

It is built on httpcore and not on httpx, which keeps cookies: a session that a provider opened for the token of one
tenant would be sent with the token of the next. Credentials are only in headers, and headers never appear in a URL, log
line, `repr` or exception.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import random
import re
import socket
import ssl
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import anyio
import h2.exceptions
import httpcore
import msgspec

from webhook import __version__
from webhook.providers.base import (
    Api,
    DeadlineExceeded,
    NotTheProvider404,
    Provider,
    ProviderUnavailable,
    RateLimit,
    Reply,
)
from webhook.providers.hosts import Host, Kind
from webhook.providers.transport import intermediaries, redirects
from webhook.providers.transport.addresses import CheckedBackend, Resolve, system_resolve
from webhook.providers.transport.connections import Connections, Endpoint, Exchange
from webhook.providers.transport.limits import HostThrottle, Limits, current_tenant
from webhook.providers.transport.proxies import TunnelBackend, UnusableProxy, proxy_for
from webhook.providers.transport.redirects import DOT_SEGMENT, PATH
from webhook.providers.transport.trust import FileTrust, SystemTrust, Trust, TrustUnavailable
from webhook.providers.urls import MalformedUrl, parse_host

T = TypeVar("T")

USER_AGENT = f"git-token-webhook/{__version__}"

RETRY_NEEDS = 0.3
"""Seconds that must be left for a second attempt: a TLS handshake and a request between continents take longer."""
_BACKOFF = (0.05, 0.15)  # seconds, chosen at random, so that requests that failed together are not repeated together
_RETRIED_STATUSES = frozenset({502, 503, 504})
# Not Implemented, HTTP Version Not Supported, Network Authentication Required (RFC 9110, RFC 6585).
_PERMANENT_STATUSES = frozenset({501, 505, 511})
_DEFAULT_PAUSE = 60.0  # what GitHub documents for a limit without a duration
_MAX_HOSTS = 64  # every name below .ghe.com is a host, so users control the number

_HEADER_VALUE = re.compile(r"[\x20-\x7e]*\Z")
_REDIRECT_BODY = 1 << 16  # bytes; pages of redirects have a few hundred
_NAMED_TYPES = frozenset({"text/html", "text/plain", "application/xml", "text/xml"})


OnRequest = Callable[[Kind, str, float], None]
"""Called after every attempt with the kind of the host, the result (``2xx``, ``3xx``, ``4xx``, ``5xx``, ``timeout``,
``error``, ``rate_limited``, or ``retry`` for a failure that is retried) and the duration in seconds."""


class ProviderClient:
    """The connections of this process to all providers.

    The client resolves host names itself and connects only to allowed addresses (see `addresses`). Where the
    environment names a proxy, the proxy resolves the name and has to check addresses; the credential is sent only
    through the TLS tunnel inside it (see `proxies`).
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        on_request: OnRequest | None = None,
        throttle: HostThrottle | None = None,
        environment: Mapping[str, str] = os.environ,
        resolve: Resolve = system_resolve,
    ) -> None:
        """
        Args:
            throttle: the rate limits that a previous client has seen.
        """
        self._limits = limits or Limits()
        self._on_request = on_request
        self._environment = environment
        self._resolve = resolve
        self._system_trust = SystemTrust(environment)
        # A proxy is used over HTTP/1.1, so nothing else must be offered.
        self._proxy_trust = SystemTrust(environment, ["http/1.1"])
        self._hosts: OrderedDict[Host, Connections] = OrderedDict()
        self._background: set[asyncio.Task[Any]] = set()
        self._throttle = throttle or HostThrottle()

    async def __aenter__(self) -> Self:
        _quiet_libraries()
        # Reading the system's authorities takes tens of milliseconds, for which no request should wait.
        try:
            await asyncio.to_thread(self._system_trust.context)
        except TrustUnavailable:
            pass  # requests that need them fail with this error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._background:
            await asyncio.wait(self._background)
        while self._hosts:
            _, connections = self._hosts.popitem()
            await connections.aclose()

    def api(
        self, host: Host, provider: Provider, credential_digest: bytes, deadline: float, needed_by: float | None = None
    ) -> Api:
        """Return the API of a host for one inspection.

        Args:
            host: the host; requests are sent only below its `api_url`.
            provider: recognises the rate limits of the host.
            credential_digest: keyed; rate limits of one credential pause only its requests.
            deadline: when every request must have ended, by the running loop's `time()`.
            needed_by: see `Api.needed_by`; defaults to the deadline.
        """
        return _HostApi(self, host, provider, credential_digest, deadline, deadline if needed_by is None else needed_by)

    def note_account(self, host: Host, credential_digest: bytes, account: str) -> None:
        """Remember the account of a credential; see `limits.Pauses` for why it matters."""
        self._throttle.pauses.note_account(host.api_url, credential_digest, account)

    def _connections(self, host: Host) -> Connections:
        """Return the connection pool of the host, created on first use. Use it at once: it may be evicted later.

        Raises:
            ProviderUnavailable: its API URL or its proxy is not valid.
        """
        if (connections := self._hosts.get(host)) is not None:
            self._hosts.move_to_end(host)
            return connections
        endpoint = _endpoint(host)
        trust: Trust = FileTrust(host.ca_file) if host.ca_file is not None else self._system_trust
        try:
            proxy = proxy_for(endpoint.host, endpoint.port, self._environment)
        except UnusableProxy as error:
            raise ProviderUnavailable(f"cannot be asked: {error}") from None
        backend: httpcore.AsyncNetworkBackend
        if proxy is not None:
            backend = TunnelBackend(proxy, self._proxy_trust, declared=host.declared)
        else:
            backend = CheckedBackend(declared=host.declared, resolve=self._resolve)
        connections = Connections(endpoint, trust, backend, concurrency=self._limits.concurrency)
        self._evict_hosts()
        self._hosts[host] = connections
        return connections

    def _evict_hosts(self) -> None:
        surplus = len(self._hosts) + 1 - _MAX_HOSTS
        for host, connections in list(self._hosts.items()) if surplus > 0 else ():
            if surplus > 0 and not connections.in_use:
                self._start(self._hosts.pop(host).aclose())
                surplus -= 1

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` in a task that continues when the caller is cancelled."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _report(self, kind: Kind, result: str, started: float) -> None:
        if self._on_request is not None:
            self._on_request(kind, result, time.monotonic() - started)


def _endpoint(host: Host) -> Endpoint:
    try:
        url = urlsplit(host.api_url)
        authority = parse_host(url.netloc)
    except MalformedUrl as error:
        raise ProviderUnavailable(f"cannot be asked: its API URL {error}") from None
    except ValueError:
        raise ProviderUnavailable("cannot be asked: its API URL is not a valid URL") from None
    if url.scheme != "https":
        raise ProviderUnavailable("cannot be asked: its API URL does not begin with https://")
    if url.query or url.fragment or not PATH.match(f"/{url.path}"):
        clause = "cannot be asked: its API URL has a query or a fragment, or invalid characters in its path"
        raise ProviderUnavailable(clause)
    name, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        name, port = authority, "443"
    return Endpoint(name.strip("[]"), int(port), authority, url.path.rstrip("/"))


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)
    from_root: bool = False
    raw: bool = False


@dataclass(frozen=True, slots=True)
class _Failure:
    """A failed attempt.

    Attributes:
        clause: the text of the resulting `ProviderUnavailable`.
        result: see `OnRequest`.
        retry: whether another attempt can succeed.
        transient, remedy: see `ProviderUnavailable`.
        error: its class.
    """

    clause: str
    result: str = "error"
    retry: bool = False
    transient: bool = False
    remedy: str = ""
    error: type[ProviderUnavailable] = ProviderUnavailable


@dataclass(frozen=True, slots=True)
class _Redirect:
    """A redirect to another address."""

    location: str = field(repr=False)
    result: str = "3xx"


_Outcome = Reply | _Redirect | _Failure


class _HostApi:
    """See `ProviderClient.api`."""

    def __init__(
        self,
        client: ProviderClient,
        host: Host,
        provider: Provider,
        credential_digest: bytes,
        deadline: float,
        needed_by: float,
    ) -> None:
        self.needed_by = needed_by
        self._client = client
        self._host = host
        self._provider = provider
        self._credential = credential_digest
        self._deadline = deadline
        self._tenant = current_tenant.get()

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        json: object = None,
        from_root: bool = False,
        raw: bool = False,
    ) -> Reply:
        """See `base.Api.send`. No request changes anything at a provider, so each can be sent twice."""
        request = _request(method, path, headers, json, from_root, raw)
        self._raise_while_paused()
        connections = self._client._connections(self._host)
        async with connections.slot(self._tenant, self._deadline):
            self._raise_while_paused()  # another request may have hit a rate limit meanwhile
            outcome = await self._follow(connections, request)
        if isinstance(outcome, _Failure):
            if outcome.result == "timeout":
                raise DeadlineExceeded(outcome.clause)
            raise outcome.error(outcome.clause, transient=outcome.transient, remedy=outcome.remedy)
        return outcome

    def _raise_while_paused(self) -> None:
        throttle = self._client._throttle
        if seconds := throttle.pauses.remaining(self._host.api_url, self._credential):
            raise ProviderUnavailable(_limited(seconds), transient=True)
        if seconds := throttle.failed_logins.remaining(self._host.api_url, self._tenant, self._credential):
            raise ProviderUnavailable(
                "was not asked, because it has just rejected too many tokens of the same namespace; other tokens of"
                f" this namespace can be checked in {math.ceil(seconds)} s",
                transient=True,
            )

    async def _follow(self, connections: Connections, request: _Request) -> Reply | _Failure:
        """Send the request and follow one redirect, together within the timeout of one request."""
        now = asyncio.get_running_loop().time
        window = min(self._client._limits.provider_timeout, self._deadline - now())
        if window <= 0:
            return _Failure("was not asked, because no time was left", "timeout")
        end = now() + window
        outcome = await self._with_retry(connections, request, end, window)
        if not isinstance(outcome, _Redirect):
            return outcome
        endpoint, profile = connections.endpoint, self._provider.profile
        try:
            path = redirects.target(
                outcome.location,
                path=request.path,
                from_root=request.from_root,
                authority=endpoint.authority,
                prefix=endpoint.prefix,
                profile=profile,
            )
        except ProviderUnavailable as error:
            return _failure_of(error)
        outcome = await self._with_retry(connections, replace(request, path=path), end, window)
        if isinstance(outcome, _Redirect):
            return _Failure("answered with a redirect to another redirect", remedy=redirects.REMEDY)
        return replace(outcome, moved=path) if isinstance(outcome, Reply) else outcome

    async def _with_retry(self, connections: Connections, request: _Request, end: float, window: float) -> _Outcome:
        now = asyncio.get_running_loop().time
        started = time.monotonic()
        outcome = await self._attempt(connections, request, end, window)
        backoff = random.uniform(*_BACKOFF)  # noqa: S311 - not a secret
        if not (isinstance(outcome, _Failure) and outcome.retry and end - now() >= backoff + RETRY_NEEDS):
            self._report(outcome, started)
            return outcome
        self._client._report(self._host.kind, "retry", started)
        await asyncio.sleep(backoff)
        started = time.monotonic()
        outcome = await self._attempt(connections, request, end, window)
        self._report(outcome, started)
        return outcome

    def _report(self, outcome: _Outcome, started: float) -> None:
        result = f"{outcome.status // 100}xx" if isinstance(outcome, Reply) else outcome.result
        self._client._report(self._host.kind, result, started)

    async def _attempt(self, connections: Connections, request: _Request, end: float, window: float) -> _Outcome:
        """Make one attempt in a separate task, which only its scope can cancel (see `Connections`)."""
        scope = anyio.CancelScope(deadline=end)
        task = self._client._start(self._within(scope, connections, request, window))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            scope.cancel()
            raise

    async def _within(
        self, scope: anyio.CancelScope, connections: Connections, request: _Request, window: float
    ) -> _Outcome:
        # A timeout says nothing about the connection when the caller had little time left.
        hurried = window < self._client._limits.provider_timeout / 2
        try:
            # The scope covers the whole response, so that a slow body cannot exceed the timeout.
            with scope:
                return await self._exchange(connections, request, hurried)
        except ProviderUnavailable as error:
            return _failure_of(error)
        except Exception as error:
            return _failure(error)
        return _Failure(f"did not answer within {round(window, 1):g} s", "timeout")

    async def _exchange(self, connections: Connections, request: _Request, hurried: bool) -> _Outcome:
        sent = connections.exchange(
            request.method,
            request.path,
            request.headers,
            request.content,
            from_root=request.from_root,
            forgiving_cancellation=hurried,
        )
        async with sent as exchange:
            outcome = await self._read_response(exchange, raw=request.raw)
        return self._limited(outcome) if isinstance(outcome, Reply) else outcome

    async def _read_response(self, exchange: Exchange, *, raw: bool) -> _Outcome:
        status, headers = exchange.response.status, _headers_of(exchange.response)
        if status in redirects.FOLLOWED:
            await _beginning(exchange, {}, _REDIRECT_BODY)  # so that the connection can be reused
            return _Redirect(headers.get("location", ""))
        if 300 <= status <= 399:
            return _Failure("answered with a redirect, which is not followed", "3xx", remedy=redirects.REMEDY)
        if (found := intermediaries.recognise(status, headers)) is not None and status != 429:
            raise found
        if status >= 500:
            transient = status not in _PERMANENT_STATUSES
            return _Failure(
                f"answered with status {status}", "5xx", retry=status in _RETRIED_STATUSES, transient=transient
            )
        if not 200 <= status <= 499:
            return _Failure("answered with an unexpected status")
        limit = self._client._limits.response_bytes
        if raw:
            beginning = await _beginning(exchange, headers, limit)
            if status != 429 and (found := intermediaries.recognise(status, headers, beginning, raw=True)) is not None:
                raise found
            return Reply(status, headers, beginning)
        body = b""
        try:
            body = await _body(exchange, headers, limit)
            value = _decoded(body, headers)
        except ProviderUnavailable:
            if status != 429 and (found := intermediaries.recognise(status, headers, body)) is not None:
                raise found from None
            # The status of a 4xx without a readable body is still meaningful to the provider's code. A body that claims
            # to be JSON must be readable, because it may say more than the status.
            if status < 400 or (status != 429 and "json" in headers.get("content-type", "")):
                raise
            value = None
        return Reply(status, headers, value)

    def _limited(self, reply: Reply) -> Reply | _Failure:
        limit = self._provider.rate_limit(reply)
        if limit is None and reply.status == 429:
            after = reply.headers.get("retry-after", "")
            limit = RateLimit(float(after) if re.fullmatch("[0-9]{1,6}", after) else _DEFAULT_PAUSE, whole_host=False)
        throttle = self._client._throttle
        if limit is None:
            throttle.failed_logins.note(self._host.api_url, self._tenant, self._credential, reply.status)
            return reply
        seconds = throttle.pauses.begin(
            self._host.api_url, self._credential, limit.seconds, tenant=self._tenant, whole_host=limit.whole_host
        )
        return _Failure(_limited(seconds), "rate_limited", transient=True)


def _limited(seconds: float) -> str:
    return f"limits our requests for another {math.ceil(seconds)} s"


def _request(
    method: str,
    path: str,
    headers: Mapping[str, str],
    json: object,
    from_root: bool = False,
    raw: bool = False,
) -> _Request:
    # Providers encode what they put into a path. If one forgets it, a user's URL must not select another path, and a
    # token must not add headers.
    if not PATH.match(path) or DOT_SEGMENT.search(path):
        raise ValueError("a provider made a path that is not percent-encoded or has dot segments")
    content = None if json is None else msgspec.json.encode(json)
    sent = {name.lower(): value for name, value in headers.items()}
    sent.setdefault("accept", "application/json")
    sent |= {"user-agent": USER_AGENT, "accept-encoding": "gzip, deflate"}
    if content is not None:
        sent["content-type"] = "application/json"
    if content is not None or method in {"POST", "PUT", "PATCH"}:
        sent["content-length"] = str(len(content or b""))
    if not all(_HEADER_VALUE.match(value) for value in sent.values()):
        clause = "cannot be asked about this credential: it contains characters that HTTP headers cannot carry"
        raise ProviderUnavailable(clause)
    return _Request(method, path, sent, content, from_root, raw)


def _headers_of(response: httpcore.Response) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _body(exchange: Exchange, headers: Mapping[str, str], limit: int) -> bytes:
    """Return the decompressed body.

    Raises:
        ProviderUnavailable: it is too large, cut off, or in an encoding that was not requested.
    """
    decoder = _Decoder(headers.get("content-encoding", "").strip().lower(), limit)
    await exchange.read(decoder.feed)
    return decoder.finish()


async def _beginning(exchange: Exchange, headers: Mapping[str, str], limit: int) -> bytes:
    """Return the decompressed body, truncated to the limit.

    Raises:
        ProviderUnavailable: it is cut off, or in an encoding that was not requested.
    """
    decoder = _Decoder(headers.get("content-encoding", "").strip().lower(), limit)
    try:
        await exchange.read(decoder.feed)
    except _TooLarge:
        return decoder.so_far
    return decoder.finish()


class _TooLarge(ProviderUnavailable):
    """A body exceeds the limit."""


class _Decoder:
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


def _decoded(body: bytes, headers: Mapping[str, str]) -> object:
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


def _failure_of(error: ProviderUnavailable) -> _Failure:
    kind = NotTheProvider404 if isinstance(error, NotTheProvider404) else ProviderUnavailable
    return _Failure(str(error), transient=error.transient, remedy=error.remedy, error=kind)


def _connection_failure(clause: str) -> _Failure:
    """Return a failure of one connection, which a retry can resolve."""
    return _Failure(clause, retry=True, transient=True)


# The message for each exception, and whether a retry can help (only for failures of one connection). The most specific
# class wins.
FAILURES: Mapping[type[BaseException], _Failure] = {
    httpcore.TimeoutException: _Failure("did not answer in time", "timeout", transient=True),
    httpcore.NetworkError: _connection_failure("closed the connection"),
    httpcore.ConnectError: _connection_failure("did not accept a connection"),
    httpcore.ProtocolError: _connection_failure("violated the HTTP protocol"),
    httpcore.RemoteProtocolError: _connection_failure("closed the connection before its answer was complete"),
    httpcore.ProxyError: _connection_failure("could not be reached, because the proxy could not be reached"),
    httpcore.ConnectionNotAvailable: _connection_failure("closed the connection"),
    httpcore.UnsupportedProtocol: _Failure("cannot be asked over this protocol"),
    # httpcore does not map these when a connection breaks during an HTTP/2 write.
    anyio.EndOfStream: _connection_failure("closed the connection"),
    anyio.BrokenResourceError: _connection_failure("closed the connection"),
    anyio.ClosedResourceError: _connection_failure("closed the connection"),
    h2.exceptions.H2Error: _connection_failure("violated the HTTP protocol"),
    ssl.SSLError: _Failure("does not speak valid TLS", remedy="Check that its API URL names a port that speaks HTTPS."),
    ssl.SSLCertVerificationError: _Failure(
        "has a TLS certificate that cannot be verified",
        remedy="Set caFile of the host under providers: to the authority that signed it, or replace the certificate.",
    ),
    ConnectionError: _connection_failure("closed the connection"),
    ConnectionRefusedError: _connection_failure("refused the connection"),
    TimeoutError: _Failure("did not answer in time", "timeout", transient=True),
    OSError: _connection_failure("did not accept a connection"),
    socket.gaierror: _Failure("could not be found (DNS)"),
    UnicodeError: _Failure("has a name that DNS does not allow", remedy="Correct the name of the host."),
}
# OpenSSL's names of the alert certificate_required, in TLS 1.3 and from servers that send it in earlier versions.
_CERTIFICATE_REQUIRED = frozenset({"TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_CERTIFICATE_REQUIRED"})
_HANDSHAKE_FAILED = frozenset({"SSLV3_ALERT_HANDSHAKE_FAILURE", "SSL/TLS_ALERT_HANDSHAKE_FAILURE"})
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
# X509_V_ERR_… of OpenSSL's x509_vfy.h.
_CERTIFICATE_PROBLEMS = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed",
    19: "it is signed by an unknown authority",
    20: "it is signed by an unknown authority",
    21: "it is signed by an unknown authority",
    23: "it was revoked",
    62: "it is for another name",
    64: "it is for another address",
}


def _failure(error: Exception) -> _Failure:
    """Return the failure for `error`, from its innermost cause that the table contains."""
    known = [link for link in _causes(error) if _known(link) is not None]
    if not known:
        # httpcore has raised KeyError and similar errors over HTTP/2; they are not the provider's fault.
        clause = f"could not be asked, because of an error in this program ({type(error).__name__})"
        return _Failure(clause, transient=True)
    cause = known[-1]
    failure = _known(cause) or _Failure("")
    if isinstance(cause, ssl.SSLError) and getattr(cause, "reason", "") in _CERTIFICATE_REQUIRED:
        return _failure_of(intermediaries.CLIENT_CERTIFICATE)
    if isinstance(cause, ssl.SSLError) and getattr(cause, "reason", "") in _HANDSHAKE_FAILED:
        return _failure_of(intermediaries.HANDSHAKE_FAILED)
    if isinstance(cause, ssl.SSLCertVerificationError) and (
        problem := _CERTIFICATE_PROBLEMS.get(getattr(cause, "verify_code", 0))
    ):
        return replace(failure, clause=f"{failure.clause} ({problem})")
    if isinstance(cause, socket.gaierror):  # no such name, or DNS is unavailable
        if cause.errno in _NO_SUCH_NAME:
            return replace(failure, remedy="Correct the name of the host, or the DNS configuration of this webhook.")
        return replace(failure, retry=cause.errno == socket.EAI_AGAIN, transient=True)
    return failure


def _known(error: BaseException) -> _Failure | None:
    return next((FAILURES[kind] for kind in type(error).__mro__ if kind in FAILURES), None)


def _causes(error: BaseException) -> list[BaseException]:
    """Return `error` and its causes, innermost last. httpcore breaks the chain and keeps the cause as an argument."""
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        argument = link.args[0] if link.args else None
        link = argument if isinstance(argument, BaseException) else link.__cause__
    return links


def _quiet_libraries() -> None:
    """Silence the HTTP libraries: at debug level, httpcore and hpack log whole requests with their headers."""
    for name in ("httpcore", "httpx", "h2", "hpack", "h11"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
