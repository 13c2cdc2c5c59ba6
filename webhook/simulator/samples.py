"""The command that prints sample Secrets for a cluster whose webhook uses the simulator.

::

    python -m webhook.simulator.samples weak | kubectl apply -f -

Without a name, it prints all samples. The tokens are those of `example_world`, which every simulator derives from the
same seed. They are in no file, and only a simulator accepts them.
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
    """Argo CD credentials for everything below a URL."""

    token: str
    """Its name in `example_world`."""
    url: str
    becomes: str
    """The expected result."""
    annotations: dict[str, str] = field(default_factory=dict)


SAMPLES = {
    "good": Sample("good-classic", "https://github.com/acme", "allowed, with labels and annotations"),
    "weak": Sample("weak-classic", "https://github.com/acme", "denied: admin:repo_hook is missing"),
    "expired": Sample("gitlab-expired", "https://gitlab.com/acme", "denied: the token has expired"),
    "skipped": Sample(
        "weak-classic",
        "https://github.com/acme",
        "allowed without validation and with a warning, if you have permission to skip; otherwise denied",
        {"git-token-webhook/skip-validation": "true"},
    ),
}


def manifest(name: str, world: World) -> dict[str, Any]:
    """Return the Secret of one sample."""
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
    """Print the Namespace, then the samples; return the exit code."""
    shown = "; ".join(f"{name}: {sample.becomes}" for name, sample in SAMPLES.items())
    parser = argparse.ArgumentParser(
        prog="./dev samples",
        description=f"Print sample Secrets for a cluster whose webhook uses the simulator. {shown}.",
        epilog="Example: ./dev samples weak | kubectl apply -f -",
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
