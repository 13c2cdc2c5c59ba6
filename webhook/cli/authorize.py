"""The device flow of ``token authorize`` in a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from webhook.cli.options import end

if TYPE_CHECKING:
    from pydantic import SecretStr


async def authorized_token(
    namespace: str,
    name: str,
    user: str | None,
    url: str | None,
    config: Path | None,
    keys: Path | None,
    kubeconfig: Path | None,
    context: str | None,
    as_user: str | None,
) -> SecretStr:
    """Return the token that the user authorizes in the browser. Exit if there is none.

    Raises:
        NotPossible: the host offers no token for a Secret.
        ApiError: the Secret cannot be read.
    """
    from webhook.cli.options import ring_of, settings_of
    from webhook.cluster.objects import ApiObjects
    from webhook.cluster.secrets import StoredSecrets
    from webhook.keyring.opener import Opener
    from webhook.subject import SecretObject
    from webhook.tokens.authorize import authorizer_for, device_flow
    from webhook.tokens.device_flow import DeviceFlowError

    settings = settings_of(config)
    ring = ring_of(keys, settings)
    opener = Opener(ring, settings.hosts(), settings.defaults.user_host) if ring is not None else None
    async with await StoredSecrets.connect(kubeconfig, context, as_user=as_user) as secrets:
        stored = await secrets.read(namespace, name)
        verb = "create" if stored is None else "patch"
        if not await ApiObjects(secrets.client).may(verb, "secrets", namespace, name=name if stored else ""):
            end(f"{namespace}/{name}: this account lacks the verb {verb} on secrets in namespace {namespace}.", code=3)
    secret = stored.secret if stored is not None else SecretObject(namespace, name)
    authorizer = authorizer_for(settings, secret, user, opener, url)
    try:
        async with device_flow(authorizer) as flow:
            authorization = await flow.start(authorizer.scopes)
            minutes = round(authorization.expires_in / 60)
            typer.echo(f"Open {authorization.page} and enter the code {authorization.user_code}.")
            scopes = ", ".join(authorizer.scopes)
            typer.echo(f"The token will have: {scopes}. The code is valid for {minutes} minutes.", err=True)
            return await flow.wait(authorization)
    except DeviceFlowError as error:
        end(str(error), code=1)
