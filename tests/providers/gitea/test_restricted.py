"""Tokens that are restricted to repositories, which Forgejo has since version 15: they can't hold ``read:user``."""

from __future__ import annotations

import pytest

from tests.providers.gitea.conftest import NAME, RUNTIME, Harness, needs
from webhook.providers.findings import Answer, Outcome, RepositoryNeed
from webhook.providers.requirements import Level, Role
from webhook.review.messages import failure
from webhook.simulator.gitea import Token

APPS = RepositoryNeed(("acme", "apps"), Level.WRITE)


@pytest.fixture(params=["15.0.2", "15.0.2-84-codeberg", "16.1.0"])
def forgejo(harness: Harness, request: pytest.FixtureRequest) -> Harness:
    harness.world.flavour, harness.world.version = "forgejo", request.param
    return harness


def give(
    harness: Harness, *repositories: str, scopes: tuple[str, ...] = ("write:repository",), owner: str = "octocat"
) -> str:
    """Make a restricted token in the world, and return its name."""
    given = {"name": "restricted", "owner": owner, "scopes": list(scopes), "repositories": list(repositories)}
    harness.world.add(Token.model_validate(given))
    return "restricted"


async def inspect(harness: Harness, name: str, path: str = "acme/apps", role: Role = Role.RUNTIME) -> Answer:
    return await harness.inspect(name, path, roles={role: RUNTIME})


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("path", ["acme/apps", "ACME/Apps"])
async def test_a_restricted_token_that_may_push_is_good(forgejo: Harness, role: Role, path: str) -> None:
    """The warning says that its account isn't known."""
    answer = await inspect(forgejo, give(forgejo, "acme/apps"), path, role)
    assert answer.findings[role].outcome is Outcome.SUFFICIENT
    assert answer.facts.account is None
    (warning,) = answer.facts.warnings
    assert "has no read:user, which a token that is restricted to repositories cannot have" in warning


async def test_a_restricted_token_for_a_public_repository_is_good(forgejo: Harness) -> None:
    """Where it is one of those that it is restricted to."""
    assert (await inspect(forgejo, give(forgejo, "acme/website"), "acme/website")).findings[
        Role.RUNTIME
    ].outcome is Outcome.SUFFICIENT


async def test_a_token_that_is_restricted_to_others_is_not_good(forgejo: Harness) -> None:
    """It reads what is public, and can't push there; the remedy names no scope that it can't hold."""
    answer = await inspect(forgejo, give(forgejo, "acme/apps"), "acme/website")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INSUFFICIENT
    sentence = failure(NAME, answer.facts, answer.findings, answer.remedy)
    assert "this token may not push to acme/website" in sentence
    assert "read:user" not in sentence


async def test_a_private_repository_outside_the_restriction_is_not_seen(forgejo: Harness) -> None:
    """404 proves nothing."""
    answer = await inspect(forgejo, give(forgejo, "acme/website"))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.UNVERIFIED
    assert "answers 404 for acme/apps" in answer.findings[Role.RUNTIME].reason


@pytest.mark.parametrize("path", ["", "acme"])
async def test_without_a_repository_nothing_is_proven(forgejo: Harness, path: str) -> None:
    """The message says what would prove it."""
    answer = await inspect(forgejo, give(forgejo, "acme/apps"), path)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.UNVERIFIED
    assert "Store it with the URL of a repository" in answer.findings[Role.RUNTIME].remedy


async def test_a_repository_of_the_configuration_proves_it_too(forgejo: Harness) -> None:
    """For a runtime token alone, which has to reach it."""
    name = give(forgejo, "acme/apps")
    answer = await forgejo.inspect(name, "", repositories=(APPS,))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    answer = await forgejo.inspect(name, "", roles={Role.USER: RUNTIME}, repositories=(APPS,))
    assert answer.findings[Role.USER].outcome is Outcome.UNVERIFIED


@pytest.mark.parametrize("scopes", [("read:repository",), ("write:issue",)])
async def test_another_scope_that_is_missing_is_insufficient(forgejo: Harness, scopes: tuple[str, ...]) -> None:
    """A restricted token can hold it, and the remedy asks for no more."""
    answer = await inspect(forgejo, give(forgejo, "acme/apps", scopes=scopes))
    assert answer.findings[Role.RUNTIME].lacks == ("write:repository",)
    sentence = failure(NAME, answer.facts, answer.findings, answer.remedy)
    assert "read:user" not in sentence


async def test_a_requirement_that_is_about_the_account_alone_stays(forgejo: Harness) -> None:
    """No repository stands for it."""
    finding = await forgejo.find(give(forgejo, "acme/apps"), requirement=needs("read:user"))
    assert finding.lacks == ("read:user",)


@pytest.mark.parametrize(("flavour", "version"), [("gitea", "1.26.1"), ("forgejo", "14.0.3")])
async def test_versions_without_restricted_tokens_need_read_user(harness: Harness, flavour: str, version: str) -> None:
    """There every token can hold it."""
    harness.world.flavour, harness.world.version = flavour, version  # type: ignore[assignment]
    assert (await harness.find(harness.give("write:repository"))).lacks == ("read:user",)


async def test_a_token_without_a_restriction_is_judged_as_before(forgejo: Harness) -> None:
    """It has read:user, so that nothing is warned of."""
    answer = await inspect(forgejo, "gitea-good-runtime")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert answer.facts.warnings == ()
