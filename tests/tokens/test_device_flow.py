"""The OAuth device flow with the simulated GitHub, over HTTPS."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from pydantic import SecretStr

from tests.support.factories import make_runtime_secret, make_user_secret
from webhook.providers.transport.trust import context_from_pem
from webhook.settings.source import parse_settings
from webhook.simulator import Simulator, example_world
from webhook.simulator.faults import Outage
from webhook.simulator.github.device_flow import OAuthApp
from webhook.tokens.authorize import authorizer_for
from webhook.tokens.changes import NotPossible
from webhook.tokens.device_flow import Authorization, DeviceFlow, DeviceFlowError

OAUTH = {"oauth": [{"host": "github.com", "clientId": "app"}]}


@dataclass
class Harness:
    """A simulated github.com whose clock is the flow's."""

    simulator: Simulator
    trust: ssl.SSLContext
    passed: float = 0.0
    waits: list[float] = field(default_factory=list)
    on_wait: Callable[[int], None] = lambda number: None

    async def sleep(self, seconds: float) -> None:
        """Let the time pass, and do what a user does meanwhile."""
        self.passed += seconds
        self.waits.append(seconds)
        self.on_wait(len(self.waits))

    def flow(self, client_id: str = "app") -> DeviceFlow:
        """A device flow with github.com."""
        origin = self.simulator.hosts["github.com"].origin
        return DeviceFlow(origin, client_id, self.trust, sleep=self.sleep, clock=lambda: self.passed)

    def decide(self, authorization: Authorization, *, approve: bool = True) -> None:
        """Octocat approves or denies."""
        self.simulator.world.github().device_flows.decide(authorization.user_code, "octocat", approve=approve)


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    """A running simulator with an OAuth app."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    world = example_world(datetime.now(UTC))
    start = datetime.now(UTC)
    async with Simulator(world, ssl_context=context) as simulator:
        made = Harness(simulator, context_from_pem(authority.cert_pem.bytes()))
        github = simulator.world.github()
        github.device_flows.apps["app"] = OAuthApp(client_id="app")
        github.use_clock(lambda: start + timedelta(seconds=made.passed))
        yield made


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
async def test_the_proxy_is_chosen_as_for_all_requests(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Loopback addresses need no entry in NO_PROXY."""
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    async with harness.flow() as flow:
        assert (await flow.start(["repo"])).user_code


async def test_an_unusable_proxy_is_named_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its URL may hold a password."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:secret@proxy.example")
    with pytest.raises(DeviceFlowError, match="HTTPS_PROXY must be a URL") as caught:
        DeviceFlow("https://github.com", "app", ssl.create_default_context())
    assert "secret" not in str(caught.value)


async def authorized(harness: Harness, *, on_wait: Callable[[Authorization, int], None]) -> str:
    """Run a whole flow, with what a user does before each request for the token."""
    async with harness.flow() as flow:
        authorization = await flow.start(["repo"])
        harness.on_wait = lambda number: on_wait(authorization, number)
        return (await flow.wait(authorization)).get_secret_value()


async def test_an_approved_code_becomes_a_token(harness: Harness) -> None:
    """The token has the scopes that were asked for, and the flow polls at the host's interval."""

    def approve(authorization: Authorization, number: int) -> None:
        if number == 3:
            harness.decide(authorization)

    token = await authorized(harness, on_wait=approve)
    assert token.startswith("gho_")
    found = next(one for one in harness.simulator.world.github().tokens.values() if one.value == token)
    assert (found.scopes, found.owner) == (["repo"], "octocat")
    assert harness.waits == [5.0, 5.0, 5.0]


async def test_only_the_hosts_own_page_is_shown(harness: Harness) -> None:
    """A verification URI of another host ends the flow, however it is written."""
    origin = harness.simulator.hosts["github.com"].origin
    foreign = ("https://evil.example/login", f"{origin}@evil.example/", f"{origin}.evil.example/", "http" + origin[5:])
    for page in foreign:
        harness.simulator.world.github().device_flows.foreign_page = page
        async with harness.flow() as flow:
            with pytest.raises(DeviceFlowError, match="It is not shown") as caught:
                await flow.start(["repo"])
        assert "evil" not in str(caught.value)


async def test_slow_down_lengthens_the_interval(harness: Harness) -> None:
    """A host that asks for slower polling is polled more slowly."""
    github = harness.simulator.world.github()

    def act(authorization: Authorization, number: int) -> None:
        (code,) = github.device_flows.codes.values()
        if number == 1:
            code.asked_at = github.now()  # as if it had just been asked
        if number == 2:
            harness.decide(authorization)

    await authorized(harness, on_wait=act)
    assert harness.waits == [5.0, 10.0]


async def test_a_denied_code_ends_the_flow(harness: Harness) -> None:
    """The user's denial is reported."""
    with pytest.raises(DeviceFlowError, match="denied in the browser"):
        await authorized(harness, on_wait=lambda code, number: harness.decide(code, approve=False))


async def test_a_code_expires(harness: Harness) -> None:
    """A code that no user enters ends the flow after its lifetime."""
    with pytest.raises(DeviceFlowError, match="expired before it was entered"):
        await authorized(harness, on_wait=lambda code, number: None)
    assert 900 <= harness.passed <= 910


async def test_an_outage_while_waiting_is_survived(harness: Harness) -> None:
    """A request that fails while the user enters the code is sent again."""

    def act(authorization: Authorization, number: int) -> None:
        if number == 1:
            harness.simulator.faults.add(Outage(), host="github.com")
        if number == 2:
            harness.simulator.faults.clear()
            harness.decide(authorization)

    assert (await authorized(harness, on_wait=act)).startswith("gho_")


@pytest.mark.parametrize(
    ("client_id", "device_flow", "words"), [("app", False, "Enable it"), ("other", True, "Check clientId")]
)
async def test_a_wrong_app_is_reported(harness: Harness, client_id: str, device_flow: bool, words: str) -> None:
    """An app without the device flow and an unknown app end the flow with what to change."""
    harness.simulator.world.github().device_flows.apps["app"] = OAuthApp(client_id="app", device_flow=device_flow)
    async with harness.flow(client_id) as flow:
        with pytest.raises(DeviceFlowError, match=words):
            await flow.start(["repo"])


def test_an_authorization_does_not_print_its_device_code() -> None:
    """The device code, with which anyone gets the token, is in no `repr`."""
    assert "hidden" not in repr(Authorization("A-B", "https://x", 1, 1, SecretStr("hidden")))


def test_the_scopes_are_those_of_the_requirement() -> None:
    """A runtime's token asks for what a runtime needs, a user's for what a user needs."""
    settings = parse_settings(json.dumps(OAUTH))
    assert authorizer_for(settings, make_runtime_secret(), None, None).scopes == ("repo", "admin:repo_hook")
    assert authorizer_for(settings, make_user_secret(), None, None).scopes == ("repo",)


def test_hosts_whose_oauth_tokens_expire_are_declined() -> None:
    """GitLab's tokens from OAuth are not offered, and the message says why."""
    settings = parse_settings(json.dumps(OAUTH))
    with pytest.raises(NotPossible, match="expire after an hour or two"):
        authorizer_for(settings, make_user_secret(), None, None, "https://gitlab.com/acme")


def test_a_host_without_an_app_says_what_to_configure() -> None:
    """Without an OAuth app, the message has the line for the configuration."""
    with pytest.raises(NotPossible, match=r"oauth: \[\{host: github.com, clientId: …\}\]"):
        authorizer_for(parse_settings("{}"), make_user_secret(), None, None)
