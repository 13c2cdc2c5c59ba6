"""Render the templates of the console."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from webhook import __version__
from webhook.pages import environment, stylesheet

_PACKAGE = "webhook.console"


class Renderer:
    """Templates and static files of one console."""

    def __init__(self, prefix: str) -> None:
        """
        Args:
            prefix: the first segment of the path of every page.
        """
        self._environment = environment(_PACKAGE)
        self._environment.filters |= {"when": _when, "segment": lambda text: quote(text, safe="")}
        self._environment.globals |= {"base": f"/{prefix}", "version": __version__, "assets": self._names}

    @cached_property
    def assets(self) -> Mapping[str, tuple[str, str]]:
        """Static files by the name that addresses use: content type and text."""
        style = stylesheet(_PACKAGE, "console.css")
        script = files(_PACKAGE).joinpath("console.js").read_text("utf-8")
        return {
            _named("console.css", style): ("text/css", style),
            _named("console.js", script): ("text/javascript", script),
        }

    @property
    def _names(self) -> Mapping[str, str]:
        return {name.rpartition(".")[2]: name for name in self.assets}

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """Return a page or a part of one."""
        return self._environment.get_template(template).render(values)


def _named(name: str, text: str) -> str:
    stem, _, ending = name.rpartition(".")
    return f"{stem}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.{ending}"


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else ""
