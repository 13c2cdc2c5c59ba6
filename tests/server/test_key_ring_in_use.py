"""What the running server makes of its key ring: what it says of it at the start, and when files change."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.keyring.rings import write_key
from tests.support.server_process import ServerProcess, running_server
from tests.test_no_leaks import review
from webhook.keyring.files import load_keyring_by_file_times
from webhook.keyring.jwe import sealing_key

pytestmark = pytest.mark.slow

SKIPPING = {"app-proxy": {"config": {"skipGitPermissionValidation": "true"}}}
"""Nobody is asked, so that what is written is sealed and nothing else happens."""


def lines(server: ServerProcess, event: str) -> list[dict[str, Any]]:
    """The log lines of an event."""
    found = [json.loads(line) for line in server.written().splitlines()]
    return [line for line in found if line["event"] == event]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that takes the server a second or two."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (it happens in another process)
            await asyncio.sleep(0.05)


async def sealing_kid(server: ServerProcess) -> str | None:
    """The key that a token is sealed by now."""
    write = review({"token": "ghp_" + "x" * 36}, name="git-default-ada", labels={"a": "b"})
    answer = (await server.review("mutate", write)).json()["response"]
    for operation in json.loads(base64.b64decode(answer["patch"])):
        if operation["path"] == "/data/token":
            return sealing_key(base64.b64decode(operation["value"]).decode())
    return None


async def test_without_a_ring_the_start_says_what_that_means(tmp_path: Path) -> None:
    """Attestations end with the process, and nothing can be sealed."""
    async with running_server(tmp_path, trustme.CA(), {}) as server:
        (line,) = lines(server, "no key ring")
    assert "attestations are valid in this process only" in line["detail"]
    assert "tokens are not sealed" in line["detail"]
    assert "Set encryption.keysDir" in line["detail"]


async def test_a_new_key_is_used_after_its_time_and_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    """All without a restart; what is wrong is said once, with the file's name and nothing that it holds."""
    folder = tmp_path / "keys"
    write_key(folder, "2026-11")
    settings = {**SKIPPING, "encryption": {"mode": "seal", "keysDir": str(folder), "keyActivation": "8s"}}
    async with running_server(tmp_path, trustme.CA(), settings) as server:
        (old,) = load_keyring_by_file_times(folder).keys
        assert await sealing_kid(server) == old.kid
        broken = write_key(folder, "2026-12", "bm90IGEga2V5IGF0IGFsbA==")
        await until(lambda: "2026-12 holds 16 bytes" in server.written())
        assert await sealing_kid(server) == old.kid
        assert broken not in server.written()
        text = write_key(folder, "2026-12")
        await until(lambda: len(lines(server, "key ring")) == 2)
        _, new = load_keyring_by_file_times(folder).keys
        assert lines(server, "key ring")[-1]["keys"] == [old.kid, new.kid]
        assert await sealing_kid(server) == old.kid
        async with asyncio.timeout(30):
            while await sealing_kid(server) != new.kid:  # noqa: ASYNC110 (likewise)
                await asyncio.sleep(0.1)
        (folder / "2026-11").unlink()
        await until(lambda: "what it sealed can't be opened until it is back" in server.written())
        assert text.strip() not in server.written()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "2026-11").unlink(), "holds no key"),
        (lambda folder: (folder / "2026-11").chmod(0o644), "can be read by other users"),
        (lambda folder: folder.rename(folder.with_name("gone")), "can't be read: No such file or directory"),
    ],
    ids=["empty", "open to others", "absent"],
)
async def test_a_server_does_not_start_with_a_bad_ring(
    tmp_path: Path, spoil: Callable[[Path], object], says: str
) -> None:
    """It would seal with nothing, or with what others know; the exit code says that the configuration is wrong."""
    folder = tmp_path / "keys"
    write_key(folder, "2026-11")
    spoil(folder)
    certificate = trustme.CA().issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    certificate.private_key_pem.write_to_path(tmp_path / "tls.key")
    (tmp_path / "config.yaml").write_text(json.dumps({"encryption": {"keysDir": str(folder)}}))
    files = (
        "--config",
        tmp_path / "config.yaml",
        "--tls-cert",
        tmp_path / "tls.crt",
        "--tls-key",
        tmp_path / "tls.key",
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KUBERNETES_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "webhook", "serve", *map(str, files), "--listen", "127.0.0.1:0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    async with asyncio.timeout(60):
        _, error = await process.communicate()
    assert process.returncode == 2
    assert says in error.decode()
    assert "Traceback" not in error.decode()
