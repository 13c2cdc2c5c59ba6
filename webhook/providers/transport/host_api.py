"""The API of one host for one inspection: pauses, concurrency, one redirect, one retry, and the response.

Each method that handles a request adds one concern::

    HostApi.send      the request; pauses after rate limits; the concurrency limit
    ._follow          the deadline; the redirect of a renamed repository
    ._with_retry      a second attempt where it can help
    ._attempt         one attempt: every exception becomes a `Failure`, every attempt is reported
    ._exchange        one response: status, size, encoding, JSON, rate limit
"""

from __future__ import annotations

import asyncio
import math
import random
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import msgspec

from webhook import __version__
from webhook.providers.base import DeadlineExceeded, Provider, ProviderUnavailable, RateLimit, Reply
from webhook.providers.hosts import Host, Kind
from webhook.providers.transport import intermediaries, redirects
from webhook.providers.transport.bodies import decode_json, headers_of, read_beginning, read_whole
from webhook.providers.transport.connections import Connections, Exchange
from webhook.providers.transport.failures import Failure, failure_in, failure_of
from webhook.providers.transport.limits import HostThrottle, Limits, current_tenant
from webhook.providers.transport.redirects import DOT_SEGMENT, PATH

USER_AGENT = f"git-token-webhook/{__version__}"

RETRY_NEEDS = 0.3
"""Seconds that must be left for a second attempt: a TLS handshake and a request between continents take longer."""
_BACKOFF = (0.05, 0.15)  # seconds, chosen at random, so that requests that failed together are not repeated together
_RETRIED_STATUSES = frozenset({502, 503, 504})
# Not Implemented, HTTP Version Not Supported, Network Authentication Required (RFC 9110, RFC 6585).
_PERMANENT_STATUSES = frozenset({501, 505, 511})
_DEFAULT_PAUSE = 60.0  # what GitHub documents for a limit without a duration

_HEADER_VALUE = re.compile(r"[\x20-\x7e]*\Z")
_REDIRECT_BODY = 1 << 16  # bytes; pages of redirects have a few hundred


@dataclass(frozen=True, slots=True)
class Shared:
    """What all inspections of one client share.

    Attributes:
        connections: returns the connection pool of a host.
        start: runs work in a task that continues when the caller is cancelled.
        report: called after every attempt with the kind of the host, the result (see `client.OnRequest`) and the time
            when it began.
    """

    limits: Limits
    throttle: HostThrottle
    connections: Callable[[Host], Connections]
    start: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]
    report: Callable[[Kind, str, float], None]


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)
    from_root: bool = False
    raw: bool = False


@dataclass(frozen=True, slots=True)
class _Redirect:
    """A redirect to another address."""

    location: str = field(repr=False)
    result: str = "3xx"


_Outcome = Reply | _Redirect | Failure


class HostApi:
    """See `client.ProviderClient.api`."""

    def __init__(
        self,
        shared: Shared,
        host: Host,
        provider: Provider,
        credential_digest: bytes,
        deadline: float,
        needed_by: float,
    ) -> None:
        self.needed_by = needed_by
        self._shared = shared
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
        connections = self._shared.connections(self._host)
        async with connections.slot(self._tenant, self._deadline):
            self._raise_while_paused()  # another request may have hit a rate limit meanwhile
            outcome = await self._follow(connections, request)
        if isinstance(outcome, Failure):
            if outcome.result == "timeout":
                raise DeadlineExceeded(outcome.clause)
            raise outcome.error(outcome.clause, transient=outcome.transient, remedy=outcome.remedy)
        return outcome

    def _raise_while_paused(self) -> None:
        throttle = self._shared.throttle
        if seconds := throttle.pauses.remaining(self._host.api_url, self._credential):
            raise ProviderUnavailable(_limited(seconds), transient=True)
        if seconds := throttle.failed_logins.remaining(self._host.api_url, self._tenant, self._credential):
            raise ProviderUnavailable(
                "was not asked, because it has just rejected too many tokens of the same namespace; other tokens of"
                f" this namespace can be checked in {math.ceil(seconds)} s",
                transient=True,
            )

    async def _follow(self, connections: Connections, request: _Request) -> Reply | Failure:
        """Send the request and follow one redirect, together within the timeout of one request."""
        now = asyncio.get_running_loop().time
        window = min(self._shared.limits.provider_timeout, self._deadline - now())
        if window <= 0:
            return Failure("was not asked, because no time was left", "timeout")
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
            return failure_of(error)
        outcome = await self._with_retry(connections, replace(request, path=path), end, window)
        if isinstance(outcome, _Redirect):
            return Failure("answered with a redirect to another redirect", remedy=redirects.REMEDY)
        return replace(outcome, moved=path) if isinstance(outcome, Reply) else outcome

    async def _with_retry(self, connections: Connections, request: _Request, end: float, window: float) -> _Outcome:
        now = asyncio.get_running_loop().time
        started = time.monotonic()
        outcome = await self._attempt(connections, request, end, window)
        backoff = random.uniform(*_BACKOFF)  # noqa: S311 - not a secret
        if not (isinstance(outcome, Failure) and outcome.retry and end - now() >= backoff + RETRY_NEEDS):
            self._report(outcome, started)
            return outcome
        self._shared.report(self._host.kind, "retry", started)
        await asyncio.sleep(backoff)
        started = time.monotonic()
        outcome = await self._attempt(connections, request, end, window)
        self._report(outcome, started)
        return outcome

    def _report(self, outcome: _Outcome, started: float) -> None:
        result = f"{outcome.status // 100}xx" if isinstance(outcome, Reply) else outcome.result
        self._shared.report(self._host.kind, result, started)

    async def _attempt(self, connections: Connections, request: _Request, end: float, window: float) -> _Outcome:
        """Make one attempt in a separate task, which only its scope can cancel (see `Connections`)."""
        scope = anyio.CancelScope(deadline=end)
        task = self._shared.start(self._within(scope, connections, request, window))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            scope.cancel()
            raise

    async def _within(
        self, scope: anyio.CancelScope, connections: Connections, request: _Request, window: float
    ) -> _Outcome:
        # A timeout says nothing about the connection when the caller had little time left.
        hurried = window < self._shared.limits.provider_timeout / 2
        try:
            # The scope covers the whole response, so that a slow body cannot exceed the timeout.
            with scope:
                return await self._exchange(connections, request, hurried)
        except ProviderUnavailable as error:
            return failure_of(error)
        except Exception as error:
            return failure_in(error)
        return Failure(f"did not answer within {round(window, 1):g} s", "timeout")

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
        status, headers = exchange.response.status, headers_of(exchange.response)
        if status in redirects.FOLLOWED:
            await read_beginning(exchange, {}, _REDIRECT_BODY)  # so that the connection can be reused
            return _Redirect(headers.get("location", ""))
        if 300 <= status <= 399:
            return Failure("answered with a redirect, which is not followed", "3xx", remedy=redirects.REMEDY)
        if (found := intermediaries.recognise(status, headers)) is not None and status != 429:
            raise found
        if status >= 500:
            transient = status not in _PERMANENT_STATUSES
            return Failure(
                f"answered with status {status}", "5xx", retry=status in _RETRIED_STATUSES, transient=transient
            )
        if not 200 <= status <= 499:
            return Failure("answered with an unexpected status")
        limit = self._shared.limits.response_bytes
        if raw:
            beginning = await read_beginning(exchange, headers, limit)
            if status != 429 and (found := intermediaries.recognise(status, headers, beginning, raw=True)) is not None:
                raise found
            return Reply(status, headers, beginning)
        body = b""
        try:
            body = await read_whole(exchange, headers, limit)
            value = decode_json(body, headers)
        except ProviderUnavailable:
            if status != 429 and (found := intermediaries.recognise(status, headers, body)) is not None:
                raise found from None
            # The status of a 4xx without a readable body is still meaningful to the provider's code. A body that claims
            # to be JSON must be readable, because it may say more than the status.
            if status < 400 or (status != 429 and "json" in headers.get("content-type", "")):
                raise
            value = None
        return Reply(status, headers, value)

    def _limited(self, reply: Reply) -> Reply | Failure:
        limit = self._provider.rate_limit(reply)
        if limit is None and reply.status == 429:
            after = reply.headers.get("retry-after", "")
            limit = RateLimit(float(after) if re.fullmatch("[0-9]{1,6}", after) else _DEFAULT_PAUSE, whole_host=False)
        throttle = self._shared.throttle
        if limit is None:
            throttle.failed_logins.note(self._host.api_url, self._tenant, self._credential, reply.status)
            return reply
        seconds = throttle.pauses.begin(
            self._host.api_url, self._credential, limit.seconds, tenant=self._tenant, whole_host=limit.whole_host
        )
        return Failure(_limited(seconds), "rate_limited", transient=True)


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
        clause = "cannot check this credential: it contains characters that HTTP headers cannot carry"
        raise ProviderUnavailable(clause)
    return _Request(method, path, sent, content, from_root, raw)
