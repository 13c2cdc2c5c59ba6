"""What is wrong with a configuration file, as people read it: the place and what must be there, and no value of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from webhook.providers import urls
from webhook.providers.token_shapes import name_holds_token

WRONG_NAMES = "wrong_names"
"""The type of an error that is several, each at a place of its own below that of the whole: `wrong` of its context."""

# By pydantic's types of errors; what is missing here is told in pydantic's own words.
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


def problems(errors: Iterable[ErrorDetails], document: Mapping[Any, Any]) -> list[str]:
    """One line for each thing that is wrong with `document`."""
    return [line for error in errors for line in _lines(error, document)]


def _lines(error: ErrorDetails, document: Mapping[Any, Any]) -> list[str]:
    place, about = _place(error["loc"]), _host(error["loc"], document)
    if error["type"] == WRONG_NAMES:
        return [f"{place}.{below}{about}: {message}" for below, message in error["ctx"]["wrong"].items()]
    return [f"{place}{about}: {_message(error)}" if place else _message(error)]


def _place(location: tuple[int | str, ...]) -> str:
    """``providers[0].host``: as people count into a list. Where a key itself is wrong, it is the place."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location if part != "[key]"]
    return "".join(parts).removeprefix(".")


def _host(location: tuple[int | str, ...], document: Mapping[Any, Any]) -> str:
    """Which provider of the list it is, in parentheses, where its host can be read."""
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
