"""The output formats of a report."""

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


def write(
    report: Report, format: Format, stream: TextIO, *, colors: bool, view: View = "findings", verbose: bool = False
) -> None:
    """Write a report.

    All formats except the table are ASCII, so that they do not depend on the encoding of `stream`.

    Args:
        stream: the destination; a table adapts to its width if it is a terminal.
        colors: whether a table has colours. The caller decides by the terminal and ``NO_COLOR``.
        view: the content of a table: `findings`, or all `tokens`. Other formats contain both.
        verbose: a table of findings also shows sufficient entries, and the evidence of each.
    """
    if format == "table":
        from webhook.report.table import write_table

        write_table(report, stream, colors=colors, view=view, verbose=verbose)
        return
    module, _, name = _WRITERS[format].partition(":")
    getattr(import_module(module), name)(report, stream)
