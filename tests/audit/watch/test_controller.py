"""The continuous audit, against an API server in memory and simulated providers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api_server.webhook_process import Simulation
from tests.support.factories import make_token
from webhook import logs
from webhook.address import Address
from webhook.audit.watch.inputs import Pace
from webhook.audit.watch.process import Auditor, Options
from webhook.audit.watch.report_objects import KINDS, OPEN_REPORTS
from webhook.cluster.objects import Resource
from webhook.cluster.secrets import StoredSecrets
from webhook.simulator.cluster import ADMIN, ApiServer, Document, Grant, User
from webhook.simulator.cluster.store import Collection
from webhook.simulator.faults import Outage

ARGOCD = {"argocd.argoproj.io/secret-type": "repo-creds"}
AUDITOR = User(
    "auditor",
    (
        Grant(("get", "list", "watch"), ("secrets", "namespaces")),
        Grant(("*",), ("reports", "policyreports", "leases")),
        Grant(("create",), ("events",)),
    ),
)


class Harness:
    """A cluster, and replicas of the audit in the event loop of the test."""

    def __init__(self, server: ApiServer, github: Simulation, folder: Path) -> None:
        self.server = server
        self.github = github
        self._folder = folder
        self._tasks = contextlib.AsyncExitStack()
        self.output = io.BytesIO()
        self.auditor: Auditor | None = None

    async def secret(self, name: str, token: str, *, namespace: str = "team", **metadata: Any) -> Document:
        """Create or replace a Secret with a runtime's token."""
        texts = {"url": "https://github.com", "username": "git", "password": token}
        data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        whole = {"name": name, "namespace": namespace, "labels": ARGOCD, **metadata}
        return await self.server.put("secrets", {"kind": "Secret", "metadata": whole, "data": data})

    @contextlib.asynccontextmanager
    async def watching(self, user: str = "auditor") -> AsyncIterator[Auditor]:
        """Run a replica."""
        config, kubeconfig = self._folder / "config.yaml", self._folder / f"{user}.kubeconfig"
        config.write_text(json.dumps({"providers": self.github.settings()}))
        kubeconfig.write_text(json.dumps(self.server.kubeconfig(user)))
        options = Options(
            config=config,
            keys=None,
            rules=(),
            selector="",
            pace=Pace(timedelta(hours=1), timedelta(seconds=1)),
            at_once=4,
            lease=("team", "audit"),
            lease_duration=3.0,
            health_listen=Address.parse("127.0.0.1:0"),
            kubeconfig=kubeconfig,
            context=None,
            as_user=None,
            log_format="json",
            log_level="debug",
        )
        auditor = self.auditor = Auditor(options, logs.build_logger(self.output, format="json", level="debug"))
        async with await StoredSecrets.connect(kubeconfig) as client:
            task = asyncio.create_task(auditor.run(client))
            try:
                yield auditor
            finally:
                task.cancel()
                await asyncio.wait({task})
                await auditor.aclose()

    def reports(self, kind: Resource = OPEN_REPORTS) -> dict[str, str]:
        """Return the states in the reports, by the name of the Secret."""
        found = self.server.store.items(Collection(kind.api, kind.plural))
        return {one["scope"]["name"]: one["results"][0]["properties"]["state"] for one in found}

    def events(self) -> list[tuple[str, str]]:
        """Return the Secret and the reason of each Event, the oldest first."""
        found = self.server.store.items(Collection("api/v1", "events"))
        found.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [(event["involvedObject"]["name"], event["reason"]) for event in found]

    def everything(self) -> str:
        """Return all objects except Secrets, the log, and the metrics."""
        collections = [Collection(kind.api, kind.plural) for kind in KINDS] + [Collection("api/v1", "events")]
        objects = [self.server.store.items(collection) for collection in collections]
        metrics = self.auditor.metrics.exposition() if self.auditor is not None else ""
        return json.dumps(objects) + self.output.getvalue().decode() + str(metrics)


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is about what another client has written
            await asyncio.sleep(0.02)


@pytest.fixture
async def harness(github: Simulation, tmp_path: Path) -> AsyncIterator[Harness]:
    """A cluster that serves OpenReports, with the namespace `team`."""
    async with ApiServer(users=(ADMIN, AUDITOR)) as server:
        server.store.serve(OPEN_REPORTS.api, OPEN_REPORTS.plural)
        await server.put("namespaces", {"metadata": {"name": "team"}})
        yield Harness(server, github, tmp_path)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
async def test_each_secret_has_a_report(github: Simulation, tmp_path: Path, kind: Resource) -> None:
    """Of the kind that the cluster serves; an insufficient token also has an Event."""
    async with ApiServer(users=(ADMIN, AUDITOR)) as server:
        server.store.serve(kind.api, kind.plural)
        harness = Harness(server, github, tmp_path)
        await harness.secret("good", github.good_token())
        await harness.secret("weak", github.weak_token())
        async with harness.watching():
            await until(lambda: harness.reports(kind) == {"good": "sufficient", "weak": "insufficient"})
            assert [name for name, _ in harness.events()] == ["weak"]


async def test_a_changed_secret_is_checked(harness: Harness) -> None:
    """The report follows, and one Event is written for each change."""
    await harness.secret("creds", harness.github.weak_token())
    async with harness.watching():
        await until(lambda: harness.reports() == {"creds": "insufficient"})
        await harness.secret("creds", harness.github.good_token())
        await until(lambda: harness.reports() == {"creds": "sufficient"})
        await until(lambda: len(harness.events()) == 2)


async def test_a_new_secret_is_checked_and_a_deleted_one_forgotten(harness: Harness) -> None:
    """The owner reference deletes the report; here it is only no longer kept up to date."""
    async with harness.watching():
        await until(lambda: harness.server.watches != [])
        stored = await harness.secret("creds", harness.github.good_token())
        await until(lambda: "creds" in harness.reports())
        (report,) = harness.server.store.items(Collection(OPEN_REPORTS.api, OPEN_REPORTS.plural))
        assert report["metadata"]["ownerReferences"][0]["uid"] == stored["metadata"]["uid"]


async def test_the_next_leader_repeats_nothing(harness: Harness) -> None:
    """It continues from the reports: no request to the provider, and no Event."""
    token = harness.github.weak_token()
    await harness.secret("creds", token)
    async with harness.watching():
        await until(lambda: harness.reports() == {"creds": "insufficient"})
        await until(lambda: len(harness.events()) == 1)
    sent = harness.github.requests(token)
    async with harness.watching():
        await until(lambda: b'"watching"' in harness.output.getvalue().split(b"no longer leading")[-1])
        await asyncio.sleep(0.2)
    assert (harness.github.requests(token), len(harness.events())) == (sent, 1)


async def test_an_unavailable_provider_causes_no_event(harness: Harness) -> None:
    """The state is unverified, which says nothing about the token."""
    token = harness.github.good_token()
    harness.github.fail(token, Outage())
    await harness.secret("creds", token)
    async with harness.watching():
        await until(lambda: harness.reports() == {"creds": "unverified"})
        assert harness.events() == []


async def test_a_watch_resumes_from_the_last_version(harness: Harness) -> None:
    """After a connection ends, the watch continues from the version of the last event, and does not repeat events."""
    async with harness.watching():
        await until(lambda: any(path == "/api/v1/secrets" for path, _ in harness.server.watches))
        stored = await harness.secret("creds", harness.github.good_token())
        await until(lambda: "creds" in harness.reports())
        port = int(harness.server.url.rpartition(":")[2])
        harness.server.watches.clear()
        await harness.server.stop()
        await harness.server.start(port)
        await until(lambda: any(path == "/api/v1/secrets" for path, _ in harness.server.watches))
    (version, *_) = [version for path, version in harness.server.watches if path == "/api/v1/secrets"]
    assert version >= int(stored["metadata"]["resourceVersion"])


async def test_a_bookmark_advances_the_version(harness: Harness) -> None:
    """A cluster whose Secrets do not change must not cause a 410."""
    harness.server.bookmark_every = 0.05
    async with harness.watching():
        await until(lambda: any(path == "/api/v1/secrets" for path, _ in harness.server.watches))
        await harness.server.put("configmaps", {"metadata": {"name": "other", "namespace": "team"}})
        version = harness.server.store.version
        await asyncio.sleep(0.3)
        port = int(harness.server.url.rpartition(":")[2])
        harness.server.watches.clear()
        await harness.server.stop()
        await harness.server.start(port)
        await until(lambda: any(path == "/api/v1/secrets" for path, _ in harness.server.watches))
    assert all(found >= version for path, found in harness.server.watches if path == "/api/v1/secrets")


async def test_after_410_the_secrets_are_listed_again(harness: Harness) -> None:
    """What changed in the meantime is checked."""
    async with harness.watching():
        await until(lambda: any(path == "/api/v1/secrets" for path, _ in harness.server.watches))
        harness.server.store.compact()
        await harness.secret("creds", harness.github.good_token())
        await until(lambda: harness.reports() == {"creds": "sufficient"})
        assert b"the resource version of the watch has expired" in harness.output.getvalue()


async def test_no_report_names_a_secret_whose_name_is_a_token(harness: Harness) -> None:
    """Neither reports, nor Events, log lines and metrics hold the name. Other Secrets have a report."""
    token = make_token(secrets.token_hex(18), "glpat-")
    await harness.secret(token, harness.github.weak_token())
    await harness.secret("other", harness.github.weak_token())
    async with harness.watching():
        await until(lambda: "other" in harness.reports() and len(harness.events()) > 0)
        await asyncio.sleep(1.2)  # one round of missing reports
        everything = harness.everything()
    assert harness.reports().keys() == {"other"}
    assert token not in everything


async def test_no_token_leaves_the_audit(harness: Harness) -> None:
    """No object, log line or metric holds a token or its base64."""
    tokens = [harness.github.weak_token(), harness.github.good_token(), make_token("w")]
    for number, token in enumerate(tokens):
        await harness.secret(f"creds-{number}", token)
    async with harness.watching():
        await until(lambda: len(harness.reports()) == len(tokens))
        everything = harness.everything()
    for token in tokens:
        assert token not in everything
        assert base64.b64encode(token.encode()).decode().rstrip("=")[:-1] not in everything


@pytest.mark.parametrize(
    ("missing", "condition"),
    [
        ("reports", "reports cannot be read"),
        ("events", "Events cannot be written"),
        ("namespaces", "namespaces cannot"),
    ],
)
async def test_a_missing_permission_is_logged(github: Simulation, tmp_path: Path, missing: str, condition: str) -> None:
    """The audit of Secrets goes on."""
    grants = tuple(
        Grant(grant.verbs, tuple(one for one in grant.resources if one != missing)) for grant in AUDITOR.grants
    )
    async with ApiServer(users=(ADMIN, User("auditor", grants))) as server:
        server.store.serve(OPEN_REPORTS.api, OPEN_REPORTS.plural)
        harness = Harness(server, github, tmp_path)
        token = github.weak_token()
        await harness.secret("creds", token)
        async with harness.watching():
            await until(lambda: condition.encode() in harness.output.getvalue())
            await until(lambda: github.requests(token) > 0)


async def test_two_replicas_have_one_leader(harness: Harness) -> None:
    """The Lease has a holder, and is released at the end."""
    await harness.secret("creds", harness.github.weak_token())
    async with harness.watching():
        await until(lambda: "creds" in harness.reports())
        async with harness.watching():
            await asyncio.sleep(0.3)
            assert harness.output.getvalue().count(b'"event":"leading"') <= 1
    lease = harness.server.store.find(Collection("apis/coordination.k8s.io/v1", "leases"), "team", "audit")
    assert lease is not None and not lease["spec"].get("holderIdentity")


async def test_muted_secrets_have_a_report_and_no_event(harness: Harness) -> None:
    """The annotation of the Secret keeps Events from being written."""
    annotations = {"git-token-webhook/notifications": "muted"}
    await harness.secret("creds", harness.github.weak_token(), annotations=annotations)
    async with harness.watching():
        await until(lambda: harness.reports() == {"creds": "insufficient"})
        assert harness.events() == []


@pytest.mark.parametrize("status", [403, 404, 422])
async def test_a_namespace_that_rejects_reports_does_not_stop_others(harness: Harness, status: int) -> None:
    """Its quota is exhausted, it is being deleted, or a policy denies them."""
    harness.server.failing_paths[f"/{OPEN_REPORTS.api}/namespaces/stuck/reports"] = status
    await harness.server.put("namespaces", {"metadata": {"name": "stuck"}})
    await harness.secret("a", harness.github.good_token(), namespace="stuck")
    await harness.secret("b", harness.github.good_token())
    async with harness.watching():
        await until(lambda: "b" in harness.reports())
        await until(lambda: b"the reports cannot be written" in harness.output.getvalue())
        await harness.secret("c", harness.github.good_token())
        await until(lambda: "c" in harness.reports())
    assert "a" not in harness.reports()
    assert harness.output.getvalue().count(b"the reports cannot be written") == 1


async def test_a_secret_that_goes_does_not_hide_another_failure(harness: Harness) -> None:
    """The report on another Secret of the namespace still cannot be written."""
    harness.server.failing_paths[f"/{OPEN_REPORTS.api}/namespaces/stuck/reports"] = 403
    for name in ("a", "b"):
        await harness.secret(name, harness.github.good_token(), namespace="stuck")
    async with harness.watching() as auditor:
        await until(lambda: auditor._conditions.places("report-writes") == 2)
        harness.server.store.delete(Collection("api/v1", "secrets"), "stuck", "a")
        await until(lambda: auditor._conditions.places("report-writes") == 1)
        await harness.secret("c", harness.github.good_token())
        await until(lambda: "c" in harness.reports())
    assert b"recovered" not in harness.output.getvalue()


async def test_only_a_newer_report_api_is_named(github: Simulation, tmp_path: Path) -> None:
    """The cluster has PolicyReports, but not in a version that is written."""
    async with ApiServer(users=(ADMIN, AUDITOR)) as server:
        server.store.serve("apis/wgpolicyk8s.io/v1beta1", "policyreports")
        harness = Harness(server, github, tmp_path)
        async with harness.watching():
            await until(lambda: b"served as v1beta1 only" in harness.output.getvalue())
