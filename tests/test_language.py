"""The vocabulary and the module docstrings: what a program can check of CONTRIBUTING.md, "Language"."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

AVOID = {
    r"who(?:so)?ever": "a user, a client, another process",
    r"somebody(?:'s)?|nobody(?:'s)?|everybody(?:'s)?|anybody(?:'s)?": "a user, no one, every client",
    r"for ever|forever": "indefinitely, continuously",
    r"of (?:one|its|their|his)'?s? own accord|as it were": "plain words",
    r"let(?:s|ting)? (?:it |them |him )?in": "allow",
    r"anew": "again",
    r"mishaps?": "failure",
    r"at three in the morning|the night in which": "during an outage",
    r"takes? away|taken away|took away": "remove",
    r"time-outs?": "timeout",
    r"nought|naught|thereby|herewith|heretofore|whereupon|lest": "plain words",
    r"told": "reported, stated",
    r"heard": "response, received",
    r"asked about": "checked, queried",
}
"""Patterns of words to avoid, and what to write instead."""

PATTERN = re.compile(rf"\b(?:{'|'.join(AVOID)})\b", re.IGNORECASE)
FIRST_LINE = 110  # characters of a module's first sentence, which the map in webhook/__init__.py has room for

MODULES = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "webhook").rglob("*.py"))]
PAGES = [
    str(path.relative_to(ROOT))
    for folder, pattern in [("docs", "**/*.md"), ("manifests", "**/*.md"), ("manifests", "**/*.yaml"), (".", "*.md")]
    for path in sorted((ROOT / folder).glob(pattern))
    if path.name != "CHANGELOG.md"  # a record of past versions
]


def prose(code: str) -> Iterator[tuple[int, str]]:
    """Return the comments and strings of a module, by line. A string without a space is a key or a name."""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        literal = token.type in (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)) and " " in token.string
        if literal or token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def words_to_avoid(lines: Iterable[tuple[int, str]]) -> list[str]:
    """Return each word to avoid, with its line and what to write instead."""
    return [
        f"line {number + text.count(chr(10), 0, match.start())}: {match[0]!r}, write instead: {instead(match[0])}"
        for number, text in lines
        for match in PATTERN.finditer(text)
    ]


def instead(word: str) -> str:
    """Return what to write instead of a word."""
    return next(better for pattern, better in AVOID.items() if re.fullmatch(pattern, word, re.IGNORECASE))


def problems(code: str) -> list[str]:
    """Return what is wrong with the language of a module."""
    first = (ast.get_docstring(ast.parse(code)) or "").partition("\n")[0]
    found = words_to_avoid(prose(code))
    if not first.endswith(".") or len(first) > FIRST_LINE:
        found.append(f"the docstring starts with a sentence of at most {FIRST_LINE} characters on one line: {first!r}")
    return found


def problems_of(file: str) -> list[str]:
    """Return what is wrong with the language of a file of this repository."""
    text = (ROOT / file).read_text()
    return problems(text) if file.endswith(".py") else words_to_avoid([(1, text)])


@pytest.mark.parametrize("file", [*MODULES, *PAGES])
def test_a_file_avoids_the_vocabulary(file: str) -> None:
    """Docstrings, comments, messages, manifests and pages use the words of the Kubernetes documentation."""
    assert problems_of(file) == []


@pytest.mark.parametrize(
    "code",
    [
        '"""A module."""\n# Whoever reads this.\n',
        '"""A module."""\nMESSAGE = f"nobody {1} knows"\n',
        '"""A module\nwithout a sentence."""\n',
        f'"""{110 * "a"}."""\n',
        "",
    ],
)
def test_a_problem_is_found(code: str) -> None:
    """Comments, f-strings and docstrings are checked."""
    assert problems(code)


def test_names_are_not_prose() -> None:
    """Identifiers and keys of JSON objects are not checked."""
    assert problems('"""A module."""\nanew = {"told": 1}\n') == []
