"""TLS from mounted files: an `SSLContext` that is known to work, or the reason why it doesn't.

A context is never changed once it is in use. Loading a certificate and a key that don't belong together into a live one
breaks every handshake after it, and a swap inside the SNI callback takes over the certificate but not who must show a
client certificate (KUBERNETES.md §2.6). So each change of the files makes a fresh context, which shakes hands with
itself before anybody else gets to see it.
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
    """What the TLS listener is made of; all PEM.

    Attributes:
        certificate: the leaf, and after it the intermediates that clients may not have.
        key: unencrypted.
        client_ca: who must have issued the certificates that clients show; None where they need none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files that there are."""
        return (self.certificate, self.key, *([self.client_ca] if self.client_ca else []))


@dataclass(frozen=True, slots=True)
class ServingTls:
    """A working context and what it serves.

    Attributes:
        leaf: the served certificate, DER.
    """

    context: ssl.SSLContext
    leaf: bytes
    not_before: datetime
    not_after: datetime

    def invalid_reason(self, now: datetime | None = None) -> str | None:
        """Why clients refuse the certificate at this time; None where they don't."""
        now = now or datetime.now(UTC)
        if now > self.not_after:
            return f"the certificate has expired at {self.not_after:%Y-%m-%dT%H:%M:%SZ}"
        if now < self.not_before:
            return f"the certificate isn't valid before {self.not_before:%Y-%m-%dT%H:%M:%SZ}"
        return None


def load(files: TlsFiles, *, now: datetime | None = None) -> ServingTls:
    """A context from `files` that has proved to work.

    Raises:
        ConfigurationError: a file is missing or is no PEM, certificate and key don't belong together, the certificate
            isn't valid at this time, or a handshake with it fails.
    """
    leaf = _leaf(files.certificate)
    context = _context(files)
    serving = ServingTls(context, leaf.public_bytes(Encoding.DER), leaf.not_valid_before_utc, leaf.not_valid_after_utc)
    if reason := serving.invalid_reason(now):
        raise ConfigurationError(f"{files.certificate}: {reason}")
    _shake_hands(serving, files)  # before clients are asked for certificates, of which the test has none
    if files.client_ca is not None:
        _demand_client_certificates(context, files.client_ca)
    return serving


def refusal(serving: ServingTls, bundle: bytes, name: str) -> str | None:
    """Why a client that trusts only the CAs of a PEM text, and calls the server by this name, refuses what is served;
    None where it doesn't."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as Go: whatever stands in the bundle is trusted
    try:
        client.load_verify_locations(cadata=bundle.decode("ascii"))
    except (ValueError, ssl.SSLError):
        return "it holds no certificate"
    try:
        _converse(serving.context, client, name)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except ssl.SSLError as error:
        # Where client certificates are demanded, ours is refused after it has accepted the server's.
        return None if error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE" else error.reason or "the handshake fails"
    return None


def _leaf(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}") from None
    except ValueError:
        raise ConfigurationError(f"{path} holds no certificate in PEM format") from None


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The API server speaks nothing else to webhooks (KUBERNETES.md §2.2).
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION

    def passphrase() -> str:
        # Without this, OpenSSL would ask at the terminal and wait for ever.
        raise ConfigurationError(f"{files.key} is encrypted; the key must be there without a passphrase")

    try:
        context.load_cert_chain(files.certificate, files.key, password=passphrase)
    except OSError as error:  # SSLError is one too
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigurationError(f"{files.key} is not the key of {files.certificate}") from None
        if isinstance(error, ssl.SSLError):
            raise ConfigurationError(
                f"{files.certificate} and {files.key} can't be used: {error.reason or 'not in PEM format'}"
            ) from None
        raise ConfigurationError(f"{files.key} can't be read: {error.strerror}") from None
    return context


def _shake_hands(serving: ServingTls, files: TlsFiles) -> None:
    """A whole handshake in memory: what the API server will do, except for trusting the CA, which we don't know."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    try:
        served = _converse(serving.context, client_context)
    except ssl.SSLError as error:
        raise ConfigurationError(f"a handshake with {files.certificate} fails: {error.reason}") from None
    if served != serving.leaf:
        # The files were swapped between the reading of one and of the other.
        raise ConfigurationError(f"{files.certificate} changed while it was read")


def _converse(server_context: ssl.SSLContext, client_context: ssl.SSLContext, name: str | None = None) -> bytes | None:
    """A handshake in memory, as far as the client takes part in it; the certificate that it was shown, DER.

    Raises:
        ssl.SSLError: one side refuses the other.
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


def _demand_client_certificates(context: ssl.SSLContext, client_ca: Path) -> None:
    try:
        context.load_verify_locations(cafile=client_ca)
    except ssl.SSLError:
        raise ConfigurationError(f"{client_ca} holds no certificate in PEM format") from None
    except OSError as error:
        raise ConfigurationError(f"{client_ca} can't be read: {error.strerror}") from None
    context.verify_mode = ssl.CERT_REQUIRED
