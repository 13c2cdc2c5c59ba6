"""The webhook as it is installed: its real server as a process of its own, its real manifests, simulated providers.

    place = webhook.new_namespace()
    token = github.token("repo", "read:org")
    refused(place.create(runtime_secret(token)))

What is installed differs from `manifests/base` in four things only: each installation has a Service and configurations
of its own name, is limited to namespaces with a label of its own (the API server is shared with other tests), has its
caBundle, and where this user may not listen on 443, another port.
"""

import asyncio
import base64
import contextlib
import http.client
import json
import os
import re
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from cryptography.x509 import load_pem_x509_certificate
from kubernetes.client import Configuration

from tests.api_server.control_plane import ADMIN, ControlPlane, ServiceAddress, as_yaml, wait_until
from tests.support.ports import free_port
from tests.support.writes import PREFIX as PREFIX
from tests.support.writes import Completed
from tests.support.writes import Place as AnyPlace
from tests.support.writes import Stream as Stream
from tests.support.writes import accepted as accepted
from tests.support.writes import annotated as annotated
from tests.support.writes import refused as refused
from tests.support.writes import runtime_secret as runtime_secret
from tests.support.writes import secret as secret
from tests.support.writes import user_secret as user_secret
from webhook.providers import PROVIDERS
from webhook.simulator.faults import AnyEffect, Fault, Latency
from webhook.simulator.github import Token
from webhook.simulator.scenes import example_world
from webhook.simulator.server import Simulator

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "manifests" / "base"
OWN_NAMESPACE = "git-token-webhook"
ACCOUNT = "git-token-webhook"
LABEL_OF_NAMESPACES = "git-token-webhook-test"

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 20.0


# --- Where Secrets are written ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place(AnyPlace):
    """A namespace that an installation watches."""

    control_plane: ControlPlane
    namespace: str

    def kubectl(self, *arguments: str, user: str = ADMIN, input: str | None = None) -> Completed:
        """kubectl in this namespace, whatever comes of it."""
        return self.control_plane.kubectl("-n", self.namespace, *arguments, user=user, input=input, check=False)

    def client_configuration(self) -> Configuration:
        """Admin's."""
        return Configuration(
            host=self.control_plane.server_url,
            api_key={"BearerToken": f"Bearer {self.control_plane.token()}"},
            ca_cert_data=self.control_plane.ca_pem.decode(),
            no_proxy="*",
        )


# --- The providers ----------------------------------------------------------------------------------------------------


class Simulation:
    """All providers, simulated in a thread of this process. On github.com each test makes tokens of its own, so that
    none disturbs another; of the other hosts' tokens nothing is changed or counted."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.ca_file = folder / "providers.crt"
        self._authority.cert_pem.write_to_path(self.ca_file)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulator", daemon=True)

    def __enter__(self) -> "Simulation":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        self._simulator = Simulator(example_world(datetime.now(UTC)), ssl_context=context)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._simulator.start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._simulator.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def settings(self) -> list[dict[str, Any]]:
        """What the configuration file says of it under `providers`: where the hosts are."""
        hosts = self._simulator.hosts
        return [
            {"host": name, "kind": host.kind, "apiUrl": host.api_url, "caFile": str(self.ca_file)}
            for name, host in hosts.items()
            if host.kind in PROVIDERS
        ]

    def known_token(self, name: str) -> str:
        """A token of the ready-made world, by its name there."""
        return self._simulator.world.token(name).value

    def token(self, *scopes: str, expires: timedelta | None = None) -> str:
        """A new classic token of octocat."""
        end = None if expires is None else datetime.now(UTC) + expires
        made = Token(name=secrets.token_hex(8), owner="octocat", scopes=list(scopes), expires_at=end)
        self._run(lambda: self._simulator.world.github().add(made))
        return made.value

    def good_token(self) -> str:
        """One that is enough for both roles."""
        return self.token("repo", "admin:repo_hook")

    def weak_token(self) -> str:
        """One that is enough for a user and not for a runtime."""
        return self.token("repo", "read:org")

    def revoke(self, token: str) -> None:
        """github.com refuses it from now on."""
        self._run(lambda: setattr(self._named(token), "revoked", True))

    def requests_in_all(self) -> int:
        """How many requests there were, with whatever token."""
        total: int = self._run(lambda: self._simulator.journal.total)
        return total

    def requests(self, token: str) -> int:
        """How often this token was sent."""
        name = self._named(token).name
        return len(self._run(lambda: self._simulator.journal.matching(token=name)))

    def fail(self, token: str, effect: AnyEffect) -> None:
        """From now on, requests with this token go wrong."""
        fault = Fault(effect=effect, token=self._named(token).name)
        self._run(lambda: self._simulator.faults.add(fault))

    def fail_once(self, token: str, effect: AnyEffect) -> None:
        """The next request with this token goes wrong, and those after it don't."""
        fault = Fault(effect=effect, token=self._named(token).name, times=1)
        self._run(lambda: self._simulator.faults.add(fault))

    @contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        """Delay every response by this time."""
        fault = self._run(lambda: self._simulator.faults.add(Latency(seconds=seconds)))
        try:
            yield
        finally:
            self._run(lambda: self._simulator.faults.faults.remove(fault))

    def _named(self, token: str) -> Token:
        return next(one for one in self._simulator.world.github().tokens.values() if one.value == token)

    def _run(self, action: Callable[[], Any]) -> Any:
        async def run() -> Any:
            return action()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)


# --- The server -------------------------------------------------------------------------------------------------------


class MountedFolder:
    """A folder whose files change all at once, as the kubelet does it: each is a link through one that is replaced."""

    def __init__(self, path: Path, files: Mapping[str, str]) -> None:
        self.path = path
        self._version = 0
        path.mkdir()
        self.replace(files)
        for name in files:
            (path / name).symlink_to(Path("..data", name))

    def replace(self, files: Mapping[str, str]) -> None:
        """All files, by their new content."""
        self._version += 1
        version = self.path / f"..{self._version}"
        version.mkdir()
        for name, text in files.items():
            (version / name).write_text(text)
        link = self.path / "..new"
        link.symlink_to(version.name)
        link.replace(self.path / "..data")


def launched(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """A command of ours as a process of its own; all that it prints is in `log`, and its HOME is the folder of that."""
    # Nothing of the developer's settings: a proxy or a KUBECONFIG would change what is tested.
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(log.parent), "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "webhook", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


class Server:
    """`git-token-webhook serve`, as a process of its own."""

    def __init__(
        self,
        folder: Path,
        listen: tuple[str, int],
        configuration: Path,
        tls: Path,
        kubeconfig: Path,
        delay: str,
        arguments: Sequence[str] = (),
    ) -> None:
        self.listen = listen
        self.health_port = free_port()
        self._log = folder / f"server-{self.health_port}.log"
        command = ["serve"]
        command += ["--config", str(configuration), "--kubeconfig", str(kubeconfig)]
        command += ["--tls-cert", str(tls / "tls.crt"), "--tls-key", str(tls / "tls.key")]
        command += ["--listen", f"{listen[0]}:{listen[1]}", "--health-listen", f"127.0.0.1:{self.health_port}"]
        command += ["--shutdown-delay", delay, *arguments]
        self._process = launched(command, self._log)

    @property
    def log(self) -> str:
        """All that it printed."""
        return self._log.read_text(errors="replace")

    @property
    def metrics(self) -> str:
        """Its `/metrics`."""
        return self._get("/metrics")[1]

    def readiness(self) -> int | None:
        """The status of its `/readyz`; None where nobody answers."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self._get("/readyz")[0]
        return None

    def readiness_text(self) -> str:
        """What its `/readyz` says."""
        return self._get("/readyz")[1]

    def is_ready(self) -> bool:
        """Whether its `/readyz` says so."""
        return self.readiness() == http.client.OK

    def wait_until_ready(self) -> None:
        """Raises AssertionError, with what it printed, if it ends instead."""

        def ready_or_dead() -> bool:
            return self._process.poll() is not None or self.is_ready()

        wait_until(ready_or_dead, START_TIMEOUT_SECONDS, message="the webhook to be ready")
        assert self._process.returncode is None, f"the webhook ended with {self._process.returncode}:\n{self.log}"

    def terminate(self) -> None:
        """SIGTERM, as the kubelet does it; returns at once."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return self._process.wait(STOP_TIMEOUT_SECONDS)

    def kill(self) -> None:
        """SIGKILL: it ends in the middle of whatever it does."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it, whatever that takes."""
        self._process.terminate()
        try:
            self.wait()
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


class Relay:
    """Takes a Service's connections to its replicas, as kube-proxy does.

    A new connection goes to the next replica that is ready, by its own `/readyz`, at most one poll ago; what goes wrong
    with it then is passed on, never tried again elsewhere. A connection that stands is left alone.
    """

    POLL_SECONDS = 0.5

    def __init__(self, address: ServiceAddress, replicas: Sequence[Server]) -> None:
        self._address = address
        self._replicas = replicas
        self._ready: list[Server] = list(replicas)
        self.opened: Counter[int] = Counter()
        """How many connections each replica got, by its index."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._next = 0

    def __enter__(self) -> "Relay":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def total(self) -> int:
        """How many connections there were."""
        return sum(self.opened.values())

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._relay, self._address.ip, self._address.port)
        self._keep(self._watch())

    async def _end(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        while True:
            answers = [await asyncio.to_thread(one.is_ready) for one in self._replicas]
            self._ready = [one for one, ready in zip(self._replicas, answers, strict=True) if ready]
            await asyncio.sleep(self.POLL_SECONDS)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._connect(reader, writer)
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._ready:
            return
        self._next += 1
        chosen = self._ready[self._next % len(self._ready)]
        self.opened[self._replicas.index(chosen)] += 1
        there, back = await asyncio.open_connection(*chosen.listen)
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            back.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while chunk := await source.read(65536):
        target.write(chunk)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()


# --- The installation -------------------------------------------------------------------------------------------------


@dataclass
class Installation:
    """One running webhook, registered with the API server."""

    name: str
    control_plane: ControlPlane
    service: ServiceAddress
    authority: trustme.CA
    configuration: MountedFolder
    certificate: MountedFolder
    settings: dict[str, Any]
    servers: list[Server] = field(default_factory=list)
    relay: Relay | None = None

    @property
    def server(self) -> Server:
        """The only replica, or the first."""
        return self.servers[0]

    @property
    def log(self) -> str:
        """What all replicas printed."""
        return "".join(server.log for server in self.servers)

    @property
    def webhooks(self) -> dict[str, str]:
        """The names of its webhooks by stage, as error messages and audit annotations have them."""
        return {stage: f"{stage}.{self.name}.svc" for stage in ("mutate", "validate")}

    def new_namespace(self, annotations: Mapping[str, str] | None = None) -> Place:
        """A new namespace that it watches."""
        name = f"test-{secrets.token_hex(4)}"
        metadata = {"name": name, "labels": {LABEL_OF_NAMESPACES: self.name}, "annotations": dict(annotations or {})}
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        self.control_plane.kubectl("create", "-f", "-", input=as_yaml(manifest))
        return Place(self.control_plane, name)

    def calls(self) -> int:
        """How often the API server called it, by the API server's own count."""
        return sum(self._calls().values())

    def _calls(self) -> Counter[str]:
        text = self.control_plane.kubectl("get", "--raw", "/metrics").stdout
        counted: Counter[str] = Counter()
        for labels, number in re.findall(r"^apiserver_admission_webhook_request_total\{(.*)\} (\S+)$", text, re.M):
            for stage, name in self.webhooks.items():
                if f'name="{name}"' in labels:
                    counted[stage] += int(float(number))
        return counted

    def configure(self, **settings: Any) -> None:
        """Change the configuration file of the running server."""
        self.configuration.replace({"config.yaml": json.dumps({**self.settings, **settings})})

    def new_certificate(self) -> int:
        """Swap certificate and key on disk; answers the new serial number."""
        files, serial = issue(self.authority, self.service.dns_name)
        self.certificate.replace(files)
        return serial

    def connect(self) -> http.client.HTTPSConnection:
        """A connection to the first replica, made now, that checks its certificate as the API server does."""
        context = ssl.create_default_context(cadata=self.authority.cert_pem.bytes().decode())
        connection = http.client.HTTPSConnection(self.service.dns_name, timeout=5)
        plain = socket.create_connection(self.server.listen, timeout=5)
        connection.sock = context.wrap_socket(plain, server_hostname=self.service.dns_name)
        return connection

    def register(self, stages: Sequence[str]) -> None:
        """Register the real manifests, and wait until the API server goes by them."""
        self.control_plane.kubectl("create", "-f", "-", input=as_yaml(self._manifests(stages)))
        probe = self.new_namespace()
        empty = secret({}, name="git-default-probe")

        def called() -> bool:
            probe.create(empty, "--dry-run=server")
            return self._calls().keys() >= set(stages)

        wait_until(called, 30, message="the API server to call the webhook")

    def never_reinvoke(self) -> None:
        """Have the mutating webhook called once for a write, whatever others change after it. This counts before any
        webhook that is registered later does."""
        change = [{"op": "replace", "path": "/webhooks/0/reinvocationPolicy", "value": "Never"}]
        arguments = ("patch", "mutatingwebhookconfiguration", self.name, "--type=json", "-p", json.dumps(change))
        self.control_plane.kubectl(*arguments)

    def unregister(self) -> None:
        """Take the configurations away again."""
        self.control_plane.delete(self._manifests(("mutate", "validate")))

    def _manifests(self, stages: Sequence[str]) -> list[dict[str, Any]]:
        documents = list(yaml.safe_load_all((MANIFESTS / "webhooks.yaml").read_text()))
        return [changed for one in documents if (changed := self._own(one))["stage"] in stages and changed.pop("stage")]

    def _own(self, document: dict[str, Any]) -> dict[str, Any]:
        own = deepcopy(document)
        own["metadata"]["name"] = self.name
        (hook,) = own["webhooks"]
        own["stage"] = hook["name"].partition(".")[0]
        hook["name"] = self.webhooks[own["stage"]]
        hook["namespaceSelector"]["matchLabels"] = {LABEL_OF_NAMESPACES: self.name}
        hook["clientConfig"]["caBundle"] = base64.b64encode(self.authority.cert_pem.bytes()).decode()
        hook["clientConfig"]["service"] |= {"name": self.service.name, "port": self.service.port}
        return own


def issue(authority: trustme.CA, dns_name: str) -> tuple[dict[str, str], int]:
    """A new certificate with its key, as files, and its serial number."""
    made = authority.issue_cert(dns_name)
    certificate = made.cert_chain_pems[0].bytes().decode()
    serial = load_pem_x509_certificate(certificate.encode()).serial_number
    return {"tls.crt": certificate, "tls.key": made.private_key_pem.bytes().decode()}, serial


def serial_of(connection: http.client.HTTPSConnection) -> int:
    """The serial number of the certificate at the other end."""
    socket_ = connection.sock
    assert isinstance(socket_, ssl.SSLSocket)
    certificate = socket_.getpeercert()
    assert certificate is not None
    return int(str(certificate["serialNumber"]), 16)


class Installer:
    """Installs the webhook as often as tests want it, each time with settings of its own."""

    def __init__(self, control_plane: ControlPlane, simulation: Simulation, folder: Path) -> None:
        self._control_plane = control_plane
        self._simulation = simulation
        self._folder = folder
        self._authority = trustme.CA()
        self._port = _service_port()
        for name in ("namespace.yaml", "rbac.yaml"):
            control_plane.apply((MANIFESTS / name).read_text())
        self._kubeconfig = self._own_kubeconfig()

    @contextmanager
    def installed(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        replicas: int = 0,
        stages: Sequence[str] = ("mutate", "validate"),
        shutdown_delay: str = "0s",
    ) -> Iterator[Installation]:
        """The webhook, running and registered.

        Args:
            settings: what its configuration file says besides where the providers are.
            replicas: that many behind a relay; 0 is one that listens on the Service's address itself.
        """
        name = name or f"git-token-webhook-{secrets.token_hex(3)}"
        folder = self._folder / name
        folder.mkdir()
        service = self._control_plane.create_service(OWN_NAMESPACE, name, self._port)
        whole = {"providers": self._simulation.settings(), **(settings or {})}
        files, _ = issue(self._authority, service.dns_name)
        configuration = MountedFolder(folder / "configuration", {"config.yaml": json.dumps(whole)})
        certificate = MountedFolder(folder / "tls", files)
        installation = Installation(
            name, self._control_plane, service, self._authority, configuration, certificate, whole
        )
        own = (service.ip, service.port)
        listens = [("127.0.0.1", free_port()) for _ in range(replicas)] or [own]
        file = configuration.path / "config.yaml"
        with ExitStack() as stack:
            for listen in listens:
                server = Server(folder, listen, file, certificate.path, self._kubeconfig, shutdown_delay)
                stack.callback(server.stop)
                installation.servers.append(server)
            for server in installation.servers:
                server.wait_until_ready()
            if replicas:
                installation.relay = stack.enter_context(Relay(service, installation.servers))
            stack.callback(installation.unregister)
            installation.register(stages)
            yield installation

    def _own_kubeconfig(self) -> Path:
        """That of our ServiceAccount, with what manifests/base/rbac.yaml gives it and nothing else."""
        create = ("create", "token", ACCOUNT, "-n", OWN_NAMESPACE, "--duration=24h")
        token = self._control_plane.kubectl(*create).stdout.strip()
        document = json.loads(self._control_plane.kubeconfig().read_text())
        document["users"][0]["user"] = {"token": token}
        path = self._folder / "kubeconfig"
        path.write_text(json.dumps(document))
        asked = ("auth", "can-i", "get", "namespaces", f"--as=system:serviceaccount:{OWN_NAMESPACE}:{ACCOUNT}")
        wait_until(
            lambda: self._control_plane.kubectl(*asked, check=False).returncode == 0,
            message="the ServiceAccount's role to count",
        )
        return path


def _service_port() -> int:
    """443, as in the manifests, where this user may listen on it."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.96.0.1", 443))
        except PermissionError:
            return 9443
        except OSError:
            return 443
    return 443


# --- Fixtures ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """The simulated providers, of which most tests need github.com."""
    with Simulation(tmp_path_factory.mktemp("providers")) as simulation:
        yield simulation


@pytest.fixture(scope="session")
def installer(control_plane: ControlPlane, github: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Installer:
    """Installs the webhook with settings of the test's own."""
    return Installer(control_plane, github, tmp_path_factory.mktemp("webhook"))


@pytest.fixture(scope="session")
def webhook(installer: Installer) -> Iterator[Installation]:
    """The webhook with its default settings, under the names of the manifests."""
    with installer.installed(name="git-token-webhook") as installation:
        yield installation


@pytest.fixture(scope="session")
def forgetful(installer: Installer) -> Iterator[Installation]:
    """One that remembers no answer, so that whatever it doesn't ask about it really didn't want to know."""
    with installer.installed({"limits": {"cacheTtl": "0s", "providerTimeout": "1s"}}) as installation:
        yield installation


@pytest.fixture
def place(webhook: Installation) -> Place:
    """A new namespace that the webhook with default settings watches."""
    return webhook.new_namespace()
