"""Where user tokens are sealed, none is stored in plain text, and nobody who writes notices."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.support.factories import (
    ARGOCD_TYPE,
    INTEGRATION,
    SKIP,
    Desk,
    FakeCluster,
    allowed,
    denied,
    encode,
    make_runtime_secret,
    make_subject,
    make_token,
    make_user_secret,
    marks,
    patched,
)
from webhook.credentials.extract import extract
from webhook.credentials.matching import classify
from webhook.decision import Stage
from webhook.keyring.jwe import LONGEST, Place, open_value, seal, sealed_length
from webhook.keyring.key import derive_key
from webhook.keyring.opener import Opener
from webhook.keyring.ring import ALWAYS, KeyRing
from webhook.names import LAST_APPLIED
from webhook.providers.requirements import Role
from webhook.review.sealing import MOST_ANNOTATIONS, MOST_DATA
from webhook.settings.model import Encryption
from webhook.settings.source import parse_settings
from webhook.subject import SecretObject

ADA, BOB, WEAK, UNKNOWN = (make_token(name) for name in ("a", "b", "w", "x"))
TOKENS = {ADA: ("repo", "admin:repo_hook"), BOB: ("repo", "admin:repo_hook"), WEAK: ("read:org",)}


def key(number: int) -> Any:
    return derive_key(bytes((number + step) % 256 for step in range(32)), f"key-{number}")


def ring_of(*numbers: int) -> KeyRing:
    keys = tuple(key(number) for number in numbers)
    return KeyRing(keys, {one.kid: ALWAYS for one in keys})


INTEGRATED = {INTEGRATION: "git"}
RING = ring_of(1)
KID = RING.keys[0].kid


def desk(text: str = "", *, ring: KeyRing = RING, cluster: FakeCluster | None = None) -> Desk:
    settings = parse_settings(text).model_copy(update={"encryption": Encryption(mode="seal", keys_dir=Path("keys"))})
    return Desk(TOKENS, settings, cluster, ring=ring)


def stored_value(secret: SecretObject, name: str) -> str:
    return base64.b64decode(secret.data[name]).decode()


def opened(secret: SecretObject, name: str, ring: KeyRing = RING) -> str:
    """What a sealed value of a stored Secret holds."""
    place = Place(secret.namespace, name)
    return open_value(stored_value(secret, name), place, ring).plaintext.get_secret_value()


def written_again(secret: SecretObject, stored: SecretObject) -> SecretObject:
    """What an UPDATE by the same manifest brings: its data, and the marks that are there."""
    return replace(secret, labels=stored.labels, annotations={**stored.annotations, **secret.annotations})


def applied(secret: SecretObject, *, string_data: Mapping[str, str] | None = None) -> SecretObject:
    """The Secret as `kubectl apply` sends it."""
    manifest: dict[str, object] = {"apiVersion": "v1"}
    if string_data is None:
        manifest["data"] = dict(secret.data)
    manifest |= {"kind": "Secret", "metadata": {"annotations": {}, "name": secret.name, "namespace": "runtime"}}
    if string_data is not None:
        manifest["stringData"] = dict(string_data)
    text = json.dumps(manifest, separators=(",", ":")) + "\n"
    return replace(secret, annotations={**secret.annotations, LAST_APPLIED: text})


def everything(secret: SecretObject) -> str:
    """All that is stored of a Secret, with what base64 would hide."""
    values = [base64.b64decode(value).decode(errors="replace") for value in secret.data.values()]
    return "\n".join([*values, *secret.data.values(), *secret.labels.values(), *secret.annotations.values()])


def assert_holds_none_of(secret: SecretObject, *tokens: str) -> None:
    text = everything(secret)
    for token in tokens:
        assert token not in text
        assert encode(token).rstrip("=") not in text


# --- What is sealed ---------------------------------------------------------------------------------------------------


async def test_a_users_token_is_stored_sealed() -> None:
    """It opens where it belongs, and the annotations say how it is stored."""
    stored = await desk().store(make_user_secret({"token": ADA, "username": "ada"}))
    assert opened(stored, "token") == ADA
    assert stored_value(stored, "username") == "ada"
    found = marks(stored.annotations)
    assert found["encryption"] == "sealed"
    assert found["encryption-algorithm"] == "A256GCM"
    assert found["encryption-key-id"] == KID
    assert found["encrypted-keys"] == "token"
    assert_holds_none_of(stored, ADA)


async def test_one_entry_a_user_is_sealed_by_itself() -> None:
    """JSON as a whole; the annotations tell them apart."""
    document = json.dumps({"token": BOB, "username": "bob"})
    stored = await desk().store(make_user_secret({"ada": ADA, "bob": document}))
    assert (opened(stored, "ada"), opened(stored, "bob")) == (ADA, document)
    found = marks(stored.annotations)
    assert json.loads(found["encryption"]) == {"ada": "sealed", "bob": "sealed"}
    assert json.loads(found["encryption-key-id"]) == {"ada": KID, "bob": KID}
    assert json.loads(found["encryption-algorithm"]) == {"ada": "A256GCM", "bob": "A256GCM"}
    assert found["encrypted-keys"] == "ada,bob"
    assert_holds_none_of(stored, ADA, BOB, document)


async def test_the_provider_is_asked_once_about_what_is_sealed() -> None:
    """The attestation is about the token, so that it holds for the sealed value on any replica."""
    one, two = desk(), desk()
    secret = make_user_secret({"ada": ADA, "bob": BOB})
    mutated = patched(secret, allowed(await one.decide(make_subject(secret), Stage.MUTATE)).patch)
    allowed(await two.decide(make_subject(mutated)))
    assert (len(one.provider.asked), len(two.provider.asked)) == (2, 0)


async def test_a_sealed_token_is_judged_by_what_it_holds() -> None:
    """Also by a replica that has to ask itself."""
    secret = make_user_secret({"token": WEAK})
    mutated = patched(secret, allowed(await desk().decide(make_subject(secret), Stage.MUTATE)).patch)
    asking = desk()
    decision = denied(await asking.decide(make_subject(replace(mutated, annotations={}))))
    assert decision == denied(await Desk(TOKENS).decide(make_subject(secret)))
    assert asking.provider.tokens_asked_about == [WEAK]


@pytest.mark.parametrize("value", ["token", "json"])
async def test_a_skipped_token_is_sealed_as_well(value: str) -> None:
    """That nobody checks it makes it no less secret."""
    text = UNKNOWN if value == "token" else json.dumps({"token": UNKNOWN})
    stored = await desk("app-proxy: {config: {skipGitPermissionValidation: 'true'}}").store(
        make_user_secret({"token": text})
    )
    assert opened(stored, "token") == text
    assert marks(stored.labels)["validation"] == "skipped"


async def test_what_an_annotation_exempts_is_sealed_as_well() -> None:
    """By whoever may."""
    exempting = desk(cluster=FakeCluster(may=frozenset({"root"})))
    secret = make_user_secret({"token": UNKNOWN}, annotations={SKIP: "true"})
    assert opened(await exempting.store(secret, requester="root"), "token") == UNKNOWN


@pytest.mark.parametrize(
    ("text", "value"),
    [("mode: warn", WEAK), ("mode: warn", f"{ADA}\n"), ("mode: warn", '{"token": "'), ("onUnverified: warn", UNKNOWN)],
    ids=["weak", "line break", "broken JSON", "unverified"],
)
async def test_what_is_let_in_with_a_warning_is_sealed_as_well(text: str, value: str) -> None:
    """Malformed values, too."""
    lenient = desk(text)
    lenient.provider.silent = "onUnverified" in text
    assert opened(await lenient.store(make_user_secret({"token": value})), "token") == value


async def test_tokens_beside_a_url_that_is_malformed_are_sealed_where_that_is_let_in() -> None:
    """Then the token has no entry of its own."""
    stored = await desk("mode: warn").store(make_user_secret({"url": "http:/x", "token": ADA}))
    assert opened(stored, "token") == ADA
    assert json.loads(marks(stored.annotations)["encryption"]) == {"token": "sealed", "url": "none"}


async def test_more_tokens_than_can_be_checked_are_sealed_where_they_are_let_in() -> None:
    """Nobody has judged them, so that nothing is said of them."""
    crowded = desk("{mode: warn, limits: {tokensPerWrite: 1}}")
    stored = await crowded.store(make_user_secret({"ada": ADA, "bob": BOB}))
    assert (opened(stored, "ada"), opened(stored, "bob")) == (ADA, BOB)


async def test_tokens_of_a_provider_that_cannot_be_checked_are_sealed() -> None:
    """Who could be asked has nothing to do with who may read it."""
    secret = make_user_secret({"url": "https://git.unknown.example/acme", "token": UNKNOWN})
    assert opened(await desk().store(secret), "token") == UNKNOWN


async def test_a_username_that_is_a_token_is_sealed() -> None:
    """It counts as a token wherever it stands."""
    stored = await desk("mode: warn").store(make_user_secret({"token": ADA, "username": ADA}))
    assert_holds_none_of(stored, ADA)


# --- What isn't -------------------------------------------------------------------------------------------------------


async def test_runtime_tokens_are_never_sealed() -> None:
    """Argo CD must read them."""
    secret = make_runtime_secret({"url": "https://github.com/acme", "password": ADA})
    stored = await desk().store(secret)
    assert stored.data == secret.data
    assert marks(stored.annotations)["encryption"] == "none"


async def test_of_both_roles_the_platforms_entries_stay_plain() -> None:
    """What only users read is sealed."""
    labels = {ARGOCD_TYPE: "repo-creds", INTEGRATION: "git"}
    data = {"url": "https://github.com/acme", "password": ADA, "token": BOB}
    secret = make_user_secret(data, labels=labels)
    sealing_desk = desk()
    stored = await sealing_desk.store(secret)
    assert stored_value(stored, "password") == ADA
    assert opened(stored, "token") == BOB
    assert json.loads(marks(stored.annotations)["encryption"]) == {"password": "none", "token": "sealed"}
    assert await sealing_desk.store(written_again(secret, stored), stored) == stored


async def test_a_sealed_token_is_no_use_to_the_platform() -> None:
    """The label put on a user's Secret makes it a runtime's, which could not open it."""
    sealing_desk = desk()
    stored = await sealing_desk.store(make_user_secret({"password": ADA}))
    labelled = replace(stored, labels={**stored.labels, ARGOCD_TYPE: "repo-creds"})
    message = denied(await sealing_desk.decide(make_subject(labelled, stored))).message
    assert "data.password: This value is sealed, but Argo CD cannot open sealed values" in message


@pytest.mark.parametrize("data", [{"token": ""}, {}], ids=["empty", "none"])
async def test_where_nothing_is_nothing_is_sealed(data: dict[str, str]) -> None:
    """An empty value is malformed, and let in as it is where that is."""
    stored = await desk("mode: warn").store(make_user_secret(data))
    assert stored.data == make_user_secret(data).data


def jwe_of_somebody_else() -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"dir","enc":"A256GCM"}').decode().rstrip("=")
    return f"{header}..{'i' * 16}.{'c' * 40}.{'t' * 22}"


@pytest.mark.parametrize(
    "data",
    [
        {"token": jwe_of_somebody_else()},
        {"ada": json.dumps({"token": jwe_of_somebody_else()})},
        {"token": "0af1" * 16, "encryptionIV": "0" * 32},
        {"token": b"\xff\xfe\x00"},
        {"token": seal(SecretStr(ADA), Place("runtime", "token"), key(2))},
    ],
    ids=["JWE", "JWE in JSON", "IV", "bytes", "sealed by a key that is gone"],
)
async def test_what_somebody_else_encrypted_stays_as_it_is(data: dict[str, str | bytes]) -> None:
    """Nobody can tell what it is; it is not sealed again."""
    secret = make_user_secret(data)
    stored, decision = await desk().write(secret)
    assert stored.data == secret.data
    assert "cannot be checked" in " ".join(allowed(decision).warnings)
    assert marks(stored.annotations)["encryption"] == "external"


async def test_a_value_sealed_by_a_key_that_is_gone_names_that_key() -> None:
    """So that somebody can bring it back."""
    value = seal(SecretStr(ADA), Place("runtime", "token"), key(2))
    _, decision = await desk().write(make_user_secret({"token": value}))
    assert f"is sealed by the key {key(2).kid}, which this webhook doesn't have" in allowed(decision).warnings[0]


async def test_a_value_that_belongs_elsewhere_is_refused() -> None:
    """Copied from another namespace, or to another key."""
    for place in (Place("team", "token"), Place("runtime", "password")):
        secret = make_user_secret({"token": seal(SecretStr(ADA), place, key(1))})
        assert "opens nowhere else" in denied((await desk().write(secret))[1]).message


async def test_a_value_that_was_changed_is_refused() -> None:
    """Its key is ours, and it isn't what that has sealed."""
    value = seal(SecretStr(ADA), Place("runtime", "token"), key(1))
    secret = make_user_secret({"token": value[:-1] + ("A" if value[-1] != "A" else "Q")})
    assert "was changed or cut off" in denied((await desk().write(secret))[1]).message


@pytest.mark.parametrize("plaintext", [ADA, ""])
async def test_what_is_sealed_for_elsewhere_is_never_sealed_again(plaintext: str) -> None:
    """Where everything is let in, it stays as it is."""
    value = seal(SecretStr(plaintext), Place("team", "token"), key(1))
    stored = await desk("mode: warn").store(make_user_secret({"token": value}))
    assert stored_value(stored, "token") == value
    assert marks(stored.annotations)["encryption"] == "none"


async def test_a_secret_that_sealing_makes_too_large_is_denied() -> None:
    """With the size that it would have: the API server only says that something is too long."""
    document = json.dumps({"token": ADA, "note": "x " * 20_000})
    users: dict[str, str | bytes] = {f"user-{number}": document for number in range(22)}
    secret = make_user_secret(users)
    assert sum(len(document) for _ in users) < MOST_DATA
    stored, decision = await desk().write(secret)
    assert stored.data == secret.data
    denial = denied(decision)
    assert [cause.field for cause in denial.causes] == [f"data.user-{number}" for number in range(22)]
    assert f"more than the {MOST_DATA} that Kubernetes allows" in denial.causes[0].message
    (size,) = {
        int(text) for cause in denial.causes for text in re.findall(r"this Secret has (\d+) bytes", cause.message)
    }
    assert size == sum(sealed_length(len(document), Place("runtime", name, host="github.com")) for name in users)
    fewer = await desk().store(make_user_secret(dict(list(users.items())[:18])))
    assert all(stored_value(fewer, name).startswith("eyJ") for name in fewer.data)


async def test_annotations_that_sealing_makes_too_large_lose_that_of_kubectl() -> None:
    """Together, although each alone would fit: the API server would deny the whole write."""
    users = {f"user-{number}": make_token(f"{number:04}") for number in range(100)}
    secret = applied(make_user_secret(users))
    room = MOST_ANNOTATIONS - len(LAST_APPLIED) - len(secret.annotations[LAST_APPLIED]) - 2000
    others = {f"tool-{number}.dev/note": "x" * (room // 2) for number in range(2)}
    secret = replace(secret, annotations={**secret.annotations, **others})
    skipping = desk("app-proxy: {config: {skipGitPermissionValidation: 'true'}}")
    mutated = allowed(await skipping.decide(make_subject(secret), Stage.MUTATE))
    assert "was removed" in " ".join(mutated.warnings)
    stored = await skipping.store(secret)
    assert LAST_APPLIED not in stored.annotations
    assert sum(len(name) + len(text) for name, text in stored.annotations.items()) <= MOST_ANNOTATIONS


async def test_a_value_that_is_too_long_to_be_sealed_is_refused() -> None:
    """Nothing is stored in plain text because it is large."""
    document = json.dumps({"token": ADA, "note": "word " * (LONGEST // 5 + 1)})
    _, decision = await desk().write(make_user_secret({"ada": document}))
    (cause,) = denied(decision).causes
    assert cause.field == "data.ada"
    assert "too long to seal" in cause.message


# --- Written again ----------------------------------------------------------------------------------------------------


async def test_a_repeated_write_changes_nothing_and_asks_nobody() -> None:
    """The stored value opens to what is written, and is kept byte for byte."""
    sealing_desk = desk()
    secret = make_user_secret({"ada": ADA, "bob": json.dumps({"token": BOB})})
    stored = await sealing_desk.store(secret)
    sealing_desk.now += timedelta(days=1)
    sealing_desk.provider.asked.clear()
    assert await sealing_desk.store(written_again(secret, stored), stored) == stored
    assert await sealing_desk.store(stored, stored) == stored
    assert sealing_desk.provider.asked == []


async def test_the_second_mutating_call_for_a_write_changes_nothing() -> None:
    """The API server calls again where another webhook changed something."""
    sealing_desk = desk()
    secret = applied(make_user_secret({"ada": ADA, "bob": BOB}))
    mutated = patched(secret, allowed(await sealing_desk.decide(make_subject(secret), Stage.MUTATE)).patch)
    assert allowed(await sealing_desk.decide(make_subject(mutated), Stage.MUTATE)).patch == ()


async def test_a_rotated_token_leaves_the_others_as_they_are() -> None:
    """Only what changed is judged, and sealed anew."""
    sealing_desk = desk()
    stored = await sealing_desk.store(make_user_secret({"ada": ADA, "bob": ADA, "carol": ADA}))
    sealing_desk.provider.asked.clear()
    again = await sealing_desk.store(
        written_again(make_user_secret({"ada": ADA, "bob": BOB, "carol": ADA}), stored), stored
    )
    assert sealing_desk.provider.tokens_asked_about == [BOB]
    assert opened(again, "bob") == BOB
    assert {name for name in stored.data if stored.data[name] != again.data[name]} == {"bob"}


async def test_an_edit_of_another_key_keeps_the_sealed_value() -> None:
    """As `kubectl edit` sends it: all that is stored, and one change."""
    sealing_desk = desk()
    stored = await sealing_desk.store(make_user_secret({"token": ADA}))
    again = await sealing_desk.store(replace(stored, data={**stored.data, "note": encode("x")}), stored)
    assert again.data == {**stored.data, "note": encode("x")}
    assert again.annotations == stored.annotations


async def test_a_relabelling_seals_what_was_stored_before() -> None:
    """Any write of a Secret from before sealing began, without asking anybody."""
    stored = await Desk(TOKENS, ring=RING).store(make_user_secret({"token": ADA}))
    sealing_desk = desk()
    again = await sealing_desk.store(replace(stored, labels={**stored.labels, "team": "a"}), stored)
    assert opened(again, "token") == ADA
    assert marks(again.annotations)["encryption"] == "sealed"
    assert sealing_desk.provider.asked == []


async def test_a_secret_that_was_never_checked_says_only_how_it_is_stored() -> None:
    """Nothing was asked, and nothing is said of the token."""
    before = make_user_secret({"token": ADA})
    sealing_desk = desk()
    stored = await sealing_desk.store(replace(before, labels={"team": "a"}), before)
    assert marks(stored.annotations).keys() == {
        "encryption",
        "encryption-algorithm",
        "encryption-key-id",
        "encrypted-keys",
    }
    assert await sealing_desk.store(replace(stored, labels={"team": "b"}), stored) == replace(
        stored, labels={"team": "b"}
    )


async def test_a_new_key_seals_what_changes_and_leaves_the_rest() -> None:
    """What the old one sealed opens as long as that is there."""
    stored = await desk().store(make_user_secret({"ada": ADA, "bob": ADA}))
    rotated = desk(ring=ring_of(1, 2))
    again = await rotated.store(written_again(make_user_secret({"ada": ADA, "bob": BOB}), stored), stored)
    assert again.data["ada"] == stored.data["ada"]
    assert json.loads(marks(again.annotations)["encryption-key-id"]) == {"ada": KID, "bob": key(2).kid}


async def test_a_sealed_value_goes_into_another_secret_of_its_namespace() -> None:
    """It opens there, is judged anew, and is sealed no second time."""
    stored = await desk().store(make_user_secret({"token": ADA}))
    copied = desk()
    again = await copied.store(replace(stored, name="git-default-b"))
    assert again.data == stored.data
    assert copied.provider.tokens_asked_about == [ADA]


async def test_a_generated_name_makes_no_difference() -> None:
    """A sealed value is bound to its namespace and its key."""
    sealing_desk = desk()
    secret = replace(make_user_secret({"token": ADA}), name="", generate_name="git-default-")
    mutated = patched(secret, allowed(await sealing_desk.decide(make_subject(secret), Stage.MUTATE)).patch)
    allowed(await sealing_desk.decide(make_subject(replace(mutated, name="git-default-x7k2p"))))
    assert opened(mutated, "token") == ADA
    assert len(sealing_desk.provider.asked) == 1


async def test_a_dry_run_shows_what_would_be_stored() -> None:
    """Sealed as well: kubectl prints it."""
    secret = make_user_secret({"token": ADA})
    subject = replace(make_subject(secret), dry_run=True)
    mutated = patched(secret, allowed(await desk().decide(subject, Stage.MUTATE)).patch)
    assert opened(mutated, "token") == ADA


# --- Immutable --------------------------------------------------------------------------------------------------------


async def test_what_is_written_immutable_is_sealed_and_can_be_applied_again() -> None:
    """The value that is stored is kept, and so the API server sees no change of data."""
    sealing_desk = desk()
    secret = make_user_secret({"token": ADA}, immutable=True)
    stored = await sealing_desk.store(secret)
    assert opened(stored, "token") == ADA
    assert await sealing_desk.store(written_again(secret, stored), stored) == stored


@pytest.mark.parametrize("seals", [True, False])
async def test_a_new_token_of_an_immutable_secret_says_so(seals: bool) -> None:
    """The API server only says that `data` can't change; what stays as it is is no reason to warn."""
    here = desk() if seals else Desk(TOKENS, ring=RING)
    stored = await here.store(make_user_secret({"ada": ADA, "bob": BOB}, immutable=True))
    changed = replace(stored, data={**stored.data, "bob": encode(ADA)})
    mutated = allowed(await here.decide(make_subject(changed, stored), Stage.MUTATE))
    assert [text for text in mutated.warnings if "immutable" in text] == [
        "data.bob: This Secret is immutable, and the API server denies every change of its tokens: delete it, and "
        "create it again with the new token."
    ]
    same = allowed(await here.decide(make_subject(stored, stored), Stage.MUTATE))
    assert same.warnings == ()


async def test_what_is_stored_immutable_in_plain_text_stays_so() -> None:
    """The API server would refuse any other data; labels may change."""
    stored = await Desk(TOKENS, ring=RING).store(applied(make_user_secret({"token": ADA}, immutable=True)))
    relabelled = replace(stored, labels={**stored.labels, "team": "a"})
    told = allowed(await desk().decide(make_subject(relabelled, stored), Stage.MUTATE)).warnings
    assert [one for one in told if one.startswith("data.token: This token stays in plain text")] == list(told)
    assert len(told) == 1
    again = await desk().store(relabelled, stored)
    assert again.data == stored.data
    assert marks(again.annotations)["encryption"] == "none"
    assert again.annotations[LAST_APPLIED] == stored.annotations[LAST_APPLIED]


# --- stringData and odd keys ------------------------------------------------------------------------------------------


async def test_what_another_webhook_put_into_string_data_is_sealed_there() -> None:
    """It wins over data, and is no base64."""
    secret = replace(make_user_secret({"token": ADA, "note": "x"}), in_string_data=frozenset({"token"}))
    patch = allowed(await desk().decide(make_subject(secret), Stage.MUTATE)).patch
    paths = [str(operation["path"]) for operation in patch]
    assert [path for path in paths if not path.startswith("/metadata")] == ["/stringData/token"]
    assert opened(patched(secret, patch), "token") == ADA


async def test_only_what_is_sealed_is_patched() -> None:
    """One replacement for each value."""
    patch = allowed(
        await desk().decide(make_subject(make_user_secret({"ada": ADA, "username": "x"})), Stage.MUTATE)
    ).patch
    changed = [operation for operation in patch if str(operation["path"]).startswith("/data")]
    assert [(operation["op"], operation["path"]) for operation in changed] == [("replace", "/data/ada")]


# --- The call that was missed -----------------------------------------------------------------------------------------


async def test_a_token_in_plain_text_is_refused() -> None:
    """The mutating call was missed: a good token is no reason to store it in clear."""
    (cause,) = denied(await desk().decide(make_subject(make_user_secret({"token": ADA})))).causes
    assert cause.field == "data.token"
    assert "in plain text" in cause.message
    assert "Write it again" in cause.message


async def test_each_token_in_plain_text_is_named_once() -> None:
    """Of one that is bad besides, what is wrong with it is the news."""
    causes = denied(await desk().decide(make_subject(make_user_secret({"ada": ADA, "bob": WEAK, "carol": BOB})))).causes
    assert [cause.field for cause in causes] == ["data.bob", "data.ada", "data.carol"]


async def test_a_token_that_another_webhook_puts_in_afterwards_is_refused() -> None:
    """Beside one that is sealed."""
    sealing_desk = desk()
    secret = make_user_secret({"ada": ADA, "bob": BOB})
    mutated = patched(secret, allowed(await sealing_desk.decide(make_subject(secret), Stage.MUTATE)).patch)
    changed = replace(mutated, data={**mutated.data, "bob": encode(ADA)})
    assert [c.field for c in denied(await sealing_desk.decide(make_subject(changed))).causes] == ["data.bob"]


async def test_plain_text_that_an_update_leaves_alone_is_refused_where_it_would_have_been_sealed() -> None:
    """The write would have sealed it."""
    stored = await Desk(TOKENS, ring=RING).store(make_user_secret({"token": ADA}))
    update = make_subject(replace(stored, labels={**stored.labels, "a": "b"}), stored)
    assert "in plain text" in denied(await desk().decide(update)).message


async def test_plain_text_is_only_warned_of_where_everything_is() -> None:
    """For a first roll-out."""
    decision = allowed(await desk("mode: warn").decide(make_subject(make_user_secret({"token": ADA}))))
    assert any("in plain text" in warning for warning in decision.warnings)


# --- Where nothing is sealed any more ---------------------------------------------------------------------------------


async def test_what_is_sealed_stays_sealed_and_is_judged_where_nothing_is_sealed_any_more() -> None:
    """`mode: annotate`, with the same keys."""
    stored = await desk().store(make_user_secret({"ada": ADA, "bob": BOB}))
    plain = Desk(TOKENS, ring=RING)
    copied = await plain.store(replace(stored, name="git-default-b"))
    assert copied.data == stored.data
    assert sorted(plain.provider.tokens_asked_about) == sorted([ADA, BOB])
    assert json.loads(marks(copied.annotations)["encryption"]) == {"ada": "sealed", "bob": "sealed"}


async def test_the_same_token_in_plain_text_is_no_change_where_nothing_is_sealed_any_more() -> None:
    """Nobody is asked about a token that stays the same."""
    stored = await desk().store(make_user_secret({"token": ADA}))
    plain = Desk(TOKENS, ring=RING)
    again = await plain.store(written_again(make_user_secret({"token": ADA}), stored), stored)
    assert plain.provider.asked == []
    assert stored_value(again, "token") == ADA
    assert marks(again.annotations)["encryption"] == "none"
    assert "encryption-key-id" not in marks(again.annotations)


async def test_without_its_label_a_secret_says_on_which_key_opens_what() -> None:
    """The values stay sealed, and whoever uses them has to know; what was found of them, nobody keeps true any more."""
    sealing_desk = desk()
    stored = await sealing_desk.store(replace(make_user_secret({"ada": ADA, "bob": BOB}), name="x", labels=INTEGRATED))
    without = await sealing_desk.store(replace(stored, labels={}), stored)
    expected = {name for name in marks(stored.annotations) if name.startswith("encrypt")}
    assert marks(without.annotations) == {name: marks(stored.annotations)[name] for name in expected}
    assert marks(without.labels) == {}
    assert await sealing_desk.store(replace(without, labels={}), stored) == without
    keyless = await Desk(TOKENS, ring=ring_of(2)).store(replace(stored, labels={}), stored)
    assert marks(keyless.annotations) == marks(without.annotations)


async def test_without_its_label_a_secret_says_nothing_of_values_that_went_with_it() -> None:
    """Only of what is still sealed."""
    sealing_desk = desk()
    stored = await sealing_desk.store(replace(make_user_secret({"ada": ADA, "bob": BOB}), name="x", labels=INTEGRATED))
    fewer = {"ada": stored.data["ada"], "bob": encode("plain")}
    without = await sealing_desk.store(replace(stored, labels={}, data=fewer), stored)
    assert marks(without.annotations) == {
        "encryption": "sealed",
        "encryption-algorithm": "A256GCM",
        "encryption-key-id": KID,
        "encrypted-keys": "ada",
    }


async def test_json_around_a_sealed_value_is_malformed() -> None:
    """Somebody put into JSON what `kubectl get` showed: it could never be used, and no key is missing."""
    stored = await desk().store(make_user_secret({"token": ADA}))
    for ring in (RING, None):
        document = json.dumps({"token": stored_value(stored, "token"), "username": "ada"})
        judge = Desk(TOKENS, ring=ring)
        denial = denied(await judge.decide(make_subject(make_user_secret({"ada": document}))))
        assert "data.ada: This value is JSON around a sealed value" in denial.message, denial


# --- kubectl's annotation ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_string_data", [False, True], ids=["data", "stringData"])
async def test_kubectl_keeps_the_sealed_value(as_string_data: bool) -> None:
    """The annotation of `kubectl apply` holds what is stored, and the same after the same apply."""
    sealing_desk = desk()
    texts = {"ada": ADA, "bob": json.dumps({"token": BOB}), "username": "x"}
    secret = applied(make_user_secret(texts), string_data=texts if as_string_data else None)
    stored = await sealing_desk.store(secret)
    manifest = json.loads(stored.annotations[LAST_APPLIED])
    if as_string_data:
        assert manifest["stringData"] == {name: stored_value(stored, name) for name in texts}
    else:
        assert manifest["data"] == stored.data
    assert_holds_none_of(stored, ADA, BOB)
    assert await sealing_desk.store(written_again(secret, stored), stored) == stored


async def test_the_rest_of_kubectls_annotation_stays_as_it_is() -> None:
    """Order, other keys, letters of any kind and the line break at the end."""
    text = '{"apiVersion":"v1","kind":"Secret","zoë":"é","data":{"note":"eA==","token":"%s"},"a":[1,{"b":null}]}\n'
    secret = make_user_secret({"token": ADA, "note": "x"}, annotations={LAST_APPLIED: text % encode(ADA)})
    stored = await desk().store(secret)
    assert stored.annotations[LAST_APPLIED] == text % stored.data["token"]


async def test_a_token_of_before_in_kubectls_annotation_is_sealed_as_well() -> None:
    """A patch brings a new token, and the annotation still holds the one before."""
    sealing_desk = desk()
    before = await Desk(TOKENS, ring=RING).store(applied(make_user_secret({"token": ADA, "password": BOB})))
    stored = await sealing_desk.store(replace(before, data={"token": encode(BOB)}), before)
    assert_holds_none_of(stored, ADA, BOB)
    assert json.loads(stored.annotations[LAST_APPLIED])["data"].keys() == {"token", "password"}
    assert await sealing_desk.store(stored, stored) == stored


@pytest.mark.parametrize(
    "text",
    [
        "not JSON: {token}",
        '["{token}"]',
        '{{"data": "{token}"}}',
        '{{"data": {{"token": ["{encoded}"]}}}}',
        '{{"data": {{"token": "%%"}}, "x": "{token}"}}',
        '{{"data": {{"token": "{encoded}", "token": ""}}}}',
        '{{"data": {{"token": "{encoded}"}}, "x": "\\ud800"}}',
    ],
)
async def test_an_annotation_that_cannot_be_read_and_shows_a_token_is_taken_away(text: str) -> None:
    """With a warning that says what kubectl then does."""
    annotation = text.format(token=ADA, encoded=encode(ADA))
    secret = make_user_secret({"token": ADA}, annotations={LAST_APPLIED: annotation})
    decision = allowed(await desk().decide(make_subject(secret), Stage.MUTATE))
    assert any(LAST_APPLIED in warning for warning in decision.warnings)
    assert_holds_none_of(patched(secret, decision.patch), ADA)


async def test_an_annotation_that_cannot_be_read_and_shows_none_stays() -> None:
    """It is somebody else's."""
    secret = make_user_secret({"token": ADA}, annotations={LAST_APPLIED: "anything"})
    assert (await desk().store(secret)).annotations[LAST_APPLIED] == "anything"


def wrapped(text: str, every: int) -> str:
    """Base64 in lines, as `base64` prints it and a block of YAML keeps it."""
    return "".join(f"{text[start : start + every]}\n" for start in range(0, len(text), every))


@pytest.mark.parametrize("every", [76, 10])
async def test_base64_in_lines_is_sealed_in_kubectls_annotation(every: int) -> None:
    """The API server reads it without the line breaks; the annotation has them."""
    token = make_token("f", "github_pat_") + "x" * 40
    skipping = desk("app-proxy: {config: {skipGitPermissionValidation: 'true'}}")
    secret = make_user_secret({"token": token})
    manifest = {"kind": "Secret", "data": {"token": wrapped(encode(token), every)}}
    stored = await skipping.store(replace(secret, annotations={LAST_APPLIED: json.dumps(manifest)}))
    assert json.loads(stored.annotations[LAST_APPLIED])["data"] == stored.data
    assert_holds_none_of(stored, token)


@pytest.mark.parametrize(
    "manifest",
    [
        {"data": {"token": "%"}, "x": "lines"},
        {"data": {}, "x": ["lines"]},
        {"data": {}, "metadata": {"annotations": {"x": "text"}}},
        {"data": {}, "metadata": {"labels": {"text": ""}}},
    ],
)
async def test_kubectls_annotation_goes_where_a_token_stays_in_it(manifest: Any) -> None:
    """Wherever else it stands there, whole or in lines."""
    text = json.dumps(manifest).replace("lines", json.dumps(wrapped(encode(ADA), 10))[1:-1]).replace("text", ADA)
    secret = make_user_secret({"token": ADA}, annotations={LAST_APPLIED: text})
    decision = allowed(await desk().decide(make_subject(secret), Stage.MUTATE))
    assert any(LAST_APPLIED in warning for warning in decision.warnings)
    assert LAST_APPLIED not in patched(secret, decision.patch).annotations


async def test_a_value_that_the_manifest_alone_would_not_show_as_a_token_is_sealed_there() -> None:
    """Beside `token`, another key counts only if it has the shape of one; in the Secret it stands alone by now."""
    plain, older = "no-shape-at-all-1", "no-shape-at-all-2"
    manifest = {"data": {"token": encode(BOB), "ada": encode(older)}}
    secret = make_user_secret({"ada": plain}, annotations={LAST_APPLIED: json.dumps(manifest)})
    stored = await desk("app-proxy: {config: {skipGitPermissionValidation: 'true'}}").store(secret)
    assert json.loads(stored.annotations[LAST_APPLIED])["data"]["ada"] == stored.data["ada"]
    assert_holds_none_of(stored, plain, older, BOB)


@pytest.mark.timeout(20)  # each token by itself took several times as long as all of them together do now
async def test_thousands_of_tokens_and_a_large_annotation_keep_nobody_waiting() -> None:
    """Both are whatever somebody wrote."""
    users = {f"user-{number:04}": f"{ADA[:-4]}{number:04}" for number in range(2500)}
    secret = make_user_secret(users, annotations={LAST_APPLIED: ADA[:-4] * 5000})
    old = make_user_secret(users)
    allowed(await desk().decide(make_subject(secret, old), Stage.MUTATE))


async def test_a_token_in_another_annotation_is_warned_of() -> None:
    """Some tools keep the whole manifest in one of their own; it is theirs, and so stays, but not in silence."""
    kept = json.dumps({"data": {"token": encode(ADA)}})
    elsewhere = {"kapp.k14s.io/original": kept, "note": BOB, ADA: "x"}
    secret = make_user_secret({"token": ADA}, annotations=elsewhere)
    decision = allowed(await desk().decide(make_subject(secret), Stage.MUTATE))
    told = [warning for warning in decision.warnings if "holds a token in plain text" in warning]
    assert [one.partition(" holds")[0] for one in told] == [
        "The annotation kapp.k14s.io/original",
        "The annotation whose name is one",
    ]
    assert not any(ADA in warning for warning in decision.warnings)
    assert patched(secret, decision.patch).annotations["kapp.k14s.io/original"] == kept


async def test_what_the_platform_reads_stays_in_kubectls_annotation() -> None:
    """As it does in the Secret."""
    secret = applied(make_runtime_secret({"url": "https://github.com/acme", "password": ADA}))
    assert (await desk().store(secret)).annotations[LAST_APPLIED] == secret.annotations[LAST_APPLIED]


async def test_an_annotation_that_sealing_makes_too_large_is_taken_away() -> None:
    """The API server would refuse the whole write."""
    users = {f"user-{number}": make_token(f"{number:04}") for number in range(400)}
    skipping = desk("app-proxy: {config: {skipGitPermissionValidation: 'true'}}")
    stored, decision = await skipping.write(applied(make_user_secret(users)))
    allowed(decision)
    assert LAST_APPLIED not in stored.annotations


# --- Any Secret -------------------------------------------------------------------------------------------------------


keys = st.sampled_from("token password username url host provider type encryptionIV bob carol".split()) | st.text(
    "abcdefghijklmnopqrstuvwxyz-._0123456789", min_size=1, max_size=20
)
sealed_values = st.builds(
    lambda token, name, number: seal(SecretStr(token), Place("runtime", name), key(number)),
    st.sampled_from([ADA, WEAK, ""]),
    st.sampled_from(["token", "bob", "username"]),
    st.sampled_from([1, 2]),
)
values = (
    st.binary(max_size=20)
    | st.sampled_from([ADA, BOB, WEAK, UNKNOWN, "https://github.com/acme", "helm", "github", ""]).map(str.encode)
    | st.sampled_from([ADA, WEAK]).map(lambda token: json.dumps({"token": token}).encode())
    | sealed_values.map(str.encode)
)


@given(
    st.dictionaries(keys, values, max_size=5),
    st.sampled_from([make_runtime_secret({}), make_user_secret({}), make_runtime_secret({}, name="git-default-1")]),
    st.sampled_from(["mode: warn", ""]),
)
async def test_sealing_changes_no_entry_and_nothing_the_second_time(
    data: dict[str, bytes], kind: SecretObject, text: str
) -> None:
    """Whatever a Secret holds: sealed, it is the same Secret, and nothing is left to seal."""
    sealing_desk = desk(text)
    plain = replace(kind, data={name: encode(value) for name, value in data.items()})
    secret = applied(plain)
    stored, decision = await sealing_desk.write(secret)
    match = classify(secret, sealing_desk.settings.all_rules)
    assert extract(stored, match, Opener(RING)) == extract(secret, match, Opener(RING))
    assert "in plain text" not in repr(decision)
    for again in (
        make_subject(stored),
        make_subject(stored, stored),
        make_subject(written_again(plain, stored), stored),
    ):
        mutated = allowed(await sealing_desk.decide(again, Stage.MUTATE))
        assert patched(again.secret, mutated.patch).data == stored.data
    if Role.RUNTIME in match.roles:
        assert {name: stored.data[name] for name in data if name in ("password", "url", "username")} == {
            name: plain.data[name] for name in data if name in ("password", "url", "username")
        }
    elif "encryptionIV" not in data:
        assert_holds_none_of(stored, ADA, BOB, WEAK, UNKNOWN)


# --- What leaves ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize(
    "values",
    [
        {"token": UNKNOWN},
        {"ada": json.dumps({"token": UNKNOWN, "url": "https://github.com/acme"})},
        {"ada": f'{{"token": "{UNKNOWN}'},
        {"token": f"{UNKNOWN}\n"},
        {"token": UNKNOWN, "username": UNKNOWN},
        {"url": f"https://x:{UNKNOWN}@github.com/acme", "token": UNKNOWN},
        {"ada": json.dumps({"token": UNKNOWN, "note": "x" * LONGEST})},
    ],
    ids=["token", "JSON", "broken JSON", "line break", "username", "url", "too long"],
)
@pytest.mark.parametrize("text", ["", "mode: warn"], ids=["enforce", "warn"])
async def test_nothing_but_the_sealed_value_leaves(text: str, values: dict[str, str], stage: Stage) -> None:
    """Neither a patch nor a message nor a log line holds the token, also where kubectl's annotation did."""
    plain = make_user_secret(values)
    for secret in (
        applied(plain),
        applied(plain, string_data=values),
        replace(plain, annotations={LAST_APPLIED: UNKNOWN}),
    ):
        reviewed = await desk(text).review(make_subject(secret), stage)
        said = f"{reviewed.decision!r} {reviewed.describe()!r} {reviewed!r}"
        assert UNKNOWN not in said
        for token in (UNKNOWN, *values.values()):
            assert encode(token).rstrip("=") not in said
