"""Writing Secrets as people and programs do, one or many, and what comes of it: on whatever cluster a test runs."""

import base64
import json
import secrets
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from kubernetes.client import ApiClient, ApiException, Configuration, CoreV1Api, V1ObjectMeta, V1Secret

from tests.api_server.control_plane import ADMIN, Manifest, as_yaml, wait_until

PREFIX = "git-token-webhook/"

Completed = subprocess.CompletedProcess[str]


def runtime_secret(token: str, name: str = "runtime-repo-creds-secret", **more: str) -> dict[str, Any]:
    """What the platform's installation writes: credentials of Argo CD for everything on github.com."""
    data = {"url": "https://github.com", "type": "git", "username": "octocat", "password": token, **more}
    labels = {"argocd.argoproj.io/secret-type": "repo-creds"}
    return secret(data, name=name, labels=labels)


def user_secret(token: str, name: str = "git-default-octocat", **more: str) -> dict[str, Any]:
    """One person's token."""
    return secret({"token": token, **more}, name=name)


def secret(data: Mapping[str, str], **metadata: Any) -> dict[str, Any]:
    """A Secret with this text in it."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(data)}


def annotated(manifest: dict[str, Any], **annotations: str) -> dict[str, Any]:
    """The same with annotations under our prefix; `_` in their names stands for `-`."""
    marks = {PREFIX + name.replace("_", "-"): value for name, value in annotations.items()}
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": marks}}


def accepted(result: Completed) -> str:
    """Asserts that kubectl succeeded, and returns its stderr: the warnings."""
    assert result.returncode == 0, f"{result.stdout}{result.stderr}"
    return result.stderr


def refused(result: Completed) -> str:
    """Asserts that kubectl failed, and returns its stderr: the reason."""
    assert result.returncode != 0, f"was not refused: {result.stdout}{result.stderr}"
    return result.stderr


class Place(ABC):
    """A namespace that an installation watches."""

    namespace: str

    @abstractmethod
    def kubectl(self, *arguments: str, user: str = ADMIN, input: str | None = None) -> Completed:
        """kubectl in this namespace, whatever comes of it."""

    @abstractmethod
    def client_configuration(self) -> Configuration:
        """For the Python client, as somebody who may write there."""

    def create(self, manifest: Manifest, *flags: str, user: str = ADMIN) -> Completed:
        """`kubectl create -f -`."""
        return self.kubectl("create", "-f", "-", *flags, user=user, input=as_yaml(manifest))

    def apply(self, manifest: Manifest, *flags: str) -> Completed:
        """`kubectl apply -f -`."""
        return self.kubectl("apply", "-f", "-", *flags, input=as_yaml(manifest))

    def patch(self, name: str, change: Mapping[str, Any]) -> Completed:
        """`kubectl patch secret`, as a merge patch."""
        return self.kubectl("patch", "secret", name, "--type=merge", "--patch", json.dumps(change))

    def stored(self, name: str) -> dict[str, Any]:
        """The Secret as it is stored."""
        found: dict[str, Any] = json.loads(self._get(name).stdout)
        return found

    def value(self, name: str, key: str) -> str:
        """One value of a stored Secret."""
        return base64.b64decode(self.stored(name)["data"][key]).decode()

    def exists(self, name: str) -> bool:
        """Whether there is such a Secret."""
        return self._get(name).returncode == 0

    def marks(self, name: str) -> dict[str, str]:
        """Our labels and annotations of a stored Secret, without their prefix."""
        metadata = self.stored(name)["metadata"]
        both = {**metadata.get("labels", {}), **metadata.get("annotations", {})}
        return {key.removeprefix(PREFIX): value for key, value in both.items() if key.startswith(PREFIX)}

    def _get(self, name: str) -> Completed:
        return self.kubectl("get", "secret", name, "-o", "json")


class Stream:
    """Writers that create credential Secrets one after the other, each on its own, until the `with` statement ends.

    `pause` is what each waits after a write, in seconds.
    """

    def __init__(self, place: Place, token: str, writers: int = 12, pause: float = 0.0) -> None:
        self._place = place
        self._token = token
        self._pause = pause
        self.written = 0
        self.failures: list[str] = []
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._write, daemon=True) for _ in range(writers)]

    def __enter__(self) -> "Stream":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int) -> None:
        """Returns once so many more writes were answered."""
        wanted = self.written + len(self.failures) + more
        wait_until(lambda: self.written + len(self.failures) >= wanted, 60, message=f"{more} more writes")

    def _write(self) -> None:
        with ApiClient(self._place.client_configuration()) as client:
            core = CoreV1Api(client)
            while not self._ended.is_set():
                metadata = V1ObjectMeta(name=f"git-default-{secrets.token_hex(6)}")
                manifest = V1Secret(metadata=metadata, string_data={"token": self._token})
                try:
                    stored = core.create_namespaced_secret(self._place.namespace, manifest)
                    # A mutating call that failed lets the write pass, without marks.
                    labels = (stored.metadata.labels if stored.metadata else None) or {}
                    marked = labels.get(f"{PREFIX}validation") == "passed"
                    problem = None if marked else "stored without marks: the mutating call failed"
                except ApiException as error:
                    problem = str(error.body)
                except Exception as error:  # urllib3's own: anything at all is a write that failed
                    problem = repr(error)
                with self._lock:
                    if problem is None:
                        self.written += 1
                    else:
                        self.failures.append(f"{time.strftime('%T')} {problem}")
                self._ended.wait(self._pause)
