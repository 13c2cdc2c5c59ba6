"""Users' tokens are stored sealed: what kubectl and the API server make of it, and that etcd never saw one."""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.api_server.other_webhook import later_webhook
from tests.api_server.test_attestation import write_key
from tests.api_server.webhook_process import (
    Installation,
    Installer,
    Place,
    Simulation,
    accepted,
    annotated,
    refused,
    runtime_secret,
    secret,
    user_secret,
)
from webhook.keyring.files import load_keyring_by_file_times
from webhook.keyring.jwe import Place as SealingPlace
from webhook.keyring.jwe import open_sealed, seal

USER = "git-default-octocat"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
AS_DATA, AS_STRING_DATA = "data", "stringData"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key ring."""
    folder = tmp_path_factory.mktemp("keys")
    write_key(folder / "2026-11")
    return folder


@pytest.fixture(scope="module")
def sealing(installer: Installer, keys: Path) -> Iterator[Installation]:
    """Two replicas that seal, and remember no answer."""
    settings = {"limits": {"cacheTtl": "0s"}, "encryption": {"mode": "seal", "keysDir": str(keys)}}
    with installer.installed(settings, replicas=2) as installation:
        yield installation


@pytest.fixture
def place(sealing: Installation) -> Place:
    """A new namespace where tokens are sealed."""
    return sealing.new_namespace()


def users(section: str, **values: str) -> dict[str, Any]:
    """A Secret with one entry a user, written in one of the two ways."""
    manifest = secret(values, name=USER)
    if section == AS_DATA:
        texts = manifest.pop(AS_STRING_DATA)
        manifest[AS_DATA] = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return manifest


def opened(place: Place, key: str, keys: Path, name: str = USER) -> str:
    """The token of a stored value, as a program opens it that uses it."""
    texts = [file.read_text() for file in keys.iterdir()]
    return open_sealed(place.value(name, key), texts, namespace=place.namespace, key=key)


def versions(place: Place, name: str = USER) -> str:
    """What changes whenever anything of a Secret does."""
    version: str = place.stored(name)["metadata"]["resourceVersion"]
    return version


def assert_etcd_never_saw(place: Place, *tokens: str) -> None:
    """Neither now nor in an old revision, as text or in base64, be it base64 of base64."""
    for token in tokens:
        once = base64.b64encode(token.encode())
        for form in (token.encode(), once, base64.b64encode(once)):
            assert not place.control_plane.etcd_contains(form.rstrip(b"=")), f"{token[:4]}… is in etcd"


def test_etcd_would_show_a_token_that_is_not_sealed(place: Place, github: Simulation) -> None:
    """The search finds what is there: a runtime token, which Argo CD must read."""
    token = github.good_token()
    accepted(place.create(runtime_secret(token)))
    assert place.control_plane.etcd_contains(token.encode())
    assert place.value("runtime-repo-creds-secret", "password") == token


def test_a_created_token_is_sealed(place: Place, github: Simulation, keys: Path) -> None:
    """The provider was asked once, whichever replica got which call."""
    token = github.good_token()
    accepted(place.create(user_secret(token)))
    assert opened(place, "token", keys) == token
    marks = place.marks(USER)
    assert (marks["encryption"], marks["encryption-algorithm"], marks["encrypted-keys"]) == (
        "sealed",
        "A256GCM",
        "token",
    )
    assert (marks["validation"], marks["account"]) == ("passed", "octocat")
    assert github.requests(token) == 1
    assert_etcd_never_saw(place, token)


@pytest.mark.parametrize("section", [AS_DATA, AS_STRING_DATA])
def test_applied_twice_nothing_changes(place: Place, github: Simulation, keys: Path, section: str) -> None:
    """Not even the version; kubectl has no difference to show, and its annotation holds what is stored."""
    tokens = {"ada": github.good_token(), "bob": github.good_token()}
    manifest = users(section, ada=tokens["ada"], bob=json.dumps({"token": tokens["bob"], "username": "bob"}))
    accepted(place.apply(manifest))
    before = place.stored(USER)
    asked = {name: github.requests(token) for name, token in tokens.items()}
    for _ in range(2):
        assert accepted(place.apply(manifest)) == ""
    assert place.stored(USER) == before
    assert {name: github.requests(token) for name, token in tokens.items()} == asked
    assert opened(place, "ada", keys) == tokens["ada"]
    assert json.loads(opened(place, "bob", keys))["token"] == tokens["bob"]
    kept = json.loads(before["metadata"]["annotations"][LAST_APPLIED])[section]
    stored = {key: place.value(USER, key) for key in tokens}
    assert kept == (before["data"] if section == AS_DATA else stored)
    assert_etcd_never_saw(place, *tokens.values())


@pytest.mark.parametrize("section", [AS_DATA, AS_STRING_DATA])
def test_applied_by_the_server_twice_nothing_changes(place: Place, github: Simulation, section: str) -> None:
    """The same manager has no conflict with what became of its value."""
    token = github.good_token()
    manifest = users(section, ada=token)
    accepted(place.apply(manifest, "--server-side"))
    before = versions(place)
    for _ in range(2):
        accepted(place.apply(manifest, "--server-side"))
    assert versions(place) == before
    assert github.requests(token) == 1
    assert_etcd_never_saw(place, token)


def test_kubectl_diff_sees_no_difference(place: Place, github: Simulation) -> None:
    """What it would apply is what is there."""
    manifest = users(AS_DATA, ada=github.good_token())
    accepted(place.apply(manifest))
    result = place.kubectl("diff", "-f", "-", input=json.dumps(manifest))
    assert result.returncode == 0, result.stdout


def test_an_edit_of_another_key_leaves_the_sealed_one(place: Place, github: Simulation) -> None:
    """By a patch, and by replacing it with what `kubectl get` shows."""
    token = github.good_token()
    accepted(place.create(user_secret(token)))
    sealed = place.value(USER, "token")
    accepted(place.patch(USER, {"stringData": {"note": "x"}}))
    stored = place.stored(USER)
    stored["data"]["note"] = base64.b64encode(b"y").decode()
    accepted(place.kubectl("replace", "-f", "-", input=json.dumps(stored)))
    assert place.value(USER, "token") == sealed
    assert place.value(USER, "note") == "y"
    assert github.requests(token) == 1


def test_one_rotated_token_leaves_the_others(place: Place, github: Simulation, keys: Path) -> None:
    """Only that one is asked about, and sealed anew."""
    tokens = {name: github.good_token() for name in ("ada", "bob", "carol")}
    accepted(place.apply(users(AS_DATA, **tokens)))
    before: Mapping[str, str] = place.stored(USER)["data"]
    rotated = {**tokens, "bob": github.good_token()}
    accepted(place.apply(users(AS_DATA, **rotated)))
    after: Mapping[str, str] = place.stored(USER)["data"]
    assert {key for key in after if after[key] != before[key]} == {"bob"}
    assert opened(place, "bob", keys) == rotated["bob"]
    assert [github.requests(token) for token in tokens.values()] == [1, 1, 1]
    assert_etcd_never_saw(place, *tokens.values(), rotated["bob"])


def test_a_user_dropped_from_the_manifest_is_dropped_from_the_secret(place: Place, github: Simulation) -> None:
    """kubectl knows by its annotation what it had applied, and that is still there."""
    tokens = {name: github.good_token() for name in ("ada", "bob")}
    accepted(place.apply(users(AS_DATA, **tokens)))
    accepted(place.apply(users(AS_DATA, ada=tokens["ada"])))
    assert place.stored(USER)["data"].keys() == {"ada"}


def test_a_weak_token_is_refused_as_ever(place: Place, github: Simulation) -> None:
    """And was never stored."""
    token = github.token("read:org")
    message = refused(place.apply(user_secret(token)))
    assert "data.token: github.com says that this classic token of octocat has read:org" in message
    assert token not in message
    assert_etcd_never_saw(place, token)


def test_a_generated_name_makes_no_difference(place: Place, github: Simulation, keys: Path) -> None:
    """At the mutating call it isn't known."""
    token = github.good_token()
    manifest = secret({"token": token}, generateName="git-default-")
    created = place.create(manifest, "-o", "name")
    accepted(created)
    assert opened(place, "token", keys, created.stdout.strip().removeprefix("secret/")) == token
    assert github.requests(token) == 1
    assert_etcd_never_saw(place, token)


def test_a_dry_run_shows_a_sealed_value_and_stores_none(place: Place, github: Simulation) -> None:
    """kubectl prints what would be stored."""
    token = github.good_token()
    result = place.create(user_secret(token), "--dry-run=server", "-o", "json")
    accepted(result)
    assert base64.b64decode(json.loads(result.stdout)["data"]["token"]).startswith(b"eyJ")
    assert base64.b64encode(token.encode()).decode() not in result.stdout
    assert not place.exists(USER)


def test_an_immutable_secret_is_sealed_once_and_can_be_applied_again(
    place: Place, github: Simulation, keys: Path
) -> None:
    """Any other data would be refused by the API server."""
    token = github.good_token()
    manifest = {**users(AS_DATA, token=token), "immutable": True}
    accepted(place.apply(manifest))
    before = versions(place)
    accepted(place.apply(manifest))
    assert versions(place) == before
    accepted(place.kubectl("label", "secret", USER, "team=a"))
    assert opened(place, "token", keys) == token
    assert_etcd_never_saw(place, token)


def test_a_skipped_token_is_sealed(place: Place) -> None:
    """Who may skip the check doesn't thereby store it in clear."""
    token = "ghp_" + "skipped" * 5
    manifest = annotated(user_secret(token), skip_validation="true")
    assert "is not validated" in accepted(place.create(manifest))
    assert place.marks(USER)["encryption"] == "sealed"
    assert_etcd_never_saw(place, token)


def test_where_the_mutating_call_is_missed_a_good_token_is_refused(
    installer: Installer, github: Simulation, keys: Path
) -> None:
    """As where somebody took that webhook configuration away."""
    settings = {"encryption": {"mode": "seal", "keysDir": str(keys)}}
    with installer.installed(settings, stages=("validate",)) as installation:
        place, token = installation.new_namespace(), github.good_token()
        message = refused(place.apply(user_secret(token)))
        assert "data.token: This token is in plain text" in message
        assert token not in message
        assert_etcd_never_saw(place, token)


def test_base64_in_lines_is_nowhere_in_clear(place: Place, github: Simulation, keys: Path) -> None:
    """As `base64` prints it and a block of YAML keeps it: the API server reads it, and kubectl remembers the lines."""
    token = json.dumps({"token": github.good_token(), "username": "octocat", "url": "https://github.com"})
    lines = base64.encodebytes(token.encode()).decode()
    assert "\n" in lines.rstrip()
    manifest = {**secret({}, name=USER), AS_DATA: {"ada": lines}}
    manifest.pop(AS_STRING_DATA)
    accepted(place.apply(manifest))
    assert opened(place, "ada", keys) == token
    stored = place.stored(USER)
    assert json.loads(stored["metadata"]["annotations"][LAST_APPLIED])["data"] == stored["data"]
    before = versions(place)
    accepted(place.apply(manifest))
    assert versions(place) == before
    assert_etcd_never_saw(place, token, lines.rstrip().replace("\n", "\\n"))


def test_a_token_that_another_webhook_puts_in_after_ours_is_sealed(
    place: Place, github: Simulation, keys: Path
) -> None:
    """Ours is called again, as the manifests have it."""
    good, other = github.good_token(), github.good_token()
    change = {"op": "replace", "path": "/data/token", "value": base64.b64encode(other.encode()).decode()}
    with later_webhook(place, [change]):
        accepted(place.apply(user_secret(good)))
    assert opened(place, "token", keys) == other
    assert github.requests(other) == 1
    assert_etcd_never_saw(place, good, other)


def test_where_ours_is_not_called_again_such_a_token_is_refused(
    installer: Installer, github: Simulation, keys: Path
) -> None:
    """Good or bad, it would be stored in plain text; a sealed value of somebody's is asked about like any other."""
    settings = {"limits": {"cacheTtl": "0s"}, "encryption": {"mode": "seal", "keysDir": str(keys)}}
    with installer.installed(settings) as installation:
        installation.never_reinvoke()
        place, good, other, weak = installation.new_namespace(), *(github.good_token() for _ in "ab"), github.token()
        plain = base64.b64encode(other.encode()).decode()
        with later_webhook(place, [{"op": "replace", "path": "/data/token", "value": plain}]):
            message = refused(place.apply(user_secret(good)))
        assert "data.token: This token is in plain text" in message
        sealed = seal(SecretStr(weak), SealingPlace(place.namespace, "token"), load_keyring_by_file_times(keys).keys[0])
        change = {"op": "replace", "path": "/data/token", "value": base64.b64encode(sealed.encode()).decode()}
        with later_webhook(place, [change]):
            assert "github.com says that this classic token of octocat has none" in refused(
                place.apply(user_secret(good))
            )
        assert github.requests(weak) == 1
        assert_etcd_never_saw(place, good, other, weak)


def test_without_its_label_a_secret_says_on_which_key_opens_it(place: Place, github: Simulation, keys: Path) -> None:
    """What was found of it goes, and the value stays sealed."""
    token = github.good_token()
    label = "io.codefresh.integration-type"
    accepted(place.create(secret({"token": token}, name="mine", labels={label: "git"})))
    before = place.marks("mine")
    accepted(place.kubectl("label", "secret", "mine", f"{label}-"))
    assert place.marks("mine") == {name: value for name, value in before.items() if name.startswith("encrypt")}
    assert opened(place, "token", keys, "mine") == token


def test_nothing_of_a_sealed_token_is_in_any_log(sealing: Installation, place: Place, github: Simulation) -> None:
    """Neither in ours nor in what the API server's audit log says of our part."""
    token = github.good_token()
    accepted(place.apply(users(AS_STRING_DATA, ada=token)))
    accepted(place.apply(users(AS_STRING_DATA, ada=token)))
    for text in (sealing.log, *(server.metrics for server in sealing.servers)):
        assert token not in text
        assert base64.b64encode(token.encode()).decode() not in text
    # What a person sends is in there at its level; what a webhook changes is in the annotations.
    events = place.control_plane.audit_events(namespace=place.namespace, resource="secrets")
    said = json.dumps([event.get("annotations") for event in events])
    assert '"patch.webhook.admission.k8s.io/' in said
    assert token not in said
    assert base64.b64encode(token.encode()).decode().rstrip("=") not in said
