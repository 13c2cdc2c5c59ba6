"""The command `audit`, against an API server in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.api_server.webhook_process import Simulation
from tests.support.memory_cluster import MemoryCluster
from webhook.simulator.faults import Outage


def audited(cluster: MemoryCluster, *arguments: str, code: int, user: str = "admin") -> dict[str, Any]:
    """Return the report of a run that ends with this exit code."""
    result = cluster.run("audit", "-o", "json", *arguments, user=user)
    assert result.exit_code == code, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    """Return the outcomes by Secret."""
    return {f"{row['namespace']}/{row['name']}": row["outcome"] for row in report["entries"]}


def test_every_credential_secret_is_checked(cluster: MemoryCluster, github: Simulation) -> None:
    """Exit code 1 for an insufficient token; other Secrets are counted and not read."""
    cluster.runtime_secret("good", github.good_token())
    cluster.runtime_secret("weak", github.weak_token(), namespace="other")
    cluster.secret("unrelated", {"a": "b"})
    report = audited(cluster, "-A", code=1)
    assert outcomes(report) == {"team/good": "sufficient", "other/weak": "insufficient"}
    read = [path for method, path in cluster.server.requests if path.startswith("/api/v1/namespaces/team/secrets/")]
    assert read == ["/api/v1/namespaces/team/secrets/good"]


def test_namespaces_limit_the_audit(cluster: MemoryCluster, github: Simulation) -> None:
    """-n audits one namespace; one that does not exist makes the report incomplete."""
    cluster.runtime_secret("good", github.good_token())
    cluster.runtime_secret("weak", github.weak_token(), namespace="other")
    assert outcomes(audited(cluster, "-n", "team", code=0)) == {"team/good": "sufficient"}
    report = audited(cluster, "-n", "absent", code=3)
    assert report["problems"] == ["There is no namespace absent."]


def test_a_long_list_is_read_page_by_page(cluster: MemoryCluster, github: Simulation) -> None:
    """The audit checks the Secrets of all pages, and each distinct token once."""
    token = github.good_token()
    for number in range(600):
        cluster.secret(f"other-{number:04}", {"a": "b"})
    for number in range(5):
        cluster.runtime_secret(f"z-{number}", token)
    report = audited(cluster, "-A", code=0)
    assert (len(report["entries"]), report["summary"]["tokens"]) == (5, 1)
    assert sum(path == "/api/v1/secrets" for _, path in cluster.server.requests) > 1


def test_missing_permissions_are_reported_by_namespace(cluster: MemoryCluster, github: Simulation) -> None:
    """An account that can list only some namespaces audits these, and the report names the others."""
    cluster.runtime_secret("good", github.good_token())
    cluster.runtime_secret("weak", github.weak_token(), namespace="other")
    report = audited(cluster, "-A", code=3, user="team-reader")
    assert outcomes(report) == {"team/good": "sufficient"}
    assert "The namespace other is left out" in report["problems"][0]


def test_an_unavailable_api_server_is_no_empty_report(cluster: MemoryCluster) -> None:
    """Exit code 3, and the report says why."""
    cluster.server.failing = 503
    report = audited(cluster, "-A", code=3)
    assert report["problems"] == ["The Secrets cannot be listed: the API server answers 503."]


def test_a_token_that_cannot_be_verified_is_neither_good_nor_bad(cluster: MemoryCluster, github: Simulation) -> None:
    """An unavailable provider makes the token unverified."""
    token = github.good_token()
    github.fail(token, Outage())
    cluster.runtime_secret("good", token)
    report = audited(cluster, "-A", "--timeout", "2s", code=1)
    assert outcomes(report) == {"team/good": "unverified"}


def test_an_interrupted_audit_continues_from_its_checkpoint(
    cluster: MemoryCluster, github: Simulation, tmp_path: Path
) -> None:
    """The second run reads and checks only what the first could not finish."""
    first, second = github.good_token(), github.good_token()
    cluster.runtime_secret("first", first)
    cluster.runtime_secret("second", second)
    checkpoint = tmp_path / "checkpoint"
    flags = ("-A", "--resume", str(checkpoint))
    cluster.server.failing_paths["/api/v1/namespaces/team/secrets/second"] = 503
    audited(cluster, *flags, code=3)
    sent = github.requests(first)
    cluster.server.failing_paths.clear()
    report = audited(cluster, *flags, code=0)
    assert outcomes(report) == {"team/first": "sufficient", "team/second": "sufficient"}
    assert github.requests(first) == sent
    assert not checkpoint.exists()


@pytest.mark.parametrize("mode", [0o620, 0o602], ids=["group", "others"])
def test_a_checkpoint_that_other_users_can_write_is_rejected(cluster: MemoryCluster, tmp_path: Path, mode: int) -> None:
    """Exit code 2: another user could have written into it that a token is sufficient."""
    checkpoint = tmp_path / "checkpoint"
    checkpoint.touch()
    checkpoint.chmod(mode)
    result = cluster.run("audit", "-A", "--resume", str(checkpoint))
    assert result.exit_code == 2
    assert "other users can write to it" in str(result.exception)
