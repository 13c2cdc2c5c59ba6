"""What `serve` says of a kubeconfig that it can't use, and how it lists Applications. The rest of what an API server
answers is seen in `tests/api_server`."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from webhook.cluster.argocd import Synced
from webhook.cluster.lookups import KubernetesCluster
from webhook.cluster.requests import Unavailable
from webhook.errors import ConfigurationError
from webhook.simulator.cluster import ApiServer, Grant
from webhook.subject import Requester


async def test_a_kubeconfig_that_is_missing_is_called_so(tmp_path: Path) -> None:
    """A typo in its name is what is wrong most often; without it the server would not look at the cluster at all."""
    with pytest.raises(ConfigurationError, match=r"absent: cannot be used .*: there is no such file"):
        await KubernetesCluster.connect(tmp_path / "absent")


# --- Applications ---------------------------------------------------------------------------------------------------


class Lists:
    """An API server that gives out as many pages of Applications as it is told, or answers something else."""

    def __init__(self, pages: int = 1, status: int = 200, text: str | None = None) -> None:
        self.pages, self.status, self.text = pages, status, text
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        if self.status != 200 or self.text is not None:
            return web.Response(status=self.status, text=self.text or "{}", content_type="application/json")
        number = int(request.query.get("continue", "0"))
        following = str(number + 1) if number + 1 < self.pages else ""
        source = {"repoURL": f"https://github.com/acme/app-{number}"}
        document = {"items": [{"spec": {"source": source}}], "metadata": {"continue": following}}
        return web.json_response(document)


@asynccontextmanager
async def cluster_of(lists: Lists) -> AsyncIterator[KubernetesCluster]:
    from kubernetes.aio.client import ApiClient, Configuration

    application = web.Application()
    application.router.add_get("/{path:.*}", lists.answer)
    async with TestServer(application) as server:
        make_configuration: Any = Configuration
        client: Any = ApiClient(configuration=make_configuration(host=str(server.make_url("")).rstrip("/")))
        async with KubernetesCluster(client) as cluster:
            yield cluster


async def test_applications_are_listed_part_by_part_and_remembered() -> None:
    """However many ask at once, and again within a minute."""
    lists = Lists(pages=3)
    async with cluster_of(lists) as cluster:
        synced, again = await asyncio.gather(cluster.synced_repositories(), cluster.synced_repositories())
        assert await cluster.synced_repositories() is synced is again
    assert [str(url) for url in synced.by_host["github.com"]] == [f"https://github.com/acme/app-{n}" for n in range(3)]
    assert synced.complete
    path = "/apis/argoproj.io/v1alpha1/applications?limit=250"
    assert lists.asked == [path, f"{path}&continue=1", f"{path}&continue=2"]


async def test_a_list_without_end_has_an_end() -> None:
    """What more there is, is told to be there."""
    lists = Lists(pages=1000)
    async with cluster_of(lists) as cluster:
        assert not (await cluster.synced_repositories()).complete
    assert len(lists.asked) == 20


async def test_without_argo_cd_there_are_no_applications() -> None:
    """The API server knows no such resource."""
    async with cluster_of(Lists(status=404)) as cluster:
        synced = await cluster.synced_repositories()
        assert (dict(synced.by_host), synced.complete) == ({}, True)


@pytest.mark.parametrize(
    ("lists", "why"),
    [
        (Lists(status=403), "the API server answers 403"),
        (Lists(status=500), "the API server answers 500"),
        (Lists(text="<html>"), "the API server's list of them cannot be decoded"),
    ],
)
async def test_applications_that_can_not_be_listed_are_unknown(lists: Lists, why: str) -> None:
    """Which is said, and asked again the next time."""
    async with cluster_of(lists) as cluster:
        for _ in range(2):
            with pytest.raises(Unavailable, match=f"^{why}$"):
                await cluster.synced_repositories()
    assert len(lists.asked) == 2


# --- What is remembered ---------------------------------------------------------------------------------------------


class Answers(KubernetesCluster):
    """A cluster whose API server allows everything and counts the questions."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self.asked = 0

    async def _review_access(self, requester: Requester, namespace: str, name: str) -> bool:
        self.asked += 1
        return True

    async def _read_annotation(self, namespace: str) -> str | None:
        self.asked += 1
        return "true"

    async def _list_applications(self) -> Synced:
        self.asked += 1
        return Synced()


USER = Requester("alice", "1", ("a", "b"), {"scopes": ("x", "y")})


@pytest.mark.parametrize(
    ("requester", "namespace", "name"),
    [
        (replace(USER, username="bob"), "ns", "name"),
        (replace(USER, uid="2"), "ns", "name"),
        (replace(USER, groups=("a", "b", "system:masters")), "ns", "name"),
        (replace(USER, groups=("a,b",)), "ns", "name"),
        (replace(USER, extra={"scopes": ("x",)}), "ns", "name"),
        (replace(USER, extra={"scopes": ("x", "y"), "more": ()}), "ns", "name"),
        (USER, "other", "name"),
        (USER, "ns", "other"),
    ],
)
async def test_a_right_is_that_of_one_requester_and_one_secret(requester: Requester, namespace: str, name: str) -> None:
    """Whatever differs is asked about again; the same isn't."""
    cluster = Answers()
    for _ in range(2):
        await cluster.may_skip(USER, "ns", "name")
    assert cluster.asked == 1
    await cluster.may_skip(requester, namespace, name)
    assert cluster.asked == 2


@pytest.fixture
async def api_server(tmp_path: Path) -> AsyncIterator[tuple[ApiServer, Path]]:
    """An API server on which the group `skippers` may skip checks in the namespace `team`, and its kubeconfig."""
    skip = Grant(("skip",), ("validations",), "team")
    async with ApiServer(groups={"skippers": (skip,)}) as server:
        file = tmp_path / "kubeconfig"
        file.write_text(json.dumps(server.kubeconfig()))
        yield server, file


async def test_the_groups_of_the_requester_decide(api_server: tuple[ApiServer, Path]) -> None:
    """A right that a group gives is neither given to a member of no group, nor taken from a member, by the cache."""
    member = Requester("alice", groups=("skippers",))
    cluster = await KubernetesCluster.connect(api_server[1])
    assert cluster is not None
    async with cluster:
        for _ in range(2):
            assert await cluster.may_skip(member, "team", "creds")
            assert not await cluster.may_skip(Requester("alice"), "team", "creds")


async def test_a_right_in_a_namespace_is_a_right_there(api_server: tuple[ApiServer, Path]) -> None:
    """A RoleBinding counts in its namespace, and in no other."""
    member = Requester("alice", groups=("skippers",))
    cluster = await KubernetesCluster.connect(api_server[1])
    assert cluster is not None
    async with cluster:
        assert await cluster.may_skip(member, "team", "creds")
        assert not await cluster.may_skip(member, "other", "creds")


async def test_what_is_remembered_is_bounded() -> None:
    """Writers who invent users and namespaces, as long as they like, fill no memory."""
    cluster = Answers()
    tracemalloc.start()
    try:
        for number in range(6000):
            await cluster.may_skip(Requester(f"{number}" + "u" * 10_000, groups=("g" * 10_000,)), "ns", "name")
            await cluster.skip_annotation(f"{number}")
        assert len(cluster._answers) <= 4096
        assert cluster._answers.size <= 8 * 2**20
        assert tracemalloc.get_traced_memory()[0] < 16 * 2**20
    finally:
        tracemalloc.stop()


async def test_a_flood_of_questions_does_not_evict_the_applications() -> None:
    """Listing them again costs the API server much."""
    cluster = Answers()
    await cluster.synced_repositories()
    for number in range(5000):
        await cluster.skip_annotation(f"{number}")
    await cluster.synced_repositories()
    assert cluster.asked == 5001
