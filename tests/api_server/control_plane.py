"""A Kubernetes control plane for tests: etcd and kube-apiserver as plain processes, all on loopback.

    with ControlPlane(find_or_build(), users={"alice": ["developers"]}) as cluster:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "here"}})
        cluster.kubectl("create", "secret", "generic", "one", "-n", "here", "--from-literal=token=x")

There are no nodes and no controllers: nothing runs pods, makes ServiceAccounts, collects garbage, or finishes deleting
a namespace. A Service is nevertheless reachable for the API server (and so usable in a webhook configuration) if
somebody listens on its clusterIP, since all of those are loopback addresses; see `ControlPlane.create_service`.
"""

import base64
import csv
import errno
import http.client
import json
import os
import secrets
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.ports import free_port, is_free

ADMIN = "admin"
"""The user who may do everything (`system:masters`)."""

SERVICE_NETWORK = "127.96.0.0/16"

START_TIMEOUT_SECONDS = 120.0
"""About 10 on an idle machine. The rest is for machines that run other things beside the tests."""

STOP_TIMEOUT_SECONDS = 10.0
"""From SIGTERM to SIGKILL. Nothing of what the processes would still write is needed."""

KUBECTL_TIMEOUT_SECONDS = 60.0

Manifest = Mapping[str, Any]

T = TypeVar("T")

_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Request", "resources": [{"group": "", "resources": ["secrets"]}]}, {"level": "Metadata"}],
}

# The kernel ends the child together with us, even when we are killed and can't clean up. Done in a Python of its own
# that becomes the child, because preexec_fn is unsafe (and a warning since Python 3.12) where there are threads. Linux
# only; elsewhere the child simply starts.
_DIES_WITH_PARENT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the tests ended before this started")
os.execv(sys.argv[2], sys.argv[2:])
"""


class ControlPlaneFailed(Exception):
    """etcd or kube-apiserver did not start. The message ends with the tail of its log."""


class KubectlFailed(subprocess.CalledProcessError):
    """kubectl ended with an exit code other than 0. Unlike its parent, the text shows what kubectl printed."""

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self.stdout}{self.stderr}".rstrip()


@dataclass(frozen=True)
class ServiceAddress:
    """A Service, and where to listen so that the API server reaches the listener through it."""

    namespace: str
    name: str
    ip: str
    port: int

    @property
    def dns_name(self) -> str:
        """What the API server expects among the names of the listener's certificate."""
        return f"{self.name}.{self.namespace}.svc"


def wait_until(
    predicate: Callable[[], T], timeout: float = 10.0, *, interval: float = 0.1, message: str = "the condition"
) -> T:
    """Calls `predicate` every `interval` seconds until its answer is truthy, and returns that answer.

    After `timeout` seconds raises TimeoutError with `message` and the last answer. What `predicate` raises passes.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {timeout:g} s for {message}; the last answer was {answer!r}")
        time.sleep(interval)


class ControlPlane:
    """A running etcd and kube-apiserver; use it in a `with` statement.

    `binaries` is the folder of `find_or_build`. `users` are known by token besides `admin`, each with its groups; they
    may do nothing until a role is bound to them. `flags` are kube-apiserver's, besides ours. Entering raises
    `ControlPlaneFailed`.
    """

    def __init__(
        self, binaries: Path, *, users: Mapping[str, Sequence[str]] | None = None, flags: Sequence[str] = ()
    ) -> None:
        if users and ADMIN in users:
            raise ValueError(f"{ADMIN!r} exists already, with the group system:masters")
        self.binaries = binaries
        self._groups: dict[str, Sequence[str]] = {ADMIN: ["system:masters"], **(users or {})}
        self._tokens = {user: secrets.token_urlsafe(24) for user in self._groups}
        self._flags = flags
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = tempfile.TemporaryDirectory(prefix="git-token-webhook-cluster-", ignore_cleanup_errors=True)
            self._folder = Path(stack.enter_context(temporary))
            self._write_files()
            self._start_etcd(stack)
            self._start_api_server(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Also after Ctrl-C: the processes don't get it (they have a session of their own) and end in their order here.
        self._stack.close()

    @property
    def server_url(self) -> str:
        """Such as `https://127.0.0.1:23456`."""
        return f"https://127.0.0.1:{self._api_port}"

    @property
    def ca_pem(self) -> bytes:
        """The certificate that signed the API server's own."""
        return self._ca.cert_pem.bytes()

    @property
    def audit_log(self) -> Path:
        """One JSON event a line: level Request for Secrets (so with what users sent), Metadata for the rest."""
        return self._folder / "audit.log"

    @property
    def logs(self) -> Path:
        """The folder of `etcd.log` and `kube-apiserver.log`. Gone when the control plane stops."""
        return self._folder / "logs"

    @property
    def etcd_data(self) -> Path:
        """etcd's data directory."""
        return self._folder / "etcd"

    @property
    def pids(self) -> list[int]:
        """The process ids of etcd and kube-apiserver."""
        return [self._etcd.pid, self._api_server.pid]

    def token(self, user: str = ADMIN) -> str:
        """The bearer token of a user. Raises KeyError for one that is not among `users`."""
        return self._tokens[user]

    def kubeconfig(self, user: str = ADMIN) -> Path:
        """A kubeconfig file that needs no other file. Raises KeyError for a user that is not among `users`."""
        if user not in self._tokens:
            raise KeyError(f"no user {user!r}: ControlPlane(users=…) has {', '.join(self._tokens)}")
        return self._folder / f"{user}.kubeconfig"

    def kubectl(
        self,
        *args: str,
        user: str = ADMIN,
        input: str | None = None,
        check: bool = True,
        timeout: float = KUBECTL_TIMEOUT_SECONDS,
    ) -> "subprocess.CompletedProcess[str]":
        """Runs kubectl with `input` as its stdin. stdout and stderr come apart, as text.

        Raises `KubectlFailed` on an exit code other than 0 unless `check` is False; TimeoutExpired after `timeout`
        seconds.
        Somebody else than the known users: as admin with `--as=NAME --as-group=GROUP`.
        """
        command = [str(self.binaries / "kubectl"), f"--kubeconfig={self.kubeconfig(user)}", *args]
        # An empty stdin where there is no input: kubectl must never wait for somebody at the terminal.
        result = subprocess.run(
            command,
            env=self._environment,
            input=input or "",
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=timeout,
        )
        if check and result.returncode != 0:
            raise KubectlFailed(result.returncode, command, result.stdout, result.stderr)
        return result

    def apply(
        self, manifests: str | Manifest | Iterable[Manifest], *, user: str = ADMIN
    ) -> "subprocess.CompletedProcess[str]":
        """`kubectl apply`, of YAML text (also of several documents) or of objects. Raises `KubectlFailed`."""
        return self.kubectl("apply", "-f", "-", user=user, input=as_yaml(manifests))

    def delete(
        self, manifests: str | Manifest | Iterable[Manifest], *, user: str = ADMIN
    ) -> "subprocess.CompletedProcess[str]":
        """Deletes what `apply` made, without waiting for the end of it; what is gone already is no error."""
        arguments = ("delete", "--ignore-not-found", "--wait=false", "-f", "-")
        return self.kubectl(*arguments, user=user, input=as_yaml(manifests))

    def create_service(self, namespace: str, name: str, port: int = 9443) -> ServiceAddress:
        """Makes a Service with an address of its own, on which a server of the test can listen (Linux only).

        Listen on exactly `ip` and `port` of the answer (the API server dials the Service's own port, there are no nodes
        to translate it), with a certificate for its `dns_name`. Raises PermissionError where this user may not listen
        on `port`, as others than root on 443, and OSError where somebody listens on it on all addresses.
        """
        for _ in range(10):
            ip = f"127.96.{1 + secrets.randbelow(255)}.{1 + secrets.randbelow(254)}"
            # Another run on this machine has another API server but the same loopback addresses: ask the kernel, too.
            if is_free(ip, port):
                break
        else:
            raise OSError(
                errno.EADDRINUSE, f"port {port} is taken on every address of {SERVICE_NETWORK} that was tried"
            )
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"clusterIP": ip, "ports": [{"port": port}]},
        }
        # Not applied: a later `apply` of a manifest for the same Service would take over and drop the clusterIP.
        self.kubectl("create", "-f", "-", input=as_yaml(service))
        return ServiceAddress(namespace, name, ip, port)

    def audit_events(self, **object_ref: str) -> list[dict[str, Any]]:
        """Events of the audit log so far, about the object that is meant, such as `namespace="x", resource="secrets"`.

        The event of a request may come shortly after its answer: `wait_until`.
        """
        if not self.audit_log.exists():
            return []
        # The last line may be half written. Lines end in \n alone: what else str.splitlines takes for an end (U+0085,
        # U+2028) may stand in what users sent.
        *complete, _ = self.audit_log.read_text(encoding="utf-8").split("\n")
        events = (json.loads(line) for line in complete)
        return [event for event in events if object_ref.items() <= event.get("objectRef", {}).items()]

    def etcd_values(self, prefix: str = "/registry/") -> dict[str, bytes]:
        """What etcd holds now under each key; a Secret is at `/registry/secrets/NAMESPACE/NAME`.

        A value is the object as protobuf, in which the data of a Secret are plain bytes, not base64.
        """
        first = prefix.encode()
        after = first[:-1] + bytes([first[-1] + 1])
        query = {"key": base64.b64encode(first).decode(), "range_end": base64.b64encode(after).decode()}
        status, body = _http(self._etcd_url, "POST", "/v3/kv/range", body=json.dumps(query).encode())
        if status != http.client.OK:
            raise RuntimeError(f"etcd answered {status}: {body.decode(errors='replace')}")
        found: list[dict[str, str]] = json.loads(body).get("kvs", [])
        return {base64.b64decode(item["key"]).decode(): base64.b64decode(item["value"]) for item in found}

    def store_in_etcd(self, objects: Mapping[str, Manifest]) -> None:
        """Writes objects under their keys behind the API server's back: twenty thousand in seconds. Each must be as the
        API server would store it, with uid and creationTimestamp; it reads JSON as well as protobuf.
        """
        puts = [
            {"requestPut": {"key": _base64(key.encode()), "value": _base64(json.dumps(value).encode())}}
            for key, value in objects.items()
        ]
        for first in range(0, len(puts), 128):  # etcd's own limit for one transaction
            body = json.dumps({"success": puts[first : first + 128]}).encode()
            status, answer = _http(self._etcd_url, "POST", "/v3/kv/txn", body=body)
            if status != http.client.OK:
                raise RuntimeError(f"etcd answered {status}: {answer.decode(errors='replace')}")

    def etcd_contains(self, needle: bytes) -> bool:
        """Whether the bytes were ever stored: looks for them in all files of etcd, so in old revisions, too."""
        return any(needle in file.read_bytes() for file in self.etcd_data.rglob("*") if file.is_file())

    def restart_api_server(self) -> None:
        """Ends kube-apiserver, and starts it anew on what etcd has. It then remembers no change from before."""
        _stop(self._api_server)
        self._start_api_server(self._stack)

    @contextmanager
    def controller_manager(self) -> Iterator[None]:
        """kube-controller-manager with what deletes namespaces and collects garbage, for as long as the `with` lasts.

        Raises FileNotFoundError if the binaries have none.
        """
        name = "kube-controller-manager"
        if not (self.binaries / name).is_file():
            raise FileNotFoundError(f"{self.binaries} has no {name}")
        port = free_port()
        arguments = (
            f"--kubeconfig={self.kubeconfig()}",
            f"--service-account-private-key-file={self._folder / 'service-account.key'}",
            f"--root-ca-file={self._folder / 'ca.crt'}",
            "--controllers=namespace-controller,garbage-collector-controller",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={self._folder / 'serving.crt'}",
            f"--tls-private-key-file={self._folder / 'serving.key'}",
        )
        with self._running(name, *arguments) as process:
            self._wait_for(name, process, lambda: _answers_ok(f"https://127.0.0.1:{port}", "/healthz", self._tls))
            yield

    @property
    def _environment(self) -> dict[str, str]:
        # Only what the binaries need. Settings of the developer (a proxy, ETCD_…, KUBECONFIG, ~/.kube) must not change
        # what is tested; and an API server with HTTPS_PROXY would look for our webhooks behind that proxy.
        return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self._folder / "home")}

    def _write_files(self) -> None:
        for name in ("home", "logs", "etcd"):
            # etcd insists on 0700 for its own.
            (self._folder / name).mkdir(mode=0o700)
        self._api_port = free_port()
        self._ca = trustme.CA()
        serving = self._ca.issue_cert("127.0.0.1", "localhost")
        serving.cert_chain_pems[0].write_to_path(self._folder / "serving.crt")
        serving.private_key_pem.write_to_path(self._folder / "serving.key")
        self._ca.cert_pem.write_to_path(self._folder / "ca.crt")
        self._tls = ssl.create_default_context(cadata=self.ca_pem.decode())

        account_key = ec.generate_private_key(ec.SECP256R1())
        # Not PKCS8, of which kube-apiserver reads the private half of an EC key but not the public one.
        account_pem = account_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        (self._folder / "service-account.key").write_bytes(account_pem)

        (self._folder / "audit-policy.json").write_text(json.dumps(_AUDIT_POLICY))
        with (self._folder / "tokens.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerows([self._tokens[user], user, user, ",".join(groups)] for user, groups in self._groups.items())
        for user in self._groups:
            self.kubeconfig(user).write_text(json.dumps(self._kubeconfig_of(user)))

    def _kubeconfig_of(self, user: str) -> dict[str, Any]:
        authority = base64.b64encode(self.ca_pem).decode()
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "test", "cluster": {"server": self.server_url, "certificate-authority-data": authority}}
            ],
            "users": [{"name": user, "user": {"token": self._tokens[user]}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }

    def _start_etcd(self, stack: ExitStack) -> None:
        self._etcd_url = f"http://127.0.0.1:{free_port()}"
        self._etcd = stack.enter_context(
            self._running(
                "etcd",
                f"--data-dir={self.etcd_data}",
                f"--listen-client-urls={self._etcd_url}",
                f"--advertise-client-urls={self._etcd_url}",
                f"--listen-peer-urls=http://127.0.0.1:{free_port()}",
                "--unsafe-no-fsync",  # a crash of the machine ends the test anyway
                "--log-level=error",
            )
        )
        self._wait_for("etcd", self._etcd, lambda: _answers_ok(self._etcd_url, "/health"))

    def _start_api_server(self, stack: ExitStack) -> None:
        self._api_server = stack.enter_context(
            self._running(
                "kube-apiserver",
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                f"--secure-port={self._api_port}",
                "--endpoint-reconciler-type=none",
                f"--etcd-servers={self._etcd_url}",
                f"--tls-cert-file={self._folder / 'serving.crt'}",
                f"--tls-private-key-file={self._folder / 'serving.key'}",
                f"--client-ca-file={self._folder / 'ca.crt'}",
                f"--token-auth-file={self._folder / 'tokens.csv'}",
                "--authorization-mode=Node,RBAC",
                f"--service-cluster-ip-range={SERVICE_NETWORK}",
                f"--service-account-issuer={self.server_url}",
                f"--service-account-signing-key-file={self._folder / 'service-account.key'}",
                f"--service-account-key-file={self._folder / 'service-account.key'}",
                "--allow-privileged",
                f"--audit-policy-file={self._folder / 'audit-policy.json'}",
                f"--audit-log-path={self.audit_log}",
                *self._flags,
            )
        )
        # The namespace `default` may come a moment after readiness; kubectl without -n would fail until then.
        self._wait_for("kube-apiserver", self._api_server, lambda: self._api_answers_ok("/readyz"))
        self._wait_for("kube-apiserver", self._api_server, lambda: self._api_answers_ok("/api/v1/namespaces/default"))

    def _api_answers_ok(self, path: str) -> bool:
        return _answers_ok(self.server_url, path, self._tls, {"Authorization": f"Bearer {self.token()}"})

    @contextmanager
    def _running(self, name: str, *arguments: str) -> "Iterator[subprocess.Popen[bytes]]":
        command = [sys.executable, "-IS", "-c", _DIES_WITH_PARENT, str(os.getpid()), str(self.binaries / name)]
        with (self.logs / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, *arguments],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in a terminal goes to its whole process group: it is for us alone, who then end these in order.
                start_new_session=True,
            )
        try:
            yield process
        finally:
            _stop(process)

    def _wait_for(self, name: str, process: "subprocess.Popen[bytes]", is_ready: Callable[[], bool]) -> None:
        def ready_or_dead() -> bool:
            return process.poll() is not None or is_ready()

        try:
            wait_until(ready_or_dead, START_TIMEOUT_SECONDS)
        except TimeoutError:
            raise ControlPlaneFailed(
                f"{name} is not ready after {START_TIMEOUT_SECONDS:g} s.\n{self.log_tail(name)}"
            ) from None
        if process.returncode is not None:
            raise ControlPlaneFailed(f"{name} ended with {process.returncode}.\n{self.log_tail(name)}")

    def log_tail(self, name: str = "kube-apiserver", lines: int = 30) -> str:
        """The last lines that `etcd` or `kube-apiserver` logged."""
        text = (self.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def as_yaml(manifests: str | Manifest | Iterable[Manifest]) -> str:
    """Objects as text for `kubectl -f -`; text stays as it is."""
    if isinstance(manifests, str):
        return manifests
    documents = [manifests] if isinstance(manifests, Mapping) else list(manifests)
    # JSON is YAML, and has no surprises in the quoting of strings.
    return "\n---\n".join(json.dumps(document) for document in documents)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()  # does nothing where it has ended and been waited for
    try:
        process.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        # Whatever interrupts the wait (a second Ctrl-C): nothing that was started stays.
        process.kill()
        process.wait()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _answers_ok(
    url: str, path: str, tls: ssl.SSLContext | None = None, headers: Mapping[str, str] | None = None
) -> bool:
    try:
        return _http(url, "GET", path, tls=tls, headers=headers)[0] == http.client.OK
    except (OSError, http.client.HTTPException):
        return False


def _http(
    url: str,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    tls: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection: http.client.HTTPConnection
    if tls is None:
        connection = http.client.HTTPConnection(host, port, timeout=5)
    else:
        connection = http.client.HTTPSConnection(host, port, timeout=5, context=tls)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
