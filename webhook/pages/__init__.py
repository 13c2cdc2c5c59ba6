"""The templates and styles that the HTML report and the console share.

Every text that a template outputs is escaped for HTML, and goes through `shown` first: on a page, too, it could change
the writing direction or hide in white space.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from webhook.text import shown

_PACKAGE = "webhook.pages"


def environment(package: str) -> Environment:
    """Return an environment with the templates beside the modules of `package`, and the shared ones."""
    loaders = [PackageLoader(one, "") for one in (package, _PACKAGE)]
    return Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def stylesheet(package: str, name: str) -> str:
    """Return the shared styles, followed by those of `package`."""
    return "".join(
        files(one).joinpath(file).read_text("utf-8") for one, file in ((_PACKAGE, "base.css"), (package, name))
    )


def csp_hash(text: str) -> str:
    """Return the source expression of Content-Security-Policy that allows an inline element with this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _printable(value: Any) -> Any:
    # A Markup is a subclass of str, and is output as it is.
    return shown(value) if type(value) is str else value
