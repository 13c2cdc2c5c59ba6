"""The commands ``token``, which list, replace and delete tokens with the user's own permissions in the cluster.

Exit code 1: the token is not sufficient. Exit code 2: the change is not possible. Exit code 3: a request to the API
server failed.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webhook.cli.audit import audit
from webhook.cli.help import Typer
from webhook.cli.options import As, Config, Context, Kubeconfig, end, parse_place
from webhook.cli.report_output import Format
from webhook.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from webhook.cluster.requests import ApiError
    from webhook.tokens.changes import NewToken
    from webhook.tokens.writer import TokenWriter

app = Typer(help="List, replace and delete the tokens of runtimes and users.", no_args_is_help=True)

Secret = Annotated[str, typer.Argument(metavar="NAMESPACE/NAME", help="Secret.")]
User = Annotated[str | None, typer.Option(help="Id of the user, in a Secret that holds a token for each user.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check the token and the permissions, and store nothing.")]


def _offered_kinds(incomplete: str) -> list[str]:
    from webhook.providers import PROVIDERS

    return [kind for kind in PROVIDERS if kind.startswith(incomplete)]


_PATIENCE = 30.0
"""Seconds for the check. No API server waits for it."""
_LONGEST = 1 << 20
"""Characters of standard input. No Secret is larger."""


@app.command("list", epilog="Example: git-token-webhook token list --all-namespaces")
def list_tokens(
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", help="Namespace to list; repeatable.")
    ] = None,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="List all namespaces.")] = False,
    output: Annotated[Format, typer.Option("--output", "-o", help="Output format.")] = "table",
    keys: Annotated[Path | None, typer.Option(help="Key ring that opens sealed tokens.")] = None,
    config: Config = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """List the tokens of runtimes and users, with the result of a check and their expiry."""
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
    context_settings={"allow_extra_args": True},  # the error must not repeat them
)
def set_token(
    ctx: typer.Context,
    secret: Secret,
    user: User = None,
    url: Annotated[str | None, typer.Option(help="URL of the host, for a new entry.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="Kind of the host: github, gitlab, …", autocompletion=_offered_kinds)
    ] = None,
    username: Annotated[str | None, typer.Option(help="User name of the token, for a new entry.")] = None,
    without_check: Annotated[
        bool, typer.Option("--without-check", help="Do not check the token here. The webhook still checks it.")
    ] = False,
    dry_run: DryRun = False,
    keys: Annotated[Path | None, typer.Option(help="Key ring, to keep the other fields of a sealed value.")] = None,
    config: Config = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """Check the token on standard input, and store it if it is sufficient."""
    import asyncio

    from webhook.tokens.changes import NewToken

    if ctx.args:
        raise ConfigurationError(
            "pass the token on standard input. The argument after NAMESPACE/NAME is not repeated here, because it may "
            "be a token. If it is one, revoke it: process lists and the shell's history expose it"
        )
    namespace, name = parse_place(secret)
    _known_kind(provider)
    new = NewToken(token_from_stdin(), url, username, provider)
    set_one = _set(namespace, name, user, new, config, keys, kubeconfig, context, as_user, without_check, dry_run)
    asyncio.run(set_one)


@app.command(epilog="Example: git-token-webhook token authorize platform/git-default-acme --user alice")
def authorize(
    secret: Secret,
    user: User = None,
    url: Annotated[str | None, typer.Option(help="URL of the host, for a new entry.")] = None,
    dry_run: DryRun = False,
    keys: Annotated[Path | None, typer.Option(help="Key ring, to keep the other fields of a sealed value.")] = None,
    config: Config = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """Authorize a token in the browser instead of pasting one, check it, and store it (GitHub's device flow)."""
    import asyncio

    from webhook.cli.authorize import authorized_token
    from webhook.tokens.changes import NewToken

    namespace, name = parse_place(secret)

    async def run() -> None:
        with _explained(f"{namespace}/{name}"):
            token = await authorized_token(namespace, name, user, url, config, keys, kubeconfig, context, as_user)
        new = NewToken(token, url)
        await _set(namespace, name, user, new, config, keys, kubeconfig, context, as_user, False, dry_run)

    asyncio.run(run())


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
    """Delete a token: a user's from its Secret, a runtime's with its Secret."""
    import asyncio

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
    from webhook.tokens.summary import accepted

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
    typer.echo(" ".join(filter(None, (f"{whose} in {where} {done}.", accepted(verdict)))))


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
    typer.echo("The token is valid until it is revoked at its provider.", err=True)


def _known_kind(provider: str | None) -> None:
    """Check that the kind of host exists.

    Raises:
        ConfigurationError: it does not.
    """
    from webhook.providers import PROVIDERS

    if provider is not None and provider not in PROVIDERS:
        raise ConfigurationError(f"--provider: unknown kind of host; valid kinds are {', '.join(PROVIDERS)}")


@asynccontextmanager
async def _writer(
    config: Path | None, keys: Path | None, kubeconfig: Path | None, context: str | None, as_user: str | None
) -> AsyncIterator[TokenWriter]:
    from webhook.audit.questions import asking
    from webhook.cluster.secrets import StoredSecrets
    from webhook.keyring.files import load_keyring_by_file_times
    from webhook.review.reviewer import Reviewer
    from webhook.settings.source import load_settings
    from webhook.tokens.writer import TokenWriter

    settings = load_settings(config)
    # The webhook seals the token; here it is in plain text.
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
    """Exit with a message and the exit code for each kind of error."""
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
    """Return what the API server's response means here, as a sentence."""
    namespace = where.partition("/")[0]
    if error.status == 403:
        return f"{error}: this account lacks the verb get on secrets in namespace {namespace}."
    if error.status == 404:
        return f"{error}: there is no namespace {namespace}, or the Secret was deleted."
    return f"{error}."


def token_from_stdin() -> SecretStr:
    """Return the token on standard input, without the line break at its end.

    Raises:
        ConfigurationError: it is empty, has several lines, or is not text.
    """
    if sys.stdin.isatty():
        text: str = typer.prompt("Token", hide_input=True, err=True)
    else:
        try:
            text = sys.stdin.read(_LONGEST)
            text.encode()  # some locales decode invalid bytes as lone surrogates
        except UnicodeError:
            raise ConfigurationError("standard input is not text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise ConfigurationError("standard input is empty; pass the token there, so that no shell history keeps it")
    if "\n" in text or "\r" in text:
        raise ConfigurationError("standard input has more than one line; pass only the token")
    from pydantic import SecretStr

    return SecretStr(text)
