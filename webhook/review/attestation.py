"""Sign the provider's answers about a Secret's tokens, and verify them later: a compact JWS (RFC 7515, HS256).

`/mutate` asks the provider and signs the answer, so that `/validate` need not ask again, on any replica. An attestation
is valid for one Secret, its entries (a keyed digest each), the roles and the requirements, and only for the time of one
write. Later, an audit detects by it entries that were never checked, or that were changed without the webhook.

Users who may read annotations can read an attestation, which contains no more than the other annotations. The digests
have a key of their own and include the Secret's name, so that no two Secrets show that they hold the same token.
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
"""How long an attestation replaces a request to the provider. The API server ends a write after 34 s (KUBERNETES.md
§1.4), and the clocks of two replicas may differ."""
AHEAD = timedelta(seconds=10)
"""How far the clock of the replica that signed may be ahead."""
LARGEST = 65536
"""Characters: a quarter of the limit for all annotations of an object. Entries that do not fit are left out."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its time zone."""

_TYPE = "git-token-attestation"
_COMPACT = re.compile(r"[A-Za-z0-9_-]{1,500}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}\Z")
_REGISTRY = jws.JWSRegistry(algorithms=["HS256"])
# Conclusive answers. After others, the provider is asked again.
_ANSWERS = {Outcome.SUFFICIENT, Outcome.INSUFFICIENT, Outcome.INVALID, Outcome.BLOCKED, Outcome.UNSUPPORTED}
# Bytes of the payload: base64 encodes three bytes as four characters, and header, signature and dots need space too.
_ROOM = (LARGEST - 600) // 4 * 3


class Untrusted(Exception):
    """An attestation is invalid. The text says why, as a clause that follows "it"."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to a provider about one entry, and its answer."""

    entry: Entry
    question: Question
    answer: Answer
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class AttestedRole:
    """The finding for one role.

    Attributes:
        requirement: `requirement_digest`.
        finding: only the outcome, after a later write that did not change the entry.
    """

    requirement: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class AttestedEntry:
    """The findings about one entry.

    Attributes:
        digest: a keyed digest of the token and its destination.
        checked_at: when the provider was asked.
        judged_at: when the webhook used the answer.
        facts: None after a later write that did not change the entry.
    """

    digest: str
    roles: Mapping[Role, AttestedRole]
    checked_at: Moment
    judged_at: Moment
    facts: Facts | None = None
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Claims:
    """The signed claims.

    Attributes:
        name: empty if it was not known yet; the name then starts with `generate_name`.
        roles: the roles of the Secret.
        entries: by key.
    """

    namespace: str
    name: str
    generate_name: str
    roles: tuple[Role, ...]
    entries: Mapping[str, AttestedEntry]
    issued_at: Moment

    def are_about(self, secret: SecretObject) -> bool:
        """Return whether the claims are about a Secret."""
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
    """An answer that replaces a request to the provider."""

    answer: Answer
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class Attestation:
    """Claims about the Secret under review, signed by a key of the ring."""

    claims: Claims
    key: Key

    def entry(self, entry: Entry) -> AttestedEntry | None:
        """Return what is attested about an entry; None if nothing is, or its token or destination has changed."""
        attested = self.claims.entries.get(entry.key)
        digest = _entry_digest(self.key, self.claims, entry)
        if attested is None or digest is None or not hmac.compare_digest(attested.digest, digest):
            return None
        return attested

    def answer(self, entry: Entry, question: Question, now: datetime, max_age: timedelta = FRESH) -> Attested | None:
        """Return the answer to a question that was just answered; None if the provider must be asked."""
        attested = self.entry(entry)
        if attested is None or attested.facts is None or not _is_fresh(attested.judged_at, now, max_age):
            return None
        if not is_held_against(attested, question):
            return None
        findings = {role: attested.roles[role].finding for role in question.requirements}
        return Attested(Answer(findings, attested.facts, attested.remedy), attested.checked_at)

    def is_of(self, asked: Iterable[Asked], unchanged: Iterable[Entry], now: datetime) -> bool:
        """Return whether a new attestation would have the same content."""
        for one in asked:
            said = self.answer(one.entry, one.question, now)
            if said is None or (said.answer.findings, said.answer.facts) != (one.answer.findings, one.answer.facts):
                return False
        return all(self.entry(entry) is not None for entry in unchanged if isinstance(entry.content, Checkable))


def is_held_against(attested: AttestedEntry, question: Question) -> bool:
    """Return whether an entry was checked against the current requirements of each role."""
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
    """Return the attestation of a Secret that is written; None without conclusive answers.

    Args:
        asked: the questions and answers of this write. Inconclusive answers are left out.
        before: the attestation of the stored Secret, verified with ``max_age=None``.
        unchanged: entries that this write does not change; their findings in `before` are kept.
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
    """Verify the attestation of a Secret.

    Args:
        text: the value of the annotation.
        roles: the current roles of the Secret.
        max_age: None for an audit, which needs to know what was found at any time.

    Raises:
        Untrusted: it is invalid, or not about this Secret.
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
    except (msgspec.DecodeError, RecursionError):  # signed by another version
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
    """The header of an attestation. One with other fields is not from this webhook."""

    alg: Literal["HS256"]
    typ: Literal["git-token-attestation"]
    kid: Kid


def _key_of(header: str, ring: KeyRing) -> Key:
    try:
        kid = msgspec.json.decode(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)), type=_Header).kid
    except ValueError:  # not base64, not JSON, or another header
        raise Untrusted("is no attestation of this webhook") from None
    key = ring.find(kid)
    if key is None:
        raise Untrusted("was signed by a key that this webhook doesn't have")
    return key


def _is_fresh(moment: datetime, now: datetime, max_age: timedelta) -> bool:
    return now - max_age <= moment <= now + AHEAD


def _is_answer(asked: Asked) -> bool:
    """Return whether an answer is conclusive for all roles."""
    return asked.answer.complete and all(
        asked.answer.findings[role].outcome in _ANSWERS for role in asked.question.requirements
    )


def _shortened(attested: AttestedEntry, digest: str) -> AttestedEntry:
    """Return the part of an entry that audits need after the write."""
    roles = {
        role: AttestedRole(found.requirement, Finding(found.finding.outcome)) for role, found in attested.roles.items()
    }
    return AttestedEntry(digest, roles, attested.checked_at, attested.judged_at)


def _fitting(claims: Claims, entries: Mapping[str, AttestedEntry]) -> dict[str, AttestedEntry]:
    """Return as many entries as fit, the most recent ones first."""
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
    """Return a digest of the requirement for a role, which contains no secret.

    The order of its parts does not matter. The digest of the entry has the destination; this one has the host and its
    API, by the settings.
    """
    host, requirement = question.host, question.requirements[role]
    # Uncertain repositories cannot cause a denial, and change with each new Argo CD Application.
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
    """Return a keyed digest of an entry of the Secret; None if no provider checks it."""
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


def _destination(destination: Destination) -> list[object]:  # later parts are left out if they are empty
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
    """Return half of a SHA-256 as text: no second preimage can be found, and twice as many fit into an annotation."""
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()
