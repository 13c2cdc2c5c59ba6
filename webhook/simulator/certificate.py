"""The command that issues the certificate of a simulator in a cluster.

::

    python -m webhook.simulator.certificate --secret NAMESPACE/NAME --dns SERVICE.NAMESPACE.svc --out FOLDER

The certificate is issued once and stored in a Secret. The command also writes its files into a folder, for a container
that starts after this one. The certificate is self-signed: a client that trusts the simulator mounts ``tls.crt`` of the
Secret.
"""

from __future__ import annotations

import argparse
import base64
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kubernetes import client, config

HOLDS = timedelta(days=3650)
"""Longer than any cluster that one develops on."""

_FOUND_FIRST = 409


def issue(names: Sequence[str]) -> dict[str, bytes]:
    """``tls.crt`` and ``tls.key`` (PEM) of a self-signed certificate for these DNS names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "simulated Git providers")])
    began = datetime.now(UTC) - timedelta(minutes=5)  # for clocks that are slow
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + HOLDS)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return {
        "tls.crt": certificate.public_bytes(pem),
        "tls.key": key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    }


def kept(api: client.CoreV1Api, namespace: str, name: str, names: Sequence[str]) -> dict[str, bytes]:
    """What the Secret holds; makes it where there is none.

    Raises:
        kubernetes.client.ApiException: the API server refuses one or the other.
    """
    secret = client.V1Secret(
        metadata=client.V1ObjectMeta(name=name, labels={"app.kubernetes.io/name": "simulator"}),
        type="kubernetes.io/tls",
        data={key: base64.b64encode(value).decode() for key, value in issue(names).items()},
    )
    try:
        secret = api.create_namespaced_secret(namespace, secret)
    except client.ApiException as error:
        if error.status != _FOUND_FIRST:
            raise
        secret = api.read_namespaced_secret(name, namespace)
    return {key: base64.b64decode(value) for key, value in (secret.data or {}).items()}


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put the files into a folder, for their owner's eyes only."""
    for name, content in files.items():
        path = folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the files are there; 3 when the API server wouldn't have it."""
    parser = argparse.ArgumentParser(prog="python -m webhook.simulator.certificate", description=__doc__)
    parser.add_argument("--secret", required=True, metavar="NAMESPACE/NAME", help="where it is kept")
    parser.add_argument("--dns", required=True, action="append", metavar="NAME", help="a name to call; repeatable")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="gets tls.crt and tls.key")
    options = parser.parse_args(arguments)
    namespace, _, name = options.secret.partition("/")
    config.load_config()  # type: ignore[no-untyped-call]  # the package says that it is typed; some of it isn't
    try:
        write(options.out, kept(client.CoreV1Api(), namespace, name, options.dns))
    except client.ApiException as error:
        print(f"simulator: the API server says {error.status} {error.reason}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
