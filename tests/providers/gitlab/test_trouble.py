"""What comes between a question and GitLab's answer: nothing of it makes a token good or bad."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.providers.gitlab.conftest import RUNTIME, Desk
from webhook.providers.base import ProviderUnavailable, RateLimit, Reply
from webhook.providers.gitlab import GitLab
from webhook.providers.requirements import Role
from webhook.simulator.faults import (
    AnyEffect,
    ContentType,
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
    ContentType(),
    Empty(),
    Redirect(to="https://elsewhere.example/users/sign_in"),
    Cut(),
    Cut(after_bytes=5),
    Truncated(),
    Oversized(megabytes=8),
    RateLimited(),
    RateLimited(secondary=True),
    RateLimited(secondary=True, retry_after=60),
    Status(status=401, body="sign in to the proxy", content_type="text/plain"),
    Status(status=401, body='{"message": "a proxy wants your name"}'),
    Status(status=403, body="Forbidden\n", content_type="text/plain"),
    Status(status=403, body='{"message": "403 Forbidden"}'),
    Status(status=404, body='{"message": "404 Not Found"}'),
    Status(status=407, body="<html>", content_type="text/html"),
    Status(status=418, body="{}"),
]


@pytest.mark.parametrize("name", ["gitlab-good-runtime", "gitlab-fine-grained", "gitlab-oauth", "gitlab-weak"])
@pytest.mark.parametrize("effect", TROUBLE, ids=repr)
async def test_trouble_is_no_answer(desk: Desk, name: str, effect: AnyEffect) -> None:
    """An outage, a limit, a proxy's page: whatever it is, it isn't about the token."""
    desk.simulator.faults.add(effect)
    with pytest.raises(ProviderUnavailable) as raised:
        await desk.inspect(name, "acme/apps")
    assert "elsewhere" not in str(raised.value)


@pytest.mark.parametrize("effect", TROUBLE, ids=repr)
async def test_trouble_at_a_self_managed_gitlab_is_none_either(own: Desk, effect: AnyEffect) -> None:
    """However much it looks like an older one."""
    own.simulator.faults.add(effect)
    with pytest.raises(ProviderUnavailable):
        await own.inspect("own-gitlab-good-runtime", "gitlab/acme/apps", roles={Role.USER: RUNTIME})


async def test_a_limit_is_kept_for_the_same_token(desk: Desk) -> None:
    """GitLab is not asked again before the time is over."""
    desk.simulator.faults.add(RateLimited(retry_after=30), times=1)
    for _ in range(2):
        with pytest.raises(ProviderUnavailable, match=r"limits our requests for another (29|30) s"):
            await desk.inspect("gitlab-good-user", roles={Role.USER: RUNTIME})
    assert len(desk.asked()) == 1


NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "limit"),
    [
        ({}, RateLimit(60, whole_host=False)),
        ({"retry-after": "17"}, RateLimit(17, whole_host=False)),
        ({"retry-after": "0"}, RateLimit(1, whole_host=False)),
        ({"retry-after": "soon"}, RateLimit(60, whole_host=False)),
        ({"ratelimit-reset": str(int(NOW.timestamp()) + 90)}, RateLimit(90, whole_host=False)),
        ({"ratelimit-reset": "1"}, RateLimit(1, whole_host=False)),
        ({"ratelimit-name": "throttle_authenticated_api"}, RateLimit(60, whole_host=False)),
        ({"ratelimit-name": "throttle_unauthenticated_api"}, RateLimit(60, whole_host=False)),
    ],
)
def test_a_limit_needs_no_headers(headers: dict[str, str], limit: RateLimit) -> None:
    """Each of them may be missing, and one account's limit doesn't stop the others."""
    assert GitLab(lambda: NOW).rate_limit(Reply(429, headers)) == limit


@pytest.mark.parametrize("status", [200, 401, 403, 404])
def test_other_statuses_are_no_limit(status: int) -> None:
    """Not even with a limit's headers, which many replies have."""
    assert GitLab(lambda: NOW).rate_limit(Reply(status, {"ratelimit-remaining": "0", "retry-after": "9"})) is None
