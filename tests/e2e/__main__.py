"""`./dev e2e`: have a cluster and the image in it, then run the end-to-end tests there.

    ./dev e2e --node               a real node on this Linux machine: needs root and Go, neither Docker nor a registry
    ./dev e2e --kind               a kind cluster: needs Docker
    ./dev e2e                      the cluster that KUBECONFIG names, with the shell commands E2E_BUILD_IMAGE and
                                   E2E_LOAD_IMAGE, where they are set; both find the image's name in $IMAGE
                                   and the Dockerfile's stage in $TARGET
    ./dev e2e --node -k new_ca     all else is pytest's
    ./dev e2e --node --up          make the node and the image, and run nothing yet
    ./dev e2e --node --down        remove what --node (or --kind) made, and run nothing

The cluster stays, so that the next run starts at once.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from tests.api_server import binaries
from tests.e2e import IMAGE, SIMULATOR_IMAGE
from tests.e2e.places import Given, Kind, Node, PlaceUnavailable
from tests.support.go_programs import BinariesUnavailable
from tests.third_party.tools import find_or_build

FOLDER = "tests/e2e"


def main(arguments: Sequence[str]) -> int:
    """pytest's exit code; 3, as `git-token-webhook` itself says it, where there is nothing to run on."""
    options, rest = _parser().parse_known_args(arguments)
    place = Node() if options.node else Kind() if options.kind else Given()
    try:
        place.check()
        if options.down:
            place.down()
            return 0
        # pytest works where no package index or module proxy can be reached: whatever it needs is built before.
        folders = [str(binaries.find_or_build()), str(find_or_build("helm").parent)]
        place.up()
        place.build_image(SIMULATOR_IMAGE, "simulator")
        environment = {**os.environ, **place.environment(), "E2E_IMAGE_ID": place.build_image(IMAGE, "product")}
        if options.up:
            return 0
    except (PlaceUnavailable, BinariesUnavailable) as error:
        print(error, file=sys.stderr)
        return 3
    environment["PATH"] = os.pathsep.join([*folders, environment["PATH"]])
    targets = [] if any(one.startswith(FOLDER) for one in rest) else [FOLDER]
    command = [*place.prefix, sys.executable, "-m", "pytest", *rest, *targets]
    return subprocess.run(command, env=environment, check=False).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev e2e", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--node", action="store_true", help="the real node of tests/e2e/node")
    which.add_argument("--kind", action="store_true", help="a kind cluster")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--up", action="store_true", help="make cluster and image, and run nothing")
    what.add_argument("--down", action="store_true", help="remove that cluster instead")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
