"""An App's own credentials: what its installation was granted, and where it reaches."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from tests.providers.github.conftest import Desk
from webhook.providers.base import ProviderUnavailable
from webhook.providers.findings import Finding, GitHubAppCredential, Outcome
from webhook.providers.requirements import Role
from webhook.simulator.faults import Status
from webhook.simulator.github import Installation

REPOSITORY = "acme/apps"
HELD = ("Administration: write", "Contents: write", "Metadata: read", "Webhooks: write")


def own_credentials(desk: Desk, name: str, *, installation: str | None = None, key_of: str = "") -> GitHubAppCredential:
    """Those of an App of the world; every installation's number there is the App's and 1000."""
    app = desk.world.apps[name]
    key = desk.world.apps[key_of or name].private_key_pem
    return GitHubAppCredential(str(app.id), SecretStr(key), installation)


@pytest.mark.parametrize("installation", ["3001", None])
@pytest.mark.parametrize("path", ["acme", REPOSITORY])
async def test_a_good_app_is_good(desk: Desk, installation: str | None, path: str) -> None:
    """Its installation is named, or found by the owner in the URL as Argo CD finds it."""
    answer = await desk.inspect(own_credentials(desk, "good-app", installation=installation), path)
    assert answer.findings[Role.RUNTIME] == Finding(Outcome.SUFFICIENT)
    assert (answer.facts.described, answer.facts.account, answer.facts.holds) == ("GitHub App good-app", "acme", HELD)
    assert answer.facts.expires_at is None


async def test_a_client_id_is_as_good_as_an_app_id(desk: Desk) -> None:
    """GitHub takes either as issuer."""
    app = desk.world.apps["good-app"]
    credential = GitHubAppCredential(app.client_id, SecretStr(app.private_key_pem))
    assert (await desk.find(credential, REPOSITORY)).outcome is Outcome.SUFFICIENT


@pytest.mark.parametrize(
    ("installation", "path", "asked"),
    [
        ("3001", "", ["GET /app", "GET /app/installations/3001"]),
        ("3001", REPOSITORY, ["GET /app", "GET /app/installations/3001", "GET /repos/acme/apps/installation"]),
        (None, "acme", ["GET /app", "GET /orgs/acme/installation", "GET /users/acme/installation"]),
    ],
)
async def test_one_round_of_reads_suffices(desk: Desk, installation: str | None, path: str, asked: list[str]) -> None:
    """No token is made to look at the App."""
    answer = await desk.inspect(own_credentials(desk, "good-app", installation=installation), path)
    assert (desk.asked(), answer.requests) == (asked, len(asked))


async def test_the_only_installation_needs_no_name(desk: Desk) -> None:
    """Where neither its number nor an owner is told, it is the one that is meant, for better or worse."""
    assert (await desk.find(own_credentials(desk, "good-app"))).outcome is Outcome.SUFFICIENT
    assert desk.asked() == ["GET /app", "GET /app/installations"]
    assert (await desk.find(own_credentials(desk, "no-hooks-app"))).lacks == ("Webhooks: write",)
    assert (await desk.find(own_credentials(desk, "suspended-app"))).outcome is Outcome.BLOCKED


def installed(desk: Desk, number: int, account: str, **details: Any) -> None:
    """Another installation of the good App."""
    permissions = details.pop("permissions", dict(desk.world.installations[3001].permissions))
    desk.world.add(Installation(id=number, app_id=2001, account=account, permissions=permissions, **details))


async def test_an_app_for_a_whole_server_is_good_with_all_its_installations(desk: Desk) -> None:
    """Argo CD finds the right one by a repository's owner, so that none has to be named."""
    installed(desk, 4001, "octocat")
    answer = await desk.inspect(own_credentials(desk, "good-app"))
    assert answer.findings[Role.RUNTIME] == Finding(Outcome.SUFFICIENT)
    assert (answer.facts.account, answer.facts.holds) == (None, HELD)


async def test_the_installation_that_lacks_something_is_named(desk: Desk) -> None:
    """What all of them hold is what the App is said to hold."""
    permissions = {"administration": "read", "contents": "write", "metadata": "read"}
    installed(desk, 4001, "octocat", permissions=permissions)
    answer = await desk.inspect(own_credentials(desk, "good-app"))
    finding = answer.findings[Role.RUNTIME]
    assert finding.outcome is Outcome.INSUFFICIENT
    assert finding.reason == (
        "says that of the installations of this GitHub App the one on octocat lacks Administration: write and "
        "Webhooks: write"
    )
    assert answer.facts.holds == ("Administration: read", "Contents: write", "Metadata: read")
    assert "githubAppInstallationID" not in finding.reason + answer.remedy


async def test_a_suspended_installation_among_several_is_named(desk: Desk) -> None:
    """Its owner's repositories can't be reached; those that lack something are named as well."""
    installed(desk, 4001, "octocat", suspended_at=datetime.now(UTC))
    installed(desk, 4002, "sso-corp", permissions={"metadata": "read"})
    finding = await desk.find(own_credentials(desk, "good-app"))
    assert finding.outcome is Outcome.BLOCKED
    assert "the one on octocat is suspended and the one on sso-corp lacks" in finding.reason


async def test_installations_on_further_pages_count(desk: Desk) -> None:
    """They are asked for in a second round, all at once."""
    for number in range(230):
        installed(desk, 5000 + number, f"team-{number}")
    desk.world.installations[5229].permissions = {"metadata": "read"}
    answer = await desk.inspect(own_credentials(desk, "good-app"))
    assert "the one on team-229 lacks" in answer.findings[Role.RUNTIME].reason
    assert answer.requests == 4


async def test_more_installations_than_are_checked_are_unverified(desk: Desk) -> None:
    """A thousand are looked at; that another one lacks something is still found."""
    for number in range(1001):
        installed(desk, 5000 + number, f"team-{number}")
    answer = await desk.inspect(own_credentials(desk, "good-app"))
    finding = answer.findings[Role.RUNTIME]
    assert (finding.outcome, finding.transient, answer.requests) == (Outcome.UNVERIFIED, False, 11)
    assert "use a Secret for each organisation" in finding.reason


async def test_many_lacks_are_told_in_a_few_words(desk: Desk) -> None:
    """As many names as a person reads."""
    for number in range(20):
        installed(desk, 5000 + number, f"team-{number}", permissions={"metadata": "read"})
    reason = (await desk.find(own_credentials(desk, "good-app"))).reason
    assert "team-0, team-1, team-2, team-3, team-4 and 15 more lacks" in reason


@pytest.mark.parametrize("row", ["null", "[]", '{"id": 1}', '{"id": 1, "permissions": null}'])
async def test_a_list_with_an_odd_row_is_no_verdict(desk: Desk, row: str) -> None:
    """Nothing is known of that installation."""
    good = '{"id": 3001, "account": {"login": "acme"}, "permissions": {}}'
    desk.simulator.faults.add(Status(status=200, body=f"[{good}, {row}]"), path=".*/app/installations")
    with pytest.raises(ProviderUnavailable, match="permissions of each"):
        await desk.inspect(own_credentials(desk, "good-app"))


async def test_repositories_are_reached_by_their_own_installation(desk: Desk) -> None:
    """Where the App is for a whole server."""
    installed(desk, 4001, "octocat")
    answer = await desk.inspect(own_credentials(desk, "good-app"), writes=("acme/apps", "octocat/diary"))
    assert answer.findings[Role.RUNTIME] == Finding(Outcome.SUFFICIENT)
    answer = await desk.inspect(own_credentials(desk, "good-app"), writes=("sso-corp/apps",))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.UNVERIFIED


async def test_an_app_that_is_installed_nowhere_is_invalid(desk: Desk) -> None:
    """It can give access to nothing."""
    answer = await desk.inspect(own_credentials(desk, "uninstalled-app"))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INVALID
    assert answer.remedy.startswith("Install the App")


@pytest.mark.parametrize("effect", [Status(status=404, body="{}"), Status(status=200, body="{}"), Status(status=403)])
async def test_a_list_of_installations_that_tells_nothing_is_no_verdict(desk: Desk, effect: Status) -> None:
    """GitHub has that list for every App."""
    desk.simulator.faults.add(effect, path=".*/app/installations")
    with pytest.raises(ProviderUnavailable, match="installation"):
        await desk.inspect(own_credentials(desk, "good-app"))


@pytest.mark.parametrize("path", ["", REPOSITORY])
async def test_a_missing_permission_is_named(desk: Desk, path: str) -> None:
    """The remedy is in the App's settings."""
    answer = await desk.inspect(own_credentials(desk, "no-hooks-app", installation="3003"), path)
    finding = answer.findings[Role.RUNTIME]
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, ("Webhooks: write",))
    assert answer.remedy.endswith("https://github.com/apps/no-hooks-app")


async def test_a_suspended_installation_is_blocked(desk: Desk) -> None:
    """It has all permissions and can use none."""
    finding = await desk.find(own_credentials(desk, "suspended-app", installation="3002"), REPOSITORY)
    assert finding.outcome is Outcome.BLOCKED
    assert "on acme is suspended" in finding.reason


async def test_a_selection_is_certain_for_an_app(desk: Desk) -> None:
    """Unlike a token, an App can be told that a repository is none of its own."""
    credential = own_credentials(desk, "selected-app", installation="3004")
    assert (await desk.find(credential, REPOSITORY)).outcome is Outcome.SUFFICIENT
    outside = await desk.find(credential, "acme/website")
    assert outside.outcome is Outcome.INSUFFICIENT
    assert "acme/website is not among the repositories that were selected" in outside.reason


async def test_an_unknown_repository_is_unverified(desk: Desk) -> None:
    """Where the App reaches all of its owner's repositories, 404 may be a typing error."""
    finding = await desk.find(own_credentials(desk, "good-app"), "acme/nothing-here")
    assert finding.outcome is Outcome.UNVERIFIED


@pytest.mark.parametrize("installation", ["3001", "999", None])
async def test_an_installation_of_nobody_or_another_is_invalid(desk: Desk, installation: str | None) -> None:
    """An App that isn't installed there can give no access."""
    finding = await desk.find(own_credentials(desk, "uninstalled-app", installation=installation), REPOSITORY)
    assert finding.outcome is Outcome.INVALID
    assert "has no installation" in finding.reason


async def test_a_removed_installation_is_invalid_beside_another(desk: Desk) -> None:
    """That another installation of the App reaches the repository doesn't bring the named one back."""
    finding = await desk.find(own_credentials(desk, "good-app", installation="999"), REPOSITORY)
    assert finding.outcome is Outcome.INVALID
    assert "has no installation 999" in finding.reason


async def test_another_apps_key_is_invalid(desk: Desk) -> None:
    """GitHub can't tell it from a deleted one."""
    answer = await desk.inspect(own_credentials(desk, "good-app", key_of="selected-app"), REPOSITORY)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INVALID
    assert "private key" in answer.remedy


async def test_an_unknown_app_is_invalid(desk: Desk) -> None:
    """Its ID is wrong, or it was deleted."""
    key = desk.world.apps["good-app"].private_key_pem
    finding = await desk.find(GitHubAppCredential("4711", SecretStr(key)), REPOSITORY)
    assert finding.outcome is Outcome.INVALID


@pytest.mark.parametrize("seconds", [-450, 30])
async def test_a_clock_that_is_a_little_wrong_does_no_harm(desk: Desk, seconds: float) -> None:
    """The assertion is backdated by a minute and lives for nine."""
    desk.clock_ahead = seconds
    assert (await desk.find(own_credentials(desk, "good-app"), REPOSITORY)).outcome is Outcome.SUFFICIENT


@pytest.mark.parametrize("seconds", [-3600, 300, 3600])
async def test_a_wrong_clock_is_no_answer(desk: Desk, seconds: float) -> None:
    """It is this machine's fault, and not the App's."""
    desk.clock_ahead = seconds
    with pytest.raises(ProviderUnavailable, match="clock"):
        await desk.inspect(own_credentials(desk, "good-app"), REPOSITORY)


async def test_an_app_of_an_enterprise_server_is_asked_there(desk: Desk) -> None:
    """With a link to that server's page of the App."""
    desk.name = "git.acme.dev"
    answer = await desk.inspect(own_credentials(desk, "ghes-app", installation="41"), "platform/apps")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT


async def test_no_answer_quotes_the_key(desk: Desk) -> None:
    """Not even the lines that all keys share are shown."""
    for name in ("good-app", "no-hooks-app", "uninstalled-app"):
        shown = repr(await desk.inspect(own_credentials(desk, name), REPOSITORY))
        assert "PRIVATE KEY" not in shown
        assert not [line for line in desk.world.apps[name].private_key_pem.splitlines() if line in shown]


async def test_the_installation_of_the_repository_must_be_the_named_one(desk: Desk) -> None:
    """One on another account gives no access, however good it is."""
    permissions = desk.world.installations[3001].permissions
    desk.world.add(Installation(id=4001, app_id=2001, account="octocat", permissions=permissions))
    finding = await desk.find(own_credentials(desk, "good-app", installation="4001"), REPOSITORY)
    assert finding.outcome is Outcome.INSUFFICIENT
    assert "another installation" in finding.reason


async def test_odd_levels_are_none(desk: Desk) -> None:
    """What is no level of GitHub's doesn't count as held, of whatever type it is."""
    body = '{"id": 3001, "permissions": {"administration": ["write"], "contents": "all", "repository_hooks": 1}}'
    desk.simulator.faults.add(Status(status=200, body=body), path=".*/installations/3001")
    answer = await desk.inspect(own_credentials(desk, "good-app", installation="3001"))
    assert answer.findings[Role.RUNTIME].lacks == HELD
    assert answer.facts.holds == ()


@pytest.mark.parametrize("effect", [Status(status=403, body="{}"), Status(status=200, body="{}")])
async def test_an_installation_that_tells_nothing_is_no_answer(desk: Desk, effect: Status) -> None:
    """Without its permissions nothing is known."""
    desk.simulator.faults.add(effect, path=".*/installations/3001")
    with pytest.raises(ProviderUnavailable, match="installation"):
        await desk.inspect(own_credentials(desk, "good-app", installation="3001"))


async def test_an_odd_answer_for_the_repository_is_unverified(desk: Desk) -> None:
    """The permissions are known, and whether they reach there isn't."""
    desk.simulator.faults.add(Status(status=403, body="{}"), path="/repos/.*")
    finding = await desk.find(own_credentials(desk, "good-app", installation="3001"), REPOSITORY)
    assert finding.outcome is Outcome.UNVERIFIED


async def test_a_suspended_owner_blocks_the_app(desk: Desk) -> None:
    """GitHub says so before anything else."""
    body = '{"message": "Sorry. Your account was suspended."}'
    desk.simulator.faults.add(Status(status=403, body=body), path=".*/app")
    assert (await desk.find(own_credentials(desk, "good-app"), REPOSITORY)).outcome is Outcome.BLOCKED
