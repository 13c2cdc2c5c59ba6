"""Tokens with permissions: what probes prove, and what they leave open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.providers.github.conftest import USER, Desk
from webhook.providers.findings import Finding, Outcome
from webhook.providers.requirements import Role
from webhook.simulator.faults import Outage, Status

REPOSITORY = "acme/apps"
ADMINISTRATION, CONTENTS, WEBHOOKS = "Administration: write", "Contents: write", "Webhooks: write"


@pytest.mark.parametrize("path", ["", "acme", REPOSITORY])
@pytest.mark.parametrize("name", ["good-fine-grained", "good-installation", "long-installation", "good-app-user"])
async def test_all_permissions_are_proven(desk: Desk, name: str, path: str) -> None:
    """On the repository that the URL names, or on one that the token reaches."""
    answer = await desk.inspect(name, path)
    assert answer.findings[Role.RUNTIME] == Finding(Outcome.SUFFICIENT)
    assert answer.facts.holds == (ADMINISTRATION, CONTENTS, "Metadata: read", WEBHOOKS)
    assert answer.facts.probed is not None


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("weak-fine-grained", (ADMINISTRATION, CONTENTS, WEBHOOKS)),
        ("user-fine-grained", (ADMINISTRATION, WEBHOOKS)),
        ("read-only-fine-grained", (ADMINISTRATION, CONTENTS, WEBHOOKS)),
        ("no-hooks-fine-grained", (WEBHOOKS,)),
        ("no-admin-fine-grained", (ADMINISTRATION,)),
        ("no-hooks-installation", (WEBHOOKS,)),
        ("weak-app-user", (WEBHOOKS,)),
    ],
)
@pytest.mark.parametrize("says_accepted", [True, False])
async def test_missing_permissions_are_named(
    desk: Desk, name: str, lacks: tuple[str, ...], says_accepted: bool
) -> None:
    """In GitHub's words for people, whether or not it names what an endpoint needs."""
    desk.world.sends_accepted_permissions = says_accepted
    finding = await desk.find(name, REPOSITORY)
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, lacks)


async def test_a_person_needs_contents_alone(desk: Desk) -> None:
    """Nothing is probed that the role doesn't need."""
    assert (await desk.find("user-fine-grained", REPOSITORY, needs=USER)).outcome is Outcome.SUFFICIENT
    assert not [one for one in desk.asked() if "/hooks" in one or "/keys" in one]


async def test_a_selection_is_judged_by_the_repository_of_the_url(desk: Desk) -> None:
    """Good for the selected repository; outside of it nothing is known, since GitHub says no more than 404."""
    for name in ("selected-fine-grained", "selected-installation"):
        assert (await desk.find(name, REPOSITORY)).outcome is Outcome.SUFFICIENT
        outside = await desk.find(name, "acme/shared-configuration")
        assert outside.outcome is Outcome.UNVERIFIED
        assert "404 for acme/shared-configuration" in outside.reason


async def test_a_selection_is_found_among_repositories_outside_of_it(desk: Desk) -> None:
    """Where GitHub lists repositories that the token doesn't reach, another candidate serves."""
    desk.world.lists_unselected_repositories = True
    answer = await desk.inspect("selected-fine-grained", "acme")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert answer.facts.probed == REPOSITORY


@pytest.mark.parametrize("name", ["pending-fine-grained", "public-fine-grained"])
@pytest.mark.parametrize("path", ["", "acme", REPOSITORY])
async def test_a_token_that_reaches_no_private_repository_is_unverified(desk: Desk, name: str, path: str) -> None:
    """An organisation's approval may be pending: that is no proof of what the token lacks, and said."""
    finding = await desk.find(name, path)
    assert finding.outcome is Outcome.UNVERIFIED
    assert path != REPOSITORY or "or not yet approved for it" in finding.reason


async def test_another_owners_token_is_unverified(desk: Desk) -> None:
    """One for one's own repositories shows none of the organisation's."""
    assert (await desk.find("own-fine-grained", "octocat/diary")).outcome is Outcome.SUFFICIENT
    assert "no private repository of acme" in (await desk.find("own-fine-grained", "acme")).reason


@pytest.mark.parametrize("path", ["", REPOSITORY])
async def test_an_expired_token_is_invalid(desk: Desk, path: str) -> None:
    """GitHub refuses it, and the link makes a new one."""
    answer = await desk.inspect("expired-fine-grained", path)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INVALID
    assert answer.remedy.startswith("Make a new one: https://github.com/settings/personal-access-tokens/new")


@pytest.mark.parametrize(("name", "days"), [("expiring-fine-grained", 5), ("local-time-fine-grained", 90)])
async def test_the_end_is_read_in_either_layout(desk: Desk, name: str, days: int) -> None:
    """GitHub writes `UTC` or an offset."""
    ends = (await desk.inspect(name, REPOSITORY)).facts.expires_at
    assert ends is not None
    assert ends.tzinfo is UTC
    assert abs(ends - datetime.now(UTC) - timedelta(days=days)) < timedelta(minutes=2)


@pytest.mark.parametrize("name", ["reader-fine-grained", "writer-fine-grained"])
async def test_an_account_of_too_low_a_role_is_insufficient(desk: Desk, name: str) -> None:
    """It isn't the token that must change, but the account's role."""
    answer = await desk.inspect(name, REPOSITORY)
    finding = answer.findings[Role.RUNTIME]
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, ())
    assert answer.remedy.endswith("https://github.com/acme/apps/settings/access")


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [
        ("unlimited-fine-grained", "short-lived-corp/apps", "short-lived-corp forbids tokens with a lifetime as long"),
        ("walled-fine-grained", "walled-corp/apps", "IP allow list"),
        ("suspended-installation", REPOSITORY, "suspended"),
    ],
)
async def test_what_else_stops_a_good_token_blocks(desk: Desk, name: str, path: str, said: str) -> None:
    """A policy, an IP allow list, a suspension: none of them is about permissions."""
    finding = await desk.find(name, path)
    assert finding.outcome is Outcome.BLOCKED
    assert said in finding.reason


async def test_an_archived_repository_proves_no_writing(desk: Desk) -> None:
    """GitHub refuses writes there to everybody, which says nothing of the token."""
    finding = await desk.find("good-fine-grained", "acme/attic")
    assert finding.outcome is Outcome.UNVERIFIED
    assert "archived" in finding.reason


async def test_an_empty_repository_proves_as_much_as_a_full_one(desk: Desk) -> None:
    """Its 409 comes after the permission was looked at."""
    assert (await desk.find("good-fine-grained", "acme/empty")).outcome is Outcome.SUFFICIENT


async def test_reading_a_public_repository_proves_nothing(desk: Desk) -> None:
    """Writes are proven there as elsewhere; reading alone stays open."""
    assert (await desk.find("good-fine-grained", "acme/website")).outcome is Outcome.SUFFICIENT
    assert (await desk.find("weak-fine-grained", "acme/website", needs=USER)).lacks == (CONTENTS,)


async def test_a_permission_without_probe_stays_open(desk: Desk) -> None:
    """What no request proves without changing something is said to be unproven, and not presumed."""
    needs = type(USER)(permissions=(("issues", USER.permissions[0][1]),))
    finding = await desk.find("good-fine-grained", REPOSITORY, needs=needs)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "Issues: write" in finding.reason


async def test_a_probe_without_answer_leaves_its_permission_open(desk: Desk) -> None:
    """The others are proven all the same, and a token that lacks one of them is known to."""
    desk.simulator.faults.add(Outage(), path=".*/hooks.*")
    finding = await desk.find("good-fine-grained", REPOSITORY)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "Webhooks: write" in finding.reason
    assert (await desk.find("no-admin-fine-grained", REPOSITORY)).lacks == (ADMINISTRATION,)


@pytest.mark.parametrize("name", ["good-app-user", "good-installation", "long-installation"])
async def test_a_token_of_hours_comes_with_a_warning(desk: Desk, name: str) -> None:
    """It is good now and will stop working by itself."""
    facts = (await desk.inspect(name, REPOSITORY)).facts
    assert facts.short_lived
    assert "githubAppPrivateKey" in " ".join(facts.warnings)


async def test_a_named_repository_takes_one_round(desk: Desk) -> None:
    """Whose token, the repository, and a read and a write for each of three permissions."""
    answer = await desk.inspect("good-fine-grained", REPOSITORY)
    assert answer.requests == len(desk.asked()) == 11
    assert len([one for one in desk.asked() if one.startswith("GET ")]) == 5


async def test_no_named_repository_takes_two_rounds(desk: Desk) -> None:
    """A list first, and then at most three candidates."""
    answer = await desk.inspect("good-fine-grained", "acme")
    assert answer.requests == len(desk.asked()) <= 2 + 3 * 10


async def test_the_link_chooses_the_owner_and_the_sentence_names_the_permissions(desk: Desk) -> None:
    """In the words of GitHub's page; a link with all of them would need `&`, which messages in JSON don't keep."""
    remedy = (await desk.inspect("weak-fine-grained", REPOSITORY)).remedy
    assert remedy == (
        "Make one that has Administration: write, Contents: write, Metadata: read and Webhooks: write: "
        "https://github.com/settings/personal-access-tokens/new?target_name=acme"
    )


async def test_an_enterprise_server_probes_alike(desk: Desk) -> None:
    """Its form has no parameters, so the link is to the bare page."""
    desk.name = "git.acme.dev"
    answer = await desk.inspect("ghes-good-fine-grained", "platform/apps")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert answer.remedy.endswith("https://git.acme.dev/settings/personal-access-tokens/new")


async def test_a_github_that_validates_first(desk: Desk) -> None:
    """If GitHub looked at content before permissions, reading would still be needed, and only that be proven.

    The first assertion states what is known to be open: the docstring of `probed`.
    """
    desk.world.validates_before_authorizing = True
    assert (await desk.find("read-only-fine-grained", REPOSITORY)).outcome is Outcome.SUFFICIENT
    assert (await desk.find("no-hooks-fine-grained", REPOSITORY)).lacks == (WEBHOOKS,)
    assert (await desk.find("no-admin-fine-grained", REPOSITORY)).lacks == (ADMINISTRATION,)


async def test_no_answer_quotes_a_token(desk: Desk) -> None:
    """Neither messages nor facts hold any part of it that would help anybody."""
    for name in ("weak-fine-grained", "good-app-user", "long-installation", "expired-fine-grained"):
        assert desk.world.tokens[name].value[:20] not in repr(await desk.inspect(name, REPOSITORY))


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        (Status(status=403, body='{"message": "No."}'), "denies it without a reason"),
        (
            Status(
                status=403,
                body='{"message": "Resource not accessible by personal access token"}',
                headers={"X-Accepted-GitHub-Permissions": "issues=write"},
            ),
            "for lack of another permission",
        ),
        (
            Status(
                status=403,
                body='{"message": "Must have admin rights to Repository."}',
                headers={"X-Accepted-GitHub-Permissions": "contents=write"},
            ),
            "role there is too low",
        ),
        (Status(status=409, body='{"message": "Conflict"}'), "answers 409"),
        (Status(status=404, body='{"message": "Not Found"}'), "answers 404"),
    ],
)
async def test_a_refusal_for_another_reason_is_no_proof(desk: Desk, effect: Status, said: str) -> None:
    """Only a refusal for want of this very permission proves that the token lacks it."""
    desk.simulator.faults.add(effect, path=".*/contents/.*")
    finding = await desk.find("good-fine-grained", REPOSITORY)
    assert (finding.outcome, finding.lacks) == (Outcome.UNVERIFIED, ())
    assert said in finding.reason


async def test_a_write_without_its_read_is_no_proof(desk: Desk) -> None:
    """Where the two contradict each other the order in which GitHub looks may be another one."""
    desk.simulator.faults.add(Status(status=418, body="{}"), path=".*/commits")
    finding = await desk.find("good-fine-grained", REPOSITORY)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "read access is not proven either" in finding.reason


async def test_a_refused_token_of_an_app_points_to_its_own_credentials(desk: Desk) -> None:
    """A new token would end within hours as well."""
    desk.world.tokens["good-app-user"].revoked = True
    answer = await desk.inspect("good-app-user", REPOSITORY)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INVALID
    assert answer.remedy.startswith("Store the App's own credentials")


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        (Outage(), "answered with status 503 when asked for"),
        (Status(status=403, body="{}"), "answers 403 when asked for"),
    ],
)
async def test_a_repository_without_answer_is_unverified(desk: Desk, effect: Outage | Status, said: str) -> None:
    """The reason says what came instead."""
    desk.simulator.faults.add(effect, path="/repos/acme/apps")
    assert said in (await desk.find("good-fine-grained", REPOSITORY)).reason


async def test_metadata_alone_is_open_on_a_public_repository(desk: Desk) -> None:
    """Anybody may read it there; on a private one the repository itself is the proof."""
    needs = type(USER)(permissions=(("metadata", USER.permissions[1][1]),))
    assert (await desk.find("good-fine-grained", "acme/website", needs=needs)).outcome is Outcome.UNVERIFIED
    assert (await desk.find("good-fine-grained", REPOSITORY, needs=needs)).outcome is Outcome.SUFFICIENT
