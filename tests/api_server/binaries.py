"""Where kube-apiserver, etcd and kubectl come from: `KUBEBUILDER_ASSETS`, the checkout's cache, or a build with Go.

`python -m tests.api_server.binaries` makes sure that they exist and prints their folder, so that CI can build them in a
step of its own.
"""

import os
import sys
from pathlib import Path

from tests.support.go_programs import CACHE as ALL_CACHES
from tests.support.go_programs import BinariesUnavailable, GoModule, Progress, in_go_mod, missing

MODULE = Path(__file__).resolve().parent
CACHE = ALL_CACHES / "cluster"

REQUIRED = ("kube-apiserver", "etcd", "kubectl")
"""What every run needs. A build also makes kube-controller-manager, which KUBEBUILDER_ASSETS usually lacks."""

BUILT = (*REQUIRED, "kube-controller-manager")


def pinned_version() -> str:
    """The Kubernetes version that go.mod asks for, such as `v1.36.3`."""
    return in_go_mod(MODULE, r"^\s*(?:require\s+)?k8s\.io/kubernetes (v\S+)")


def find_or_build(progress: Progress | None = None) -> Path:
    """The folder that holds the binaries; builds them, for minutes, where there are none yet.

    `progress` defaults to lines on stderr. Raises `BinariesUnavailable`.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    return _provided(Path(assets)) if assets else _module().find_or_build(progress)


def _provided(folder: Path) -> Path:
    lacking = missing(folder, REQUIRED)
    if lacking:
        raise BinariesUnavailable(
            f"KUBEBUILDER_ASSETS is {folder}, where {' and '.join(lacking)} can't be found (as an executable file). "
            f"Point it at a folder that holds {', '.join(REQUIRED)}, or unset it to have them built."
        )
    return folder.resolve()


def _module() -> GoModule:
    version = pinned_version()
    major, minor = version.removeprefix("v").split(".")[:2]
    # Without these the API server calls itself v0.0.0, and clients that compare versions complain.
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return GoModule(
        folder=MODULE,
        cache=CACHE,
        title=f"Kubernetes {version} with etcd",
        version=version,
        programs=BUILT,
        duration="about 7 minutes",
        otherwise=f"set KUBEBUILDER_ASSETS to a folder that holds {', '.join(REQUIRED)}",
        variables={f"k8s.io/component-base/version.{name}": value for name, value in stamps.items()},
        renamed={"server": "etcd"},
    )


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
