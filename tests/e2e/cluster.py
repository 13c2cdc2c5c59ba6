"""kubectl and the Python client on the cluster that KUBECONFIG names."""

import json
import re
import secrets
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes.client import Configuration
from kubernetes.config import load_kube_config

from tests.api_server.control_plane import ADMIN, KubectlFailed, Manifest, as_yaml
from tests.support import writes
from tests.support.writes import Completed

ROOT = Path(__file__).resolve().parents[2]

TIMEOUT_SECONDS = 300.0
"""The longest that kubectl or helm takes: it waits for a rollout, whose pods drain for 20 seconds and more."""


class Cluster:
    """The cluster under test."""

    def __init__(self) -> None:
        self.test_namespaces: list[str] = []

    def command(self, *command: str, input: str | None = None, check: bool = True) -> Completed:
        """Any command, in the checkout's root. Raises `KubectlFailed` where it fails, unless `check` is False."""
        # An empty stdin where there is no input: nothing must ever wait for somebody at the terminal.
        result = subprocess.run(
            command, cwd=ROOT, input=input or "", capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
        if check and result.returncode != 0:
            raise KubectlFailed(result.returncode, command, result.stdout, result.stderr)
        return result

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> Completed:
        """`kubectl ARGUMENTS`."""
        return self.command("kubectl", *arguments, input=input, check=check)

    def get(self, *arguments: str) -> dict[str, Any]:
        """`kubectl get ARGUMENTS -o json`."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)
        return found

    def apply(self, manifests: Manifest | Iterable[Manifest]) -> None:
        """`kubectl apply`."""
        self.kubectl("apply", "-f", "-", input=as_yaml(manifests))

    def new_place(self, **annotations: str) -> "Place":
        """A new namespace, for Secrets of a test. `_` in the names of its annotations, ours, stands for `-`."""
        name = f"e2e-{secrets.token_hex(4)}"
        marks = {writes.PREFIX + key.replace("_", "-"): value for key, value in annotations.items()}
        self.kubectl("create", "-f", "-", input=as_yaml(_object("Namespace", name, annotations=marks)))
        self.test_namespaces.append(name)
        return Place(self, name)

    def everything(self) -> set[str]:
        """All objects of all kinds, as "Secret NAME NAMESPACE", apart from what comes and goes by itself."""
        kinds = self.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
        chosen = ",".join(sorted(kind for kind in kinds if not re.match(_FLEETING, kind)))
        columns = "-o=custom-columns=KIND:.kind,NAME:.metadata.name,NAMESPACE:.metadata.namespace"
        lines = self.kubectl("get", chosen, "-A", "--no-headers", columns).stdout.splitlines()
        return {" ".join(line.split()).removesuffix(" <none>") for line in lines}


_FLEETING = r"events|endpoint|componentstatuses|ipaddresses|.*metrics\.k8s\.io"


def _object(kind: str, name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **metadata}}


@dataclass(frozen=True)
class Place(writes.Place):
    """A namespace with Secrets of a test."""

    cluster: Cluster
    namespace: str

    def kubectl(self, *arguments: str, user: str = ADMIN, input: str | None = None) -> Completed:
        """kubectl in this namespace, whatever comes of it; as `user`, who may do what a role says that was bound."""
        who = [] if user == ADMIN else [f"--as={user}"]
        return self.cluster.kubectl("-n", self.namespace, *who, *arguments, input=input, check=False)

    def client_configuration(self) -> Configuration:
        """Of whoever KUBECONFIG says."""
        configuration = Configuration()
        load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        configuration.no_proxy = "*"
        return configuration
