"""Reads a configuration file, and names all mistakes in it with their lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import yaml
from pydantic import ValidationError

from webhook.errors import ConfigurationError
from webhook.settings.errors import Lines, Location, problems
from webhook.settings.model import Settings


def parse_settings(text: str, name: str = "") -> Settings:
    """Return the settings in a YAML text. An empty text means the defaults.

    Args:
        name: how messages call the text.

    Raises:
        ConfigurationError: with one line of text for each mistake, which begins with ``NAME:LINE:``, or ``line LINE:``
            without a name, if it has a place in the text. No value of the file is quoted.
    """
    lines = Lines(name)
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        _add_lines(lines, node)
        document = loader.construct_document(node) if node is not None else {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        prefix = lines.prefix_of(mark.line + 1 if mark else None)
        raise ConfigurationError(f"{prefix}is not YAML: {getattr(error, 'problem', None) or 'unreadable'}") from None
    except (ValueError, RecursionError):  # a date in month 13; a thousand brackets
        why = "is not YAML: a value is impossible, or nested too deeply"
        raise ConfigurationError(f"{lines.prefix_of(None)}{why}") from None
    finally:
        if loader is not None:
            loader.dispose()
    if document is None:
        document = {}
    if not isinstance(document, Mapping):
        raise ConfigurationError(f"{lines.prefix_of(None)}must be a mapping of settings, such as `mode: warn`")
    found = [f"{lines.prefix_of(line)}duplicate key {key!r}" for line, key in sorted(lines.duplicates)]
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        found += _problems(error, document, lines)
    else:
        if not found:
            return settings
    raise ConfigurationError("\n".join(found))


def load_settings(path: Path | None) -> Settings:
    """Return the settings of a file; without a file, the defaults.

    Raises:
        ConfigurationError: the file is unreadable, empty or wrong.
    """
    if path is None:
        return Settings()
    try:
        with path.open(encoding="utf-8") as stream:
            return read_settings(stream, str(path))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None


def read_settings(stream: TextIO, name: str) -> Settings:
    """Return the settings of a stream.

    A file that was truncated, as while it is written, must not replace the settings by defaults. So an empty stream is
    an error.

    Args:
        name: how messages call the stream.

    Raises:
        ConfigurationError: the stream is empty or wrong; each line begins with ``NAME:`` or ``NAME:LINE:``.
    """
    try:
        text = stream.read()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: is not UTF-8 text") from None
    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        raise ConfigurationError(f"{name}: is empty; to use the defaults, write {{}}")
    return parse_settings(text, name)


def _problems(error: ValidationError, document: Mapping[Any, Any], lines: Lines) -> list[str]:
    """Return all mistakes, also those that show only when the others are mended."""
    errors = error.errors(include_input=False)
    found = problems(errors, document, lines)
    wrong = {part for one in errors for part in one["loc"][:1]}
    rest = {key: value for key, value in document.items() if key not in wrong}
    if any(not one["loc"] for one in errors) or len(rest) == len(document):
        return found
    try:
        Settings.model_validate(rest)
    except ValidationError as more:
        found += problems(more.errors(include_input=False), rest, lines)
    return found


def _add_lines(lines: Lines, root: yaml.Node | None) -> None:
    """Add the line of each key and list item, and the keys that are there twice."""
    seen: set[int] = set()
    pending: list[tuple[Location, yaml.Node | None]] = [((), root)]
    while pending:
        place, node = pending.pop()
        if node is None or id(node) in seen:  # an alias; the lines of its anchor are known
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            children = [((*place, number), child, child) for number, child in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            children = [((*place, key.value), key, child) for key, child in node.value if _is_plain(key)]
        else:
            continue
        for below, key, child in children:
            line = key.start_mark.line + 1
            if below in lines.by_place and not _is_merge(key):
                lines.duplicates.append((line, str(below[-1])[:60]))
            lines.by_place[below] = line
            pending.append((below, child))


def _is_plain(key: yaml.Node) -> bool:
    return isinstance(key, yaml.ScalarNode)


def _is_merge(key: yaml.Node) -> bool:
    return bool(key.tag == "tag:yaml.org,2002:merge")
