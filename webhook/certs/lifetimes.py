"""Lifetimes of certificates, and when they are renewed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from webhook.certs.issue import issued_at
from webhook.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The lifetimes of certificates that are issued here.

    Attributes:
        ca: of a CA, which only the API server trusts, and only for our webhooks.
        leaf: of a serving certificate.
        settle: how long a new CA is published before a certificate from it is served. API servers receive a changed
            webhook configuration within seconds.
    """

    ca: timedelta = timedelta(days=365)
    leaf: timedelta = timedelta(days=90)
    settle: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigurationError: they contradict each other.
        """
        if self.leaf <= timedelta() or self.settle < timedelta():
            raise ConfigurationError("--leaf-lifetime must be positive, and --settle must not be negative")
        if 3 * (self.leaf + self.settle) > self.ca:
            # A CA is renewed after two thirds of its lifetime, and no leaf outlives it: a leaf must fit in the rest.
            raise ConfigurationError("--ca-lifetime must be at least three times --leaf-lifetime and --settle together")


def renewal_of(certificate: x509.Certificate) -> datetime:
    """Return when to renew a certificate: after two thirds of its lifetime, minus up to a twentieth.

    The difference depends on the serial number, so that all replicas agree, and installations of the same day differ.
    """
    begin, end = issued_at(certificate), certificate.not_valid_after_utc
    early = (certificate.serial_number % 1000) / 1000 / 20
    return begin + (end - begin) * (2 / 3 - early)
