"""Where kube-apiserver, etcd and kubectl come from: `KUBEBUILDER_ASSETS`, the checkout's cache, or a build with Go.

`python -m tests.cluster.binaries` makes sure that they exist and prints their folder, so that CI can build them in a
step of its own.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

MODULE = Path(__file__).resolve().parent
CACHE = MODULE.parents[1] / ".cache" / "cluster"

REQUIRED = ("kube-apiserver", "etcd", "kubectl")
"""What every run needs. A build also makes kube-controller-manager, which KUBEBUILDER_ASSETS usually lacks."""

BUILT = (*REQUIRED, "kube-controller-manager")

BUILD_TIMEOUT_SECONDS = 3600.0
"""Cold, 2 cores take about 7 minutes. This only ends a build that hangs."""

Progress = Callable[[str], None]
"""Receives one line for people, whenever something slow begins or ends."""


class BinariesUnavailable(Exception):
    """There are no usable binaries, and none can be built. The message says how to get them."""


def pinned_version() -> str:
    """The Kubernetes version that go.mod asks for, such as `v1.36.3`."""
    return _in_go_mod(r"^\s*(?:require\s+)?k8s\.io/kubernetes (v\S+)")


def find_or_build(progress: Progress | None = None) -> Path:
    """The folder that holds the binaries; builds them, for minutes, where there are none yet.

    `progress` defaults to lines on stderr. Raises `BinariesUnavailable`.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        return _provided(Path(assets))
    folder = CACHE / _cache_key()
    if not _missing(folder, BUILT):
        return folder
    report = progress or _to_stderr
    go = _find_go()
    with _only_one_at_a_time(report):
        # Whoever held the lock before us has most likely built just what we need.
        if _missing(folder, BUILT):
            _build(go, folder, report)
    return folder


def _provided(folder: Path) -> Path:
    missing = _missing(folder, REQUIRED)
    if missing:
        raise BinariesUnavailable(
            f"KUBEBUILDER_ASSETS is {folder}, where {' and '.join(missing)} can't be found (as an executable file). "
            f"Point it at a folder that holds {', '.join(REQUIRED)}, or unset it to have them built."
        )
    return folder.resolve()


def _missing(folder: Path, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if not ((folder / name).is_file() and os.access(folder / name, os.X_OK))]


def _in_go_mod(pattern: str) -> str:
    found = re.search(pattern, (MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{MODULE / 'go.mod'} has no line like {pattern}")
    return found[1]


def _build_flags() -> list[str]:
    version = pinned_version()
    major, minor = version.removeprefix("v").split(".")[:2]
    # Without -X the API server calls itself v0.0.0, and clients that compare versions complain.
    variables = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    stamped = " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in variables.items())
    return ["-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {stamped}"]


def _cache_key() -> str:
    digest = hashlib.sha256()
    for part in ((MODULE / "go.mod").read_bytes(), (MODULE / "go.sum").read_bytes(), repr(_build_flags()).encode()):
        digest.update(hashlib.sha256(part).digest())
    # The platform, because a container may share its checkout with a host of another kind.
    return f"{pinned_version()}-{sys.platform}-{platform.machine()}-{digest.hexdigest()[:12]}"


def _find_go() -> str:
    wanted = _in_go_mod(r"^go (\S+)")
    how = (
        f"Install Go {wanted} or later, which builds them once from the Go module proxy (about 7 minutes), "
        f"or set KUBEBUILDER_ASSETS to a folder that holds {', '.join(REQUIRED)}."
    )
    go = shutil.which("go")
    if go is None:
        raise BinariesUnavailable(f"The Kubernetes binaries are not built yet, and there is no Go on PATH. {how}")
    # Asked inside the module: a Go that may fetch the toolchain that go.mod wants answers with that one's version.
    # One that may not, or is too old to know about toolchains, fails or answers with its own.
    answer = _run_go([go, "env", "GOVERSION"], timeout=300)
    found = re.search(r"^go(\d+(?:\.\d+)*)", answer.stdout, re.MULTILINE)
    if answer.returncode != 0 or found is None or _numbers(found[1]) < _numbers(wanted):
        detail = _tail(answer.stdout)
        raise BinariesUnavailable(
            f"The Kubernetes binaries are not built yet, and {go} can't build them: {detail}\n{how}"
        )
    return go


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _run_go(command: list[str], timeout: float) -> "subprocess.CompletedProcess[str]":
    """Output and errors come together in `stdout`. A command that can't run or takes too long is a failed one."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    try:
        return subprocess.run(
            command,
            cwd=MODULE,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, returncode=-1, stdout=str(error))


def _tail(text: str, lines: int = 15) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])


@contextmanager
def _only_one_at_a_time(report: Progress) -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("Another run is building the Kubernetes binaries: waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield  # closing the file gives the lock back, as does the end of this process, however it comes


def _build(go: str, folder: Path, report: Progress) -> None:
    report(f"Building Kubernetes {pinned_version()} and etcd into {folder}: about 7 minutes, seconds if done before.")
    with tempfile.TemporaryDirectory(prefix="building-", dir=CACHE) as temporary:
        built = Path(temporary) / "bin"
        built.mkdir()
        result = _run_go([go, "build", *_build_flags(), "-o", f"{built}/", "tool"], timeout=BUILD_TIMEOUT_SECONDS)
        if result.returncode != 0:
            raise BinariesUnavailable(
                "Building the Kubernetes binaries failed. Set KUBEBUILDER_ASSETS to a folder that holds "
                f"{', '.join(REQUIRED)}, or mend this:\n{_tail(result.stdout)}"
            )
        (built / "server").rename(built / "etcd")  # Go names a binary after its package
        # What lies there can only be incomplete. A whole folder then appears at once, so nobody ever sees half of one.
        shutil.rmtree(folder, ignore_errors=True)
        built.rename(folder)
    report(f"Built {', '.join(BUILT)}.")


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Prints the folder; 3, as `git-token-webhook` itself says it, when it could not finish."""
    try:
        print(find_or_build())
    except BinariesUnavailable as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
