"""What `serve` says of a kubeconfig that it can't use. What the API server answers is seen in `tests/cluster`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from webhook.cluster import KubernetesCluster
from webhook.errors import ConfigurationError


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"just text",
        b"- a list",
        b"a: [",
        b"\xff\xfe",
        b"apiVersion: v1\nkind: Config\n",
        b"{clusters: 1, users: 1, contexts: 1, current-context: x}",
        b"{clusters: [], users: [], contexts: [{name: x, context: 1}], current-context: x}",
    ],
)
def test_a_kubeconfig_that_is_none_is_named_and_not_quoted(tmp_path: Path, content: bytes) -> None:
    """Whatever the file holds, it ends in one line that says which file: a crash would look like a fault of ours."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"kubeconfig: can't be used to reach the API server \(\w+\)$"):
        asyncio.run(KubernetesCluster.connect(kubeconfig))


def test_a_kubeconfig_that_is_missing_is_called_so(tmp_path: Path) -> None:
    """A typo in its name is what is wrong most often."""
    with pytest.raises(ConfigurationError, match=r"absent: can't be read: No such file or directory$"):
        asyncio.run(KubernetesCluster.connect(tmp_path / "absent"))
