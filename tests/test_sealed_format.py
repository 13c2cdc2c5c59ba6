"""docs/sealed-format.md is what the code does."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from tests.keyring.rings import key_text, write_key
from webhook.keyring.key import derive_key, parse_key
from webhook.sealing import Place, seal

DOCUMENT = (Path(__file__).resolve().parents[1] / "docs" / "sealed-format.md").read_text()


def test_the_python_example_opens_a_value(tmp_path: Path) -> None:
    """As it stands there, with a whole ring."""
    text = write_key(tmp_path, "2026-11")
    write_key(tmp_path, "2026-12")
    (tmp_path / ".gitignore").write_text("*\n")
    value = seal(SecretStr("tök"), Place("platform", "alice"), derive_key(parse_key(text.encode()), "2026-11"))
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102 (our own documentation)
    assert names["token_of"](value, tmp_path, "platform", "alice") == "tök"


def test_the_header_has_what_the_table_says() -> None:
    """All of it, in this order, and nothing else."""
    value = seal(SecretStr("x"), Place("platform", "alice"), derive_key(parse_key(key_text().encode()), "a"))
    header = json.loads(base64.urlsafe_b64decode(value.partition(".")[0] + "=="))
    table = DOCUMENT.split("## The value")[1].split("## The keys")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE)
    assert [name for name, _ in rows] == list(header)
    assert {name: f"`{value}`" for name, value in header.items() if name != "kid"} == {
        name: value for name, value in rows if name != "kid"
    }


def test_every_example_derives_the_sealing_key_by_its_label() -> None:
    """The table, JavaScript and Go; tests/keyring/test_key.py holds the code to the same labels."""
    assert DOCUMENT.count("git-token-webhook/v1/sealing") == 3
