"""Repositories that Argo CD Applications sync: which they are, whose they are, and what follows for a token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.factories import (
    Desk,
    FakeCluster,
    allowed,
    make_runtime_secret,
    make_subject,
    make_token,
    make_user_secret,
)
from webhook.cluster.argocd import Synced, decode
from webhook.cluster.requests import Unavailable
from webhook.decision import Stage
from webhook.providers.findings import RepositoryNeed
from webhook.providers.requirements import Level
from webhook.providers.urls import parse_git_url
from webhook.review.applications import MOST, needs_of
from webhook.subject import SecretObject

TOKEN = make_token("a")
ON = "repositories: {applications: true}"
URL = "https://github.com/acme"


def page(*specs: dict[str, Any], following: str = "") -> bytes:
    items = [{"metadata": {"name": "x"}, "spec": spec, "status": {"sync": {}}} for spec in specs]
    return json.dumps({"kind": "ApplicationList", "items": items, "metadata": {"continue": following}}).encode()


def source(url: str, **more: Any) -> dict[str, Any]:
    return {"repoURL": url, "path": "apps", "targetRevision": "HEAD", **more}


# --- what Applications sync -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "urls"),
    [
        ({"source": source("https://github.com/acme/apps")}, ["https://github.com/acme/apps"]),
        (
            {"sources": [source("https://a.dev/b/c"), source("https://a.dev/d/e")]},
            ["https://a.dev/b/c", "https://a.dev/d/e"],
        ),
        ({"source": source("https://a.dev/old/one"), "sources": [source("https://a.dev/b/c")]}, ["https://a.dev/b/c"]),
        ({"source": source("https://a.dev/b/c"), "sources": []}, ["https://a.dev/b/c"]),
        ({"source": source("https://charts.acme.dev", chart="web")}, []),
        (
            {"sources": [source("registry.acme.dev", chart="web"), source("https://a.dev/b/c", ref="values")]},
            ["https://a.dev/b/c"],
        ),
        ({"sourceHydrator": {"drySource": source("https://a.dev/b/c"), "syncSource": {}}}, ["https://a.dev/b/c"]),
        ({"destination": {}}, []),
    ],
)
def test_what_an_application_syncs_is_read(spec: dict[str, Any], urls: list[str]) -> None:
    """In each of the forms that Argo CD has for it; a Helm chart comes from no Git repository."""
    assert decode(page(spec)).urls() == urls


def test_a_list_that_goes_on_says_where() -> None:
    """The API server gives it out in parts."""
    assert decode(page(following="abc")).metadata.next == "abc"
    assert decode(page()).metadata.next == ""


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"<html>", b'{"items": 4}', b'{"items": [{"spec": {"source": 4}}]}', b"\xff"]
)
def test_what_is_no_list_is_no_answer(body: bytes) -> None:
    """It never ends in another error, and quotes nothing."""
    with pytest.raises(Unavailable, match=r"cannot be decoded$"):
        decode(body)


@given(
    st.binary(max_size=80)
    | st.recursive(
        st.none() | st.text() | st.integers(),
        lambda s: (
            st.lists(s)
            | st.dictionaries(st.sampled_from(["items", "spec", "source", "sources", "repoURL", "metadata"]), s)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_body_is_a_list_or_no_answer(body: bytes) -> None:
    """Whoever answers in the API server's place."""
    try:
        Synced.of(decode(body).urls())
    except Unavailable:
        pass


def test_only_git_over_https_counts() -> None:
    """SSH uses keys, OCI is no Git, and what is no URL names nothing."""
    urls = [
        "https://GitHub.com/acme/apps.git",
        "git@github.com:acme/x",
        "oci://ghcr.io/acme/x",
        "no url",
        "https://a@b/c/d",
    ]
    assert Synced.of(urls).by_host == {"github.com": (parse_git_url("https://github.com/acme/apps"),)}


def test_a_url_that_shows_a_token_is_passed_over() -> None:
    """Whoever writes a Secret would read it in a warning."""
    assert Synced.of([f"https://github.com/acme/{TOKEN}"]) == Synced()


# --- whose they are -------------------------------------------------------------------------------------------------


def perhaps(*names: str) -> tuple[RepositoryNeed, ...]:
    return tuple(RepositoryNeed(tuple(name.split("/")), Level.READ, certain=False) for name in names)


async def below(
    url: str,
    synced: Sequence[str],
    known: Sequence[RepositoryNeed] = (),
    *,
    complete: bool = True,
    open_ended: bool = False,
) -> tuple[tuple[RepositoryNeed, ...], tuple[str, ...]]:
    class Source:
        async def synced_repositories(self) -> Synced:
            return Synced.of(synced, complete=complete)

    deadline = asyncio.get_running_loop().time() + 10
    return await needs_of(parse_git_url(url), known, Source(), deadline, open_ended=open_ended)


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("https://github.com", ("acme/apps", "acme/web", "other/apps")),
        ("https://github.com/acme", ("acme/apps", "acme/web")),
        ("https://github.com/ACME/", ("acme/apps", "acme/web")),
        ("https://github.com/ac", ()),
        ("https://github.com/acme/apps", ()),
        ("https://gitlab.com/acme", ("acme/x/y",)),
        ("https://github.com:8443/acme", ()),
        ("http://github.com/acme", ("acme/plain",)),
    ],
)
async def test_a_credential_is_for_what_its_url_begins(url: str, names: tuple[str, ...]) -> None:
    """Segment by segment, in any letter case; what the URL names itself is asked for anyway."""
    synced = [
        "https://github.com/acme/web.git",
        "https://github.com/acme/apps",
        "https://github.com/Acme/Apps",
        "https://github.com/other/apps",
        "https://gitlab.com/acme/x/y",
        "http://github.com/acme/plain",
    ]
    assert await below(url, synced) == (perhaps(*names), ())


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("https://github.com/acme/gitops-", ("acme/gitops-prod", "acme/gitops-test")),
        ("https://github.com/acme/GitOps-P", ("acme/gitops-prod",)),
        ("https://github.com/ac", ("acme/gitops-prod", "acme/gitops-test", "acme/web")),
        ("https://github.com/acme/web", ()),
    ],
)
async def test_a_url_may_end_inside_a_name(url: str, names: tuple[str, ...]) -> None:
    """Argo CD compares URLs as strings."""
    synced = [f"https://github.com/acme/{name}" for name in ("gitops-prod", "gitops-test", "web")]
    assert await below(url, synced, open_ended=True) == (perhaps(*names), ())


async def test_what_is_known_to_be_needed_is_not_doubted() -> None:
    """The configuration's word counts."""
    known = [RepositoryNeed(("Acme", "apps"), Level.WRITE)]
    needs, _ = await below(URL, ["https://github.com/acme/apps", "https://github.com/acme/web"], known)
    assert needs == perhaps("acme/web")


async def test_there_is_an_end_to_what_is_asked() -> None:
    """With a warning, and always the same of them."""
    urls = [f"{URL}/app-{number:03}" for number in range(MOST + 20)]
    needs, warnings = await below(URL, urls)
    assert needs == perhaps(*(f"acme/app-{number:03}" for number in range(MOST)))
    assert warnings == (
        "Argo CD Applications sync 120 repositories below this URL; the first 100 of them are checked.",
    )
    assert await below(URL, urls[::-1]) == (needs, warnings)


async def test_more_applications_than_are_looked_at_are_told_of() -> None:
    """What they sync isn't known."""
    _, (warning,) = await below(URL, [], complete=False)
    assert warning.startswith("There are more Argo CD Applications than the limit")


# --- what follows for a token ---------------------------------------------------------------------------------------


def runtime(url: str = URL) -> SecretObject:
    return make_runtime_secret({"url": url, "username": "git", "password": TOKEN})


def desk(configuration: str, cluster: FakeCluster | None) -> Desk:
    return Desk({TOKEN: ("repo", "admin:repo_hook")}, configuration, cluster)


async def test_a_runtime_token_is_asked_about_them() -> None:
    """To be read, and perhaps."""
    there = desk(ON, FakeCluster(synced=(f"{URL}/apps", f"{URL}/web")))
    await there.store(runtime())
    assert {question.repositories for question in there.provider.asked} == {perhaps("acme/apps", "acme/web")}


async def test_nobody_asks_where_the_configuration_does_not_say_so() -> None:
    """As it doesn't by default."""
    cluster = FakeCluster(synced=(f"{URL}/apps",))
    there = desk("", cluster)
    await there.store(runtime())
    assert [question.repositories for question in there.provider.asked] == [()]
    assert "applications" not in cluster.asked


async def test_a_persons_token_is_not_asked_about_them() -> None:
    """Argo CD doesn't use it."""
    cluster = FakeCluster(synced=(f"{URL}/apps",))
    await desk(ON, cluster).store(make_user_secret({"token": TOKEN, "url": URL}))
    assert "applications" not in cluster.asked


class Slow(FakeCluster):
    async def synced_repositories(self) -> Synced:
        await asyncio.sleep(60)
        raise AssertionError("waited too long")


@pytest.mark.parametrize(
    ("cluster", "why"),
    [
        (None, "no API server is available"),
        (FakeCluster(down=True), "the API server answers 503"),
        (Slow(), "the list takes too long"),
    ],
    ids=["none", "down", "slow"],
)
async def test_what_can_not_be_listed_is_a_warning(cluster: FakeCluster | None, why: str) -> None:
    """The token is judged all the same."""
    deadline = asyncio.get_running_loop().time() + 1
    reviewed = await desk(ON, cluster).reviewer.review(make_subject(runtime()), Stage.VALIDATE, deadline)
    warnings = allowed(reviewed.decision).warnings
    assert f"data.password: The repositories of Argo CD Applications are not checked: {why}." in warnings


def test_nothing_else_of_an_application_is_decoded() -> None:
    """It may be large, and is nobody's business here."""
    big = {"source": source("https://a.dev/b/c"), "other": ["x"] * 10}
    spec = {"source": {"repoURL": "https://a.dev/b/c", "chart": ""}, "sources": None, "sourceHydrator": None}
    assert msgspec.to_builtins(decode(page(big)).items[0]) == {"spec": {**spec, "project": ""}}
