#!/usr/bin/env python3
"""The SBOM (CycloneDX, JSON) of our part of the image: `./dev sbom > sbom.cdx.json`.

What requirements.lock says, without what is for other machines than the image's, and without what only builds the
package and is taken out again (Dockerfile). What the base image brings, Python and Debian, is told by the SBOM that the
build attaches to a released image.
"""

import pathlib
import re
import subprocess
import sys
import tomllib

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).resolve().parents[1]
IMAGE = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}


def in_the_image() -> str:
    """The lock's requirements of the image, with their hashes."""
    dockerfile, lock = (ROOT / "Dockerfile").read_text(), (ROOT / "requirements.lock").read_text()
    (python,) = re.findall(r"^ARG PYTHON=(\S+)$", dockerfile, re.MULTILINE)
    machine = {**default_environment(), **IMAGE, "python_version": python, "python_full_version": f"{python}.0"}
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    builds = {canonicalize_name(Requirement(one).name) for one in groups["build"]}
    kept = []
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        text = re.split(r"\s+(?:--hash|#|\\)", entry, maxsplit=1)[0]
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate(machine):
            continue
        if canonicalize_name(requirement.name) not in builds:
            kept.append(entry)
    return "\n".join(kept) + "\n"


def main() -> int:
    """What cyclonedx-py returns."""
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", "--output-reproducible"]
    # The lock names no index, and a package's URL (purl) none either.
    command += ["--short-PURLs", "--pyproject", str(ROOT / "pyproject.toml"), "-"]
    return subprocess.run(command, input=in_the_image(), text=True, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
