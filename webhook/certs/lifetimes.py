"""How long certificates hold, and when they are replaced: long before anybody would notice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from webhook.certs.issue import issued_at
from webhook.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How certificates are made here.

    Attributes:
        ca: of a CA, which nobody but the API server trusts, and only for our webhooks.
        leaf: of a serving certificate.
        settle: how long a new CA is published before a certificate of it is served: API servers learn of a changed
            webhook configuration within seconds, and all of them have by then.
    """

    ca: timedelta = timedelta(days=365)
    leaf: timedelta = timedelta(days=90)
    settle: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigurationError: they don't go together.
        """
        if self.leaf <= timedelta() or self.settle < timedelta():
            raise ConfigurationError("--leaf-lifetime must be longer than nothing, and --settle not shorter")
        if 3 * (self.leaf + self.settle) > self.ca:
            # A CA is replaced after two thirds of its life, and no leaf outlives it: the last third must hold a leaf.
            raise ConfigurationError("--ca-lifetime must be at least three times --leaf-lifetime and --settle together")


def renewal_of(certificate: x509.Certificate) -> datetime:
    """When to replace a certificate: after two thirds of its life, less up to a twentieth of it.

    How much less follows from its serial number, so that everybody knows the same moment, and the installations of one
    day differ.
    """
    begin, end = issued_at(certificate), certificate.not_valid_after_utc
    early = (certificate.serial_number % 1000) / 1000 / 20
    return begin + (end - begin) * (2 / 3 - early)
