"""Messages arrive unchanged: Go's JSON encoder writes ``&``, ``<`` and ``>`` as ``\\u0026`` and so on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import webhook

_ROOT = Path(webhook.__file__).parent
_PACKAGES = ("providers", "review", "credentials", "admission")
_WORDS_OF_PAGES = {"providers/transport/intermediaries.py"}
"""Modules with words that are searched in web pages."""
_SENTENCE = re.compile(r"[a-z]{2,}[,.]? [a-z]{2,}")
MODULES = [
    path.relative_to(_ROOT).as_posix()
    for package in _PACKAGES
    for path in sorted((_ROOT / package).rglob("*.py"))
    if path.relative_to(_ROOT).as_posix() not in _WORDS_OF_PAGES
]


def texts_in(source: str) -> Iterator[str]:
    """Yield the strings of a module that are sentences or links, without docstrings."""
    tree = ast.parse(source)
    docs = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            if "(?P<" in node.value or node.value == " of length <=":  # patterns, and msgspec's own words
                continue
            if _SENTENCE.search(node.value) or node.value.startswith("https://"):
                yield node.value


@pytest.mark.parametrize("module", MODULES)
def test_no_sentence_or_link_has_characters_that_json_escapes(module: str) -> None:
    """kubectl would print them as escapes."""
    found = [text for text in texts_in((_ROOT / module).read_text()) if re.search("[&<>]", text)]
    assert found == []


def test_a_sentence_with_such_a_character_is_found() -> None:
    """The search finds sentences, parts of f-strings and links, and no docstring."""
    source = '"""Some words & more."""\na = f"write it under {b} > tokens of yours"\nc = "https://x/?a=1&b=2"\n'
    assert len([text for text in texts_in(source) if re.search("[&<>]", text)]) == 2
