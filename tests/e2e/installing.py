"""How the tests put things into a cluster, beside the commands that the README has, and how they take them away."""

from typing import Any

import yaml

from tests.api_server.control_plane import wait_until
from tests.e2e.cluster import ROOT, Cluster
from tests.e2e.installation import NAME, NAMESPACE

OVERLAY = "tests/e2e/overlay"
SIMULATOR = "simulator"


def simulator(cluster: Cluster) -> list[dict[str, Any]]:
    """The simulator's own objects: for an installation by Helm, whose chart has none."""
    rendered = yaml.safe_load_all(cluster.kubectl("kustomize", OVERLAY).stdout)
    return [one for one in rendered if one["metadata"].get("labels", {}).get("app.kubernetes.io/name") == SIMULATOR]


def values_for_simulator() -> dict[str, Any]:
    """The chart's values for a webhook that asks the simulator, from what the component does to the overlay."""
    component = ROOT / "manifests" / "components" / "simulator"
    volume, mount = (patch["value"] for patch in yaml.safe_load((component / "trust.yaml").read_text()))
    config = yaml.safe_load((component / "config.yaml").read_text())
    return {"config": config, "extraVolumes": [volume], "extraVolumeMounts": [mount]}


def remove_all(cluster: Cluster) -> None:
    """Take away whatever tests may have left, however they ended. The namespaces go later."""
    cluster.command("helm", "uninstall", NAME, "--namespace", NAMESPACE, "--ignore-not-found", check=False)
    # The configurations first, lest they forbid what comes next.
    for kinds in ("mutatingwebhookconfigurations,validatingwebhookconfigurations", _CLUSTER_WIDE):
        cluster.kubectl("delete", kinds, f"--selector=app.kubernetes.io/name={NAME}")
    if left := _ours(cluster):
        cluster.kubectl("delete", "namespace", *left, "--wait=false")


_CLUSTER_WIDE = "clusterroles,clusterrolebindings,priorityclasses"
_CLUSTER_WIDE += ",validatingadmissionpolicies,validatingadmissionpolicybindings"


def wait_until_removed(cluster: Cluster) -> None:
    """Until the namespaces have gone, too."""
    wait_until(lambda: not _ours(cluster), 180, interval=0.5, message="the end of the namespaces of an earlier run")


def _ours(cluster: Cluster) -> list[str]:
    names = [one["metadata"]["name"] for one in cluster.get("namespaces")["items"]]
    return [name for name in names if name.startswith("e2e-") or name == NAMESPACE]
