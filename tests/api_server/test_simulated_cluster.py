"""The simulator as a cluster of development has it: its certificate, its rights, and the Secrets to try there."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import yaml
from kubernetes.client import ApiClient, ApiException, Configuration, CoreV1Api

from tests.api_server.conftest import Apply
from tests.api_server.control_plane import ControlPlane, wait_until
from tests.api_server.webhook_process import Installation, Place, accepted, refused
from webhook.simulator import Simulator, example_world
from webhook.simulator.certificate import issue, kept, write
from webhook.simulator.samples import SAMPLES, manifest
from webhook.simulator.server import SITES

RBAC = Path(__file__).resolve().parents[2] / "manifests" / "components" / "simulator" / "rbac.yaml"


@pytest.fixture
def place(webhook: Installation) -> Place:
    """A namespace that the webhook watches."""
    return webhook.new_namespace()


def sample(name: str, place: Place) -> dict[str, object]:
    """What `./dev samples NAME` prints, to be written somewhere else."""
    secret = manifest(name, example_world(datetime.now(UTC)))
    return {**secret, "metadata": {**secret["metadata"], "namespace": place.namespace}}


def test_the_good_sample_is_stored(place: Place) -> None:
    """Without a word, and with labels that say that it was checked."""
    assert "arning" not in accepted(place.apply(sample("good", place)))
    assert place.marks("repo-creds-good")["validation"] == "passed"


@pytest.mark.parametrize(("name", "because"), [("weak", "also needs admin:repo_hook"), ("expired", "expired")])
def test_the_bad_samples_are_refused(place: Place, name: str, because: str) -> None:
    """For the reason that the sample is there to show."""
    assert because in refused(place.apply(sample(name, place)))
    assert not place.exists(f"repo-creds-{name}")


def test_the_skipped_sample_is_stored_with_a_warning(place: Place) -> None:
    """Its token is weak; admin may skip the check."""
    assert "skip" in accepted(place.apply(sample("skipped", place)))
    assert place.marks("repo-creds-skipped")["validation"] == "skipped"


def test_every_sample_is_shown_above() -> None:
    """A further one needs a test."""
    assert set(SAMPLES) == {"good", "weak", "expired", "skipped"}


@pytest.fixture
def api(control_plane: ControlPlane, namespace: str, apply: Apply) -> Iterator[CoreV1Api]:
    """The API server, as the simulator's ServiceAccount with the Role of its manifests."""
    apply(RBAC.read_text().replace("namespace: git-token-webhook", f"namespace: {namespace}"))
    token = control_plane.kubectl("create", "token", "simulator", "-n", namespace).stdout.strip()
    configuration = Configuration(
        host=control_plane.server_url,
        api_key={"BearerToken": f"Bearer {token}"},
        ca_cert_data=control_plane.ca_pem.decode(),
        no_proxy="*",
    )
    with ApiClient(configuration) as client:
        core = CoreV1Api(client)
        # A new role counts a moment later.
        wait_until(lambda: _status(core, namespace, "simulator-tls") == 404, 10, message="the Role to count")
        yield core


def _status(core: CoreV1Api, namespace: str, name: str) -> int:
    try:
        core.read_namespaced_secret(name, namespace)
    except ApiException as error:
        return int(error.status)
    return 200


def test_the_certificate_is_made_once(api: CoreV1Api, namespace: str) -> None:
    """A pod that starts again serves what the webhook trusts already."""
    first = kept(api, namespace, "simulator-tls", ["localhost"])
    assert first.keys() == {"tls.crt", "tls.key"}
    assert kept(api, namespace, "simulator-tls", ["localhost"]) == first


def test_the_simulator_reads_no_other_secret(api: CoreV1Api, namespace: str) -> None:
    """Its Role names the one that is its own."""
    assert _status(api, namespace, "git-token-webhook-keys") == 403


async def test_the_certificate_is_its_own_authority(tmp_path: Path) -> None:
    """Who trusts `tls.crt` reaches the simulator by its name, as strictly as TLS clients check by now."""
    files = issue(["localhost"])
    write(tmp_path, files)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    trusting = ssl.create_default_context(cadata=files["tls.crt"].decode())
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    assert (tmp_path / "tls.key").stat().st_mode & 0o077 == 0
    async with (
        Simulator(example_world(datetime.now(UTC)), ssl_context=served) as simulator,
        httpx.AsyncClient(verify=trusting, trust_env=False) as client,
    ):
        assert (await client.get(f"{simulator.hosts['github.com'].api_url}/user")).status_code == 401


def test_the_component_says_where_each_host_is() -> None:
    """The webhook's configuration, the Service and the simulator's command line agree about every host and port."""
    component = RBAC.parent
    config = yaml.safe_load((component / "config.yaml").read_text())
    service = yaml.safe_load((component / "service.yaml").read_text())
    pod = yaml.safe_load((component / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    container = pod["containers"][0]
    ports = dict(argument.removeprefix("--port=").split("=") for argument in container["args"] if "--port=" in argument)
    own = {port["name"]: port["containerPort"] for port in container["ports"]}
    forwarded = {port["port"]: own[port["targetPort"]] for port in service["spec"]["ports"]}
    name = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    assert f"--url-host={name}" in container["args"] and f"--dns={name}" in pod["initContainers"][0]["args"]
    world = example_world(datetime.now(UTC))
    assert {provider["host"] for provider in config["providers"]} == world.hosts.keys() == ports.keys()
    for provider in config["providers"]:
        host, port = world.hosts[provider["host"]], int(ports[provider["host"]])
        assert forwarded[port] == port
        assert provider["kind"] == host.kind
        assert provider["apiUrl"] == SITES[host.kind](host).api_url(f"https://{name}:{port}")
