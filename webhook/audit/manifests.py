"""Secrets and other objects in manifests: YAML and JSON in files, folders and standard input.

Each Secret has the line numbers of its entries. Messages never quote a document, because it may hold a token.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import yaml

from webhook.audit.yaml_nodes import InvalidNode, child, duplicate_key, mapping, pairs, strings, text_at, word
from webhook.errors import ConfigurationError
from webhook.subject import SecretObject
from webhook.text import STANDARD_INPUT

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
"""Suffixes of the files that are read in folders."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST_LIST = 8
_DEEPEST = 500
"""Nested collections. CustomResourceDefinitions have about 50 levels. The recursion of the C parser crashes the process
at tens of thousands of levels."""
_LARGEST = 64 << 20
"""Bytes of one file, which is more than any manifest has."""
_SEPARATOR = re.compile(r"^---(?=\s|\Z)", re.MULTILINE)
_BLANK = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Where:
    """A line of a file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A Kubernetes object.

    Attributes:
        node: its YAML.
    """

    where: Where
    api_version: str
    kind: str
    node: yaml.MappingNode = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecretManifest:
    """A Secret with the lines of its entries.

    Attributes:
        string_data: the keys whose values are in ``stringData``.
    """

    where: Where
    secret: SecretObject
    lines: Mapping[str, int] = field(repr=False)  # a key may be a token, by mistake
    string_data: frozenset[str] = field(default=frozenset(), repr=False)

    def line(self, key: str) -> int:
        """Return the line of a key of `data`; the first line of the Secret if there is no such key."""
        return self.lines.get(key, self.where.line)

    def field(self, key: str, name: str) -> str:
        """Return the name of an entry's field as the manifest has it: ``stringData.password``.

        Args:
            name: its name in the stored Secret: ``data.password``.
        """
        return f"stringData.{name.removeprefix('data.')}" if key in self.string_data else name


@dataclass(frozen=True, slots=True)
class Broken:
    """A document that cannot be read; `why` is a clause that follows its location."""

    where: Where
    why: str


@dataclass(frozen=True, slots=True)
class Template:
    """A document that has to be rendered before it is YAML."""

    where: Where


Document = Manifest | SecretManifest | Broken | Template


def read(paths: list[str], stdin: TextIO, namespace: str = "") -> Iterator[Document]:
    """Yield the documents of these files and folders.

    Args:
        namespace: the namespace of Secrets that name none.

    Raises:
        ConfigurationError: a file does not exist or cannot be read.
    """
    for file, text in _texts(paths, stdin):
        if isinstance(text, Broken):
            yield text
            continue
        for first_line, document in _documents(text):
            yield from _read_document(file, first_line, document, namespace)


def _texts(paths: list[str], stdin: TextIO) -> Iterator[tuple[str, str | Broken]]:
    seen: set[str] = set()
    for given in paths:
        if given == "-":
            yield STANDARD_INPUT, _text_of_stdin(stdin)
            continue
        path = Path(given)
        if not path.exists():
            raise ConfigurationError(f"{given}: no such file or folder")
        for file in _files(path) if path.is_dir() else [path]:
            if str(file) in seen:
                continue
            seen.add(str(file))
            yield str(file), _text_of(file)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the manifests of a folder in order. Skip hidden folders, and links, which may form cycles."""
    for current, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found = (Path(current, name) for name in sorted(names) if Path(name).suffix.lower() in SUFFIXES)
        yield from (file for file in found if not (file.is_fifo() or file.is_socket()))  # reading those may block


def _unreadable(error: OSError) -> None:
    raise ConfigurationError(f"{error.filename}: cannot be read: {error.strerror}") from None


def _text_of(file: Path) -> str | Broken:
    try:
        with file.open(encoding="utf-8-sig") as stream:
            return _text_from(stream, str(file))
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from None


def _text_of_stdin(stdin: TextIO) -> str | Broken:
    """Return standard input. Empty input is an error, because the program that writes it may have failed."""
    found = _text_from(stdin, STANDARD_INPUT)
    if isinstance(found, Broken):
        return found
    if not found.strip():
        return Broken(Where(STANDARD_INPUT, 1), "is empty; check whether the program that writes it has failed")
    return found.removeprefix("\ufeff")


def _text_from(stream: TextIO, name: str) -> str | Broken:
    """Return the content up to the limit, because a device or a pipe may be endless."""
    try:
        text = stream.read(_LARGEST + 1)
    except UnicodeDecodeError:
        return Broken(Where(name, 1), "is not UTF-8 text")
    if len(text) > _LARGEST:
        return Broken(Where(name, 1), f"is larger than {_LARGEST >> 20} MiB, which no manifest is")
    return text


def _documents(text: str) -> Iterator[tuple[int, str]]:
    """Yield each document with its first line. A broken document does not affect the ones after it."""
    if (objects := _json_objects(text)) is not None:
        yield from objects
        return
    starts = [match.start() for match in _SEPARATOR.finditer(text)]
    line = 1
    for begin, end in zip([0, *starts], [*starts, len(text)], strict=True):
        piece = text[begin:end]
        if not _is_nothing(piece.removeprefix("---")):
            yield line, piece
        line += piece.count("\n")


def _is_nothing(text: str) -> bool:
    """Whether the text has only blank lines, comments and directives."""
    return all(not line.strip() or line.lstrip().startswith(("#", "%")) for line in text.split("\n"))


def _json_objects(text: str) -> list[tuple[int, str]] | None:
    """Return the objects of one or several JSON texts, as jq writes them; None if the text is not JSON."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    decoder, objects, place, line = json.JSONDecoder(), list[tuple[int, str]](), 0, 1
    while (blank := _BLANK.match(text, place)) is not None:
        line += text.count("\n", place, blank.end())
        place = blank.end()
        if place == len(text):
            break
        try:
            _, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return None
        # YAML allows no tabs between tokens, and JSON no tabs in strings.
        objects.append((line, text[place:end].replace("\t", " ")))
        line += text.count("\n", place, end)
        place = end
    return objects


def _read_document(file: str, first_line: int, text: str, namespace: str) -> Iterator[Document]:
    try:
        if (deep := _too_deep(text)) is not None:
            yield Broken(Where(file, first_line + deep), "is nested too deeply")
            return
        node = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = Where(file, first_line + (mark.line if mark is not None else 0))
        yield Template(where) if "{{" in text else Broken(where, f"isn't valid YAML{_reason(error)}")
        return
    seen: set[int] = set()
    if isinstance(node, yaml.MappingNode):
        yield from _objects(node, file, first_line, namespace, 0, seen)
    elif isinstance(node, yaml.SequenceNode):  # a JSON array, which some tools write
        for item in node.value:
            if isinstance(item, yaml.MappingNode):
                yield from _objects(item, file, first_line, namespace, 0, seen)
    elif node is not None:
        yield Manifest(_where(file, first_line, node), "", "", yaml.MappingNode("", []))


def _too_deep(text: str) -> int | None:
    """Return the line, counted from 0, where the nesting exceeds the limit; None if it does not."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                return event.start_mark.line if event.start_mark is not None else 0
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


def _reason(error: Exception) -> str:
    """Return the reason of libyaml's scanner or parser, which never quote the document; other errors may."""
    if _LOADER is not yaml.SafeLoader and type(error) in (yaml.scanner.ScannerError, yaml.parser.ParserError):
        return f" ({error.problem})" if isinstance(error, yaml.MarkedYAMLError) and error.problem else ""
    return ""


def _where(file: str, first_line: int, node: yaml.Node) -> Where:
    return Where(file, first_line + node.start_mark.line)


def _objects(
    node: yaml.MappingNode, file: str, first_line: int, namespace: str, depth: int, seen: set[int]
) -> Iterator[Manifest | SecretManifest | Broken | Template]:
    if id(node) in seen:  # an alias; a few lines of aliases can expand to a billion items
        return
    seen.add(id(node))
    where = _where(file, first_line, node)
    if (twice := duplicate_key(node)) is not None:
        yield Broken(_where(file, first_line, twice), "has a duplicate key")
        return
    kind, version = word(node, "kind"), word(node, "apiVersion")
    items = child(node, "items")
    if kind.endswith("List") and isinstance(items, yaml.SequenceNode):
        if depth == _DEEPEST_LIST:
            yield Broken(where, "has lists that are nested too deeply")
            return
        for item in items.value:
            if isinstance(item, yaml.MappingNode):
                yield from _objects(item, file, first_line, namespace, depth + 1, seen)
    elif kind == "Secret" and version == "v1" and child(node, "sops") is None:
        try:
            yield _secret(node, file, first_line, namespace)
        except InvalidNode as wrong:
            if _is_template(wrong.node):
                yield Template(where)
                return
            yield Broken(_where(file, first_line, wrong.node), str(wrong))
    else:
        yield Manifest(where, version, kind, node)


def _is_template(node: yaml.Node) -> bool:
    """Whether a node is ``{{ … }}`` without quotes, which YAML reads as a mapping whose only key is a mapping."""
    return isinstance(node, yaml.MappingNode) and any(isinstance(key, yaml.MappingNode) for key, _ in node.value)


def _secret(node: yaml.MappingNode, file: str, first_line: int, namespace: str) -> SecretManifest:
    metadata = mapping(node, "metadata")
    data, lines = dict[str, str](), dict[str, int]()
    for section, encode in (("data", _base64), ("stringData", _encoded)):  # the latter wins over the former
        values = mapping(node, section)
        if (line := child(node, section)) is not None:
            lines.setdefault("", first_line + line.start_mark.line)
        for key, value in strings(values, section).items():
            data[key] = encode(value)
        lines |= {key.value: first_line + key.start_mark.line for key, _ in pairs(values)}
    first = first_line + node.start_mark.line
    lines[""] = first
    secret = SecretObject(
        text_at(metadata, "namespace") or namespace,
        text_at(metadata, "name"),
        text_at(metadata, "generateName"),
        strings(mapping(metadata, "labels"), "labels"),
        strings(mapping(metadata, "annotations"), "annotations"),
        data,
        text_at(node, "type") or "Opaque",
        immutable=text_at(node, "immutable") == "true",
        in_string_data=frozenset(),
    )
    plain = frozenset(key.value for key, _ in pairs(mapping(node, "stringData")))
    return SecretManifest(Where(file, first), secret, lines, plain)


def _base64(value: str) -> str:
    """Return the value without line breaks, which Go's decoder ignores."""
    return value.replace("\n", "").replace("\r", "")


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode(errors="surrogatepass")).decode()
