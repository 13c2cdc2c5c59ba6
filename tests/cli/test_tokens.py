"""The commands `token`, `unseal` and `reseal`, against an API server in memory."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.api_server.webhook_process import Simulation
from tests.keyring.rings import write_key
from tests.support.factories import make_token
from tests.support.memory_cluster import MemoryCluster
from webhook.keyring.files import load_keyring_by_file_times
from webhook.keyring.jwe import Place, seal, sealing_key
from webhook.keyring.ring import KeyRing
from webhook.simulator.cluster import Document, Rejected, User

WHERE = "team/creds"
USERS = "git-default-acme"


class TestSet:
    """`token set`."""

    def test_a_sufficient_token_replaces_the_stored_one(self, cluster: MemoryCluster, github: Simulation) -> None:
        """The other fields stay, and neither token is printed."""
        old, new = github.weak_token(), github.good_token()
        cluster.runtime_secret("creds", old)
        result = cluster.run("token", "set", WHERE, input=new)
        assert (result.exit_code, cluster.data("creds")["password"]) == (0, new), result.output
        assert cluster.data("creds")["url"] == "https://github.com"
        assert "replaced" in result.stdout
        assert old not in result.output and new not in result.output

    def test_an_insufficient_token_changes_nothing(self, cluster: MemoryCluster, github: Simulation) -> None:
        """Exit code 1, with the missing scope."""
        old, weak = github.good_token(), github.weak_token()
        cluster.runtime_secret("creds", old)
        result = cluster.run("token", "set", WHERE, input=weak)
        assert (result.exit_code, cluster.data("creds")["password"]) == (1, old)
        assert "admin:repo_hook" in result.output and weak not in result.output

    def test_a_dry_run_stores_nothing(self, cluster: MemoryCluster, github: Simulation) -> None:
        """The API server gets the request as a dry run."""
        old = github.good_token()
        cluster.runtime_secret("creds", old)
        result = cluster.run("token", "set", WHERE, "--dry-run", input=github.good_token())
        assert (result.exit_code, cluster.data("creds")["password"]) == (0, old), result.output
        assert "would be replaced" in result.stdout

    def test_a_user_gets_an_entry(self, cluster: MemoryCluster, github: Simulation) -> None:
        """The entries of the other users stay."""
        first, second = github.good_token(), github.good_token()
        cluster.secret(USERS, {"ada": json.dumps({"token": first, "url": "https://github.com"})})
        result = cluster.run(
            "token", "set", f"team/{USERS}", "--user", "bob", "--url", "https://github.com", input=second
        )
        assert result.exit_code == 0, result.output
        assert {user: json.loads(text)["token"] for user, text in cluster.data(USERS).items()} == {
            "ada": first,
            "bob": second,
        }

    def test_a_denial_of_the_webhook_is_printed(self, cluster: MemoryCluster, github: Simulation) -> None:
        """Exit code 1, with the message of the webhook."""
        old = github.good_token()
        cluster.runtime_secret("creds", old)

        async def deny(operation: str, new: Document | None, before: Document | None, user: User) -> Document | None:
            raise Rejected(400, "BadRequest", 'admission webhook "x" denied the request: No.')

        cluster.server.admission = deny
        result = cluster.run("token", "set", WHERE, input=github.good_token())
        assert (result.exit_code, cluster.data("creds")["password"]) == (1, old)
        assert "Nothing was changed" in result.output

    def test_a_missing_permission_is_named(self, cluster: MemoryCluster, github: Simulation) -> None:
        """The API server's own message is printed."""
        old = github.good_token()
        cluster.runtime_secret("creds", old)
        result = cluster.run("token", "set", WHERE, input=github.good_token(), user="reader")
        assert (result.exit_code, cluster.data("creds")["password"]) == (1, old), result.output
        assert 'User "reader" cannot patch secrets' in result.output


class TestDelete:
    """`token delete`."""

    def test_one_user_of_several_is_deleted(self, cluster: MemoryCluster, github: Simulation) -> None:
        """The Secret keeps the others."""
        entry = json.dumps({"token": github.good_token(), "url": "https://github.com"})
        cluster.secret(USERS, {"ada": entry, "bob": entry})
        result = cluster.run("token", "delete", f"team/{USERS}", "--user", "ada")
        assert (result.exit_code, set(cluster.data(USERS))) == (0, {"bob"}), result.output

    def test_a_runtimes_secret_is_deleted(self, cluster: MemoryCluster, github: Simulation) -> None:
        """A runtime's Secret has one token. A dry run deletes nothing."""
        cluster.runtime_secret("creds", github.good_token())
        assert cluster.run("token", "delete", WHERE, "--dry-run").exit_code == 0
        assert cluster.find("secrets", "creds") is not None
        assert cluster.run("token", "delete", WHERE).exit_code == 0
        assert cluster.find("secrets", "creds") is None

    def test_what_does_not_exist_is_not_deleted(self, cluster: MemoryCluster) -> None:
        """Exit code 2."""
        result = cluster.run("token", "delete", "team/absent")
        assert result.exit_code == 2


def test_the_list_shows_accounts_and_results(cluster: MemoryCluster, github: Simulation) -> None:
    """`token list` always ends with exit code 0."""
    token = github.weak_token()
    cluster.runtime_secret("creds", token)
    result = cluster.run("token", "list", "-A")
    assert result.exit_code == 0, result.output
    assert "octocat" in result.stdout and token not in result.output


class Sealed:
    """Sealed values in the cluster, with the folder of their keys."""

    def __init__(self, cluster: MemoryCluster, folder: Path) -> None:
        self.cluster = cluster
        self.keys = folder / "keys"
        write_key(self.keys, "2026-10")
        self.token = make_token("s")

    @property
    def ring(self) -> KeyRing:
        """The key ring in the folder, whose keys are active at once."""
        return load_keyring_by_file_times(self.keys, activation=timedelta(0))

    def store(self, name: str = USERS) -> None:
        """Store a token, sealed with the active key, in a Secret of users."""
        text = seal(SecretStr(self.token), Place("team", "token"), self.ring.active(datetime.now(UTC)))
        self.cluster.secret(name, {"token": text})

    def kid(self, name: str = USERS) -> str | None:
        """Return the key that the stored value is sealed with."""
        return sealing_key(self.cluster.data(name)["token"])


@pytest.fixture
def sealed(cluster: MemoryCluster, tmp_path: Path) -> Sealed:
    """A sealed token in the cluster."""
    found = Sealed(cluster, tmp_path)
    found.store()
    return found


class TestUnseal:
    """`unseal`."""

    def test_the_token_is_printed_and_an_event_says_so(self, cluster: MemoryCluster, sealed: Sealed) -> None:
        """The Event names the user and the key of the data, and not the token."""
        result = cluster.run("unseal", f"team/{USERS}", "--keys", str(sealed.keys))
        assert (result.exit_code, result.stdout) == (0, sealed.token), result.output
        (event,) = cluster.items("events")
        assert event["message"].startswith("admin has opened the value of token")
        assert sealed.token not in json.dumps(event)

    def test_without_an_event_the_token_is_not_printed(self, cluster: MemoryCluster, sealed: Sealed) -> None:
        """A user who cannot create Events gets exit code 3; --without-event prints the token."""
        flags = ("unseal", f"team/{USERS}", "--keys", str(sealed.keys))
        result = cluster.run(*flags, user="reader")
        assert result.exit_code == 3
        assert sealed.token not in result.output
        assert cluster.run(*flags, "--without-event", user="reader").stdout == sealed.token

    def test_a_value_of_another_key_stays_closed(self, cluster: MemoryCluster, sealed: Sealed, tmp_path: Path) -> None:
        """Exit code 1."""
        write_key(tmp_path / "others", "2026-10")
        result = cluster.run("unseal", f"team/{USERS}", "--keys", str(tmp_path / "others"))
        assert result.exit_code == 1
        assert sealed.token not in result.output

    def test_a_secret_that_does_not_exist(self, cluster: MemoryCluster, sealed: Sealed) -> None:
        """Exit code 2, and no Event."""
        result = cluster.run("unseal", "team/absent", "--keys", str(sealed.keys))
        assert result.exit_code == 2
        assert cluster.items("events") == []


class TestReseal:
    """`reseal`."""

    def test_old_values_are_sealed_with_the_active_key(self, cluster: MemoryCluster, sealed: Sealed) -> None:
        """A second run finds nothing to do."""
        write_key(sealed.keys, "2026-11")
        flags = ("reseal", "-A", "--keys", str(sealed.keys), "--activation", "0s")
        result = cluster.run(*flags)
        assert result.exit_code == 0, result.output
        assert sealed.kid() == sealed.ring.keys[-1].kid
        assert "Resealed 1 value of 1 Secret" in result.stdout
        assert "Nothing to reseal" in cluster.run(*flags).stdout

    def test_a_dry_run_changes_nothing(self, cluster: MemoryCluster, sealed: Sealed) -> None:
        """Exit code 1, as there is something to do."""
        before = sealed.kid()
        write_key(sealed.keys, "2026-11")
        result = cluster.run("reseal", "-n", "team", "--keys", str(sealed.keys), "--activation", "0s", "--dry-run")
        assert (result.exit_code, sealed.kid()) == (1, before), result.output
        assert "1 value of 1 Secret would be resealed" in result.stdout

    def test_a_user_without_permissions_changes_nothing(self, cluster: MemoryCluster, sealed: Sealed) -> None:
        """Exit code 3."""
        before = sealed.kid()
        write_key(sealed.keys, "2026-11")
        flags = ("--keys", str(sealed.keys), "--activation", "0s")
        result = cluster.run("reseal", f"team/{USERS}", *flags, user="reader")
        assert (result.exit_code, sealed.kid()) == (3, before), result.output
