"""What a repository's document says of the user's role, which by itself proves no lack."""

from __future__ import annotations

from typing import Any

import pytest

from tests.providers.github.conftest import USER, Desk
from tests.providers.github.test_odd_replies import (
    CLASSIC,
    FINE_GRAINED,
    ME,
    NOT_FOUND,
    find,
    good,
    inspect,
    repository,
)
from webhook.providers.base import DeadlineExceeded, ProviderUnavailable, Reply
from webhook.providers.findings import Finding, Outcome, RepositoryNeed
from webhook.providers.requirements import Level, Requirement, Role
from webhook.simulator.faults import Outage

APPS = "acme/apps"
SCOPES = {"x-oauth-scopes": "admin:repo_hook, repo"}
NOT_OURS = Reply(404, {}, None)
REFUSED = Reply(403, {}, {"message": "Must have admin rights to Repository.", "documentation_url": "https://docs"})
HOOKS = Reply(200, {}, [])
OWN_404 = Reply(404, {"x-github-request-id": "1"}, NOT_FOUND.body)
NO_ADMIN = {"admin": False, "push": True, "pull": True}


def script(hooks: Reply | ProviderUnavailable = NOT_FOUND, **details: Any) -> dict[str, Reply | ProviderUnavailable]:
    return {
        "GET /user": Reply(200, SCOPES, ME.body),
        f"GET /repos/{APPS}": repository(**details),
        f"GET /repos/{APPS}/hooks": hooks,
    }


@pytest.mark.parametrize("name", ["writer-classic", "writer-fine-grained"])
async def test_a_custom_role_manages_webhooks_without_being_administrator(desk: Desk, name: str) -> None:
    """The list of webhooks is the proof, whatever the role shows."""
    desk.world.repositories[APPS].hook_managers = ["hubot"]
    needs = Requirement(scopes=("repo", "admin:repo_hook"), permissions=(("repository_hooks", Level.WRITE),))
    assert (await desk.find(name, APPS, needs=needs)).outcome is Outcome.SUFFICIENT


async def test_the_webhooks_are_asked_for_in_a_second_round_and_only_then(desk: Desk) -> None:
    """An administrator's token costs no request more, nor does a user's."""
    await desk.inspect("good-classic", APPS)
    await desk.inspect("writer-classic", APPS, needs=USER)
    assert not [line for line in desk.asked() if "hooks" in line]
    assert (await desk.inspect("writer-classic", APPS)).requests == 3


@pytest.mark.parametrize("hooks", [NOT_FOUND, OWN_404, REFUSED, NOT_OURS])
async def test_a_refused_probe_and_a_low_role_are_a_lack(hooks: Reply) -> None:
    """GitHub answers 404 or 403 to who cannot manage webhooks."""
    finding = await find(CLASSIC, APPS, script(hooks, permissions=NO_ADMIN))
    assert finding.outcome is Outcome.INSUFFICIENT
    assert "octocat is not an administrator of acme/apps and cannot manage its webhooks" in finding.reason


@pytest.mark.parametrize(
    ("hooks", "transient"),
    [
        (Reply(200, {}, {}), False),
        (Reply(418, {}, None), False),
        (DeadlineExceeded("did not answer in time"), True),
        (ProviderUnavailable("answered with a redirect"), False),
    ],
)
async def test_a_low_role_without_refused_probe_is_no_lack(hooks: Reply | ProviderUnavailable, transient: bool) -> None:
    """Nothing is known then, and a retry helps where there was no answer."""
    finding = await find(CLASSIC, APPS, script(hooks, permissions=NO_ADMIN))
    assert (finding.outcome, finding.transient) == (Outcome.UNVERIFIED, transient)
    assert "does not show whether octocat can manage webhooks of acme/apps" in finding.reason


@pytest.mark.parametrize("permissions", [None, {}, [], {"admin": None, "push": "yes"}])
async def test_a_role_that_is_not_shown_counts_as_none(permissions: Any) -> None:
    """Webhooks can be probed; that the account may push can't, so that it stays open."""
    assert (await find(CLASSIC, APPS, script(OWN_404, permissions=permissions))).outcome is Outcome.INSUFFICIENT
    assert (await find(CLASSIC, APPS, script(NOT_OURS, permissions=permissions))).outcome is Outcome.UNVERIFIED
    finding = await find(CLASSIC, APPS, script(HOOKS, permissions=permissions))
    assert finding.outcome is Outcome.UNVERIFIED
    assert "does not show whether octocat can push to acme/apps (its role there is not shown)" in finding.reason
    hooks_alone = Requirement(scopes=("admin:repo_hook",))
    assert (await find(CLASSIC, APPS, script(HOOKS, permissions=permissions), hooks_alone)) == Finding(
        Outcome.SUFFICIENT
    )


async def test_permissions_of_a_token_need_no_role_shown() -> None:
    """What probes prove is proven."""
    assert (await find(FINE_GRAINED, APPS, good(permissions=None))).outcome is Outcome.SUFFICIENT


async def test_an_account_that_may_only_read_is_known_by_a_refused_write(desk: Desk) -> None:
    """The write has no content, so that nothing could be written; without its answer nothing is known."""
    finding = await desk.find("reader-classic", APPS, needs=USER)
    assert finding == Finding(
        Outcome.INSUFFICIENT, reason="says that reader cannot push to acme/apps, which is required"
    )
    assert [line for line in desk.asked() if line.startswith("PUT ")]
    desk.simulator.faults.add(Outage(), path=".*/contents/.*")
    finding = await desk.find("reader-classic", APPS, needs=USER)
    assert (finding.outcome, finding.transient) == (Outcome.UNVERIFIED, True)


@pytest.mark.parametrize("shown", [True, False])
async def test_a_configured_repository_needs_a_proof_as_well(shown: bool) -> None:
    """A missing role isn't enough to push there, and one that is too low is no lack without refusal."""
    other = repository(full_name="acme/shared", permissions={"admin": False, "push": False} if shown else None)
    answers = {**script(HOOKS, permissions={"admin": True, "push": True}), "GET /repos/acme/shared": other}
    need = RepositoryNeed(("acme", "shared"), Level.WRITE)
    answer = await inspect(CLASSIC, APPS, answers, USER, need)
    finding = answer.findings[Role.RUNTIME]
    assert finding.outcome is (Outcome.INSUFFICIENT if shown else Outcome.UNVERIFIED)
    assert "push to acme/shared" in finding.reason


@pytest.mark.parametrize("role", [{"admin": False, "push": True}, {"admin": False, "push": False}])
async def test_a_silent_probe_of_a_fine_grained_token_is_no_lack(role: dict[str, bool]) -> None:
    """As for tokens with scopes: the role alone denies nothing."""
    silence = DeadlineExceeded("did not answer in time")
    hooks = {f"{method} /repos/{APPS}/hooks": silence for method in ("GET", "POST", "PATCH")}
    finding = await find(FINE_GRAINED, APPS, {**good(permissions=role), **hooks})
    assert (finding.outcome, finding.transient) == (Outcome.UNVERIFIED, True)


@pytest.mark.parametrize(
    ("details", "outcome"),
    [
        ({"private": True, "visibility": "internal"}, Outcome.INSUFFICIENT),
        ({"private": None, "visibility": "internal"}, Outcome.INSUFFICIENT),
        ({"private": None, "visibility": "private"}, Outcome.INSUFFICIENT),
        ({"private": None, "visibility": "public"}, Outcome.SUFFICIENT),
        ({"private": None, "visibility": ["public"]}, Outcome.UNVERIFIED),
        ({"private": False}, Outcome.SUFFICIENT),
    ],
)
async def test_an_internal_repository_is_read_by_the_scope_for_private_ones(
    details: dict[str, Any], outcome: Outcome
) -> None:
    """It is open to an enterprise's members, and not to everybody."""
    answers = {
        "GET /user": Reply(200, {"x-oauth-scopes": "read:org"}, ME.body),
        "GET /repos/acme/shared": repository(**details),
    }
    need = RepositoryNeed(("acme", "shared"), Level.READ)
    answer = await inspect(CLASSIC, "", answers, Requirement(scopes=("read:org",)), need)
    assert answer.findings[Role.RUNTIME].outcome is outcome


# --- repositories that nobody can use ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["good-classic", "good-fine-grained"])
async def test_a_disabled_repository_is_a_warning(desk: Desk, name: str) -> None:
    """The token is good, and Git is refused all the same."""
    desk.world.repositories[APPS].disabled = True
    answer = await desk.inspect(name, APPS)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert "acme/apps is disabled on github.com: no one can read it or push to it." in answer.facts.warnings


async def test_a_disabled_repository_that_is_configured_is_read_with_a_warning(desk: Desk) -> None:
    """To write there is impossible, as to what is archived."""
    desk.world.repositories["acme/website"].disabled = True
    answer = await desk.inspect("good-classic", APPS, reads=("acme/website",))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert "acme/website is disabled" in " ".join(answer.facts.warnings)
    finding = (await desk.inspect("good-classic", APPS, writes=("acme/website",))).findings[Role.RUNTIME]
    assert finding == Finding(Outcome.INSUFFICIENT, reason="says that no one can push to acme/website (disabled)")


@pytest.mark.parametrize("reason", ["dmca", "tos", "unavailable"])
@pytest.mark.parametrize("name", ["good-classic", "good-fine-grained", "good-installation"])
async def test_a_blocked_repository_blocks(desk: Desk, name: str, reason: Any) -> None:
    """As 451 or 403, for the URL's repository and for configured ones."""
    desk.world.repositories["acme/website"].blocked = reason
    assert (await desk.find(name, "acme/website")).outcome is Outcome.BLOCKED
    finding = (await desk.inspect(name, APPS, reads=("acme/website",))).findings[Role.RUNTIME]
    assert finding.outcome is Outcome.BLOCKED
    assert "which denies it access to acme/website" in finding.reason


async def test_an_organisation_that_restricts_oauth_apps_blocks_their_tokens(desk: Desk) -> None:
    """Personal tokens aren't concerned."""
    desk.world.accounts["acme"].restricts_oauth_apps = True
    answer = await desk.inspect("good-oauth", APPS)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.BLOCKED
    assert "organisation acme restricts access by OAuth Apps" in answer.findings[Role.RUNTIME].reason
    assert (await desk.find("good-classic", APPS)).outcome is Outcome.SUFFICIENT
