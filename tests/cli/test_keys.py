"""``git-token-webhook keys``, as a person runs it."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer.testing
import yaml

from tests.keyring.rings import write_key
from webhook.cli.keys import app
from webhook.errors import ConfigurationError
from webhook.keyring.files import load_keyring
from webhook.keyring.key import parse_key

RUNNER = typer.testing.CliRunner()


def run(*arguments: str | Path) -> str:
    """What a command prints."""
    result = RUNNER.invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: str | Path) -> str:
    """Why a command does nothing; `cli.main` makes exit code 2 of it."""
    result = RUNNER.invoke(app, list(map(str, arguments)))
    assert isinstance(result.exception, ConfigurationError), result.output
    return str(result.exception)


def make_older(folder: Path, seconds: int = 3600) -> None:
    """As if all keys had been there for a while."""
    for file in folder.iterdir():
        os.utime(file, (time.time() - seconds,) * 2)


def keys_of(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if not file.name.startswith("."))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ring that was made an hour ago."""
    run("generate", tmp_path / "keys")
    make_older(tmp_path / "keys")
    return tmp_path / "keys"


class TestGenerate:
    def test_nobody_else_may_read_it(self, tmp_path: Path) -> None:
        """The folder is 0700 and the key 0600, whatever the umask says, and Git keeps away from it."""
        before = os.umask(0)
        try:
            run("generate", tmp_path / "some" / "keys")
        finally:
            os.umask(before)
        folder = tmp_path / "some" / "keys"
        (key,) = keys_of(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert (folder / ".gitignore").read_text() == "*\n"

    def test_it_is_a_ring(self, folder: Path) -> None:
        """The key is named by the day, and the server reads it."""
        (key,) = load_keyring(folder, datetime.now(UTC)).keys
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", key.name)

    def test_a_ring_is_never_overwritten(self, folder: Path) -> None:
        """What its keys have sealed would be lost."""
        before = {file.name: file.read_bytes() for file in folder.iterdir()}
        assert "is not empty" in refused("generate", folder)
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == before

    def test_a_file_is_no_folder(self, tmp_path: Path) -> None:
        """The message says so in one line."""
        (tmp_path / "file").write_text("")
        assert "Not a directory" in refused("generate", tmp_path / "file")


class TestRotate:
    def test_the_new_key_is_the_last(self, folder: Path) -> None:
        """Twice on one day as well: the time is added to the date."""
        (first,) = keys_of(folder)
        run("rotate", folder)
        assert [first, *keys_of(folder)[1:]] == keys_of(folder)
        make_older(folder)
        time.sleep(1.1)  # names have seconds
        run("rotate", folder)
        files = keys_of(folder)
        assert len(files) == 3
        assert len({parse_key(file.read_bytes()) for file in files}) == 3
        assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)

    def test_the_old_key_is_in_use_until_the_new_one_is_everywhere(self, folder: Path) -> None:
        """It says so, and so does the list."""
        (old,) = keys_of(folder)
        assert f"Until then {old.name} is active" in run("rotate", folder)
        states = [key["state"] for key in json.loads(run("list", folder, "-o", "json"))]
        assert states == ["active", "waiting"]

    def test_one_at_a_time(self, folder: Path) -> None:
        """A replica that starts takes all but the last key for known, so that the one before must be."""
        run("rotate", folder)
        assert "is not active before" in refused("rotate", folder, "--name", "9999")
        assert len(keys_of(folder)) == 2

    @pytest.mark.parametrize("name", ["0", "../other", ".hidden", "a b", "x" * 254])
    def test_names_that_can_not_be(self, folder: Path, name: str) -> None:
        """It would not be the last, not be read, or not fit into a Kubernetes Secret."""
        assert "--name" in refused("rotate", folder, "--name", name)
        assert len(keys_of(folder)) == 1

    def test_after_names_that_are_no_dates(self, tmp_path: Path) -> None:
        """No date sorts after this: the user has to choose a name."""
        write_key(tmp_path / "keys", "main")
        make_older(tmp_path / "keys")
        assert "set --name" in refused("rotate", tmp_path / "keys")
        run("rotate", tmp_path / "keys", "--name", "main-2")
        assert [file.name for file in keys_of(tmp_path / "keys")] == ["main", "main-2"]

    def test_what_is_no_ring(self, tmp_path: Path) -> None:
        """A folder without a key has nothing to rotate."""
        tmp_path.chmod(0o700)
        assert "holds no key" in refused("rotate", tmp_path)


class TestList:
    def test_for_people(self, folder: Path) -> None:
        """Each key with what it does; a waiting one with until when."""
        run("rotate", folder)
        title, old, new = run("list", folder).splitlines()
        assert title.split() == ["KID", "NAME", "SINCE", "STATE"]
        assert old.endswith("active: seals and signs")
        assert re.search(r"waiting until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", new)
        make_older(folder)
        _, old, new = run("list", folder).splitlines()
        assert old.endswith("only opens and verifies")
        assert new.endswith("active: seals and signs")

    def test_for_programs(self, folder: Path) -> None:
        """JSON and YAML hold the same."""
        run("rotate", folder)
        document = json.loads(run("list", folder, "-o", "json"))
        assert document == yaml.safe_load(run("list", folder, "-o", "yaml"))
        assert [sorted(key) for key in document] == [
            ["kid", "name", "since", "state"],
            ["activeFrom", "kid", "name", "since", "state"],
        ]

    def test_the_time_of_activation(self, folder: Path) -> None:
        """As it is configured."""
        run("rotate", folder)
        os.utime(keys_of(folder)[-1], (time.time() - 600,) * 2)
        assert "waiting until" in run("list", folder, "--activation", "1h")
        assert "--activation" in refused("list", folder, "--activation", "soon")


def test_no_output_shows_a_key(tmp_path: Path) -> None:
    """Neither as it is written nor as bytes, in any command, format or refusal."""
    folder = tmp_path / "keys"
    outputs = [run("generate", folder)]
    make_older(folder)
    outputs.append(run("rotate", folder))
    outputs += [run("list", folder, "-o", form) for form in ("text", "json", "yaml")]
    outputs += [refused("generate", folder), refused("rotate", folder)]
    for file in keys_of(folder):
        text = file.read_text().strip()
        material = base64.b64decode(text)
        for output in outputs:
            assert text[:8] not in output
            assert material.hex()[:8] not in output
