"""Honored skip annotations are counted by requester."""

from __future__ import annotations

import asyncio
import io

import pytest

from tests.support.factories import SKIP, FakeCluster, make_subject, make_token, make_user_secret
from webhook import logs
from webhook.decision import Stage
from webhook.metrics import Metrics
from webhook.server.engine import Engine, EngineState
from webhook.settings.model import Settings

TOKEN = make_token("s")


async def counted(requester: str, *, stage: Stage = Stage.VALIDATE, dry_run: bool = False) -> dict[str, float]:
    """Write a Secret with the annotation, and return the counter by requester."""
    metrics = Metrics()
    cluster = FakeCluster(may=frozenset({requester}))
    engine = Engine(Settings(), EngineState(metrics, logs.build_logger(io.BytesIO()), cluster))
    secret = make_user_secret({"token": TOKEN}, annotations={SKIP: "true"})
    async with engine.client:
        subject = make_subject(secret, requester=requester, dry_run=dry_run)
        await engine.review(subject, stage, asyncio.get_running_loop().time() + 5, {})
    name = "git_token_webhook_annotation_skips"
    (family,) = (family for family in metrics.registry.collect() if family.name == name)
    return {sample.labels["requester"]: sample.value for sample in family.samples}


async def test_an_honored_annotation_is_counted_by_requester() -> None:
    """An alert names the user or ServiceAccount."""
    argocd = "system:serviceaccount:argocd:argocd-application-controller"
    assert await counted(argocd) == {argocd: 1}


@pytest.mark.parametrize(("stage", "dry_run"), [(Stage.MUTATE, False), (Stage.VALIDATE, True)])
async def test_only_written_secrets_are_counted(stage: Stage, dry_run: bool) -> None:
    """Once for each write, and not for a dry run."""
    assert await counted("alice", stage=stage, dry_run=dry_run) == {}


@pytest.mark.parametrize("requester", [TOKEN, "x" * 129])
async def test_an_unusual_name_is_counted_as_other(requester: str) -> None:
    """No metric contains a token or an endless name."""
    assert await counted(requester) == {"other": 1}


def test_the_number_of_requesters_is_bounded() -> None:
    """Later ones are counted together."""
    metrics = Metrics()
    for number in range(100):
        metrics.skipped_by_annotation(f"user-{number}")
    value = metrics.registry.get_sample_value
    assert value("git_token_webhook_annotation_skips_total", {"requester": "other"}) == 68
