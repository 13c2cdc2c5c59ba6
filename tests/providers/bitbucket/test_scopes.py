"""Every cell of the requirement table, for every kind of token."""

from __future__ import annotations

import pytest

from tests.providers.bitbucket.conftest import RUNTIME, Harness
from webhook.providers.findings import Outcome
from webhook.providers.requirements import Requirement, Role
from webhook.simulator.bitbucket import TokenKind

API_SCOPES = (
    "read:user:bitbucket",
    "read:workspace:bitbucket",
    "read:webhook:bitbucket",
    "write:webhook:bitbucket",
    "read:repository:bitbucket",
    "write:repository:bitbucket",
    "admin:repository:bitbucket",
)
OAUTH_SCOPES = ("account", "team", "webhook", "repository:write", "repository:admin")
ACCESS_SCOPES = ("webhook", "repository:write", "repository:admin")
BOUND = {
    TokenKind.REPOSITORY: "acme/apps",
    TokenKind.PROJECT: "acme/PLAT",
    TokenKind.WORKSPACE: "acme",
}
ROLES = [Role.RUNTIME, Role.USER]
parametrize_roles = pytest.mark.parametrize("role", ROLES)


@parametrize_roles
@pytest.mark.parametrize(
    "name", ["good-runtime", "good-user", "oauth", "workspace-token", "project-token", "repo-token"]
)
async def test_a_token_with_all_scopes_is_good(harness: Harness, name: str, role: Role) -> None:
    """One request tells, whatever kind of token it is and whatever the status of the reply."""
    answer = await harness.inspect(name, roles=[role])
    assert answer.findings[role].outcome is Outcome.SUFFICIENT
    assert harness.asked() == ["GET /2.0/user"]


@parametrize_roles
@pytest.mark.parametrize("missing", API_SCOPES)
async def test_an_api_token_lacks_each_scope_that_it_doesn_t_hold(harness: Harness, missing: str, role: Role) -> None:
    """None of its scopes implies another: whoever may write or administer may not read."""
    harness.make(*(scope for scope in API_SCOPES if scope != missing))
    answer = await harness.inspect("made", roles=[role])
    assert (answer.findings[role].outcome, answer.findings[role].lacks) == (Outcome.INSUFFICIENT, (missing,))
    assert len(harness.asked()) == 1


@parametrize_roles
@pytest.mark.parametrize("missing", OAUTH_SCOPES)
async def test_an_oauth_token_lacks_each_scope_that_it_doesn_t_hold(harness: Harness, missing: str, role: Role) -> None:
    """`repository:admin` implies neither to read nor to write."""
    harness.make(*(scope for scope in OAUTH_SCOPES if scope != missing), kind=TokenKind.OAUTH)
    answer = await harness.inspect("made", roles=[role])
    assert (answer.findings[role].outcome, answer.findings[role].lacks) == (Outcome.INSUFFICIENT, (missing,))


@parametrize_roles
@pytest.mark.parametrize("kind", BOUND)
@pytest.mark.parametrize("missing", ACCESS_SCOPES)
async def test_an_access_token_lacks_each_scope_that_it_could_hold(
    harness: Harness, missing: str, kind: TokenKind, role: Role
) -> None:
    """The scopes of a person's account are no part of that."""
    held = [scope for scope in ACCESS_SCOPES if scope != missing]
    harness.make(*held, kind=kind, bound_to=BOUND[kind])
    answer = await harness.inspect("made", roles=[role])
    assert (answer.findings[role].outcome, answer.findings[role].lacks) == (Outcome.INSUFFICIENT, (missing,))


@pytest.mark.parametrize("kind", BOUND)
async def test_an_access_token_is_judged_on_what_it_can_hold_and_says_so(harness: Harness, kind: TokenKind) -> None:
    """It is nobody's, so that it has no account to be read."""
    harness.make(*ACCESS_SCOPES, kind=kind, bound_to=BOUND[kind])
    answer = await harness.inspect("made", roles=[Role.USER])
    assert answer.findings[Role.USER].outcome is Outcome.SUFFICIENT
    described = answer.facts.described
    assert answer.facts.warnings == (f"A {described} cannot hold account and team, so the check left that out.",)
    assert answer.facts.token_type == described.replace(" ", "-")


async def test_an_access_token_that_could_hold_nothing_of_what_is_needed_is_insufficient(harness: Harness) -> None:
    """Judging it on nothing would let every one of them in."""
    finding = await harness.find("repo-token", needs=Requirement(scopes=("account", "team")))
    assert finding.outcome is Outcome.INSUFFICIENT
    assert "which cannot hold account and team" in finding.reason


async def test_a_person_is_named_and_their_scopes_are_listed(harness: Harness) -> None:
    """The facts are Bitbucket's own, also where they don't suffice."""
    facts = (await harness.inspect("no-webhooks")).facts
    assert (facts.account, facts.described, facts.token_type) == ("ada", "API token", "api-token")
    assert facts.holds == tuple(sorted(scope for scope in API_SCOPES if ":webhook:" not in scope))


async def test_a_token_that_may_not_read_its_account_is_judged_by_the_refusal(harness: Harness) -> None:
    """A 403 has the same headers as an answer."""
    assert (await harness.find("no-account")).lacks == ("read:user:bitbucket",)


async def test_both_roles_are_judged_by_one_request(harness: Harness) -> None:
    """They share the answer, and the denial names each."""
    answer = await harness.inspect("weak-repo-token", roles=ROLES)
    assert {finding.lacks for finding in answer.findings.values()} == {
        ("webhook", "repository:write", "repository:admin")
    }
    assert len(harness.asked()) == 1


@pytest.mark.parametrize(
    ("needs", "name"),
    [
        (("repository", "webhook"), "made"),
        (("read:repository:bitbucket", "read:webhook:bitbucket", "write:webhook:bitbucket"), "oauth"),
        (("read:repository:bitbucket", "webhook"), "made"),
        (("read:repository:bitbucket", "webhook"), "oauth"),
    ],
)
async def test_a_requirement_in_one_vocabulary_is_meant_for_both(
    harness: Harness, needs: tuple[str, ...], name: str
) -> None:
    """It is translated; where it names scopes of both, each kind of token is judged by its own."""
    harness.make("read:repository:bitbucket", "read:webhook:bitbucket", "write:webhook:bitbucket")
    assert (await harness.find(name, needs=Requirement(scopes=needs))).outcome is Outcome.SUFFICIENT


async def test_a_translated_requirement_that_isn_t_met_is_told_in_the_token_s_words(harness: Harness) -> None:
    """Nobody can tick `repository:write` for an API token."""
    harness.make("read:repository:bitbucket")
    finding = await harness.find("made", needs=Requirement(scopes=("repository:write",)))
    assert finding.lacks == ("write:repository:bitbucket",)


async def test_what_has_no_counterpart_is_left_out_and_said(harness: Harness) -> None:
    """An OAuth token can't hold the scopes that only API tokens have."""
    answer = await harness.inspect(
        "oauth", needs=Requirement(scopes=("read:repository:bitbucket", "read:permission:bitbucket"))
    )
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert "An OAuth token cannot hold read:permission:bitbucket, so the check left that out." in (
        answer.facts.warnings
    )


async def test_an_oauth_token_is_good_for_hours_only(harness: Harness) -> None:
    """Whoever stores one should know that it will not be good for long."""
    facts = (await harness.inspect("oauth")).facts
    assert facts.short_lived
    assert any("expire within hours" in warning for warning in facts.warnings)


@pytest.mark.parametrize(
    ("name", "path", "link"),
    [
        ("no-webhooks", "", "https://id.atlassian.com/manage-profile/security/api-tokens"),
        ("weak-repo-token", "acme/apps", "https://bitbucket.org/acme/apps/admin/access-tokens"),
        ("weak-repo-token", "acme", "https://bitbucket.org/acme/workspace/repositories"),
    ],
)
async def test_the_remedy_names_the_scopes_and_the_page_where_to_tick_them(
    harness: Harness, name: str, path: str, link: str
) -> None:
    """In the words of the kind of token that is made there."""
    remedy = (await harness.inspect(name, path)).remedy
    assert link in remedy
    assert all(scope in remedy for scope in (API_SCOPES if name == "no-webhooks" else ACCESS_SCOPES))


async def test_a_weak_workspace_token_is_made_anew_among_the_workspace_s(harness: Harness) -> None:
    """Its page is another one than a repository token's, also where the URL names a repository."""
    harness.make("repository", kind=TokenKind.WORKSPACE, bound_to="acme")
    remedy = (await harness.inspect("made", "acme/apps")).remedy
    assert "https://bitbucket.org/acme/workspace/settings/access-tokens" in remedy


def test_the_defaults_ask_for_no_right_to_delete_webhooks() -> None:
    """Webhooks: Read and write, and not Delete."""
    assert not any("delete" in scope for scope in RUNTIME.scopes)
