"""The command ``console``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webhook.cli.options import As, Config, Context, Kubeconfig
from webhook.errors import ConfigurationError

if TYPE_CHECKING:
    from webhook.console.server import Options


def console(
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="Namespace to show; repeatable. Defaults to all that you may list."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on the loopback addresses; 0 for a free one.")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the browser, or only print the one-time link.")
    ] = True,
    idle: Annotated[str, typer.Option(help="Time without use after which the console ends.")] = "30m",
    keys: Annotated[Path | None, typer.Option(help="Key ring that opens sealed tokens.")] = None,
    config: Config = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """Show and change tokens on a page in your browser, with your own permissions in the cluster."""
    import asyncio

    from webhook.console.server import Options
    from webhook.settings.values import parse_duration

    try:
        seconds = parse_duration(idle).total_seconds()
    except ValueError as error:
        raise ConfigurationError(f"--idle: {error}") from None
    options = Options(port, seconds, tuple(dict.fromkeys(namespace or ())))
    asyncio.run(_run(options, config, keys, kubeconfig, context, as_user, browser=browser))


async def _run(
    options: Options,
    config: Path | None,
    keys: Path | None,
    kubeconfig: Path | None,
    context: str | None,
    as_user: str | None,
    *,
    browser: bool,
) -> None:
    import webbrowser
    from dataclasses import replace

    from webhook.cli.options import ring_of, settings_of, without_applications
    from webhook.cluster.secrets import StoredSecrets
    from webhook.console.server import run, serving

    settings = without_applications(settings_of(config))
    ring = ring_of(keys, settings)
    async with await StoredSecrets.connect(kubeconfig, context, as_user=as_user) as secrets:
        options = replace(options, cluster=context or secrets.client.configuration.host)
        async with serving(secrets, settings, ring, options) as running:
            await run(running, typer.echo, webbrowser.open if browser else None)
