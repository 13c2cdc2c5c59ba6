"""Issue the webhook's own CA, and serving certificates for the names of its Service.

For installations without cert-manager, the demo and tests. The API server trusts only the CA in the caBundle of the
webhook configuration. The certificates pass the verification of Go and the strict one of OpenSSL (X509_STRICT).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from webhook.errors import ConfigurationError
from webhook.files import write_file

IpAddress = IPv4Address | IPv6Address

# As in comparable projects (KUBERNETES.md §3).
CA_LIFETIME = timedelta(days=3650)
SERVING_LIFETIME = timedelta(days=365)
# The clocks of API server and webhook may differ, and a certificate that is not yet valid fails every call.
_BACKDATED = timedelta(hours=1)
_COMMON_NAME_LIMIT = 64  # RFC 5280, ub-common-name


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both in PEM.

    Attributes:
        certificate: followed by its chain, if an intermediate CA issued it.
        key: PKCS #8, unencrypted.
    """

    certificate: bytes
    key: bytes = field(repr=False)

    def parsed(self) -> x509.Certificate:
        """Return the first certificate."""
        return x509.load_pem_x509_certificate(self.certificate)


def issue_ca(
    common_name: str = "git-token-webhook-ca", *, lifetime: timedelta = CA_LIFETIME, now: datetime | None = None
) -> KeyPair:
    """Return a self-signed CA that may issue only end-entity certificates."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    builder = (
        _builder(name, name, key.public_key(), lifetime, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True, digital_signature=True), critical=True)
    )
    return _signed(builder, key, key)


def issue_serving_certificate(
    ca: KeyPair,
    dns_names: Sequence[str],
    ip_addresses: Sequence[IpAddress] = (),
    *,
    lifetime: timedelta = SERVING_LIFETIME,
    now: datetime | None = None,
) -> KeyPair:
    """Return a certificate for a TLS server.

    Args:
        ca: from `issue_ca`. The certificate never outlives it.
        dns_names: the host names that clients connect to, such as ``git-token-webhook.platform.svc``.
        ip_addresses: the addresses that clients connect to.

    Raises:
        ConfigurationError: there is no name, a name is invalid or a wildcard, or `ca` is not a CA.
    """
    if not dns_names and not ip_addresses:
        raise ConfigurationError("a serving certificate needs at least one DNS name or IP address")
    alternatives: list[x509.GeneralName] = [x509.DNSName(_dns_name(name)) for name in dict.fromkeys(dns_names)]
    alternatives += [x509.IPAddress(address) for address in dict.fromkeys(ip_addresses)]
    first = dns_names[0] if dns_names else str(ip_addresses[0])
    names = x509.SubjectAlternativeName(alternatives)
    return _issue_leaf(ca, first, ExtendedKeyUsageOID.SERVER_AUTH, lifetime, now, names)


def issue_client_certificate(
    ca: KeyPair, common_name: str, *, lifetime: timedelta = SERVING_LIFETIME, now: datetime | None = None
) -> KeyPair:
    """Return a certificate that identifies a client, such as the API server.

    Raises:
        ConfigurationError: `ca` is not a CA.
    """
    return _issue_leaf(ca, common_name, ExtendedKeyUsageOID.CLIENT_AUTH, lifetime, now)


def issued_at(certificate: x509.Certificate) -> datetime:
    """Return when a certificate was issued here, which is later than the start of its validity."""
    return min(certificate.not_valid_before_utc + _BACKDATED, certificate.not_valid_after_utc)


def generate_certificates(
    folder: Path, dns_names: list[str], ip_addresses: list[str], days: int, *, force: bool = False
) -> str:
    """Write a CA and a serving certificate into a folder, and return the text to print.

    Args:
        force: replace existing files, although clients may trust them.

    Raises:
        ConfigurationError: a name is invalid, or the folder cannot be written.
    """
    try:
        addresses = [ip_address(text) for text in ip_addresses]
    except ValueError:
        raise ConfigurationError("--ip must be an IP address, such as 192.0.2.10") from None
    if not force and any((folder / name).exists() for name in ("ca.crt", "ca.key", "tls.crt", "tls.key")):
        raise ConfigurationError(
            f"{folder} contains certificates already; --force replaces them, and then the caBundle must change as well"
        )
    ca = issue_ca()
    leaf = issue_serving_certificate(ca, dns_names, addresses, lifetime=timedelta(days=days))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_key_pair(ca, folder / "ca.crt", folder / "ca.key")
        write_key_pair(leaf, folder / "tls.crt", folder / "tls.key")
        write_file(folder / ".gitignore", b"*\n", mode=0o644)  # keeps the keys out of Git
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be written: {error.strerror}") from None
    bundle = base64.b64encode(ca.certificate).decode()
    return f"Wrote ca.crt, ca.key, tls.crt and tls.key to {folder}.\ncaBundle: {bundle}"


def write_key_pair(pair: KeyPair, certificate: Path, key: Path) -> None:
    """Write both files atomically, the key first, which only its owner can read."""
    write_file(key, pair.key, mode=0o600)
    write_file(certificate, pair.certificate, mode=0o644)


def _issue_leaf(
    ca: KeyPair,
    common_name: str,
    purpose: x509.ObjectIdentifier,
    lifetime: timedelta,
    now: datetime | None,
    names: x509.SubjectAlternativeName | None = None,
) -> KeyPair:
    issuer, issuer_key = load_ca(ca)
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(_name(common_name), issuer.subject, key.public_key(), lifetime, now, issuer.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return _signed(builder, key, issuer_key)


def load_ca(ca: KeyPair) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return the certificate and key of a CA.

    Raises:
        ConfigurationError: they cannot issue certificates.
    """
    try:
        certificate = ca.parsed()
        key = load_pem_private_key(ca.key, password=None)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except (ValueError, TypeError, x509.ExtensionNotFound):
        raise ConfigurationError("the certificate or key of the CA cannot be read, or is not that of a CA") from None
    if not constraints.ca or not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigurationError("the CA must be one that was issued here: a CA certificate with an ECDSA key")
    if key.public_key() != certificate.public_key():
        raise ConfigurationError("the CA's key belongs to another certificate")
    return certificate, key


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    lifetime: timedelta,
    now: datetime | None,
    latest: datetime | None = None,
) -> x509.CertificateBuilder:
    now = now or datetime.now(UTC)
    end = now + lifetime
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(end if latest is None else min(end, latest))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, issuer_key: ec.EllipticCurvePrivateKey
) -> KeyPair:
    certificate = builder.sign(issuer_key, hashes.SHA256())
    return KeyPair(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _name(common_name: str) -> x509.Name:
    # Clients use only the alternative names, so a long name may be cut (that of a Service has up to 130 characters).
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_COMMON_NAME_LIMIT])])


def _dns_name(name: str) -> str:
    labels = name.split(".")
    valid = len(name) <= 253 and all(
        0 < len(label) <= 63
        and label.isascii()
        and label.replace("-", "").isalnum()
        and not label.startswith("-")
        and not label.endswith("-")
        for label in labels
    )
    if not valid:  # also a wildcard, because the certificate is for one Service
        raise ConfigurationError(f"{name!r} is not a valid DNS name of a server (wildcards are not allowed)")
    return name


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,  # for RSA key exchange only
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
