"""What certs/ shows works: the script's certificates, and each flag that the README names."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from webhook.cli.main import app
from webhook.server import tls
from webhook.server.tls import TlsFiles

CERTS = Path(__file__).resolve().parents[2] / "certs"
PAGE = (CERTS.parent / "docs" / "how-to" / "certificates.md").read_text()
SCRIPT = CERTS / "files" / "make-with-openssl"
NAME = "git-token-webhook.git-token-webhook.svc"


def made(folder: Path, *arguments: str) -> Path:
    """What the script makes."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl: apt-get install openssl")
    where = folder / "made"
    before, after = (arguments[:1], arguments[1:]) if arguments[:1] == ("--client",) else ((), arguments)
    subprocess.run([SCRIPT, *before, where, *after], check=True, capture_output=True)
    return where


def verified(*arguments: str | Path) -> bool:
    """Whether OpenSSL accepts a certificate, as strictly as it can."""
    return subprocess.run(["openssl", "verify", "-x509_strict", *arguments], capture_output=True).returncode == 0


class TestScript:
    def test_the_certificate_is_served_and_trusted(self, tmp_path: Path) -> None:
        """By the server's own checks, and by OpenSSL's strict ones."""
        folder = made(tmp_path)
        serving = tls.load(TlsFiles(folder / "tls.crt", folder / "tls.key"))
        assert tls.distrust_reason(serving, (folder / "ca.crt").read_bytes(), NAME) is None
        assert verified("-CAfile", folder / "ca.crt", "-verify_hostname", NAME, folder / "tls.crt")

    def test_run_again_it_renews(self, tmp_path: Path) -> None:
        """By the CA that is there, so that whoever trusts that one need not be told."""
        folder = made(tmp_path)
        before = {file.name: file.read_bytes() for file in folder.iterdir()}
        assert made(tmp_path) == folder
        after = {file.name: file.read_bytes() for file in folder.iterdir()}
        assert {name for name in before if after[name] != before[name]} == {"tls.crt", "tls.key"}
        assert verified("-CAfile", folder / "ca.crt", "-verify_hostname", NAME, folder / "tls.crt")

    def test_another_service(self, tmp_path: Path) -> None:
        """Its namespace and name can be given; the default's isn't covered then."""
        folder = made(tmp_path, "platform", "checks")
        host = ("-CAfile", folder / "ca.crt", "-verify_hostname")
        assert verified(*host, "checks.platform.svc", folder / "tls.crt")
        assert not verified(*host, NAME, folder / "tls.crt")

    def test_a_client_s_certificate(self, tmp_path: Path) -> None:
        """Good for a client, and for nothing else."""
        folder = made(tmp_path, "--client", "kube-apiserver")
        assert verified("-purpose", "sslclient", "-CAfile", folder / "client-ca.crt", folder / "client.crt")
        assert not verified("-purpose", "sslserver", "-CAfile", folder / "client-ca.crt", folder / "client.crt")

    def test_keys_are_for_their_owner_alone(self, tmp_path: Path) -> None:
        """Whatever the umask of the shell is."""
        folder = made(tmp_path)
        assert all(key.stat().st_mode & 0o077 == 0 for key in folder.glob("*.key"))


def flags(*path: str) -> set[str]:
    """Those of a command."""
    command: Any = typer.main.get_command(app)
    for name in path:
        command = command.commands[name]
    return {flag for parameter in command.params for flag in parameter.opts}


class TestPage:
    def test_the_containers_arguments(self) -> None:
        """Each is a flag of the command that it is given to."""
        (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
        document = yaml.safe_load(block)
        for container in [*document["initContainers"], *document["containers"]]:
            words = [word for word in container["args"] if not word.startswith("--")]
            known = flags(*words)
            assert {word.partition("=")[0] for word in container["args"] if word.startswith("--")} <= known

    def test_the_commands(self) -> None:
        """Each exists, with its flags."""
        commands = re.findall(r"^\$ git-token-webhook (certs .*)$", PAGE, re.MULTILINE)
        assert len(commands) >= 5
        for command in commands:
            words = command.split()
            assert {word for word in words if word.startswith("--")} <= flags(*words[:2])

    def test_every_flag_that_the_text_names(self) -> None:
        """Is one of ours, or of whom the text speaks of there."""
        named = set(re.findall(r"`(--[a-z-]+)", PAGE))
        ours = flags("serve") | flags("certs", "rotate") | flags("certs", "check") | flags("certs", "generate")
        assert named - ours <= {"--set", "--force-conflicts", "--admission-control-config-file"}
