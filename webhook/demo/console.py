"""`demo --console`: the console on simulated providers and an API server in memory."""

from __future__ import annotations

import base64
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

from webhook.audit.questions import asking
from webhook.cluster.secrets import StoredSecrets
from webhook.console.server import Console, Options, run, serving
from webhook.demo.admission import WebhookAdmission
from webhook.demo.certificates import certificates
from webhook.keyring.ring import ephemeral_keyring
from webhook.names import ARGOCD_SECRET_TYPE
from webhook.providers import PROVIDERS
from webhook.review.reviewer import Reviewer
from webhook.settings.model import Settings
from webhook.settings.source import parse_settings
from webhook.simulator import Simulator, World, example_world
from webhook.simulator.cluster import ApiServer, Document

_URLS = {
    "github.com": "https://github.com/acme",
    "gitlab.com": "https://gitlab.com/acme/apps.git",
    "gitea.acme.dev": "https://gitea.acme.dev/acme/apps.git",
}
# Namespace, name, host, and the token's name in the simulated world.
_RUNTIMES = (
    ("atlas", "runtime-repo-creds-secret", "github.com", "good-classic"),
    ("borealis", "runtime-repo-creds-secret", "github.com", "weak-classic"),
    ("cassini", "runtime-repo-creds-secret", "github.com", "expiring"),
    ("dione", "runtime-repo-creds-secret", "github.com", "revoked"),
    ("europa", "runtime-repo-creds-secret", "github.com", "good-fine-grained"),
    ("fornax", "runtime-repo-creds-secret", "github.com", "expired"),
)
_USERS = (("alice", "user-classic"), ("bob", "good-oauth"), ("carol", "no-scope-classic"))


async def run_console(say: Callable[[str], None], open_browser: Callable[[str], bool] | None, port: int = 0) -> None:
    """Run the console on a demo cluster until Ctrl-C."""
    async with demo_console(Options(port, cluster="demo cluster")) as console:
        say("Everything is simulated: the cluster, the Git providers and the tokens. Nothing leaves this machine.")
        await run(console, say, open_browser)


@contextlib.asynccontextmanager
async def demo_console(options: Options) -> AsyncIterator[Console]:
    """Serve the console on a demo cluster."""
    world = example_world(datetime.now(UTC))
    async with contextlib.AsyncExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="git-token-webhook-demo-")))
        simulator = await stack.enter_async_context(Simulator(world, ssl_context=certificates(place)))
        providers = [
            {"host": name, "kind": host.kind, "apiUrl": host.api_url, "caFile": str(place / "ca.crt")}
            for name, host in simulator.hosts.items()
            if host.kind in PROVIDERS
        ]
        settings = parse_settings(json.dumps({"providers": providers}))
        server = await stack.enter_async_context(demo_cluster(world, settings))
        file = place / "kubeconfig"
        file.write_text(json.dumps(server.kubeconfig()))
        secrets = await stack.enter_async_context(await StoredSecrets.connect(file))
        console = await stack.enter_async_context(serving(secrets, settings, None, options))
        while not console.overview.complete:
            await console.overview.changes(1.0)
        console.checks.start(console.overview.listed())
        yield console


@contextlib.asynccontextmanager
async def demo_cluster(world: World, settings: Settings) -> AsyncIterator[ApiServer]:
    """Run an API server in memory with runtimes, users and Applications, and the webhook as its admission.

    Some Secrets are written before the webhook is installed, so that the page shows problems.
    """
    ring = ephemeral_keyring()
    async with asking(settings) as questions:
        lenient = settings.model_copy(update={"mode": "warn"})
        warning, enforcing = (
            WebhookAdmission(Reviewer(one, questions, ring=lambda: ring)) for one in (lenient, settings)
        )
        async with ApiServer(admission=warning) as server:
            await _fill(server, world, warning)
            server.admission = enforcing
            yield server


async def _fill(server: ApiServer, world: World, admission: WebhookAdmission) -> None:
    for namespace in ("argocd", "platform", *(namespace for namespace, *_ in _RUNTIMES)):
        await server.put("namespaces", {"metadata": {"name": namespace}})
    user = server.users["admin"]
    for namespace, name, host, token in _RUNTIMES:
        data = {"type": "git", "url": _URLS[host], "username": "git", "password": world.token(token).value}
        labels = {ARGOCD_SECRET_TYPE: "repo-creds"}
        made = await admission("CREATE", _secret(namespace, name, data, labels), None, user)
        await server.put("secrets", made or {})
        for app in ("apps", "website") if namespace == "atlas" else ("apps",):
            await server.put("applications", _application(namespace, app), api="apis/argoproj.io/v1alpha1")
    data = {user_id: world.token(token).value for user_id, token in _USERS}
    made = await admission("CREATE", _secret("platform", "git-default-acme", data, {}), None, user)
    await server.put("secrets", made or {})
    unchecked = {"token": world.token("user-fine-grained").value, "url": "https://github.com/acme/apps"}
    await server.put("secrets", _secret("platform", "git-default-dave", unchecked, {}))


def _secret(namespace: str, name: str, data: dict[str, str], labels: dict[str, str]) -> Document:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"namespace": namespace, "name": name, "labels": dict(labels), "annotations": {}}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": encoded}


def _application(namespace: str, name: str) -> Document:
    source = {"repoURL": f"https://github.com/acme/{name}.git", "path": "."}
    return {"metadata": {"namespace": namespace, "name": name}, "spec": {"source": source, "project": "default"}}
