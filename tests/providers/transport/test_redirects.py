"""Which redirects are followed: those of a renamed or moved repository, once, on the API's own origin."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from tests.providers.servers import NAME, Authority, Handler, Limiting, Site, https, loopback
from webhook.providers import PROVIDERS
from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.evidence import Recorder
from webhook.providers.hosts import Host, Kind
from webhook.providers.transport import redirects
from webhook.providers.transport.client import ProviderClient
from webhook.providers.transport.limits import Limits

HEADERS = {"Authorization": "Bearer made-up"}
HOST = Host("git.acme.dev", Kind("gitea"), "https://git.acme.dev/api/v1")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def redirected(
    kind: str, prefix: str, path: str, location: str, *, from_root: bool = False, authority: str = "git.acme.dev"
) -> str:
    """The path that a redirect of this provider leads to."""
    profile = PROVIDERS[Kind(kind)].profile
    return redirects.target(
        location, path=path, from_root=from_root, authority=authority, prefix=prefix, profile=profile
    )


def refusal(kind: str, prefix: str, path: str, location: str, *, from_root: bool = False) -> str:
    """Why a redirect of this provider is not followed."""
    with pytest.raises(ProviderUnavailable) as caught:
        redirected(kind, prefix, path, location, from_root=from_root)
    assert not caught.value.transient and caught.value.remedy
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "prefix", "path", "location", "leads_to"),
    [
        ("github", "", "/repos/a/old", "https://git.acme.dev/repositories/12", "/repositories/12"),
        ("github", "", "/repos/a/old", "https://git.acme.dev:443/repositories/12", "/repositories/12"),
        ("github", "", "/repos/a/old", "HTTPS://GIT.ACME.DEV/repositories/12", "/repositories/12"),
        ("github", "/api/v3", "/repos/a/old", "/api/v3/repos/b/new", "/repos/b/new"),
        ("github", "", "/repos/a/old/installation", "/repositories/12/installation", "/repositories/12/installation"),
        ("github", "", "/repos/a/old/hooks?per_page=1", "/repositories/1/hooks?per_page=1", None),
        ("gitlab", "/api/v4", "/projects/a%2Fold", "https://git.acme.dev/api/v4/projects/4321", "/projects/4321"),
        ("gitlab", "/api/v4", "/projects/a%2Fold", "/api/v4/projects/b%2Fc%2Fnew", "/projects/b%2Fc%2Fnew"),
        ("gitlab", "/api/v4", "/projects/a%2Fold", "4321", "/projects/4321"),
        ("gitea", "/sub/api/v1", "/repos/a/old/hooks", "/sub/api/v1/repos/a/new/hooks", "/repos/a/new/hooks"),
        ("bitbucket", "/2.0", "/repositories/a/old", "/2.0/repositories/a/new", "/repositories/a/new"),
        ("bitbucket", "/2.0", "/repositories/a/old", "/2.0/repositories/%7Ba%7D/%7Bb%7D", None),
        (
            "bitbucket-server",
            "/bb",
            "/rest/api/1.0/projects/A/repos/old/webhooks?limit=1",
            "/bb/rest/api/1.0/projects/B/repos/new/webhooks?limit=1",
            None,
        ),
        (
            "bitbucket-server",
            "",
            "/scm/a/old.git/info/refs?service=git-receive-pack",
            "/scm/b/new.git/info/refs?service=git-receive-pack",
            None,
        ),
    ],
)
def test_a_moved_repository_is_found(kind: str, prefix: str, path: str, location: str, leads_to: str | None) -> None:
    """The redirect changes which repository is asked about, and nothing else."""
    assert redirected(kind, prefix, path, location) == (leads_to or location.removeprefix(prefix))


@pytest.mark.parametrize("new", ["/sub/b/c/new.git", "/sub/b/new"])
def test_git_is_followed_as_git_follows(new: str) -> None:
    """Git follows the redirect of its first request, which keeps the service that is asked for."""
    query = "/info/refs?service=git-receive-pack"
    location = f"https://git.acme.dev{new}{query}"
    assert redirected("gitlab", "/sub/api/v4", f"/sub/a/old.git{query}", location, from_root=True) == new + query


@pytest.mark.parametrize(
    "location",
    [
        "https://git.acme.dev:8443/api/v1/repos/a/new",
        "https://evil.example/api/v1/repos/a/new",
        "//evil.example/api/v1/repos/a/new",
        "https://git.acme.dev.evil.example/api/v1/repos/a/new",
        "ftp://git.acme.dev/api/v1/repos/a/new",
    ],
)
def test_another_origin_gets_no_token(location: str) -> None:
    """Neither another name, nor another port, nor another scheme."""
    assert refusal("gitea", "/api/v1", "/repos/a/old", location) == (
        "answered with a redirect to another host, which is not followed"
    )


def test_plain_http_is_named() -> None:
    """A server that doesn't know that a proxy speaks TLS for it redirects to http://."""
    assert "plain HTTP" in refusal("gitea", "/api/v1", "/repos/a/old", "http://git.acme.dev/api/v1/repos/a/new")


@pytest.mark.parametrize(
    "location",
    [
        "",
        "https://",
        "https:///api/v1/repos/a/new",
        "https:/api/v1/repos/a/new",
        "https://user@git.acme.dev/api/v1/repos/a/new",
        "https://user:pass@git.acme.dev/api/v1/repos/a/new",
        "https://git.acme.dev\\@evil.example/api/v1/repos/a/new",
        "https://git.acme.dev/api/v1/repos/a/new#fragment",
        "https://git.acme.dev/api/v1/../../repos/a/new",
        "/api/v1/repos/%2e%2E/new",
        "../../user",
        "/api/v1/repos/a/néw",
        "/api/v1/repos/a/new, /api/v1/repos/a/newer",
        "/api/v1/repos/a/new\x00",
        "https://[::1/api/v1/repos/a/new",
        "https://git.acme.dev:99999/api/v1/repos/a/new",
        "/api/v1/repos/a/" + "n" * redirects.LONGEST,
    ],
)
def test_a_location_that_programs_read_in_different_ways_is_not_followed(location: str) -> None:
    """Userinfo, backslashes, dot segments, odd characters, several addresses and oversized ones."""
    assert refusal("gitea", "/api/v1", "/repos/a/old", location) == "answered with a redirect without a valid address"


@pytest.mark.parametrize(
    "location",
    [
        "/user/login",
        "/api/v1/user",
        "/repos/a/new",
        "/api/v2/repos/a/new",
        "/api/v1evil/repos/a/new",
        "/api/v1/repos/a",
        "/api/v1/repos/a/new/hooks",
        "/api/v1/repos/a/new?token=x",
        "/api/v1/repos/a/new/",
        "?page=2",
    ],
)
def test_anything_but_a_moved_repository_is_not_followed(location: str) -> None:
    """A sign-in page, another service on the same host, another resource, another query."""
    assert "something other than a moved repository" in refusal("gitea", "/api/v1", "/repos/a/old", location)


@pytest.mark.parametrize("path", ["/user", "/repos", "/orgs/acme"])
def test_a_request_about_no_repository_is_not_redirected(path: str) -> None:
    """Only repositories are renamed; whoever redirects ``/user`` is a sign-in page."""
    assert "something other" in refusal("github", "", path, "https://git.acme.dev/repositories/12")


def test_a_git_service_is_not_exchanged() -> None:
    """A reply about reading must not prove that the token may write."""
    path = "/a/old.git/info/refs?service=git-receive-pack"
    location = "/a/new.git/info/refs?service=git-upload-pack"
    assert "something other" in refusal("gitea", "/api/v1", path, location, from_root=True)


def test_a_redirect_to_itself_is_a_loop() -> None:
    """Asking again would bring the same."""
    assert "redirect to the same address" in refusal("gitea", "/api/v1", "/repos/a/old", "/api/v1/repos/a/old")


def test_the_warning_names_the_new_address() -> None:
    """With the name that the repository's document has, where it is known."""
    moved = Reply(200, {}, None, moved="/repositories/12")
    assert redirects.warnings(HOST, "acme/old", moved, "acme/new") == (
        "git.acme.dev says that acme/old was renamed or moved to acme/new; update its address, because the redirect "
        "ends as soon as another repository uses the old address.",
    )
    assert "was renamed or moved; update" in redirects.warnings(HOST, "acme/old", moved)[0]


@pytest.mark.parametrize("reply", [Reply(200, {}), ProviderUnavailable("did not answer"), None])
def test_there_is_no_warning_without_a_redirect(reply: object) -> None:
    """Nor where nothing was learnt."""
    assert redirects.warnings(HOST, "acme/old", reply, "acme/old") == ()


# Over the wire.


class Moving(Limiting):
    """GitHub's profile; the API of `ask` has the base path /api/v3."""


async def ask(
    authority: Authority, handler: Handler, method: str = "GET", *, limits: Limits | None = None, json: object = None
) -> tuple[Reply, Site]:
    """What one request for a repository that `handler` answers brings."""
    async with (
        https(handler, authority.server_context()) as site,
        ProviderClient(limits or Limits(5.0), environment={}, resolve=loopback) as client,
    ):
        deadline = asyncio.get_running_loop().time() + 10
        api = Recorder(client.api(authority.host(site.port), Moving(), b"digest", deadline), "secret", keep=False)
        reply = await api.send(method, "/repos/a/old/pulls", headers=HEADERS, json=json)
        assert api.requests == len(site.requests)
    return reply, site


def moving(status: int, location: str = "/api/v3/repositories/7/pulls") -> Handler:
    """Redirects the old name, and echoes what comes to the new one."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if "/old" in request.path:
            return web.Response(status=status, headers={"Location": location}, text="x" * 500)
        sent = {"auth": request.headers["Authorization"], "body": await request.text()}
        return web.json_response(sent)

    return handler


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("status", sorted(redirects.FOLLOWED))
async def test_the_request_is_repeated_as_it_was(status: int, method: str, authority: Authority) -> None:
    """With its method, body and credential, over the same connection."""
    json = None if method == "GET" else {"title": ""}
    reply, site = await ask(authority, moving(status), method, json=json)
    assert reply.body == {"auth": "Bearer made-up", "body": "" if json is None else '{"title":""}'}
    assert reply.moved == "/repositories/7/pulls"
    assert site.requests == [f"{method} /api/v3/repos/a/old/pulls", f"{method} /api/v3/repositories/7/pulls"]
    assert len(site.peers) == 1


async def test_a_reply_without_a_redirect_has_not_moved(authority: Authority) -> None:
    """So that no warning says so."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({})

    reply, _ = await ask(authority, handler)
    assert reply.moved == ""


async def test_a_second_redirect_is_not_followed(authority: Authority) -> None:
    """One is enough for a renamed repository; more is a loop or something else."""
    requests: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        requests.append(request.path)
        return web.Response(status=301, headers={"Location": f"/api/v3/repositories/{len(requests)}/pulls"})

    with pytest.raises(ProviderUnavailable, match="redirect to another redirect") as caught:
        await ask(authority, handler)
    assert not caught.value.transient and caught.value.remedy
    assert len(requests) == 2


@pytest.mark.parametrize("status", [300, 303, 304, 305])
async def test_other_redirects_are_not_followed(status: int, authority: Authority) -> None:
    """303 asks for another request, the others for nothing that we could do."""
    with pytest.raises(ProviderUnavailable, match="answered with a redirect, which is not followed") as caught:
        await ask(authority, moving(status))
    assert not caught.value.transient and caught.value.remedy


async def test_another_port_sees_no_request(authority: Authority) -> None:
    """It may be somebody else's service."""
    async with https(moving(301), authority.server_context()) as other:
        with pytest.raises(ProviderUnavailable, match="another host"):
            await ask(authority, moving(301, f"https://{NAME}:{other.port}/api/v3/repositories/7/pulls"))
        assert not other.requests


async def test_both_requests_take_no_longer_than_one_may(authority: Authority) -> None:
    """A redirect buys a provider no time."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.3)
        return await moving(302)(request)

    started = asyncio.get_running_loop().time()
    with pytest.raises(ProviderUnavailable, match="did not answer within"):
        await ask(authority, handler, limits=Limits(0.5))
    assert asyncio.get_running_loop().time() - started < 1.0


async def test_a_large_page_with_a_redirect_is_not_read_to_its_end(authority: Authority) -> None:
    """The redirect is followed all the same, over another connection."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = await moving(301)(request)
        if isinstance(response, web.Response) and response.status == 301:
            response.text = "x" * (4 << 20)
        return response

    reply, site = await ask(authority, handler)
    assert reply.moved
    assert len(site.peers) == 2
