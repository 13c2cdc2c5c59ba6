"""A report for people."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Literal

import pytest

from tests.report.reports import NOW, cluster, example, report, row
from webhook.providers.findings import Outcome
from webhook.report.formats import write
from webhook.report.model import Attested, NotLookedAt, Place, Report, Severity


class Terminal(StringIO):
    """A stream that says that it is one."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def shown(report: Report, view: Literal["findings", "tokens"] = "findings", *, colors: bool = False) -> str:
    stream = StringIO()
    write(report, "table", stream, colors=colors, view=view)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("denied", "allowed", "text"), [(1, 0, "1 of 1 entry denied."), (2, 1, "2 of 3 entries denied.")]
)
def test_the_summary_counts_denied_entries(denied: int, allowed: int, text: str) -> None:
    """The last lines say how many of all entries the webhook would deny."""
    rows = [row(Outcome.INVALID, name=f"a{number}") for number in range(denied)]
    rows += [row(Outcome.SUFFICIENT, name=f"b{number}") for number in range(allowed)]
    assert text in shown(report(*rows)).splitlines()


def test_findings_stand_by_secret_the_worst_first() -> None:
    """One heading for all that is wrong with a Secret."""
    text = shown(
        report(
            row(Outcome.SKIPPED, name="skipped"),
            row(Outcome.INSUFFICIENT, name="weak", field="data.a"),
            row(Outcome.INVALID, name="weak", field="data.b"),
        )
    )
    assert text.count("argocd/weak") == 1
    places = [text.index(word) for word in ("argocd/weak", "data.b", "data.a", "argocd/skipped")]
    assert places == sorted(places)


def test_what_is_well_is_only_counted() -> None:
    """A thousand good tokens don't hide a bad one."""
    text = shown(report(row(Outcome.SUFFICIENT, name="good"), row(Outcome.INVALID, name="bad", message="It is wrong.")))
    assert "argocd/good" not in text
    assert "1 sufficient, 1 invalid" in text


def test_a_finding_says_what_to_do_and_where() -> None:
    """The way on, after what is wrong."""
    text = shown(report(replace(row(message="It lacks repo."), remedy="https://github.com/settings/tokens/new")))
    assert "It lacks repo." in text
    assert "→ Create a token with what is missing" in text
    assert "https://github.com/settings/tokens/new" in text


def test_what_a_provider_says_is_to_be_done_is_said_once() -> None:
    """After what is wrong, in its own words, and with nothing else that means the same."""
    todo = "Make one that has both: https://github.com/settings/tokens/new."
    made = replace(row(message=f"It lacks repo. {todo}"), todo=todo, remedy="https://github.com/settings/tokens/new")
    lines = [line.strip() for line in shown(report(made)).splitlines()]
    assert lines[2:5] == ["It lacks repo.", f"→ {todo}", ""]


def test_who_replaces_a_token_needs_not_write_the_secret_once_more() -> None:
    """The webhook sees it then; of a good one that it has never seen, it isn't self-evident."""
    never = [replace(row(outcome), attested=Attested.NEVER) for outcome in (Outcome.INVALID, Outcome.UNVERIFIED)]
    texts = [shown(report(one)) for one in never]
    assert ["Write the Secret again" in text for text in texts] == [False, True]


def test_a_manifest_is_named_with_its_line() -> None:
    """People go there."""
    text = shown(report(row(file="deploy/creds.yaml", line=12, namespace=""), command="check"))
    assert "deploy/creds.yaml: repo-creds  line 12" in text


def test_the_same_token_elsewhere_is_told() -> None:
    """Who replaces it wants to know where else."""
    text = shown(report(*(replace(row(name=f"copy-{number}"), token=1) for number in range(3))))
    assert text.count("The same token is in 2 more entries.") == 3


def test_what_was_not_looked_at_and_why() -> None:
    """Silence about a SealedSecret would look like praise."""
    unseen = NotLookedAt(Place("a", "b", file="x.yaml", line=3), "SealedSecret", "It can't be opened.")
    text = shown(replace(report(), not_looked_at=(unseen,), passed_over={"Secret": 12, "Deployment": 3}))
    assert "x.yaml: a/b" in text
    assert "It can't be opened." in text
    assert "Secret (12) and Deployment (3)" in text


def test_an_incomplete_run_says_so() -> None:
    """It must not look like a whole one."""
    text = shown(report(problems=("The API server went away.",)))
    assert "This run is not complete" in text
    assert "The API server went away." in text


def test_the_summary_says_what_the_webhook_has_not_checked() -> None:
    """Also where the tokens are good."""
    changed = replace(row(Outcome.SUFFICIENT, severity=Severity.WARNING), attested=Attested.CHANGED)
    assert "Entries: 1 changed without the webhook." in shown(report(changed))


def test_the_view_of_tokens_says_who_holds_which() -> None:
    """As the platform's UI lists them: holder, state, kind, account, scopes, end."""
    one = replace(
        row(Outcome.SUFFICIENT),
        roles=("user",),
        user="alice@acme.example",
        account="alice",
        token_type="classic",
        scopes=("repo", "gist"),
        expires_at=NOW + timedelta(days=9),
    )
    line = shown(report(one), "tokens").splitlines()[1]
    assert line.split("  ")[0] == "argocd/repo-creds"
    for cell in ("user alice@acme.example", "✓ sufficient", "classic", "alice", "repo, gist", "2026-12-02 (in 9 days)"):
        assert cell in line


def test_a_pipe_gets_whole_lines_without_colours() -> None:
    """For grep and diff."""
    sentence = "A sentence " * 60
    text = shown(report(row(message=sentence)))
    assert sentence.strip() in text
    assert "\x1b" not in text


def test_colours_are_there_when_asked_for() -> None:
    """``--color`` into a pager."""
    assert "\x1b[1;31m" in shown(report(row()), colors=True)


def test_a_terminal_gets_nothing_wider_than_it_is() -> None:
    """Wrapped by us, with its indent, and not by the terminal."""
    for view in ("findings", "tokens"):
        stream = Terminal()
        write(cluster(20), "table", stream, colors=False, view=view)
        assert max(len(line) for line in stream.getvalue().splitlines()) <= 80


def test_an_encoding_that_lacks_a_character_breaks_nothing() -> None:
    """A log collector with an ASCII stream still gets the report."""
    from io import BytesIO, TextIOWrapper

    raw = BytesIO()
    stream = TextIOWrapper(raw, encoding="ascii")
    write(report(row(message="Größe")), "table", stream, colors=False)
    write(report(row(message="Größe")), "table", stream, colors=False, view="tokens")
    stream.flush()
    assert b"Gr\\xf6\\xdfe" in raw.getvalue()


def test_the_documentation_shows_what_is_written() -> None:
    """Both views of its example, to the letter."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "report.md").read_text()
    assert f"```text\n{shown(example())}```" in text
    assert f"```text\n{shown(example(), 'tokens')}```" in text
