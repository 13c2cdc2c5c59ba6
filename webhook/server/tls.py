"""Build a tested `SSLContext` from mounted files.

A context in use is never changed. Loading a certificate and a key that do not match into it breaks all later
handshakes, and a swap inside the SNI callback changes the certificate but not the client CA (KUBERNETES.md §2.6). So
each change of the files creates a new context, which is tested with a handshake in memory before it is used.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from webhook.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of the TLS listener, all PEM.

    Attributes:
        certificate: the leaf, followed by intermediates.
        key: unencrypted.
        client_ca: the CA of client certificates; None if clients need none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All configured files."""
        return (self.certificate, self.key, *([self.client_ca] if self.client_ca else []))


@dataclass(frozen=True, slots=True)
class ServingTls:
    """A working context and its certificate.

    Attributes:
        leaf: the served certificate, DER.
    """

    context: ssl.SSLContext
    leaf: bytes
    not_before: datetime
    not_after: datetime

    def invalid_reason(self, now: datetime | None = None) -> str | None:
        """Return why the certificate is invalid at this time, or None."""
        now = now or datetime.now(UTC)
        if now > self.not_after:
            return f"the certificate expired at {self.not_after:%Y-%m-%dT%H:%M:%SZ}"
        if now < self.not_before:
            return f"the certificate is not valid before {self.not_before:%Y-%m-%dT%H:%M:%SZ}"
        return None


def load(files: TlsFiles, *, now: datetime | None = None) -> ServingTls:
    """Return a tested context from `files`.

    Raises:
        ConfigurationError: a file is missing or not PEM, certificate and key do not match, the certificate is not
            valid at this time, or a handshake with it fails.
    """
    leaf = _leaf(files.certificate)
    context = _context(files)
    serving = ServingTls(context, leaf.public_bytes(Encoding.DER), leaf.not_valid_before_utc, leaf.not_valid_after_utc)
    if reason := serving.invalid_reason(now):
        raise ConfigurationError(f"{files.certificate}: {reason}")
    _test_handshake(serving, files)  # before client certificates are required, because the test has none
    if files.client_ca is not None:
        _require_client_certificates(context, files.client_ca)
    return serving


def distrust_reason(serving: ServingTls, bundle: bytes, name: str) -> str | None:
    """Return why a client does not trust the served certificate, or None.

    Args:
        bundle: the CAs that the client trusts, PEM.
        name: the server name that it expects.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as in Go, every certificate in the bundle is trusted
    try:
        client.load_verify_locations(cadata=bundle.decode("ascii"))
    except (ValueError, ssl.SSLError):
        return "it contains no certificate"
    try:
        _handshake(serving.context, client, name)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except ssl.SSLError as error:
        # If client certificates are required, ours is rejected after it has accepted the server's certificate.
        return None if error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE" else error.reason or "the handshake fails"
    return None


def _leaf(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigurationError(f"{path} contains no PEM certificate") from None


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The API server uses only HTTP/1.1 for webhooks (KUBERNETES.md §2.2).
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION

    def passphrase() -> str:
        # Without this, OpenSSL would prompt at the terminal and block.
        raise ConfigurationError(f"{files.key} is encrypted; use a key without a passphrase")

    try:
        context.load_cert_chain(files.certificate, files.key, password=passphrase)
    except OSError as error:  # includes SSLError
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigurationError(f"{files.key} is not the key of {files.certificate}") from None
        if isinstance(error, ssl.SSLError):
            raise ConfigurationError(
                f"{files.certificate} and {files.key} cannot be used: {error.reason or 'not in PEM format'}"
            ) from None
        raise ConfigurationError(f"{files.key} cannot be read: {error.strerror}") from None
    return context


def _test_handshake(serving: ServingTls, files: TlsFiles) -> None:
    """Do a whole handshake in memory, as the API server will, but without verifying the CA, which is unknown here."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    try:
        served = _handshake(serving.context, client_context)
    except ssl.SSLError as error:
        raise ConfigurationError(f"a handshake with {files.certificate} fails: {error.reason}") from None
    if served != serving.leaf:
        # The files were swapped between two reads.
        raise ConfigurationError(f"{files.certificate} changed while it was read")


def _handshake(server_context: ssl.SSLContext, client_context: ssl.SSLContext, name: str | None = None) -> bytes | None:
    """Do a handshake in memory and return the server's certificate, DER.

    Raises:
        ssl.SSLError: one side rejects the other.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    for _ in range(10):  # a handshake takes two rounds
        waiting = [side for side in waiting if not _finished(side)]
        if not waiting:
            return client.getpeercert(binary_form=True)
    return None


def _finished(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _require_client_certificates(context: ssl.SSLContext, client_ca: Path) -> None:
    try:
        context.load_verify_locations(cafile=client_ca)
    except ssl.SSLError:
        raise ConfigurationError(f"{client_ca} contains no PEM certificate") from None
    except OSError as error:
        raise ConfigurationError(f"{client_ca} cannot be read: {error.strerror}") from None
    context.verify_mode = ssl.CERT_REQUIRED
