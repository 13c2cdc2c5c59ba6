"""The JSON Schema of the configuration file, for editors and for people who read it."""

from __future__ import annotations

from typing import Any

from webhook.settings.model import Settings


def schema() -> dict[str, Any]:
    """Every key of the file by the name that it has there, with its meaning and its default."""
    whole = _readable(Settings.model_json_schema(by_alias=True))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of git-token-webhook",
        **whole,
    }


def _readable(node: Any) -> Any:
    """The same without what pydantic adds: titles that repeat names, null as something to write, and of whole sections
    defaults in which durations are written as no file has them."""
    if isinstance(node, list):
        return [_readable(item) for item in node]
    if not isinstance(node, dict):
        return node
    readable = {key: _readable(value) for key, value in node.items() if key != "title" or not isinstance(value, str)}
    if isinstance(description := readable.get("description"), str):
        readable["description"] = description.replace("``", "`")
    if "$ref" in readable:
        readable.pop("default", None)
    match readable.get("anyOf"):
        case [dict(only), {"type": "null"}]:
            del readable["anyOf"], readable["default"]
            return only | readable
    return readable
