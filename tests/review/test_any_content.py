"""No content of a Secret makes a review raise: whatever is in it ends in a decision."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.keyring.rings import make_ring
from tests.support.factories import ARGOCD_TYPE, Desk, encode, make_subject, make_token
from webhook.credentials.values import METADATA_KEYS, TOKEN_KEYS
from webhook.decision import Allow, Decision, Deny, Stage
from webhook.keyring.jwe import Place, seal
from webhook.names import ATTESTATION, LAST_APPLIED, PREFIX
from webhook.review.attestation import attest
from webhook.settings.model import Encryption
from webhook.settings.source import parse_settings
from webhook.subject import SecretObject
from webhook.tokens.reseal import plan
from webhook.tokens.unseal import NoSuchValue, StaysClosed, open_one

pytestmark = pytest.mark.slow

ADA = make_token("a")
RING = make_ring("2026-10", "2026-11")
NO_BASE64 = ("!", "abc", "Zg=", "ZXlK*", "ZXlK\udc80", "é", "Zg==Zg==")

hosts = st.sampled_from(["github.com", "gitlab.com", "git.acme.dev", "[::1]", "a b", "localhost:1", "0x7f.1", "ü.dev"])
urls = st.builds(
    "{}{}/{}".format, st.sampled_from(["https://", "ssh://", "", "git@", "oci://", "x://"]), hosts, st.text()
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | urls | st.just(ADA)
names = st.sampled_from([*TOKEN_KEYS, "username", "url", "host", "provider", "Token"]) | st.text(max_size=5)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
json_texts = st.builds(lambda document: json.dumps(document, ensure_ascii=True), documents) | st.sampled_from(
    ["{", "{" * 5000, '{"token":' * 3000, '{"a":1' + "0" * 5000 + "}", '{"token":"\\ud800"}', '{"a":1,"a":1}', "[]"]
)
sealed = st.builds(
    lambda text, key, host, ring_key: seal(SecretStr(text), Place("runtime", key, host=host), ring_key),
    json_texts.filter(lambda text: len(text) < 40000) | st.just(ADA),
    st.sampled_from(["token", "alice", "url", "host", "provider", "password"]),
    st.none() | st.just("") | hosts,
    st.sampled_from(RING.keys),
)
texts = st.text() | st.just(ADA) | urls | json_texts | sealed | st.sampled_from(["helm", "oci", "true", "github"])
values = (
    texts.map(lambda text: base64.b64encode(text.encode(errors="surrogatepass")).decode())
    | st.binary(max_size=40).map(lambda content: base64.b64encode(content).decode())
    | st.sampled_from(NO_BASE64)
    | st.just("")
)
keys = st.sampled_from(sorted(METADATA_KEYS | set(TOKEN_KEYS) | {"alice", "bob"})) | st.text(max_size=8)
marks = st.dictionaries(
    st.sampled_from(
        [
            LAST_APPLIED,
            ATTESTATION,
            *(PREFIX + name for name in ("validation", "host", "encryption", "encryption-key-id", "skip-validation")),
        ]
    )
    | st.text(max_size=5),
    json_texts
    | st.text(max_size=10)
    | st.builds(lambda data: json.dumps({"data": data}), st.dictionaries(keys, values)),
    max_size=3,
)
labels = st.sampled_from([{ARGOCD_TYPE: "repo-creds"}, {ARGOCD_TYPE: "repository"}, {}, {PREFIX + "validation": "x"}])


@st.composite
def secrets(draw: st.DrawFn) -> SecretObject:
    """A Secret of either role or both, with anything in it."""
    return SecretObject(
        "runtime",
        draw(st.sampled_from(["git-default-a", "other", ""])),
        draw(st.sampled_from(["", "git-default-"])),
        labels=draw(labels),
        annotations=draw(marks),
        data=draw(st.dictionaries(keys, values, max_size=5)),
        immutable=draw(st.booleans()),
        in_string_data=frozenset(draw(st.sets(keys, max_size=2))),
    )


def desk(text: str, mode: str) -> Desk:
    configured = parse_settings(text)
    encryption = Encryption(mode="seal", keys_dir=Path("keys")) if mode == "seal" else Encryption()
    return Desk({ADA: ("repo",)}, configured.model_copy(update={"encryption": encryption}), ring=RING)


@pytest.mark.parametrize("mode", ["annotate", "seal"])
@pytest.mark.parametrize(
    "text", ["", "mode: warn", "rules: [{name: r, role: user, names: ['*'], urls: ['https://github.com/*']}]"]
)
@given(secret=secrets(), old=st.none() | secrets(), kept=st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_content_makes_a_review_raise(
    mode: str, text: str, secret: SecretObject, old: SecretObject | None, kept: bool
) -> None:
    """In both stages, when it is judged too late, and where it only stands there."""
    if old is not None and kept:
        secret = replace(secret, data={**old.data, **secret.data})

    async def decisions() -> list[Decision]:
        here = desk(text, mode)
        subject = make_subject(secret, old)
        found = [await here.decide(subject, stage) for stage in (Stage.MUTATE, Stage.VALIDATE)]
        found += [here.reviewer.late(subject, stage) for stage in (Stage.MUTATE, Stage.VALIDATE)]
        await here.reviewer.judge(secret, asyncio.get_running_loop().time() + 60)
        return found

    assert all(isinstance(one, Allow | Deny) for one in asyncio.run(decisions()))


@given(secrets())
@settings(max_examples=200, deadline=None)
def test_no_content_makes_the_commands_for_sealed_values_raise(secret: SecretObject) -> None:
    """`reseal` plans it, `unseal` opens it or says why not."""
    here = desk("", "seal")
    plan(secret, RING, here.now)
    for key in (None, *secret.data):
        try:
            open_one(secret, key, RING)
        except (NoSuchValue, StaysClosed) as error:
            assert ADA not in str(error)
    assert attest(secret, (), (), RING, here.now) is None


@pytest.mark.parametrize("mode", ["annotate", "seal"])
@pytest.mark.parametrize("value", NO_BASE64[:4])
@pytest.mark.parametrize(
    "others",
    [
        {"url": "git@github.com:acme", "password": ADA},
        {"url": "https://a b"},
        {"sshPrivateKey": "x", "url": "https://a b"},
    ],
    ids=["token", "malformed url", "SSH key"],
)
async def test_no_base64_is_denied_in_every_mode(mode: str, value: str, others: dict[str, str]) -> None:
    """In a Secret of both roles, also beside what is enough to judge it by."""
    data = {key: encode(text) for key, text in others.items()} | {"alice": value}
    secret = SecretObject("runtime", "git-default-a", labels={ARGOCD_TYPE: "repo-creds"}, data=data)
    await desk("", mode).decide(make_subject(secret), Stage.MUTATE)
    decision = await desk("", mode).decide(make_subject(secret))
    assert isinstance(decision, Deny)
    assert "data.alice is not valid base64" in decision.message
