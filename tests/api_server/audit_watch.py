"""`git-token-webhook audit --watch` as it is installed: processes of their own, with the rights of the manifests."""

import contextlib
import http.client
import json
import re
import secrets
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.api_server.control_plane import ControlPlane, as_yaml, wait_until
from tests.api_server.webhook_process import MANIFESTS, OWN_NAMESPACE, Simulation, launched
from tests.support.ports import free_port
from tests.third_party.definitions import reports

COMPONENT = MANIFESTS.parent / "components" / "audit"
ACCOUNT = "git-token-webhook-audit"
LEASE = "git-token-webhook-audit"
KINDS = ("reports.openreports.io", "policyreports.wgpolicyk8s.io")
LABEL = "argocd.argoproj.io/secret-type"

Json = dict[str, Any]


class Replica:
    """One process."""

    def __init__(self, folder: Path, kubeconfig: Path, configuration: Path, *arguments: str) -> None:
        self.health_port = free_port()
        self._file = folder / f"audit-{self.health_port}.log"
        command = ["audit", "--watch", "-A", "--config", str(configuration)]
        command += ["--kubeconfig", str(kubeconfig), "--health-listen", f"127.0.0.1:{self.health_port}", *arguments]
        self._process = launched(command, self._file)

    @property
    def log(self) -> str:
        """All that it printed."""
        return self._file.read_text(errors="replace")

    def lines(self, event: str, **values: Any) -> list[Json]:
        """The lines of its log about an event."""
        # The last one may be half written.
        lines = [json.loads(line) for line in self.log.rpartition("\n")[0].splitlines()]
        return [line for line in lines if line["event"] == event and values.items() <= line.items()]

    @property
    def metrics(self) -> str:
        """Its `/metrics`."""
        return self._get("/metrics")[1]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's series with these labels."""
        total = 0.0
        for found, value in re.findall(rf"^git_token_webhook_{name}(?:{{(.*)}})? (\S+)$", self.metrics, re.MULTILINE):
            if labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', found)).items():
                total += float(value)
        return total

    def readiness(self) -> tuple[int, str]:
        """What its `/readyz` says; 0 where nobody answers."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self._get("/readyz")
        return 0, ""

    def leads(self) -> bool:
        """Whether it says that it does."""
        self.check()
        return self.readiness()[0] != 0 and self.metric("audit_leader") == 1

    def check(self) -> None:
        """That it hasn't ended."""
        assert self._process.poll() is None, f"it ended with {self._process.returncode}:\n{self.log}"

    def megabytes(self) -> float:
        """The most memory that it ever had, in MiB."""
        status = Path("/proc", str(self._process.pid), "status").read_text()
        return int(re.findall(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)[0]) / 1024

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stop(self) -> int:
        """End it, whatever that takes; its exit code."""
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            return self._process.wait(20)
        finally:
            self._process.kill()
            self._process.wait()

    def _get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.health_port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


@dataclass
class Cluster:
    """An API server of its own, so that no other test's Secrets are looked at, with the account of the manifests."""

    control_plane: ControlPlane
    github: Simulation
    folder: Path
    kubeconfig: Path
    namespaces: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def watched(self, *arguments: str, settings: Mapping[str, Any] | None = None) -> Iterator[Replica]:
        """One replica, that looks at everything every so often."""
        replica = self.start(*arguments, settings=settings)
        try:
            yield replica
        finally:
            replica.stop()

    def start(self, *arguments: str, settings: Mapping[str, Any] | None = None, file: Path | None = None) -> Replica:
        """A replica, which somebody else ends."""
        file = file or self.configuration(settings)
        defaults = ("--interval", "1h", "--look-again", "1s", "--lease-duration", "3s")
        replica = Replica(self.folder, self.kubeconfig, file, *defaults, *arguments)

        def answers() -> bool:
            replica.check()
            return replica.readiness()[0] != 0

        wait_until(answers, 30, message="it to answer")
        return replica

    def configuration(self, settings: Mapping[str, Any] | None = None) -> Path:
        """A configuration file."""
        file = self.folder / f"config-{secrets.token_hex(4)}.yaml"
        self.configure(file, settings)
        return file

    def configure(self, file: Path, settings: Mapping[str, Any] | None = None) -> None:
        """Write another content into it, at once."""
        new = file.with_suffix(".new")
        new.write_text(json.dumps({"providers": self.github.settings(), **(settings or {})}))
        new.replace(file)

    def namespace(self, annotations: Mapping[str, str] | None = None) -> str:
        """A new one."""
        name = f"team-{secrets.token_hex(4)}"
        metadata = {"name": name, "annotations": dict(annotations or {})}
        self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        self.namespaces.append(name)
        return name

    def create(self, document: Json) -> None:
        self.control_plane.kubectl("create", "-f", "-", input=as_yaml(document))

    def secret(self, namespace: str, name: str, token: str, annotations: Mapping[str, str] | None = None) -> None:
        """Make or change a Secret with a runtime token."""
        metadata = {
            "name": name,
            "namespace": namespace,
            "labels": {LABEL: "repo-creds"},
            "annotations": dict(annotations or {}),
        }
        data = {"url": "https://github.com", "username": "git", "password": token}
        self.control_plane.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})

    def get(self, *arguments: str) -> Any:
        """`kubectl get -o json`."""
        return json.loads(self.control_plane.kubectl("get", *arguments, "-o", "json").stdout)

    def report(self, namespace: str, name: str, kind: str = KINDS[0]) -> Json | None:
        """The report on a Secret."""
        found = self.control_plane.kubectl("get", kind, "-n", namespace, "-o", "json", check=False)
        if found.returncode != 0:
            return None
        items: list[Json] = json.loads(found.stdout)["items"]
        about = [one for one in items if one["scope"]["name"] == name]
        assert len(about) < 2, "more than one report"
        return about[0] if about else None

    def result(self, namespace: str, name: str, kind: str = KINDS[0]) -> str:
        """The state of its only entry; empty where there is no report."""
        report = self.report(namespace, name, kind)
        return report["results"][0]["properties"]["state"] if report else ""

    def wait_for(self, state: str, namespace: str, name: str, kind: str = KINDS[0], seconds: float = 20) -> Json:
        """The report, as soon as it says so."""
        wait_until(
            lambda: self.result(namespace, name, kind) == state, seconds, message=f"{name} to be {state or 'forgotten'}"
        )
        return self.report(namespace, name, kind) or {}

    def events(self, namespace: str, name: str) -> list[Json]:
        """The Events on a Secret, the oldest first."""
        found: list[Json] = self.get("events", "-n", namespace, f"--field-selector=involvedObject.name={name}")["items"]
        return sorted(found, key=lambda event: int(event["metadata"]["resourceVersion"]))

    def reasons(self, namespace: str, name: str) -> list[str]:
        """Their reasons."""
        return [event["reason"] for event in self.events(namespace, name)]

    def serves(self, kind: str) -> bool:
        """Whether there are reports of this kind."""
        return self.control_plane.kubectl("get", kind, "-A", check=False).returncode == 0

    def have(self, *kinds: str) -> None:
        """These kinds of reports there are, and no other."""
        for kind, file in reports().items():
            there = self.control_plane.kubectl("get", "crd", kind, check=False).returncode == 0
            if kind in kinds and not there:
                self.control_plane.kubectl("create", "-f", str(file))
                wait_until(partial(self.serves, kind), 20)
            elif there and kind not in kinds:
                self.control_plane.kubectl("delete", "crd", kind)

    def empty(self) -> None:
        """No Secrets, reports or Lease are left of what a test had."""
        for name in self.namespaces:
            self.control_plane.kubectl("delete", "secrets,events", "--all", "-n", name)
            for kind in KINDS:
                self.control_plane.kubectl("delete", kind, "--all", "-n", name, check=False)
        self.namespaces.clear()
        self.control_plane.kubectl("delete", "lease", LEASE, "-n", OWN_NAMESPACE, "--ignore-not-found")

    def rights(self) -> list[Json]:
        """What the manifests give the account."""
        return [one for one in yaml.safe_load_all((COMPONENT / "rbac.yaml").read_text()) if one]

    def take_right(self, resource: str) -> None:
        """The account may do nothing with this resource any more."""
        (role,) = (one for one in self.rights() if one["kind"] == "ClusterRole")
        role["rules"] = [rule for rule in role["rules"] if resource not in rule["resources"]]
        self.control_plane.kubectl("replace", "-f", "-", input=as_yaml(role))

    def give_rights(self) -> None:
        """The account may do what the manifests say."""
        self.control_plane.apply(self.rights())


@contextlib.contextmanager
def own_cluster(binaries: Path, folder: Path) -> Iterator[Cluster]:
    """Made once for all tests of a file."""
    with ControlPlane(binaries) as own, Simulation(folder) as github:
        own.apply((MANIFESTS / "namespace.yaml").read_text())
        own.apply((COMPONENT / "rbac.yaml").read_text())
        create = ("create", "token", ACCOUNT, "-n", OWN_NAMESPACE, "--duration=24h")
        document = json.loads(own.kubeconfig().read_text())
        document["users"][0]["user"] = {"token": own.kubectl(*create).stdout.strip()}
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(json.dumps(document))
        asked = ("auth", "can-i", "list", "secrets", "-A", f"--as=system:serviceaccount:{OWN_NAMESPACE}:{ACCOUNT}")
        wait_until(lambda: own.kubectl(*asked, check=False).returncode == 0, message="the account's role to count")
        yield Cluster(own, github, folder, kubeconfig)
