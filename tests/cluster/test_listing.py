"""Listing, with an API server of the test's own: pages without data, and a list that goes on after 410."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import ApiClient, Configuration

from webhook.cluster.listing import Listing
from webhook.cluster.requests import ApiError

Answer = Callable[[web.Request], web.Response]


class ApiServer:
    """Answers as it is told, one answer for each request; the last one for all others."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, str, str]] = []

    async def handle(self, request: web.Request) -> web.Response:
        query = request.query
        self.asked.append((query.get("continue", ""), query.get("labelSelector", ""), request.headers["Accept"]))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(request)


@pytest.fixture
async def api() -> AsyncIterator[tuple[ApiServer, Listing]]:
    """A server, and who lists."""
    server, app = ApiServer(), web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with TestServer(app) as running:
        client: Any = ApiClient(configuration=Configuration(host=str(running.make_url("")).rstrip("/")))
        yield server, Listing(client, selector="a=b")
        await client.close()


def page(*names: str, following: str = "") -> Answer:
    """A part of the list."""
    items = [
        {
            "metadata": {
                "name": name,
                "namespace": "somewhere",
                "uid": name,
                "resourceVersion": "1",
                "creationTimestamp": "2026-11-01T00:00:00Z",
                "managedFields": [{"time": "2026-11-03T00:00:00Z"}, {"time": "2026-11-02T00:00:00Z"}, {}],
            }
        }
        for name in names
    ]
    metadata = {"continue": following, "remainingItemCount": 9}
    return lambda _: web.json_response({"metadata": metadata, "items": items})


def expired(following: str = "") -> Answer:
    """410 Gone, with or without where the list goes on."""
    return lambda _: web.json_response({"kind": "Status", "metadata": {"continue": following}}, status=410)


async def names(listing: Listing) -> list[tuple[bool, list[str]]]:
    return [(page.is_first, [one.secret.name for one in page.secrets]) async for page in listing.secrets()]


async def test_metadata_only(api: tuple[ApiServer, Listing]) -> None:
    """No data is asked for, labels are selected by the API server, and what is needed is there."""
    server, listing = api
    server.answers = [page("a")]
    (found,) = [page async for page in listing.secrets("somewhere")]
    ((following, selector, accept),) = server.asked
    assert (following, selector) == ("", "a=b")
    assert accept == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    assert (found.remaining, found.secrets[0].version) == (9, "1")
    assert found.secrets[0].written == datetime(2026, 11, 3, tzinfo=UTC)


async def test_a_list_that_has_expired_goes_on(api: tuple[ApiServer, Listing]) -> None:
    """410 Gone says itself where: nothing comes twice, and nothing is left out."""
    server, listing = api
    server.answers = [page("a", following="x"), expired("y"), page("b")]
    assert await names(listing) == [(True, ["a"]), (False, ["b"])]
    assert [following for following, _, _ in server.asked] == ["", "x", "y"]


async def test_or_begins_anew_and_says_so(api: tuple[ApiServer, Listing]) -> None:
    """Where it doesn't say where; whoever counts must begin anew, too."""
    server, listing = api
    server.answers = [page("a", following="x"), expired(), page("a", following="z"), page("b")]
    assert await names(listing) == [(True, ["a"]), (True, ["a"]), (False, ["b"])]


async def test_not_for_ever(api: tuple[ApiServer, Listing]) -> None:
    """An API server that only ever says so is given up."""
    server, listing = api
    server.answers = [expired("x")]
    with pytest.raises(ApiError, match="answers 410"):
        await names(listing)
    assert len(server.asked) == 10


async def test_where_argo_cd_is_not_installed_there_are_no_applications(api: tuple[ApiServer, Listing]) -> None:
    """404, because the API server knows no such resource."""
    server, listing = api
    server.answers = [lambda _: web.Response(status=404)]
    assert await listing.applications() == []
