"""How `serve` starts, ends, and takes notice of files, as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trustme

from tests.cli.test_main import run
from tests.support.server_process import ServerProcess, running_server
from webhook.certs.issue import generate_certificates

CA = trustme.CA()


@pytest.fixture
def certificates(tmp_path: Path) -> list[str]:
    """The flags that name them."""
    generate_certificates(tmp_path / "certs", ["localhost"], [], 1)
    return ["--tls-cert", str(tmp_path / "certs" / "tls.crt"), "--tls-key", str(tmp_path / "certs" / "tls.key")]


async def until_logged(server: ServerProcess, event: str, **fields: str) -> dict[str, object]:
    """The first line about `event` with these fields, which is bound to come."""
    async with asyncio.timeout(10):
        while True:
            for text in server.written().splitlines():
                line: dict[str, object] = json.loads(text)
                if line["event"] == event and fields.items() <= line.items():
                    return line
            await asyncio.sleep(0.05)


class TestStarting:
    def test_an_address_that_is_taken(self, certificates: list[str]) -> None:
        """One line that says so once, and nothing that looks like a start before it."""
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as other:
            address = f"127.0.0.1:{other.getsockname()[1]}"
            result = run("serve", *certificates, "--listen", address, "--health-listen", "127.0.0.1:0")
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == f"git-token-webhook: cannot listen on {address}: Address already in use\n"

    @pytest.mark.parametrize("flag", ["--config", "--kubeconfig", "--client-ca"])
    def test_a_file_that_is_missing(self, certificates: list[str], tmp_path: Path, flag: str) -> None:
        """One line that names it."""
        listen = ("--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0")
        result = run("serve", *certificates, *listen, flag, str(tmp_path / "absent"))
        assert (result.returncode, result.stdout) == (2, "")
        (line,) = result.stderr.splitlines()
        assert str(tmp_path / "absent") in line
        assert "no such file" in line.lower()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """One that has a provider with an authority of its own."""
    CA.cert_pem.write_to_path(tmp_path / "acme.pem")
    settings = {"providers": [{"host": "git.acme.dev", "kind": "github", "caFile": str(tmp_path / "acme.pem")}]}
    async with running_server(tmp_path, CA, settings) as process:
        yield process


class TestServing:
    async def test_a_typo_in_the_configuration(self, server: ServerProcess, tmp_path: Path) -> None:
        """It is one line with the reason, and no trace of our code."""
        (tmp_path / "config.yaml").write_text("modus: warn")
        line = await until_logged(server, "reload failed, the previous version stays in use")
        assert "did you mean 'mode'" in str(line["detail"])
        assert "trace" not in line

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            (lambda file: file.write_text("no certificate"), "contains no valid PEM certificate"),
            (lambda file: file.unlink(), "does not exist"),
        ],
    )
    async def test_a_broken_new_authority_of_a_provider(
        self, server: ServerProcess, tmp_path: Path, change: Callable[[Path], object], problem: str
    ) -> None:
        """It is told when it comes, and not only when somebody's token can't be checked; a good one ends it."""
        change(tmp_path / "acme.pem")
        line = await until_logged(server, "reload failed, the previous version stays in use", what="authorities")
        assert str(tmp_path / "acme.pem") in str(line["detail"])
        assert problem in str(line["detail"])
        trustme.CA().cert_pem.write_to_path(tmp_path / "acme.pem")
        await until_logged(server, "reloaded", what="authorities")
