"""Certificates that Go and OpenSSL accept, and files that nobody sees half of."""

import os
import shutil
import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from webhook.certs.issue import KeyPair, issue_ca, issue_client_certificate, issue_serving_certificate, write_key_pair
from webhook.errors import ConfigurationError
from webhook.files import write_file

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAME = "git-token-webhook.platform.svc"


def verified(leaf: KeyPair, ca: KeyPair, name: str, folder: Path) -> bool:
    """Whether OpenSSL accepts the leaf for this name, as strictly as it can."""
    write_key_pair(leaf, folder / "tls.crt", folder / "tls.key")
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    client_context = ssl.create_default_context(cadata=ca.certificate.decode())
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    try:
        for side in (client, server, client):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    except ssl.SSLCertVerificationError:
        return False
    return client.getpeercert() is not None


class TestServingCertificates:
    @pytest.mark.parametrize("name", [NAME, "localhost", "127.0.0.1", "::1"])
    def test_accepted_for_each_of_its_names(self, name: str, tmp_path: Path) -> None:
        """DNS names and addresses, under the strictest verification."""
        ca = issue_ca()
        leaf = issue_serving_certificate(ca, [NAME, "localhost"], [ip_address("127.0.0.1"), ip_address("::1")])
        assert verified(leaf, ca, name, tmp_path)

    @pytest.mark.parametrize("name", ["other.platform.svc", "127.0.0.2", "x.localhost"])
    def test_refused_for_other_names(self, name: str, tmp_path: Path) -> None:
        """And for nothing else."""
        ca = issue_ca()
        leaf = issue_serving_certificate(ca, [NAME, "localhost"], [ip_address("127.0.0.1")])
        assert not verified(leaf, ca, name, tmp_path)

    def test_refused_under_another_ca(self, tmp_path: Path) -> None:
        """A CA of the same name isn't the same."""
        assert not verified(issue_serving_certificate(issue_ca(), [NAME]), issue_ca(), NAME, tmp_path)

    def test_accepted_by_openssl_as_a_server(self, tmp_path: Path) -> None:
        """OpenSSL's own command agrees, with every strict check that it has."""
        if shutil.which("openssl") is None:
            pytest.skip("there is no openssl here")
        ca = issue_ca()
        write_key_pair(ca, tmp_path / "ca.crt", tmp_path / "ca.key")
        write_key_pair(issue_serving_certificate(ca, [NAME]), tmp_path / "tls.crt", tmp_path / "tls.key")
        command = ["openssl", "verify", "-x509_strict", "-check_ss_sig", "-purpose", "sslserver"]
        command += ["-verify_hostname", NAME, "-CAfile", str(tmp_path / "ca.crt"), str(tmp_path / "tls.crt")]
        checked = subprocess.run(command, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr

    def test_a_long_name(self, tmp_path: Path) -> None:
        """A Service's name may be longer than a common name."""
        ca = issue_ca()
        name = f"{'a' * 63}.{'b' * 63}.svc"
        assert verified(issue_serving_certificate(ca, [name]), ca, name, tmp_path)

    def test_life(self) -> None:
        """From an hour ago, for clocks that differ, to the end of the lifetime."""
        leaf = issue_serving_certificate(issue_ca(now=NOW), [NAME], lifetime=timedelta(days=7), now=NOW).parsed()
        assert leaf.not_valid_before_utc == NOW - timedelta(hours=1)
        assert leaf.not_valid_after_utc == NOW + timedelta(days=7)

    def test_never_longer_than_the_ca(self) -> None:
        """A leaf that outlives its CA looks valid and isn't."""
        ca = issue_ca(lifetime=timedelta(days=1), now=NOW)
        assert issue_serving_certificate(ca, [NAME], now=NOW).parsed().not_valid_after_utc == NOW + timedelta(days=1)

    def test_only_for_servers(self) -> None:
        """It can't be used to call the API server."""
        leaf = issue_serving_certificate(issue_ca(), [NAME]).parsed()
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
        assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca

    def test_ecdsa_p256(self) -> None:
        """Small, quick and accepted everywhere."""
        key = issue_serving_certificate(issue_ca(), [NAME]).parsed().public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"

    @pytest.mark.parametrize(
        "name", ["", "*.platform.svc", "a b", "a..b", "-a", "a-", "https://a", "a:443", "ä.svc", "a" * 64, "a_b"]
    )
    def test_what_is_no_name(self, name: str) -> None:
        """Wildcards too: a certificate is for one Service."""
        with pytest.raises(ConfigurationError, match="is not a valid DNS name of a server"):
            issue_serving_certificate(issue_ca(), [name])

    def test_no_name_at_all(self) -> None:
        """A certificate for nobody would only fail later."""
        with pytest.raises(ConfigurationError, match="at least one"):
            issue_serving_certificate(issue_ca(), [])

    @pytest.mark.parametrize("case", ["a leaf", "another key", "no PEM"])
    def test_what_is_no_ca(self, case: str) -> None:
        """Only a CA issues."""
        ca = issue_ca()
        issuer = {
            "a leaf": issue_serving_certificate(ca, [NAME]),
            "another key": KeyPair(ca.certificate, issue_ca().key),
            "no PEM": KeyPair(b"hello", b"hello"),
        }[case]
        with pytest.raises(ConfigurationError, match="the CA"):
            issue_serving_certificate(issuer, [NAME])


def test_a_client_certificate_is_only_for_clients() -> None:
    """It shows who somebody is and can't serve."""
    leaf = issue_client_certificate(issue_ca(), "kube-apiserver").parsed()
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert leaf.subject.rfc4514_string() == "CN=kube-apiserver"


def test_a_ca_issues_no_other_ca() -> None:
    """What is below it are leaves."""
    constraints = issue_ca().parsed().extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)


def test_no_key_in_the_representation() -> None:
    """Somebody will print it one day."""
    assert "PRIVATE" not in repr(issue_ca())


class TestFiles:
    @pytest.mark.parametrize("umask", [0, 0o077])
    def test_a_key_can_be_read_by_its_owner_only(self, umask: int, tmp_path: Path) -> None:
        """Whatever the umask says, and also where a file with other rights was there before."""
        (tmp_path / "tls.key").write_text("old")
        (tmp_path / "tls.key").chmod(0o644)
        before = os.umask(umask)
        try:
            write_key_pair(issue_ca(), tmp_path / "tls.crt", tmp_path / "tls.key")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "tls.key").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "tls.crt").stat().st_mode) == 0o644

    def test_nothing_else_is_left(self, tmp_path: Path) -> None:
        """No temporary file stays beside it."""
        write_file(tmp_path / "a", b"x", mode=0o600)
        assert [path.name for path in tmp_path.iterdir()] == ["a"]

    def test_a_failure_leaves_the_old_file(self, tmp_path: Path) -> None:
        """What can't be put into place is taken away again."""
        (tmp_path / "a").mkdir()
        with pytest.raises(OSError, match="a"):
            write_file(tmp_path / "a", b"x", mode=0o600)
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
