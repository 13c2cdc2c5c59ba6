"""Reports as one self-contained HTML page that fetches nothing.

The page combines ``page.html``, ``page.css`` and ``page.js`` with the results: figures, a table for browsers without
JavaScript, and JSON for the script, which renders a table to filter, sort and search. A Content-Security-Policy allows
only this style and this script, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, TextIO

from webhook import __version__
from webhook.report.model import Report
from webhook.report.page.entries import COLUMNS, data, static_table
from webhook.report.page.figures import breakdowns, strip, timeline
from webhook.report.page.lists import applications, not_looked_at, problems
from webhook.report.text import shown
from webhook.text import join


def write_html(report: Report, stream: TextIO) -> None:
    """Write the page in ASCII, with all other characters as references."""
    folder = files("webhook.report.page")
    style, script, page = (folder.joinpath(f"page.{kind}").read_text("utf-8") for kind in ("css", "js", "html"))
    text = Template(page).substitute(
        policy=_policy(style, script),
        style=style,
        script=script,
        data=_json_in_html(data(report)),
        title=escape(_title(report)),
        lead=_lead(report),
        run=escape(_run(report)),
        problems=problems(report),
        strip=strip(report),
        breakdowns=breakdowns(report),
        timeline=timeline(report),
        columns=COLUMNS,
        static_table=static_table(report),
        applications=applications(report),
        not_looked_at=not_looked_at(report),
        version=escape(__version__),
    )
    stream.write(text.encode("ascii", "xmlcharrefreplace").decode("ascii"))


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json_in_html(value: Any) -> str:
    """Return JSON that cannot end the script element or start a comment."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _title(report: Report) -> str:
    of = f" of {shown(join(report.sources), 120)}" if report.sources else ""
    return f"Git tokens: {report.command}{of}, {report.started_at:%Y-%m-%d}"


def _lead(report: Report) -> str:
    tokens, secrets = report.tokens, report.secrets
    return (
        f"<b>{tokens:,}</b> Git token{'' if tokens == 1 else 's'} "
        f"in <b>{secrets:,}</b> Secret{'' if secrets == 1 else 's'}"
    )


def _run(report: Report) -> str:
    parts = [
        report.command.capitalize(),
        shown(join(report.sources), 200),
        f"{report.started_at.day} {report.started_at:%B %Y, %H:%M} UTC",
        f"{report.asked:,} check{'' if report.asked == 1 else 's'} at providers",
    ]
    return " · ".join(part for part in parts if part)
