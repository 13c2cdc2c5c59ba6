from __future__ import annotations

import asyncio
import gzip
import json
import logging
import socket
import ssl
import time
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import h2.exceptions
import httpcore
import pytest
from aiohttp import web

from tests.providers.servers import NAME, Authority, Limiting, conversing, http2, https, loopback, proxying, saying
from webhook.providers.base import Api, Provider, ProviderUnavailable, RateLimit, Reply
from webhook.providers.hosts import Host, Kind
from webhook.providers.transport import failures, host_api
from webhook.providers.transport.bodies import Decoder
from webhook.providers.transport.client import OnRequest, ProviderClient
from webhook.providers.transport.host_api import USER_AGENT
from webhook.providers.transport.limits import MAX_REJECTED, HostThrottle, Limits, current_tenant

TOKEN = "gh" + "p_" + "Sentinel" * 4
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
HTTP_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
PATIENT = Limits(provider_timeout=5.0)
HURRIED = Limits(provider_timeout=0.4)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def make_client(
    limits: Limits = PATIENT, on_request: OnRequest | None = None, environment: Mapping[str, str] | None = None
) -> ProviderClient:
    return ProviderClient(limits, on_request=on_request, environment=environment or {}, resolve=loopback)


def ask(
    client: ProviderClient,
    host: Host,
    *,
    provider: Provider | None = None,
    digest: bytes = b"one",
    seconds: float = 10.0,
) -> Api:
    """The API of `host`, for as many seconds."""
    return client.api(host, provider or Limiting(), digest, asyncio.get_running_loop().time() + seconds)


async def reply_of(authority: Authority, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Reply:
    """What one request to a site with this handler brings."""
    async with https(handler, authority.server_context()) as site, make_client() as client:
        return await ask(client, authority.host(site.port)).send("GET", "/user", headers=HEADERS)


async def refusal_of(authority: Authority, data: bytes, limits: Limits = PATIENT) -> str:
    """The clause that one request to a server that says `data` ends with."""
    async with conversing(saying(data), authority.server_context()) as site, make_client(limits) as client:
        with pytest.raises(ProviderUnavailable) as caught:
            await ask(client, authority.host(site.port)).send("GET", "/user", headers=HEADERS)
    return str(caught.value)


def http_answer(status: str, content_type: str, body: bytes, *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *more]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def answer_ok(request: web.Request) -> web.StreamResponse:
    return web.json_response({"path": request.path_qs})


# What is sent.


async def test_a_request_goes_below_the_api_url_and_says_who_asks(authority: Authority) -> None:
    """Path, method, the credential's header, the host with its port, and our own name."""
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return web.json_response({"login": "octocat"})

    reply = await reply_of(authority, handler)
    request = seen[0]
    assert (request.method, request.path_qs) == ("GET", "/api/v3/user")
    assert request.headers["Authorization"] == HEADERS["Authorization"]
    assert request.headers["User-Agent"] == USER_AGENT
    assert request.headers["Accept-Encoding"] == "gzip, deflate"
    assert request.host.startswith(f"{NAME}:")
    assert reply.body == {"login": "octocat"}


@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.parametrize("size", [0, 99, 100, 101, 5 << 20])
async def test_a_raw_body_comes_as_it_is_and_never_whole_if_too_large(
    status: int, size: int, authority: Authority
) -> None:
    """Git's advertisements are no JSON, and their first line says it all."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, content_type="application/x-git", body=b"x" * size)

    limits = Limits(response_bytes=100)
    async with https(handler, authority.server_context()) as site, make_client(limits) as client:
        reply = await ask(client, authority.host(site.port)).send("GET", "/", headers=HEADERS, raw=True)
    assert (reply.status, reply.body) == (status, b"x" * min(size, 100))


async def test_a_raw_body_that_is_cut_off_is_no_answer(authority: Authority) -> None:
    """Its beginning might be another one's."""
    data = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n1234"
    async with conversing(saying(data), authority.server_context()) as site, make_client() as client:
        with pytest.raises(ProviderUnavailable, match="before its answer was complete"):
            await ask(client, authority.host(site.port)).send("GET", "/", headers={}, raw=True)


async def test_a_request_from_the_root_goes_beside_the_api(authority: Authority) -> None:
    """GitLab has one answer about OAuth tokens on its web site; host and port stay those of the API."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response([request.host, request.path_qs])

    async with https(handler, authority.server_context()) as site, make_client() as client:
        host = authority.host(site.port)
        reply = await ask(client, host).send("GET", "/oauth/token/info", headers=HEADERS, from_root=True)
    assert host.api_url.endswith("/api/v3")
    assert reply.body == [f"{NAME}:{site.port}", "/oauth/token/info"]


async def test_a_provider_cannot_change_our_name(authority: Authority) -> None:
    """GitHub blocks requests by their User-Agent; it must be ours."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response(request.headers.getall("User-Agent"))

    async with https(handler, authority.server_context()) as site, make_client() as client:
        api = ask(client, authority.host(site.port))
        assert (await api.send("GET", "/", headers={"User-Agent": "somebody else"})).body == [USER_AGENT]


async def test_a_body_is_sent_as_json(authority: Authority) -> None:
    """With its length, so that no server answers 411."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({"sent": await request.json(), "type": request.content_type})

    async with https(handler, authority.server_context()) as site, make_client() as client:
        reply = await ask(client, authority.host(site.port)).send("POST", "/x", headers={}, json={"name": "ä"})
    assert reply.body == {"sent": {"name": "ä"}, "type": "application/json"}


async def test_a_post_without_a_body_says_so(authority: Authority) -> None:
    """Without Content-Length some servers answer 411."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response(request.headers.get("Content-Length"))

    async with https(handler, authority.server_context()) as site, make_client() as client:
        assert (await ask(client, authority.host(site.port)).send("POST", "/x", headers={})).body == "0"


@pytest.mark.parametrize(
    "path",
    ["user", "//x y", "/a\r\nHost: evil", "/repos/../user", "/repos/%2e%2E/user", "/a/.", "/é", "/a#b", "/a\\b", ""],
)
async def test_a_path_that_could_lead_elsewhere_is_a_bug(path: str, authority: Authority) -> None:
    """Providers encode what users wrote; one that forgets it sends nothing, and the error quotes nothing."""
    async with make_client() as client:
        with pytest.raises(ValueError, match="percent-encoded") as caught:
            await ask(client, authority.host(1)).send("GET", path, headers={})
    assert not path or path not in str(caught.value)


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\x00", "tökén"])
async def test_a_token_that_is_no_header_value_is_not_sent(value: str, authority: Authority) -> None:
    """It can't be asked about, and it must not become further headers; the clause doesn't quote it."""
    async with https(answer_ok, authority.server_context()) as site, make_client() as client:
        with pytest.raises(ProviderUnavailable, match="characters that HTTP headers cannot carry") as caught:
            await ask(client, authority.host(site.port)).send("GET", "/", headers={"Authorization": value})
        assert not site.requests
    assert value not in str(caught.value)


async def test_no_cookie_passes_from_one_credential_to_the_next(authority: Authority) -> None:
    """A session that was opened for one tenant's token would answer for another's."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.json_response(dict(request.cookies))
        response.set_cookie("session", "octocat")
        return response

    async with https(handler, authority.server_context()) as site, make_client() as client:
        api = ask(client, authority.host(site.port))
        await api.send("GET", "/user", headers=HEADERS)
        assert (await api.send("GET", "/user", headers=HEADERS)).body == {}


# What comes back.


async def test_header_names_come_in_lower_case_and_repeated_ones_together(authority: Authority) -> None:
    """Providers look them up without thinking about either."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.json_response({})
        response.headers.extend([("X-OAuth-Scopes", "repo"), ("X-Many", "a"), ("X-Many", "b")])
        return response

    reply = await reply_of(authority, handler)
    assert (reply.headers["x-oauth-scopes"], reply.headers["x-many"]) == ("repo", "a, b")


@pytest.mark.parametrize(
    ("status", "content_type", "text"),
    [
        (401, "text/plain", "Unauthorized"),
        (403, "text/html", "<h1>Blocked</h1>"),
        (404, "text/plain", "404 page not found"),
        (401, "application/json", ""),
    ],
)
async def test_a_refusal_without_json_still_has_its_status(
    status: int, content_type: str, text: str, authority: Authority
) -> None:
    """Bitbucket's 401 is plain text, a firewall's 403 is HTML: the provider judges what the status means."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, content_type=content_type, text=text)

    reply = await reply_of(authority, handler)
    assert (reply.status, reply.body) == (status, None)


@pytest.mark.parametrize("status", [200, 204])
async def test_an_empty_answer_has_no_body(status: int, authority: Authority) -> None:
    """Nothing is asked of the content type of nothing."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    reply = await reply_of(authority, handler)
    assert (reply.status, reply.body) == (status, None)


@pytest.mark.parametrize(
    ("content_type", "named"), [("text/html", "text/html"), ("application/x-secret", "something else")]
)
async def test_success_that_is_not_json_is_no_answer(content_type: str, named: str, authority: Authority) -> None:
    """A login page says nothing about a token; neither its text nor a strange type is quoted."""
    data = http_answer("200 OK", content_type, b"<h1>Please sign in</h1>")
    assert await refusal_of(authority, data) == f"answered with {named} where JSON was expected"


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000, b'"\xff"'])
@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden"])
async def test_json_that_cannot_be_read_is_no_answer(status: str, body: bytes, authority: Authority) -> None:
    """Broken, in no encoding, or nested to exhaust us; of a refusal too, which would have said why."""
    data = http_answer(status, "application/json", body)
    assert await refusal_of(authority, data) == "answered with invalid JSON"


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data, wbits=-zlib.MAX_WBITS)),
        ("identity", bytes),
    ],
)
async def test_compressed_answers_are_read(
    encoding: str, compress: Callable[[bytes], bytes], authority: Authority
) -> None:
    """In the encodings that we ask for, deflate with and without its frame."""
    body = compress(json.dumps(["x" * 1000]).encode())
    data = http_answer("200 OK", "application/json", body, f"Content-Encoding: {encoding}")
    async with conversing(saying(data), authority.server_context()) as site, make_client() as client:
        reply = await ask(client, authority.host(site.port)).send("GET", "/", headers={})
    assert reply.body == ["x" * 1000]


async def test_an_answer_that_unpacks_to_too_much_is_not_unpacked(authority: Authority) -> None:
    """Some kilobytes of gzip become 64 MiB."""
    body = gzip.compress(b" " * (64 << 20))
    assert len(body) < 1 << 20
    data = http_answer("200 OK", "application/json", body, "Content-Encoding: gzip")
    assert await refusal_of(authority, data) == "answered with a body that is too large"


def test_unpacking_takes_no_more_memory_than_the_limit() -> None:
    """The bomb that is refused must not have gone off first."""
    bomb = gzip.compress(b" " * (64 << 20))
    decoder = Decoder("gzip", 1 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(ProviderUnavailable):
            decoder.feed(bomb)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


async def test_the_largest_allowed_answer_is_read(authority: Authority) -> None:
    """And one byte more is not."""
    limits = Limits(response_bytes=100)
    exact = http_answer("200 OK", "application/json", b'"' + b"x" * 98 + b'"')
    async with conversing(saying(exact), authority.server_context()) as site, make_client(limits) as client:
        assert (await ask(client, authority.host(site.port)).send("GET", "/", headers={})).body == "x" * 98
    larger = http_answer("200 OK", "application/json", b'"' + b"x" * 99 + b'"')
    assert await refusal_of(authority, larger, limits) == "answered with a body that is too large"


@pytest.mark.parametrize(
    ("body", "clause"),
    [
        (gzip.compress(b"[1, 2]")[:-9], "answered with compressed data that was cut off"),
        (b"no gzip at all", "answered with invalid compressed data"),
    ],
    ids=["cut off", "no gzip"],
)
async def test_broken_compression_is_no_answer(body: bytes, clause: str, authority: Authority) -> None:
    """Half an answer may look whole."""
    data = http_answer("200 OK", "application/json", body, "Content-Encoding: gzip")
    assert await refusal_of(authority, data) == clause


async def test_an_encoding_that_nobody_asked_for_is_no_answer(authority: Authority) -> None:
    """We couldn't bound what it unpacks to."""
    data = http_answer("200 OK", "application/json", b"{}", "Content-Encoding: br")
    assert await refusal_of(authority, data) == "answered in a content encoding that was not requested"


async def test_a_body_that_is_cut_off_is_no_answer(authority: Authority) -> None:
    """Even if what came so far is JSON."""
    data = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{}"
    assert await refusal_of(authority, data) == "closed the connection before its answer was complete"


async def test_what_is_not_http_is_no_answer(authority: Authority) -> None:
    """Whatever speaks there isn't an API."""
    assert await refusal_of(authority, b"220 smtp.acme.example ESMTP\r\n") == (
        "closed the connection before its answer was complete"
    )


# Time.


async def test_a_server_that_never_answers_is_left_in_time(authority: Authority) -> None:
    """After the time-out of one request, whatever the deadline of the inspection."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise NotImplementedError

    async with https(handler, authority.server_context()) as site, make_client(HURRIED) as client:
        started = time.monotonic()
        with pytest.raises(ProviderUnavailable) as caught:
            await ask(client, authority.host(site.port)).send("GET", "/user", headers=HEADERS)
        assert time.monotonic() - started < 2
        assert len(site.requests) == 1  # a second try would time out as well
    assert str(caught.value) == "did not answer within 0.4 s"


async def test_an_answer_that_drips_is_left_in_time(authority: Authority) -> None:
    """Each byte comes in time; all of them together don't."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with conversing(drip, authority.server_context()) as site, make_client(HURRIED) as client:
        with pytest.raises(ProviderUnavailable, match="did not answer within"):
            await ask(client, authority.host(site.port)).send("GET", "/user", headers=HEADERS)


async def test_a_tls_handshake_that_hangs_is_left_in_time(authority: Authority) -> None:
    """A port that accepts and says nothing; what was opened is closed."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with conversing(hang, None) as site, make_client(HURRIED) as client:
        with pytest.raises(ProviderUnavailable, match="did not answer within"):
            await ask(client, authority.host(site.port)).send("GET", "/user", headers=HEADERS)


async def test_the_inspections_deadline_ends_a_request(authority: Authority) -> None:
    """Even where a request alone may take longer."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise NotImplementedError

    async with https(handler, authority.server_context()) as site, make_client(PATIENT) as client:
        with pytest.raises(ProviderUnavailable, match=r"did not answer within 0\.3 s"):
            await ask(client, authority.host(site.port), seconds=0.3).send("GET", "/", headers={})


async def test_nobody_is_asked_after_the_deadline(authority: Authority) -> None:
    """A token doesn't leave for an answer that nobody waits for."""
    async with https(answer_ok, authority.server_context()) as site, make_client() as client:
        with pytest.raises(ProviderUnavailable, match="no time was left"):
            await ask(client, authority.host(site.port), seconds=-1).send("GET", "/", headers={})
        assert not site.requests


async def test_after_a_time_out_a_new_connection_is_used(authority: Authority) -> None:
    """HTTP/2 would send all further requests over the connection whose other end is gone."""
    hang = True

    async def answer() -> None:
        await asyncio.sleep(60 if hang else 0)

    site_ = conversing(http2(answer, []), authority.server_context(alpn="h2"))
    async with site_ as site, make_client(Limits(provider_timeout=1.0)) as client:
        api = ask(client, authority.host(site.port))
        with pytest.raises(ProviderUnavailable, match="did not answer"):
            await api.send("GET", "/", headers={})
        hang = False
        assert (await api.send("GET", "/", headers={})).body == {"http": 2}
        assert len(site.peers) == 2


# Second tries.


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_gateways_error_is_tried_once_more(status: int, authority: Authority) -> None:
    """It is often about one machine of many."""
    statuses = iter([status, 200])

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=next(statuses))

    reported: list[str] = []
    async with https(handler, authority.server_context()) as site:
        async with make_client(on_request=lambda kind, result, seconds: reported.append(result)) as client:
            reply = await ask(client, authority.host(site.port)).send("GET", "/", headers={})
    assert reply.status == 200
    assert reported == ["retry", "2xx"]


async def test_a_gateways_error_is_not_tried_a_third_time(authority: Authority) -> None:
    """A provider that is down isn't helped by more requests."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=503)

    async with https(handler, authority.server_context()) as site, make_client() as client:
        with pytest.raises(ProviderUnavailable, match="answered with status 503"):
            await ask(client, authority.host(site.port)).send("GET", "/", headers={})
        assert len(site.requests) == 2


@pytest.mark.parametrize("status", [500, 501])
async def test_a_servers_own_error_is_final(status: int, authority: Authority) -> None:
    """The same request makes the same error."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=status)

    async with https(handler, authority.server_context()) as site, make_client() as client:
        with pytest.raises(ProviderUnavailable, match=f"answered with status {status}"):
            await ask(client, authority.host(site.port)).send("GET", "/", headers={})
        assert len(site.requests) == 1


async def test_a_cut_connection_is_tried_once_more(authority: Authority) -> None:
    """Servers close idle connections in the very moment when we use them."""
    tries = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tries
        tries += 1
        await reader.readuntil(b"\r\n\r\n")
        if tries > 1:
            writer.write(HTTP_OK)

    async with conversing(converse, authority.server_context()) as site, make_client() as client:
        assert (await ask(client, authority.host(site.port)).send("GET", "/", headers={})).status == 200
    assert tries == 2


async def test_a_second_try_needs_time(authority: Authority) -> None:
    """With less left than a second try takes, the first failure is told at once."""
    limits = Limits(provider_timeout=host_api.RETRY_NEEDS)
    tries: list[int] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tries.append(1)
        await reader.readuntil(b"\r\n\r\n")

    async with conversing(converse, authority.server_context()) as site, make_client(limits) as client:
        with pytest.raises(ProviderUnavailable, match="closed the connection"):
            await ask(client, authority.host(site.port)).send("GET", "/", headers={})
    assert len(tries) == 1


# Rate limits.


async def answer_429(request: web.Request) -> web.StreamResponse:
    return web.json_response({"message": "slow down"}, status=429)


async def test_a_limited_credential_pauses_and_the_others_do_not(authority: Authority) -> None:
    """One tenant's exhausted token must not stop everybody's."""
    async with https(answer_429, authority.server_context()) as site, make_client() as client:
        for _ in range(2):
            with pytest.raises(ProviderUnavailable, match="limits our requests for another 60 s"):
                await ask(client, authority.host(site.port), digest=b"one").send("GET", "/", headers={})
        assert len(site.requests) == 1
        with pytest.raises(ProviderUnavailable):
            await ask(client, authority.host(site.port), digest=b"two").send("GET", "/", headers={})
        assert len(site.requests) == 2


@pytest.mark.parametrize(
    ("tenants", "requests"), [(("a", "a", "a", "a"), 4), (("a", "b", "a", "c"), 2)], ids=["one tenant", "several"]
)
async def test_a_limit_for_the_whole_host_counts_once_two_tenants_hear_it(
    tenants: tuple[str, ...], requests: int, authority: Authority
) -> None:
    """Going on would make it longer; but no tenant stops a host for the others with its own tokens."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=403)

    provider = Limiting({403: RateLimit(7, whole_host=True)})
    async with https(handler, authority.server_context()) as site, make_client() as client:
        for number, tenant in enumerate(tenants):
            current_tenant.set(tenant)
            with pytest.raises(ProviderUnavailable, match="for another 7 s"):
                api = ask(client, authority.host(site.port), provider=provider, digest=str(number).encode())
                await api.send("GET", "/", headers={})
        assert len(site.requests) == requests


@pytest.mark.parametrize(
    ("after", "seconds"), [("120", 120), ("0", 1), ("Wed, 21 Oct 2026 07:28:00 GMT", 60), ("99999", 3600)]
)
async def test_a_429_says_how_long_to_wait(after: str, seconds: int, authority: Authority) -> None:
    """In Retry-After, whatever its body; an hour at most."""
    data = http_answer("429 Too Many Requests", "text/html", b"<h1>slow</h1>", f"Retry-After: {after}")
    assert await refusal_of(authority, data) == f"limits our requests for another {seconds} s"


async def test_a_429_is_a_limit_however_broken_its_body(authority: Authority) -> None:
    """Its status is all that counts."""
    data = http_answer("429 Too Many Requests", "application/json", b"{")
    assert "limits our requests" in await refusal_of(authority, data)


async def test_who_waits_for_a_turn_hears_of_the_pause(authority: Authority) -> None:
    """Otherwise a burst that is queued would run into the limit one by one."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        return await answer_429(request)

    limits = Limits(concurrency=1)
    async with https(handler, authority.server_context()) as site, make_client(limits) as client:
        apis = [ask(client, authority.host(site.port)) for _ in range(5)]
        outcomes = await asyncio.gather(*(api.send("GET", "/", headers={}) for api in apis), return_exceptions=True)
        assert all(isinstance(outcome, ProviderUnavailable) for outcome in outcomes)
        assert len(site.requests) == 1


async def test_many_refused_tokens_of_one_tenant_stop_that_tenant_alone(authority: Authority) -> None:
    """Else the host would lock out our address, and everybody's tokens with it."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=200 if "good" in request.path else 401)

    async with https(handler, authority.server_context()) as site, make_client() as client:

        async def send(tenant: str, token: str) -> int:
            current_tenant.set(tenant)
            api = ask(client, authority.host(site.port), digest=token.encode())
            return (await api.send("GET", f"/{token}", headers={})).status

        assert await send("noisy", "good-and-known") == 200
        for number in range(MAX_REJECTED):
            assert await send("noisy", f"wrong-{number}") == 401
        with pytest.raises(ProviderUnavailable, match=r"too many tokens of the same namespace; .* in (59|60) s"):
            await send("noisy", "one-more")
        assert await send("noisy", "good-and-known") == 200
        assert await send("quiet", "wrong") == 401
        assert len(site.requests) == MAX_REJECTED + 3


async def test_a_burst_of_wrong_tokens_is_not_sent_to_its_end(authority: Authority) -> None:
    """Those that wait for their turn hear of the refusals before them."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=401)

    limits = Limits(concurrency=4)
    async with https(handler, authority.server_context()) as site, make_client(limits) as client:
        apis = [ask(client, authority.host(site.port), digest=str(number).encode()) for number in range(300)]
        await asyncio.gather(*(api.send("GET", "/", headers={}) for api in apis), return_exceptions=True)
        assert MAX_REJECTED <= len(site.requests) < MAX_REJECTED + 4


async def test_what_one_client_was_told_the_next_one_knows(authority: Authority) -> None:
    """A change of the configuration makes a new client, and ends nobody's pause."""
    throttle = HostThrottle()
    async with https(answer_429, authority.server_context()) as site:
        for _ in range(2):
            async with ProviderClient(PATIENT, throttle=throttle, environment={}, resolve=loopback) as client:
                with pytest.raises(ProviderUnavailable, match="limits our requests"):
                    await ask(client, authority.host(site.port)).send("GET", "/", headers={})
        assert len(site.requests) == 1


# Many at once.


async def test_no_more_requests_than_the_limit_are_under_way(authority: Authority) -> None:
    """However many want to know."""
    under_way = most = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        return web.json_response({})

    async with https(handler, authority.server_context()) as site, make_client(Limits(concurrency=3)) as client:
        api = ask(client, authority.host(site.port))
        await asyncio.gather(*(api.send("GET", "/", headers={}) for _ in range(12)))
        assert len(site.peers) == 3
    assert most == 3


async def test_waiting_for_a_turn_ends_at_the_deadline(authority: Authority) -> None:
    """And says what it waited for."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1)
        return web.json_response({})

    async with https(handler, authority.server_context()) as site, make_client(Limits(concurrency=1)) as client:
        first = asyncio.create_task(ask(client, authority.host(site.port)).send("GET", "/", headers={}))
        await asyncio.sleep(0.1)
        with pytest.raises(ProviderUnavailable, match="too many other requests to it are in progress"):
            await ask(client, authority.host(site.port), seconds=0.2).send("GET", "/", headers={})
        await first


async def test_tenants_take_turns(authority: Authority) -> None:
    """One that has a thousand requests waiting makes another wait for one of them."""
    answered: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.01)
        answered.append(request.path)
        return web.json_response({})

    async with https(handler, authority.server_context()) as site, make_client(Limits(concurrency=2)) as client:

        def send(tenant: str) -> asyncio.Task[Reply]:
            current_tenant.set(tenant)
            return asyncio.create_task(ask(client, authority.host(site.port)).send("GET", f"/{tenant}", headers={}))

        flood = [send("noisy") for _ in range(40)]
        await asyncio.sleep(0.03)
        await asyncio.gather(*(send("quiet") for _ in range(3)))
        assert len(answered) < 15
        await asyncio.gather(*flood)


async def test_one_host_does_not_wait_for_another(authority: Authority) -> None:
    """A slow self-hosted server must not stop github.com's tokens."""
    release = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.json_response({})

    context = authority.server_context()
    async with https(handler, context) as slow, https(answer_ok, context) as quick:
        async with make_client(Limits(concurrency=1)) as client:
            waiting = asyncio.create_task(ask(client, authority.host(slow.port)).send("GET", "/", headers={}))
            await asyncio.sleep(0.05)
            await ask(client, authority.host(quick.port)).send("GET", "/", headers={})
            assert not waiting.done()
            release.set()
            await waiting


async def test_connections_are_used_again(authority: Authority) -> None:
    """A TLS handshake takes longer than an answer."""
    async with https(answer_ok, authority.server_context()) as site, make_client() as client:
        for _ in range(5):
            await ask(client, authority.host(site.port)).send("GET", "/", headers={})
        assert len(site.peers) == 1


async def test_http2_carries_many_requests_on_one_connection(authority: Authority) -> None:
    """Where a host speaks it, from the first burst on."""
    seen: list[dict[str, str]] = []
    everybody = asyncio.Event()

    async def answer() -> None:
        if len(seen) == 10:
            everybody.set()
        await everybody.wait()

    site_ = conversing(http2(answer, seen), authority.server_context(alpn="h2"))
    async with site_ as site, make_client() as client:
        api = ask(client, authority.host(site.port))
        replies = await asyncio.gather(*(api.send("GET", "/user", headers=HEADERS) for _ in range(10)))
        assert [reply.body for reply in replies] == [{"http": 2}] * 10
        assert len(site.peers) == 1
    assert seen[-1][":authority"] == f"{NAME}:{site.port}"
    assert seen[-1]["authorization"] == HEADERS["Authorization"]


async def test_the_first_burst_to_a_host_without_http2_does_not_queue(authority: Authority) -> None:
    """Only one handshake comes before the others; all requests are then under way together."""
    under_way = 0
    everybody = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal under_way
        under_way += 1
        if under_way == 8:
            everybody.set()
        await everybody.wait()
        return web.json_response({})

    async with https(handler, authority.server_context()) as site, make_client() as client:
        api = ask(client, authority.host(site.port))
        await asyncio.gather(*(api.send("GET", "/", headers={}) for _ in range(8)))
        assert len(site.peers) == 8


async def test_a_time_out_does_not_end_the_other_requests_on_a_connection(authority: Authority) -> None:
    """They go on over the old connection, while new ones use a new one."""
    delays = iter([60.0, 0.6, 0.0])

    async def answer() -> None:
        await asyncio.sleep(next(delays))

    limits = Limits(provider_timeout=1.0)
    site_ = conversing(http2(answer, []), authority.server_context(alpn="h2"))
    async with site_ as site, make_client(limits) as client:
        api = ask(client, authority.host(site.port))
        lost = asyncio.create_task(api.send("GET", "/", headers={}))
        await asyncio.sleep(0.7)
        slow = asyncio.create_task(api.send("GET", "/", headers={}))
        with pytest.raises(ProviderUnavailable):
            await lost
        await api.send("GET", "/", headers={})
        assert len(site.peers) == 2
        assert (await slow).status == 200


async def test_a_caller_in_a_hurry_costs_no_connection(authority: Authority) -> None:
    """That it couldn't wait says nothing about the other end."""
    delays = iter([0.0, 60.0, 0.0])

    async def answer() -> None:
        await asyncio.sleep(next(delays))

    site_ = conversing(http2(answer, []), authority.server_context(alpn="h2"))
    async with site_ as site, make_client() as client:
        host = authority.host(site.port)
        await ask(client, host).send("GET", "/", headers={})
        with pytest.raises(ProviderUnavailable, match="did not answer"):
            await ask(client, host, seconds=0.1).send("GET", "/", headers={})
        await ask(client, host).send("GET", "/", headers={})
        assert len(site.peers) == 1


async def test_a_cancelled_request_ends_at_the_provider_too(authority: Authority) -> None:
    """Nobody answers a question that isn't asked any more."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        raise NotImplementedError

    async with https(handler, authority.server_context()) as site, make_client() as client:
        task = asyncio.create_task(ask(client, authority.host(site.port)).send("GET", "/", headers={}))
        await begun.wait()
        task.cancel()
        async with asyncio.timeout(2):
            await ended.wait()
    assert task.cancelled()


async def test_a_cancelled_request_harms_no_other(authority: Authority) -> None:
    """A caller that goes away frees its turn, and the client goes on."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.1)
        return web.json_response({})

    async with https(handler, authority.server_context()) as site, make_client(Limits(concurrency=2)) as client:
        api = ask(client, authority.host(site.port))
        tasks = [asyncio.create_task(api.send("GET", "/", headers={})) for _ in range(6)]
        for delay, task in zip((0.0, 0.01, 0.1, 0.02), tasks[::2], strict=False):
            await asyncio.sleep(delay)
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, Reply) for outcome in outcomes[1::2]] == [True] * 3


# TLS.


async def test_a_certificate_of_an_unknown_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    """The token isn't sent to whoever sits in between."""
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    async with https(answer_ok, other.server_context()) as site, make_client() as client:
        with pytest.raises(
            ProviderUnavailable, match=r"cannot be verified \(it is signed by an unknown authority\)"
        ) as caught:
            await ask(client, authority.host(site.port)).send("GET", "/", headers=HEADERS)
        assert not site.requests
    assert not caught.value.transient


async def test_an_expired_certificate_is_refused(authority: Authority) -> None:
    """And called that, so that the operator knows what to renew."""
    leaf = authority.ca.issue_cert(NAME, not_after=datetime.now(UTC) - timedelta(days=1))
    async with https(answer_ok, authority.server_context(leaf)) as site, make_client() as client:
        with pytest.raises(ProviderUnavailable, match=r"cannot be verified \(it has expired\)"):
            await ask(client, authority.host(site.port)).send("GET", "/", headers=HEADERS)


async def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    """The name is verified although we connect to an address."""
    leaf = authority.ca.issue_cert("evil.example", "127.0.0.1")
    async with https(answer_ok, authority.server_context(leaf)) as site, make_client() as client:
        with pytest.raises(ProviderUnavailable, match=r"cannot be verified \(it is for another name\)"):
            await ask(client, authority.host(site.port)).send("GET", "/", headers=HEADERS)


async def test_the_servers_name_is_sent_in_the_handshake(authority: Authority) -> None:
    """Hosts that share an address choose their certificate by it."""
    names: list[str | None] = []
    context = authority.server_context()
    context.sni_callback = lambda sock, name, ctx: names.append(name)
    async with https(answer_ok, context) as site, make_client() as client:
        await ask(client, authority.host(site.port)).send("GET", "/", headers={})
    assert set(names) == {NAME}


async def test_plain_http_is_not_spoken(authority: Authority) -> None:
    """A server without TLS gets no token; neither does an API URL that says http."""
    async with conversing(saying(HTTP_OK), None) as site, make_client(HURRIED) as client:
        with pytest.raises(ProviderUnavailable, match=r"TLS|closed|answer"):
            await ask(client, authority.host(site.port)).send("GET", "/", headers=HEADERS)
        plain = Host(NAME, Kind("github"), f"http://{NAME}:{site.port}", authority.file, declared=True)
        with pytest.raises(ProviderUnavailable, match="does not begin with https://"):
            await ask(client, plain).send("GET", "/", headers=HEADERS)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "does not exist"), (b"", "contains no valid PEM certificate"), (b"\xff garbage", "contains no valid PEM")],
)
async def test_a_ca_file_that_cannot_be_used_is_named(
    content: bytes | None, problem: str, authority: Authority, tmp_path: Path
) -> None:
    """It never means "trust the whole system's authorities instead"."""
    file = tmp_path / "acme.pem"
    if content is not None:
        file.write_bytes(content)
    host = Host(NAME, Kind("github"), f"https://{NAME}:1", file, declared=True)
    async with make_client() as client:
        with pytest.raises(ProviderUnavailable, match=f"caFile configured for it {problem}"):
            await ask(client, host).send("GET", "/", headers={})


async def test_a_changed_ca_file_is_read_again(authority: Authority, tmp_path: Path) -> None:
    """A rotated authority needs no restart, and connections made under the old one are not used any more."""
    (tmp_path / "next").mkdir()
    successor = Authority(tmp_path / "next")
    async with https(answer_ok, authority.server_context()) as site, make_client() as client:
        host = authority.host(site.port)
        await ask(client, host).send("GET", "/", headers={})
        authority.file.write_bytes(successor.file.read_bytes())
        with pytest.raises(ProviderUnavailable, match="unknown authority"):
            await ask(client, host).send("GET", "/", headers={})
        authority.file.write_bytes(authority.ca.cert_pem.bytes())
        assert (await ask(client, host).send("GET", "/", headers={})).status == 200


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----"])
async def test_a_broken_new_ca_file_is_not_used(content: bytes | None, authority: Authority) -> None:
    """Half a file, or none, while somebody replaces it ends no check; the next good one counts."""
    async with https(answer_ok, authority.server_context()) as site, make_client() as client:
        host = authority.host(site.port)
        await ask(client, host).send("GET", "/", headers={})
        authority.file.unlink()
        if content is not None:
            authority.file.write_bytes(content)
        assert (await ask(client, host).send("GET", "/", headers={})).status == 200
        authority.file.write_bytes(Authority(authority.file.parent).ca.cert_pem.bytes())
        with pytest.raises(ProviderUnavailable, match="unknown authority"):
            await ask(client, host).send("GET", "/", headers={})


async def test_a_ca_file_may_have_comments_in_any_encoding(authority: Authority) -> None:
    """Bundles name their authorities in the authorities' own languages."""
    authority.file.write_bytes("# Főtanúsítvány\n".encode() + authority.ca.cert_pem.bytes())
    assert (await reply_of(authority, answer_ok)).status == 200


async def test_the_systems_authorities_are_those_of_ssl_cert_file(authority: Authority) -> None:
    """As for every program that uses OpenSSL."""
    async with https(answer_ok, authority.server_context()) as site:
        host = Host(NAME, Kind("github"), f"https://{NAME}:{site.port}", declared=True)
        async with make_client(environment={"SSL_CERT_FILE": str(authority.file)}) as client:
            assert (await ask(client, host).send("GET", "/", headers={})).status == 200
        async with make_client() as client:
            with pytest.raises(ProviderUnavailable, match="unknown authority"):
                await ask(client, host).send("GET", "/", headers={})


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_a_missing_ssl_cert_file_is_no_reason_to_believe_more(variable: str, tmp_path: Path) -> None:
    """The operator meant to believe less than the system does."""
    async with make_client(environment={variable: str(tmp_path / "missing")}) as client:
        with pytest.raises(ProviderUnavailable, match="SSL_CERT_FILE or SSL_CERT_DIR name cannot be read"):
            await ask(client, Host(NAME, Kind("github"), f"https://{NAME}:1", declared=True)).send(
                "GET", "/", headers={}
            )


# Addresses.


async def test_a_host_that_nobody_declared_is_not_looked_for_inside(authority: Authority) -> None:
    """A built-in host that resolves to loopback is somebody's trick."""
    async with https(answer_ok, authority.server_context()) as site, make_client() as client:
        with pytest.raises(ProviderUnavailable, match="resolves to a private or reserved address"):
            await ask(client, authority.host(site.port, declared=False)).send("GET", "/", headers=HEADERS)
        assert not site.peers


async def test_an_address_as_api_url_is_checked_against_its_certificate(authority: Authority) -> None:
    """Some self-hosted servers have no name."""
    async with https(answer_ok, authority.server_context()) as site, make_client() as client:
        reply = await ask(client, authority.host(site.port, name="127.0.0.1")).send("GET", "/", headers={})
    assert reply.status == 200


@pytest.mark.parametrize(
    "api_url", ["https://user:secret@x.example/", "https://x.example/?a=b", "https://", "https://[", "x"]
)
async def test_an_api_url_that_cannot_be_used_is_not_quoted(api_url: str) -> None:
    """It may hold a password; the clause says what is wrong with it."""
    async with make_client() as client:
        with pytest.raises(ProviderUnavailable, match="cannot be asked: its API URL") as caught:
            await ask(client, Host("x.example", Kind("github"), api_url, declared=True)).send("GET", "/", headers={})
    assert "secret" not in str(caught.value)


async def test_idle_hosts_are_forgotten(authority: Authority) -> None:
    """Every name below .ghe.com is a host; memory and connections stay bounded."""
    async with https(answer_ok, authority.server_context()) as site, make_client() as client:
        for number in range(100):
            host = authority.host(site.port, path=f"/{number}")
            await ask(client, host).send("GET", "/", headers={})
        assert len(client._hosts) <= 64


# Proxies.


async def test_a_proxy_sees_the_providers_name_and_no_token(authority: Authority) -> None:
    """It tunnels; TLS goes through to the provider and is verified there."""
    passed: list[bytes] = []
    async with https(answer_ok, authority.server_context()) as site, conversing(proxying(passed), None) as proxy:
        environment = {"https_proxy": f"http://user:pass%20word@127.0.0.1:{proxy.port}"}
        async with ProviderClient(PATIENT, environment=environment) as client:  # the proxy resolves, and nobody else
            reply = await ask(client, authority.host(site.port)).send("GET", "/user", headers=HEADERS)
        assert reply.body == {"path": "/api/v3/user"}
    assert passed[0].startswith(f"CONNECT {NAME}:{site.port} HTTP/1.1\r\n".encode())
    assert b"Basic dXNlcjpwYXNzIHdvcmQ=" in passed[0]
    assert len(passed) > 1
    assert TOKEN.encode() not in b"".join(passed)


async def test_a_proxy_may_be_spoken_to_by_tls(authority: Authority) -> None:
    """TLS to the provider inside TLS to the proxy."""
    passed: list[bytes] = []
    async with (
        https(answer_ok, authority.server_context()) as site,
        conversing(proxying(passed), authority.server_context()) as proxy,
    ):
        environment = {"HTTPS_PROXY": f"https://127.0.0.1:{proxy.port}", "SSL_CERT_FILE": str(authority.file)}
        async with make_client(environment=environment) as client:
            assert (await ask(client, authority.host(site.port)).send("GET", "/", headers=HEADERS)).status == 200
    assert passed


async def test_a_proxy_that_refuses_is_told_apart_from_the_provider(authority: Authority) -> None:
    """Its status is about us and not about the token."""
    async with conversing(proxying([], b"407 Proxy Authentication Required"), None) as proxy:
        async with make_client(environment={"HTTPS_PROXY": f"127.0.0.1:{proxy.port}"}) as client:
            with pytest.raises(ProviderUnavailable, match="through the proxy, which answered with status 407"):
                await ask(client, authority.host(1)).send("GET", "/", headers=HEADERS)


async def test_a_proxy_that_is_down_is_told_apart_from_the_provider(authority: Authority) -> None:
    """Nobody should look for the fault at the provider."""
    async with make_client(HURRIED, environment={"HTTPS_PROXY": "http://127.0.0.1:1"}) as client:
        with pytest.raises(ProviderUnavailable, match="because the proxy could not"):
            await ask(client, authority.host(1)).send("GET", "/", headers=HEADERS)


async def test_metadata_is_not_asked_through_a_proxy_either(authority: Authority) -> None:
    """An address in the URL is ours to check."""
    async with make_client(environment={"HTTPS_PROXY": "http://127.0.0.1:1"}) as client:
        with pytest.raises(ProviderUnavailable, match="is not allowed"):
            await ask(client, authority.host(443, name="169.254.169.254")).send("GET", "/", headers=HEADERS)


async def test_an_unusable_proxy_is_not_quoted(authority: Authority) -> None:
    """Its URL may hold a password."""
    async with make_client(environment={"HTTPS_PROXY": "socks5://user:secret@127.0.0.1:1"}) as client:
        with pytest.raises(ProviderUnavailable, match="HTTPS_PROXY must be a URL that begins with http") as caught:
            await ask(client, authority.host(1)).send("GET", "/", headers=HEADERS)
    assert "secret" not in str(caught.value)


# Failures, secrets, reports.


def all_kinds(base: type[BaseException]) -> set[type[BaseException]]:
    return {base}.union(*(all_kinds(kind) for kind in base.__subclasses__()))


def test_every_exception_of_the_http_library_has_its_clause() -> None:
    """A new one of a later version must not reach people as an error in this program."""
    kinds = {kind for kind in vars(httpcore).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert len(kinds) >= 15
    kinds |= {anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, h2.exceptions.ProtocolError}
    for kind in kinds | {ssl.SSLError, ssl.SSLCertVerificationError, ssl.SSLEOFError, OSError, ConnectionResetError}:
        assert "error in this program" not in failures.failure_in(kind()).clause, kind


def test_an_unknown_exception_is_named_by_its_class_alone() -> None:
    """What it says may hold a header."""
    assert (
        failures.failure_in(KeyError(TOKEN)).clause
        == "could not be asked, because of an error in this program (KeyError)"
    )


async def test_an_unknown_name_is_told(authority: Authority) -> None:
    """By the system's resolver."""
    async with ProviderClient(PATIENT, environment={}) as client:
        with pytest.raises(ProviderUnavailable, match=r"could not be found \(DNS\)"):
            await ask(client, authority.host(443, name="git.acme.invalid")).send("GET", "/", headers={})


async def test_a_refused_connection_is_told(authority: Authority) -> None:
    """After a second try."""
    async with conversing(saying(b""), None) as site:
        pass
    async with make_client() as client:
        with pytest.raises(ProviderUnavailable, match="refused the connection") as caught:
            await ask(client, authority.host(site.port)).send("GET", "/", headers={})
    assert caught.value.transient


async def test_a_failure_carries_no_request(authority: Authority) -> None:
    """Neither a cause nor a context, whose frames and arguments hold headers."""
    async with make_client() as client:
        with pytest.raises(ProviderUnavailable) as caught:
            await ask(client, authority.host(1)).send("GET", "/", headers=HEADERS)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_no_library_below_us_logs_a_request(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    """Even with everything at debug level, over HTTP/1.1 and HTTP/2, whose compressor logs each header."""
    # Not caplog's own records: pytest listens to loggers that don't propagate too.
    records: list[logging.LogRecord] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    listener = Listener()
    for logger in (None, "httpcore", "httpcore.http11", "httpcore.http2", "hpack", "hpack.hpack"):
        caplog.set_level(logging.DEBUG, logger)

    async def answer() -> None:
        pass

    logging.getLogger().addHandler(listener)
    try:
        async with (
            https(answer_ok, authority.server_context()) as one,
            conversing(http2(answer, []), authority.server_context(alpn="h2")) as two,
            make_client() as client,
        ):
            for site in (one, two):
                await ask(client, authority.host(site.port)).send("GET", "/user", headers=HEADERS)
    finally:
        logging.getLogger().removeHandler(listener)
    assert TOKEN not in " ".join(record.getMessage() for record in records)
    assert not [record.name for record in records if record.name.split(".")[0] in {"httpcore", "httpx", "hpack", "h2"}]


async def test_repr_shows_no_header(authority: Authority) -> None:
    """Of nothing that is passed around."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({"token": TOKEN}, headers={"X-Echo": TOKEN})

    reply = await reply_of(authority, handler)
    assert TOKEN not in repr(reply)
    assert TOKEN not in repr(host_api._request("POST", "/", HEADERS, {"token": TOKEN}))


async def test_every_try_is_reported(authority: Authority) -> None:
    """By kind of host, class of status and seconds."""
    statuses = iter([200, 404, 302, 500, 429])

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=next(statuses))

    reported: list[tuple[Kind, str, float]] = []
    async with https(handler, authority.server_context()) as site:
        async with make_client(on_request=lambda *report: reported.append(report)) as client:
            for _ in range(5):
                try:
                    await ask(client, authority.host(site.port)).send("GET", "/", headers={})
                except ProviderUnavailable:
                    pass
    assert [result for _, result, _ in reported] == ["2xx", "4xx", "3xx", "5xx", "rate_limited"]
    assert {kind for kind, _, _ in reported} == {Kind("github")}
    assert all(0 < seconds < 5 for _, _, seconds in reported)


async def test_a_time_out_is_reported_as_one(authority: Authority) -> None:
    """Apart from other errors: it is what an operator tunes."""
    reported: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise NotImplementedError

    async with https(handler, authority.server_context()) as site:
        async with make_client(HURRIED, lambda kind, result, seconds: reported.append(result)) as client:
            with pytest.raises(ProviderUnavailable):
                await ask(client, authority.host(site.port)).send("GET", "/", headers={})
    assert reported == ["timeout"]


@pytest.mark.parametrize(
    ("number", "transient"), [(socket.EAI_NONAME, False), (socket.EAI_AGAIN, True), (socket.EAI_FAIL, True)]
)
def test_a_name_that_is_not_there_stays_so(number: int, transient: bool) -> None:
    """Nobody being there who could be asked doesn't."""
    failure = failures.failure_in(httpcore.ConnectError(socket.gaierror(number, "")))
    assert (failure.transient, failure.clause) == (transient, "could not be found (DNS)")


@pytest.mark.parametrize("kind", failures.FAILURES, ids=lambda kind: kind.__name__)
def test_a_failed_connection_may_be_retried_and_nothing_else(kind: type[BaseException]) -> None:
    """Certificates, protocols and names stay as they are; whatever is tried again here may be tried again later."""
    failure = failures.FAILURES[kind]
    lasting = {httpcore.UnsupportedProtocol, ssl.SSLError, ssl.SSLCertVerificationError, UnicodeError, socket.gaierror}
    assert failure.transient == (kind not in lasting)
    assert failure.transient or not failure.retry
    assert not (failure.transient and failure.remedy)


@pytest.mark.parametrize(
    ("status", "transient"), [(500, True), (501, False), (502, True), (503, True), (505, False), (511, False)]
)
async def test_a_server_error_may_be_retried_unless_it_is_about_the_request(
    status: int, transient: bool, authority: Authority
) -> None:
    """What a server doesn't implement, it won't implement in a minute; 511 is a network that wants a sign-in."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    with pytest.raises(ProviderUnavailable, match=f"answered with status {status}") as caught:
        await reply_of(authority, handler)
    assert caught.value.transient == transient


@pytest.mark.parametrize(
    "data",
    [
        http_answer("200 OK", "text/html", b"<html>"),
        http_answer("200 OK", "application/json", b"{"),
        http_answer("200 OK", "application/json", b"x", "Content-Encoding: br"),
        http_answer("200 OK", "application/json", b"no gzip", "Content-Encoding: gzip"),
        http_answer("200 OK", "application/json", b'"' + b"x" * (2 << 20) + b'"'),
        http_answer("303 See Other", "text/html", b"", "Location: /"),
    ],
    ids=["HTML", "JSON", "encoding", "compressed", "oversized", "redirect"],
)
async def test_an_answer_in_another_form_is_lasting(data: bytes, authority: Authority) -> None:
    """The server means what it sends; waiting brings the same."""
    async with conversing(saying(data), authority.server_context()) as site, make_client() as client:
        with pytest.raises(ProviderUnavailable) as caught:
            await ask(client, authority.host(site.port)).send("GET", "/user", headers=HEADERS)
    assert not caught.value.transient


async def test_every_pause_is_transient(authority: Authority) -> None:
    """Both the rate limit itself and whoever isn't asked because of it."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=429)

    async with https(handler, authority.server_context()) as site, make_client() as client:
        for _ in range(2):
            with pytest.raises(ProviderUnavailable) as caught:
                await ask(client, authority.host(site.port)).send("GET", "/user", headers=HEADERS)
            assert caught.value.transient
