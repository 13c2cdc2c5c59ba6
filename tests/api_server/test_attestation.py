"""One write asks the provider once: what the mutating call heard and signed, the validating call believes."""

import base64
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_server.other_webhook import Operation, later_webhook
from tests.api_server.webhook_process import (
    Installation,
    Installer,
    Simulation,
    accepted,
    refused,
    runtime_secret,
    user_secret,
)

RUNTIME = "runtime-repo-creds-secret"


@pytest.fixture(scope="module")
def replicas(installer: Installer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Two replicas with one key ring, that remember no answer."""
    folder = tmp_path_factory.mktemp("keys")
    write_key(folder / "2026-11")
    settings = {"limits": {"cacheTtl": "0s"}, "encryption": {"keysDir": str(folder)}}
    with installer.installed(settings, replicas=2) as installation:
        yield installation


@pytest.fixture(scope="module")
def called_once(installer: Installer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One whose mutating webhook isn't called again after another one's change, as an older installation has it."""
    folder = tmp_path_factory.mktemp("keys")
    write_key(folder / "2026-11")
    settings = {"limits": {"cacheTtl": "0s"}, "encryption": {"keysDir": str(folder)}}
    with installer.installed(settings, replicas=2) as installation:
        installation.never_reinvoke()
        yield installation


@pytest.fixture(params=["as the manifests have it", "never"])
def either(request: pytest.FixtureRequest) -> Installation:
    """Both ways of `reinvocationPolicy`."""
    found: Installation = request.getfixturevalue("called_once" if request.param == "never" else "replicas")
    return found


def write_key(path: Path) -> None:
    """A new key, for its owner alone."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(base64.b64encode(secrets.token_bytes(32)).decode())


def test_a_write_asks_the_provider_once(replicas: Installation, github: Simulation) -> None:
    """Whichever replica gets which of its two calls, and although neither remembers anything."""
    place = replicas.new_namespace()
    tokens = [github.good_token() for _ in range(8)]
    for number, token in enumerate(tokens):
        accepted(place.create(user_secret(token, f"git-default-{number}")))
    assert [github.requests(token) for token in tokens] == [1] * len(tokens)
    assert replicas.relay is not None
    assert len(replicas.relay.opened) == 2  # both had a part in it


def test_a_denial_asks_the_provider_once(replicas: Installation, github: Simulation) -> None:
    """The message is the same as without an attestation."""
    place, token = replicas.new_namespace(), github.weak_token()
    assert "a runtime token also needs admin:repo_hook" in refused(place.create(runtime_secret(token)))
    assert github.requests(token) == 1


def test_an_attestation_is_good_for_its_own_secret_alone(replicas: Installation, github: Simulation) -> None:
    """Copied to another Secret with a weaker token, it changes nothing."""
    place = replicas.new_namespace()
    accepted(place.create(runtime_secret(github.good_token())))
    stored = place.stored(RUNTIME)
    forged = runtime_secret(github.weak_token(), "another")
    forged["metadata"]["annotations"] = stored["metadata"]["annotations"]
    assert "a runtime token also needs admin:repo_hook" in refused(place.create(forged))


def test_a_rotated_token_is_not_covered_by_the_attestation_before(replicas: Installation, github: Simulation) -> None:
    """The stored annotation is about the token before."""
    place, weak = replicas.new_namespace(), github.weak_token()
    accepted(place.create(runtime_secret(github.good_token())))
    assert "a runtime token also needs" in refused(place.patch(RUNTIME, {"stringData": {"password": weak}}))
    assert github.requests(weak) == 1


def replaced(token: str, section: str) -> list[Operation]:
    """Another password, by either of a Secret's sections."""
    if section == "data":
        return [{"op": "replace", "path": "/data/password", "value": base64.b64encode(token.encode()).decode()}]
    return [{"op": "add", "path": "/stringData", "value": {"password": token}}]


@pytest.mark.parametrize("section", ["data", "stringData"])
def test_a_weak_token_that_another_webhook_puts_in_after_ours_is_refused(
    either: Installation, github: Simulation, section: str
) -> None:
    """The good one that we had seen and attested counts for nothing, called again or not; the provider is asked about
    the other, once."""
    place, good, weak = either.new_namespace(), github.good_token(), github.weak_token()
    with later_webhook(place, replaced(weak, section)):
        assert "a runtime token also needs admin:repo_hook" in refused(place.create(runtime_secret(good)))
    assert not place.exists(RUNTIME)
    assert (github.requests(good), github.requests(weak)) == (1, 1)


def test_a_good_token_that_another_webhook_puts_in_after_ours_is_asked_about(
    either: Installation, github: Simulation
) -> None:
    """It is what is stored, and so what has to be good."""
    place, good, other = either.new_namespace(), github.good_token(), github.good_token()
    with later_webhook(place, replaced(other, "data")):
        accepted(place.create(runtime_secret(good)))
    assert place.value(RUNTIME, "password") == other
    assert (github.requests(good), github.requests(other)) == (1, 1)


def test_another_host_that_another_webhook_puts_in_after_ours_is_judged(
    either: Installation, github: Simulation
) -> None:
    """What is attested of a token is attested of where it goes, too."""
    place, good = either.new_namespace(), github.good_token()
    elsewhere = base64.b64encode(b"https://gitlab.com/acme").decode()
    with later_webhook(place, [{"op": "replace", "path": "/data/url", "value": elsewhere}]):
        message = refused(place.create(runtime_secret(good)))
    assert "is a GitHub token, but goes to gitlab.com" in message
