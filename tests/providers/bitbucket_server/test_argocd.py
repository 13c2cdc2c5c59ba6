"""What Argo CD does with a token: how it sends it to Git, and which URLs it uses it for."""

from __future__ import annotations

import pytest

from tests.providers.bitbucket_server.conftest import JANE, NAME, PROJECT, RUNTIME, SERVER, USER, Harness
from webhook.providers.findings import AuthScheme, Finding, GitAuth, Outcome
from webhook.providers.requirements import Role
from webhook.simulator.bitbucket_server import Repository
from webhook.simulator.faults import StripHeaders

GOOD = Finding(Outcome.SUFFICIENT)
BEARER = GitAuth(AuthScheme.BEARER)
BOTH = {Role.RUNTIME: RUNTIME, Role.USER: USER}


def basic(username: str) -> GitAuth:
    return GitAuth(AuthScheme.BASIC, username)


@pytest.mark.parametrize("username", ["argo", "x-access-token", "x-token-auth", ""])
@pytest.mark.parametrize("name", ["server-project-token", "server-repo-token"])
async def test_a_projects_or_repositorys_token_must_not_be_sent_as_basic(
    harness: Harness, name: str, username: str
) -> None:
    """Whatever the username is; the finding names the key where the token belongs."""
    finding = (await harness.inspect(name, git_auth=basic(username))).findings[Role.RUNTIME]
    assert finding.outcome is Outcome.MALFORMED
    assert "bearer token only" in finding.reason
    assert "store the token under bearerToken" in finding.reason


@pytest.mark.parametrize("name", ["server-project-token", "server-repo-token"])
async def test_a_projects_or_repositorys_token_works_as_bearer(harness: Harness, name: str) -> None:
    """As Argo CD sends what is under bearerToken."""
    assert (await harness.inspect(name, git_auth=BEARER)).findings[Role.RUNTIME] == GOOD


async def test_only_the_runtime_role_depends_on_argo_cd(harness: Harness) -> None:
    """A user's token is used by other programs."""
    answer = await harness.inspect("server-project-token", roles=BOTH, git_auth=basic("argo"))
    assert {role: finding.outcome for role, finding in answer.findings.items()} == {
        Role.RUNTIME: Outcome.MALFORMED,
        Role.USER: Outcome.SUFFICIENT,
    }


@pytest.mark.parametrize("style", ["server-good-runtime", "server-plain"])
@pytest.mark.parametrize("username", ["jane.doe@acme.dev", "Jane.Doe@acme.dev"])
async def test_a_users_token_works_as_basic_with_its_owners_name(harness: Harness, style: str, username: str) -> None:
    """Of either shape, and in any letter case."""
    answer = await harness.inspect(style, git_auth=basic(username))
    assert (answer.findings[Role.RUNTIME], answer.facts.warnings) == (GOOD, ())


@pytest.mark.parametrize("username", ["x-access-token", "argo", JANE, ""])
async def test_another_username_beside_a_users_token_is_warned_of(harness: Harness, username: str) -> None:
    """Also the one that Argo CD sends where the Secret has none."""
    answer = await harness.inspect("server-good-runtime", git_auth=basic(username))
    assert answer.findings[Role.RUNTIME] == GOOD
    (warning,) = answer.facts.warnings
    assert "the user name of its owner, jane.doe@acme.dev; store that as username" in warning
    assert (await harness.inspect("server-good-runtime", git_auth=BEARER)).facts.warnings == ()


async def test_a_token_of_an_unknown_owner_is_not_called_malformed(harness: Harness) -> None:
    """A proxy takes the name away, so that nobody knows whose it is."""
    harness.simulator.faults.add(StripHeaders(names=["X-AUSERNAME", "X-AUSERID"]))
    answer = await harness.inspect("server-project-token", git_auth=basic("argo"))
    assert (answer.findings[Role.RUNTIME], answer.facts.warnings) == (GOOD, ())


async def test_a_url_that_ends_inside_a_name_is_judged_for_its_project(harness: Harness) -> None:
    """Argo CD compares URLs as strings, so that it uses the token for all repositories that begin with it."""
    path = "bitbucket/scm/acme/app"
    answer = await harness.inspect("server-good-runtime", path, open_ended=True)
    assert answer.findings[Role.RUNTIME] == GOOD
    (warning,) = answer.facts.warnings
    assert warning == (f"{NAME} shows no ACME/app; the URL is taken as a prefix, and the token is judged for ACME.")
    finding = (await harness.inspect("server-good-user", path, open_ended=True)).findings[Role.RUNTIME]
    assert finding.lacks == ("PROJECT_ADMIN",)


async def test_a_whole_name_at_the_end_of_a_prefix_is_judged_as_such(harness: Harness) -> None:
    """The usual case costs no request more."""
    plain = await harness.inspect("server-good-runtime")
    answer = await harness.inspect("server-good-runtime", open_ended=True)
    assert (answer.findings, answer.requests, answer.facts.warnings) == (plain.findings, plain.requests, ())
    for path in (PROJECT, SERVER):
        assert (await harness.inspect("server-good-runtime", path, open_ended=True)).findings[Role.RUNTIME] == GOOD


async def test_a_prefix_of_which_nothing_is_known_is_no_denial_of_the_token(harness: Harness) -> None:
    """Neither inside the name of a project nor before one."""
    harness.world.add(Repository(project="ACME", slug="apps-two", id=77))
    for path in ("bitbucket/scm/ac", "bitbucket/sc", "bitbuc"):
        answer = await harness.inspect("server-good-user", path, open_ended=True, roles={Role.RUNTIME: USER})
        assert answer.findings[Role.RUNTIME].outcome in (Outcome.UNVERIFIED, Outcome.SUFFICIENT)
