"""What people do with sealed tokens, on a real API server: rotate the key, take the old one away, look at a token."""

import base64
import contextlib
import json
import os
import pty
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import pytest
import typer.testing
from pydantic import SecretStr

from tests.api_server.control_plane import ControlPlane, wait_until
from tests.api_server.webhook_process import Installer, Simulation, accepted, secret, user_secret
from tests.keyring.rings import write_key
from tests.support.ports import free_port
from webhook.cli.main import app
from webhook.cluster.secrets import StoredSecrets
from webhook.errors import ConfigurationError
from webhook.keyring.files import load_keyring_by_file_times
from webhook.keyring.jwe import Place, is_bound, open_value, seal, sealing_key
from webhook.keyring.ring import KeyRing
from webhook.tokens.reseal import reseal, reseal_all

PREFIX = "git-token-webhook/"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
OLD, NEW = "2026-11", "2026-12"


class Cluster:
    """A namespace, and a ring of two keys that have been there for long."""

    def __init__(self, control_plane: ControlPlane, namespace: str, folder: Path) -> None:
        self.control_plane = control_plane
        self.namespace = namespace
        self.keys = folder / "keys"
        for name in (OLD, NEW):
            write_key(self.keys, name)
            os.utime(self.keys / name, (0, 0))
        self.ring: KeyRing = load_keyring_by_file_times(self.keys)

    def sealed(self, token: str, key: str = "token", by: str = OLD) -> str:
        """A value as the webhook would have stored it."""
        (sealing,) = (candidate for candidate in self.ring.keys if candidate.name == by)
        return seal(SecretStr(token), Place(self.namespace, key, host="github.com"), sealing)

    def create(self, name: str, values: Mapping[str, str], **more: Any) -> None:
        """A Secret with these texts."""
        metadata = {"name": name, "namespace": self.namespace, **more.pop("metadata", {})}
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(values), **more}
        self.control_plane.kubectl("create", "-f", "-", input=json.dumps(manifest))

    def patch(self, name: str, change: str) -> None:
        """A merge patch of a Secret."""
        self.control_plane.kubectl("-n", self.namespace, "patch", "secret", name, "--type=merge", "-p", change)

    def stored(self, name: str) -> dict[str, Any]:
        """The Secret as it is stored."""
        result = self.control_plane.kubectl("-n", self.namespace, "get", "secret", name, "-o", "json")
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def value(self, name: str, key: str = "token") -> str:
        """One value of a stored Secret."""
        return base64.b64decode(self.stored(name)["data"][key]).decode()

    def token(self, name: str, key: str = "token") -> str:
        """What a sealed value holds."""
        return open_value(self.value(name, key), Place(self.namespace, key), self.ring).plaintext.get_secret_value()

    def sealed_by(self, name: str, key: str = "token") -> str:
        """The name of the key that a value needs."""
        kid = sealing_key(self.value(name, key))
        return next(candidate.name for candidate in self.ring.keys if candidate.kid == kid)

    def kid(self, name: str) -> str:
        """Which key it is."""
        return next(key.kid for key in self.ring.keys if key.name == name)

    def run(self, *arguments: str, user: str = "admin") -> typer.testing.Result:
        """A command, as this user."""
        kubeconfig = str(self.control_plane.kubeconfig(user))
        return typer.testing.CliRunner().invoke(app, [*arguments, "--kubeconfig", kubeconfig])

    def reseal(self, *arguments: str, user: str = "admin") -> typer.testing.Result:
        """``reseal``, of this namespace where nothing else is said."""
        return self.run("reseal", *(arguments or ("-n", self.namespace)), "--keys", str(self.keys), user=user)

    def unseal(self, name: str, *arguments: str, user: str = "admin") -> typer.testing.Result:
        """``unseal``."""
        return self.run("unseal", f"{self.namespace}/{name}", *arguments, "--keys", str(self.keys), user=user)

    def retire(self, name: str, *arguments: str, user: str = "admin") -> typer.testing.Result:
        """``keys retire``."""
        return self.run("keys", "retire", str(self.keys), name, *arguments, user=user)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The Events about a Secret."""
        selector = f"involvedObject.name={name},involvedObject.kind=Secret"
        arguments = ("-n", self.namespace, "get", "events", "-o", "json", "--field-selector", selector)
        items: list[dict[str, Any]] = json.loads(self.control_plane.kubectl(*arguments).stdout)["items"]
        return items

    def allow(self, user: str, *rules: Mapping[str, Any]) -> None:
        """Let a user do something in this namespace."""
        role = {"name": user, "namespace": self.namespace}
        group = "rbac.authorization.k8s.io"
        self.control_plane.apply(
            [
                {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": role, "rules": list(rules)},
                {
                    "apiVersion": f"{group}/v1",
                    "kind": "RoleBinding",
                    "metadata": role,
                    "roleRef": {"apiGroup": group, "kind": "Role", "name": user},
                    "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
                },
            ]
        )


@pytest.fixture
def cluster(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Cluster:
    """A namespace of its own, and a ring."""
    return Cluster(control_plane, namespace, tmp_path)


def new_token() -> str:
    """Made up, and nowhere else."""
    return "ghp_" + secrets.token_hex(18)


def on_terminal(*arguments: str, stdout: IO[bytes] | None = None) -> tuple[int, str]:
    """A command whose output a person sees, or of which only stdout goes elsewhere: its exit code, and what is seen."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        command = [sys.executable, "-m", "webhook", *arguments]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout or theirs, stderr=theirs, env=environment
        )
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # how Linux says that nobody has the other end open any more
            while part := terminal.read(4096):
                seen += part
        return process.wait(60), seen.decode()


READ_SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
LIST_SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}


class TestReseal:
    def test_everything_moves_to_the_active_key(self, cluster: Cluster) -> None:
        """The tokens stay the same, what others wrote isn't touched, and no output shows a token."""
        tokens = {f"git-default-{number}": new_token() for number in range(5)}
        for name, token in tokens.items():
            cluster.create(name, {"token": cluster.sealed(token), "note": "kept"})
        result = cluster.reseal()
        assert result.exit_code == 0, result.output
        assert f"Resealed 5 values of 5 Secrets with the key {cluster.kid(NEW)} ({NEW})." in result.output
        for name, token in tokens.items():
            assert (cluster.sealed_by(name), cluster.token(name), cluster.value(name, "note")) == (NEW, token, "kept")
            assert token not in result.output

    def test_run_again_it_changes_nothing(self, cluster: Cluster) -> None:
        """Which makes it resumable: what is there already is passed over."""
        cluster.create("some", {"token": cluster.sealed(new_token())})
        cluster.reseal()
        before = cluster.stored("some")
        result = cluster.reseal()
        assert (result.exit_code, cluster.stored("some")) == (0, before)
        assert "Nothing to reseal" in result.output

    def test_a_dry_run_writes_nothing(self, cluster: Cluster) -> None:
        """It names what would be moved, and says by its exit code that there is something."""
        cluster.create("some", {"token": cluster.sealed(new_token())})
        before = cluster.stored("some")
        result = cluster.reseal("-n", cluster.namespace, "--dry-run")
        assert result.exit_code == 1
        assert f"{cluster.namespace}/some: 1 value\n1 value of 1 Secret would be resealed" in result.output
        assert cluster.stored("some") == before

    def test_a_terminal_sees_progress_and_a_file_the_rest(self, cluster: Cluster) -> None:
        """Each gets its own, also where they are apart."""
        cluster.create("some", {"token": cluster.sealed(new_token())})
        kubeconfig = str(cluster.control_plane.kubeconfig())
        where = ["-n", cluster.namespace, "--keys", str(cluster.keys), "--kubeconfig", kubeconfig]
        with tempfile.TemporaryFile() as file:
            code, seen = on_terminal("reseal", *where, "--dry-run", stdout=file)
            file.seek(0)
            written = file.read().decode()
        assert code == 1
        assert f"{cluster.namespace}/some: 1 value\n" in written
        assert "1/1" in seen
        assert "1 value" not in seen

    def test_one_secret_or_the_cluster(self, cluster: Cluster) -> None:
        """As it is asked for."""
        for name in ("one", "other"):
            cluster.create(name, {"token": cluster.sealed(new_token())})
        assert cluster.reseal(f"{cluster.namespace}/one").exit_code == 0
        assert (cluster.sealed_by("one"), cluster.sealed_by("other")) == (NEW, OLD)
        cluster.reseal("-A")
        assert cluster.sealed_by("other") == NEW

    def test_the_annotations_stay_true(self, cluster: Cluster) -> None:
        """Which key opens what, of one value and of several; and kubectl's own holds what is stored."""
        old = {key: cluster.sealed(new_token(), key) for key in ("ada", "bob")}
        new = cluster.sealed(new_token(), "eve", by=NEW)
        kids = {"ada": cluster.kid(OLD), "bob": cluster.kid(OLD), "eve": cluster.kid(NEW)}
        applied = json.dumps(
            {"data": {"ada": base64.b64encode(old["ada"].encode()).decode()}, "stringData": {"bob": old["bob"]}}
        )
        marks = {PREFIX + "encryption-key-id": json.dumps(kids), PREFIX + "encrypted-keys": "ada,bob,eve"}
        cluster.create("several", {**old, "eve": new}, metadata={"annotations": marks})
        change = json.dumps({"metadata": {"annotations": {LAST_APPLIED: applied}}})  # `create` would write its own
        cluster.patch("several", change)
        one = {"annotations": {PREFIX + "encryption-key-id": cluster.kid(OLD)}}
        cluster.create("one", {"token": cluster.sealed(new_token())}, metadata=one)
        assert cluster.reseal().exit_code == 0
        annotations = cluster.stored("several")["metadata"]["annotations"]
        assert json.loads(annotations[PREFIX + "encryption-key-id"]) == dict.fromkeys(kids, cluster.kid(NEW))
        assert annotations[PREFIX + "encrypted-keys"] == "ada,bob,eve"
        document = json.loads(annotations[LAST_APPLIED])
        assert document["data"]["ada"] == cluster.stored("several")["data"]["ada"]
        assert document["stringData"]["bob"] == cluster.value("several", "bob")
        assert cluster.value("several", "eve") == new
        assert cluster.stored("one")["metadata"]["annotations"][PREFIX + "encryption-key-id"] == cluster.kid(NEW)

    def test_an_immutable_secret_is_left_and_named(self, cluster: Cluster) -> None:
        """Nobody can change it; the others move."""
        cluster.create("frozen", {"token": cluster.sealed(new_token())}, immutable=True)
        cluster.create("some", {"token": cluster.sealed(new_token())})
        result = cluster.reseal()
        assert result.exit_code == 1
        assert (
            f"{cluster.namespace}/frozen: A value cannot be changed, because its Secret is immutable" in result.output
        )
        assert (cluster.sealed_by("frozen"), cluster.sealed_by("some")) == (OLD, NEW)

    def test_what_does_not_open_is_left_and_named(self, cluster: Cluster) -> None:
        """Copied from another key of the Secret, or cut off: it isn't made to look right."""
        cluster.create("copied", {"token": cluster.sealed(new_token(), "other")})
        result = cluster.reseal()
        assert result.exit_code == 1
        assert f"{cluster.namespace}/copied: A value is sealed for another key" in result.output
        assert cluster.sealed_by("copied") == OLD

    def test_a_new_key_that_does_not_seal_yet(self, cluster: Cluster) -> None:
        """Replicas may not have it: nothing is moved to it, and that is said."""
        cluster.create("some", {"token": cluster.sealed(new_token())})
        os.utime(cluster.keys / NEW)
        result = cluster.reseal()
        assert result.exit_code == 0
        assert f"{NEW} is not active before" in result.output
        assert cluster.sealed_by("some") == OLD

    def test_who_may_not_write_is_told(self, cluster: Cluster) -> None:
        """For each Secret; it could not finish."""
        cluster.allow("bob", LIST_SECRETS)
        cluster.create("some", {"token": cluster.sealed(new_token())})
        result = cluster.reseal(user="bob")
        assert result.exit_code == 3
        assert f"{cluster.namespace}/some: the API server answers 403." in result.output
        assert "Resealed nothing with the key" in result.output
        everywhere = cluster.reseal("-A", user="bob")
        assert (everywhere.exit_code, "cannot be listed: the API server answers 403" in everywhere.stderr) == (3, True)

    def test_server_side_apply_goes_on_without_a_conflict(self, cluster: Cluster) -> None:
        """We want nothing of the fields that we changed: they stay with those who applied them."""
        value = cluster.sealed(new_token())
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "some", "namespace": cluster.namespace},
            "data": {"token": base64.b64encode(value.encode()).decode()},
        }
        apply = ("apply", "--server-side", "--field-manager=somebody", "-f", "-")
        cluster.control_plane.kubectl(*apply, input=json.dumps(manifest))
        assert cluster.reseal().exit_code == 0
        assert cluster.sealed_by("some") == NEW
        cluster.control_plane.kubectl(*apply, input=json.dumps(manifest))

    async def test_what_was_read_before_others_wrote_is_never_put_back(self, cluster: Cluster) -> None:
        """The API server refuses a change of it; then it is read again."""
        cluster.create("some", {"token": cluster.sealed(new_token())})
        kubeconfig, token = cluster.control_plane.kubeconfig(), new_token()
        async with await StoredSecrets.connect(kubeconfig) as stored_secrets:
            stale = await stored_secrets.read(cluster.namespace, "some")
            assert stale is not None
            cluster.patch("some", json.dumps({"stringData": {"token": cluster.sealed(token)}}))
            moved = await reseal(stored_secrets, stale, cluster.ring, datetime.now(UTC))
        assert (moved.values, moved.failed) == (1, "")
        assert (cluster.token("some"), cluster.sealed_by("some")) == (token, NEW)

    async def test_all_pages_are_gone_through(self, cluster: Cluster) -> None:
        """However many Secrets there are, and those that come after are told."""
        for number in range(5):
            cluster.create(f"some-{number}", {"token": cluster.sealed(new_token())})
        kubeconfig, now = cluster.control_plane.kubeconfig(), datetime.now(UTC)
        async with await StoredSecrets.connect(kubeconfig, page=2) as stored_secrets:
            all_of_them = reseal_all(stored_secrets, cluster.namespace, cluster.ring, now)
            seen = [(moved.values, after) async for moved, after in all_of_them]
        assert seen == [(1, 4), (1, 3), (1, 2), (1, 1), (1, 0)]

    def test_an_api_server_that_is_not_there(self, cluster: Cluster, tmp_path: Path) -> None:
        """It could not finish, and says so; no key is deleted on the strength of that."""
        kubeconfig = json.loads(cluster.control_plane.kubeconfig().read_text())
        kubeconfig["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{free_port()}"
        (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
        where = ("--kubeconfig", str(tmp_path / "kubeconfig"))
        keys = ("--keys", str(cluster.keys))
        for command in (
            ("reseal", "--all-namespaces", *keys),
            ("reseal", f"{cluster.namespace}/one", *keys),
            ("unseal", f"{cluster.namespace}/one", *keys),
            ("keys", "retire", str(cluster.keys), OLD, "--settled"),
        ):
            result = typer.testing.CliRunner().invoke(app, [*command, *where])
            assert result.exit_code == 3, result.output
            assert "the API server cannot be reached" in result.stderr
        assert (cluster.keys / OLD).exists()

    def test_wrong_usage_names_what_is_right(self, cluster: Cluster) -> None:
        """Everything is never moved by a slip."""
        for arguments, reason in (
            (("--dry-run",), "name the Secrets"),
            (("-A", "-n", cluster.namespace), "name the Secrets"),
            (("some",), "name the Secret as NAMESPACE/NAME"),
            ((f"{cluster.namespace}/absent",), "there is no Secret"),
        ):
            result = cluster.reseal(*arguments)
            assert isinstance(result.exception, ConfigurationError)
            assert reason in str(result.exception)

    def test_others_who_write_meanwhile_lose_nothing(self, cluster: Cluster) -> None:
        """A value that changes between reading and writing is never put back."""
        names = [f"busy-{number}" for number in range(6)]
        for name in names:
            cluster.create(name, {"token": cluster.sealed(new_token())})
        last = {name: new_token() for name in names}

        def write() -> None:
            for name in names:
                cluster.patch(name, json.dumps({"stringData": {"token": cluster.sealed(last[name], by=NEW)}}))

        writer = threading.Thread(target=write)
        writer.start()
        while writer.is_alive():
            assert cluster.reseal().exit_code == 0
        writer.join()
        cluster.reseal()
        assert {name: cluster.token(name) for name in names} == last


class TestUnseal:
    def test_the_token_and_nothing_else(self, cluster: Cluster) -> None:
        """On stdout, without a line break; the only value, or the one that is named."""
        token, other = new_token(), new_token()
        cluster.create("one", {"token": cluster.sealed(token), "note": "plain"})
        assert (result := cluster.unseal("one")).exit_code == 0, result.output
        assert (result.stdout, result.stderr) == (token, "")
        values = {"ada": cluster.sealed(token, "ada"), "bob": cluster.sealed(other, "bob", by=NEW)}
        cluster.create("two", values)
        assert cluster.unseal("two", "bob").stdout == other
        refused = cluster.unseal("two")
        assert isinstance(refused.exception, ConfigurationError)
        assert "holds 2 sealed values; name one of them: ada, bob" in str(refused.exception)

    def test_on_a_terminal_only_by_wish(self, cluster: Cluster) -> None:
        """With a line break there, so that the prompt comes after it."""
        token = new_token()
        cluster.create("one", {"token": cluster.sealed(token)})
        kubeconfig = str(cluster.control_plane.kubeconfig())
        command = ["unseal", f"{cluster.namespace}/one", "--keys", str(cluster.keys), "--kubeconfig", kubeconfig]
        code, shown = on_terminal(*command)
        assert (code, token in shown) == (2, False)
        assert "set --show" in shown
        assert cluster.events("one") == []
        assert on_terminal(*command, "--show") == (0, f"{token}\r\n")

    def test_no_terminal_obeys_a_value(self, cluster: Cluster) -> None:
        """Whoever may write the Secret doesn't thereby move a cursor, or type; a program gets it byte for byte."""
        value = f"{new_token()}\x1b]0;title\x07"
        cluster.create("one", {"token": cluster.sealed(value)})
        kubeconfig = str(cluster.control_plane.kubeconfig())
        command = ["unseal", f"{cluster.namespace}/one", "--keys", str(cluster.keys), "--kubeconfig", kubeconfig]
        code, shown = on_terminal(*command, "--show")
        assert (code, "\x1b" in shown, "control characters" in shown) == (2, False, True)
        assert cluster.events("one") == []
        assert cluster.unseal("one").stdout == value

    def test_an_event_says_that_it_happened(self, cluster: Cluster) -> None:
        """Who, which key, when; never the token."""
        token = new_token()
        cluster.create("one", {"token": cluster.sealed(token)})
        cluster.allow("alice", READ_SECRETS, {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]})
        assert cluster.unseal("one", user="alice").stdout == token
        (event,) = cluster.events("one")
        assert event["reason"] == "TokenUnsealed"
        assert event["message"].startswith(f"alice has opened the value of token, which the key {cluster.kid(OLD)}")
        when = datetime.fromisoformat(event["lastTimestamp"])
        assert abs(datetime.now(UTC) - when) < timedelta(minutes=1)
        assert event["involvedObject"]["uid"] == cluster.stored("one")["metadata"]["uid"]
        assert token not in json.dumps(event)

    def test_without_an_event_nothing_is_shown(self, cluster: Cluster) -> None:
        """Unless that is wanted, and then it is said."""
        token = new_token()
        cluster.create("one", {"token": cluster.sealed(token)})
        cluster.allow("alice", READ_SECRETS)
        refused = cluster.unseal("one", user="alice")
        assert (refused.exit_code, refused.stdout) == (3, "")
        assert "cannot be written: the API server answers 403" in refused.stderr
        forced = cluster.unseal("one", "--without-event", user="alice")
        assert (forced.exit_code, forced.stdout) == (0, token)
        assert "cannot be written" in forced.stderr
        assert token not in refused.stderr + forced.stderr

    def test_a_key_that_is_the_token_is_not_told(self, cluster: Cluster) -> None:
        """A slip of somebody's; Events are read by more people than Secrets."""
        token = new_token()
        cluster.create("slip", {token: cluster.sealed(token, token)})
        assert cluster.unseal("slip").stdout == token
        assert token not in json.dumps(cluster.events("slip"))

    def test_who_may_not_read_sees_nothing(self, cluster: Cluster) -> None:
        """The key ring alone isn't enough."""
        cluster.create("one", {"token": cluster.sealed(new_token())})
        result = cluster.unseal("one", user="bob")
        assert (result.exit_code, result.stdout) == (3, "")
        assert "cannot be read: the API server answers 403" in result.stderr

    def test_what_there_is_not(self, cluster: Cluster) -> None:
        """No such Secret, no such key, nothing sealed: wrong usage, each with its reason."""
        cluster.create("plain", {"token": new_token()})
        for arguments, reason in (
            (("absent",), "there is no Secret"),
            (("plain",), "holds no value that this webhook has sealed"),
            (("plain", "token"), "This webhook did not seal that value"),
            (("plain", "other"), "has no such key"),
        ):
            result = cluster.unseal(*arguments)
            assert isinstance(result.exception, ConfigurationError)
            assert reason in str(result.exception)
            assert result.stdout == ""

    def test_a_value_of_another_place_stays_closed(self, cluster: Cluster) -> None:
        """Somebody has copied it."""
        cluster.create("copied", {"token": cluster.sealed(new_token(), "other")})
        result = cluster.unseal("copied")
        assert (result.exit_code, result.stdout) == (1, "")
        assert cluster.events("copied") == []


class TestRingInSecret:
    """Whatever takes a key ring takes its Secret, and acts as somebody else where that is said."""

    RING = "webhook-keys"

    @pytest.fixture
    def ring(self, cluster: Cluster) -> list[str]:
        """The options that name the ring's Secret; its keys have been there for long."""
        values = {name: (cluster.keys / name).read_text() for name in (OLD, NEW)}
        cluster.create(self.RING, values, metadata={"annotations": {f"{PREFIX}key-added-at": "2026-01-01T00:00:00Z"}})
        return ["--secret", f"{cluster.namespace}/{self.RING}", "--activation", "0s"]

    def test_reseal_unseal_and_retire(self, cluster: Cluster, ring: list[str]) -> None:
        """A whole rotation without a file; the key that nobody needs is taken out of the Secret."""
        token = new_token()
        cluster.create("one", {"token": cluster.sealed(token)})
        refused = cluster.run("keys", "retire", OLD, *ring, "--settled")
        assert (refused.exit_code, f"{cluster.namespace}/one" in refused.output) == (1, True)
        moved = cluster.run("reseal", "-n", cluster.namespace, *ring)
        assert moved.exit_code == 0, moved.output
        assert cluster.sealed_by("one") == NEW
        shown = cluster.run("unseal", f"{cluster.namespace}/one", *ring[:2])
        assert shown.stdout == token
        retired = cluster.run("keys", "retire", OLD, *ring, "--settled")
        assert retired.exit_code == 0, retired.output
        assert set(cluster.stored(self.RING)["data"]) == {NEW}

    def test_as_somebody_without_rights(self, cluster: Cluster, ring: list[str]) -> None:
        """The API server is asked as them."""
        cluster.create("one", {"token": cluster.sealed(new_token())})
        nobody = ("--as", "nobody-at-all")
        for command in (
            ("reseal", "-n", cluster.namespace, *ring),
            ("unseal", f"{cluster.namespace}/one", *ring[:2]),
            ("keys", "retire", OLD, *ring, "--settled"),
            ("keys", "list", *ring),
        ):
            result = cluster.run(*command, *nobody)
            assert result.exit_code == 3, (command, result.output)
            assert "403" in result.output  # admin may read it
        assert cluster.sealed_by("one") == OLD

    def test_a_value_from_before_is_bound(self, cluster: Cluster) -> None:
        """By a key that stays, too."""
        token = new_token()
        unbound = seal(SecretStr(token), Place(cluster.namespace, "token"), cluster.ring.keys[-1])
        cluster.create("one", {"token": unbound, "url": "https://github.com/acme"})
        assert cluster.reseal().exit_code == 0
        assert is_bound(cluster.value("one"))
        assert cluster.token("one") == token
        assert "Nothing to reseal" in cluster.reseal().output


class TestRetire:
    def test_not_while_a_value_needs_it(self, cluster: Cluster) -> None:
        """Anywhere in the cluster; then it goes, and what is stored still opens."""
        token = new_token()
        cluster.create("one", {"token": cluster.sealed(token)})
        result = cluster.retire(OLD, "--settled")
        assert result.exit_code == 1
        assert f"  {cluster.namespace}/one\n" in result.output
        assert (cluster.keys / OLD).exists()
        cluster.reseal()
        result = cluster.retire(OLD, "--settled")
        assert result.exit_code == 0, result.output
        assert f"Deleted key {cluster.kid(OLD)}" in result.output
        assert not (cluster.keys / OLD).exists()
        assert cluster.unseal("one").stdout == token

    def test_not_while_not_everything_is_seen(self, cluster: Cluster) -> None:
        """Who may list one namespace only can't know."""
        cluster.allow("bob", LIST_SECRETS)
        result = cluster.retire(OLD, "--settled", user="bob")
        assert result.exit_code == 3
        assert (cluster.keys / OLD).exists()

    def test_not_where_the_cluster_shows_nothing_of_the_ring(self, cluster: Cluster) -> None:
        """It may be another one than that whose values the key has sealed, and a lost key opens nothing any more."""
        result = cluster.retire(OLD, "--settled")
        assert isinstance(result.exception, ConfigurationError)
        assert "may be the wrong cluster" in str(result.exception)
        assert (cluster.keys / OLD).exists()

    def test_not_a_key_in_use(self, cluster: Cluster) -> None:
        """The active one, and the one that a server which starts seals with for a while."""
        for name, reason in ((NEW, "seals and signs"), (OLD, "last key but one"), ("absent", "there is no key")):
            result = cluster.retire(name)
            assert isinstance(result.exception, ConfigurationError)
            assert reason in str(result.exception)
        assert {file.name for file in cluster.keys.iterdir()} == {OLD, NEW}


class TestThroughTheWebhook:
    def test_a_rotation_asks_no_provider(self, cluster: Cluster, installer: Installer, github: Simulation) -> None:
        """What `/mutate` has sealed is moved through it: the labels and annotations stay true, and who applies the same
        manifest again changes nothing."""
        encryption = {"mode": "seal", "keysDir": str(cluster.keys)}
        with installer.installed({"limits": {"cacheTtl": "0s"}, "encryption": encryption}) as installation:
            place, token = installation.new_namespace(), github.good_token()
            cluster.namespace = place.namespace
            name, manifest = "git-default-octocat", user_secret(token)
            accepted(place.apply(manifest))
            assert cluster.sealed_by(name) == OLD  # a server that has just started
            before = place.marks(name)
            result = cluster.reseal()
            assert (result.exit_code, cluster.sealed_by(name), cluster.token(name)) == (0, NEW, token)
            after = place.marks(name)
            changed = {mark for mark in before.keys() | after.keys() if before.get(mark) != after.get(mark)}
            assert changed - {"attestation"} == {"encryption-key-id"}
            assert after["encryption-key-id"] == cluster.kid(NEW)
            again = place.apply(manifest)
            assert (again.returncode, github.requests(token)) == (0, 1)
            assert cluster.sealed_by(name) == NEW
            assert token not in json.dumps(place.stored(name))
            assert cluster.retire(OLD, "--settled").exit_code == 0
            assert cluster.unseal(name).stdout == token

    def test_writes_go_on_while_a_key_is_added(self, installer: Installer, github: Simulation, tmp_path: Path) -> None:
        """Each of two replicas sees it at a time of its own, and none ever meets what it can't open: each token is
        sealed, attested, and asked about once."""
        write_key(tmp_path / "keys", OLD)
        encryption = {"mode": "seal", "keysDir": str(tmp_path / "keys"), "keyActivation": "4s"}
        settings = {"limits": {"cacheTtl": "0s"}, "encryption": encryption}
        with installer.installed(settings, replicas=2) as installation:
            place, tokens = installation.new_namespace(), dict[str, str]()

            def write() -> str:
                name = f"git-default-{len(tokens):03}"
                tokens[name] = github.good_token()
                assert accepted(place.create(user_secret(tokens[name], name))) == ""
                return place.marks(name)["encryption-key-id"]

            before = write()
            write_key(tmp_path / "keys", NEW)
            wait_until(lambda: write() != before, 60, message="the new key to be in use")
            for _ in range(6):
                write()
            ring = load_keyring_by_file_times(tmp_path / "keys")
            for name, token in tokens.items():
                marks = place.marks(name)
                assert (marks["encryption"], marks["validation"], github.requests(token)) == ("sealed", "passed", 1)
                opened = open_value(place.value(name, "token"), Place(place.namespace, "token"), ring)
                assert opened.plaintext.get_secret_value() == token
            assert len(tokens) > 8

    def test_nothing_moves_to_a_key_that_the_webhook_does_not_have(
        self, cluster: Cluster, installer: Installer, github: Simulation, tmp_path: Path
    ) -> None:
        """Its file was never brought to the servers: who seals by it takes the token away from all who use it."""
        mounted = tmp_path / "mounted"
        mounted.mkdir(mode=0o700)
        shutil.copy2(cluster.keys / OLD, mounted / OLD)
        with installer.installed({"encryption": {"mode": "seal", "keysDir": str(mounted)}}) as installation:
            place, name = installation.new_namespace(), "git-default-octocat"
            cluster.namespace = place.namespace
            accepted(place.create(secret({"ada": github.good_token(), "bob": github.good_token()}, name=name)))
            before = place.stored(name)
            for arguments in ((), (f"{place.namespace}/{name}",)):
                result = cluster.reseal(*arguments)
                assert result.exit_code == 3
                assert f"the webhook does not have the key {cluster.kid(NEW)} ({NEW})" in result.stderr
            assert place.stored(name) == before
            shutil.copy2(cluster.keys / NEW, mounted / NEW)
            wait_until(lambda: cluster.reseal().exit_code == 0, message="the server to read its keys again")
            assert cluster.sealed_by(name, "ada") == NEW
