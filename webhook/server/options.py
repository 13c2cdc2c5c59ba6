"""The command line options of the server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from webhook import logs
from webhook.address import Address
from webhook.certs.lifetimes import Lifetimes
from webhook.certs.names import Installation


@dataclass(frozen=True, slots=True)
class CertificateOptions:
    """Options of the certificates that this server issues and renews.

    Attributes:
        lease_duration: seconds after which another replica takes over from one that died.
    """

    installation: Installation
    lifetimes: Lifetimes
    lease_duration: float


@dataclass(frozen=True, slots=True)
class Options:
    """The command line options; durations in seconds.

    Attributes:
        client_names: allowed names in client certificates from `client_ca`; all names if empty.
        wait_for_files: how long to wait for certificate, key and key ring.
        certificates: None if this server does not manage its certificates.
    """

    tls_cert: Path
    tls_key: Path
    config: Path | None
    client_ca: Path | None
    client_names: tuple[str, ...]
    wait_for_files: float
    certificates: CertificateOptions | None
    listen: Address
    health_listen: Address
    kubeconfig: Path | None
    shutdown_delay: float
    shutdown_timeout: float
    log_format: logs.Format
    log_level: str
