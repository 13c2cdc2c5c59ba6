"""The forms in which a report can be read."""

from __future__ import annotations

from importlib import import_module
from typing import Literal, TextIO, get_args

from webhook.report.model import Report

Format = Literal["table", "json", "yaml", "junit", "sarif", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)
View = Literal["findings", "tokens"]
VIEWS: tuple[View, ...] = get_args(View)

_WRITERS: dict[Format, str] = {
    "json": "webhook.report.document:write_json",
    "yaml": "webhook.report.document:write_yaml",
    "junit": "webhook.report.junit:write_junit",
    "sarif": "webhook.report.sarif:write_sarif",
    "html": "webhook.report.page:write_html",
}


def write(report: Report, format: Format, stream: TextIO, *, colors: bool, view: View = "findings") -> None:
    """Write a whole report.

    All but the table is ASCII, whatever the report holds, so that no encoding of `stream` can break it.

    Args:
        stream: where to; a table asks it how wide it is, where it is a terminal.
        colors: for a table, whether it may have colours; whoever calls knows of terminals and ``NO_COLOR``.
        view: for a table, what is wrong (`findings`), or who holds which token (`tokens`). Other formats hold both.
    """
    if format == "table":
        from webhook.report.table import write_table

        write_table(report, stream, colors=colors, view=view)
        return
    module, _, name = _WRITERS[format].partition(":")
    getattr(import_module(module), name)(report, stream)
