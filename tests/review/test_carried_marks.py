"""A manifest that contains this webhook's own labels and annotations gets a warning."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.keyring.rings import make_ring
from tests.support.factories import SKIP, Desk, make_runtime_secret, make_subject, make_token
from webhook.decision import Allow, Stage
from webhook.subject import SecretObject

GOOD = make_token("g")
PREFIX = "git-token-webhook/"
TEXT = "The manifest contains "


@pytest.fixture
def desk() -> Desk:
    return Desk({GOOD: ("admin:repo_hook", "repo")}, ring=make_ring())


def manifest(**annotations: str) -> SecretObject:
    data = {"url": "https://github.com/acme", "username": "git", "password": GOOD}
    return make_runtime_secret(data, annotations={PREFIX + name: value for name, value in annotations.items()})


async def warnings(desk: Desk, secret: SecretObject, old: SecretObject | None = None) -> list[str]:
    decision = await desk.decide(make_subject(secret, old), Stage.MUTATE)
    assert isinstance(decision, Allow)
    return [warning for warning in decision.warnings if warning.startswith(TEXT)]


async def test_an_exported_secret_gets_a_warning(desk: Desk) -> None:
    """It names what to remove."""
    (warning,) = await warnings(desk, manifest(attestation="x.y.z", host="old.example"))
    assert warning == (
        f"{TEXT}git-token-webhook/attestation, git-token-webhook/host, which git-token-webhook sets itself; "
        "remove them from the manifest."
    )


async def test_a_manifest_that_is_applied_again_gets_a_warning(desk: Desk) -> None:
    """Its annotations differ from what is stored."""
    stored = await desk.store(manifest())
    applied = replace(stored, annotations={**stored.annotations, PREFIX + "validated-at": "2026-01-01T00:00:00Z"})
    assert len(await warnings(desk, applied, stored)) == 1


async def test_what_the_stored_secret_has_gets_no_warning(desk: Desk) -> None:
    """`kubectl edit` sends all labels and annotations back."""
    stored = await desk.store(manifest())
    assert await warnings(desk, replace(stored, labels={**stored.labels, "team": "a"}), stored) == []


async def test_a_second_call_for_the_same_write_gets_no_warning(desk: Desk) -> None:
    """The API server calls again if another webhook changes the Secret."""
    secret = manifest()
    first = await desk.store(secret)
    assert await warnings(desk, first) == []


async def test_unknown_names_and_annotations_of_users_are_not_named(desk: Desk) -> None:
    """A name can be anything, and the skip annotation belongs into manifests."""
    secret = replace(manifest(), annotations={PREFIX + GOOD: "x", SKIP: "false"})
    assert await warnings(desk, secret) == []


async def test_the_list_is_short(desk: Desk) -> None:
    """Three names, and the number of the others."""
    (warning,) = await warnings(desk, manifest(attestation="x", host="x", scopes="x", probed="x", account="x"))
    assert "git-token-webhook/account and 2 more, which" in warning
