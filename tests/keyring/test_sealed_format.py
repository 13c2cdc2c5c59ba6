"""docs/reference/sealed-format.md is what the code does, and its examples open what the code has sealed.

Those for Go and JavaScript need `go` (1.24, https://go.dev/dl) and `node` with `npm` (20, https://nodejs.org), which
get the one library that each needs, by its hash. Without them, or without a network the first time, they are skipped;
with CI set that is an error.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.keyring.rings import key_text, write_key
from webhook.keyring.jwe import Place, seal
from webhook.keyring.key import derive_key, parse_key

CONSUMERS = Path(__file__).parent.parent / "third_party" / "consumers"
DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "sealed-format.md").read_text()


def test_the_python_example_opens_a_value(tmp_path: Path) -> None:
    """As it stands there, with a whole ring."""
    text = write_key(tmp_path, "2026-11")
    write_key(tmp_path, "2026-12")
    (tmp_path / ".gitignore").write_text("*\n")
    value = seal(
        SecretStr("tök"), Place("platform", "alice", host="github.com"), derive_key(parse_key(text.encode()), "2026-11")
    )
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102 (our own documentation)
    assert names["token_of"](value, tmp_path, "platform", "alice", "github.com") == "tök"


def test_the_header_has_what_the_table_says() -> None:
    """All of it, in this order, and nothing else."""
    value = seal(
        SecretStr("x"), Place("platform", "alice", host="github.com"), derive_key(parse_key(key_text().encode()), "a")
    )
    header = json.loads(base64.urlsafe_b64decode(value.partition(".")[0] + "=="))
    table = DOCUMENT.split("## The value")[1].split("## Protection and limits")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE)
    assert [name for name, _ in rows] == list(header)
    assert {name: f"`{value}`" for name, value in header.items() if name != "kid"} == {
        name: value for name, value in rows if name != "kid"
    }


def test_every_example_derives_the_sealing_key_by_its_label() -> None:
    """The table, JavaScript and Go; tests/keyring/test_key.py holds the code to the same labels."""
    assert DOCUMENT.count("git-token-webhook/v1/sealing") == 3


GO = """package main

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

func main() {
	keyText, _ := os.ReadFile(os.Args[2])
	token, err := openSealed(os.Args[1], string(keyText), os.Args[3], os.Args[4], os.Args[5], "user")
	if err != nil {
		fmt.Fprint(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(token)
}

"""
JAVASCRIPT = """
const [value, keyFile, namespace, key, host] = process.argv.slice(2);
try {
  process.stdout.write(await openSealed(value, keyFile, namespace, key, host));
} catch (error) {
  process.stderr.write(error.message);
  process.exitCode = 1;
}
"""

Program = Callable[..., subprocess.CompletedProcess[str]]


def unavailable(why: str) -> None:
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        raise pytest.fail.Exception(why, pytrace=False)
    raise pytest.skip.Exception(why)


def prepared(folder: Path, tool: str, *command: str) -> None:
    """Have a language's own tool get what the example needs."""
    if shutil.which(tool) is None:
        unavailable(f"{tool} is not here")
    got = subprocess.run([tool, *command], cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    if got.returncode:
        unavailable(f"{tool} can't get the library: {got.stderr[-300:]}")


@pytest.fixture(scope="module", params=["go", "javascript"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The example of a language as a program: VALUE KEY-FILE NAMESPACE KEY HOST."""
    language: str = request.param
    folder = tmp_path_factory.mktemp(language)
    for file in CONSUMERS.iterdir():
        shutil.copy(file, folder)
    (example,) = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    if language == "go":
        prepared(folder, "go", "mod", "download")
        (folder / "main.go").write_text(GO + example)
        subprocess.run(["go", "build", "-o", "program", "."], cwd=folder, check=True, timeout=300)
        command = [str(folder / "program")]
    else:
        prepared(folder, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
        (folder / "program.js").write_text(example + JAVASCRIPT)
        command = ["node", str(folder / "program.js")]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.mark.timeout(600, func_only=True)  # the libraries may have to be got first
class TestInOtherLanguages:
    """With the usual JOSE library of each: independent implementations, of another making than ours."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        """A key file, its text in two lines."""
        text = key_text()
        write_key(tmp_path / "keys", "2026-11", f"{text[:20]}\n{text[20:]}")
        return tmp_path / "keys" / "2026-11"

    @pytest.fixture
    def value(self, file: Path) -> str:
        """What the code seals by it."""
        key = derive_key(parse_key(file.read_bytes()), "2026-11")
        return seal(SecretStr("tök"), Place("platform", "alice", host="github.com"), key)

    def test_it_opens_a_value(self, program: Program, file: Path, value: str) -> None:
        """The token, and nothing else."""
        result = program(value, str(file), "platform", "alice", "github.com")
        assert (result.stdout, result.stderr) == ("tök", "")

    @pytest.mark.parametrize(("namespace", "key"), [("elsewhere", "alice"), ("platform", "bob")])
    def test_not_at_another_place(self, program: Program, file: Path, value: str, namespace: str, key: str) -> None:
        """The comparison that the document asks for."""
        result = program(value, str(file), namespace, key, "github.com")
        assert (result.stdout, result.stderr) == ("", "sealed for another place")

    def test_not_for_another_host(self, program: Program, file: Path, value: str) -> None:
        """The other comparison."""
        result = program(value, str(file), "platform", "alice", "git.mallory.dev")
        assert (result.stdout, result.stderr) == ("", "sealed for another host")

    def test_one_from_before_opens(self, program: Program, file: Path) -> None:
        """It has no host."""
        value = seal(SecretStr("tök"), Place("platform", "alice"), derive_key(parse_key(file.read_bytes()), "2026-11"))
        assert program(value, str(file), "platform", "alice", "github.com").stdout == "tök"

    def test_not_once_it_was_changed(self, program: Program, file: Path, value: str) -> None:
        """Nor by another key."""
        parts = value.split(".")
        parts[3] = ("B" if parts[3][0] == "A" else "A") + parts[3][1:]
        assert program(".".join(parts), str(file), "platform", "alice", "github.com").returncode == 1
        file.write_text(key_text())
        assert program(value, str(file), "platform", "alice", "github.com").returncode == 1
