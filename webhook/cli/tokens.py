"""``git-token-webhook token``: list, replace and delete tokens as the platform's pages do, by a person's own rights.

Exit codes as everywhere: 1 where the token isn't good enough, 2 where there is no such change, 3 where the API server
doesn't do its part.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr

from webhook.cli.audit import Format, audit
from webhook.cli.options import As, Config, Context, Kubeconfig, end, parse_place
from webhook.errors import ConfigurationError
from webhook.text import day, join

if TYPE_CHECKING:
    from webhook.cluster.objects import ApiError
    from webhook.review.policy import Verdict
    from webhook.tokens.changes import NewToken
    from webhook.tokens.writer import TokenWriter

app = typer.Typer(help="List, replace and delete the tokens of runtimes and users.", no_args_is_help=True)

Secret = Annotated[str, typer.Argument(metavar="NAMESPACE/NAME", help="The Secret.")]
User = Annotated[str | None, typer.Option(help="Whose token, in a Secret that holds one for each user: the user's id.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check, ask the API server too, and store nothing.")]


def _offered_kinds(incomplete: str) -> list[str]:
    from webhook.providers import PROVIDERS

    return [kind for kind in PROVIDERS if kind.startswith(incomplete)]


_PATIENCE = 30.0
"""Seconds for the check: a person waits, and no API server does."""
_LONGEST = 1 << 20
"""Characters of standard input: no Secret is larger."""


@app.command("list", epilog="Example: git-token-webhook token list --all-namespaces")
def list_tokens(
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", help="The Secrets of a namespace; repeatable.")
    ] = None,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="All Secrets of the cluster.")] = False,
    output: Annotated[Format, typer.Option("--output", "-o", help="The form of the list.")] = "table",
    keys: Annotated[Path | None, typer.Option(help="The key ring, which opens sealed tokens.")] = None,
    config: Config = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """Say which runtime and which user holds a token, what their providers say of it, and when it ends."""
    audit(
        namespace=namespace,
        everywhere=everywhere,
        output=output,
        keys=keys,
        config=config,
        kubeconfig=kubeconfig,
        context=[context] if context is not None else None,
        as_user=as_user,
        view="tokens",
        fail_on=["none"],
    )


@app.command(
    "set",
    epilog="Example: pass show git | git-token-webhook token set platform/git-default-acme --user alice",
    context_settings={"allow_extra_args": True},  # to say what is wrong with one without repeating it
)
def set_token(
    ctx: typer.Context,
    secret: Secret,
    user: User = None,
    url: Annotated[str | None, typer.Option(help="Where the token goes, where that is new.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="The kind of its host: github, gitlab, …", autocompletion=_offered_kinds)
    ] = None,
    username: Annotated[str | None, typer.Option(help="The user name that goes with it, where that is new.")] = None,
    without_check: Annotated[
        bool, typer.Option("--without-check", help="Don't ask the provider from here; the webhook asks all the same.")
    ] = False,
    dry_run: DryRun = False,
    keys: Annotated[
        Path | None, typer.Option(help="The key ring, to keep what a sealed value says besides its token.")
    ] = None,
    config: Config = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """Store the token that standard input brings, once its provider says that it can do its job."""
    from webhook.tokens.changes import NewToken

    if ctx.args:
        raise ConfigurationError(
            "the token comes on standard input. What stands behind NAMESPACE/NAME isn't repeated here, since it may be "
            "one: process lists and the shell's history keep it; if so, revoke it, and send its successor"
        )
    namespace, name = parse_place(secret)
    _known_kind(provider)
    new = NewToken(token_from_stdin(), url, username, provider)
    set_one = _set(namespace, name, user, new, config, keys, kubeconfig, context, as_user, without_check, dry_run)
    asyncio.run(set_one)


@app.command("delete", epilog="Example: git-token-webhook token delete platform/git-default-acme --user alice")
def delete_token(
    secret: Secret,
    user: User = None,
    dry_run: DryRun = False,
    config: Config = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """Take one token away: a user's from its Secret, a runtime's with its Secret."""
    asyncio.run(_delete(*parse_place(secret), user, config, kubeconfig, context, as_user, dry_run=dry_run))


async def _set(
    namespace: str,
    name: str,
    user: str | None,
    new: NewToken,
    config: Path | None,
    keys: Path | None,
    kubeconfig: Path | None,
    context: str | None,
    as_user: str | None,
    without_check: bool,
    dry_run: bool,
) -> None:
    from webhook.decision import Deny

    where = f"{namespace}/{name}"
    with _explained(where):
        async with _writer(config, keys, kubeconfig, context, as_user) as writer:
            planned = await writer.plan(namespace, name, user, new)
            verdict = None
            if not without_check:
                checked = await writer.check(planned, _PATIENCE)
                verdict = checked.verdict
                for warning in checked.decision.warnings:
                    typer.echo(f"Warning: {warning}", err=True)
                if isinstance(checked.decision, Deny):
                    end(f"{checked.decision.message}\nNothing was changed.", code=1)
            await writer.write(planned, user, new, dry_run=dry_run)
    whose = f"{user}'s token" if user is not None else "The token"
    done = "would be " if dry_run else "is "
    done += "replaced" if planned.before is not None and planned.key in planned.before.secret.data else "stored"
    typer.echo(f"{whose} in {where} {done}.{_told(verdict)}")


async def _delete(
    namespace: str,
    name: str,
    user: str | None,
    config: Path | None,
    kubeconfig: Path | None,
    context: str | None,
    as_user: str | None,
    *,
    dry_run: bool,
) -> None:
    where = f"{namespace}/{name}"
    with _explained(where):
        async with _writer(config, None, kubeconfig, context, as_user) as writer:
            change = await writer.delete(namespace, name, user, dry_run=dry_run)
    done = "would be" if dry_run else "is"
    if change.whole:
        typer.echo(f"{where} {done} deleted, and its token with it.")
    else:
        whose = f"{user}'s token" if user is not None else "The token"
        typer.echo(f"{whose} {done} deleted from {where}.")
    typer.echo("It works until it is revoked where it was made.", err=True)


def _known_kind(provider: str | None) -> None:
    """
    Raises:
        ConfigurationError: there is no such kind of host.
    """
    from webhook.providers import PROVIDERS

    if provider is not None and provider not in PROVIDERS:
        raise ConfigurationError(f"--provider: that is no kind of host; there are {', '.join(PROVIDERS)}")


@asynccontextmanager
async def _writer(
    config: Path | None, keys: Path | None, kubeconfig: Path | None, context: str | None, as_user: str | None
) -> AsyncIterator[TokenWriter]:
    from webhook.audit.questions import asking
    from webhook.cluster.secrets import StoredSecrets
    from webhook.keyring.files import load_keyring_by_file_times
    from webhook.review.reviewer import Reviewer
    from webhook.settings.model import load_settings
    from webhook.tokens.writer import TokenWriter

    settings = load_settings(config)
    # Sealing is the webhook's: what is judged here is still in plain text.
    plain = settings.encryption.model_copy(update={"mode": "annotate"})
    settings = settings.model_copy(update={"encryption": plain})
    opened = load_keyring_by_file_times(keys) if keys is not None else None
    ring = (lambda: opened) if opened is not None else None
    async with (
        await StoredSecrets.connect(kubeconfig, context, as_user=as_user) as secrets,
        asking(settings, on_problem=lambda sentence: typer.echo(sentence, err=True)) as questions,
    ):
        yield TokenWriter(secrets, Reviewer(settings, questions, ring=ring))


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Ends the command with what stands in its way, and the exit code that says whose matter it is."""
    from webhook.cluster.secrets import ApiError
    from webhook.credentials.entries import Undecodable
    from webhook.tokens.changes import NotPossible
    from webhook.tokens.writer import ChangedMeanwhile, Refused

    try:
        yield
    except NotPossible as error:
        raise ConfigurationError(str(error)) from None
    except Undecodable as error:
        end(f"{where}: {error}.", code=1)
    except Refused as error:
        end(f"{error}\nNothing was changed.", code=1)
    except ChangedMeanwhile as error:
        end(str(error), code=3)
    except ApiError as error:
        end(f"{where}: {_hindrance(error, where)}\nNothing was changed.", code=3)


def _hindrance(error: ApiError, where: str) -> str:
    """What the API server's answer means here, a whole sentence."""
    namespace = where.partition("/")[0]
    if error.status == 403:
        return f"{error}: this account lacks the verb get on secrets in namespace {namespace}."
    if error.status == 404:
        return f"{error}: there is no namespace {namespace}, or no such Secret any more."
    return f"{error}."


def token_from_stdin() -> SecretStr:
    """The token, without the line's end that programs put after it.

    Raises:
        ConfigurationError: there is none, or more than one line.
    """
    if sys.stdin.isatty():
        text: str = typer.prompt("Token", hide_input=True, err=True)
    else:
        try:
            text = sys.stdin.read(_LONGEST)
            text.encode()  # some locales let through what is no text, as lone surrogates
        except UnicodeError:
            raise ConfigurationError("standard input is no text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise ConfigurationError("standard input brings no token; it belongs there, where no history has it")
    if "\n" in text or "\r" in text:
        raise ConfigurationError("standard input brings more than one line; send the token alone")
    return SecretStr(text)


def _told(verdict: Verdict | None) -> str:
    """What the provider said of a good token, as a sentence after another one."""
    if verdict is None or verdict.cause is not None or not verdict.judged.host_name:
        return ""
    facts = verdict.judged.facts
    owner = f" of {facts.account}" if facts.account else ""
    holds = f" with {join(facts.holds)}" if facts.holds else ""
    until = f", until {day(facts.expires_at)}" if facts.expires_at is not None else ""
    return f" {verdict.judged.host_name} knows it as a {facts.described}{owner}{holds}{until}."
