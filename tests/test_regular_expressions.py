"""Every regular expression of the package takes linear time, whatever it is asked about.

Requesters and providers choose the texts that these expressions read. One that backtracks over a long text stops the
server for everybody, so each is measured against texts that are made of its own parts.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import webhook
from webhook import logs

_SHORT = 500
_LONG = 4 * _SHORT
_QUADRATIC = 9.0
"""Between 4, the ratio of a linear expression, and 16, that of a quadratic one."""
_MEASURABLE = 0.001
"""Seconds of CPU below which the ratio of two measurements means nothing. A quadratic expression needs 100 times as
much for the longer text."""
_SEEDS = (
    "#",
    "<",
    " ",
    "\t",
    "a",
    "A",
    "0",
    "-",
    ".",
    "/",
    ":",
    "_",
    "=",
    "a.",
    "a-",
    "a:",
    "0.",
    "a/",
    "a@",
    "\\",
    '"',
    "[",
    "~",
)


def _patterns_in(value: object, depth: int = 2) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, Mapping):
        for member in value.values():
            yield from _patterns_in(member, depth - 1)
    elif depth and isinstance(value, list | tuple | set | frozenset):
        for member in value:
            yield from _patterns_in(member, depth - 1)
    elif depth and type(value).__module__.startswith("webhook."):
        names = [*getattr(value, "__dict__", ()), *getattr(type(value), "__slots__", ())]
        for name in names:
            yield from _patterns_in(getattr(value, name, None), depth - 1)


def _modules() -> Iterator[Any]:
    for module in pkgutil.walk_packages(webhook.__path__, "webhook."):
        if not module.name.endswith("__main__") and not module.name.startswith("webhook.simulator"):
            yield importlib.import_module(module.name)


_METHODS = ("match", "fullmatch", "search", "findall", "finditer", "sub", "subn", "split")
_GUARDED = {
    r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)": "reads texts of 32 characters at most",
    r"(\d+(?:\.\d+)?)(ms|s|m|h|d)": "reads texts of the configuration file that another expression has matched whole",
}

_MATCHED_WHOLE = ("_TENANTS", "PROFILE", "GITHUB", "_SERVICES")
"""Collections whose expressions are used under another name."""


def _calls() -> Iterator[tuple[ast.Call, str, ast.expr]]:
    """Each call of a method of `re` or of an expression, with the method and what it is called on."""
    for path in Path(webhook.__file__).parent.rglob("*.py"):
        if "simulator" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
                yield node, node.func.attr, node.func.value


def _methods_by_name() -> dict[str, set[str]]:
    """How the expressions that stand under each name are used."""
    methods = {name: {"fullmatch"} for name in _MATCHED_WHOLE}
    for _, method, on in _calls():
        name = on.id if isinstance(on, ast.Name) else on.attr if isinstance(on, ast.Attribute) else ""
        methods.setdefault(name, set()).add(method)
    return methods


def _literals() -> Iterator[tuple[re.Pattern[Any], str]]:
    """The expressions that are written in a call of `re`, such as ``re.fullmatch("[0-9]+", text)``, and the method."""
    for call, method, on in _calls():
        is_re = isinstance(on, ast.Name) and on.id == "re"
        if is_re and call.args and isinstance(call.args[0], ast.Constant):
            yield re.compile(call.args[0].value), method


@dataclass(frozen=True)
class Used:
    """An expression and the methods that the package calls on it."""

    pattern: re.Pattern[Any]
    methods: frozenset[str]


def _collect() -> dict[str, Used]:
    found: list[Used] = []
    methods = _methods_by_name()
    for module in _modules():
        for name, value in vars(module).items():
            for pattern in _patterns_in(value):
                # Where the name doesn't tell, the expression may be used in every way.
                found.append(Used(pattern, frozenset(methods.get(name, _METHODS))))
    found += [Used(pattern, frozenset({method})) for pattern, method in _literals()]
    unguarded = dict.fromkeys(used for used in found if used.pattern.pattern not in _GUARDED)
    return {f"{number}: {used.pattern.pattern[:40]!r}": used for number, used in enumerate(unguarded)}


PATTERNS = _collect()


def _seeds(pattern: re.Pattern[Any]) -> list[str]:
    """Texts that take the expression a part of the way: its own literals, alone and after one another."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode()
    literals = re.findall(r"[A-Za-z0-9_:/@.-]{2,}", re.sub(r"\\[a-zA-Z]|\(\?[^)]*?[:>]", " ", source))
    return [*dict.fromkeys([*_SEEDS, *literals, *(f"{one} " for one in literals), *(f"{one}." for one in literals)])]


def _texts(pattern: re.Pattern[Any], size: int) -> Iterator[str]:
    seeds = _seeds(pattern)
    for seed in seeds:
        repeated = (seed * (size // len(seed) + 1))[:size]
        yield repeated + "\0"
        yield repeated + "!"
    for seed in seeds[len(_SEEDS) :]:
        for filler in (" ", "a", "0", "/", "."):
            yield seed + filler * size + "\0"


def _seconds(used: Used, text: str) -> float:
    subject: Any = text if isinstance(used.pattern.pattern, str) else text.encode()
    best = 1e9
    for _ in range(2):
        started = time.process_time()
        if "match" in used.methods:
            used.pattern.match(subject)
        if "fullmatch" in used.methods:
            used.pattern.fullmatch(subject)
        if used.methods - {"match", "fullmatch"}:
            for _match in used.pattern.finditer(subject):
                pass
        best = min(best, time.process_time() - started)
        if best < _MEASURABLE:
            break
    return best


def test_there_are_expressions_to_measure() -> None:
    """The collection finds those of the log, of URLs and of provider answers."""
    assert len(PATTERNS) > 50
    assert any(used.pattern is logs._SECRET for used in PATTERNS.values())


def test_a_quadratic_expression_is_found() -> None:
    """The measurement tells the redaction that once stopped the server from one that doesn't."""
    pattern = re.compile(rb"eyJ[\w-]{8,}(?:\.[\w-]*){1,4}")
    assert _superlinear(Used(pattern, frozenset({"sub"})))


def _superlinear(used: Used) -> list[str]:
    """The beginning of a text that takes more than linear time, if there is one."""
    for short, long in zip(_texts(used.pattern, _SHORT), _texts(used.pattern, _LONG), strict=True):
        if (seconds := _seconds(used, long)) < _MEASURABLE:
            continue
        if seconds > _QUADRATIC * _seconds(used, short):
            return [long[:20]]
    return []


@pytest.mark.parametrize("name", PATTERNS)
def test_time_is_linear(name: str) -> None:
    """Four times the text takes about four times the CPU time."""
    assert _superlinear(PATTERNS[name]) == []
