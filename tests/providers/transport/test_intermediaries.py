"""Pages of what stands before a provider say nothing about a token, and waiting changes none of them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import web

from tests.providers.servers import Authority, Limiting, https, loopback
from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.transport import intermediaries
from webhook.providers.transport.client import ProviderClient
from webhook.providers.transport.intermediaries import PAGES, recognise
from webhook.providers.transport.limits import Limits

HTML = {"content-type": "text/html; charset=UTF-8"}
NGINX = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n"
    "<center><h1>{1}</h1></center>\r\n{2}<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_NO_CERTIFICATE = "No required SSL certificate was sent"
SEEN: list[tuple[int, dict[str, str], str, str]] = [
    (403, {"cf-mitigated": "challenge"}, "<title>Un instant...</title>", "Cloudflare that checks"),
    (403, {}, "<title>Just a moment...</title>Enable JavaScript and cookies to continue", "Cloudflare that checks"),
    (403, {}, "<title>Attention Required! | Cloudflare</title>", "Cloudflare that blocks"),
    (403, {}, "Access denied | git.acme.dev used Cloudflare. Error code: 1020", "Cloudflare that blocks"),
    (200, {}, "<title>Making sure you&#39;re not a bot!</title>", "Anubis"),
    (200, {}, '<title>Wir stellen sicher</title><script id="anubis_challenge" type="application/json">', "Anubis"),
    (202, {"x-amzn-waf-action": "challenge"}, "", "AWS WAF"),
    (200, {}, "<iframe>Request unsuccessful. Incapsula incident ID: 1-2</iframe>", "Imperva"),
    (401, {"x-goog-iap-generated-response": "true"}, "Invalid IAP credentials", "Identity-Aware Proxy"),
    (403, {"x-squid-error": "ERR_ACCESS_DENIED 0"}, "<title>ERROR</title>", "Squid"),
    (
        400,
        {},
        NGINX.format(f"400 {_NO_CERTIFICATE}", "400 Bad Request", f"<center>{_NO_CERTIFICATE}</center>"),
        "client certificate",
    ),
    (400, {}, NGINX.format("400 The SSL certificate error", "400 Bad Request", ""), "client certificate"),
    (403, {}, "Reason: Cannot perform Post-Handshake Authentication.", "client certificate"),
    (
        404,
        {},
        "<title>404 Not Found</title><p>The requested URL /api/v4/projects/a/b was not found on this server.</p>",
        "HTML page of Apache",
    ),
    (404, {}, NGINX.format("404 Not Found", "404 Not Found", ""), "HTML page of nginx"),
    (407, {"proxy-authenticate": 'Basic realm="squid"'}, "", "proxy in between requires authentication"),
]


@pytest.mark.parametrize(("status", "headers", "text", "says"), SEEN)
def test_a_known_page_has_its_own_sentence(status: int, headers: dict[str, str], text: str, says: str) -> None:
    """It is lasting, and says what must change."""
    found = recognise(status, HTML | headers, text.encode())
    assert found is not None and says in str(found)
    assert not found.transient and found.remedy
    assert "retry" not in f"{found}{found.remedy}".lower() and "sign-in" not in str(found)


def test_every_row_of_the_table_is_seen() -> None:
    """In the order of the table, so that no row hides another."""
    first = [
        next(i for i, page in enumerate(PAGES) if page.matches(status, HTML | headers, text.lower()))
        for status, headers, text, _ in SEEN
    ]
    assert first == list(range(len(PAGES)))


@pytest.mark.parametrize("page", PAGES, ids=[str(row) for row in range(len(PAGES))])
def test_every_row_has_a_source(page: intermediaries.Page) -> None:
    """And is known by something."""
    assert page.source and page.remedy.endswith(".") and (page.header or page.words)
    assert page.header == page.header.lower() and all(word == word.lower() for word in page.words)


@pytest.mark.parametrize("title", ["Sign in · GitLab", "Log in to your account", "Login - Keycloak", "Single sign-on"])
def test_a_sign_in_page_is_named(title: str) -> None:
    """It comes with 200 where a proxy keeps everybody out."""
    found = recognise(200, HTML, f"<html><head><title>{title}</title>".encode())
    assert found is not None and "HTML sign-in page" in str(found)


@pytest.mark.parametrize(
    "text",
    [
        "<title>404 - File or directory not found.</title>",
        "<!doctype html><title>HTTP Status 404 – Not Found</title>",
        "<html><body><h1>404 Not Found</h1>The requested resource could not be found.</body></html>",
    ],
    ids=["IIS", "Tomcat", "HAProxy"],
)
def test_no_provider_answers_404_in_html(text: str) -> None:
    """A proxy that decodes %2F, or a wrong apiUrl: it is not the provider's word about a repository."""
    found = recognise(404, HTML, text.encode())
    assert found is not None and "instead of an API response" in str(found) and "%2F" in found.remedy
    assert recognise(404, HTML, text.encode(), raw=True) is None


@pytest.mark.parametrize(
    ("status", "headers", "text"),
    [
        (404, {"content-type": "application/json"}, '{"message": "The requested URL was not found on this server."}'),
        (
            200,
            {"content-type": "text/plain"},
            "<title>Just a moment...</title> enable javascript and cookies to continue",
        ),
        (200, {"content-type": "application/x-git-upload-pack-advertisement"}, 'refs/heads/id="anubis_challenge"'),
        (403, HTML, "<h1>Forbidden</h1>"),
        (401, HTML, "<title>Unauthorized</title>"),
        (404, HTML, ""),
        (200, {}, "<title>sign in"),
    ],
)
def test_anything_else_is_left_to_the_provider(status: int, headers: dict[str, str], text: str) -> None:
    """Its own words, Git's, and pages that nobody knows."""
    assert recognise(status, headers, text.encode()) is None


def test_only_the_beginning_of_a_page_is_looked_at() -> None:
    """A megabyte of HTML takes no longer."""
    page = b" " * intermediaries.LONGEST + b"<title>Just a moment...</title>enable javascript and cookies to continue"
    assert recognise(403, HTML, page) is None


# Over the wire.


async def ask(authority: Authority, response: web.Response, *, raw: bool = False) -> Reply:
    """What a request brings that is answered like this."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return response

    async with (
        https(handler, authority.server_context()) as site,
        ProviderClient(Limits(5.0), environment={}, resolve=loopback) as client,
    ):
        deadline = asyncio.get_running_loop().time() + 10
        api = client.api(authority.host(site.port), Limiting(), b"digest", deadline)
        return await api.send("GET", "/user", headers={}, raw=raw)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize("status", [200, 403, 503])
async def test_a_challenge_is_recognised_whatever_its_status(status: int, authority: Authority) -> None:
    """Also with 503, which would otherwise be worth a retry."""
    response = web.Response(status=status, text="<p>", content_type="text/html", headers={"CF-Mitigated": "challenge"})
    with pytest.raises(ProviderUnavailable, match="Cloudflare") as caught:
        await ask(authority, response)
    assert not caught.value.transient


async def test_a_page_is_recognised_in_place_of_gits_answer(authority: Authority) -> None:
    """Else a challenge would be taken for a refusal to push."""
    text = "<title>Making sure you&#39;re not a bot!</title>"
    with pytest.raises(ProviderUnavailable, match="Anubis"):
        await ask(authority, web.Response(status=200, text=text, content_type="text/html"), raw=True)


async def test_a_rate_limit_stays_one(authority: Authority) -> None:
    """Whoever sends its page: the status says that waiting helps."""
    text = "<title>Just a moment...</title>Enable JavaScript and cookies to continue"
    with pytest.raises(ProviderUnavailable, match="limits our requests") as caught:
        await ask(authority, web.Response(status=429, text=text, content_type="text/html"))
    assert caught.value.transient


@contextmanager
def wanting_certificate(context: ssl.SSLContext) -> Iterator[int]:
    """A server on a port that takes no client without a certificate; asyncio's drops the connection with the alert."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                raw, _ = listener.accept()
            except OSError:
                return
            with raw, suppress(OSError):
                raw.settimeout(2)
                with suppress(ssl.SSLError):
                    context.wrap_socket(raw.dup(), server_side=True).close()
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(4096):  # else the client's unread data would reset the connection before the alert
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(3)


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (ssl.TLSVersion.TLSv1_2, "it may require a client certificate"),
        (ssl.TLSVersion.TLSv1_3, "requires a TLS client certificate"),
    ],
)
async def test_a_server_that_wants_a_client_certificate_is_named(
    version: ssl.TLSVersion, says: str, authority: Authority
) -> None:
    """By TLS 1.3's own alert; TLS 1.2 only says that the handshake failed."""
    context = authority.server_context()
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority.ca.cert_pem.bytes().decode())
    with wanting_certificate(context) as port:
        async with ProviderClient(Limits(5.0), environment={}, resolve=loopback) as client:
            deadline = asyncio.get_running_loop().time() + 10
            with pytest.raises(ProviderUnavailable, match=says) as caught:
                await client.api(authority.host(port), Limiting(), b"digest", deadline).send("GET", "/", headers={})
    assert not caught.value.transient
    assert caught.value.remedy
