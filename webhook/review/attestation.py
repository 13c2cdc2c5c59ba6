"""Sign what a provider said of a Secret's tokens, and believe it later: a compact JWS (RFC 7515, HS256).

`/mutate` asks and signs; `/validate`, on whichever replica, need not ask again. What is signed holds for one Secret,
its entries as they are (a keyed digest each), the roles, and the requirements that they were held against; an answer
is believed only where all of that is the same now, and only for as long as one write takes. Later an audit still
recognises it, and knows by it which entries were never checked, or were changed behind the webhook's back.

Everybody who may read annotations may read what is signed: it holds no more than the other annotations say. The
digests have a key of their own and count the Secret's name in, so that no two Secrets show that they hold one token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from joserfc import jws
from joserfc.errors import JoseError

from webhook.credentials.entries import Checkable, Destination, Entry
from webhook.keyring.key import Key, Kid
from webhook.keyring.ring import KeyRing
from webhook.providers.findings import Answer, Credential, Facts, Finding, GitHubAppCredential, Outcome, Question
from webhook.providers.requirements import Role
from webhook.providers.urls import GitUrl
from webhook.subject import SecretObject

FRESH = timedelta(seconds=60)
"""How long an attestation spares the provider a question: the API server gives a whole write 34 s (KUBERNETES.md
§1.4), and the clocks of two replicas may differ."""
AHEAD = timedelta(seconds=10)
"""How far the clock that an attestation was made by may be ahead."""
LARGEST = 65536
"""Characters: a quarter of what all annotations of an object may have. What doesn't fit isn't attested."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its zone, without which it couldn't be compared with ours."""

_TYPE = "git-token-attestation"
_COMPACT = re.compile(r"[A-Za-z0-9_-]{1,500}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}\Z")
_REGISTRY = jws.JWSRegistry(algorithms=["HS256"])
# What a provider really said. "Could not tell" is asked again, which may bring an answer.
_ANSWERS = {Outcome.SUFFICIENT, Outcome.INSUFFICIENT, Outcome.INVALID, Outcome.BLOCKED, Outcome.UNSUPPORTED}
# Bytes of what is signed: base64 makes four characters of three, and header, signature and two dots need room too.
_ROOM = (LARGEST - 600) // 4 * 3


class Untrusted(Exception):
    """An attestation is worth nothing; the text says why, as a clause that stands after "it"."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a provider was asked about one entry, and what it said."""

    entry: Entry
    question: Question
    answer: Answer
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class AttestedRole:
    """What was found for one role.

    Attributes:
        requirement: a digest of what it was held against, `requirement_digest`.
        finding: of an entry that a later write left alone, only the outcome.
    """

    requirement: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class AttestedEntry:
    """What was found of one entry.

    Attributes:
        digest: of the token, and of where it goes; keyed.
        checked_at: when the provider was really asked.
        judged_at: when this webhook judged by it.
        facts: None of an entry that a later write left alone: nobody has to be told again.
    """

    digest: str
    roles: Mapping[Role, AttestedRole]
    checked_at: Moment
    judged_at: Moment
    facts: Facts | None = None
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Claims:
    """What is signed.

    Attributes:
        name: empty where it wasn't known yet; then the name that the Secret gets begins with `generate_name`.
        roles: of the Secret.
        entries: by key.
    """

    namespace: str
    name: str
    generate_name: str
    roles: tuple[Role, ...]
    entries: Mapping[str, AttestedEntry]
    issued_at: Moment

    def are_about(self, secret: SecretObject) -> bool:
        """Whether it is this Secret that they speak of."""
        if secret.namespace != self.namespace:
            return False
        if self.name or not self.generate_name:
            return secret.name == self.name
        if not secret.name:
            return secret.generate_name == self.generate_name
        # The API server adds five characters.
        return secret.name.startswith(self.generate_name) and len(secret.name) > len(self.generate_name)


@dataclass(frozen=True, slots=True)
class Attested:
    """An answer that was given before, as good as one that is given now."""

    answer: Answer
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class Attestation:
    """Claims that a key of ours has signed, and that are about the Secret at hand."""

    claims: Claims
    key: Key

    def entry(self, entry: Entry) -> AttestedEntry | None:
        """What is attested of an entry; None where nothing is, or it was another token or went elsewhere."""
        attested = self.claims.entries.get(entry.key)
        digest = _entry_digest(self.key, self.claims, entry)
        if attested is None or digest is None or not hmac.compare_digest(attested.digest, digest):
            return None
        return attested

    def answer(self, entry: Entry, question: Question, now: datetime, max_age: timedelta = FRESH) -> Attested | None:
        """The provider's answer, where this very question has just been asked and answered; None where it has to be
        asked."""
        attested = self.entry(entry)
        if attested is None or attested.facts is None or not _is_fresh(attested.judged_at, now, max_age):
            return None
        if not is_held_against(attested, question):
            return None
        findings = {role: attested.roles[role].finding for role in question.requirements}
        return Attested(Answer(findings, attested.facts, attested.remedy), attested.checked_at)

    def is_of(self, asked: Iterable[Asked], unchanged: Iterable[Entry], now: datetime) -> bool:
        """Whether this says all that an attestation made now would say."""
        for one in asked:
            said = self.answer(one.entry, one.question, now)
            if said is None or (said.answer.findings, said.answer.facts) != (one.answer.findings, one.answer.facts):
                return False
        return all(self.entry(entry) is not None for entry in unchanged if isinstance(entry.content, Checkable))


def is_held_against(attested: AttestedEntry, question: Question) -> bool:
    """Whether an entry was held against what each role of `question` needs now."""
    return all(
        role in attested.roles
        and hmac.compare_digest(attested.roles[role].requirement, requirement_digest(question, role))
        for role in question.requirements
    )


def attest(
    secret: SecretObject,
    roles: Iterable[Role],
    asked: Iterable[Asked],
    ring: KeyRing,
    now: datetime,
    *,
    before: Attestation | None = None,
    unchanged: Iterable[Entry] = (),
) -> str | None:
    """The attestation of a Secret that is being written; None where there is nothing to attest.

    Args:
        asked: what was asked for this write. Answers that say nothing are left out.
        before: the attestation that the stored Secret has, verified with ``max_age=None``.
        unchanged: entries that this write leaves alone; what `before` says of them goes on being said.
    """
    key = ring.active(now)
    claims = Claims(secret.namespace, secret.name, secret.generate_name, tuple(sorted(roles)), {}, now)
    entries: dict[str, AttestedEntry] = {}
    for one in asked:
        digest = _entry_digest(key, claims, one.entry)
        if digest is not None and _is_answer(one):
            entries[one.entry.key] = AttestedEntry(
                digest,
                {
                    role: AttestedRole(requirement_digest(one.question, role), one.answer.findings[role])
                    for role in one.question.requirements
                },
                one.checked_at,
                now,
                one.answer.facts,
                one.answer.remedy,
            )
    for entry in unchanged:
        attested = before.entry(entry) if before is not None else None
        digest = _entry_digest(key, claims, entry)
        if attested is not None and digest is not None:
            entries.setdefault(entry.key, _shortened(attested, digest))
    payload = msgspec.json.encode(replace(claims, entries=entries), order="sorted")
    if len(payload) > _ROOM:
        entries = _fitting(claims, entries)
        payload = msgspec.json.encode(replace(claims, entries=entries), order="sorted")
    if not entries:
        return None
    header = {"alg": "HS256", "typ": _TYPE, "kid": key.kid}
    return jws.serialize_compact(header, payload, key.signing, registry=_REGISTRY)


def verify(
    text: str,
    secret: SecretObject,
    roles: Iterable[Role],
    ring: KeyRing,
    now: datetime,
    *,
    max_age: timedelta | None = FRESH,
) -> Attestation:
    """The attestation of a Secret, where it is one of ours and about this Secret.

    Args:
        text: as the annotation holds it.
        roles: that the Secret has now.
        max_age: how old it may be; None for an audit, to which it only tells what was once found.

    Raises:
        Untrusted: it proves nothing about this Secret, now.
    """
    if len(text) > LARGEST:
        raise Untrusted("is larger than any that this webhook writes")
    if not text.isascii() or not _COMPACT.match(text):
        raise Untrusted("is no compact JWS")
    key = _key_of(text.partition(".")[0], ring)
    try:
        payload = jws.deserialize_compact(text, key.signing, registry=_REGISTRY).payload
    except (JoseError, ValueError):
        raise Untrusted("was not signed by the key that it names, or was changed since") from None
    try:
        claims = msgspec.json.decode(payload, type=Claims)
    except (msgspec.DecodeError, RecursionError):  # signed by us, but not by this version
        raise Untrusted("says what this version doesn't understand") from None
    if not claims.are_about(secret):
        raise Untrusted("is about another Secret")
    if not set(roles) <= set(claims.roles):
        raise Untrusted("is about another role")
    if claims.issued_at > now + AHEAD:
        raise Untrusted("is from the future")
    if max_age is not None and not _is_fresh(claims.issued_at, now, max_age):
        raise Untrusted("has expired")
    return Attestation(claims, key)


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a header of ours has; whatever else one has, it isn't ours."""

    alg: Literal["HS256"]
    typ: Literal["git-token-attestation"]
    kid: Kid


def _key_of(header: str, ring: KeyRing) -> Key:
    try:
        kid = msgspec.json.decode(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)), type=_Header).kid
    except ValueError:  # no base64, no JSON, or another header: both libraries' errors are of this kind
        raise Untrusted("is no attestation of this webhook") from None
    key = ring.find(kid)
    if key is None:
        raise Untrusted("was signed by a key that this webhook doesn't have")
    return key


def _is_fresh(moment: datetime, now: datetime, max_age: timedelta) -> bool:
    return now - max_age <= moment <= now + AHEAD


def _is_answer(asked: Asked) -> bool:
    """Whether nothing is left that the next one who asks may learn."""
    return asked.answer.complete and all(
        asked.answer.findings[role].outcome in _ANSWERS for role in asked.question.requirements
    )


def _shortened(attested: AttestedEntry, digest: str) -> AttestedEntry:
    """What remains of an entry for audits, once the write that it was judged for is over."""
    roles = {
        role: AttestedRole(found.requirement, Finding(found.finding.outcome)) for role, found in attested.roles.items()
    }
    return AttestedEntry(digest, roles, attested.checked_at, attested.judged_at)


def _fitting(claims: Claims, entries: Mapping[str, AttestedEntry]) -> dict[str, AttestedEntry]:
    """As many of the entries as there is room for, those judged last first."""
    room = _ROOM - len(msgspec.json.encode(claims))
    fitting: dict[str, AttestedEntry] = {}
    for key, entry in sorted(entries.items(), key=lambda item: item[1].judged_at, reverse=True):
        needed = len(msgspec.json.encode({key: entry}))
        if needed <= room:
            room -= needed
            fitting[key] = entry
    return fitting


# Digests.


def requirement_digest(question: Question, role: Role) -> str:
    """What a token of this role is held against, as settings and the provider's table say it: no secret in it.

    The order in which people read it doesn't matter. Where the token goes is in the entry's own digest; what the
    settings make of that (the host, its API) is in this one.
    """
    host, requirement = question.host, question.requirements[role]
    # What is only perhaps needed decides nothing, and changes whenever somebody adds an Argo CD Application.
    needs = [need for need in question.repositories if need.certain] if role is Role.RUNTIME else []
    stated = [
        role,
        [host.name, host.kind, host.api_url],
        sorted(requirement.scopes),
        sorted(requirement.permissions),
        sorted(requirement.granular),
        sorted([list(need.path), need.access] for need in needs),
    ]
    return _text(hashlib.sha256(json.dumps(stated).encode()).digest())


def _entry_digest(key: Key, claims: Claims, entry: Entry) -> str | None:
    """A keyed digest of an entry of the Secret that the claims are about; None of one that no provider is asked of."""
    content = entry.content
    if not isinstance(content, Checkable):
        return None
    place = [claims.namespace, claims.name, claims.generate_name if not claims.name else ""]
    stated = ["entry", place, entry.key, _credential(content.credential), _destination(content.destination)]
    return _text(hmac.digest(key.digests, json.dumps(stated).encode(), "sha256"))


def _credential(credential: Credential) -> list[object]:
    if isinstance(credential, GitHubAppCredential):
        return ["app", credential.app_id, credential.private_key.get_secret_value(), credential.installation_id]
    auth = credential.git_auth
    sent = [] if auth is None else [auth.scheme, auth.username]
    return ["token", credential.token.get_secret_value(), credential.username, *sent]


def _destination(destination: Destination) -> list[object]:  # later parts are left out where they say nothing
    base = _url(destination.app_base_url)
    stated: list[object] = [_url(destination.url), destination.host, destination.provider, base]
    if destination.open_ended:
        stated.append("open-ended")
    if destination.argocd is not None:
        stated.append([destination.argocd.text, destination.argocd.is_prefix])
    if destination.own_url:
        stated.append("own url")
    if destination.not_git:
        stated.append(destination.not_git)
    return stated


def _url(url: GitUrl | None) -> list[object] | None:
    return (
        None
        if url is None
        else [url.scheme, url.host, list(url.path), url.insecure, *([url.fault] if url.fault else [])]
    )


def _text(digest: bytes) -> str:
    """Half of a SHA-256, which nobody finds a second text for, and twice as many fit into an annotation."""
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()
