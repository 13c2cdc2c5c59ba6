"""Reports as one self-contained HTML page that fetches nothing.

``report.html`` extends the shared ``base.html`` with the results: figures, a table for browsers without JavaScript, and
JSON for the script, which renders a table to filter, sort and search. A Content-Security-Policy allows only this style
and this script, by their hashes.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TextIO

from markupsafe import Markup

from webhook import __version__
from webhook.pages import csp_hash, environment, stylesheet
from webhook.report.model import Report
from webhook.report.page.entries import HEADINGS, data
from webhook.report.page.figures import breakdowns, strip, timeline
from webhook.report.page.lists import applications, not_checked
from webhook.text import join, shown

_PACKAGE = "webhook.report.page"


def write_html(report: Report, stream: TextIO) -> None:
    """Write the page in ASCII, with all other characters as references."""
    style = stylesheet(_PACKAGE, "page.css")
    script = files(_PACKAGE).joinpath("page.js").read_text("utf-8")
    entries = data(report)
    text = (
        environment(_PACKAGE)
        .get_template("report.html")
        .render(
            policy=_policy(style, script),
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704
            data=entries,
            report=report,
            title=_title(report),
            run=_run(report),
            strip=strip(report),
            breakdowns=breakdowns(report),
            timeline=timeline(report),
            headings=HEADINGS,
            applications=applications(report),
            not_checked=not_checked(report),
            ignored=join(f"{shown(what)} ({count:,})" for what, count in report.passed_over.items()),
            version=__version__,
        )
    )
    stream.write(text.encode("ascii", "xmlcharrefreplace").decode("ascii"))


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src {csp_hash(style)}; script-src {csp_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _title(report: Report) -> str:
    of = f" of {shown(join(report.sources), 120)}" if report.sources else ""
    return f"Git tokens: {report.command}{of}, {report.started_at:%Y-%m-%d}"


def _run(report: Report) -> str:
    parts = [
        report.command.capitalize(),
        shown(join(report.sources), 200),
        f"{report.started_at.day} {report.started_at:%B %Y, %H:%M} UTC",
        f"{report.asked:,} check{'' if report.asked == 1 else 's'} at providers",
    ]
    return " · ".join(part for part in parts if part)
