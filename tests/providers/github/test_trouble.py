"""What comes between a question and GitHub's answer: nothing of it makes a credential good or bad."""

from __future__ import annotations

import pytest

from tests.providers.github.conftest import Desk
from webhook.providers.base import ProviderUnavailable
from webhook.providers.findings import Outcome
from webhook.providers.requirements import Role
from webhook.simulator.faults import (
    AnyEffect,
    Cut,
    Empty,
    Html,
    Outage,
    Oversized,
    RateLimited,
    Redirect,
    Status,
    Truncated,
)

pytestmark = pytest.mark.slow

TROUBLE: list[AnyEffect] = [
    Outage(),
    Outage(status=500, html=True),
    Html(),
    Redirect(to="https://elsewhere.example/user"),
    Cut(),
    Cut(after_bytes=5),
    Truncated(),
    Oversized(megabytes=8),
    RateLimited(),
    RateLimited(status=429),
    RateLimited(secondary=True, retry_after=60),
    RateLimited(secondary=True),
    Status(status=403, body='{"message": "Max number of login attempt exceeded"}'),
    Status(status=403, body="blocked by the proxy", content_type="text/plain"),
    Status(status=404, body='{"message": "Not Found"}'),
    Status(status=407, body="<html>", content_type="text/html"),
]


@pytest.mark.parametrize("name", ["good-classic", "good-fine-grained", "good-app"])
@pytest.mark.parametrize("effect", TROUBLE, ids=repr)
async def test_trouble_is_no_answer(desk: Desk, name: str, effect: AnyEffect) -> None:
    """An outage, a limit, a proxy's page: whatever it is, it isn't about the credential."""
    desk.simulator.faults.add(effect)
    with pytest.raises(ProviderUnavailable) as raised:
        await desk.inspect(name, "acme/apps")
    assert "elsewhere" not in str(raised.value)


async def test_an_empty_answer_names_no_account(desk: Desk) -> None:
    """Scopes come in a header, so they are judged all the same."""
    desk.simulator.faults.add(Empty(), path="/user")
    answer = await desk.inspect("weak-classic")
    assert answer.facts.account is None
    assert answer.findings[Role.RUNTIME].lacks == ("admin:repo_hook",)


async def test_a_primary_limit_pauses_the_credential(desk: Desk) -> None:
    """Until its hour is over nothing more is asked with it."""
    desk.world.rate_limit = 1
    await desk.inspect("good-classic")
    with pytest.raises(ProviderUnavailable, match="limits our requests"):
        await desk.inspect("good-classic")
    asked = len(desk.asked())
    with pytest.raises(ProviderUnavailable, match="limits our requests"):
        await desk.inspect("good-classic")
    assert len(desk.asked()) == asked


async def test_a_lockout_after_bad_tokens_does_not_judge_a_good_one(desk: Desk) -> None:
    """After too many bad credentials GitHub refuses everybody from the same address."""
    desk.world.login_attempts = 1
    assert (await desk.find("revoked")).outcome is Outcome.INVALID
    with pytest.raises(ProviderUnavailable, match="too many failed ones"):
        await desk.inspect("good-classic")


async def test_one_outage_is_tried_again(desk: Desk) -> None:
    """A single 503 of a load balancer costs a moment and no answer."""
    desk.simulator.faults.add(Outage(), times=1)
    assert (await desk.find("good-classic", "acme/apps")).outcome is Outcome.SUFFICIENT
