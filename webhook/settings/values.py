"""The values of a configuration file that several sections use: durations, flags, and the base of all sections."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from webhook.settings.errors import UNKNOWN_KEYS

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}

_DURATION = re.compile(r"(?:(?:\d+(?:\.\d+)?)(?:ms|s|m|h|d))+\Z")


def parse_duration(text: object) -> timedelta:
    """Return a duration such as ``4s``, ``500ms``, ``1h30m`` or ``14d``.

    Raises:
        ValueError: the value is not a duration.
    """
    if not isinstance(text, str) or not _DURATION.match(text):
        raise ValueError("write a duration with its unit, such as 500ms, 4s, 3m, 12h or 14d")
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError("is longer than any duration can be") from None


def _duration(value: object) -> object:
    return value if isinstance(value, timedelta) else parse_duration(value)


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$", "examples": ["4s", "14d"]}),
]


def by_default(text: str) -> Any:
    """Return a field for a duration with a default, which the schema shows as it is written."""
    return Field(default=parse_duration(text), json_schema_extra={"default": text})


class Section(BaseModel):
    """A part of the file: frozen, in camelCase, and with known keys only."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
        validate_default=False,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _pass_over_empty_keys(cls, value: Any) -> Any:
        """Ignore keys without a value, such as ``providers:`` with only comments below."""
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, Mapping) else value

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_keys(cls, value: Any) -> Any:
        if cls.model_config.get("extra") == "forbid" and isinstance(value, Mapping):
            known = {name: field.alias or name for name, field in cls.model_fields.items()}
            unknown = [key for key in value if key not in known and key not in known.values()]
            if unknown:
                hints = {str(key): _hint(key, list(known.values())) for key in unknown}
                raise PydanticCustomError(UNKNOWN_KEYS, "unknown keys", {"hints": hints})
        return value


class PlatformSection(Section):
    """A part of the platform's values file, whose other keys are ignored."""

    model_config = ConfigDict(extra="ignore")


def _hint(key: object, known: list[str]) -> str:
    near = difflib.get_close_matches(str(key)[:100], known, n=1, cutoff=0.5)
    suggestion = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
    return f"unknown key {str(key)[:60]!r}; {suggestion}"


def _flag_text(value: object) -> object:
    """Accept any value: one that is neither true nor false is reported, and changes nothing."""
    return value if isinstance(value, bool | str) else type(value).__name__


Flag = Annotated[bool | str, BeforeValidator(_flag_text)]

_FLAG = {"true": True, "false": False, "": False}


def parse_flag(value: bool | str) -> bool | None:
    """Return the value of a skip flag; None if it is neither true nor false, and so skips nothing."""
    if isinstance(value, bool):
        return value
    return _FLAG.get(value.strip().lower())
