#!/usr/bin/env python3
"""The SBOM (CycloneDX, JSON) of our part of the image: `./dev sbom > sbom.cdx.json`.

What requirements.lock says, without what is for other machines than the image's, and without what only builds the
package and is taken out again (Dockerfile). What the base image brings, Python and Debian, is told by the SBOM that the
build attaches to a released image. The same lock gives the same SBOM: it holds no time and no random number.
"""

import pathlib
import re
import tomllib
import warnings
from typing import Any
from urllib.parse import quote

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).resolve().parents[1]
IMAGE = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}


def in_the_image(project: dict[str, Any]) -> list[Component]:
    """The lock's packages of the image, with the hashes of the files that may be installed for them."""
    dockerfile, lock = (ROOT / "Dockerfile").read_text(), (ROOT / "requirements.lock").read_text()
    (python,) = re.findall(r"^ARG PYTHON=(\S+)$", dockerfile, re.MULTILINE)
    machine = {**default_environment(), **IMAGE, "python_version": python, "python_full_version": f"{python}.0"}
    builds = {canonicalize_name(Requirement(one).name) for one in project["dependency-groups"]["build"]}
    kept = []
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        requirement = Requirement(re.split(r"\s+(?:--hash|#|\\)", entry, maxsplit=1)[0])
        if requirement.marker is not None and not requirement.marker.evaluate(machine):
            continue
        if canonicalize_name(requirement.name) not in builds:
            kept.append(package(requirement, re.findall(r"--hash=sha256:(\w+)", entry)))
    return kept


def package(requirement: Requirement, hashes: list[str]) -> Component:
    """One of them."""
    name, (version,) = canonicalize_name(requirement.name), [one.version for one in requirement.specifier]
    url = PackageURL("pypi", None, name, version)
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(f"https://pypi.org/project/{quote(name)}/{quote(version)}/#files"),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in hashes],
    )
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        purl=url,
        bom_ref=url.to_string(),
        external_references=[files],
    )


def main() -> None:
    """Print it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    about = project["project"]
    itself = Component(
        type=ComponentType.APPLICATION,
        name=about["name"],
        version=about["version"],
        description=about["description"],
        licenses=[DisjunctiveLicense(id=about["license"])],
        bom_ref=about["name"],
    )
    bom = Bom(components=in_the_image(project))
    bom.metadata.component = itself
    bom.metadata.timestamp = bom.serial_number = None  # type: ignore[assignment]
    with warnings.catch_warnings(action="ignore"):  # that nothing is said of who needs whom: the lock doesn't say it
        print(JsonV1Dot6(bom).output_as_string(indent=2))


if __name__ == "__main__":
    main()
