"""A token by GitHub's device flow from the page of a Secret."""

from __future__ import annotations

import asyncio

import pytest

from tests.console.conftest import World
from webhook.simulator.github.device_flow import OAuthApp


@pytest.mark.parametrize("approve", [True, False])
async def test_a_token_is_authorized_in_the_browser(world: World, approve: bool) -> None:
    """The page shows the code and the host's own page, and the token is stored if the user approves."""
    flows = world.github._simulator.world.github().device_flows
    flows.apps["app"] = OAuthApp(client_id="app", interval=1)
    flows.codes.clear()
    old = world.github.weak_token()
    await world.runtime("creds", old)
    visitor = await world.visitor()
    await world.until(visitor, "/", "creds")
    page = await visitor.post("/secrets/team/creds/authorize", {})
    (code,) = flows.codes.values()
    assert code.user_code in page.words and "/login/device" in page.text
    assert code.scopes == ["repo", "admin:repo_hook"]
    assert not any(device in page.text for device in flows.codes)
    flows.decide(code.user_code, "octocat", approve=approve)
    path = page.url.removeprefix(visitor.base)
    async with asyncio.timeout(15):
        while "/authorizations/" in (page := await visitor.get(path)).url:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    stored = world.stored("creds", "password") or ""
    assert stored.startswith("gho_") if approve else stored == old
    assert ("The token is stored." if approve else "denied in the browser") in page.words
    assert all(stored not in one.text for one in visitor.seen)


async def test_an_app_that_cannot_do_it_is_reported(world: World) -> None:
    """An OAuth app without the device flow is reported with what to change."""
    world.github._simulator.world.github().device_flows.apps["app"] = OAuthApp(client_id="app", device_flow=False)
    await world.runtime("creds", world.github.weak_token())
    visitor = await world.visitor()
    await world.until(visitor, "/", "creds")
    page = await visitor.post("/secrets/team/creds/authorize", {})
    assert page.status == 502 and "Enable it in the app" in page.words
