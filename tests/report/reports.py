"""Reports to write: one like those of a real cluster, of any size, and parts for others."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from webhook.providers.findings import Outcome
from webhook.report.model import ApplicationRow, Attested, NotLookedAt, Place, Report, Row, Severity

NOW = datetime(2026, 11, 23, 21, 54, 7, tzinfo=UTC)

_HOSTS = {
    "github.com": ("github", ("repo", "admin:repo_hook"), "classic"),
    "gitlab.com": ("gitlab", ("api", "read_api"), "personal"),
    "git.acme.example": ("bitbucket-server", ("PROJECT_ADMIN", "REPO_ADMIN"), "personal"),
    "bitbucket.org": ("bitbucket", ("repository:write", "webhook"), "api token"),
    "codeberg.org": ("gitea", ("write:repository",), "access token"),
}
_PEOPLE = ("alice", "bruno", "chen", "dunya", "emeka", "freja", "goran", "hana", "ivo", "jun", "kirsi", "luis")
_STATES = (
    [Outcome.SUFFICIENT] * 60
    + [Outcome.INSUFFICIENT] * 9
    + [Outcome.INVALID] * 7
    + [Outcome.SKIPPED] * 5
    + [Outcome.UNVERIFIED] * 3
    + [Outcome.UNSUPPORTED] * 3
    + [Outcome.BLOCKED] * 2
    + [Outcome.UNKNOWN_HOST]
    + [Outcome.MALFORMED]
)
_SEVERITIES = {
    Outcome.SUFFICIENT: Severity.NONE,
    Outcome.SKIPPED: Severity.NOTE,
    Outcome.UNSUPPORTED: Severity.WARNING,
    Outcome.UNVERIFIED: Severity.WARNING,
    Outcome.UNKNOWN_HOST: Severity.WARNING,
}


def row(
    outcome: Outcome = Outcome.INSUFFICIENT,
    *,
    namespace: str = "argocd",
    name: str = "repo-creds",
    field: str = "data.password",
    file: str = "",
    line: int | None = None,
    severity: Severity | None = None,
    message: str = "",
) -> Row:
    """One row of a runtime token of github.com."""
    return Row(
        place=Place(namespace, name, field, file=file, line=line),
        roles=("runtime",),
        outcome=outcome,
        severity=severity or _SEVERITIES.get(outcome, Severity.ERROR),
        message=message,
        provider="github",
        host="github.com",
    )


def report(*rows: Row, command: str = "audit", problems: tuple[str, ...] = ()) -> Report:
    """A run that found `rows`."""
    return Report(
        command=command,
        started_at=NOW - timedelta(seconds=41),
        finished_at=NOW,
        rows=rows,
        secrets=len({row.place.secret for row in rows}),
        tokens=len({row.token for row in rows if row.token is not None}),
        asked=len(rows),
        problems=problems,
    )


def cluster(entries: int = 140) -> Report:
    """A report of a cluster with every state in it; the same for the same number."""
    chance = random.Random(7)  # noqa: S311 - decides what an example looks like
    tokens = max(entries * 2 // 3, 1)
    rows = tuple(_entry(number, number % tokens, chance) for number in range(entries))
    return Report(
        command="audit",
        started_at=NOW - timedelta(seconds=41),
        finished_at=NOW,
        sources=("production",),
        rows=rows,
        not_looked_at=(
            NotLookedAt(
                Place("payments", "git-sealed", "spec.encryptedData"),
                "SealedSecret",
                "What it holds can only be read once its controller has made a Secret of it.",
            ),
            NotLookedAt(
                Place("legacy", "argocd-repo"),
                "Secret",
                "The API server doesn't let this user read it (403 Forbidden).",
            ),
        ),
        applications=(
            ApplicationRow(
                "Application",
                "argocd",
                "checkout",
                "https://github.com/acme/checkout",
                credential=rows[0].place,
                would_sync=False,
                message="Argo CD would use argocd/repo-creds, whose token github.com refuses.",
            ),
            ApplicationRow("Application", "argocd", "search", "https://gitlab.com/acme/search", would_sync=True),
            ApplicationRow(
                "ApplicationSet",
                "argocd",
                "previews",
                "https://git.acme.example/scm/web/previews.git",
                message="git.acme.example did not answer in time.",
            ),
        ),
        secrets=len({row.place.secret for row in rows}),
        passed_over={"Secret": 1_873, "ConfigMap": 412},
        tokens=len({row.token for row in rows if row.token is not None}),
        asked=tokens,
    )


def example() -> Report:
    """The one of docs/reference/report.md."""
    new = "https://github.com/settings/tokens/new?scopes=repo"
    todo = f"Make one that has both: {new}"
    weak = replace(
        row(
            message="github.com says that this classic token of acme-bot has read:org; a runtime token also needs "
            f"repo. {todo}"
        ),
        todo=todo,
        account="acme-bot",
        token_type="classic",
        scopes=("read:org",),
        remedy=new,
        token=1,
    )
    soon = "gitlab.com says that this personal token of alice expires in 9 days, on 2026-12-02; replace it before then."
    alice = Row(
        place=Place("team-atlas", "git-default-users", "data.alice"),
        roles=("user",),
        user="alice",
        outcome=Outcome.SUFFICIENT,
        severity=Severity.WARNING,
        warnings=(soon,),
        provider="gitlab",
        host="gitlab.com",
        account="alice",
        token_type="personal",
        scopes=("api",),
        expires_at=NOW + timedelta(days=9),
        token=2,
    )
    bruno = replace(
        alice,
        place=replace(alice.place, field="data.bruno"),
        user="bruno",
        account="bruno",
        severity=Severity.NONE,
        warnings=(),
        expires_at=NOW + timedelta(days=209),
        token=3,
    )
    return replace(report(weak, alice, bruno), passed_over={"Secret": 1873})


def _entry(number: int, token: int, chance: random.Random) -> Row:
    of_token = random.Random(f"token {token}")  # noqa: S311 - as above; what is of the token is the same wherever it stands
    host, (provider, scopes, kind) = of_token.choice(list(_HOSTS.items()))
    outcome = of_token.choice(_STATES)
    person = of_token.choice(_PEOPLE)
    is_user = of_token.random() < 0.55
    namespace = f"team-{chance.choice(('atlas', 'borealis', 'cumulus', 'delta', 'ember'))}" if is_user else "argocd"
    name = "git-default-users" if is_user else f"repo-{number:04d}"
    end = NOW + timedelta(days=int(of_token.triangular(-20, 400, 70))) if of_token.random() < 0.7 else None
    if outcome is Outcome.SUFFICIENT and end is not None and end < NOW:
        end = NOW + timedelta(days=of_token.randrange(2, 14))
    made = Row(
        place=Place(namespace, name, f"data.{person}-{number}" if is_user else "data.password"),
        roles=("user",) if is_user else ("runtime",),
        rules=("codefresh-user",) if is_user else ("argocd-repository",),
        user=f"{person}@acme.example" if is_user else "",
        outcome=outcome,
        outcomes={"user" if is_user else "runtime": outcome},
        severity=_SEVERITIES.get(outcome, Severity.ERROR),
        provider=provider,
        host=host,
        url=f"https://{host}/acme",
        account=person if is_user else "acme-bot",
        token_type=kind,
        scopes=scopes,
        expires_at=end,
        attested=chance.choice([Attested.YES] * 8 + [Attested.NEVER]),
        token=token + 1,
        validated_at=NOW - timedelta(seconds=20),
    )
    return _with_words(made, outcome, end)


def _with_words(made: Row, outcome: Outcome, end: datetime | None) -> Row:
    host, account, kind = made.host, made.account, made.token_type
    link = f"https://{host}/settings/tokens/new?scopes=repo"
    lacks = (
        f"{host} says that this {kind} token of {account} has read:org; a {made.roles[0]} token also needs repo. "
        f"Make one that has it at {link}."
    )
    match outcome:
        case Outcome.INSUFFICIENT:
            return replace(made, message=lacks, remedy=link)
        case Outcome.INVALID:
            return replace(
                made,
                message=f"{host} refuses this token: it is wrong, revoked or expired. Replace it with a working token.",
                remedy=f"https://{host}/settings/tokens/new",
                account="",
                scopes=(),
                expires_at=None,
            )
        case Outcome.BLOCKED:
            return replace(made, message=f"{host} accepts this token, but acme asks for single sign-on first.")
        case Outcome.UNVERIFIED:
            return replace(
                made,
                message=f"{host} did not answer in 5 s, so this token cannot be verified.",
                validated_at=None,
                account="",
                scopes=(),
                expires_at=None,
            )
        case Outcome.UNSUPPORTED:
            return replace(made, message="This value is an SSH key, so it cannot be checked.", token=None)
        case Outcome.UNKNOWN_HOST:
            return replace(made, message=f"{host} is not a declared Git host.", provider="", scopes=())
        case Outcome.MALFORMED:
            return replace(made, message="This value is no token: it holds a line break.", token=None, scopes=())
        case Outcome.SKIPPED:
            return replace(made, skip_reason="the annotation git-token-webhook/skip-validation", account="", scopes=())
        case _ if end is not None and end - NOW <= timedelta(days=14):
            left = (end.date() - NOW.date()).days
            soon = f"{host} says that this {kind} token of {account} expires in {left} days, on {end:%Y-%m-%d}."
            return replace(made, severity=Severity.WARNING, warnings=(soon,))
        case _:
            return made
