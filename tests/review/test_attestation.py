"""What a provider said, signed: believed where it is the same write, and nowhere else."""

from __future__ import annotations

import base64
import dataclasses
import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as joserfc_jws
from joserfc.jwk import OctKey
from jwcrypto import jwk, jws  # type: ignore[import-untyped]
from pydantic import SecretStr

from tests.keyring.rings import NOW, make_ring
from tests.keyring.test_key import independent_hkdf
from tests.support.factories import make_secret, make_token
from webhook.argocd import ArgoUrl
from webhook.credentials.entries import Checkable, Destination, Entry, Malformed, Unsupported
from webhook.keyring.key import derive_key
from webhook.keyring.ring import ALWAYS, KeyRing
from webhook.providers.findings import (
    Answer,
    AuthScheme,
    Facts,
    Finding,
    GitAuth,
    GitHubAppCredential,
    Outcome,
    Question,
    RepositoryNeed,
    TokenCredential,
)
from webhook.providers.hosts import Host, Kind
from webhook.providers.requirements import Level, Requirement, Role
from webhook.providers.urls import GitUrl
from webhook.review.attestation import (
    AHEAD,
    FRESH,
    LARGEST,
    Asked,
    Attestation,
    Untrusted,
    attest,
    is_held_against,
    requirement_digest,
    verify,
)
from webhook.subject import SecretObject

RING = make_ring()
SECOND = timedelta(seconds=1)
HOST = Host("github.com", Kind("github"), "https://api.github.com")
NEEDS = {
    Role.RUNTIME: Requirement(("repo", "admin:repo_hook"), (("contents", Level.WRITE), ("metadata", Level.READ))),
    Role.USER: Requirement(("repo",), (("contents", Level.WRITE),), ("Code: Push",)),
}
FACTS = Facts(
    "classic", "classic token", "octocat", ("repo",), NOW + timedelta(days=3), False, "acme/x", ("It is personal.",)
)
GOOD = Finding(Outcome.SUFFICIENT)
SECRET = make_secret(name="git-default-a1", namespace="runtime")


def make_entry(key: str = "token", token: str | None = None, **destination: Any) -> Entry:
    return Entry(key, Checkable(TokenCredential(SecretStr(token or make_token(key))), Destination(**destination)))


def make_question(entry: Entry, *roles: Role, host: Host = HOST, **others: Any) -> Question:
    assert isinstance(entry.content, Checkable)
    return Question(entry.content.credential, host, (), {role: NEEDS[role] for role in roles or (Role.USER,)}, **others)


def make_asked(entry: Entry, *roles: Role, finding: Finding = GOOD, facts: Facts = FACTS) -> Asked:
    question = make_question(entry, *roles)
    answer = Answer(dict.fromkeys(question.requirements, finding), facts, "Make a better one.", 2)
    return Asked(entry, question, answer, NOW - SECOND)


ENTRY = make_entry()


def written(
    secret: SecretObject = SECRET,
    *asked: Asked,
    roles: tuple[Role, ...] = (Role.USER,),
    ring: KeyRing = RING,
    **rest: Any,
) -> str:
    text = attest(secret, roles, asked or (make_asked(ENTRY, *roles),), ring, NOW, **rest)
    assert text is not None
    return text


def read(text: str, secret: SecretObject = SECRET, now: datetime = NOW, **others: Any) -> Attestation:
    arguments: dict[str, Any] = {"roles": (Role.USER,), "ring": RING} | others
    return verify(text, secret, now=now, **arguments)


def why_not(text: str, secret: SecretObject = SECRET, now: datetime = NOW, **others: Any) -> str:
    with pytest.raises(Untrusted) as caught:
        read(text, secret, now, **others)
    return str(caught.value)


def parts(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, payload, _ = text.split(".")
    return json.loads(base64.urlsafe_b64decode(header + "==")), json.loads(base64.urlsafe_b64decode(payload + "=="))


def encoded(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def signed(header: Mapping[str, Any], payload: object, key: OctKey | None = None) -> str:
    """What somebody signs who has one of our keys, or another."""
    registry = joserfc_jws.JWSRegistry(algorithms=["HS256", "HS384", "HS512"], strict_check_header=False)
    key = key or RING.keys[0].signing
    return joserfc_jws.serialize_compact(dict(header), json.dumps(payload).encode(), key, registry=registry)


class TestBelieved:
    @pytest.mark.parametrize(
        "finding",
        [
            GOOD,
            Finding(Outcome.INSUFFICIENT, ("admin:repo_hook",)),
            Finding(Outcome.INVALID, reason="refuses this token"),
            Finding(Outcome.BLOCKED, reason="demands SSO"),
            Finding(Outcome.UNSUPPORTED, reason="has no scopes for a deploy token"),
        ],
        ids=lambda finding: str(finding.outcome),
    )
    def test_the_answer_is_as_good_as_the_providers(self, finding: Finding) -> None:
        """Good or bad, with all that people are told of it: `/validate` says the very same."""
        asked = make_asked(ENTRY, finding=finding)
        attested = read(written(SECRET, asked)).answer(ENTRY, asked.question, NOW)
        assert attested is not None
        assert attested.checked_at == asked.checked_at
        assert attested.answer == dataclasses.replace(asked.answer, requests=0)

    def test_by_any_replica_with_the_same_ring(self) -> None:
        """Also where the signing key is no longer, or not yet, the one that this replica signs with."""
        old, new = derive_key(secrets.token_bytes(32), "a"), derive_key(secrets.token_bytes(32), "b")
        behind = KeyRing((old, new), {old.kid: ALWAYS, new.kid: NOW})
        ahead = KeyRing((old, new), {old.kid: ALWAYS, new.kid: ALWAYS})
        assert (behind.active(NOW), ahead.active(NOW)) == (old, new)
        for one, other in ((behind, ahead), (ahead, behind)):
            attestation = read(written(ring=one), ring=other)
            assert attestation.answer(ENTRY, make_question(ENTRY), NOW)

    def test_with_the_name_that_the_secret_then_gets(self) -> None:
        """At the mutating stage of a generateName there is none yet."""
        before = make_secret(name="", namespace="runtime", generate_name="git-default-")
        text = written(before)
        stored = dataclasses.replace(before, name="git-default-x7k2p")
        assert read(text, stored).answer(ENTRY, make_question(ENTRY), NOW)
        assert read(text, before).answer(ENTRY, make_question(ENTRY), NOW)

    def test_for_each_role(self) -> None:
        """One entry, two roles, and what was found for each."""
        asked = make_asked(ENTRY, *Role)
        lacking = Finding(Outcome.INSUFFICIENT, ("admin:repo_hook",))
        asked = dataclasses.replace(
            asked, answer=dataclasses.replace(asked.answer, findings={Role.RUNTIME: lacking, Role.USER: GOOD})
        )
        attestation = read(written(SECRET, asked, roles=tuple(Role)), roles=tuple(Role))
        whole = attestation.answer(ENTRY, asked.question, NOW)
        assert whole is not None and whole.answer.findings == {Role.RUNTIME: lacking, Role.USER: GOOD}
        one = attestation.answer(ENTRY, make_question(ENTRY, Role.USER), NOW)
        assert one is not None and one.answer.findings == {Role.USER: GOOD}

    def test_the_order_of_scopes_says_nothing(self) -> None:
        """It is for people, and configuration may change it."""
        question = make_question(ENTRY, Role.RUNTIME)
        need = NEEDS[Role.RUNTIME]
        turned = Requirement(need.scopes[::-1], need.permissions[::-1], need.granular)
        other = dataclasses.replace(question, requirements={Role.RUNTIME: turned})
        assert requirement_digest(question, Role.RUNTIME) == requirement_digest(other, Role.RUNTIME)

    def test_as_long_as_a_write_takes(self) -> None:
        """And a clock that is a little ahead does no harm."""
        text = written()
        for now in (NOW + FRESH, NOW - AHEAD):
            assert read(text, now=now).answer(ENTRY, make_question(ENTRY), now)


class TestAttacks:
    @pytest.mark.parametrize(
        "other",
        [
            make_secret(name="git-default-a2", namespace="runtime"),
            make_secret(name="git-default-a1", namespace="other"),
            make_secret(name="git-default-a1x", namespace="runtime"),
            make_secret(name="", namespace="runtime", generate_name="git-default-a1"),
        ],
        ids=["name", "namespace", "longer name", "generated name"],
    )
    def test_copied_to_another_secret(self, other: SecretObject) -> None:
        """It is about one Secret, and no other."""
        assert why_not(written(), other) == "is about another Secret"

    @pytest.mark.parametrize("name", ["git-default-", "git-defaul", "other", ""])
    def test_a_name_that_was_not_generated(self, name: str) -> None:
        """The final name begins with what was signed, and is longer."""
        text = written(make_secret(name="", namespace="runtime", generate_name="git-default-"))
        assert why_not(text, make_secret(name=name, namespace="runtime")) == "is about another Secret"

    def test_an_edited_token(self) -> None:
        """A mutating webhook that runs after ours, or somebody who keeps the annotation and changes the value."""
        attestation = read(written())
        edited = make_entry(token=make_token("evil"))
        assert attestation.entry(edited) is None
        assert attestation.answer(edited, make_question(edited), NOW) is None

    def test_an_entry_under_another_key(self) -> None:
        """Two users' tokens can't be exchanged."""
        a, b = make_entry("alice"), make_entry("bob")
        attestation = read(written(SECRET, make_asked(a), make_asked(b)))
        exchanged = Entry("alice", b.content)
        assert attestation.entry(a) and attestation.entry(b)
        assert attestation.entry(exchanged) is None

    # Each field of what a token is and where it goes, with another value. A field that is new must come in here.
    CHANGES: Mapping[type, Mapping[str, Any]] = {
        TokenCredential: {
            "token": SecretStr(make_token("other")),
            "username": "x",
            "git_auth": GitAuth(AuthScheme.BEARER),
        },
        GitHubAppCredential: {"app_id": "2", "private_key": SecretStr("other"), "installation_id": "7"},
        Destination: {
            "url": GitUrl("https", "github.com", ("acme",)),
            "host": "ghe.acme.dev",
            "provider": "github",
            "app_base_url": GitUrl("https", "github.com", ("acme",)),
            "open_ended": True,
            "argocd": ArgoUrl("https://github.com", True),
            "own_url": True,
            "not_git": "a credential of a Helm repository",
        },
        GitUrl: {
            "scheme": "ssh",
            "host": "x.dev",
            "path": ("acme", "apps"),
            "insecure": True,
            "fault": "has a query",
        },
    }

    @pytest.mark.parametrize(
        ("part", "name"),
        [(part, field.name) for part in CHANGES for field in dataclasses.fields(part)],
    )
    def test_any_change_of_an_entry(self, part: type, name: str) -> None:
        """Whatever a credential or its destination consists of: another one is another entry."""
        url = GitUrl("https", "git.acme.dev", ("acme", "x"))
        app = GitHubAppCredential("1", SecretStr("key"), None)
        credential = app if part is GitHubAppCredential else TokenCredential(SecretStr(make_token()), None)
        destination = Destination(url if part is GitUrl else None)
        content = Checkable(credential, destination)
        change = {name: self.CHANGES[part][name]}
        changed = {
            TokenCredential: lambda: dataclasses.replace(content, credential=dataclasses.replace(credential, **change)),
            GitHubAppCredential: lambda: dataclasses.replace(content, credential=dataclasses.replace(app, **change)),
            Destination: lambda: dataclasses.replace(content, destination=dataclasses.replace(destination, **change)),
            GitUrl: lambda: dataclasses.replace(content, destination=Destination(dataclasses.replace(url, **change))),
        }[part]()
        entry = Entry("token", content)
        attestation = read(written(SECRET, make_asked(entry)))
        assert attestation.entry(entry)
        assert attestation.entry(Entry("token", changed)) is None

    def test_another_role(self) -> None:
        """What is enough for a user is not enough for the runtime."""
        text = written()
        assert why_not(text, roles=tuple(Role)) == "is about another role"
        assert why_not(text, roles=(Role.RUNTIME,)) == "is about another role"
        skipped = read(written(SECRET, make_asked(ENTRY), roles=tuple(Role)), roles=tuple(Role))
        assert skipped.answer(ENTRY, make_question(ENTRY, *Role), NOW) is None

    @pytest.mark.parametrize(
        "question",
        [
            make_question(ENTRY, Role.RUNTIME, host=Host("github.com", Kind("github"), "https://other.dev")),
            make_question(ENTRY, Role.RUNTIME, host=Host("github.com", Kind("gitlab"), HOST.api_url)),
            make_question(ENTRY, Role.RUNTIME, host=Host("ghe.acme.dev", Kind("github"), HOST.api_url)),
            make_question(ENTRY, Role.RUNTIME, repositories=(RepositoryNeed(("acme", "x"), Level.READ),)),
            *(
                dataclasses.replace(
                    make_question(ENTRY),
                    requirements={Role.RUNTIME: dataclasses.replace(NEEDS[Role.RUNTIME], **change)},
                )
                for change in (
                    {"scopes": ("repo",)},
                    {"permissions": (("contents", Level.ADMIN), ("metadata", Level.READ))},
                    {"granular": ("Code: Push",)},
                )
            ),
        ],
        ids=["api", "kind", "host", "repositories", "scopes", "permissions", "granular"],
    )
    def test_an_older_requirement(self, question: Question) -> None:
        """It was held against something else; an audit sees that the token was checked, and that it is out of date."""
        attestation = read(written(SECRET, roles=(Role.RUNTIME,)), roles=(Role.RUNTIME,))
        assert attestation.answer(ENTRY, question, NOW) is None
        attested = attestation.entry(ENTRY)
        assert attested is not None and not is_held_against(attested, question)
        assert is_held_against(attested, make_question(ENTRY, Role.RUNTIME))

    def test_expired(self) -> None:
        """Later it spares nobody a question, but an audit knows it still."""
        text, later = written(), NOW + FRESH + SECOND
        assert why_not(text, now=later) == "has expired"
        attestation = read(text, now=later, max_age=None)
        assert attestation.entry(ENTRY)
        assert attestation.answer(ENTRY, make_question(ENTRY), later) is None
        assert why_not(text, now=NOW + 6 * SECOND, max_age=5 * SECOND) == "has expired"

    @pytest.mark.parametrize("max_age", [FRESH, None])
    def test_from_the_future(self, max_age: timedelta | None) -> None:
        """No clock is that wrong, not even for an audit."""
        assert why_not(written(), now=NOW - AHEAD - SECOND, max_age=max_age) == "is from the future"

    def test_an_unknown_key(self) -> None:
        """Somebody else's ring, or an ephemeral key of another process."""
        assert "a key that this webhook doesn't have" in why_not(written(ring=make_ring()))

    def test_another_key_under_a_known_kid(self) -> None:
        """The kid is no secret; who signs with another key has gained nothing."""
        header, payload = parts(written())
        for key in (OctKey.import_key(secrets.token_bytes(32)), RING.keys[0].sealing):
            assert "was not signed by the key that it names" in why_not(signed(header, payload, key))
        digests = OctKey.import_key(RING.keys[0].digests)
        assert "was not signed by the key that it names" in why_not(signed(header, payload, digests))

    def test_no_algorithm_at_all(self) -> None:
        """``alg: none``, without a signature, with an empty one, and with one of the right length."""
        header, payload = parts(written())
        for none in ("none", "None", "NONE"):
            unsigned = f"{encoded(header | {'alg': none})}.{encoded(payload)}"
            for end in ("", ".", "." + "A" * 43):
                assert why_not(unsigned + end) in ("is no compact JWS", "is no attestation of this webhook")

    @pytest.mark.parametrize(
        "change",
        [
            {"alg": "HS384"},
            {"alg": "HS512"},
            {"typ": "JWT"},
            {"typ": "git-token-sealed"},
            {"crit": ["b64"], "b64": False},
            {"b64": True},
            {"jwk": {"kty": "oct", "k": "AAAA"}},
            {"kid": ["a"]},
            {"kid": None},
            {"x": 1},
        ],
        ids=str,
    )
    def test_another_header(self, change: dict[str, Any]) -> None:
        """Even signed by our own key: one algorithm, one type, nothing else."""
        header, payload = parts(written())
        try:
            text = signed(header | change, payload)
        except Exception:  # what joserfc refuses to make
            text = ".".join([encoded(header | change), encoded(payload), "A" * 43])
        assert why_not(text) in ("is no attestation of this webhook", "is no compact JWS")

    @pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA", "A256GCM", "dir"])
    def test_confused_algorithms(self, algorithm: str) -> None:
        """Signed with HMAC, said to be something else."""
        header, payload = parts(written())
        signature = signed(header, payload).rpartition(".")[2]
        text = f"{encoded(header | {'alg': algorithm})}.{encoded(payload)}.{signature}"
        assert why_not(text) == "is no attestation of this webhook"

    def test_a_missing_kid(self) -> None:
        """Which key to try is never guessed."""
        header, payload = parts(written())
        del header["kid"]
        assert why_not(signed(header, payload)) == "is no attestation of this webhook"

    def test_two_attestations(self) -> None:
        """The annotation holds one, in one form."""
        one, other = written(), written(SECRET, make_asked(make_entry("bob")))
        (h, p, t), (g, _, u) = one.split("."), other.split(".")
        combined = [
            one + other,
            f"{one},{other}",
            f"{one} {other}",
            f"{one}\n{other}",
            f"{one}.{u}",
            f"{one}\n",
            f" {one}",
        ]
        combined += [json.dumps([one, other]), json.dumps({"token": one, "other": other})]
        combined += [f"{h}.{p}.{u}", f"{g}.{p}.{u}", json.dumps({"protected": h, "payload": p, "signature": t})]
        for text in combined:
            assert why_not(text), text

    def test_a_payload_that_says_something_twice(self) -> None:
        """Duplicate names need a signature too."""
        header, payload, signature = written().split(".")
        text = base64.urlsafe_b64decode(payload + "==").decode()
        doubled = text[:-1] + ',"namespace":"runtime"}'
        forged = base64.urlsafe_b64encode(doubled.encode()).rstrip(b"=").decode()
        assert "was changed since" in why_not(f"{header}.{forged}.{signature}")

    def test_huge_ones(self) -> None:
        """They are refused before anybody reads them."""
        assert why_not("e" * (LARGEST + 1)) == "is larger than any that this webhook writes"
        header, _ = parts(written())
        assert "larger" in why_not(signed(header, {"namespace": "x" * LARGEST}))
        assert why_not("." * LARGEST) == "is no compact JWS"

    @pytest.mark.parametrize("payload", [[], {}, "x", None, 7, {"name": "x"}, {"issued_at": "2026-11-23T12:00:00"}])
    def test_another_payload(self, payload: object) -> None:
        """Signed by us, as another version might: it is not understood, and so not believed."""
        header, usual = parts(written())
        if isinstance(payload, dict) and "issued_at" in payload:
            payload = usual | payload
        assert why_not(signed(header, payload)) == "says what this version doesn't understand"

    def test_a_deep_payload(self) -> None:
        """Nothing overflows."""
        header, _ = parts(written())
        deep = joserfc_jws.serialize_compact(header, b"[" * 20000, RING.keys[0].signing, algorithms=["HS256"])
        assert why_not(deep) == "says what this version doesn't understand"

    @given(st.data())
    def test_no_changed_byte_is_accepted(self, data: st.DataObject) -> None:
        """Whatever is changed, added or taken away, anywhere."""
        text = written()
        place = data.draw(st.integers(0, len(text) - 1))
        how = data.draw(st.sampled_from(["change", "insert", "delete"]))
        usual = st.sampled_from("ABCxyz019-_.=+/ \n")
        character = data.draw(usual | st.characters()) if how != "delete" else ""
        changed = text[:place] + character + text[place + (how != "insert") :]
        if changed != text:
            assert why_not(changed)

    @given(st.text())
    def test_no_text_makes_it_stumble(self, text: str) -> None:
        """The annotation is whatever somebody wrote."""
        assert why_not(text)


class TestWhatIsAttested:
    @pytest.mark.parametrize("outcome", [Outcome.UNVERIFIED, Outcome.SKIPPED, Outcome.UNKNOWN_HOST, Outcome.MALFORMED])
    def test_only_answers(self, outcome: Outcome) -> None:
        """What nobody answered is asked again."""
        asked = make_asked(ENTRY, finding=Finding(outcome, reason="answered 502"))
        assert attest(SECRET, (Role.USER,), (asked,), RING, NOW) is None

    def test_no_answer_that_time_cut_short(self) -> None:
        """Repositories that weren't asked for in time are asked for again."""
        asked = make_asked(ENTRY)
        cut = dataclasses.replace(asked, answer=dataclasses.replace(asked.answer, complete=False))
        assert attest(SECRET, (Role.USER,), (cut,), RING, NOW) is None

    def test_only_what_can_be_asked_about(self) -> None:
        """Of what is malformed or unsupported there is nothing that could have been asked."""
        attestation = read(written())
        for content in (Malformed("is empty"), Unsupported("an SSH key")):
            assert attestation.entry(Entry("token", content)) is None

    def test_entries_that_a_write_leaves_alone(self) -> None:
        """They go on being attested, in short, so that an audit doesn't take them for unchecked."""
        alice, bob = make_entry("alice"), make_entry("bob")
        first = read(written(SECRET, make_asked(alice), make_asked(bob)))
        rotated = make_entry("bob", make_token("new"))
        later = NOW + timedelta(days=30)
        text = attest(
            SECRET, (Role.USER,), (make_asked(rotated),), RING, later, before=first, unchanged=[alice, make_entry("x")]
        )
        assert text is not None
        second = read(text, now=later)
        assert second.claims.entries.keys() == {"alice", "bob"}
        kept = second.entry(alice)
        assert kept is not None and kept.judged_at == NOW and kept.facts is None
        assert is_held_against(kept, make_question(alice))
        assert second.entry(rotated)
        assert second.entry(bob) is None
        assert second.answer(rotated, make_question(rotated), later)
        assert second.answer(alice, make_question(alice), later) is None

    def test_what_was_changed_behind_our_back_is_not_kept(self) -> None:
        """The old attestation said nothing of this token, and neither does the new one."""
        alice = make_entry("alice")
        first = read(written(SECRET, make_asked(alice)))
        edited = make_entry("alice", make_token("evil"))
        text = written(SECRET, make_asked(make_entry("bob")), before=first, unchanged=[edited])
        assert read(text).claims.entries.keys() == {"bob"}

    def test_entries_outlive_their_key(self) -> None:
        """After a rotation, what is kept is signed by the new key too."""
        old, new = derive_key(secrets.token_bytes(32), "a"), derive_key(secrets.token_bytes(32), "b")
        both = KeyRing((old, new), {old.kid: ALWAYS, new.kid: ALWAYS})
        only_new = KeyRing((new,), {new.kid: ALWAYS})
        alice = make_entry("alice")
        first = read(written(SECRET, make_asked(alice), ring=KeyRing((old,), {old.kid: ALWAYS})), ring=both)
        text = written(SECRET, make_asked(make_entry("bob")), ring=both, before=first, unchanged=[alice])
        assert read(text, ring=only_new).entry(alice)

    def test_more_than_fits(self) -> None:
        """What was judged now comes first, and nothing is ever larger than what is read."""
        old = [make_entry(f"user-{number:04}") for number in range(400)]
        first = read(written(SECRET, *map(make_asked, old)))
        assert 0 < len(first.claims.entries) < 400
        fresh = make_entry("zoe")
        text = attest(SECRET, (Role.USER,), [make_asked(fresh)], RING, NOW + SECOND, before=first, unchanged=old)
        assert text is not None and len(text) <= LARGEST
        assert {"zoe", *first.claims.entries} == read(text, now=NOW + SECOND).claims.entries.keys()

    def test_no_token_shows(self) -> None:
        """Neither a token nor a digest that somebody could try tokens against: that takes our key."""
        token = make_token("sentinel")
        entry = make_entry(token=token)
        text = written(SECRET, make_asked(entry))
        shown = repr(read(text)) + json.dumps(parts(text))
        assert "sentinel" not in shown
        other = make_ring()
        elsewhere = make_secret(name="git-default-a2", namespace="runtime")
        digests = {
            parts(written(SECRET, make_asked(entry)))[1]["entries"]["token"]["digest"],
            parts(written(SECRET, make_asked(entry), ring=other))[1]["entries"]["token"]["digest"],
            parts(written(elsewhere, make_asked(entry)))[1]["entries"]["token"]["digest"],
        }
        assert len(digests) == 3
        twice = parts(written(SECRET, make_asked(make_entry("alice", token)), make_asked(make_entry("bob", token))))[1]
        assert twice["entries"]["alice"]["digest"] != twice["entries"]["bob"]["digest"]


class TestOthersReadIt:
    def test_jwcrypto_verifies_what_we_sign(self) -> None:
        """With a key that was derived from the file by the words of RFC 5869 alone."""
        material = secrets.token_bytes(32)
        key = derive_key(material, "a")
        text = written(ring=KeyRing((key,), {key.kid: ALWAYS}))
        theirs = jws.JWS()
        theirs.allowed_algs = ["HS256"]
        raw = independent_hkdf(material, "git-token-webhook/v1/signing")
        theirs.deserialize(text, jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(raw).rstrip(b"=").decode()))
        assert json.loads(theirs.payload)["namespace"] == "runtime"
        assert theirs.jose_header == {"alg": "HS256", "typ": "git-token-attestation", "kid": key.kid}

    def test_we_verify_what_jwcrypto_signs(self) -> None:
        """Signed by the same key, it says the same."""
        header, payload = parts(written())
        theirs = jws.JWS(json.dumps(payload))
        raw = RING.keys[0].signing.raw_value
        key = jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(raw).rstrip(b"=").decode())
        theirs.add_signature(key, protected=json.dumps(header))
        assert read(theirs.serialize(compact=True)).answer(ENTRY, make_question(ENTRY), NOW)
