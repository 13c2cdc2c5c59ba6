"""Where end-to-end tests can run, and how the image gets there."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tests.api_server import binaries
from tests.support.go_programs import CACHE

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).resolve().parent / "node"
DOCKERFILE = "Dockerfile"


class PlaceUnavailable(Exception):
    """There is no cluster of this kind on this machine. The message says what it takes."""


class Place(Protocol):
    """A cluster.

    Attributes:
        prefix: what every command that talks to the cluster is put behind.
    """

    prefix: Sequence[str]

    def check(self) -> None:
        """Raises `PlaceUnavailable` where it can't be here, before anything is built for it."""

    def up(self) -> None:
        """Start it, from whatever state it is in. Raises `PlaceUnavailable`."""

    def environment(self) -> dict[str, str]:
        """What the tests need to find it."""

    def build_image(self, name: str, target: str) -> str:
        """Build the image from this checkout and put it on the cluster. Answers how its kubelets may call it (one or
        more IDs, apart by blanks), empty where that is unknown."""

    def down(self) -> None:
        """Remove it."""


class Node:
    """The single node of `node/`, in the checkout's cache unless NODE_ROOT names another folder, or the cache's path is
    none where a node can be: too long for its sockets, or below a folder that it hides from its daemons."""

    prefix: Sequence[str] = (str(SCRIPTS / "run"),)

    def __init__(self) -> None:
        folder = CACHE / "node"
        if len(str(folder)) <= 80 and not any(map(folder.is_relative_to, ("/run", "/var/run", "/var/lib", "/var/log"))):
            os.environ.setdefault("NODE_ROOT", str(folder))
        # One version for all tests, and what the others have built already need not be built again.
        os.environ["KUBE_VERSION"] = binaries.pinned_version().removeprefix("v")

    def check(self) -> None:
        if sys.platform != "linux" or os.geteuid() != 0:
            raise PlaceUnavailable(
                "./dev e2e --node makes network, mount and PID namespaces and runs a kubelet in them, for which it "
                "needs Linux and root. Elsewhere ./dev e2e --kind does it with Docker."
            )

    def up(self) -> None:
        assets = {"KUBEBUILDER_ASSETS": str(binaries.find_or_build())}
        _say("Starting the node (the first time it builds kubelet, containerd and CoreDNS, for about 6 minutes) …")
        _run(str(SCRIPTS / "up"), env=assets)

    def environment(self) -> dict[str, str]:
        return {}  # `run` sets KUBECONFIG

    def build_image(self, name: str, target: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            id_file = Path(folder, "id")
            # In Docker's format, of which the archive that the node imports keeps the ID.
            _run(
                str(SCRIPTS / "build-image"),
                name,
                str(ROOT),
                "--format=docker",
                f"--target={target}",
                f"--iidfile={id_file}",
            )
            return id_file.read_text().strip()

    def down(self) -> None:
        _run(str(SCRIPTS / "down"), "--purge")


class Kind:
    """A cluster of kind, from `manifests/kind.yaml`."""

    prefix: Sequence[str] = ()
    kubeconfig = CACHE / "kind" / "kubeconfig"
    name = "git-token-webhook"

    def check(self) -> None:
        lacking = [tool for tool in ("docker", "kind") if shutil.which(tool) is None]
        if lacking:
            raise PlaceUnavailable(
                f"./dev e2e --kind needs {' and '.join(lacking)}, which can't be found here. "
                "As root on Linux, ./dev e2e --node needs neither."
            )

    def up(self) -> None:
        if self.name not in _output("kind", "get", "clusters").split():
            _run("kind", "create", "cluster", "--name", self.name, "--config", str(ROOT / "manifests" / "kind.yaml"))
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        self.kubeconfig.write_text(_output("kind", "get", "kubeconfig", "--name", self.name))

    def environment(self) -> dict[str, str]:
        return {"KUBECONFIG": str(self.kubeconfig)}

    def build_image(self, name: str, target: str) -> str:
        _run("docker", "build", "--tag", name, "--target", target, "--file", str(ROOT / DOCKERFILE), str(ROOT))
        _run("kind", "load", "docker-image", name, "--name", self.name)
        # Not `docker image inspect`, whose ID depends on how Docker stores images.
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder, "image.tar")
            _run("docker", "save", "--output", str(archive), name)
            built = _id_in(archive)
        node = _output("kind", "get", "nodes", "--name", self.name).split()[0]
        loaded = json.loads(_output("docker", "exec", node, "crictl", "inspecti", "--output", "json", name))["status"]
        if loaded["id"] != built:
            raise PlaceUnavailable(f"kind has {loaded['id']} as {name}, and not {built}, which was just built")
        # By a digest of another kind, where containerd made one when it took the image in.
        return " ".join([built, *(digest.rpartition("@")[2] for digest in loaded.get("repoDigests") or ())])

    def down(self) -> None:
        _run("kind", "delete", "cluster", "--name", self.name)


class Given:
    """Somebody else's cluster: the one that KUBECONFIG names."""

    prefix: Sequence[str] = ()

    def check(self) -> None:
        if "KUBECONFIG" not in os.environ:
            # Never the cluster that kubectl happens to talk to: the tests install, roll, break and uninstall.
            raise PlaceUnavailable(
                "No cluster to test on. Either ./dev e2e --node (Linux, as root), or ./dev e2e --kind (Docker), or set "
                "KUBECONFIG to a cluster that the tests may use as they like: they install and uninstall there."
            )

    def up(self) -> None:
        pass  # it is

    def environment(self) -> dict[str, str]:
        return {}

    def build_image(self, name: str, target: str) -> str:
        for variable in ("E2E_BUILD_IMAGE", "E2E_LOAD_IMAGE"):
            if command := os.environ.get(variable):
                _run("sh", "-c", command, env={"IMAGE": name, "TARGET": target})
        return os.environ.get("E2E_IMAGE_ID", "")

    def down(self) -> None:
        raise PlaceUnavailable("--down goes with --node or --kind: any other cluster is its owner's.")


def _run(*command: str, env: dict[str, str] | None = None) -> None:
    """Shows what the command prints, on stderr."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False
    )
    if done.returncode != 0:
        raise PlaceUnavailable(f"{' '.join(command)} ended with {done.returncode}; its own words are above.")


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PlaceUnavailable(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def _id_in(archive: Path) -> str:
    with tarfile.open(archive) as tar:
        member = tar.extractfile("manifest.json")
        assert member is not None, "manifest.json is a file"
        (image,) = json.load(member)
    return f"sha256:{Path(image['Config']).name.removesuffix('.json')}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
