"""Mistakes in a configuration file as text: the place, and what it must contain. No value of the file is quoted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import ErrorDetails

from webhook.providers import urls
from webhook.providers.token_shapes import name_holds_token

WRONG_NAMES = "wrong_names"
"""The type of an error that stands for several: `wrong` of its context maps places below its own to messages."""
UNKNOWN_KEYS = "unknown_keys"
"""The type of an error for the unknown keys of a mapping: `hints` of its context maps each key to a message."""

Location = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Where things are in a file.

    Attributes:
        name: how messages call the file; may be empty.
        by_place: the line of each key and list item, from 1.
        duplicates: line and name of the keys that are there twice.
    """

    name: str
    by_place: dict[Location, int] = field(default_factory=dict)
    duplicates: list[tuple[int, str]] = field(default_factory=list)

    def prefix(self, location: Location) -> str:
        """Return `prefix_of` the line of a place or, if it is not in the file, of what contains it."""
        location = tuple(part for part in location if part != "[key]")
        while location and location not in self.by_place:
            location = location[:-1]
        return self.prefix_of(self.by_place.get(location))

    def prefix_of(self, line: int | None) -> str:
        """Return the beginning of a message about a line, or about the whole file."""
        if line is None:
            return f"{self.name}: " if self.name else ""
        return f"{self.name}:{line}: " if self.name else f"line {line}: "


# By pydantic's types of errors; for other types the text is pydantic's.
_MUST_BE = {
    **dict.fromkeys(("literal_error", "enum"), "{expected}"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "true or false"),
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list"),
    **dict.fromkeys(
        ("dict_type", "model_type", "model_attributes_type", "mapping_type"), "a mapping, with keys below it"
    ),
    "string_type": "text",
    "path_type": "the path of a file",
    "greater_than": "more than {gt}",
}
_OTHERWISE = {"missing": "is missing", "string_too_short": "must not be empty"}


def problems(errors: Iterable[ErrorDetails], document: Mapping[Any, Any], lines: Lines) -> list[str]:
    """Return a line of text for each mistake in `document`."""
    return [text for error in errors for text in _texts(error, document, lines)]


def _texts(error: ErrorDetails, document: Mapping[Any, Any], lines: Lines) -> list[str]:
    location = error["loc"]
    place, about = _place(location), _host(location, document)
    match error["type"]:
        case "wrong_names":
            wrong: Mapping[str, str] = error["ctx"]["wrong"]
            places = {below: f"{place}.{below}".removeprefix(".") for below in wrong}
            prefixes = {below: lines.prefix((*location, *below.split("."))) for below in wrong}
            return [f"{prefixes[below]}{places[below]}{about}: {message}" for below, message in wrong.items()]
        case "unknown_keys":
            hints: Mapping[str, str] = error["ctx"]["hints"]
            within = f"{place}{about}: " if place else ""
            return [f"{lines.prefix((*location, key))}{within}{hint}" for key, hint in hints.items()]
    text = f"{place}{about}: {_message(error)}" if place else _message(error)
    return [f"{lines.prefix(location)}{text}"]


def _place(location: tuple[int | str, ...]) -> str:
    """Return ``providers[0].host``. If a key itself is wrong, it is the place."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location if part != "[key]"]
    return "".join(parts).removeprefix(".")


def _host(location: tuple[int | str, ...], document: Mapping[Any, Any]) -> str:
    """Return the host of the provider that a location is about, in parentheses; empty if there is none."""
    match location:
        case ("providers", int(number), *_):
            provider = document["providers"][number]
            name = provider.get("host") if isinstance(provider, Mapping) else None
        case _:
            return ""
    try:
        host = urls.parse_host(name) if isinstance(name, str) else ""
    except urls.MalformedUrl:
        return ""
    return f" ({host})" if host and not name_holds_token(host) else ""


def _message(error: ErrorDetails) -> str:
    kind = error["type"]
    if (text := _MUST_BE.get(kind)) is not None:
        return f"must be {text.format(**error.get('ctx', {}))}"
    return _OTHERWISE.get(kind, error["msg"].removeprefix("Value error, ").replace("Input should be", "must be"))
