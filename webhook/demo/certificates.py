"""The certificates of a demo."""

from __future__ import annotations

import ssl
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

from webhook.certs.issue import issue_ca, issue_serving_certificate, write_key_pair


def certificates(place: Path) -> ssl.SSLContext:
    """Create a CA and a certificate for the server; return the TLS context of the simulated providers."""
    ca = issue_ca("git-token-webhook demo")
    leaf = issue_serving_certificate(ca, ["localhost"], [IPv4Address("127.0.0.1")], lifetime=timedelta(days=1))
    write_key_pair(ca, place / "ca.crt", place / "ca.key")
    write_key_pair(leaf, place / "tls.crt", place / "tls.key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(place / "tls.crt", place / "tls.key")
    return context
