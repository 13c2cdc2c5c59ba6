"""The webhook as it is installed in the cluster, and the providers that it asks there."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import yaml
from cryptography import x509

from tests.api_server.control_plane import wait_until
from tests.e2e.cluster import Cluster, Place
from webhook.simulator.scenes import example_world

NAME = "git-token-webhook"
NAMESPACE = "git-token-webhook"
SERVICE = f"{NAME}.{NAMESPACE}.svc"
SERVER = "app.kubernetes.io/component=server"
CONFIGURATIONS = ("mutatingwebhookconfiguration", "validatingwebhookconfiguration")

ARRIVAL_SECONDS = 150.0
"""Until a changed ConfigMap or Secret is in the volumes of all pods: kubelet looks once a minute, and what it looks at
may be a minute old. On the node of `node/` it takes 10 seconds at most."""


class Providers:
    """The simulator in the cluster. It makes its tokens from the same seed as this process."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._world = example_world(datetime.now(UTC))

    def token(self, name: str) -> str:
        """A token of the ready-made world, by its name there."""
        return self._world.token(name).value

    @property
    def good_token(self) -> str:
        """One that is enough for a runtime."""
        return self.token("good-classic")

    @property
    def weak_token(self) -> str:
        """One that lacks `admin:repo_hook`."""
        return self.token("weak-classic")

    def requests(self, name: str) -> list[dict[str, Any]]:
        """What the simulator was asked with this token."""
        ask = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:8440/requests?token={name}').read().decode())"
        command = ("exec", "-n", NAMESPACE, "deployment/simulator", "-c", "simulator", "--", "python", "-c", ask)
        found: list[dict[str, Any]] = json.loads(self._cluster.kubectl(*command).stdout)
        return found


@dataclass(frozen=True)
class Installation:
    """One webhook in a cluster, however it came there."""

    cluster: Cluster
    providers: Providers

    def kubectl(self, *arguments: str) -> str:
        """kubectl in the webhook's own namespace; answers what it prints."""
        return self.cluster.kubectl("-n", NAMESPACE, *arguments).stdout

    # --- what runs ---

    def pods(self) -> list[dict[str, Any]]:
        """Its pods, apart from those that are about to end."""
        listed: list[dict[str, Any]] = self.cluster.get("-n", NAMESPACE, "pods", "-l", SERVER)["items"]
        return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]

    def pod_names(self) -> list[str]:
        """The names of `pods`."""
        return sorted(pod["metadata"]["name"] for pod in self.pods())

    def restarts(self) -> dict[str, int]:
        """How often the server of each pod has ended by itself or was ended by the kubelet."""
        return {pod["metadata"]["name"]: container_of(pod)["restartCount"] for pod in self.pods()}

    def is_complete(self, replicas: int = 2) -> bool:
        """Whether so many pods are ready, and no other is there."""
        listed = self.cluster.get("-n", NAMESPACE, "pods", "-l", SERVER)["items"]
        return len(listed) == replicas and all(is_ready(pod) for pod in listed)

    def wait_until_complete(self, replicas: int = 2) -> None:
        """Two, unless somebody scales it: the HorizontalPodAutoscaler makes the second within 15 seconds or so."""
        wait_until(
            lambda: self.is_complete(replicas), 240, interval=0.5, message=f"{replicas} ready replicas\n{self.state()}"
        )

    def state(self) -> str:
        """For whoever reads that something didn't come about."""
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp").splitlines()[-15:]
        return "\n".join([self.kubectl("get", "pods"), *events])

    def run_in(self, pod: str, *command: str) -> str:
        """A command in a pod's container; answers what it prints."""
        return self.kubectl("exec", pod, "-c", NAME, "--", *command)

    def logs(self) -> str:
        """What the server of each pod has printed."""
        return "".join(self.kubectl("logs", pod, "-c", NAME) for pod in self.pod_names())

    # --- what it goes by ---

    def settings(self) -> dict[str, Any]:
        """Its configuration file."""
        text = self.cluster.get("-n", NAMESPACE, "configmap", NAME)["data"]["config.yaml"]
        found: dict[str, Any] = yaml.safe_load(text)
        return found

    def configure(self, settings: dict[str, Any]) -> None:
        """Put another configuration file into the ConfigMap, as `kubectl edit` does it."""
        patch = json.dumps({"data": {"config.yaml": yaml.safe_dump(settings)}})
        self.kubectl("patch", "configmap", NAME, "--type=merge", "--patch", patch)

    @contextmanager
    def configured(self, **settings: Any) -> Iterator[None]:
        """Other settings for a while. Wait for what they change: they arrive later."""
        before = self.settings()
        self.configure({**before, **settings})
        try:
            yield
        finally:
            self.configure(before)

    def leaf(self) -> x509.Certificate:
        """The serving certificate, as its Secret has it."""
        data = self.cluster.get("-n", NAMESPACE, "secret", f"{NAME}-tls")["data"]
        return x509.load_pem_x509_certificate(base64.b64decode(data["tls.crt"]))

    def trusted(self) -> list[list[int]]:
        """The serial numbers of the CAs that the API server trusts, for each of the two configurations."""
        clients = [self.cluster.get(kind, NAME)["webhooks"][0]["clientConfig"] for kind in CONFIGURATIONS]
        bundles = [base64.b64decode(client.get("caBundle", "")) for client in clients]
        some = [x509.load_pem_x509_certificates(bundle) if bundle else [] for bundle in bundles]
        return [[one.serial_number for one in certificates] for certificates in some]

    # --- what it does ---

    def new_place(self, **annotations: str) -> Place:
        """A new namespace, for Secrets of a test."""
        return self.cluster.new_place(**annotations)


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether the kubelet finds it ready, and nobody has deleted it."""
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def container_of(pod: dict[str, Any]) -> dict[str, Any]:
    """The status of the server's container."""
    (found,) = (one for one in pod["status"]["containerStatuses"] if one["name"] == NAME)
    return dict(found)
