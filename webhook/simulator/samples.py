"""Secrets to try in a cluster whose webhook asks the simulator::

    python -m webhook.simulator.samples weak | kubectl apply -f -

Without a name it prints all. Their tokens are those of `example_world`, which every simulator makes from the same seed:
they are in no file, and good for nothing but a simulator.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml

from webhook.simulator.scenes import example_world
from webhook.simulator.world import World

NAMESPACE = "git-token-samples"


@dataclass(frozen=True, slots=True)
class Sample:
    """Credentials as Argo CD keeps them, for all that is below a URL."""

    token: str
    """The name that it has in `example_world`."""
    url: str
    becomes: str
    """What is to be seen."""
    annotations: dict[str, str] = field(default_factory=dict)


SAMPLES = {
    "good": Sample(
        "good-classic", "https://github.com/acme", "stored, with labels and annotations that say what it is"
    ),
    "weak": Sample("weak-classic", "https://github.com/acme", "refused: admin:repo_hook is missing"),
    "expired": Sample("gitlab-expired", "https://gitlab.com/acme", "refused: GitLab says that it has expired"),
    "skipped": Sample(
        "weak-classic",
        "https://github.com/acme",
        "stored unchecked, with a warning, if you may skip the check; else refused",
        {"git-token-webhook/skip-validation": "true"},
    ),
}


def manifest(name: str, world: World) -> dict[str, Any]:
    """The Secret of one sample."""
    sample = SAMPLES[name]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"repo-creds-{name}",
            "namespace": NAMESPACE,
            "labels": {"argocd.argoproj.io/secret-type": "repo-creds"},
            "annotations": dict(sample.annotations),
        },
        "type": "Opaque",
        "stringData": {
            "type": "git",
            "url": sample.url,
            "username": "git",
            "password": world.token(sample.token).value,
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the manifests, after the Namespace that they are in."""
    shown = "; ".join(f"{name}: {sample.becomes}" for name, sample in SAMPLES.items())
    parser = argparse.ArgumentParser(
        prog="python -m webhook.simulator.samples",
        description=f"Secrets to try in a cluster whose webhook asks the simulator. {shown}.",
        epilog="Example: python -m webhook.simulator.samples weak | kubectl apply -f -",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(SAMPLES)}; without one, all")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in SAMPLES]:
        parser.error(f"there is no sample {unknown[0]!r}; there are {', '.join(SAMPLES)}")
    world = example_world(datetime.now(UTC))
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    yaml.safe_dump_all(
        [namespace, *(manifest(name, world) for name in options.names or SAMPLES)], sys.stdout, sort_keys=False
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
