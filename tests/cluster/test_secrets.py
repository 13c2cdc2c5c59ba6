"""What an API server may answer to those who list Secrets, played by a small server of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import ApiClient, Configuration

from tests.support.factories import encode, make_token
from webhook.cluster.secrets import ApiError, StoredSecrets

Answer = Callable[[web.Request], web.Response]


class ApiServer:
    """Answers as it is told, one answer for each request; the last one for all others."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request.query.get("continue", ""))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(request)


def page(*names: str, following: str = "") -> Answer:
    """A part of the list."""
    items = [
        {
            "metadata": {
                "name": name,
                "namespace": "somewhere",
                "resourceVersion": "1",
                "uid": "u",
                "managedFields": [],
            },
            "data": {"token": encode(make_token())},
        }
        for name in names
    ]
    return lambda _: web.json_response({"metadata": {"continue": following}, "items": items})


def status(code: int, text: str = "") -> Answer:
    """An answer of this status."""
    return lambda _: web.Response(status=code, text=text)


@pytest.fixture
async def api() -> AsyncIterator[tuple[ApiServer, StoredSecrets]]:
    """A server, and who asks it."""
    api_server, app = ApiServer(), web.Application()
    app.router.add_route("*", "/{path:.*}", api_server.handle)
    async with TestServer(app) as server:
        configuration = Configuration(host=str(server.make_url("")).rstrip("/"))
        async with StoredSecrets(ApiClient(configuration=configuration)) as secrets:
            yield api_server, secrets


async def names(secrets: StoredSecrets) -> list[str]:
    return [stored.secret.name async for page in secrets.pages() for stored in page.secrets]


async def test_a_list_that_has_expired_begins_anew(api: tuple[ApiServer, StoredSecrets]) -> None:
    """410 Gone: what was seen comes again, and nothing is left out."""
    server, secrets = api
    server.answers = [page("a", following="x"), status(410), page("a", following="y"), page("b")]
    assert await names(secrets) == ["a", "a", "b"]
    assert server.asked == ["", "x", "", "y"]


async def test_not_for_ever(api: tuple[ApiServer, StoredSecrets]) -> None:
    """An API server that only ever says so is given up."""
    server, secrets = api
    server.answers = [status(410)]
    with pytest.raises(ApiError, match="answers 410"):
        await names(secrets)
    assert len(server.asked) == 10


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (status(403, "no"), "the API server answers 403"),
        (status(200, "{"), "response cannot be decoded"),
        (status(200, '{"items": [{"metadata": {"name": 1}}]}'), "response cannot be decoded"),
    ],
    ids=["forbidden", "no JSON", "no list"],
)
async def test_half_a_list_is_none(api: tuple[ApiServer, StoredSecrets], answer: Answer, reason: str) -> None:
    """Who goes by it must not believe that it was all."""
    server, secrets = api
    server.answers = [page("a", following="x"), answer]
    with pytest.raises(ApiError, match=reason):
        await names(secrets)


async def test_no_error_quotes_what_was_answered(api: tuple[ApiServer, StoredSecrets]) -> None:
    """It may hold what was sent, and so a token."""
    server, secrets = api
    token = make_token("q")
    for answer in (status(422, token), status(200, f'{{"items": "{token}"}}')):
        server.answers = [answer]
        with pytest.raises(ApiError) as refused:
            await names(secrets)
        assert token not in str(refused.value)
        assert refused.value.__context__ is None or refused.value.__suppress_context__


async def test_what_is_read_is_not_printed(api: tuple[ApiServer, StoredSecrets]) -> None:
    """Not even by a slip of ours."""
    server, secrets = api
    server.answers = [page("a")]
    async for found in secrets.pages():
        assert encode(make_token()) not in repr(found)


async def test_why_the_api_server_can_t_be_reached(tmp_path: Path) -> None:
    """In words of ours: an exception's own text may quote the request."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: u, user: {}}]\n"
        "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n"
    )
    async with await StoredSecrets.connect(kubeconfig) as secrets:
        with pytest.raises(ApiError) as caught:
            await secrets.read("a", "b")
    assert str(caught.value) == "the API server cannot be reached: cannot connect to its address"
