"""The key ring of a command, from a folder or from the Secret that servers mount."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from webhook.cli.options import end, parse_place
from webhook.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta

    from webhook.keyring.ring import KeyRing
    from webhook.keyring.secret import RingSecret

_T = TypeVar("_T")

RingInSecret = Annotated[
    str | None, typer.Option("--secret", metavar="NAMESPACE/NAME", help="Secret of the key ring, instead of a folder.")
]


def chosen_ring(
    folder: Path | None,
    secret: str | None,
    activation: timedelta | None = None,
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    as_user: str | None = None,
) -> KeyRing:
    """Return the key ring of a folder or of a Secret.

    Args:
        activation: `webhook.keyring.ring.ACTIVATION` by default.

    Raises:
        ConfigurationError: none or both are named, or the key ring cannot be used.
        typer.Exit: the Secret cannot be read.
    """
    from webhook.keyring.files import load_keyring_by_file_times
    from webhook.keyring.ring import ACTIVATION

    activation = ACTIVATION if activation is None else activation
    if (folder is None) is (secret is None):
        raise ConfigurationError("name the key ring: its folder or --secret NAMESPACE/NAME")
    if folder is not None:
        return load_keyring_by_file_times(folder, activation=activation)

    async def read(held: RingSecret) -> KeyRing:
        return (await held.read(activation)).ring

    return with_ring_secret(read, str(secret), kubeconfig, context, as_user)


def with_ring_secret(
    work: Callable[[RingSecret], Awaitable[_T]],
    secret: str,
    kubeconfig: Path | None,
    context: str | None,
    as_user: str | None,
) -> _T:
    """Return what `work` returns for the Secret of a key ring.

    Raises:
        typer.Exit: a request to the API server failed.
    """
    import asyncio

    from webhook.cluster.connect import connect
    from webhook.cluster.objects import ApiObjects
    from webhook.cluster.requests import ApiError
    from webhook.keyring.secret import RingSecret

    namespace, name = parse_place(secret)

    async def run() -> _T:
        async with await connect(kubeconfig, context, as_user=as_user) as client:
            return await work(RingSecret(ApiObjects(client), namespace, name))

    try:
        return asyncio.run(run())
    except ApiError as error:
        end(f"the Secret {secret} is unchanged: {error}.", code=3)
