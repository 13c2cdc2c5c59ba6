"""Marks that a requester writes into a Secret: on every way out of a review they change nothing of what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.keyring.rings import make_ring
from tests.support.factories import (
    ARGOCD_TYPE,
    INTEGRATION,
    SKIP,
    Desk,
    FakeCluster,
    allowed,
    make_runtime_secret,
    make_secret,
    make_subject,
    make_token,
    make_user_secret,
    marks,
    patched,
)
from webhook.decision import Allow, Stage
from webhook.subject import SecretObject

GOOD, WEAK = make_token("g"), make_token("w")
TOKENS = {GOOD: ("admin:repo_hook", "repo"), WEAK: ("read:org",)}
MANY = {f"user-{number}": GOOD for number in range(3)}
PREFIX = "git-token-webhook/"
RING = make_ring()

LABELS = ("role", "provider", "validation", "made-up")
ANNOTATIONS = (
    "host",
    "account",
    "token-type",
    "scopes",
    "expires-at",
    "probed",
    "validated-at",
    "skip-reason",
    "attestation",
    "encryption",
    "encryption-algorithm",
    "encryption-key-id",
    "encrypted-keys",
    "validation",
    "message",
    "made-up",
)
VALUES = st.sampled_from(["passed", "runtime", "octocat", "sealed", "none", "", '{"token":"passed"}', "x.y.z"])
FORGED = st.tuples(
    st.dictionaries(st.sampled_from(LABELS).map(PREFIX.__add__), VALUES),
    st.dictionaries(st.sampled_from(ANNOTATIONS).map(PREFIX.__add__), VALUES),
)
Forged = tuple[Mapping[str, str], Mapping[str, str]]


@dataclass(frozen=True)
class Way:
    """A write that ends in one certain way out of the review.

    Attributes:
        forged_before: the stored Secret has the forged marks too, since the API server didn't call when it was written.
    """

    secret: SecretObject
    old: SecretObject | None = None
    configuration: str = ""
    silent: bool = False
    forged_before: bool = False


PLAIN = make_secret({"password": WEAK})
STORED = make_runtime_secret(
    {"url": "https://github.com/acme", "password": WEAK},
    labels={f"{PREFIX}role": "runtime", f"{PREFIX}validation": "warned"},
    annotations={f"{PREFIX}host": "github.com"},
)
UNMARKED = make_runtime_secret({"url": "https://github.com/acme", "password": WEAK})

WAYS: dict[str, Way] = {
    "no credential Secret": Way(PLAIN),
    "no credential Secret, updated": Way(replace(PLAIN, labels={"a": "b"}), PLAIN),
    "a type that Kubernetes defines": Way(make_user_secret({"token": WEAK}, type="kubernetes.io/tls")),
    "a namespace that no rule names": Way(
        make_secret({"token": WEAK}, labels={"team": "a"}),
        configuration="rules: [{name: r, role: user, labels: {team: a}, namespaces: [other]}]",
    ),
    "no more a credential Secret": Way(replace(UNMARKED, labels={}), STORED),
    "no base64": Way(replace(UNMARKED, data={"password": "%"})),
    "nothing in it": Way(make_user_secret({})),
    "no token": Way(make_runtime_secret({})),
    "unchanged": Way(UNMARKED, STORED),
    "unchanged and never checked": Way(replace(UNMARKED, annotations={"a": "b"}), UNMARKED),
    "a label that makes it ours": Way(replace(PLAIN, labels={ARGOCD_TYPE: "repo-creds"}), PLAIN, forged_before=True),
    "a label that makes it ours, empty": Way(
        make_secret({}, labels={INTEGRATION: "git"}), make_secret({}), forged_before=True
    ),
    "judged": Way(UNMARKED),
    "judged, created with a deletionTimestamp": Way(replace(UNMARKED, deleting=True)),
    "changed while it is being deleted": Way(make_runtime_secret({"password": GOOD}), replace(STORED, deleting=True)),
    "good": Way(make_runtime_secret({"url": "https://github.com/acme", "password": GOOD})),
    "no answer": Way(UNMARKED, silent=True),
    "unsupported": Way(make_runtime_secret({"url": "git@github.com:acme/apps", "sshPrivateKey": "x"})),
    "host not declared": Way(make_runtime_secret({"url": "https://git.example.org", "password": WEAK})),
    "skipped": Way(UNMARKED, configuration="installer: {skipValidation: true}"),
    "too many tokens": Way(make_user_secret(MANY), configuration="limits: {tokensPerWrite: 2}"),
    "forbidden to skip": Way(replace(UNMARKED, annotations={SKIP: "true"})),
}
MODES = (
    "",
    "mode: warn",
    "encryption: {mode: seal, keysDir: /keys}",
    "mode: warn\nencryption: {mode: seal, keysDir: /keys}",
)


def with_marks(secret: SecretObject, forged: Forged) -> SecretObject:
    labels, annotations = forged
    return replace(secret, labels={**secret.labels, **labels}, annotations={**secret.annotations, **annotations})


def desk_for(way: Way, mode: str) -> Desk:
    desk = Desk(TOKENS, f"{way.configuration}\n{mode}", FakeCluster(), RING)
    desk.provider.silent = way.silent
    return desk


async def marked(way: Way, mode: str, forged: Forged, *, late: bool) -> tuple[Any, ...]:
    """The marks of the Secret after the mutating call, and how that ends; of a sealed value, that it is."""
    old = with_marks(way.old, forged) if way.old is not None and way.forged_before else way.old
    secret = with_marks(way.secret, forged)
    desk, subject = desk_for(way, mode), make_subject(secret, old)
    decision = desk.reviewer.late(subject, Stage.MUTATE) if late else await desk.decide(subject, Stage.MUTATE)
    if not isinstance(decision, Allow):
        return (decision,)
    stored = patched(secret, decision.patch)
    changed = {key for key, value in stored.data.items() if secret.data[key] != value}
    return marks(stored.labels), marks(stored.annotations), changed


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("late", [False, True], ids=["in time", "late"])
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(forged=FORGED)
async def test_marks_of_a_requester_change_nothing(way: str, mode: str, late: bool, forged: Forged) -> None:
    """With them or without, the same marks are stored: on each way out of the review, in time and late."""
    clean = await marked(WAYS[way], mode, ({}, {}), late=late)
    assert await marked(WAYS[way], mode, forged, late=late) == clean


@pytest.mark.parametrize("stage", list(Stage))
async def test_a_deletion_that_goes_on_keeps_the_marks_that_are_stored(stage: Stage) -> None:
    """Only such an update passes unasked, so that nothing has to be written."""
    old = replace(STORED, deleting=True)
    desk = Desk(TOKENS)
    assert (
        await desk.decide(make_subject(replace(old, annotations={**old.annotations, "a": "b"}), old), stage) == Allow()
    )
    assert desk.provider.asked == []


@pytest.mark.parametrize(
    "secret",
    [
        replace(STORED, data=make_runtime_secret({"password": make_token("d")}).data),
        replace(STORED, labels={**STORED.labels, "io.codefresh.integration-type": "git"}),
    ],
    ids=["another token", "another role"],
)
async def test_a_change_of_a_secret_that_is_being_deleted_is_judged(secret: SecretObject) -> None:
    """A finalizer keeps it for as long as its owner likes, and its token is used meanwhile."""
    desk = Desk(TOKENS)
    old = replace(STORED, deleting=True)
    assert not isinstance(await desk.decide(make_subject(replace(secret, deleting=True), old)), Allow)


async def test_too_many_tokens_are_marked_as_not_checked() -> None:
    """The label says that `mode: enforce` would have denied the write."""
    way = replace(WAYS["too many tokens"], configuration="mode: warn\nlimits: {tokensPerWrite: 2}")
    desk = desk_for(way, "")
    decision = allowed(await desk.decide(make_subject(way.secret), Stage.MUTATE))
    stored = patched(way.secret, decision.patch)
    assert marks(stored.labels) == {"role": "user", "validation": "warned"}
    said = allowed(await desk.decide(make_subject(stored)))
    assert said.audit_annotations == {"roles": "user", "validation": "warned"}
