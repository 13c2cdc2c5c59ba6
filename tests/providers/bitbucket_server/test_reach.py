"""The other repositories that a runtime token must reach."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.providers.bitbucket_server.conftest import PROJECT, REPOSITORY, RUNTIME, USER, Harness, needs
from webhook.providers.findings import Answer, Finding, Outcome, RepositoryNeed
from webhook.providers.requirements import Level, Role
from webhook.simulator.bitbucket_server import Token
from webhook.simulator.faults import Hang, Outage

GOOD = Finding(Outcome.SUFFICIENT)
SHARED = RepositoryNeed(("bitbucket", "scm", "acme", "shared-configuration"), Level.WRITE)
RUNBOOKS = RepositoryNeed(("bitbucket", "projects", "OPS", "repos", "runbooks"), Level.READ)
WRITTEN_RUNBOOKS = RepositoryNeed(("bitbucket", "scm", "ops", "runbooks"), Level.WRITE)
SECRET = RepositoryNeed(("bitbucket", "scm", "~jane.doe_acme.dev", "diary"), Level.READ)
NONE = RepositoryNeed(("bitbucket", "scm", "acme", "none"), Level.READ)


async def reach(harness: Harness, name: str, *repositories: RepositoryNeed, patience: float | None = None) -> Answer:
    """What is found out about a token of the platform that needs to write to one repository, and these."""
    roles = {Role.RUNTIME: needs("REPO_READ")}
    return await harness.inspect(name, roles=roles, repositories=repositories, patience=patience)


async def test_what_is_reached_is_not_mentioned(harness: Harness) -> None:
    """Asked in the same round as all else."""
    answer = await harness.inspect("server-good-runtime", repositories=(SHARED, RUNBOOKS))
    assert answer.findings[Role.RUNTIME] == GOOD
    assert answer.complete
    assert answer.facts.warnings == ()
    assert answer.requests == 4 + 3 + 1


async def test_each_that_is_out_of_reach_is_named(harness: Harness) -> None:
    """With how far the token gets; hubot sees nothing of OPS, and of Jane's own."""
    harness.world.add(Token(name="reading-hubot", owner="hubot", permissions=["PROJECT_READ", "REPO_READ"]))
    finding = (await reach(harness, "reading-hubot", SHARED, RUNBOOKS, SECRET)).findings[Role.RUNTIME]
    assert finding.outcome is Outcome.INSUFFICIENT
    assert finding.reason == (
        "says that this HTTP access token of hubot may not push to bitbucket/scm/acme/shared-configuration and may not "
        "see bitbucket/projects/OPS/repos/runbooks and bitbucket/scm/~jane.doe_acme.dev/diary"
    )


async def test_the_owners_right_there_counts(harness: Harness) -> None:
    """The token may write, and Jane only read."""
    finding = (await reach(harness, "server-good-runtime", RUNBOOKS)).findings[Role.RUNTIME]
    assert finding == GOOD
    finding = (await reach(harness, "server-good-runtime", WRITTEN_RUNBOOKS)).findings[Role.RUNTIME]
    assert finding.outcome is Outcome.INSUFFICIENT
    assert "may not push to bitbucket/scm/ops/runbooks" in finding.reason


@pytest.mark.parametrize(
    ("need", "why"),
    [
        (NONE, "it says that there is no such repository"),
        (RepositoryNeed(("bitbucket", "scm", "acme"), Level.READ), "its URL names no repository"),
        (RepositoryNeed(("bitbucket", "scm", "9", "9"), Level.READ), "its URL names no repository"),
    ],
)
async def test_what_is_not_known_is_said(harness: Harness, need: RepositoryNeed, why: str) -> None:
    """Neither good nor bad."""
    finding = (await reach(harness, "server-good-runtime", need)).findings[Role.RUNTIME]
    assert finding.outcome is Outcome.UNVERIFIED
    assert finding.reason.endswith(f"reaches {need.name} ({why})")


async def test_an_archived_repository_blocks_what_must_write_to_it(harness: Harness) -> None:
    """No other token helps."""
    need = RepositoryNeed(("bitbucket", "scm", "acme", "attic"), Level.WRITE)
    finding = (await reach(harness, "server-good-runtime", need)).findings[Role.RUNTIME]
    assert finding.outcome is Outcome.BLOCKED
    assert "ACME/attic is archived, so no one can push to it" in finding.reason


async def test_an_outage_at_one_repository_is_no_verdict(harness: Harness) -> None:
    """Nor does it hide what another one shows."""
    harness.simulator.faults.add(Outage(status=500), path=".*/runbooks")
    finding = (await reach(harness, "server-good-runtime", RUNBOOKS)).findings[Role.RUNTIME]
    assert finding.outcome is Outcome.UNVERIFIED
    assert "(it answered with status 500)" in finding.reason
    finding = (await reach(harness, "server-read-only", RUNBOOKS, SHARED)).findings[Role.RUNTIME]
    assert finding.outcome is Outcome.INSUFFICIENT


async def test_what_time_did_not_suffice_for_is_a_warning(harness: Harness) -> None:
    """And the answer isn't remembered for the next one who asks."""
    harness.simulator.faults.add(Hang(), path=".*/runbooks")
    answer = await reach(harness, "server-good-runtime", RUNBOOKS, SHARED, patience=1.0)
    assert answer.findings[Role.RUNTIME] == GOOD
    assert not answer.complete
    assert answer.facts.warnings == (
        "There was no time to ask bitbucket.acme.dev whether this token reaches bitbucket/projects/OPS/repos/runbooks.",
    )


async def test_what_the_token_lacks_everywhere_comes_first(harness: Harness) -> None:
    """A better token is needed in any case."""
    answer = await harness.inspect("server-read-only", PROJECT, repositories=(SHARED,))
    assert answer.findings[Role.RUNTIME].lacks == ("PROJECT_ADMIN", "REPO_WRITE")


async def test_a_persons_token_need_not_reach_them(harness: Harness) -> None:
    """They are the platform's."""
    roles = {Role.RUNTIME: RUNTIME, Role.USER: USER}
    answer = await harness.inspect("server-good-runtime", REPOSITORY, roles=roles, repositories=(WRITTEN_RUNBOOKS,))
    assert answer.findings[Role.USER] == GOOD
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INSUFFICIENT


async def test_what_is_perhaps_another_credentials_is_a_warning(harness: Harness) -> None:
    """An Argo CD Application syncs it; whose credential it uses, nobody here knows."""
    perhaps = (replace(NONE, certain=False), replace(RUNBOOKS, certain=False))
    answer = await reach(harness, "server-good-runtime", *perhaps)
    assert answer.findings[Role.RUNTIME] == GOOD
    (doubt,) = (one for one in answer.facts.warnings if "unless another credential's URL is longer" in one)
    assert f"reaches {NONE.name} (it says that there is no such repository)" in doubt
    assert RUNBOOKS.name not in doubt
