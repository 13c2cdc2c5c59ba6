"""Which credential Argo CD uses for a repository, and whether that would be synced."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest

from tests.api_server.webhook_process import Simulation
from tests.support.factories import ARGOCD_TYPE, make_secret, make_token
from webhook.audit.argocd import Credentials, Syncs, normalized
from webhook.audit.questions import asking
from webhook.cluster.argocd import Source, Spec
from webhook.cluster.listing import Syncer
from webhook.report.model import ApplicationRow
from webhook.settings.source import parse_settings

GITHUB = "https://github.com"


def credentials(*secrets: tuple[str, str, dict[str, str]], namespace: str = "argocd") -> Credentials:
    """Those of one Argo CD: name, type and values of each."""
    found = Credentials()
    for name, kind, data in secrets:
        found.add(make_secret(data, name=name, namespace=namespace, labels={ARGOCD_TYPE: kind}))
    return found


def used(known: Credentials, repository: str, project: str = "") -> str | None:
    """The name of the Secret that is used."""
    credential = known.used_for(repository, project, "argocd")
    return credential.place.name if credential is not None else None


TOKEN = {"password": make_token("s")}


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        (f"{GITHUB}/acme/apps", "apps"),
        (f"{GITHUB}/acme/apps.git", "apps"),
        ("https://GitHub.com/Acme/Apps", "apps"),
        (f"{GITHUB}/acme/website", "acme"),
        (f"{GITHUB}/acme-too/x", "acme"),  # to Argo CD a prefix is one of letters, not of segments
        (f"{GITHUB}/octocat/diary", "host"),
        ("https://gitlab.com/acme/apps", None),
    ],
)
def test_the_repository_itself_then_the_longest_prefix(repository: str, expected: str | None) -> None:
    """As Argo CD compares URLs: in lower case, without .git."""
    known = credentials(
        ("host", "repo-creds", {"url": GITHUB, **TOKEN}),
        ("acme", "repo-creds", {"url": f"{GITHUB}/acme", **TOKEN}),
        ("apps", "repository", {"url": f"{GITHUB}/acme/apps", **TOKEN}),
    )
    assert used(known, repository) == expected


def test_a_repository_without_a_credential_takes_that_of_the_prefix() -> None:
    """As most do that the platform makes."""
    known = credentials(
        ("acme", "repo-creds", {"url": f"{GITHUB}/acme", **TOKEN}),
        ("apps", "repository", {"url": f"{GITHUB}/acme/apps"}),
    )
    assert used(known, f"{GITHUB}/acme/apps") == "acme"


def test_a_project_has_its_own_before_what_all_share() -> None:
    """And another project's is nobody else's."""
    known = credentials(
        ("shared", "repository", {"url": f"{GITHUB}/acme/apps", **TOKEN}),
        ("own", "repository", {"url": f"{GITHUB}/acme/apps", "project": "blue", **TOKEN}),
    )
    assert used(known, f"{GITHUB}/acme/apps", "blue") == "own"
    assert used(known, f"{GITHUB}/acme/apps", "red") == "shared"


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("git@github.com:acme/apps.git", "git@github.com/acme/apps"),
        ("ssh://git@github.com/acme/apps", "git@github.com/acme/apps"),
        (" HTTPS://GitHub.com/acme/apps.git ", "https://github.com/acme/apps"),
        ("https://user@github.com/acme/apps", "https://user@github.com/acme/apps"),
    ],
)
def test_urls_as_argo_cd_compares_them(url: str, same: str) -> None:
    """Its own function's results, also where ours would say something else."""
    assert normalized(url) == same


def application(*urls: str, name: str = "web", namespace: str = "argocd") -> Syncer:
    return Syncer("Application", namespace, name, Spec(sources=[Source(url) for url in urls]))


async def rows(github: Simulation, known: Credentials, *syncers: Syncer) -> list[ApplicationRow]:
    """What is said of these."""
    settings = parse_settings(json.dumps({"providers": github.settings()}))
    async with asking(settings) as questions:
        syncs = Syncs(settings, questions, lambda: datetime.now(UTC))
        return await syncs.rows(syncers, known, "", asyncio.get_running_loop().time() + 30)


async def test_what_a_token_reaches_would_sync(github: Simulation) -> None:
    """Whatever else its role would need."""
    known = credentials(("acme", "repo-creds", {"url": GITHUB, "password": github.token("repo")}))
    found = await rows(github, known, application(f"{GITHUB}/acme/apps", f"{GITHUB}/acme/nothing"))
    assert [(row.repository, row.would_sync) for row in found] == [
        (f"{GITHUB}/acme/apps", True),
        (f"{GITHUB}/acme/nothing", False),
    ]
    assert found[0].credential is not None
    assert (found[0].credential.name, found[0].message) == ("acme", "")
    assert "acme/nothing" in found[1].message


async def test_a_token_that_is_refused(github: Simulation) -> None:
    """Nothing is synced with it, and the message says why."""
    token = github.good_token()
    github.revoke(token)
    known = credentials(("acme", "repo-creds", {"url": GITHUB, "password": token}))
    (row,) = await rows(github, known, application(f"{GITHUB}/acme/apps"))
    assert row.would_sync is False
    assert "rejects this classic token" in row.message


async def test_one_that_lacks_what_reading_needs(github: Simulation) -> None:
    """A private repository isn't seen by it."""
    known = credentials(("acme", "repo-creds", {"url": GITHUB, "password": github.token("read:org")}))
    (row,) = await rows(github, known, application(f"{GITHUB}/acme/apps"))
    assert row.would_sync is False


@pytest.mark.parametrize(
    ("known", "url", "message"),
    [
        (credentials(), f"{GITHUB}/acme/apps", "Argo CD has no credential for it"),
        (credentials(("a", "repo-creds", {"url": GITHUB, **TOKEN})), "git@github.com:acme/apps", "without a token"),
        (
            credentials(("a", "repo-creds", {"url": GITHUB, "sshPrivateKey": "x"})),
            f"{GITHUB}/acme/apps",
            "Its credential is an SSH key, which cannot be checked.",
        ),
        (
            credentials(("a", "repo-creds", {"url": "https://git.nowhere.dev", **TOKEN})),
            "https://git.nowhere.dev/a/b",
            "git.nowhere.dev is not a declared Git host, so its credential was not checked.",
        ),
        (credentials(), "nonsense", "The URL of its repository has no scheme"),
    ],
)
async def test_what_nobody_can_say_is_not_said(github: Simulation, known: Credentials, url: str, message: str) -> None:
    """Neither that it would sync, nor that it wouldn't."""
    (row,) = await rows(github, known, application(url))
    assert row.would_sync is None
    assert message in row.message


async def test_one_of_several_argo_cds(github: Simulation) -> None:
    """In a namespace with none of its own, nobody knows which one syncs it."""
    known = credentials(("a", "repo-creds", {"url": GITHUB, "password": github.good_token()}), namespace="one")
    other = make_secret({"url": GITHUB, **TOKEN}, name="b", namespace="two", labels={ARGOCD_TYPE: "repo-creds"})
    known.add(other)
    mine, nobodys = await rows(
        github,
        known,
        application(f"{GITHUB}/acme/apps", namespace="one"),
        application(f"{GITHUB}/acme/apps", namespace="three"),
    )
    assert mine.would_sync is True
    assert (nobodys.would_sync, nobodys.credential) == (None, None)


async def test_a_url_that_holds_a_token_is_not_shown(github: Simulation) -> None:
    """By somebody's slip; the row stays, the URL doesn't."""
    token = make_token("v")
    (row,) = await rows(github, credentials(), application(f"https://{token}@github.com/acme/apps"))
    assert row.repository == "(a URL that holds a token)"
    assert token not in repr(row)


async def test_application_sets_by_their_generators(github: Simulation) -> None:
    """What their template only knows once it is rendered stands in the Applications that they make."""
    known = credentials(("a", "repo-creds", {"url": GITHUB, "password": github.good_token()}))
    spec = Spec(source=Source("{{ .url }}"))
    (row,) = await rows(github, known, Syncer("ApplicationSet", "argocd", "all", spec, (f"{GITHUB}/acme/apps",)))
    assert (row.kind, row.repository, row.would_sync) == ("ApplicationSet", f"{GITHUB}/acme/apps", True)
