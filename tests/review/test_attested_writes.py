"""What the mutating call signs spares the validating call, on whichever replica, its question. Nothing else does."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.support.factories import (
    Desk,
    allowed,
    denied,
    make_runtime_secret,
    make_subject,
    make_token,
    make_user_secret,
    patched,
)
from webhook.decision import Stage
from webhook.keyring.ring import ALWAYS, KeyRing, ephemeral_keyring
from webhook.names import ATTESTATION
from webhook.providers.requirements import Role
from webhook.review.attestation import verify
from webhook.subject import SecretObject

GOOD, OTHER, WEAK = make_token("r"), make_token("o"), make_token("w")
TOKENS = {GOOD: ("repo", "admin:repo_hook"), OTHER: ("repo", "admin:repo_hook"), WEAK: ("read:org",)}


@pytest.fixture
def ring() -> KeyRing:
    return ephemeral_keyring()


def replica(ring: KeyRing | None, configuration: str = "") -> Desk:
    """One of several servers; none shares its cache with another."""
    return Desk(TOKENS, configuration, ring=ring)


async def mutated(desk: Desk, secret: SecretObject, old: SecretObject | None = None) -> SecretObject:
    """The Secret as it leaves the mutating call."""
    return patched(secret, allowed(await desk.decide(make_subject(secret, old), Stage.MUTATE)).patch)


def data_of(token: str) -> SecretObject:
    return make_runtime_secret({"url": "https://github.com/acme", "username": "git", "password": token})


async def test_another_replica_with_the_same_keys_asks_nobody(ring: KeyRing) -> None:
    """One write asks the provider once, wherever its two calls end up."""
    one, two = replica(ring), replica(ring)
    secret = await mutated(one, data_of(GOOD))
    reviewed = await two.review(make_subject(secret))
    allowed(reviewed.decision)
    assert reviewed.describe()["attested"] is True
    assert (len(one.provider.asked), len(two.provider.asked)) == (1, 0)


async def test_what_is_attested_is_denied_like_what_was_asked(ring: KeyRing) -> None:
    """The attestation says what was found, and what follows from it is decided anew."""
    one, two, lone = replica(ring), replica(ring), replica(None)
    secret = await mutated(one, data_of(WEAK))
    assert denied(await two.decide(make_subject(secret))) == denied(await lone.decide(make_subject(data_of(WEAK))))
    assert two.provider.asked == []


@pytest.mark.parametrize(
    "change",
    [
        lambda secret: replace(secret, data=data_of(OTHER).data),
        lambda secret: replace(secret, name="another"),
        lambda secret: replace(secret, namespace="elsewhere"),
        lambda secret: replace(secret, data={**secret.data, "url": data_of(GOOD).data["username"]}),
        lambda secret: replace(secret, annotations={**secret.annotations, ATTESTATION: "nonsense"}),
        lambda secret: replace(secret, annotations={}),
        lambda secret: replace(secret, name="git-default-x"),
    ],
    ids=["token", "name", "namespace", "url", "forged", "removed", "role"],
)
async def test_what_differs_from_what_was_attested_is_judged_anew(ring: KeyRing, change: object) -> None:
    """As where a mutating webhook that runs after ours puts another token in, or somebody copies an attestation."""
    one, two = replica(ring), replica(ring)
    secret = await mutated(one, data_of(GOOD))
    reviewed = await two.review(make_subject(change(secret)))  # type: ignore[operator]
    assert reviewed.describe().get("attested") is False


@pytest.mark.parametrize("seconds", [-11, 61])
async def test_an_old_attestation_or_one_from_the_future_is_worth_nothing(ring: KeyRing, seconds: int) -> None:
    """It is good for one write, and not for what somebody kept."""
    from datetime import timedelta

    one, two = replica(ring), replica(ring)
    secret = await mutated(one, data_of(GOOD))
    two.now += timedelta(seconds=seconds)
    await two.decide(make_subject(secret))
    assert len(two.provider.asked) == 1


async def test_other_keys_prove_nothing(ring: KeyRing) -> None:
    """As of replicas without a common key ring."""
    secret = await mutated(replica(ring), data_of(GOOD))
    other = replica(ephemeral_keyring())
    allowed(await other.decide(make_subject(secret)))
    assert len(other.provider.asked) == 1


async def test_other_requirements_are_asked_about(ring: KeyRing) -> None:
    """A replica with a newer configuration doesn't believe what was held against the older one."""
    secret = await mutated(replica(ring), data_of(GOOD))
    stricter = replica(ring, "requirements: {github: {runtime: {scopes: [repo, admin:repo_hook, workflow]}}}")
    assert "workflow" in denied(await stricter.decide(make_subject(secret))).message


async def test_a_second_mutating_call_has_nothing_to_change(ring: KeyRing) -> None:
    """The API server calls again where another webhook changed something."""
    desk = replica(ring)
    secret = await mutated(desk, data_of(GOOD))
    assert allowed(await desk.decide(make_subject(secret), Stage.MUTATE)).patch == ()


async def test_an_update_that_leaves_the_tokens_keeps_what_was_attested(ring: KeyRing) -> None:
    """Nobody was asked, so there is nothing new to sign, and what was found remains true."""
    desk = replica(ring)
    stored = await mutated(desk, data_of(GOOD))
    again = await mutated(desk, replace(stored, labels={**stored.labels, "team": "a"}, annotations={}), stored)
    assert again.annotations[ATTESTATION] == stored.annotations[ATTESTATION]


async def test_a_rotated_token_leaves_the_others_attested(ring: KeyRing) -> None:
    """An audit still recognises those that this write left alone, after any time."""
    from datetime import timedelta

    from webhook.credentials.extract import extract
    from webhook.credentials.matching import classify

    desk = replica(ring)
    stored = await mutated(desk, make_user_secret({"ada": GOOD, "bob": GOOD}))
    desk.now += timedelta(days=1)
    rotated = await mutated(desk, replace(make_user_secret({"ada": GOOD, "bob": OTHER})), stored)
    match = classify(rotated, desk.settings.all_rules)
    attestation = verify(rotated.annotations[ATTESTATION], rotated, match.roles, ring, desk.now, max_age=None)
    entries = extract(rotated, match)
    assert all(attestation.entry(entry) is not None for entry in entries.values())


async def test_a_name_that_is_generated_is_covered(ring: KeyRing) -> None:
    """At the mutating call it isn't known yet."""
    one, two = replica(ring), replica(ring)
    unnamed = replace(make_user_secret({"token": GOOD}), name="", generate_name="git-default-")
    secret = await mutated(one, unnamed)
    allowed(await two.decide(make_subject(replace(secret, name="git-default-x7k2p"))))
    assert two.provider.asked == []


async def test_the_attestation_holds_no_token(ring: KeyRing) -> None:
    """Whoever may read annotations may read it."""
    import base64

    secret = await mutated(replica(ring), data_of(GOOD))
    payload = secret.annotations[ATTESTATION].split(".")[1]
    text = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
    assert GOOD not in text
    assert json.loads(text)["namespace"] == "runtime"


async def test_an_older_keys_attestation_is_signed_anew(ring: KeyRing) -> None:
    """By any write, so that the older key can go; nobody is asked for it."""
    newer = ephemeral_keyring().keys[0]
    both = replace(ring, keys=(ring.keys[0], replace(newer, name="zz")), since={**ring.since, newer.kid: ALWAYS})
    stored = await mutated(replica(ring), data_of(GOOD))
    later = replica(both)
    again = await mutated(later, replace(stored, labels={**stored.labels, "team": "a"}), stored)
    assert again.annotations[ATTESTATION] != stored.annotations[ATTESTATION]
    only = replace(both, keys=both.keys[1:])
    assert verify(again.annotations[ATTESTATION], again, [Role.RUNTIME], only, later.now, max_age=None).claims.entries
    assert later.provider.asked == []
