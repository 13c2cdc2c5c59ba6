"""The image as it runs: what is in it, and what isn't."""

import json
import subprocess
import sys

from tests.e2e.cluster import ROOT
from tests.e2e.installation import Installation

DISTRIBUTIONS = """
import importlib.metadata, json
found = importlib.metadata.distributions()
print(json.dumps({one.name.lower().replace("_", "-").replace(".", "-"): one.version for one in found}))
"""


def test_it_holds_what_the_sbom_says(installation: Installation) -> None:
    """These Python packages in these versions, ourselves, and no others: no pip, and nothing that built us."""
    pod = installation.pod_names()[0]
    held = json.loads(installation.run_in(pod, "python", "-c", DISTRIBUTIONS))
    made = subprocess.run([sys.executable, ".ci/sbom.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    sbom = json.loads(made.stdout)
    listed = {one["name"].lower().replace("_", "-"): one["version"] for one in sbom["components"]}
    ours = sbom["metadata"]["component"]
    assert held == {**listed, ours["name"]: ours["version"]}


def test_the_server_is_the_first_process(installation: Installation) -> None:
    """Without a shell around it that would keep SIGTERM to itself."""
    words = installation.run_in(installation.pod_names()[0], "cat", "/proc/1/cmdline").split("\0")
    assert words[0].endswith("/python") and words[1].endswith("/git-token-webhook") and words[2] == "serve"


def test_it_compiles_nothing_when_it_starts(installation: Installation) -> None:
    """All that it imports has its bytecode in the image: a read-only file system would keep none."""
    look = (
        "import sys, pathlib, webhook.server.app, kubernetes.aio.client\n"
        "lack = [m.__name__ for m in list(sys.modules.values())"
        " if getattr(m, '__cached__', None) and not pathlib.Path(m.__cached__).exists()]\n"
        "print(lack)"
    )
    assert installation.run_in(installation.pod_names()[0], "python", "-c", look).strip() == "[]"
