"""The command `token authorize`, with an API server in memory and the simulated GitHub."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.api_server.webhook_process import Simulation
from webhook.cli.main import app
from webhook.simulator.cluster import ADMIN, ApiServer, Grant, User
from webhook.simulator.cluster.store import Collection
from webhook.simulator.github.device_flow import DeviceFlows, OAuthApp

SECRETS = Collection("api/v1", "secrets")


class Harness:
    """An API server and a GitHub with an OAuth app, in threads, because the command has a loop of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.github = Simulation(folder)
        reader = User("reader", (Grant(("get",), ("secrets",)),))
        self.server = ApiServer(users=(ADMIN, reader))

    def __enter__(self) -> Harness:
        self._thread.start()
        self.github.__enter__()
        asyncio.run_coroutine_threadsafe(self.server.start(), self._loop).result(10)
        self.flows.apps["app"] = OAuthApp(client_id="app", interval=1)
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(10)
        self.github.__exit__()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def flows(self) -> DeviceFlows:
        """The codes of github.com."""
        return self.github._simulator.world.github().device_flows

    def run(self, *arguments: str, user: str = "admin", approve: bool = True) -> Result:
        """Run the command, while octocat enters the code and approves or denies."""
        kubeconfig, config = self._folder / "kubeconfig", self._folder / "config.yaml"
        kubeconfig.write_text(json.dumps(self.server.kubeconfig(user)))
        origin = self.github._simulator.hosts["github.com"].origin
        oauth = [{"host": "github.com", "clientId": "app", "url": origin}]
        config.write_text(json.dumps({"providers": self.github.settings(), "oauth": oauth}))
        ended = threading.Event()

        def octocat() -> None:
            while not ended.wait(0.05):
                for code in list(self.flows.codes.values()):
                    if code.state == "pending":
                        self.flows.decide(code.user_code, "octocat", approve=approve)

        person = threading.Thread(target=octocat)
        person.start()
        try:
            options = ["--kubeconfig", str(kubeconfig), "--config", str(config)]
            return CliRunner().invoke(app, ["token", "authorize", *arguments, *options])
        finally:
            ended.set()
            person.join()

    def stored(self, name: str) -> dict[str, Any]:
        """The data of a Secret, decoded."""
        found = self.server.store.find(SECRETS, "team", name) or {"data": {}}
        return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    """Everything that the command talks to."""
    with Harness(tmp_path) as running:
        yield running


def test_an_authorized_token_is_checked_and_stored(harness: Harness) -> None:
    """The command names the page and the code, and stores the token without printing it."""
    result = harness.run("team/git-default-acme", "--user", "alice")
    assert result.exit_code == 0, result.output
    token = harness.stored("git-default-acme")["alice"]
    (code,) = harness.flows.codes.values()
    assert f"/login/device and enter the code {code.user_code}." in result.output
    assert "github.com accepts it as an OAuth token of octocat with repo" in result.output
    assert token.startswith("gho_") and token not in result.output
    assert code.scopes == ["repo"]


def test_a_denied_authorization_changes_nothing(harness: Harness) -> None:
    """If the user denies it in the browser, nothing is stored, and the exit code is 1."""
    result = harness.run("team/git-default-acme", approve=False)
    assert (result.exit_code, harness.stored("git-default-acme")) == (1, {})
    assert "The authorization was denied in the browser." in result.output


def test_missing_permissions_are_reported_before_the_browser(harness: Harness) -> None:
    """A user who may not write the Secret is not sent to the browser."""
    result = harness.run("team/git-default-acme", user="reader")
    assert result.exit_code == 3 and "lacks the verb create" in result.output
    assert harness.flows.codes == {}
