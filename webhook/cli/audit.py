"""The commands ``check`` and ``audit``, with their options, output and exit codes."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from webhook.cli.options import (
    ENVIRONMENT,
    As,
    Concurrency,
    Config,
    Contexts,
    Keys,
    Kubeconfig,
    parse_place,
    ring_of,
    settings_of,
    without_applications,
)
from webhook.cli.report_output import FailOn, Output, OutputFile, ReportOutput, Verbose, Views
from webhook.errors import ConfigurationError

if TYPE_CHECKING:
    from webhook.audit.progress import ProgressDisplay
    from webhook.audit.scope import Scope
    from webhook.keyring.ring import KeyRing
    from webhook.report.model import Report
    from webhook.settings.model import Settings


def _of_watch(name: str, text: str) -> Any:
    """Return an option of `audit --watch`, which an environment variable can set as well."""
    return typer.Option(help=text, envvar=f"{ENVIRONMENT}_{name}", rich_help_panel="With --watch")


def check(
    paths: Annotated[
        list[str], typer.Argument(metavar="FILE|DIR|-", help="Manifest files or folders; - reads standard input.")
    ],
    config: Config = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace of Secrets that name none.")] = "",
    keys: Keys = None,
    output: Output = "table",
    output_file: OutputFile = None,
    view: Views = "findings",
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

    printed = ReportOutput(output, output_file, view, verbose, parse(fail_on or DEFAULT))
    settings = settings_of(config)
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
    printed.conclude(report, settings)


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
    view: Views = "findings",
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

    if bool(namespace) == everywhere:
        raise ConfigurationError("name the Secrets to audit: -n NAMESPACE or -A")
    printed = ReportOutput(output, output_file, view, verbose, parse(fail_on or DEFAULT))
    access = ClusterAccess(kubeconfig, tuple(dict.fromkeys(context or ())), as_user)
    rules = tuple(dict.fromkeys(rule or ()))
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
            "--context": len(access.contexts) > 1,
        }
        _refuse_with_watch(name for name, given in single.items() if given)
        process = WatchOptions(interval, look_again, lease, lease_duration, health_listen, log_format, log_level)
        _watch(process, access, config, keys, rules, selector, concurrency)
    else:
        from webhook.audit.scope import Scope

        scope = Scope(tuple(dict.fromkeys(namespace or ())), selector, rules, _moment(since), applications)
        once = Once(resume, concurrency, _seconds("--timeout", timeout))
        _audit_once(scope, once, access, config, keys, printed)


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """The clusters of an audit, and the user who reads them."""

    kubeconfig: Path | None
    contexts: tuple[str, ...]
    as_user: str | None


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """The options of `audit --watch` as on the command line."""

    interval: str
    look_again: str
    lease: str
    lease_duration: str
    health_listen: str
    log_format: Literal["json", "text"]
    log_level: str


@dataclass(frozen=True, slots=True)
class Once:
    """The options of an audit that ends.

    Attributes:
        resume: the checkpoint file.
        at_once: concurrent checks per host.
        seconds: the time limit.
    """

    resume: Path | None
    at_once: int
    seconds: float


def _watch(
    options: WatchOptions,
    access: ClusterAccess,
    config: Path | None,
    keys: Path | None,
    rules: tuple[str, ...],
    selector: str,
    at_once: int,
) -> None:
    from webhook.address import Address
    from webhook.audit.watch.inputs import Pace
    from webhook.audit.watch.process import Options, run

    pace = Pace(_duration("--interval", options.interval), _duration("--look-again", options.look_again))
    if min(pace.interval, pace.look_again) < timedelta(seconds=1):
        raise ConfigurationError("--interval and --look-again must be at least one second")
    run(
        Options(
            config=config,
            keys=keys,
            rules=rules,
            selector=selector,
            pace=pace,
            at_once=at_once,
            lease=_lease(options.lease),
            lease_duration=_seconds("--lease-duration", options.lease_duration),
            health_listen=Address.parse(options.health_listen),
            kubeconfig=access.kubeconfig,
            context=next(iter(access.contexts), None),
            as_user=access.as_user,
            log_format=options.log_format,
            log_level=options.log_level,
        )
    )


def _audit_once(
    scope: Scope,
    once: Once,
    access: ClusterAccess,
    config: Path | None,
    keys: Path | None,
    printed: ReportOutput,
) -> None:
    from webhook.audit.progress import ProgressDisplay

    settings = settings_of(config)
    ring = ring_of(keys, settings)
    known = dict.fromkeys(one.name for one in settings.all_rules)
    for name in scope.rules:
        if name not in known:
            raise ConfigurationError(f"--rule: there is no rule {name!r}; there are {', '.join(known)}")
    audited = without_applications(settings) if scope.applications else settings
    with ProgressDisplay() as progress:
        report = _finished(_audited(audited, scope, once, access, ring=ring, progress=progress))
    if once.resume is not None and once.resume.exists():
        typer.echo(f"git-token-webhook: To continue from here, run it again with --resume {once.resume}.", err=True)
    printed.conclude(report, settings)


async def _audited(
    settings: Settings,
    scope: Scope,
    once: Once,
    access: ClusterAccess,
    *,
    ring: KeyRing | None,
    progress: ProgressDisplay,
) -> Report:
    from webhook.audit.checkpoint import Record, digest
    from webhook.audit.questions import asking
    from webhook.audit.run import Audit
    from webhook.audit.scope import Cluster
    from webhook.cluster.secrets import StoredSecrets

    async with contextlib.AsyncExitStack() as stack:
        record = None
        if once.resume is not None:
            # With other keys, other values can be opened and verified.
            kids = sorted(key.kid for key in ring.keys) if ring is not None else []
            about = digest(
                (settings.model_dump_json(), scope, access.contexts, access.kubeconfig, access.as_user, kids)
            )
            record = stack.enter_context(Record(once.resume, about, datetime.now(UTC)))
        clusters: list[Cluster] = []
        for context in access.contexts or (None,):
            connection = await StoredSecrets.connect(access.kubeconfig, context, as_user=access.as_user)
            secrets = await stack.enter_async_context(connection)
            source = context or secrets.client.configuration.host
            clusters.append(Cluster(secrets, context if context and len(access.contexts) > 1 else "", source))
        problems: list[str] = []
        on_answer = record.answered if record is not None else lambda told: None
        questions = await stack.enter_async_context(
            asking(settings, at_once=once.at_once, on_answer=on_answer, on_problem=problems.append, evidence=True)
        )
        run = Audit(settings, scope, questions, ring=ring, record=record, progress=progress, seconds=once.seconds)
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
    from webhook.settings.values import parse_duration

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


def _seconds(flag: str, text: str) -> float:
    return _duration(flag, text).total_seconds()


def _duration(flag: str, text: str) -> timedelta:
    from webhook.settings.values import parse_duration

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
