"""An installation with own certificates: real servers that keep them, and what a cluster has around them: a kubelet
that brings the Secret to each server at its own time, and a way to the API server that can be cut."""

import base64
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import ApiClient, ApiException, CoreV1Api

from tests.api_server.control_plane import ADMIN, ControlPlane, ServiceAddress, as_yaml, wait_until
from tests.api_server.webhook_process import (
    LABEL_OF_NAMESPACES,
    MANIFESTS,
    ROOT,
    MountedFolder,
    Place,
    Relay,
    Server,
    Simulation,
)
from tests.support.ports import free_port
from webhook.certs.names import Installation

GROUP = "rbac.authorization.k8s.io"
CONFIGURATIONS = ("mutatingwebhookconfiguration", "validatingwebhookconfiguration")


class Volume(MountedFolder):
    """A mounted Secret that is optional: empty until there is one."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, {})

    def replace(self, files: Mapping[str, str]) -> None:
        """All files, by their new content."""
        super().replace(files)
        for name in files:
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(Path("..data", name))


class Kubelet:
    """Brings a Secret to volumes, to each so many seconds after it has changed."""

    def __init__(self, place: Place, name: str, volumes: Sequence[tuple[Volume, float]]) -> None:
        self._place = place
        self._name = name
        self._volumes = volumes
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Kubelet":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        due: list[tuple[float, Volume, dict[str, str]]] = []
        version = None
        with ApiClient(self._place.client_configuration()) as client:
            core = CoreV1Api(client)
            while not self._ended.wait(0.2):
                with contextlib.suppress(ApiException):
                    found = core.read_namespaced_secret(self._name, self._place.namespace)
                    metadata = found.metadata
                    assert metadata is not None
                    if metadata.resource_version != version:
                        version = metadata.resource_version
                        files = {key: base64.b64decode(text).decode() for key, text in (found.data or {}).items()}
                        due += [(time.monotonic() + delay, volume, files) for volume, delay in self._volumes]
                now = time.monotonic()
                for _, volume, files in [one for one in due if one[0] <= now]:
                    volume.replace(files)
                due = [one for one in due if one[0] > now]


class Line:
    """A way to the API server that can be cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = free_port()
        self.cut = threading.Event()
        self._connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def down(self) -> None:
        """Nobody gets through, and whoever was through is cut off."""
        self.cut.set()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def up(self) -> None:
        """As before."""
        self.cut.clear()

    def close(self) -> None:
        """For good."""
        self.down()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.cut.is_set():
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._target))
                self._connections += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                target.sendall(chunk)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@dataclass
class Lab:
    """A namespace for an installation, its webhook configurations, and a ServiceAccount with the rights of
    certs/README.md."""

    control_plane: ControlPlane
    place: Place
    service: ServiceAddress
    folder: Path
    settings: dict[str, Any]
    kubeconfig: Path
    lifetimes: tuple[str, ...] = ()
    servers: list[Server] = field(default_factory=list)
    stack: ExitStack = field(default_factory=ExitStack)
    relay: Relay | None = None

    @property
    def names(self) -> Installation:
        """What its objects are called."""
        return Installation(self.service.namespace, self.service.name)

    @property
    def flag(self) -> list[str]:
        """How commands are told of it."""
        return ["--installation", f"{self.names.namespace}/{self.names.name}"]

    @property
    def log(self) -> str:
        """What all servers printed."""
        return "".join(server.log for server in self.servers)

    def run(self, *arguments: str, kubeconfig: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """A command, as a process of its own."""
        return self.start(*arguments, kubeconfig=kubeconfig).wait()

    def start(self, *arguments: str, kubeconfig: Path | None = None) -> "Running":
        """The same, without waiting for its end."""
        return Running([*arguments, "--kubeconfig", str(kubeconfig or self.kubeconfig)], self.folder)

    def ensure(self) -> "subprocess.CompletedProcess[str]":
        """``certs ensure``."""
        return self.run("certs", "ensure", *self.flag, *self.lifetimes)

    def check(self) -> "subprocess.CompletedProcess[str]":
        """``certs check``, as admin."""
        return self.run("certs", "check", *self.flag, kubeconfig=self.control_plane.kubeconfig())

    def register(self, bundle: str = "") -> None:
        """Apply both configurations, as they are in the manifests, for namespaces of this test alone."""
        self.control_plane.apply([self._own(document, bundle) for document in _documents()])

    def unregister(self) -> None:
        """Take them away."""
        self.control_plane.delete([self._own(document, "") for document in _documents()])

    def serve(
        self,
        replicas: int,
        *,
        delays: Sequence[float] = (),
        kubeconfig: Path | None = None,
        keep: bool = True,
        arguments: Sequence[str] = (),
        ready: bool = True,
    ) -> list[Server]:
        """Servers that keep the certificates, behind the Service; each gets the Secret so many seconds late."""
        volumes = [Volume(self.folder / f"tls-{free_port()}") for _ in range(replicas)]
        brings = Kubelet(self.place, self.names.tls_secret, list(zip(volumes, delays or [0.0] * replicas, strict=True)))
        self.stack.enter_context(brings)
        configuration = self.folder / "config.yaml"
        configuration.write_text(json.dumps(self.settings))
        flags = ["--wait-for-files", "60s", *arguments]
        if keep:
            flags += ["--keep-certificates", *self.flag, *self.lifetimes, "--lease-duration", "3s"]
        started = []
        for volume in volumes:
            listen = ("127.0.0.1", free_port())
            path = kubeconfig or self.kubeconfig
            server = Server(self.folder, listen, configuration, volume.path, path, "0s", flags)
            self.stack.callback(server.stop)
            started.append(server)
        self.servers += started
        if ready:
            for server in started:
                server.wait_until_ready()
        return started

    def route(self) -> Relay:
        """From now on the Service leads to the servers that there are."""
        self.relay = self.stack.enter_context(Relay(self.service, self.servers))
        return self.relay

    def new_namespace(self) -> Place:
        """One whose Secrets the webhook is asked about."""
        name = f"test-{os.urandom(4).hex()}"
        metadata = {"name": name, "labels": {LABEL_OF_NAMESPACES: self.names.name}}
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        self.control_plane.kubectl("create", "-f", "-", input=as_yaml(manifest))
        return Place(self.control_plane, name)

    def bundle(self, configuration: str = CONFIGURATIONS[1]) -> bytes:
        """The caBundle of one of the two."""
        found = json.loads(self.control_plane.kubectl("get", configuration, self.names.name, "-o", "json").stdout)
        return base64.b64decode(found["webhooks"][0]["clientConfig"].get("caBundle", ""))

    def holder(self) -> str:
        """Who holds the Lease."""
        found = self.place.kubectl("get", "lease", self.names.lease, "-o", "jsonpath={.spec.holderIdentity}")
        return found.stdout

    def keeper(self) -> Server:
        """The server that keeps the certificates, by its own word."""

        def keeps(server: Server) -> bool:
            with contextlib.suppress(OSError):
                return "git_token_webhook_certificates_kept 1.0" in server.metrics
            return False

        found: list[Server] = wait_until(
            lambda: [one for one in self.servers if keeps(one)], 30, message="somebody to keep them"
        )
        return found[0]

    def serial(self, server: Server) -> int:
        """That of the certificate that a server shows, if the API server would accept it."""
        context = ssl.create_default_context(cadata=self.bundle().decode())
        with socket.create_connection(server.listen, timeout=5) as plain:
            with context.wrap_socket(plain, server_hostname=self.names.server_name) as connection:
                certificate = connection.getpeercert()
                assert certificate is not None
                return int(str(certificate["serialNumber"]), 16)

    def _own(self, document: dict[str, Any], bundle: str) -> dict[str, Any]:
        document["metadata"]["name"] = self.names.name
        (hook,) = document["webhooks"]
        hook["name"] = f"{hook['name'].partition('.')[0]}.{self.names.name}.svc"
        hook["namespaceSelector"]["matchLabels"] = {LABEL_OF_NAMESPACES: self.names.name}
        service = hook["clientConfig"]["service"]
        service |= {"namespace": self.names.namespace, "name": self.names.name, "port": self.service.port}
        if bundle:
            hook["clientConfig"]["caBundle"] = bundle
        return document


class Running:
    """A command that is running."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self.arguments = arguments
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "webhook", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait(self) -> "subprocess.CompletedProcess[str]":
        """How it ended."""
        output, _ = self.process.communicate(timeout=60)
        return subprocess.CompletedProcess(list(self.arguments), self.process.returncode, output, "")


@contextlib.contextmanager
def lab(control_plane: ControlPlane, github: Simulation, namespace: str, folder: Path) -> Iterator[Lab]:
    """An installation of which nothing is there yet but its Service, its configurations and its rights."""
    name = f"webhook-{os.urandom(3).hex()}"
    service = control_plane.create_service(namespace, name, 9443)
    made = Lab(
        control_plane,
        Place(control_plane, namespace),
        service,
        folder,
        {"providers": github.settings()},
        folder / "kubeconfig",
    )
    control_plane.apply(_rights(made.names))
    made.kubeconfig.write_text(json.dumps(_kubeconfig(control_plane, namespace)))
    may = ("auth", "can-i", "get", f"secrets/{made.names.ca_secret}", "-n", namespace)
    whoever = f"--as=system:serviceaccount:{namespace}:keeper"
    wait_until(lambda: control_plane.kubectl(*may, whoever, check=False).returncode == 0, message="the role to count")
    with made.stack as stack:
        stack.callback(made.unregister)
        made.register()
        yield made


def _documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((MANIFESTS / "webhooks.yaml").read_text()))


def _kubeconfig(control_plane: ControlPlane, namespace: str, account: str = "keeper") -> dict[str, Any]:
    token = control_plane.kubectl("create", "token", account, "-n", namespace, "--duration=24h").stdout.strip()
    document: dict[str, Any] = json.loads(control_plane.kubeconfig(ADMIN).read_text())
    document["users"][0]["user"] = {"token": token}
    return document


def _rights(names: Installation) -> list[dict[str, Any]]:
    """What certs/README.md lists, and nothing else; and a ServiceAccount that has none of it."""
    namespace = names.namespace
    role = [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": [names.ca_secret, names.tls_secret],
            "verbs": ["get", "update"],
        },
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [f"{names.name}-keys"], "verbs": ["get"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [names.lease],
            "verbs": ["get", "update"],
        },
    ]
    cluster_role = [
        {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": [f"{one}s" for one in CONFIGURATIONS],
            "resourceNames": [names.name],
            "verbs": ["get", "update"],
        },
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["cap-app-proxy-cm"], "verbs": ["get"]},
    ]
    keeper = [{"kind": "ServiceAccount", "name": "keeper", "namespace": namespace}]
    own = {"name": names.name, "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "keeper", "namespace": namespace}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody", "namespace": namespace}},
        {"apiVersion": f"{GROUP}/v1", "kind": "Role", "metadata": own, "rules": role},
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "RoleBinding",
            "metadata": own,
            "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": names.name},
            "subjects": keeper,
        },
        {"apiVersion": f"{GROUP}/v1", "kind": "ClusterRole", "metadata": {"name": names.name}, "rules": cluster_role},
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": names.name},
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": names.name},
            "subjects": keeper,
        },
    ]


def kubeconfig_without_rights(control_plane: ControlPlane, namespace: str, folder: Path) -> Path:
    """Of a ServiceAccount that may do nothing."""
    path = folder / "nobody.kubeconfig"
    path.write_text(json.dumps(_kubeconfig(control_plane, namespace, "nobody")))
    return path


def kubeconfig_through(line: Line, kubeconfig: Path, folder: Path) -> Path:
    """The same, by way of a line that can be cut."""
    document = json.loads(kubeconfig.read_text())
    document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{line.port}"
    path = folder / "line.kubeconfig"
    path.write_text(json.dumps(document))
    return path
