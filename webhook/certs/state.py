"""The state of an installation's certificates in the cluster: two Secrets and two webhook configurations."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from webhook.certs.issue import KeyPair, load_ca
from webhook.certs.names import Installation
from webhook.cluster.objects import Json, Resource
from webhook.errors import ConfigurationError
from webhook.names import LEAVES_END, MANAGED_BY, PREVIOUS_UNTIL, PUBLISHED_AT

OURSELVES = "git-token-webhook"
"""The value of the label `MANAGED_BY` on a Secret that this program may change."""
INJECTORS = ("cert-manager.io/inject-ca-from", "cert-manager.io/inject-ca-from-secret")
"""Annotations of a webhook configuration by which cert-manager's CA injector writes its caBundle."""
_CERT_MANAGER = "cert-manager.io/"


@dataclass(frozen=True, slots=True)
class CaState:
    """The Secret with the CA.

    Attributes:
        current: the CA that issues; its key is empty if it was lost.
        following: the next CA, which issues when it is published everywhere.
        previous: CAs whose certificates may still be served.
        published_at: since when `following` is published everywhere.
        leaves_end: when the last certificate from `current` expires.
        previous_until: when the last certificate from `previous` expires.
    """

    document: Json = field(repr=False)
    current: KeyPair | None
    following: KeyPair | None
    previous: tuple[x509.Certificate, ...]
    published_at: datetime | None
    leaves_end: datetime | None
    previous_until: datetime | None

    @classmethod
    def of(cls, document: Json) -> CaState:
        """Return the state in a Secret. Values that cannot be read count as absent."""
        data, annotations = values(document), document["metadata"].get("annotations") or {}
        return cls(
            document,
            _pair(data.get("ca.crt"), data.get("ca.key")),
            _pair(data.get("next.crt"), data.get("next.key")),
            tuple(certificates(data.get("previous.crt", b""))),
            _time(annotations.get(PUBLISHED_AT)),
            _time(annotations.get(LEAVES_END)),
            _time(annotations.get(PREVIOUS_UNTIL)),
        )

    @property
    def trusted(self) -> list[x509.Certificate]:
        """All CAs to trust, each once."""
        pairs = [pair.parsed() for pair in (self.current, self.following) if pair is not None]
        return list(dict.fromkeys([*pairs, *self.previous]))

    @property
    def bundle(self) -> bytes:
        """The same in PEM, for caBundle and ca.crt."""
        return as_pem(self.trusted)


@dataclass(frozen=True, slots=True)
class TlsState:
    """The Secret that servers mount.

    Attributes:
        leaf: the certificate; None if it cannot be read.
        ca_file: the value of ``ca.crt``.
    """

    document: Json = field(repr=False)
    leaf: KeyPair | None
    ca_file: bytes

    @classmethod
    def of(cls, document: Json) -> TlsState:
        """Return the state in a Secret."""
        data = values(document)
        return cls(document, _pair(data.get("tls.crt"), data.get("tls.key")), data.get("ca.crt", b""))

    def somebody_elses(self, ours: Iterable[x509.Certificate]) -> str | None:
        """Return who else maintains the Secret, as a clause; None if this program does."""
        metadata = self.document["metadata"]
        if any(key.startswith(_CERT_MANAGER) for key in metadata.get("annotations") or {}):
            return "cert-manager maintains it"
        if (metadata.get("labels") or {}).get(MANAGED_BY) == OURSELVES or not values(self.document).get("tls.crt"):
            return None
        if self.leaf is not None and any(issued_by(self.leaf.parsed(), ca) for ca in ours):
            return None
        return "another program created it"

    def problem(self, names: Iterable[str], now: datetime) -> str | None:
        """Return why the certificate cannot be served, as a clause; None if it can."""
        if self.leaf is None:
            return "it contains no readable certificate"
        certificate = self.leaf.parsed()
        if now > certificate.not_valid_after_utc:
            return f"the certificate expired at {shown(certificate.not_valid_after_utc)}"
        if now < certificate.not_valid_before_utc:
            return f"the certificate is not valid before {shown(certificate.not_valid_before_utc)}"
        missing = [name for name in names if name not in dns_names(certificate)]
        if missing:
            return f"the certificate is not valid for {', '.join(missing)}"
        return key_problem(self.leaf)


@dataclass(frozen=True, slots=True)
class Configuration:
    """One of the two webhook configurations.

    Attributes:
        document: the object; None if it does not exist or cannot be read.
        trouble: why it cannot be read, as a clause.
    """

    resource: Resource
    name: str
    document: Json | None = field(repr=False)
    trouble: str | None = None

    @property
    def injector(self) -> str | None:
        """The annotation by which cert-manager sets the caBundle; None without one."""
        annotations = ((self.document or {}).get("metadata") or {}).get("annotations") or {}
        return next((key for key in INJECTORS if key in annotations), None)

    def webhooks(self, installation: Installation) -> Iterator[Json]:
        """Yield the webhooks that call our Service; they are parts of `document`."""
        for webhook in (self.document or {}).get("webhooks") or []:
            service = (webhook.get("clientConfig") or {}).get("service") or {}
            if (service.get("namespace"), service.get("name")) == (installation.namespace, installation.name):
                yield webhook

    def bundles(self, installation: Installation) -> dict[str, bytes]:
        """Return the caBundle of each of these webhooks, by its name."""
        return {
            webhook["name"]: _decoded(webhook["clientConfig"].get("caBundle", ""))
            for webhook in self.webhooks(installation)
        }


@dataclass(frozen=True, slots=True)
class State:
    """The whole state. The configurations were read first, so they are never newer than the Secrets."""

    installation: Installation
    ca: CaState | None
    tls: TlsState | None
    configurations: tuple[Configuration, ...]

    @property
    def authorities(self) -> list[x509.Certificate]:
        """All CAs in the Secrets, current and former."""
        known = self.ca.trusted if self.ca is not None else []
        return list(dict.fromkeys([*known, *certificates(self.tls.ca_file if self.tls is not None else b"")]))

    def issuer(self, now: datetime) -> x509.Certificate | None:
        """The CA by which the certificate that is served can be verified now; None where there is none, or nothing
        that could be served."""
        if self.tls is None or self.tls.leaf is None or self.tls.problem(self.installation.dns_names, now) is not None:
            return None
        leaf = self.tls.leaf.parsed()
        return next((ca for ca in self.authorities if _valid(ca, now) and issued_by(leaf, ca)), None)


def ca_problem(pair: KeyPair | None, now: datetime) -> str | None:
    """What keeps a CA from issuing, as a clause; None where nothing does."""
    if pair is None:
        return "there is no CA that could be read"
    try:
        certificate, _ = load_ca(pair)
    except ConfigurationError as error:
        return str(error)
    if not _valid(certificate, now):
        return f"it is good from {shown(certificate.not_valid_before_utc)} to {shown(certificate.not_valid_after_utc)}"
    return None


def key_problem(pair: KeyPair) -> str | None:
    """Return what is wrong with the key of a certificate, as a clause; None if it is valid."""
    try:
        key = load_pem_private_key(pair.key, password=None)
    except (ValueError, TypeError):
        return "its key cannot be read"
    return None if key.public_key() == pair.parsed().public_key() else "its key belongs to another certificate"


def issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    """Return whether a CA has signed a certificate."""
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def dns_names(certificate: x509.Certificate) -> list[str]:
    """Return the DNS names of a certificate."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return names.get_values_for_type(x509.DNSName)


def certificates(pem: bytes) -> list[x509.Certificate]:
    """Return all certificates in PEM; an empty list if one of them cannot be read."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []


def as_pem(found: Iterable[x509.Certificate]) -> bytes:
    """Return certificates in PEM."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in found)


def values(secret: Json) -> dict[str, bytes]:
    """Return the decoded values of a Secret."""
    return {key: _decoded(text) for key, text in (secret.get("data") or {}).items()}


def encoded(data: Mapping[str, bytes]) -> dict[str, Any]:
    """Return values encoded for a Secret."""
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


def shown(moment: datetime) -> str:
    """Return a time for annotations, log lines and messages."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _pair(certificate: bytes | None, key: bytes | None) -> KeyPair | None:
    if not certificate:
        return None
    pair = KeyPair(certificate, key or b"")
    try:
        pair.parsed()
    except ValueError:
        return None
    return pair


def _valid(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _time(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _decoded(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "", validate=True)
    except (binascii.Error, ValueError):
        return b""
