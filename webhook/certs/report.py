"""Report which certificates are served, and whether the API server trusts them."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import yaml
from cryptography import x509

from webhook.address import Address
from webhook.certs.state import State, certificates, dns_names, issued_by, key_problem, shown
from webhook.cluster.requests import ApiError

_TIMEOUT = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Report:
    """The state of the certificates.

    Attributes:
        served: the certificates that a server sent, the leaf first; empty if none was asked.
    """

    state: State
    now: datetime
    served: tuple[x509.Certificate, ...] = ()

    def problems(self, within: timedelta = timedelta()) -> list[str]:
        """Return what is wrong, as sentences. For each of them, calls of the API server fail now or will fail.

        Args:
            within: a certificate that expires within this time is a problem.
        """
        return list(self._problems(within))

    def _problems(self, within: timedelta) -> Iterator[str]:
        installation = self.state.installation
        tls = self.state.tls
        if tls is None:
            yield f"The Secret {installation.namespace}/{installation.tls_secret} does not exist."
        elif tls.leaf is None:
            yield f"The Secret {installation.tls_secret} contains no readable certificate."
        else:
            if (key := key_problem(tls.leaf)) is not None:
                yield f"The Secret {installation.tls_secret} cannot be served: {key}."
            chain = certificates(tls.leaf.certificate)
            yield from self._leaf_problems(f"The certificate in the Secret {installation.tls_secret}", chain, within)
        if self.served:
            yield from self._leaf_problems("The certificate that is served", list(self.served), within)
        for configuration in self.state.configurations:
            what = f"{configuration.resource.kind} {configuration.name}"
            if configuration.trouble is not None:
                yield f"The {what} cannot be read: {configuration.trouble}."
            elif configuration.document is None:
                yield f"The {what} does not exist, so the API server does not call the webhook."
            elif not configuration.bundles(installation):
                yield f"The {what} has no webhook that calls {installation.server_name}."

    def _leaf_problems(self, what: str, chain: list[x509.Certificate], within: timedelta) -> Iterator[str]:
        leaf, installation = chain[0], self.state.installation
        if self.now > leaf.not_valid_after_utc:
            yield f"{what} expired at {shown(leaf.not_valid_after_utc)}."
        elif self.now + within > leaf.not_valid_after_utc:
            yield f"{what} expires at {shown(leaf.not_valid_after_utc)}."
        if self.now < leaf.not_valid_before_utc:
            yield f"{what} is not valid before {shown(leaf.not_valid_before_utc)}."
        if installation.server_name not in dns_names(leaf):
            yield f"{what} is not valid for {installation.server_name}, which the API server calls."
        for configuration in self.state.configurations:
            for webhook, bundle in configuration.bundles(installation).items():
                if (why := self._distrust(chain, bundle)) is not None:
                    yield f"{what} is not trusted by the API server, by the caBundle of {webhook}: {why}."

    def _distrust(self, chain: list[x509.Certificate], bundle: bytes) -> str | None:
        if not (authorities := certificates(bundle)):
            return "it contains no certificate"
        issuers = [ca for ca in authorities if any(one == ca or issued_by(one, ca) for one in chain)]
        if not issuers:
            return "no CA in it issued the certificate"
        if all(ca.not_valid_after_utc < self.now for ca in issuers):
            return "the CA that issued it has expired"
        return None

    def described(self) -> dict[str, Any]:
        """Return the report as data."""
        state, installation = self.state, self.state.installation
        ca = state.ca
        described: dict[str, Any] = {
            "installation": f"{installation.namespace}/{installation.name}",
            "cas": [],
            "secret": _described(state.tls.leaf.parsed()) if state.tls is not None and state.tls.leaf else None,
            "served": _described(self.served[0]) if self.served else None,
            "trusted": {
                webhook: [_described(one) for one in certificates(bundle)]
                for configuration in state.configurations
                for webhook, bundle in configuration.bundles(installation).items()
            },
            "problems": self.problems(),
        }
        if ca is not None:
            pairs = [("current", ca.current), ("next", ca.following)]
            found = [(role, pair.parsed()) for role, pair in pairs if pair is not None]
            found += [("previous", one) for one in ca.previous]
            described["cas"] = [{"role": role, **_described(one)} for role, one in found]
        return described

    def dump(self, output: Literal["json", "yaml"]) -> str:
        """Return the report as JSON or YAML."""
        if output == "json":
            return json.dumps(self.described(), indent=2)
        return str(yaml.safe_dump(self.described(), sort_keys=False)).rstrip("\n")

    def text(self) -> str:
        """Return the report as a table with the problems."""
        described = self.described()
        rows = [("WHAT", "SUBJECT", "ENDS", "NAMES")]
        rows += [(f"CA, {one['role']}", one["subject"], one["ends"], "") for one in described["cas"]]
        for what, title in (("secret", "leaf in the Secret"), ("served", "leaf that is served")):
            if (leaf := described[what]) is not None:
                rows.append((title, leaf["subject"], leaf["ends"], ", ".join(leaf["names"])))
        for webhook, trusted in described["trusted"].items():
            rows += [(f"trusted by {webhook}", one["subject"], one["ends"], "") for one in trusted]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        verdict = described["problems"] or ["The API server trusts the certificate."]
        return "\n".join([*lines, "", *verdict])


async def report(state: State, now: datetime, connect: str | None = None) -> Report:
    """Return the report of an installation.

    Args:
        connect: ``HOST:PORT`` of a server whose certificate to include.

    Raises:
        ConfigurationError: this is not an address.
        ApiError: no server answers there.
    """
    if connect is None:
        return Report(state, now)
    return Report(state, now, await _served(Address.parse(connect), state.installation.server_name))


async def _served(address: Address, name: str) -> tuple[x509.Certificate, ...]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the certificate is checked afterwards, and nothing is sent
    try:
        async with asyncio.timeout(_TIMEOUT):
            _, writer = await asyncio.open_connection(address.host, address.port, ssl=context, server_hostname=name)
    except (OSError, TimeoutError) as error:
        raise ApiError(f"no TLS server answers at {address}: {type(error).__name__}") from None
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return (x509.load_der_x509_certificate(der),)


def _described(certificate: x509.Certificate) -> dict[str, Any]:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "serial": f"{certificate.serial_number:x}",
        "begins": shown(certificate.not_valid_before_utc),
        "ends": shown(certificate.not_valid_after_utc),
        "names": dns_names(certificate),
    }
