"""The JSON Schema of the configuration file, for editors and for people who read it."""

from __future__ import annotations

from typing import Any

from webhook.settings import Settings


def schema() -> dict[str, Any]:
    """Every key of the file by the name that it has there, with its meaning and its default."""
    whole = _readable(Settings.model_json_schema(by_alias=True))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of git-token-webhook",
        **whole,
    }


def _readable(node: Any) -> Any:
    """The same without the titles that pydantic makes of names, and without null as something to write."""
    if isinstance(node, list):
        return [_readable(item) for item in node]
    if not isinstance(node, dict):
        return node
    readable = {key: _readable(value) for key, value in node.items() if key != "title" or not isinstance(value, str)}
    if isinstance(description := readable.get("description"), str):
        readable["description"] = description.replace("``", "`")
    match readable.get("anyOf"):
        case [dict(only), {"type": "null"}]:
            del readable["anyOf"], readable["default"]
            return only | readable
    return readable
