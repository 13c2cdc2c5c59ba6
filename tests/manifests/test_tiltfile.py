"""The Tiltfile, run as far as that goes without Tilt: with builtins that only remember what they were asked for.

It shows that the file is sound Starlark, and that every path, object, port, resource and command that it names is
there. What Tilt does with them it does not show.
"""

import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import starlark

from tests.manifests.conftest import Kustomize
from tests.manifests.rendered import Object
from webhook.simulator.samples import NAMESPACE, SAMPLES

ROOT = Path(__file__).resolve().parents[2]

WORKLOADS = ("Deployment",)
GROUPED = ("Service",)
"""Tilt adds these to the workload whose pods they select."""


@dataclass
class Tilt:
    """What the Tiltfile asked for."""

    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)

    def run(self) -> None:
        """Raises `starlark.StarlarkError` for what is no Starlark, or gives arguments that Tilt doesn't know."""
        module = starlark.Module()
        for name, parameters in PARAMETERS.items():
            module.add_callable(name, self._recorder(name, parameters))
        module["TRIGGER_MODE_MANUAL"] = "manual"
        text = (ROOT / "Tiltfile").read_text()
        starlark.eval(module, starlark.parse("Tiltfile", text), starlark.Globals.standard())

    def _recorder(self, name: str, parameters: tuple[str, ...]) -> Callable[..., Any]:
        def record(*positional: Any, **named: Any) -> Any:
            assert len(positional) <= len(parameters), f"{name} takes {len(parameters)} arguments"
            unknown = named.keys() - set(parameters)
            assert not unknown, f"{name} has no {', '.join(sorted(unknown))}"
            arguments = {**dict(zip(parameters, positional, strict=False)), **named}
            self.calls.append((name, positional, arguments))
            return "kind-git-token-webhook" if name == "k8s_context" else {"made_by": name, **arguments}

        return record

    def each(self, name: str) -> list[dict[str, Any]]:
        """The arguments of all calls of one builtin, by their names."""
        return [arguments for called, _, arguments in self.calls if called == name]


# https://docs.tilt.dev/api.html: of each builtin that we use the parameters that it has, in their order.
PARAMETERS = {
    "k8s_context": (),
    "docker_build": (
        *("ref", "context", "build_args", "dockerfile", "dockerfile_contents", "live_update", "match_in_env_vars"),
        *("ignore", "only", "entrypoint", "target", "ssh", "network", "secret", "container_args", "extra_tag"),
        *("cache_from", "pull", "platform", "extra_hosts"),
    ),
    "fall_back_on": ("files",),
    "sync": ("local_path", "remote_path"),
    "kustomize": ("pathToDir", "kustomize_bin", "flags"),
    "k8s_yaml": ("yaml", "allow_duplicates"),
    "k8s_resource": (
        *("workload", "new_name", "port_forwards", "extra_pod_selectors", "trigger_mode", "resource_deps", "objects"),
        *("auto_init", "pod_readiness", "links", "labels", "discovery_strategy"),
    ),
    "port_forward": ("local_port", "container_port", "name", "link_path", "host"),
    "local_resource": (
        *("name", "cmd", "deps", "trigger_mode", "resource_deps", "ignore", "auto_init", "serve_cmd", "cmd_bat"),
        *(
            "serve_cmd_bat",
            "allow_parallel",
            "links",
            "tags",
            "env",
            "serve_env",
            "readiness_probe",
            "dir",
            "serve_dir",
        ),
        *("labels",),
    ),
}


@pytest.fixture(scope="module")
def tilt() -> Tilt:
    """The Tiltfile has run."""
    ran = Tilt()
    ran.run()
    return ran


@pytest.fixture(scope="module")
def objects(kustomize: Kustomize) -> list[Object]:
    """What it deploys."""
    return kustomize("development")


def test_every_path_is_there(tilt: Tilt) -> None:
    """What it builds from, watches and deploys."""
    paths = [build["context"] for build in tilt.each("docker_build")]
    paths += [overlay["pathToDir"] for overlay in tilt.each("kustomize")]
    paths += [path for fallback in tilt.each("fall_back_on") for path in fallback["files"]]
    paths += [sync["local_path"] for sync in tilt.each("sync")]
    paths += [path for resource in tilt.each("local_resource") for path in resource.get("deps", ())]
    assert len(paths) > 6
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_it_deploys_the_development_overlay(tilt: Tilt) -> None:
    """As `kubectl apply -k manifests/overlays/development` does, but for the image."""
    assert [overlay["pathToDir"] for overlay in tilt.each("kustomize")] == ["manifests/overlays/development"]


def test_it_builds_the_image_that_is_deployed(tilt: Tilt, objects: list[Object]) -> None:
    """From a stage that the Dockerfile has, putting changed code where that stage runs it from."""
    (build,) = tilt.each("docker_build")
    pods = [one["spec"]["template"]["spec"] for one in objects if one["kind"] in WORKLOADS]
    images = {container["image"] for pod in pods for container in [*pod["containers"], *pod["initContainers"]]}
    assert {image.partition(":")[0] for image in images} == {build["ref"]}
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(rf"^FROM \S+ AS {build['target']}$", dockerfile, re.MULTILINE)
    (sync,) = tilt.each("sync")
    assert re.search(
        rf"^COPY --chown=65532:65532 {sync['local_path']} {sync['remote_path']}$", dockerfile, re.MULTILINE
    )


def test_code_can_be_put_into_running_containers(objects: list[Object]) -> None:
    """Each that Tilt would put code into has a file system that isn't read-only."""
    pods = [one["spec"]["template"]["spec"] for one in objects if one["kind"] in WORKLOADS]
    assert not any(pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] for pod in pods)


def test_every_object_has_its_place(tilt: Tilt, objects: list[Object]) -> None:
    """Each that is named exists, and each that exists is named: of the others nobody would know when they come."""
    named = [name for resource in tilt.each("k8s_resource") for name in resource.get("objects", ())]
    named += [f"{resource['workload']}:deployment" for resource in tilt.each("k8s_resource") if "workload" in resource]
    exist = [f"{one['metadata']['name']}:{one['kind'].lower()}" for one in objects if one["kind"] not in GROUPED]
    assert sorted(named) == sorted(exist)


def test_every_port_is_served(tilt: Tilt, objects: list[Object]) -> None:
    """By the container that it forwards to: over plain HTTP, for a browser."""
    deployments = {one["metadata"]["name"]: one for one in objects if one["kind"] in WORKLOADS}
    forwards = [(r["workload"], forward) for r in tilt.each("k8s_resource") for forward in r.get("port_forwards", ())]
    assert [name for name, _ in forwards] == ["simulator", "git-token-webhook"]
    for name, forward in forwards:
        container = deployments[name]["spec"]["template"]["spec"]["containers"][0]
        served = {str(port["containerPort"]) for port in container["ports"] if port["name"] == "health"}
        # On the pod's loopback address alone, and so no port of the container.
        served |= {word.partition("=")[2] for word in container["args"] if word.startswith("--control-port=")}
        assert served == {str(forward["container_port"])}


def test_everything_waits_for_what_is_there(tilt: Tilt) -> None:
    """Each dependency is a resource."""
    resources = [one.get("new_name", one.get("workload")) for one in tilt.each("k8s_resource")]
    resources += [one["name"] for one in tilt.each("local_resource")]
    assert len(resources) == len(set(resources))
    both = tilt.each("k8s_resource") + tilt.each("local_resource")
    assert {name for one in both for name in one.get("resource_deps", ())} <= set(resources)


def test_every_sample_has_a_button(tilt: Tilt) -> None:
    """One that does nothing until somebody presses it."""
    samples = {
        one["name"]: one for one in tilt.each("local_resource") if f"./dev samples {one['name']} " in one.get("cmd", "")
    }
    assert samples.keys() == SAMPLES.keys()
    for name, button in samples.items():
        assert button["trigger_mode"] == "manual" and button["auto_init"] is False
        assert f"--namespace {NAMESPACE} --ignore-not-found repo-creds-{name}" in button["cmd"]
        assert ("should have been denied" in button["cmd"]) == ("denied:" in SAMPLES[name].becomes)


def test_kubectl_goes_to_the_cluster_that_tilt_deploys_to(tilt: Tilt) -> None:
    """And never to whichever one is current by the time that somebody presses a button."""
    commands = [one.get("cmd", "") + one.get("serve_cmd", "") for one in tilt.each("local_resource")]
    for command in commands:
        assert command.count("kubectl") == command.count("kubectl --context kind-git-token-webhook")


def test_every_command_is_sound_shell(tilt: Tilt) -> None:
    """Tilt gives them to `sh -c`; those of `./dev` exist."""
    commands = [
        command for one in tilt.each("local_resource") for key in ("cmd", "serve_cmd") if (command := one.get(key))
    ]
    usage = (ROOT / "dev").read_text()
    for command in commands:
        assert subprocess.run(["sh", "-n", "-c", command], capture_output=True, text=True).stderr == ""
        words = shlex.split(command.replace(";", " ; "))
        used = [words[index + 1] for index, word in enumerate(words) if word == "./dev"]
        assert [one for one in used if not re.search(rf"^  {one} ", usage, re.MULTILINE)] == []
