"""TLS contexts from files: those that work, and why the others don't."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from webhook.certs.issue import KeyPair, issue_ca, issue_client_certificate, issue_serving_certificate, write_key_pair
from webhook.errors import ConfigurationError
from webhook.server.tls import TlsFiles, load

NOW = datetime.now(UTC)
CA = issue_ca()
LEAF = issue_serving_certificate(CA, ["localhost"])


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    """A good pair on disk."""
    found = TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key")
    write_key_pair(LEAF, found.certificate, found.key)
    return found


def with_client_ca(files: TlsFiles, content: bytes) -> TlsFiles:
    path = files.key.with_name("client-ca.crt")
    path.write_bytes(content)
    return TlsFiles(files.certificate, files.key, path)


def shake_hands(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> ssl.SSLObject:
    """The client's side of a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="localhost")
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server, client):  # TLS 1.2 takes a round more than 1.3
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            pass
    return client


def trusting(ca: KeyPair = CA) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca.certificate.decode())


class TestGoodFiles:
    def test_a_client_that_trusts_the_ca(self, files: TlsFiles) -> None:
        """The handshake succeeds with the newest version of TLS."""
        assert shake_hands(load(files).context, trusting()).version() == "TLSv1.3"

    def test_http_1_1_only(self, files: TlsFiles) -> None:
        """The API server would speak HTTP/2 to a loopback address that offers it."""
        client_context = trusting()
        client_context.set_alpn_protocols(["h2", "http/1.1"])
        assert shake_hands(load(files).context, client_context).selected_alpn_protocol() == "http/1.1"

    def test_tls_1_2(self, files: TlsFiles) -> None:
        """Still accepted."""
        client_context = trusting()
        client_context.maximum_version = ssl.TLSVersion.TLSv1_2
        assert shake_hands(load(files).context, client_context).version() == "TLSv1.2"

    def test_nothing_older(self, files: TlsFiles) -> None:
        """TLS 1.1 isn't offered."""
        assert load(files).context.minimum_version is ssl.TLSVersion.TLSv1_2

    def test_what_is_known_of_the_certificate(self, files: TlsFiles) -> None:
        """Which one is served, and for how long."""
        serving = load(files)
        parsed = LEAF.parsed()
        assert serving.leaf == parsed.public_bytes(Encoding.DER)
        assert (serving.not_before, serving.not_after) == (parsed.not_valid_before_utc, parsed.not_valid_after_utc)

    def test_no_client_certificate_is_asked_for(self, files: TlsFiles) -> None:
        """Unless there is a client CA."""
        assert load(files).context.verify_mode is ssl.CERT_NONE


class TestClientCertificates:
    def test_one_of_the_client_ca(self, files: TlsFiles, tmp_path: Path) -> None:
        """Whoever shows one is served."""
        context = load(with_client_ca(files, CA.certificate)).context
        write_key_pair(issue_client_certificate(CA, "kube-apiserver"), tmp_path / "c.crt", tmp_path / "c.key")
        client_context = trusting()
        client_context.load_cert_chain(tmp_path / "c.crt", tmp_path / "c.key")
        assert shake_hands(context, client_context).version() == "TLSv1.3"

    def test_none(self, files: TlsFiles) -> None:
        """Whoever shows none isn't."""
        context = load(with_client_ca(files, CA.certificate)).context
        with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
            shake_hands(context, trusting())

    def test_one_of_another_ca(self, files: TlsFiles, tmp_path: Path) -> None:
        """Whoever shows one of somebody else isn't."""
        context = load(with_client_ca(files, CA.certificate)).context
        write_key_pair(issue_client_certificate(issue_ca(), "x"), tmp_path / "c.crt", tmp_path / "c.key")
        client_context = trusting()
        client_context.load_cert_chain(tmp_path / "c.crt", tmp_path / "c.key")
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            shake_hands(context, client_context)

    @pytest.mark.parametrize("content", [b"", b"hello", LEAF.key])
    def test_a_client_ca_that_is_none(self, files: TlsFiles, content: bytes) -> None:
        """Else nobody could connect, or everybody."""
        with pytest.raises(ConfigurationError, match=r"client-ca\.crt contains no PEM certificate"):
            load(with_client_ca(files, content))


def encrypted(key: bytes) -> bytes:
    encryption = BestAvailableEncryption(b"passphrase")
    return load_pem_private_key(key, None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


class TestBadFiles:
    @pytest.mark.parametrize(
        ("certificate", "key", "reason"),
        [
            (LEAF.certificate, issue_ca().key, r"tls\.key is not the key of .*tls\.crt"),
            (LEAF.certificate, encrypted(LEAF.key), r"tls\.key is encrypted"),
            (LEAF.certificate, b"", r"cannot be used"),
            (LEAF.certificate, LEAF.key[: len(LEAF.key) // 2], r"cannot be used"),
            (LEAF.certificate, LEAF.certificate, r"cannot be used"),
            (b"", LEAF.key, r"tls\.crt contains no PEM certificate"),
            (LEAF.certificate[: len(LEAF.certificate) // 2], LEAF.key, r"tls\.crt contains no PEM certificate"),
            (b"hello", b"hello", r"tls\.crt contains no PEM certificate"),
            (LEAF.key, LEAF.key, r"tls\.crt contains no PEM certificate"),
        ],
    )
    def test_what_can_not_be_used(self, files: TlsFiles, certificate: bytes, key: bytes, reason: str) -> None:
        """It is refused before anybody is served with it, and the text says which file is wrong and why."""
        files.certificate.write_bytes(certificate)
        files.key.write_bytes(key)
        with pytest.raises(ConfigurationError, match=reason) as refused:
            load(files)
        assert "PRIVATE KEY" not in str(refused.value)

    @pytest.mark.parametrize("name", ["tls.crt", "tls.key", "client-ca.crt"])
    def test_a_missing_file(self, files: TlsFiles, name: str) -> None:
        """It is named."""
        files = with_client_ca(files, CA.certificate)
        (files.key.parent / name).unlink()
        with pytest.raises(ConfigurationError, match=rf"{name} cannot be read: No such file"):
            load(files)

    def test_an_expired_certificate(self, files: TlsFiles) -> None:
        """Every call would fail, so the one in use is the better one."""
        with pytest.raises(ConfigurationError, match="the certificate expired at"):
            load(files, now=NOW + timedelta(days=366))

    def test_a_certificate_of_tomorrow(self, files: TlsFiles) -> None:
        """Likewise."""
        with pytest.raises(ConfigurationError, match="is not valid before"):
            load(files, now=NOW - timedelta(hours=2))


def test_a_certificate_that_ends_while_it_is_served(files: TlsFiles) -> None:
    """What was good when it was loaded may not be any more."""
    serving = load(files)
    assert serving.invalid_reason() is None
    assert "the certificate expired" in (serving.invalid_reason(NOW + timedelta(days=366)) or "")
