"""Attacks on the console: other sites, other programs of the machine, hostile names, and tokens in places."""

from __future__ import annotations

import logging
import re

import pytest

from tests.console.conftest import Visitor, World, secret
from tests.report.test_hostile_texts import NASTY
from tests.support.factories import encode
from webhook.console.security import Guard

UNKNOWN = "0" * 64
ACTIONS = ("token", "authorize", "delete", "notifications")


async def test_a_link_opens_the_console_once(world: World) -> None:
    """A second use of the link gets no session."""
    console = await world.console()
    link = console.link()
    async with Visitor(console) as first, Visitor(console) as second:
        assert (await first.get(link)).status == 200
        assert (await second.get(link)).status == 403
        assert (await first.get("/")).status == 200
        assert (await second.get("/")).status == 401


async def test_a_new_link_ends_the_old_one(world: World) -> None:
    """Of two links only the newer one opens the console."""
    console = await world.console()
    old, new = console.link(), console.link()
    async with Visitor(console) as visitor:
        assert (await visitor.get(old)).status == 403
        assert (await visitor.get(new)).status == 200


def test_a_link_and_a_session_expire() -> None:
    """A link is valid for ten minutes, and a session until it was idle for too long."""
    now = [0.0]
    guard = Guard(60.0, clock=lambda: now[0])
    link = guard.link()
    now[0] = 601.0
    with pytest.raises(Exception, match="does not open"):
        guard.enter(link.partition("=")[2])
    assert guard.idle_for == 601.0


async def test_an_idle_session_ends(world: World) -> None:
    """Requests that the page makes by itself do not keep a session alive."""
    visitor = await world.visitor()
    guard, start = visitor.console.guard, visitor.console.guard.clock()
    guard.clock = lambda: start + 1_000.0
    assert (await visitor.get("/?live=auto")).status == 200
    guard.clock = lambda: start + 2_000.0
    page = await visitor.get("/")
    assert page.status == 401 and "Press Enter in the terminal" in page.words


async def test_the_cookie_belongs_to_a_secret_path(world: World) -> None:
    """No other port of this host, and no other path, gets the cookie; scripts cannot read it."""
    console = await world.console()
    async with Visitor(console) as visitor:
        page = await visitor.enter()
    cookie = page.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    path = re.search(r"Path=/([\w-]{20,})/;", cookie)
    assert path is not None and path[1] == console.guard.prefix
    assert page.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", ""])
async def test_other_hosts_are_rejected(world: World, host: str) -> None:
    """DNS rebinding: a request with another Host gets nothing, and does not learn the path."""
    visitor = await world.visitor()
    page = await visitor.get("/", headers={"Host": host})
    assert page.status == 403
    assert visitor.console.guard.prefix not in page.text


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": ""}])
async def test_other_origins_change_nothing(world: World, headers: dict[str, str]) -> None:
    """A form of another site, even with a valid session and CSRF token, is rejected."""
    await world.runtime("creds", world.github.good_token())
    visitor = await world.visitor()
    page = await visitor.post("/secrets/team/creds/delete", {"confirmation": "creds"}, headers=headers)
    assert page.status == 403 and world.stored("creds", "password") is not None


async def test_another_port_of_the_same_host_is_another_origin(world: World) -> None:
    """A page of another program on this machine is same-site, and still changes nothing and loads nothing."""
    visitor = await world.visitor()
    headers = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}
    assert (await visitor.get("/", headers=headers)).status == 403
    assert (await visitor.post("/check", {}, headers={"Sec-Fetch-Site": "same-site"})).status == 403


@pytest.mark.parametrize("csrf", ["", UNKNOWN, "ü"])
@pytest.mark.parametrize("path", ["/add", "/check", *(f"/secrets/team/creds/{one}" for one in ACTIONS)])
async def test_every_change_needs_the_csrf_token(world: World, path: str, csrf: str) -> None:
    """Without the session's CSRF token nothing changes."""
    token = world.github.good_token()
    await world.runtime("creds", token)
    visitor = await world.visitor()
    before = world.server.store.version
    fields = {"confirmation": "creds", "token": world.github.good_token(), "muted": "yes"}
    page = await visitor.post(path, fields, csrf=csrf)
    assert page.status == 403 and world.server.store.version == before


async def test_a_csrf_token_is_of_one_session(world: World) -> None:
    """The token of another session of the same console is rejected."""
    console = await world.console()
    async with Visitor(console) as one, Visitor(console) as two:
        await one.enter()
        await two.enter()
        token = (await one.get("/add")).csrf
        assert (await two.post("/check", {}, csrf=token)).status == 403


async def test_all_responses_have_the_security_headers(world: World) -> None:
    """Pages, errors, redirects and files forbid caching, framing, inline scripts and other origins."""
    visitor = await world.visitor()
    start = await visitor.get("/")
    asset = re.search(r'src="([^"]+\.js)"', start.text)
    assert asset is not None
    await visitor.get(visitor.console.origin + asset[1])
    await visitor.get(visitor.console.origin + "/favicon.ico")
    await visitor.get("/secrets/team/none")
    await visitor.post("/check", {}, allow_redirects=False)
    for page in visitor.seen:
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy and "form-action 'self'" in policy
        assert page.headers["Cache-Control"] == "no-store", page.url
        assert page.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("text", [text for text in NASTY if len(text) < 1_000 and "\ud800" not in text])
async def test_hostile_texts_stay_text(world: World, text: str) -> None:
    """A hostile account, host or message from a provider is neither an element nor a link."""
    marks = {"host": text, "account": text, "message": f"{text} https://x.example", "token-type": text}
    annotations = {f"git-token-webhook/{name}": value for name, value in marks.items()}
    labels = {"git-token-webhook/role": "runtime.user", "git-token-webhook/validation": "warned"}
    await world.server.put("secrets", secret("creds", {}, annotations=annotations, labels=labels))
    visitor = await world.visitor()
    for path in ("/", "/secrets/team/creds", "/?q=" + "%3Cscript%3E"):
        page = await world.until(visitor, path, "creds") if "q=" not in path else await visitor.get(path)
        for harm in ("<script>", "<img", "<svg onload", "<b onmouseover", 'href="javascript:', "\x1b", "\u202e"):
            assert harm not in page.text, (path, harm)


async def test_no_response_and_no_log_contains_a_token(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Stored and pasted tokens, sufficient or not, are in no page, header or log line; nor is their base64."""
    caplog.set_level(logging.DEBUG)
    old, good, weak = world.github.good_token(), world.github.good_token(), world.github.weak_token()
    await world.runtime("creds", old)
    await world.write(secret("git-default-acme", {"alice": old, "bob": old}))
    visitor = await world.visitor()
    await world.until(visitor, "/", "1 entry")
    await visitor.post("/secrets/team/creds/token", {"token": weak})
    await visitor.post("/secrets/team/creds/token", {"token": good})
    await visitor.post("/secrets/team/creds/token", {"token": f"{good}\n{good}"})
    await visitor.post("/secrets/team/creds/token", {"token": good, "user": good})
    await visitor.post("/secrets/team/creds/token", {"token": good, "also": f"team/{good}"})
    await visitor.post("/secrets/team/creds/delete", {"confirmation": good, "user": good})
    await visitor.post("/add", {"namespace": "team", "name": good, "token": good})
    await visitor.post("/add", {"namespace": "team", "name": "new", "url": f"https://{good}@github.com", "token": weak})
    await visitor.post("/check", {"secret": "team/creds"})
    await visitor.post("/check", {"secret": f"team/{good}"})
    for path in ("/", "/users", "/timeline", "/secrets/team/creds", f"/secrets/team/{good}", f"/?q={good}"):
        await visitor.get(path)
    logged = "\n".join(record.getMessage() for record in caplog.records if record.name != "aiohttp.client")
    for token in (old, good, weak):
        for form in (token, token[4:], encode(token)):
            for page in visitor.seen:
                assert form not in page.text, page.url
                assert not any(form in value for value in page.headers.values()), page.url
            assert form not in logged


async def test_a_lost_login_changes_nothing(world: World) -> None:
    """If the API server no longer accepts the user's login, the page says so without the token."""
    visitor = await world.visitor()
    token = world.github.good_token()
    world.server.users.clear()  # every request fails with 401
    page = await visitor.post("/secrets/team/creds/token", {"token": token})
    assert token not in page.text and "Nothing was changed." in page.words
