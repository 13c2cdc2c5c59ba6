"""Commands whose help texts name the kind of each value: a file, a duration, a number."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

_Function = TypeVar("_Function", bound=Callable[..., Any])
_DURATION = re.compile(r"[0-9]+(ms|s|m|h|d)\Z")


def _named(params: list[Any]) -> list[Any]:
    """Return the parameters with a name for the value of each; flags have none, because they take no value."""
    for param in params:
        if isinstance(param, TyperOption) and param.metavar is None:
            param.metavar = _value_name(param)
        elif isinstance(param, TyperArgument):  # its name says what it is
            param.display_type_rich = lambda ctx: None  # type: ignore[method-assign]
    return params


def _value_name(param: TyperOption) -> str | None:
    described = param.type_descriptor
    if described.is_choice:
        return None  # typer lists the choices
    if param.is_flag:
        return ""
    kinds = get_args(described.annotation) or (described.annotation,)
    if Path in kinds:
        return "PATH"
    if int in kinds:
        return "NUMBER"
    default = param.default
    return "DURATION" if isinstance(default, str) and _DURATION.match(default) else "TEXT"


class Command(TyperCommand):
    """A command."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return its parameters."""
        return _named(super().get_params(ctx))


class Group(TyperGroup):
    """A command with subcommands."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return its parameters."""
        return _named(super().get_params(ctx))


class Typer(typer.Typer):
    """A program, or a part of it, with such commands."""

    def __init__(self, **options: Any) -> None:
        super().__init__(cls=Group, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[_Function], _Function]:
        """Add a command."""
        return super().command(name, cls=Command, **options)
