"""``git-token-webhook token``, as a person runs it, on a real API server with the webhook in front of it."""

from __future__ import annotations

import base64
import json
import os
import pty
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.api_server.control_plane import ControlPlane, wait_until
from tests.api_server.webhook_process import (
    LABEL_OF_NAMESPACES,
    Installation,
    Place,
    Simulation,
    accepted,
    runtime_secret,
    user_secret,
)
from tests.support.writes import Completed

USERS = "git-default-acme"
RUNTIME = "runtime-repo-creds-secret"


class Desk:
    """Where a person sits: the command, the kubeconfig and the webhook's configuration."""

    def __init__(self, control_plane: ControlPlane, webhook: Installation, folder: Path) -> None:
        self.control_plane = control_plane
        self.place: Place = webhook.new_namespace()
        self._config = folder / "config.yaml"
        self._config.write_text(json.dumps(webhook.settings))
        self.flags = ["--config", str(self._config), "--kubeconfig", str(control_plane.kubeconfig("admin"))]

    def run(self, command: str, name: str, *arguments: str, token: str = "", user: str = "admin") -> Completed:
        """``token set`` or ``token delete``, as a process of its own."""
        line = [sys.executable, "-m", "webhook", "token", command, f"{self.place.namespace}/{name}", *arguments]
        line += ["--config", str(self._config), "--kubeconfig", str(self.control_plane.kubeconfig(user))]
        return subprocess.run(line, input=token, capture_output=True, text=True, timeout=60)

    def set(self, name: str, token: str, *arguments: str, user: str = "admin") -> Completed:
        """``token set``, with the token on standard input."""
        return self.run("set", name, *arguments, token=token, user=user)

    def delete(self, name: str, *arguments: str) -> Completed:
        """``token delete``."""
        return self.run("delete", name, *arguments)

    def data(self, name: str) -> dict[str, str]:
        """The stored texts."""
        return {key: base64.b64decode(value).decode() for key, value in self.place.stored(name)["data"].items()}


@pytest.fixture
def desk(control_plane: ControlPlane, webhook: Installation, tmp_path: Path) -> Desk:
    return Desk(control_plane, webhook, tmp_path)


def done(result: Completed, *parts: str) -> None:
    """It did what it says."""
    assert result.returncode == 0, result.stderr
    for part in parts:
        assert part in result.stdout


class TestSet:
    @pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
    def test_what_is_no_text_is_no_token(self, desk: Desk, locale: str) -> None:
        """Whatever the locale makes of it, nothing of it is shown."""
        line = [sys.executable, "-m", "webhook", "token", "set", f"{desk.place.namespace}/{USERS}", "--user", "alice"]
        result = subprocess.run(
            [*line, *desk.flags],
            input=b"\xff\xfe",
            capture_output=True,
            timeout=60,
            env={**os.environ, "LC_ALL": locale},
        )
        assert (result.returncode, result.stderr) == (2, b"git-token-webhook: standard input is not text\n")

    def test_a_kind_of_host_that_is_none(self, desk: Desk) -> None:
        """Nobody would know where the token belongs."""
        result = desk.set(USERS, "x", "--user", "alice", "--provider", "githup")
        assert (result.returncode, "valid kinds are github, gitlab" in result.stderr) == (2, True)

    def test_a_namespace_that_is_none(self, desk: Desk, github: Simulation) -> None:
        """It is named, beside the API server's answer."""
        desk.place = replace(desk.place, namespace="nowhere")
        result = desk.set("acme", github.good_token(), "--url", "https://github.com/acme")
        assert (result.returncode, "there is no namespace nowhere" in result.stderr) == (3, True)

    def test_a_runtimes_token_is_replaced(self, desk: Desk, github: Simulation) -> None:
        """The Secret stays what it was, and its labels and annotations are the new token's."""
        accepted(desk.place.apply(runtime_secret(github.good_token())))
        new = github.good_token()
        done(desk.set(RUNTIME, new + "\n"), "The token in", "is replaced.", "github.com accepts it as a classic token")
        assert desk.data(RUNTIME)["password"] == new
        assert desk.place.marks(RUNTIME)["validation"] == "passed"

    def test_a_weak_token_changes_nothing(self, desk: Desk, webhook: Installation, github: Simulation) -> None:
        """What the provider says comes before any write, and the old token goes on working."""
        old, weak = github.good_token(), github.weak_token()
        accepted(desk.place.apply(runtime_secret(old)))
        before = webhook.calls()
        result = desk.set(RUNTIME, weak)
        assert (result.returncode, desk.data(RUNTIME)["password"], webhook.calls()) == (1, old, before)
        assert "needs" in result.stderr and "Nothing was changed." in result.stderr

    def test_the_webhook_has_the_last_word(self, desk: Desk, github: Simulation) -> None:
        """Who doesn't check here is told by the webhook, in its words."""
        old, weak = github.good_token(), github.weak_token()
        accepted(desk.place.apply(runtime_secret(old)))
        result = desk.set(RUNTIME, weak, "--without-check")
        assert (result.returncode, desk.data(RUNTIME)["password"]) == (1, old)
        assert "also needs admin:repo_hook" in result.stderr
        assert weak not in result.stdout + result.stderr

    def test_a_users_token_is_added(self, desk: Desk, github: Simulation) -> None:
        """The other users' tokens stay, and nobody asks about them again."""
        first, second = github.good_token(), github.good_token()
        done(desk.set(USERS, first, "--user", "alice"), "alice's token in", "is stored.")
        done(desk.set(USERS, second, "--user", "bob"), "bob's token in", "is stored.")
        assert desk.data(USERS) == {"alice": first, "bob": second}
        assert desk.place.stored(USERS)["metadata"]["labels"]["io.codefresh.integration-type"] == "git"

    def test_a_new_runtimes_credential_is_one_of_argo_cd(self, desk: Desk, github: Simulation) -> None:
        """It has the label and the keys that Argo CD looks for."""
        token = github.good_token()
        done(desk.set("acme", token, "--url", "https://github.com/acme"), "is stored.")
        assert desk.data("acme") == {
            "type": "git",
            "url": "https://github.com/acme",
            "username": "git",
            "password": token,
        }

    def test_a_dry_run_stores_nothing(self, desk: Desk, github: Simulation) -> None:
        """The provider and the API server are asked all the same."""
        done(desk.set(USERS, github.good_token(), "--user", "alice", "--dry-run"), "would be stored")
        assert not desk.place.exists(USERS)

    def test_the_old_token_leaves_kubectls_annotation(self, desk: Desk, github: Simulation) -> None:
        """It stood there in plain text, and would have gone on doing so."""
        old = github.good_token()
        accepted(desk.place.apply(user_secret(old)))
        name = "git-default-octocat"
        done(desk.set(name, github.good_token()))
        stored = json.dumps(desk.place.stored(name))
        assert old not in stored

    def test_who_may_not_write_is_told(self, desk: Desk, github: Simulation) -> None:
        """The rights are the person's own."""
        result = desk.set(USERS, github.good_token(), "--user", "alice", user="bob")
        assert result.returncode in (1, 3)
        assert "Nothing was changed." in result.stderr

    def test_no_token_is_wrong_usage(self, desk: Desk) -> None:
        """Nobody stores an empty token."""
        result = desk.set(USERS, "\n", "--user", "alice")
        assert (result.returncode, "standard input is empty" in result.stderr) == (2, True)

    def test_a_terminal_doesnt_show_what_is_typed(self, desk: Desk, github: Simulation) -> None:
        """As for any password."""
        token = github.good_token()
        line = [sys.executable, "-m", "webhook", "token", "set", f"{desk.place.namespace}/{USERS}", "--user", "alice"]
        line += desk.flags
        main, terminal = pty.openpty()
        process = subprocess.Popen(line, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True)
        os.close(terminal)
        wait_until(
            lambda: not termios.tcgetattr(main)[3] & termios.ECHO, 30, message="a prompt that hides what is typed"
        )
        seen = b""
        os.write(main, f"{token}\n".encode())
        try:
            while chunk := os.read(main, 1024):
                seen += chunk
        except OSError:
            pass  # the terminal's end
        assert process.wait(30) == 0, seen
        assert token.encode() not in seen
        assert desk.data(USERS) == {"alice": token}


class TestList:
    def test_it_says_who_holds_what(self, desk: Desk, github: Simulation) -> None:
        """Runtimes and users, good and bad, and no token; a bad one is news and no failure of the command."""
        good, weak = github.good_token(), github.weak_token()
        accepted(desk.place.apply(runtime_secret(good)))
        desk.control_plane.kubectl("label", "namespace", desk.place.namespace, f"{LABEL_OF_NAMESPACES}-")
        desk.place.patch(RUNTIME, {"stringData": {"password": weak}})
        accepted(desk.place.apply(user_secret(good)))
        line = [sys.executable, "-m", "webhook", "token", "list", "-n", desk.place.namespace, *desk.flags]
        result = subprocess.run(line, capture_output=True, text=True, timeout=60)
        done(result, "runtime", "octocat")
        assert not any(token in result.stdout + result.stderr for token in (good, weak))


class TestDelete:
    def test_one_user_of_several(self, desk: Desk, github: Simulation) -> None:
        """The others stay, and no provider is asked."""
        tokens: dict[str, Any] = {"alice": github.good_token(), "bob": github.good_token()}
        for user, token in tokens.items():
            done(desk.set(USERS, token, "--user", user))
        before = github.requests(tokens["bob"])
        done(desk.delete(USERS, "--user", "alice"), "alice's token is deleted")
        assert (desk.data(USERS), github.requests(tokens["bob"])) == ({"bob": tokens["bob"]}, before)

    def test_a_runtimes_goes_with_its_secret(self, desk: Desk, github: Simulation) -> None:
        """A credential template without a credential is none."""
        accepted(desk.place.apply(runtime_secret(github.good_token())))
        done(desk.delete(RUNTIME), "deleted, and its token with it")
        assert not desk.place.exists(RUNTIME)

    def test_a_dry_run_deletes_nothing(self, desk: Desk, github: Simulation) -> None:
        """Neither a Secret nor a value in one."""
        accepted(desk.place.apply(runtime_secret(github.good_token())))
        done(desk.delete(RUNTIME, "--dry-run"), "would be deleted, and its token with it")
        done(desk.set(USERS, github.good_token(), "--user", "alice"))
        done(desk.delete(USERS, "--user", "alice", "--dry-run"), "would be deleted")
        assert desk.place.exists(RUNTIME)
        assert desk.data(USERS).keys() == {"alice"}

    def test_what_there_is_not(self, desk: Desk) -> None:
        """A wrong name is wrong usage."""
        result = desk.delete("nothing")
        assert (result.returncode, "does not exist" in result.stderr) == (2, True)
