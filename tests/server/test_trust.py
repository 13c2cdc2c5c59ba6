"""Readiness where certificates are our own, and files that come a moment later."""

from __future__ import annotations

import asyncio
import base64
from io import BytesIO
from pathlib import Path

import pytest

from tests.certs.objects import HERE, Memory
from webhook.certs.issue import KeyPair, issue_ca, issue_serving_certificate, write_key_pair
from webhook.certs.names import CONFIGURATIONS
from webhook.errors import ConfigurationError
from webhook.logs import Logger, build_logger
from webhook.metrics import Metrics
from webhook.server import tls
from webhook.server.client_names import names_of
from webhook.server.file_waiting import wait_for_files
from webhook.server.tls import ServingTls, TlsFiles
from webhook.server.trust import Trust

PATIENCE = 0.3
"""Seconds."""


class Here:
    """A server, and an API server that trusts what the test says."""

    def __init__(self, folder: Path) -> None:
        self.ca = issue_ca()
        self.served = serving(issue_serving_certificate(self.ca, HERE.dns_names), folder)
        self.objects = Memory()
        self.output = BytesIO()
        self.metrics = Metrics()
        log: Logger = build_logger(self.output, format="json", level="info", colors=False)
        self.trust = Trust(
            self.objects, HERE, lambda: self.served, metrics=self.metrics, log=log, interval=0.01, patience=PATIENCE
        )

    def publish(self, ca: KeyPair | None) -> None:
        """As caBundle of every webhook."""
        text = base64.b64encode(ca.certificate).decode() if ca is not None else ""
        for resource in CONFIGURATIONS:
            for webhook in self.objects.get(resource.plural, HERE.name)["webhooks"]:
                webhook["clientConfig"]["caBundle"] = text

    async def failure(self) -> str | None:
        """Why it isn't ready, after a look."""
        await self.trust.check()
        return self.trust.failure()

    @property
    def log(self) -> str:
        """What it said."""
        return self.output.getvalue().decode()


def serving(leaf: KeyPair, folder: Path) -> ServingTls:
    """What a server does with a certificate."""
    write_key_pair(leaf, folder / "tls.crt", folder / "tls.key")
    return tls.load(TlsFiles(folder / "tls.crt", folder / "tls.key"))


@pytest.fixture
async def here(tmp_path: Path) -> Here:
    """A server and its configurations."""
    made = Here(tmp_path)
    await made.objects.register()
    return made


class TestTrust:
    async def test_nobody_knows_yet(self, here: Here) -> None:
        """Before the first look."""
        assert here.trust.failure() == "the webhook configurations have not been read yet"

    async def test_trusted(self, here: Here) -> None:
        """Also with a bundle of several."""
        here.publish(KeyPair(issue_ca().certificate + here.ca.certificate, b""))
        assert await here.failure() is None
        assert "git_token_webhook_certificate_trusted 1.0" in here.metrics.exposition()[0].decode()

    @pytest.mark.parametrize("other", [True, False])
    async def test_not_trusted(self, here: Here, other: bool) -> None:
        """By another CA, and by none."""
        here.publish(issue_ca() if other else None)
        failure = await here.failure()
        assert failure is not None
        assert failure.startswith("the API server does not trust this server's certificate by the caBundle of one: ")
        await here.failure()
        assert here.log.count("does not trust") == 1

    async def test_a_name_that_isn_t_covered(self, here: Here, tmp_path: Path) -> None:
        """What the API server calls must be among the names."""
        here.publish(here.ca)
        here.served = serving(issue_serving_certificate(here.ca, ["other.platform.svc"]), tmp_path)
        assert "mismatch" in str(await here.failure())

    async def test_without_configurations_nobody_calls(self, tmp_path: Path) -> None:
        """Which is no reason to be taken out."""
        assert await Here(tmp_path).failure() is None

    async def test_one_that_was_ready_stays_so_for_a_while(self, here: Here) -> None:
        """A reset caBundle is put right meanwhile; if it isn't, it isn't ready."""
        here.publish(here.ca)
        assert await here.failure() is None
        here.publish(None)
        assert await here.failure() is None
        await asyncio.sleep(PATIENCE)
        assert await here.failure() is not None
        here.publish(here.ca)
        assert await here.failure() is None

    async def test_an_api_server_that_can_t_be_read(self, here: Here) -> None:
        """Takes out nobody who was ready, and lets in nobody who wasn't."""
        here.objects.refusing = {resource.plural: 500 for resource in CONFIGURATIONS}
        assert await here.failure() == "the webhook configurations have not been read yet: the API server answers 500"
        here.objects.refusing = {}
        here.publish(here.ca)
        assert await here.failure() is None
        here.objects.refusing = {resource.plural: 500 for resource in CONFIGURATIONS}
        await asyncio.sleep(PATIENCE)
        assert await here.failure() is None

    async def test_where_client_certificates_are_demanded(self, here: Here, tmp_path: Path) -> None:
        """That the comparison shows none is no reason."""
        client_ca = tmp_path / "client-ca.crt"
        client_ca.write_bytes(issue_ca().certificate)
        here.served = tls.load(TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key", client_ca))
        here.publish(here.ca)
        assert await here.failure() is None
        here.publish(issue_ca())
        here.trust = Trust(here.objects, HERE, lambda: here.served, metrics=here.metrics, log=_log())
        assert await here.failure() is not None


class TestWaiting:
    async def test_files_that_come(self, tmp_path: Path) -> None:
        """It returns as soon as they are there; a folder must hold something."""
        folder = tmp_path / "keys"
        folder.mkdir()
        (folder / "..data").mkdir()
        waiting = asyncio.ensure_future(wait_for_files([tmp_path / "tls.crt", folder], 10, _log()))
        await asyncio.sleep(0.1)
        (tmp_path / "tls.crt").touch()
        await asyncio.sleep(0.6)
        assert not waiting.done()
        (folder / "2026-11").touch()
        await asyncio.wait_for(waiting, 5)

    async def test_files_that_don_t_come(self, tmp_path: Path) -> None:
        """After so long it says which, and what to look at."""
        with pytest.raises(
            ConfigurationError, match=r"tls\.crt does not exist after 0\.1 s\. Check that the mounted Secret"
        ):
            await wait_for_files([tmp_path / "tls.crt"], 0.1, _log())

    async def test_nobody_waits_who_wasn_t_told_to(self, tmp_path: Path) -> None:
        """Whoever reads a missing file says so at once."""
        await wait_for_files([tmp_path / "missing"], 0, _log())


class TestClientNames:
    def test_names_of_a_certificate(self) -> None:
        """As Python's TLS describes it."""
        certificate = {
            "subject": ((("organizationName", "system:masters"),), (("commonName", "kube-apiserver"),)),
            "subjectAltName": (
                ("DNS", "apiserver"),
                ("URI", "spiffe://cluster/apiserver"),
                ("IP Address", "192.0.2.1"),
            ),
        }
        assert names_of(certificate) == ["kube-apiserver", "apiserver", "spiffe://cluster/apiserver"]
        assert names_of(None) == names_of({}) == []


def _log() -> Logger:
    return build_logger(BytesIO(), format="json", level="info", colors=False)
