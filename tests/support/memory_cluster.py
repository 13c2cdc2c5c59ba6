"""A cluster in memory for tests of commands: an API server in a thread, and the commands that use it."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Coroutine, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import typer.testing

from webhook.cli.main import app
from webhook.errors import ConfigurationError
from webhook.simulator.cluster import ADMIN, ApiServer, Document, User
from webhook.simulator.cluster.store import Collection

_T = TypeVar("_T")
_RUNNER = typer.testing.CliRunner()
ARGOCD = {"argocd.argoproj.io/secret-type": "repo-creds"}


class MemoryCluster:
    """An API server in a thread. Use as a context manager."""

    def __init__(self, folder: Path, users: Iterable[User] = ()) -> None:
        """
        Args:
            folder: where kubeconfigs and the configuration are written.
            users: users besides the administrator.
        """
        self.folder = folder
        self.server = ApiServer(users=(ADMIN, *users))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="api-server", daemon=True)

    def __enter__(self) -> MemoryCluster:
        self._thread.start()
        self.call(self.server.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.call(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the server's thread, and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def kubeconfig(self, user: str = "admin") -> Path:
        """Return a kubeconfig of a user."""
        file = self.folder / f"{user}.kubeconfig"
        file.write_text(json.dumps(self.server.kubeconfig(user)))
        return file

    def configure(self, **settings: Any) -> Path:
        """Write the configuration file of the commands."""
        file = self.folder / "config.yaml"
        file.write_text(json.dumps(settings))
        return file

    def run(self, *arguments: str, user: str = "admin", input: str | bytes = "") -> typer.testing.Result:
        """Run a command with the configuration, as a user of the cluster.

        The exit code of a `ConfigurationError` is 2, as in `webhook.cli.main.main`; its text is the exception.
        """
        flags = ["--kubeconfig", str(self.kubeconfig(user))]
        file = self.folder / "config.yaml"
        if file.exists() and arguments[0] != "unseal":
            flags += ["--config", str(file)]
        result = _RUNNER.invoke(app, [*arguments, *flags], input=input)
        if isinstance(result.exception, ConfigurationError):
            result.exit_code = 2
        elif result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def secret(
        self,
        name: str,
        data: Mapping[str, str],
        *,
        namespace: str = "team",
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> Document:
        """Create or replace a Secret with these texts."""
        metadata = {
            "name": name,
            "namespace": namespace,
            "labels": dict(labels or {}),
            "annotations": dict(annotations or {}),
        }
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        document: Document = {"kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded}
        return self.call(self.server.put("secrets", document))

    def runtime_secret(self, name: str, token: str, **options: Any) -> Document:
        """Create or replace a Secret with a runtime's token for github.com."""
        data = {"url": "https://github.com", "username": "git", "password": token}
        return self.secret(name, data, labels=ARGOCD, **options)

    def data(self, name: str, namespace: str = "team") -> dict[str, str]:
        """Return the texts of a Secret."""
        found = self.find("secrets", name, namespace)
        assert found is not None, f"there is no Secret {namespace}/{name}"
        return {key: base64.b64decode(value).decode() for key, value in (found["data"] or {}).items()}

    def find(self, plural: str, name: str, namespace: str = "team", *, api: str = "api/v1") -> Document | None:
        """Return an object; None if it does not exist."""
        return self.server.store.find(Collection(api, plural), namespace, name)

    def items(self, plural: str, namespace: str | None = "team", *, api: str = "api/v1") -> list[Document]:
        """Return the objects of a namespace, or of all."""
        return self.server.store.items(Collection(api, plural), namespace)
