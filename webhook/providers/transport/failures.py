"""Failures of one attempt: how exceptions of the HTTP libraries, TLS and the system become messages."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace

import anyio
import h2.exceptions
import httpcore

from webhook.providers.base import NotTheProvider404, ProviderUnavailable
from webhook.providers.transport import intermediaries


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed attempt.

    Attributes:
        clause: the text of the resulting `ProviderUnavailable`.
        result: see `client.OnRequest`.
        retry: whether another attempt can succeed.
        transient, remedy: see `ProviderUnavailable`.
        error: its class.
    """

    clause: str
    result: str = "error"
    retry: bool = False
    transient: bool = False
    remedy: str = ""
    error: type[ProviderUnavailable] = ProviderUnavailable


def failure_of(error: ProviderUnavailable) -> Failure:
    """Return the failure with the message of an error."""
    kind = NotTheProvider404 if isinstance(error, NotTheProvider404) else ProviderUnavailable
    return Failure(str(error), transient=error.transient, remedy=error.remedy, error=kind)


def _connection_failure(clause: str) -> Failure:
    """Return a failure of one connection, which a retry can resolve."""
    return Failure(clause, retry=True, transient=True)


# The message for each exception, and whether a retry can help (only for failures of one connection). The most specific
# class wins.
FAILURES: Mapping[type[BaseException], Failure] = {
    httpcore.TimeoutException: Failure("did not answer in time", "timeout", transient=True),
    httpcore.NetworkError: _connection_failure("closed the connection"),
    httpcore.ConnectError: _connection_failure("did not accept a connection"),
    httpcore.ProtocolError: _connection_failure("violated the HTTP protocol"),
    httpcore.RemoteProtocolError: _connection_failure("closed the connection before its answer was complete"),
    httpcore.ProxyError: _connection_failure("could not be reached, because the proxy could not be reached"),
    httpcore.ConnectionNotAvailable: _connection_failure("closed the connection"),
    httpcore.UnsupportedProtocol: Failure("cannot be asked over this protocol"),
    # httpcore does not map these when a connection breaks during an HTTP/2 write.
    anyio.EndOfStream: _connection_failure("closed the connection"),
    anyio.BrokenResourceError: _connection_failure("closed the connection"),
    anyio.ClosedResourceError: _connection_failure("closed the connection"),
    h2.exceptions.H2Error: _connection_failure("violated the HTTP protocol"),
    ssl.SSLError: Failure("does not speak valid TLS", remedy="Check that its API URL names a port that speaks HTTPS."),
    ssl.SSLCertVerificationError: Failure(
        "has a TLS certificate that cannot be verified",
        remedy="Set caFile of the host under providers: to the authority that signed it, or replace the certificate.",
    ),
    ConnectionError: _connection_failure("closed the connection"),
    ConnectionRefusedError: _connection_failure("refused the connection"),
    TimeoutError: Failure("did not answer in time", "timeout", transient=True),
    OSError: _connection_failure("did not accept a connection"),
    socket.gaierror: Failure("could not be found (DNS)"),
    UnicodeError: Failure("has a name that DNS does not allow", remedy="Correct the name of the host."),
}
# OpenSSL's names of the alert certificate_required, in TLS 1.3 and from servers that send it in earlier versions.
_CERTIFICATE_REQUIRED = frozenset({"TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_CERTIFICATE_REQUIRED"})
_HANDSHAKE_FAILED = frozenset({"SSLV3_ALERT_HANDSHAKE_FAILURE", "SSL/TLS_ALERT_HANDSHAKE_FAILURE"})
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
# X509_V_ERR_… of OpenSSL's x509_vfy.h.
_CERTIFICATE_PROBLEMS = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed",
    19: "it is signed by an unknown authority",
    20: "it is signed by an unknown authority",
    21: "it is signed by an unknown authority",
    23: "it was revoked",
    62: "it is for another name",
    64: "it is for another address",
}


def failure_in(error: Exception) -> Failure:
    """Return the failure for `error`, from its innermost cause that the table contains."""
    known = [link for link in _causes(error) if _known(link) is not None]
    if not known:
        # httpcore has raised KeyError and similar errors over HTTP/2; they are not the provider's fault.
        clause = f"could not be asked, because of an error in this program ({type(error).__name__})"
        return Failure(clause, transient=True)
    cause = known[-1]
    failure = _known(cause) or Failure("")
    if isinstance(cause, ssl.SSLError) and getattr(cause, "reason", "") in _CERTIFICATE_REQUIRED:
        return failure_of(intermediaries.CLIENT_CERTIFICATE)
    if isinstance(cause, ssl.SSLError) and getattr(cause, "reason", "") in _HANDSHAKE_FAILED:
        return failure_of(intermediaries.HANDSHAKE_FAILED)
    if isinstance(cause, ssl.SSLCertVerificationError) and (
        problem := _CERTIFICATE_PROBLEMS.get(getattr(cause, "verify_code", 0))
    ):
        return replace(failure, clause=f"{failure.clause} ({problem})")
    if isinstance(cause, socket.gaierror):  # no such name, or DNS is unavailable
        if cause.errno in _NO_SUCH_NAME:
            return replace(failure, remedy="Correct the name of the host, or the DNS configuration of this webhook.")
        return replace(failure, retry=cause.errno == socket.EAI_AGAIN, transient=True)
    return failure


def _known(error: BaseException) -> Failure | None:
    return next((FAILURES[kind] for kind in type(error).__mro__ if kind in FAILURES), None)


def _causes(error: BaseException) -> list[BaseException]:
    """Return `error` and its causes, innermost last. httpcore breaks the chain and keeps the cause as an argument."""
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        argument = link.args[0] if link.args else None
        link = argument if isinstance(argument, BaseException) else link.__cause__
    return links
