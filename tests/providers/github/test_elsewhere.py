"""Repositories that a runtime token must reach besides the one that its URL names, for each kind of credential."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from tests.providers.github.conftest import RUNTIME, Desk
from tests.providers.github.test_app import own_credentials
from webhook.providers.findings import Answer, Finding, Outcome
from webhook.providers.requirements import Level, Requirement, Role
from webhook.review import messages
from webhook.simulator.faults import Html, Latency, Status
from webhook.simulator.github import Installation

pytestmark = pytest.mark.slow

SHARED, APPS, PUBLIC, ARCHIVED, EMPTY = (
    "acme/shared-configuration",
    "acme/apps",
    "acme/website",
    "acme/attic",
    "acme/empty",
)
KINDS = ["good-classic", "good-oauth", "good-fine-grained", "good-app-user", "good-installation", "good-app"]


def runtime(answer: Answer) -> Finding:
    return answer.findings[Role.RUNTIME]


def denial(answer: Answer) -> str:
    return messages.failure("github.com", answer.facts, answer.findings, answer.remedy)


# --- every kind -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["", "acme", APPS, SHARED])
async def test_what_reaches_all_of_them_is_good(desk: Desk, kind: str, path: str) -> None:
    """Also where the URL names only an owner or a host, or one of the repositories themselves."""
    answer = await desk.inspect(kind, path, writes=(SHARED,), reads=(APPS, PUBLIC, ARCHIVED, EMPTY))
    assert runtime(answer) == Finding(Outcome.SUFFICIENT)
    assert not [warning for warning in answer.facts.warnings if "acme" in warning]


@pytest.mark.parametrize("kind", KINDS)
async def test_each_repository_that_is_not_there_is_named(desk: Desk, kind: str) -> None:
    """404 is ambiguous, so that it is no verdict."""
    finding = runtime(await desk.inspect(kind, "acme", writes=("acme/nothing",), reads=("acme/nowhere", APPS)))
    assert finding.outcome is Outcome.UNVERIFIED
    assert "acme/nothing" in finding.reason
    assert "acme/nowhere" in finding.reason
    assert APPS not in finding.reason


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_no_repositorys_name_is_named_and_not_asked_for(desk: Desk, kind: str) -> None:
    """GitHub has no such names."""
    finding = runtime(await desk.inspect(kind, "acme", reads=("acme/what~ever",)))
    assert (finding.outcome, "acme/what~ever" in finding.reason) == (Outcome.UNVERIFIED, True)
    assert not [line for line in desk.asked() if "what" in line]


@pytest.mark.parametrize("kind", KINDS)
async def test_silence_about_one_names_it(desk: Desk, kind: str) -> None:
    """A proxy's page is no answer."""
    desk.simulator.faults.add(Html(), path=".*/repos/acme/shared-configuration.*")
    finding = runtime(await desk.inspect(kind, APPS, writes=(SHARED,)))
    assert finding.outcome is Outcome.UNVERIFIED
    assert f"when asked for {SHARED}" in finding.reason


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_not_reached_in_time_is_a_warning(desk: Desk, kind: str) -> None:
    """The token itself is judged all the same."""
    desk.simulator.faults.add(Latency(seconds=5), path=".*/repos/acme/shared-configuration.*")
    answer = await desk.inspect(kind, APPS, writes=(SHARED,), patience=1.5)
    assert runtime(answer).outcome is Outcome.SUFFICIENT
    assert f"There was no time to ask github.com whether this token reaches {SHARED}." in answer.facts.warnings
    assert not answer.complete


@pytest.mark.parametrize("kind", [*KINDS, "weak-classic", "weak-fine-grained"])
async def test_two_rounds_at_most_and_no_repository_twice(desk: Desk, kind: str) -> None:
    """The repository of the URL is asked for once, whoever wants to know, in whatever letter case."""
    await desk.inspect(kind, APPS, writes=("Acme/Apps",), reads=(APPS,))
    asked = [line.lower() for line in desk.asked() if "contents" not in line]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("name", ["revoked", "expired-fine-grained"])
async def test_a_refused_token_is_told_of_alone(desk: Desk, name: str) -> None:
    """What it would reach, if it were none, is nobody's business."""
    finding = runtime(await desk.inspect(name, APPS, writes=("acme/nothing",)))
    assert finding.outcome is Outcome.INVALID
    assert "acme/nothing" not in finding.reason


# --- tokens with scopes ---------------------------------------------------------------------------------------------


async def test_one_request_each_in_the_same_round(desk: Desk) -> None:
    """They come on top of the one for the token and the one for the URL's repository."""
    answer = await desk.inspect("good-classic", APPS, writes=(SHARED,), reads=(PUBLIC,))
    assert desk.asked() == [f"GET /repos/{APPS}", f"GET /repos/{SHARED}", f"GET /repos/{PUBLIC}", "GET /user"]
    assert answer.requests == 4


async def test_an_account_that_may_only_read_is_named_with_each_repository(desk: Desk) -> None:
    """The remedy is in the first repository's settings."""
    answer = await desk.inspect("reader-classic", "", writes=(SHARED, EMPTY), reads=(APPS,))
    assert denial(answer) == (
        "github.com says that reader cannot push to acme/shared-configuration and acme/empty. "
        "Give reader that role: https://github.com/acme/shared-configuration/settings/access"
    )


async def test_nobody_can_push_to_what_is_archived(desk: Desk) -> None:
    """To read it is possible still."""
    answer = await desk.inspect("good-classic", "", writes=(ARCHIVED,))
    assert denial(answer) == (
        "github.com says that no one can push to acme/attic (archived). "
        "Unarchive it: https://github.com/acme/attic/settings"
    )


async def test_an_organisation_that_refuses_good_tokens_blocks(desk: Desk) -> None:
    """Each is named with what it keeps the token from."""
    answer = await desk.inspect("good-classic", APPS, writes=("strict-corp/apps",), reads=("sso-corp/apps",))
    finding = runtime(answer)
    assert finding.outcome is Outcome.BLOCKED
    assert "strict-corp forbids classic tokens, which denies it access to strict-corp/apps" in finding.reason
    assert "single sign-on, which denies it access to sso-corp/apps" in finding.reason


@pytest.mark.parametrize(
    ("access", "name", "scope", "outcome"),
    [
        ("writes", PUBLIC, "public_repo", Outcome.SUFFICIENT),
        ("reads", PUBLIC, "public_repo", Outcome.SUFFICIENT),
        ("writes", PUBLIC, "read:org", Outcome.INSUFFICIENT),
        ("reads", PUBLIC, "read:org", Outcome.SUFFICIENT),
        ("writes", SHARED, "repo", Outcome.SUFFICIENT),
        ("reads", SHARED, "read:org", Outcome.UNVERIFIED),
    ],
)
async def test_a_scope_that_suffices_there_is_needed(
    desk: Desk, access: str, name: str, scope: str, outcome: Outcome
) -> None:
    """Where the configuration asks less of a token than to push to private repositories."""
    desk.world.tokens["good-classic"].scopes = [scope]
    needs = Requirement(scopes=(scope,))
    writes, reads = ((name,), ()) if access == "writes" else ((), (name,))
    answer = await desk.inspect("good-classic", "", needs=needs, writes=writes, reads=reads)
    assert runtime(answer).outcome is outcome
    if outcome is Outcome.INSUFFICIENT:
        assert denial(answer).startswith(
            "github.com says that this classic token lacks public_repo, without which it cannot push to acme/website."
        )
        assert answer.remedy.endswith(f"scopes={scope},public_repo")


@pytest.mark.parametrize(("private", "outcome"), [("true", Outcome.INSUFFICIENT), ("null", Outcome.UNVERIFIED)])
async def test_private_code_is_for_one_scope_alone(desk: Desk, private: str, outcome: Outcome) -> None:
    """Others show that there is a repository, and not what is in it."""
    shown = f'{{"full_name": "{SHARED}", "private": {private}}}'
    desk.simulator.faults.add(Status(status=200, body=shown), path="/repos/.*")
    desk.world.tokens["good-classic"].scopes = ["public_repo"]
    needs = Requirement(scopes=("public_repo",))
    assert runtime(await desk.inspect("good-classic", "", needs=needs, reads=(SHARED,))).outcome is outcome


async def test_missing_scopes_come_first(desk: Desk) -> None:
    """A token without `repo` sees nothing, which says nothing of the repository."""
    assert runtime(await desk.inspect("hooks-only-classic", "", writes=(SHARED,))).lacks == ("repo",)


async def test_what_the_urls_repository_owes_is_told_once(desk: Desk) -> None:
    """It is the same repository, needed twice."""
    finding = runtime(await desk.inspect("good-classic", "acme/nothing", writes=("acme/nothing",), reads=("acme/no",)))
    assert finding.reason.count("acme/nothing") == 1
    assert "acme/no:" in finding.reason


# --- tokens with permissions ----------------------------------------------------------------------------------------


async def test_reading_and_writing_are_proven_on_each(desk: Desk) -> None:
    """Contents alone, and only as much as is needed there."""
    await desk.inspect("good-fine-grained", APPS, writes=(SHARED,), reads=(PUBLIC,))
    there = [line for line in desk.asked() if SHARED in line or PUBLIC in line]
    assert [line.partition("/contents/")[0] for line in there] == [
        f"GET /repos/{SHARED}",
        f"GET /repos/{SHARED}/commits",
        f"GET /repos/{PUBLIC}",
        f"GET /repos/{PUBLIC}/commits",
        f"PATCH /repos/{SHARED}/releases/4294967289",
        f"PUT /repos/{SHARED}",
    ]


@pytest.mark.parametrize("name", ["selected-fine-grained", "selected-installation"])
async def test_what_was_not_selected_is_not_seen(desk: Desk, name: str) -> None:
    """Which GitHub says as it says that something doesn't exist; what is public is read all the same."""
    finding = runtime(await desk.inspect(name, APPS, writes=(SHARED,), reads=(EMPTY, PUBLIC)))
    assert finding.outcome is Outcome.UNVERIFIED
    assert (
        "answers 404 for acme/shared-configuration and acme/empty: either there is no such repository" in finding.reason
    )
    assert PUBLIC not in finding.reason


async def test_reading_is_not_writing(desk: Desk) -> None:
    """What is proven absent is a lack, and the remedy a token that has it."""
    needs = Requirement(permissions=(("contents", Level.READ), ("metadata", Level.READ)))
    answer = await desk.inspect("weak-fine-grained", APPS, needs=needs, writes=(SHARED, PUBLIC), reads=(EMPTY,))
    finding = runtime(answer)
    assert finding.outcome is Outcome.INSUFFICIENT
    assert finding.reason == (
        "says that this fine-grained token of octocat lacks Contents: write for acme/shared-configuration "
        "and acme/website"
    )
    assert answer.remedy.startswith("Make one that has Contents: read and Metadata: read: https://github.com/settings/")


async def test_more_is_needed_of_the_urls_repository_than_the_role_says(desk: Desk) -> None:
    """It is probed for both at once."""
    needs = Requirement(permissions=(("contents", Level.READ), ("metadata", Level.READ)))
    finding = runtime(await desk.inspect("weak-fine-grained", APPS, needs=needs, writes=(APPS,)))
    assert finding.reason == "says that this fine-grained token of octocat lacks Contents: write for acme/apps"


async def test_a_token_without_contents_reads_what_is_public_alone(desk: Desk) -> None:
    """Of a private repository it sees that it is there."""
    desk.world.tokens["good-fine-grained"].permissions = {"metadata": "read"}
    needs = Requirement(permissions=(("metadata", Level.READ),))
    answer = await desk.inspect("good-fine-grained", APPS, needs=needs, reads=(SHARED, PUBLIC))
    assert runtime(answer).reason == (
        "says that this fine-grained token of octocat lacks Contents: read for acme/shared-configuration"
    )


async def test_a_role_that_is_too_low_is_no_lack_of_the_token(desk: Desk) -> None:
    """A better token wouldn't help."""
    needs = Requirement(permissions=(("contents", Level.READ), ("metadata", Level.READ)))
    answer = await desk.inspect("reader-fine-grained", APPS, needs=needs, writes=(SHARED,))
    assert denial(answer) == (
        "github.com says that reader cannot push to acme/shared-configuration. "
        "Give reader that role: https://github.com/acme/shared-configuration/settings/access"
    )


async def test_an_installation_has_no_role_that_could_be_too_low(desk: Desk) -> None:
    """GitHub shows it as if it might do nothing, whatever it may do."""
    desk.world.tokens["good-installation"].permissions["contents"] = "read"
    needs = Requirement(permissions=(("contents", Level.READ), ("metadata", Level.READ)))
    answer = await desk.inspect("good-installation", APPS, needs=needs, writes=(SHARED,))
    assert "lacks Contents: write for acme/shared-configuration" in runtime(answer).reason


@pytest.mark.parametrize("name", ["good-fine-grained", "good-installation"])
async def test_what_is_archived_takes_no_push_of_any_token(desk: Desk, name: str) -> None:
    """The token isn't to blame."""
    finding = runtime(await desk.inspect(name, APPS, writes=(ARCHIVED,)))
    assert finding == Finding(Outcome.INSUFFICIENT, reason="says that no one can push to acme/attic (archived)")


async def test_an_address_that_is_kept_out_blocks_there(desk: Desk) -> None:
    """Another organisation may let it in."""
    desk.world.tokens["walled-fine-grained"].resource_owner = "acme"
    finding = runtime(await desk.inspect("walled-fine-grained", APPS, reads=("walled-corp/apps",)))
    assert finding.outcome is Outcome.BLOCKED
    assert "denies it access to walled-corp/apps" in finding.reason


async def test_what_nobody_knows_stays_open(desk: Desk) -> None:
    """A probe that is answered oddly proves nothing."""
    desk.simulator.faults.add(Status(status=418, body="{}"), path=".*/shared-configuration/commits")
    finding = runtime(await desk.inspect("good-fine-grained", APPS, reads=(SHARED,)))
    assert finding.reason == (
        "does not show whether this fine-grained token of octocat has Contents: read for acme/shared-configuration "
        "(GitHub answers 418)"
    )


async def test_repositories_count_where_there_is_nothing_else_to_probe(desk: Desk) -> None:
    """What is wrong with them is told beside that."""
    for name in ("acme/apps", SHARED, EMPTY):
        del desk.world.repositories[name]
    finding = runtime(await desk.inspect("good-fine-grained", "acme", writes=(ARCHIVED,)))
    assert finding.outcome is Outcome.INSUFFICIENT
    assert "no private repository of acme" in finding.reason
    assert "no one can push to acme/attic" in finding.reason


# --- an App's own credentials ---------------------------------------------------------------------------------------


async def test_an_app_is_asked_for_the_installation_of_each(desk: Desk) -> None:
    """In the one round that there is."""
    await desk.inspect(own_credentials(desk, "good-app", installation="3001"), "", writes=(SHARED,), reads=(APPS,))
    assert desk.asked() == [
        "GET /app",
        "GET /app/installations/3001",
        f"GET /repos/{APPS}/installation",
        f"GET /repos/{SHARED}/installation",
    ]


@pytest.mark.parametrize("installation", ["3004", None])
async def test_what_was_not_selected_is_certain_for_an_app(desk: Desk, installation: str | None) -> None:
    """To be written to, that is; what anybody may read, an App can read as well."""
    credential = own_credentials(desk, "selected-app", installation=installation)
    answer = await desk.inspect(credential, APPS, writes=(SHARED, PUBLIC), reads=(PUBLIC,))
    assert denial(answer) == (
        "github.com says that the repositories selected for this GitHub App selected-app do not include "
        "acme/shared-configuration and acme/website. Change the App's permissions or repositories, and accept the "
        "change in the account where it is installed: https://github.com/apps/selected-app"
    )


@pytest.mark.parametrize("effect", [None, Status(status=401, body="{}"), Status(status=403, body="{}"), Html()])
async def test_a_repository_that_may_be_public_is_no_lack(desk: Desk, effect: Status | Html | None) -> None:
    """Whether GitHub shows an App's JWT what is public, nobody has written down."""
    if effect is not None:
        desk.simulator.faults.add(effect, path="/repos/acme/shared-configuration")
    credential = own_credentials(desk, "selected-app", installation="3004")
    finding = runtime(await desk.inspect(credential, APPS, reads=(SHARED,)))
    assert finding.outcome is Outcome.UNVERIFIED
    assert "do not include acme/shared-configuration, and does not show whether anyone can read that" in finding.reason


async def test_the_named_installation_reaches_its_own_account_alone(desk: Desk) -> None:
    """Whatever else the App is installed on."""
    granted = desk.world.installations[3001].permissions
    desk.world.add(Installation(id=4001, app_id=2001, account="octocat", permissions=granted))
    credential = own_credentials(desk, "good-app", installation="3001")
    other = runtime(await desk.inspect(credential, APPS, writes=("octocat/diary",)))
    assert other == Finding(
        Outcome.INSUFFICIENT, reason="says that another installation of the App is used for octocat/diary"
    )
    away = runtime(await desk.inspect(credential, APPS, writes=("strict-corp/apps",)))
    assert away.outcome is Outcome.INSUFFICIENT
    assert "is on acme, which does not include strict-corp/apps" in away.reason


async def test_without_a_number_each_repository_has_its_own_installation(desk: Desk) -> None:
    """Argo CD finds it by the repository's owner."""
    desk.world.add(Installation(id=4001, app_id=2001, account="octocat", permissions={"contents": "write"}))
    credential = own_credentials(desk, "good-app")
    assert runtime(await desk.inspect(credential, APPS, writes=("octocat/diary",))).outcome is Outcome.SUFFICIENT
    desk.world.installations[4001].permissions = {"contents": "read"}
    lacking = runtime(await desk.inspect(credential, APPS, writes=("octocat/diary",)))
    assert lacking.reason == "says that this GitHub App good-app lacks Contents: write for octocat/diary"
    desk.world.installations[4001].suspended_at = datetime.now(UTC)
    suspended = runtime(await desk.inspect(credential, APPS, writes=("octocat/diary",)))
    assert (suspended.outcome, "octocat/diary is suspended" in suspended.reason) == (Outcome.BLOCKED, True)


async def test_an_app_that_is_not_installed_there_is_unverified(desk: Desk) -> None:
    """The repository may not exist either."""
    finding = runtime(await desk.inspect(own_credentials(desk, "good-app"), APPS, writes=("strict-corp/apps",)))
    assert finding.outcome is Outcome.UNVERIFIED
    assert "404 for the installation of this GitHub App good-app at strict-corp/apps" in finding.reason


async def test_an_odd_answer_for_an_installation_is_unverified(desk: Desk) -> None:
    """The status is told."""
    desk.simulator.faults.add(Status(status=403, body="{}"), path="/repos/acme/shared-configuration/.*")
    finding = runtime(await desk.inspect(own_credentials(desk, "good-app"), APPS, writes=(SHARED,)))
    reason = "answers 403 when asked whether the App reaches acme/shared-configuration"
    assert finding == Finding(Outcome.UNVERIFIED, reason=reason)


async def test_no_answer_quotes_a_token(desk: Desk) -> None:
    """Also where the configuration's repositories are told of."""
    for name in ("good-classic", "reader-classic", "selected-fine-grained", "selected-installation"):
        answer = await desk.inspect(name, APPS, needs=RUNTIME, writes=(SHARED, ARCHIVED, "acme/nothing"))
        credential = desk.credential(name)
        assert isinstance(getattr(credential, "token", None), SecretStr)
        assert desk.world.tokens[name].value not in repr(answer)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_perhaps_another_credentials_is_a_warning(desk: Desk, kind: str) -> None:
    """An Argo CD Application syncs it; whose credential it uses, nobody here knows."""
    answer = await desk.inspect(kind, APPS, perhaps=("acme/nothing", "acme/what~ever", SHARED))
    assert runtime(answer) == Finding(Outcome.SUFFICIENT)
    doubts = [warning for warning in answer.facts.warnings if "unless another credential's URL is longer" in warning]
    assert len(doubts) == 1
    assert "acme/nothing" in doubts[0]
    assert "acme/what~ever" in doubts[0]
    assert SHARED not in doubts[0]
