"""The repository that a URL names, and those that a runtime token must also reach."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.providers.gitea.conftest import NAME, USER, WHOLE_ROUND, Harness, needs
from webhook.providers.base import ProviderUnavailable
from webhook.providers.findings import Outcome, RepositoryNeed
from webhook.providers.requirements import Level, Role
from webhook.simulator.faults import Latency, Outage, Redirect

READ_ONLY = needs("read:repository")
DIARY = RepositoryNeed(("octocat", "diary"), Level.WRITE)
CONFIGURATION = RepositoryNeed(("acme", "shared-configuration"), Level.READ)
APPS = RepositoryNeed(("acme", "apps"), Level.WRITE)


@pytest.mark.parametrize("path", ["", "acme", "acme/..", "acme/-x", "acme/%61"])
async def test_a_url_without_a_repository_asks_for_none(harness: Harness, path: str) -> None:
    """The scopes alone are judged."""
    assert (await harness.find("gitea-reader", path)).outcome is Outcome.SUFFICIENT
    assert harness.asked() == [request for request in WHOLE_ROUND if "acme" not in request]


@pytest.mark.parametrize("path", ["acme/apps", "ACME/Apps", "acme/apps/src/branch/main"])
async def test_the_repository_is_found_however_it_is_written(harness: Harness, path: str) -> None:
    """Letter case makes no other, and what stands behind it is one of its pages."""
    assert (await harness.find("gitea-good-runtime", path)).outcome is Outcome.SUFFICIENT
    assert (await harness.find("gitea-reader", path)).outcome is Outcome.INSUFFICIENT


async def test_a_gitea_below_a_path_is_found_there(harness: Harness) -> None:
    """Its repositories and its pages are below that path as well."""
    below = replace(harness.host, api_url=harness.host.api_url.replace("/api/v1", "/git/api/v1"))
    with pytest.raises(ProviderUnavailable, match="instead of an API response") as caught:
        await harness.inspect("gitea-all", "git/acme/apps", host=below)
    assert "apiUrl of the host, which may lack a path" in caught.value.remedy
    assert "GET /git/repos/acme/apps" in harness.asked()


@pytest.mark.parametrize("role", list(Role))
async def test_a_person_who_may_only_read_can_not_push(harness: Harness, role: Role) -> None:
    """A repository's document tells of the person, whatever the token holds."""
    assert await harness.sentence("gitea-reader", roles={role: USER}) == (
        f"{NAME} says that reader may not push to acme/apps, as is needed. Give reader that right: "
        f"https://{NAME}/acme/apps/settings/collaboration"
    )


async def test_who_may_not_push_is_told_no_more_than_that(harness: Harness) -> None:
    """That webhooks are out of reach as well goes without saying."""
    assert (await harness.inspect("gitea-reader")).facts.warnings == ()


async def test_a_better_token_comes_before_a_better_right(harness: Harness) -> None:
    """Where one role lacks a scope and the other a right, the remedy is for the first."""
    token = harness.give("write:repository", "read:user", owner="reader")
    answer = await harness.inspect(token, roles={Role.RUNTIME: USER, Role.USER: needs("write:user")})
    assert answer.findings[Role.USER].lacks == ("write:user",)
    assert answer.findings[Role.RUNTIME].reason == "says that reader may not push to acme/apps, as is needed"
    assert answer.remedy.startswith("Make one with write:repository, read:user and write:user")


async def test_reading_is_enough_where_no_more_is_required(harness: Harness) -> None:
    """A requirement of its own says so."""
    assert (await harness.find("gitea-reader", requirement=READ_ONLY)).outcome is Outcome.SUFFICIENT
    assert (await harness.find("gitea-weak", requirement=READ_ONLY)).outcome is Outcome.SUFFICIENT
    assert (await harness.find("gitea-reader", requirement=needs("read:user"))).outcome is Outcome.SUFFICIENT


async def test_who_is_no_administrator_can_not_manage_webhooks(harness: Harness) -> None:
    """That is a warning for a runtime token, and no news for a person's."""
    answer = await harness.inspect("gitea-writer")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert answer.facts.warnings == (
        f"hubot is not an administrator of acme/apps on {NAME}, so it cannot manage webhooks there.",
    )
    assert (await harness.inspect("gitea-writer", roles={Role.USER: USER})).facts.warnings == ()


async def test_an_archived_repository_is_a_warning(harness: Harness) -> None:
    """The token could push if anybody could."""
    answer = await harness.inspect("gitea-good-runtime", "acme/attic")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert answer.facts.warnings == (f"acme/attic is archived on {NAME}: no one can push to it.",)


@pytest.mark.parametrize(("name", "path"), [("gitea-all", "acme/none"), ("gitea-reader", "octocat/diary")])
async def test_what_is_not_there_or_not_to_be_seen_is_left_open(harness: Harness, name: str, path: str) -> None:
    """Both are 404."""
    finding = await harness.find(name, path)
    assert finding.outcome is Outcome.UNVERIFIED
    assert finding.reason.startswith(f"answers 404 for {path}: either there is no such repository, or ")


async def test_a_token_for_what_is_public_does_not_reach_what_is_private(harness: Harness) -> None:
    """It has all scopes, and still can't work there."""
    assert await harness.sentence("gitea-public-only") == (
        f"{NAME} says that this access token reaches only what is public, which acme/apps is not. Make one with access "
        f"to private repositories, too: https://{NAME}/user/settings/applications"
    )


async def test_a_token_for_what_is_public_reaches_that(harness: Harness) -> None:
    """Where Gitea tells that it reaches nothing else, so do we."""
    assert (await harness.inspect("gitea-public-only", "acme/website")).facts.warnings == ()
    harness.world.tells_of_tokens = True
    for path in ("acme/website", ""):
        answer = await harness.inspect("gitea-public-only", path)
        assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
        warning = "This access token is public-only: it reaches no private repository."
        assert answer.facts.warnings == (warning,)


# --- Renamed repositories ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("path", ["acme/old-apps", "ACME/Old-Apps", "former/apps"])
async def test_a_renamed_repository_is_followed(harness: Harness, role: Role, path: str) -> None:
    """Whether it or its owner was renamed; the warning names the new name."""
    harness.world.repositories["acme/apps"].former_names = ["acme/old-apps", "former/apps"]
    answer = await harness.inspect("gitea-good-runtime", path, roles={role: USER})
    assert answer.findings[role].outcome is Outcome.SUFFICIENT
    (warning,) = answer.facts.warnings
    assert f"{path} was renamed or moved to acme/apps" in warning


async def test_a_renamed_repository_of_the_configuration_is_followed(harness: Harness) -> None:
    """It was one reason to deny every runtime token of the host."""
    harness.world.repositories["octocat/diary"].former_names = ["octocat/notes"]
    notes = RepositoryNeed(("octocat", "notes"), Level.WRITE)
    answer = await harness.inspect("gitea-good-runtime", repositories=(notes,))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert any("octocat/notes was renamed or moved to octocat/diary" in one for one in answer.facts.warnings)


async def test_a_renamed_repository_that_may_only_be_read_is_insufficient(harness: Harness) -> None:
    """The page where rights are given is at the new name."""
    harness.world.repositories["acme/apps"].former_names = ["acme/old-apps"]
    answer = await harness.inspect("gitea-reader", "acme/old-apps")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INSUFFICIENT
    assert f"https://{NAME}/acme/apps/settings/collaboration" in answer.remedy


async def test_a_renamed_repository_that_is_not_to_be_seen_is_left_open(harness: Harness) -> None:
    """404 at the new name proves nothing."""
    harness.world.repositories["octocat/diary"].former_names = ["octocat/notes"]
    finding = await harness.find("gitea-reader", "octocat/notes")
    assert finding.outcome is Outcome.UNVERIFIED


async def test_another_redirect_is_no_answer(harness: Harness) -> None:
    """No token goes to another host."""
    harness.fail(Redirect(to="https://elsewhere.example/api/v1/repos/acme/apps"), "/repos/acme/apps")
    finding = await harness.find("gitea-good-runtime")
    assert finding.outcome is Outcome.UNVERIFIED
    assert "redirect to another host" in finding.reason


# --- repositories: ---------------------------------------------------------------------------------------------------


async def test_a_token_that_reaches_all_is_good(harness: Harness) -> None:
    """In the same round, one request for each."""
    answer = await harness.inspect("gitea-good-runtime", repositories=(DIARY, CONFIGURATION))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    more = ["GET /repos/acme/shared-configuration", "GET /repos/octocat/diary"]
    assert harness.asked() == sorted([*WHOLE_ROUND, *more])


async def test_each_repository_that_is_not_reached_is_named(harness: Harness) -> None:
    """Those that lack the same together, and what is proven outweighs what isn't."""
    website = RepositoryNeed(("acme", "website"), Level.WRITE)
    sentence = await harness.sentence("gitea-reader", "", repositories=(APPS, website, DIARY))
    assert sentence.startswith(f"{NAME} says that reader may not push to acme/apps and acme/website, as is needed")
    assert "octocat/diary" in sentence
    finding = (await harness.inspect("gitea-reader", "", repositories=(DIARY,))).findings[Role.RUNTIME]
    assert finding.outcome is Outcome.UNVERIFIED
    assert (
        finding.reason == "answers 404 for octocat/diary: either there is no such repository, or reader cannot see it"
    )


async def test_reading_needs_a_scope_too(harness: Harness) -> None:
    """Where the requirement itself doesn't ask for one."""
    token, wanted = harness.give("read:user"), {Role.RUNTIME: needs("read:user")}
    assert await harness.sentence(token, "", roles=wanted, repositories=(CONFIGURATION,)) == (
        f"{NAME} says that this access token lacks read:repository, which is needed to see "
        "acme/shared-configuration. Make one with read:repository under Settings, then Applications: "
        f"https://{NAME}/user/settings/applications"
    )


async def test_writing_needs_a_scope_too(harness: Harness) -> None:
    """Which is asked for even where the requirement doesn't name it."""
    wanted = {Role.RUNTIME: READ_ONLY}
    finding = (await harness.inspect("gitea-weak", "", roles=wanted, repositories=(APPS,))).findings[Role.RUNTIME]
    assert finding.outcome is Outcome.INSUFFICIENT
    reason = "says that this access token lacks write:repository, which is needed to push to acme/apps"
    assert finding.reason == reason
    assert (await harness.inspect("gitea-all", "", roles=wanted, repositories=(APPS,))).findings[
        Role.RUNTIME
    ].outcome is Outcome.SUFFICIENT
    harness.fail(Outage(), "/repos/-/-/hooks")
    finding = (await harness.inspect("gitea-all", "", roles=wanted, repositories=(APPS,))).findings[Role.RUNTIME]
    assert finding.outcome is Outcome.UNVERIFIED


async def test_a_public_only_token_reaches_no_private_one(harness: Harness) -> None:
    """And says which."""
    answer = await harness.inspect("gitea-public-only", "acme/website", repositories=(CONFIGURATION,))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INSUFFICIENT
    assert "acme/shared-configuration" in answer.findings[Role.RUNTIME].reason


async def test_what_there_was_no_time_for_is_a_warning(harness: Harness) -> None:
    """And no guess; the next call asks again."""
    harness.fail(Latency(seconds=3), "/repos/octocat/diary")
    began = asyncio.get_running_loop().time()
    answer = await harness.inspect("gitea-good-runtime", repositories=(DIARY,), patience=1)
    assert asyncio.get_running_loop().time() - began < 2
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert answer.facts.warnings == (f"There was no time to ask {NAME} whether this token reaches octocat/diary.",)
    assert not answer.complete


async def test_what_brought_nothing_is_left_open(harness: Harness) -> None:
    """One repository's silence says nothing of the token; a name that can't be one is not asked for."""
    harness.fail(Outage(), "/repos/octocat/diary")
    finding = (await harness.inspect("gitea-good-runtime", repositories=(DIARY,))).findings[Role.RUNTIME]
    assert (finding.outcome, "octocat/diary" in finding.reason) == (Outcome.UNVERIFIED, True)
    odd = RepositoryNeed(("acme",), Level.READ)
    finding = (await harness.inspect("gitea-good-runtime", repositories=(odd,))).findings[Role.RUNTIME]
    assert finding.reason == "cannot be queried for acme, which is not a valid repository name there"


async def test_what_is_perhaps_another_credentials_is_a_warning(harness: Harness) -> None:
    """An Argo CD Application syncs it; whose credential it uses, nobody here knows."""
    perhaps = (RepositoryNeed(("acme", "nothing"), Level.READ, certain=False), replace(CONFIGURATION, certain=False))
    answer = await harness.inspect("gitea-good-runtime", repositories=perhaps)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    (doubt,) = (one for one in answer.facts.warnings if "unless another credential's URL is longer" in one)
    assert "acme/nothing" in doubt
    assert CONFIGURATION.name not in doubt
