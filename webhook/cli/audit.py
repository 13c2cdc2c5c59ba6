"""The commands ``check`` and ``audit``, with their options, output and exit codes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

from webhook.cli.options import ENVIRONMENT, As, Config, Contexts, Kubeconfig, parse_place
from webhook.errors import ConfigurationError

if TYPE_CHECKING:
    from webhook.audit.progress import ProgressDisplay
    from webhook.audit.scope import Scope
    from webhook.keyring.ring import KeyRing
    from webhook.report.model import Report
    from webhook.settings.model import Settings

Format = Literal["table", "json", "yaml", "junit", "sarif", "html"]
View = Literal["findings", "tokens"]

Keys = Annotated[
    Path | None,
    typer.Option(help="Key ring that opens sealed tokens. Defaults to encryption.keysDir of --config."),
]
Output = Annotated[Format, typer.Option("--output", "-o", help="Output format.")]
OutputFile = Annotated[Path | None, typer.Option(help="File for the report. Standard output gets a summary.")]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Also show sufficient tokens, and the requests and proofs that each result rests on."
    ),
]
FailOn = Annotated[
    list[str] | None,
    typer.Option(
        help="Findings that cause exit code 1, separated by commas: error (the webhook would deny it), warning, "
        "expiring, never-attested, changed, applications, not-looked-at, an outcome such as invalid, or none. "
        "[default: error,applications]"
    ),
]


def _of_watch(name: str, text: str) -> Any:
    """Return an option of `audit --watch`, which an environment variable can set as well."""
    return typer.Option(help=text, envvar=f"{ENVIRONMENT}_{name}", rich_help_panel="With --watch")


Concurrency = Annotated[int, typer.Option(min=1, max=64, help="Concurrent token checks per host.")]


def check(
    paths: Annotated[
        list[str], typer.Argument(metavar="FILE|DIR|-", help="Manifest files or folders; - reads standard input.")
    ],
    config: Config = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace of Secrets that name none.")] = "",
    keys: Keys = None,
    output: Output = "table",
    output_file: OutputFile = None,
    view: Annotated[
        View, typer.Option(help="Content of the table: findings, or all tokens with their holders.")
    ] = "findings",
    verbose: Verbose = False,
    fail_on: FailOn = None,
    concurrency: Concurrency = 8,
    timeout: Annotated[
        str, typer.Option(help="Time limit for the run. What is not checked by then is unverified.")
    ] = "10m",
) -> None:
    """Check the Secrets in manifests as the webhook would, before you apply them."""
    from webhook.audit.check import check as run
    from webhook.audit.fail_on import DEFAULT, parse
    from webhook.audit.progress import ProgressDisplay

    words = parse(fail_on or DEFAULT)
    settings, ring = settings_of(config), None
    ring = ring_of(keys, settings)
    seconds = _seconds("--timeout", timeout)
    with ProgressDisplay() as progress:
        report = _finished(
            run(
                paths,
                sys.stdin,
                without_applications(settings),
                namespace=namespace,
                ring=ring,
                at_once=concurrency,
                seconds=seconds,
                progress=progress,
            )
        )
    _conclude(report, settings, output, output_file, view, words, verbose=verbose)


def audit(
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", help="Namespace to audit; repeatable.")
    ] = None,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Audit all namespaces.")] = False,
    selector: Annotated[str, typer.Option("--selector", "-l", help="Label selector for Secrets.")] = "",
    rule: Annotated[
        list[str] | None,
        typer.Option(help="Audit only Secrets that this rule of the configuration matches; repeatable."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Audit only Secrets written since then: a duration such as 7d, or a time such as 2026-11-23T12:00:00Z."
        ),
    ] = None,
    applications: Annotated[
        bool, typer.Option("--applications", help="Also report which Argo CD Applications would fail to sync, and why.")
    ] = False,
    config: Config = None,
    keys: Keys = None,
    output: Output = "table",
    output_file: OutputFile = None,
    view: Annotated[
        View, typer.Option(help="Content of the table: findings, or all tokens with their holders.")
    ] = "findings",
    verbose: Verbose = False,
    fail_on: FailOn = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Checkpoint file. An interrupted audit continues from it."),
    ] = None,
    concurrency: Concurrency = 8,
    timeout: Annotated[
        str,
        typer.Option(
            help="Time limit for the run, including waits for rate limits. What is not checked by then is unverified."
        ),
    ] = "2h",
    watch: Annotated[
        bool,
        _of_watch(
            "WATCH", "Run continuously, and keep reports, Events and metrics of all Secrets up to date. Needs -A."
        ),
    ] = False,
    interval: Annotated[
        str,
        _of_watch(
            "INTERVAL", "How often to check each Secret. Checks are more frequent shortly before a token expires."
        ),
    ] = "6h",
    look_again: Annotated[
        str, _of_watch("LOOK_AGAIN", "How often to look for a report API that the cluster does not serve yet.")
    ] = "1m",
    lease: Annotated[
        str, _of_watch("LEASE", "NAMESPACE/NAME of the Lease that elects the active replica.")
    ] = "git-token-webhook/git-token-webhook-audit",
    lease_duration: Annotated[
        str, _of_watch("LEASE_DURATION", "How soon another replica takes over when the leader fails.")
    ] = "15s",
    health_listen: Annotated[str, _of_watch("HEALTH_LISTEN", "Address of /livez, /readyz and /metrics.")] = "[::]:8080",
    log_format: Annotated[Literal["json", "text"], _of_watch("LOG_FORMAT", "Format of log lines.")] = "json",
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _of_watch("LOG_LEVEL", "Lowest level of log lines.")
    ] = "info",
    kubeconfig: Kubeconfig = None,
    context: Contexts = None,
    as_user: As = None,
) -> None:
    """Check the credential Secrets of a cluster as the webhook would check them today."""
    from webhook.audit.fail_on import DEFAULT, parse
    from webhook.audit.progress import ProgressDisplay
    from webhook.audit.scope import Scope

    if bool(namespace) == everywhere:
        raise ConfigurationError("name the Secrets to audit: -n NAMESPACE or -A")
    words = parse(fail_on or DEFAULT)
    if watch:
        single = {
            "-n": namespace,
            "--since": since,
            "--applications": applications,
            "--output": output != "table",
            "--output-file": output_file,
            "--view": view != "findings",
            "--verbose": verbose,
            "--fail-on": fail_on,
            "--resume": resume,
            "--context": len(context or ()) > 1,
        }
        _refuse_with_watch(name for name, given in single.items() if given)
        from webhook.address import Address
        from webhook.audit.watch.controller import Pace
        from webhook.audit.watch.process import Options, run

        pace = Pace(_duration("--interval", interval), _duration("--look-again", look_again))
        if min(pace.interval, pace.look_again) < timedelta(seconds=1):
            raise ConfigurationError("--interval and --look-again must be at least one second")
        run(
            Options(
                config=config,
                keys=keys,
                rules=tuple(dict.fromkeys(rule or ())),
                selector=selector,
                pace=pace,
                at_once=concurrency,
                lease=_lease(lease),
                lease_duration=_seconds("--lease-duration", lease_duration),
                health_listen=Address.parse(health_listen),
                kubeconfig=kubeconfig,
                context=next(iter(context or ()), None),
                as_user=as_user,
                log_format=log_format,
                log_level=log_level,
            )
        )
        return
    settings = settings_of(config)
    ring = ring_of(keys, settings)
    known = dict.fromkeys(one.name for one in settings.all_rules)
    for name in rule or ():
        if name not in known:
            raise ConfigurationError(f"--rule: there is no rule {name!r}; there are {', '.join(known)}")
    scope = Scope(tuple(dict.fromkeys(namespace or ())), selector, tuple(rule or ()), _moment(since), applications)
    contexts = tuple(dict.fromkeys(context or ()))
    with ProgressDisplay() as progress:
        report = _finished(
            _audited(
                without_applications(settings) if applications else settings,
                scope,
                contexts,
                kubeconfig,
                as_user,
                ring=ring,
                resume=resume,
                at_once=concurrency,
                seconds=_seconds("--timeout", timeout),
                progress=progress,
            )
        )
    if resume is not None and resume.exists():
        typer.echo(f"git-token-webhook: To continue from here, run it again with --resume {resume}.", err=True)
    _conclude(report, settings, output, output_file, view, words, verbose=verbose)


async def _audited(
    settings: Settings,
    scope: Scope,
    contexts: tuple[str, ...],
    kubeconfig: Path | None,
    as_user: str | None,
    *,
    ring: KeyRing | None,
    resume: Path | None,
    at_once: int,
    seconds: float,
    progress: ProgressDisplay,
) -> Report:
    from webhook.audit.checkpoint import Record, digest
    from webhook.audit.questions import asking
    from webhook.audit.run import Audit
    from webhook.audit.scope import Cluster
    from webhook.cluster.secrets import StoredSecrets

    async with contextlib.AsyncExitStack() as stack:
        record = None
        if resume is not None:
            kids = (
                sorted(key.kid for key in ring.keys) if ring is not None else []
            )  # with other keys, other values can be opened and verified
            about = digest((settings.model_dump_json(), scope, contexts, kubeconfig, as_user, kids))
            record = stack.enter_context(Record(resume, about, datetime.now(UTC)))
        clusters: list[Cluster] = []
        for context in contexts or (None,):
            secrets = await stack.enter_async_context(await StoredSecrets.connect(kubeconfig, context, as_user=as_user))
            source = context or secrets.client.configuration.host
            clusters.append(Cluster(secrets, context if context and len(contexts) > 1 else "", source))
        problems: list[str] = []
        on_answer = record.answered if record is not None else lambda told: None
        questions = await stack.enter_async_context(
            asking(settings, at_once=at_once, on_answer=on_answer, on_problem=problems.append, evidence=True)
        )
        run = Audit(settings, scope, questions, ring=ring, record=record, progress=progress, seconds=seconds)
        report = await run.run(clusters)
        report = replace(report, problems=(*report.problems, *dict.fromkeys(problems)))
        if record is not None and report.complete:
            record.remove()
        return report


def _refuse_with_watch(given: Iterable[str]) -> None:
    if names := ", ".join(given):
        raise ConfigurationError(
            f"{names}: not valid with --watch, which audits all namespaces of one cluster continuously"
        )


def _lease(text: str) -> tuple[str, str]:
    try:
        return parse_place(text)
    except ConfigurationError:
        raise ConfigurationError("--lease: write NAMESPACE/NAME") from None


def _moment(text: str | None) -> datetime | None:
    """Parse a time in the past, or a duration before now.

    Raises:
        ConfigurationError: `text` is neither.
    """
    from webhook.settings.model import parse_duration

    if text is None:
        return None
    try:
        return datetime.now(UTC) - parse_duration(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            "--since: write a duration such as 7d, or a time such as 2026-11-23T12:00:00Z"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def settings_of(config: Path | None) -> Settings:
    from webhook.settings.source import load_settings

    return load_settings(config)


def without_applications(settings: Settings) -> Settings:
    """Return the settings without the lookup of Argo CD Applications in the cluster."""
    repositories = settings.repositories.model_copy(update={"applications": False})
    return settings.model_copy(update={"repositories": repositories})


def ring_of(keys: Path | None, settings: Settings) -> KeyRing | None:
    """Return the key ring of `keys`, or of the configuration if its folder exists here.

    Raises:
        ConfigurationError: the folder that the command line names cannot be used.
    """
    from webhook.keyring.files import load_keyring_by_file_times

    folder = keys if keys is not None else settings.encryption.keys_dir
    if folder is None or (keys is None and not folder.is_dir()):
        return None  # the folder is on the server, not on this machine
    return load_keyring_by_file_times(folder)


def _seconds(flag: str, text: str) -> float:
    return _duration(flag, text).total_seconds()


def _duration(flag: str, text: str) -> timedelta:
    from webhook.settings.model import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigurationError(f"{flag}: {error}") from None


def _finished(run: Coroutine[Any, Any, Report]) -> Report:
    """Run to the end or to the first signal, and return the report."""

    import asyncio

    async def until_told_to_stop() -> Report:
        task = asyncio.current_task()
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await run

    try:
        return asyncio.run(until_told_to_stop())
    except (KeyboardInterrupt, asyncio.CancelledError):  # before the report began, or a second signal
        typer.echo("git-token-webhook: Interrupted.", err=True)
        raise typer.Exit(3) from None


def _conclude(
    report: Report,
    settings: Settings,
    output: Format,
    file: Path | None,
    view: View,
    words: frozenset[str],
    *,
    verbose: bool,
) -> None:
    from webhook.audit.fail_on import fails
    from webhook.report.formats import write

    if file is None:
        write(report, output, sys.stdout, colors=_colors(sys.stdout), view=view, verbose=verbose)
    else:
        with _replaced(file) as stream:
            write(report, output, stream, colors=False, view=view, verbose=verbose)
        found = fails(report, words, settings.expiry.warn_within)
        typer.echo(f"{file}: {_counted(len(report.rows), 'entry', 'entries')}{', with findings' if found else ''}.")
    for problem in report.problems if output != "table" or file is not None else ():
        typer.echo(f"git-token-webhook: {problem}", err=True)
    if report.problems:
        raise typer.Exit(3)
    if fails(report, words, settings.expiry.warn_within):
        raise typer.Exit(1)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _colors(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@contextlib.contextmanager
def _replaced(file: Path) -> Iterator[TextIO]:
    """Open a file for writing, and replace the old one only when the new one is complete.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    if file.exists() and not file.is_file():  # /dev/stdout or a pipe cannot be replaced
        try:
            with file.open("w", encoding="utf-8") as stream:
                yield stream
        except OSError as error:
            raise ConfigurationError(f"{file}: cannot be written: {error.strerror}") from None
        return
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as stream:
            yield stream
        beside.replace(file)
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be written: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)
