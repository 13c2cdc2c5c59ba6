"""Trusted certificate authorities: the system's, or those of a file."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import certifi

from webhook.providers.base import ProviderUnavailable

PROTOCOLS = ("h2", "http/1.1")
"""The protocols that a connection to a provider offers."""


class TrustUnavailable(ProviderUnavailable):
    """The trusted authorities for a host cannot be loaded."""

    def __init__(self, clause: str) -> None:
        super().__init__(clause)


class InvalidCaFile(TrustUnavailable):
    """The caFile of a host cannot be used.

    Attributes:
        problem: what is wrong with it, as a clause that follows its name.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(f"cannot be asked, because the caFile configured for it {problem}")
        self.problem = problem


class Trust(Protocol):
    """A set of trusted authorities."""

    def context(self) -> ssl.SSLContext:
        """Return a context that verifies hosts; the same object while the authorities are the same.

        Raises:
            TrustUnavailable: the authorities cannot be read.
        """
        ...


class SystemTrust:
    """The CAs that the system trusts, read once."""

    def __init__(self, environment: Mapping[str, str], protocols: Sequence[str] = PROTOCOLS) -> None:
        self._environment = environment
        self._protocols = protocols
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """See `Trust`."""
        if self._context is None:
            context = system_context(self._environment)
            context.set_alpn_protocols(self._protocols)
            self._context = context
        return self._context


class FileTrust:
    """The CAs in a PEM file, which is read again when it changes. An invalid new version is not used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._pem = b""
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """See `Trust`. While the file is unchanged, this takes one `stat`."""
        try:
            return self._newest()
        except TrustUnavailable:
            if self._context is None:
                raise
            return self._context  # a watcher reports the invalid file

    def _newest(self) -> ssl.SSLContext:
        try:
            status = self._path.stat()  # follows the symbolic links by which Kubernetes swaps mounted files
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if self._context is not None and stamp == self._stamp:
                return self._context
            pem = self._path.read_bytes()
        except OSError as error:
            raise InvalidCaFile(
                "does not exist" if isinstance(error, FileNotFoundError) else "cannot be read"
            ) from None
        if self._context is None or pem != self._pem:
            context = context_from_pem(pem)
            context.set_alpn_protocols(PROTOCOLS)
            self._context, self._pem = context, pem
        self._stamp = stamp
        return self._context


def context_from_pem(pem: bytes) -> ssl.SSLContext:
    """Return a client context that trusts only these CAs.

    Raises:
        InvalidCaFile: there is no valid certificate in it.
    """
    # Not `create_default_context(cadata=…)`, which trusts the system's CAs if the file is empty.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # Comments between certificates may be in any encoding; cadata must be ASCII.
        context.load_verify_locations(cadata=pem.decode("ascii", errors="ignore"))
    except (ssl.SSLError, ValueError):
        raise InvalidCaFile("contains no valid PEM certificate") from None
    return _with_common_settings(context)


def system_context(environment: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Return a client context that trusts the system's CAs.

    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` override them, as with OpenSSL. If the system has no CAs (some minimal
    images, python.org's macOS builds), those of certifi are used.

    Raises:
        TrustUnavailable: the files that the variables name cannot be read.
    """
    file, directory = environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if file or directory:
            if directory and not any(map(os.path.isdir, directory.split(os.pathsep))):
                raise FileNotFoundError  # OpenSSL does not check
            context.load_verify_locations(cafile=file or None, capath=directory or None)
        elif _system_has_authorities():
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        else:
            context.load_verify_locations(cafile=certifi.where())
    except (OSError, ssl.SSLError):
        # A fallback to other CAs would trust more than the operator configured.
        raise TrustUnavailable(
            "cannot be asked, because the certificates that SSL_CERT_FILE or SSL_CERT_DIR name cannot be read"
        ) from None
    return _with_common_settings(context)


def _system_has_authorities() -> bool:
    paths = ssl.get_default_verify_paths()
    return paths.cafile is not None or (paths.capath is not None and any(os.scandir(paths.capath)))


def _with_common_settings(context: ssl.SSLContext) -> ssl.SSLContext:
    """Set the same rules on every version of Python. Those of 3.13 are stricter than browsers, Go and curl."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an intermediate authority in the file is enough
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
