"""The command ``explain``, with its options, output and exit codes."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from webhook.cli.options import As, Config, Context, Kubeconfig, end, parse_place
from webhook.errors import ConfigurationError
from webhook.names import ARGOCD_SECRET_TYPE

if TYPE_CHECKING:
    from webhook.audit.manifests import SecretManifest
    from webhook.explain.transcript import Entry
    from webhook.keyring.ring import KeyRing
    from webhook.review.attestation import Asked
    from webhook.review.policy import Judged
    from webhook.review.reviewer import Reviewer
    from webhook.settings.model import Settings
    from webhook.subject import SecretObject

_RUNTIME_LABEL = {ARGOCD_SECRET_TYPE: "repo-creds"}
_FILES = (".yaml", ".yml", ".json")

Output = Annotated[
    Literal["tree", "json"], typer.Option("--output", "-o", help="Output format: a tree, or a transcript as JSON.")
]


def explain(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE|NAMESPACE/NAME", help="Manifest (- reads standard input), or Secret in the cluster."
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="HOST or HOST/OWNER/REPOSITORY for a token on standard input, instead of a Secret."),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="With --host: kind of an undeclared host.")] = None,
    role: Annotated[Literal["runtime", "user"], typer.Option(help="With --host: role of the token.")] = "runtime",
    username: Annotated[str, typer.Option(help="With --host: user name of the token.")] = "",
    output: Output = "tree",
    record: Annotated[Path | None, typer.Option(help="File for a redacted recording that tests can replay.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of -o json, and exit.")] = False,
    config: Config = None,
    keys: Annotated[Path | None, typer.Option(help="Key ring that opens sealed tokens.")] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """Check a token and show why: each request, its response, and what follows from it."""
    import asyncio

    from webhook.cli.options import ring_of, settings_of, without_applications
    from webhook.explain import transcript

    if schema:
        typer.echo(json.dumps(transcript.schema(), indent=2))
        return
    if (target is None) == (host is None):
        raise ConfigurationError("name what to explain: FILE, NAMESPACE/NAME or --host HOST")
    settings = without_applications(settings_of(config))
    ring = ring_of(keys, settings)
    if host is not None:
        settings = _with_kind(settings, host, kind)
        found = asyncio.run(_explain(settings, ring, [_Subject("", _made_up(host, role, username))]))
    elif target == "-" or Path(target or "").exists() or str(target).endswith(_FILES):
        found = asyncio.run(_explain(settings, ring, _in_file(target or "")))
    else:
        found = asyncio.run(_explain_stored(settings, ring, *parse_place(target or ""), kubeconfig, context, as_user))
    _show([entry for entry, _ in found], output)
    if record is not None:
        _record(record, [asked for _, asked in found if asked is not None])
        typer.echo(f"git-token-webhook: The recording of this check is in {record}.", err=True)
    if any(entry.verdict == "denied" for entry, _ in found):
        raise typer.Exit(1)


_Found = list[tuple["Entry", "Asked | None"]]


@dataclass(frozen=True, slots=True)
class _Subject:
    """A Secret to explain.

    Attributes:
        where: its name, or where its manifest is; empty for a token on standard input.
        manifest: its manifest; None in a cluster.
    """

    where: str
    secret: SecretObject
    manifest: SecretManifest | None = None


async def _explain(settings: Settings, ring: KeyRing | None, subjects: list[_Subject]) -> _Found:
    async with _reviewer(settings, ring) as reviewer:
        return [one for subject in subjects for one in await _judge(reviewer, settings, subject)]


async def _explain_stored(
    settings: Settings,
    ring: KeyRing | None,
    namespace: str,
    name: str,
    kubeconfig: Path | None,
    context: str | None,
    as_user: str | None,
) -> _Found:
    from webhook.cluster.secrets import ApiError, StoredSecrets

    try:
        async with await StoredSecrets.connect(kubeconfig, context, as_user=as_user) as secrets:
            stored = await secrets.read(namespace, name)
    except ApiError as error:
        end(f"{namespace}/{name} cannot be read: {error}.", code=3)
    if stored is None:
        end(f"There is no Secret {namespace}/{name}.", code=3)
    return await _explain(settings, ring, [_Subject(f"{namespace}/{name}", stored.secret)])


@asynccontextmanager
async def _reviewer(settings: Settings, ring: KeyRing | None) -> AsyncIterator[Reviewer]:
    from webhook.audit.questions import asking
    from webhook.review.reviewer import Reviewer

    async with asking(settings, evidence=True, bodies=True) as questions:
        yield Reviewer(settings, questions, ring=(lambda: ring) if ring is not None else None)


async def _judge(reviewer: Reviewer, settings: Settings, subject: _Subject) -> _Found:
    import asyncio

    from webhook.explain.transcript import entry

    # Twice: a Bitbucket token may need two rounds, and each may wait in the queue.
    deadline = asyncio.get_running_loop().time() + 2 * settings.limits.decision_timeout.total_seconds()
    standing = await reviewer.judge(subject.secret, deadline)
    if standing.unreadable:
        end(f"{subject.where}: {standing.unreadable}", code=3)

    def field(of: Judged) -> str:
        name = of.entry.field
        return name if subject.manifest is None else subject.manifest.field(of.entry.key, name)

    return [
        (entry(subject.where, field(verdict.judged), verdict), verdict.judged.asked)
        for verdict in standing.verdicts.values()
    ]


def _in_file(path: str) -> list[_Subject]:
    from webhook.audit.manifests import Broken, SecretManifest, read
    from webhook.audit.rows import place_of

    subjects: list[_Subject] = []
    for document in read([path], sys.stdin):
        if isinstance(document, Broken):
            end(f"{document.where} {document.why}.", code=3)
        if isinstance(document, SecretManifest):
            where = f"{document.where.file}: {place_of(document.secret).secret}"
            subjects.append(_Subject(where, document.secret, document))
    if not subjects:
        end(f"{path} contains no Secret.", code=3)
    return subjects


def _with_kind(settings: Settings, host: str, kind: str | None) -> Settings:
    """Return the settings with the host declared as this kind.

    Raises:
        ConfigurationError: the kind does not exist, or the host is declared with another kind.
    """
    from webhook.providers import PROVIDERS
    from webhook.providers.hosts import Kind
    from webhook.settings.source import parse_settings

    if kind is None:
        return settings
    if Kind(kind) not in PROVIDERS:
        raise ConfigurationError(f"--kind: unknown kind {kind}; valid kinds are {', '.join(PROVIDERS)}")
    name = host.partition("/")[0]
    declared = parse_settings(json.dumps({"providers": [{"host": name, "kind": kind}]})).providers[0]
    known = next((one for one in settings.providers if one.host == declared.host), None)
    if known is not None and known.kind != declared.kind:
        raise ConfigurationError(f"--kind: {declared.host} is declared as {known.kind}")
    if known is not None:
        return settings
    return settings.model_copy(update={"providers": (*settings.providers, declared)})


def _made_up(host: str, role: str, username: str) -> SecretObject:
    """Return a Secret with the token from standard input."""
    from webhook.cli.tokens import token_from_stdin
    from webhook.subject import SecretObject

    runtime = role == "runtime"
    token = token_from_stdin().get_secret_value()
    values = {"url": f"https://{host.removeprefix('https://')}", "password" if runtime else "token": token}
    if username:
        values["username"] = username
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    if runtime:
        return SecretObject("explain", "token", labels=_RUNTIME_LABEL, data=data)
    return SecretObject("explain", "git-default-token", data=data)


def _show(entries: list[Entry], output: str) -> None:
    import msgspec

    from webhook.explain.transcript import transcript

    found = transcript(entries, datetime.now(UTC))
    if output == "json":
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    from rich.console import Console

    from webhook.explain.tree import write

    write(found, Console(file=sys.stdout, no_color=bool(os.environ.get("NO_COLOR")), highlight=False))


def _record(path: Path, asked: list[Asked]) -> None:
    """Write a recording, and check that it replays to the same findings.

    Raises:
        ConfigurationError: there is not exactly one token to record, or the file cannot be written.
    """
    import asyncio

    from webhook.providers import PROVIDERS, recordings

    if len(asked) != 1:
        raise ConfigurationError(
            f"--record: {len(asked)} tokens were sent to a provider; a recording needs exactly one"
        )
    (one,) = asked
    data = recordings.dump(one.question, one.answer, datetime.now(UTC))
    try:
        path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}") from None
    recording = recordings.load(data)
    try:
        replayed = asyncio.run(recording.replay(PROVIDERS[one.question.host.kind], datetime.now(UTC)))
    except recordings.Unreplayable as error:
        end(f"{path} is written, but cannot be replayed: {error}.", code=3)
    if not recording.confirms(replayed):
        end(
            f"{path} is written, but replays to another verdict, because the redaction removed something relevant.",
            code=3,
        )
