"""What stops a valid token, each in the words of Gitea or Forgejo."""

from __future__ import annotations

import json

import pytest

from tests.providers.gitea.conftest import NAME, RUNTIME, Harness
from webhook.providers.findings import Outcome, RepositoryNeed
from webhook.providers.gitea import refusals
from webhook.providers.requirements import Level, Role
from webhook.review.messages import failure
from webhook.simulator.faults import Status

TEXTS = {
    "This account is prohibited from signing in, please contact your site administrator.": "prohibited from signing in",
    "This account is suspended.": "prohibited from signing in",
    "This account is not activated.": "is not activated",
    "You must change your password. Change it at: https://gitea.acme.dev/user/change_password": "change its password",
    "This instance requires two-factor authentication": "two-factor authentication",
}
EACH_TEXT = pytest.mark.parametrize(("text", "said"), TEXTS.items())


def test_every_row_has_a_test() -> None:
    """And says where its text is from."""
    found = {row.reason for text in TEXTS if (row := refusals.find(text)) is not None}
    assert found == {row.reason for row in refusals.ROWS}
    assert all(row.source for row in refusals.ROWS)


@EACH_TEXT
@pytest.mark.parametrize("role", list(Role))
async def test_a_token_that_is_refused_everywhere_is_blocked(
    harness: Harness, text: str, said: str, role: Role
) -> None:
    """The sentence says why and who has to act; waiting helps with none of them."""
    harness.fail(Status(status=403, body=json.dumps({"message": text})), ".*")
    answer = await harness.inspect("gitea-good-runtime", roles={role: RUNTIME})
    assert answer.findings[role].outcome is Outcome.BLOCKED
    sentence = failure(NAME, answer.facts, answer.findings, answer.remedy)
    row = refusals.find(text)
    assert row is not None
    assert said in sentence
    assert sentence.endswith(row.remedy)
    assert "retry" not in sentence


@EACH_TEXT
async def test_a_token_that_is_kept_out_of_a_repository_is_blocked(harness: Harness, text: str, said: str) -> None:
    """Also out of one of the configuration; the sentence names it."""
    harness.fail(Status(status=403, body=json.dumps({"message": text})), "/repos/acme/apps")
    apps = RepositoryNeed(("acme", "apps"), Level.WRITE)
    for path, repositories in (("acme/apps", ()), ("", (apps,))):
        answer = await harness.inspect("gitea-good-runtime", path, repositories=repositories)
        finding = answer.findings[Role.RUNTIME]
        assert finding.outcome is Outcome.BLOCKED
        assert said in finding.reason
        assert "acme/apps" in finding.reason
        row = refusals.find(text)
        assert row is not None
        assert answer.remedy == row.remedy


async def test_a_repository_may_be_blocked_for_legal_reasons(harness: Harness) -> None:
    """For everybody; the page of a filter on the way says nothing of it."""
    body = json.dumps({"message": "Unavailable", "url": f"https://{NAME}/api/swagger"})
    harness.fail(Status(status=451, body=body), "/repos/acme/apps", times=1)
    finding = await harness.find("gitea-good-runtime")
    assert finding.outcome is Outcome.BLOCKED
    assert "for legal reasons" in finding.reason
    harness.fail(Status(status=451, body="<html>", content_type="text/html"), "/repos/acme/apps")
    assert (await harness.find("gitea-good-runtime")).outcome is Outcome.UNVERIFIED


async def test_a_mirror_is_a_warning(harness: Harness) -> None:
    """Nobody can push to it."""
    harness.world.repositories["acme/apps"].mirror = True
    answer = await harness.inspect("gitea-good-runtime")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert answer.facts.warnings == (f"acme/apps is a mirror on {NAME}: no one can push to it.",)


@pytest.mark.parametrize(("access", "warned"), [(Level.WRITE, True), (Level.READ, False)])
async def test_a_repository_of_the_configuration_is_warned_of(harness: Harness, access: Level, warned: bool) -> None:
    """Where it is written to."""
    attic = RepositoryNeed(("acme", "attic"), access)
    answer = await harness.inspect("gitea-good-runtime", repositories=(attic,))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert any("acme/attic is archived" in one for one in answer.facts.warnings) is warned


async def test_a_404_of_a_proxy_is_not_called_giteas(harness: Harness) -> None:
    """Gitea's own has another form."""
    harness.fail(Status(status=404, body="Not Found", content_type="text/plain"), "/repos/acme/apps")
    finding = await harness.find("gitea-good-runtime")
    assert finding.outcome is Outcome.UNVERIFIED
    assert "proxy" in finding.reason
