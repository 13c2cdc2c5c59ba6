"""What a token of Gitea's may do, by categories: proven by refusals, or told by those versions that tell it."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from tests.providers.gitea.conftest import LINK, NAME, RUNTIME, USER, WHOLE_ROUND, Harness, needs
from webhook.providers.findings import Facts, GitHubAppCredential, Outcome
from webhook.providers.requirements import Role
from webhook.simulator.faults import Status

VERSIONS = ["silent", "tells in refusals", "tells a token of itself"]
SOURCES = pytest.mark.parametrize("version", VERSIONS)


def become(harness: Harness, version: str) -> None:
    """Be older, newer, or the newest."""
    harness.world.tells_scopes = version != "silent"
    harness.world.tells_of_tokens = version == "tells a token of itself"


@SOURCES
@pytest.mark.parametrize("name", ["gitea-good-runtime", "gitea-good-user", "gitea-all", "gitea-root"])
async def test_a_token_that_has_all_scopes_is_good_in_both_roles(harness: Harness, version: str, name: str) -> None:
    """One round of five requests tells it, of which none changes anything."""
    become(harness, version)
    answer = await harness.inspect(name, roles={Role.RUNTIME: RUNTIME, Role.USER: USER})
    assert {finding.outcome for finding in answer.findings.values()} == {Outcome.SUFFICIENT}
    assert answer.facts.warnings == ()
    assert (harness.asked(), answer.requests) == (WHOLE_ROUND, 5)


async def test_a_good_token_is_described_by_what_was_proven(harness: Harness) -> None:
    """Whose it is, too."""
    answer = await harness.inspect("gitea-good-runtime")
    assert answer.facts == Facts("personal", "access token", "octocat", ("write:repository", "read:user"))


async def test_a_good_token_is_described_by_what_gitea_tells(harness: Harness) -> None:
    """The newest tell everything, what nobody asked for included."""
    become(harness, "tells a token of itself")
    told = ("write:repository", "write:user", "read:organization")
    assert (await harness.inspect("gitea-good-runtime")).facts == Facts("personal", "access token", "octocat", told)


@SOURCES
@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    ("scopes", "lacks"),
    [
        (("read:user",), ("write:repository",)),
        (("read:repository", "read:user"), ("write:repository",)),
        (("write:issue", "write:user", "write:organization"), ("write:repository",)),
        (("write:repository",), ("read:user",)),
        (("read:repository",), ("write:repository", "read:user")),
        (("public-only",), ("write:repository", "read:user")),
        ((), ("write:repository", "read:user")),
    ],
)
async def test_each_missing_scope_is_named(
    harness: Harness, version: str, role: Role, scopes: tuple[str, ...], lacks: tuple[str, ...]
) -> None:
    """Reading doesn't include writing, and no category another; the refusal itself proves that the token is good."""
    become(harness, version)
    answer = await harness.inspect(harness.give(*scopes), roles={role: RUNTIME})
    assert (answer.findings[role].outcome, answer.findings[role].lacks) == (Outcome.INSUFFICIENT, lacks)


@SOURCES
@pytest.mark.parametrize("scope", ["write:user", "read:repository", "read:organization", "read:issue", "read:package"])
async def test_other_scopes_can_be_required(harness: Harness, version: str, scope: str) -> None:
    """Each is asked for at an endpoint of its category, and writing includes reading."""
    become(harness, version)
    wanted = needs("write:repository", scope)
    broad = harness.give("write:repository", scope.replace("read:", "write:"), name="broad")
    for name in (broad, harness.give("write:repository", scope, name="exact"), "gitea-all"):
        assert (await harness.find(name, "", wanted)).outcome is Outcome.SUFFICIENT
    category = scope.partition(":")[2]
    lacking = harness.give(*(() if category == "repository" else ("write:repository",)), name="lacking")
    finding = await harness.find(lacking, "", wanted)
    assert (finding.outcome, scope in finding.lacks) == (Outcome.INSUFFICIENT, True)


@pytest.mark.parametrize("scope", ["write:organization", "write:admin", "read:notification", "all"])
async def test_a_scope_that_can_not_be_probed_is_known_where_it_is_told(harness: Harness, scope: str) -> None:
    """And is neither good nor bad elsewhere."""
    token = harness.give("write:repository", "read:user", scope)
    finding = await harness.find(token, "", needs("write:repository", scope))
    assert finding.outcome is Outcome.UNVERIFIED
    assert finding.reason == f"does not say whether this access token has {scope}"
    become(harness, "tells a token of itself")
    assert (await harness.find(token, "", needs("write:repository", scope))).outcome is Outcome.SUFFICIENT
    assert (await harness.find("gitea-weak", "", needs(scope))).lacks == (scope,)


async def test_a_write_that_takes_two_scopes_blames_the_right_one(harness: Harness) -> None:
    """To create a repository takes `write:repository` as well as `write:user`."""
    token = harness.give("write:user")
    finding = await harness.find(token, "", needs("write:user"))
    assert (finding.outcome, finding.lacks) == (Outcome.UNVERIFIED, ())
    assert (await harness.find(token, "", needs("write:user", "write:repository"))).lacks == ("write:repository",)


async def test_forgejo_is_asked_in_the_same_way(harness: Harness) -> None:
    """Its versions are its own."""
    harness.world.flavour, harness.world.version = "forgejo", "11.0.1"
    assert (await harness.find("gitea-good-runtime")).outcome is Outcome.SUFFICIENT
    assert (await harness.find("gitea-weak")).lacks == ("write:repository", "read:user")


@pytest.mark.parametrize("name", ["gitea-good-runtime", "gitea-good-user"])
async def test_a_version_that_takes_a_scope_to_tell_has_categories(harness: Harness, name: str) -> None:
    """The refusal of 1.20.0 and 1.20.1 names one."""
    harness.world.version, harness.world.version_needs_scope = "1.20.1", True
    assert (await harness.find(name)).outcome is Outcome.SUFFICIENT
    assert (await harness.find("gitea-weak")).lacks == ("write:repository", "read:user")


async def test_a_version_that_is_kept_back_is_told_by_another_refusal(harness: Harness) -> None:
    """Any that names a scope of a category."""
    harness.fail(Status(status=404, body="not here", content_type="text/plain"), "/version")
    token = harness.give("write:repository")
    finding = await harness.find(token, requirement=needs("write:repository"))
    assert finding.outcome is Outcome.SUFFICIENT
    assert (await harness.find("gitea-good-runtime")).outcome is Outcome.UNVERIFIED


@pytest.mark.parametrize("version", ["1.19.4", "1.18.0+dev", "v1.4", "nonsense", ""])
async def test_a_version_without_these_scopes_proves_nothing_good(harness: Harness, version: str) -> None:
    """It would look at scopes later than at what is there; but what it refuses for want of them is refused."""
    harness.world.version = version
    assert (await harness.find("gitea-good-runtime")).outcome is Outcome.UNVERIFIED
    assert (await harness.find("gitea-weak")).outcome is Outcome.INSUFFICIENT


async def test_a_sentence_for_people_names_whats_there_and_what_is_missing(harness: Harness) -> None:
    """Also the page where a better one is made; what is shown of the URL's repository proves reading."""
    assert await harness.sentence(harness.give("read:repository", "read:user")) == (
        f"{NAME} says that this access token of octocat has read:user and read:repository; a runtime token also needs "
        f"write:repository. Make one with write:repository and read:user under Settings, then Applications: {LINK}"
    )
    assert (await harness.sentence("gitea-none")).startswith(
        f"{NAME} says that this access token has none of the required permissions; a runtime token needs "
        "write:repository and read:user."
    )


async def test_a_deleted_token_is_invalid(harness: Harness) -> None:
    """As is one that never was."""
    for name in ("gitea-revoked", "0123456789"):
        answer = await harness.inspect(name)
        assert answer.findings[Role.RUNTIME].outcome is Outcome.INVALID
    assert await harness.sentence("gitea-revoked") == (
        f"{NAME} rejects this access token: it is wrong or was deleted. Make one with write:repository and read:user "
        f"under Settings, then Applications: {LINK}"
    )


async def test_a_person_who_may_not_sign_in_blocks_a_good_token(harness: Harness) -> None:
    """Which is somebody else's to mend."""
    assert await harness.sentence("gitea-prohibited") == (
        f"{NAME} accepts this access token, but its account is prohibited from signing in. Have an administrator "
        "enable the account, or use a token of another account."
    )


async def test_a_site_that_is_closed_to_strangers_is_open_to_tokens(harness: Harness) -> None:
    """Signing in is all that it asks for."""
    harness.world.requires_sign_in = True
    assert (await harness.find("gitea-good-runtime")).outcome is Outcome.SUFFICIENT
    assert (await harness.find("gitea-weak")).outcome is Outcome.INSUFFICIENT
    assert (await harness.find("gitea-revoked")).outcome is Outcome.INVALID


async def test_an_app_of_github_is_nothing_for_gitea(harness: Harness) -> None:
    """Nothing is sent."""
    answer = await harness.ask_for(GitHubAppCredential("1", SecretStr("key")))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.UNSUPPORTED
    assert harness.asked() == []
