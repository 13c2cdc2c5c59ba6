"""An audit of a real API server, as a person runs it: a process of its own, against a list that was made without it."""

import base64
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.api_server.control_plane import ControlPlane, wait_until
from tests.api_server.test_applications import DEFINITION, application
from tests.api_server.webhook_process import ROOT, Simulation
from tests.keyring.rings import write_key
from webhook.credentials.entries import Checkable, Entry
from webhook.keyring.files import load_keyring_by_file_times
from webhook.providers.findings import Finding, Outcome, Question, TokenCredential, same_for_all
from webhook.providers.hosts import Host, Kind
from webhook.providers.requirements import Role
from webhook.report.formats import FORMATS
from webhook.review.attestation import Asked, attest
from webhook.settings.source import parse_settings
from webhook.subject import SecretObject

LABEL = "argocd.argoproj.io/secret-type"
CREATED = "2026-11-01T00:00:00Z"
NAMESPACES = 20
HOLDERS = 10
"""Secrets that hold one token."""
GOOD, WEAK, REVOKED = 140, 40, 20
OTHERS = 20_000
TIMEOUT_SECONDS = 110.0


@dataclass
class Run:
    """How a command ended, and the most memory that it ever had, in MiB."""

    code: int
    stdout: str
    stderr: str
    megabytes: float

    @property
    def report(self) -> dict[str, Any]:
        """What it printed with `-o json`."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found


@dataclass
class Crowd:
    """A cluster with 2,000 credential Secrets of 200 tokens among 20,000 others, and what is known of each."""

    control_plane: ControlPlane
    github: Simulation
    configuration: Path
    folder: Path
    tokens: dict[str, str] = field(default_factory=dict)
    """What an audit must find of each, by the token."""
    holders: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Which Secrets hold it, as NAMESPACE/NAME."""

    def command(self, *arguments: str, user: str = "admin") -> list[str]:
        kubeconfig = ["--kubeconfig", str(self.control_plane.kubeconfig(user))]
        return [sys.executable, "-m", "webhook", "audit", *kubeconfig, "--config", str(self.configuration), *arguments]

    def start(self, *arguments: str, user: str = "admin") -> "subprocess.Popen[str]":
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder), "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen(
            self.command(*arguments, user=user),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, last: Mapping[str, Any]) -> None:
        """Until lists have the last Secret that was written into etcd, and so all."""
        namespace, name = last["metadata"]["namespace"], last["metadata"]["name"]
        # From the cache that lists are answered from, which is behind etcd.
        get = ("get", "--raw", f"/api/v1/namespaces/{namespace}/secrets?resourceVersion=0&limit=5000")

        def arrived() -> bool:
            return f'"name":"{name}"' in self.control_plane.kubectl(*get, check=False).stdout

        wait_until(arrived, 60, interval=0.5, message="the API server to know the last Secret")

    def audit(self, *arguments: str, user: str = "admin") -> Run:
        """One, to its end."""
        return ended(self.start(*arguments, user=user))


def ended(process: "subprocess.Popen[str]") -> Run:
    """What came of it."""
    peak = 0.0

    def watch() -> None:
        nonlocal peak
        status = Path("/proc", str(process.pid), "status")
        while process.poll() is None:
            with contextlib.suppress(OSError, StopIteration):
                line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
                peak = max(peak, int(line.split()[1]) / 1024)
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
    finally:
        process.kill()
        process.wait()
        watcher.join()
    return Run(process.returncode, stdout, stderr, peak)


def stored(
    namespace: str, name: str, data: Mapping[str, str], labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A Secret as the API server keeps it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": str(uuid.uuid4()),
            "creationTimestamp": CREATED,
            "labels": dict(labels or {}),
        },
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
        "type": "Opaque",
    }


def key_of(secret: Mapping[str, Any]) -> str:
    """Where etcd has it."""
    return f"/registry/secrets/{secret['metadata']['namespace']}/{secret['metadata']['name']}"


@pytest.fixture(scope="module")
def crowd(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    """Made once, in an API server of its own, so that no other test's Secrets are counted."""
    folder = tmp_path_factory.mktemp("audit")
    with ControlPlane(control_plane.binaries, users={"auditor": []}) as own, Simulation(folder) as github:
        configuration = folder / "config.yaml"
        configuration.write_text(json.dumps({"providers": github.settings()}))
        made = Crowd(own, github, configuration, folder)
        fill(made)
        yield made


def fill(crowd: Crowd) -> None:
    """Write the Secrets, and note down what each is."""
    for _ in range(GOOD):
        crowd.tokens[crowd.github.good_token()] = "sufficient"
    for _ in range(WEAK):
        crowd.tokens[crowd.github.weak_token()] = "insufficient"
    for _ in range(REVOKED):
        revoked = crowd.github.good_token()
        crowd.github.revoke(revoked)
        crowd.tokens[revoked] = "invalid"
    names = [f"team-{number:02}" for number in range(NAMESPACES)]
    for name in names:
        crowd.control_plane.kubectl("create", "namespace", name)
    objects: list[dict[str, Any]] = []
    for number, token in enumerate(crowd.tokens):
        for copy in range(HOLDERS):
            namespace, name = names[(number + copy * 7) % NAMESPACES], f"creds-{number}-{copy}"
            data = {"url": "https://github.com", "username": f"user-{copy}", "password": token}
            objects.append(stored(namespace, name, data, {LABEL: "repo-creds"}))
            crowd.holders[token].add(f"{namespace}/{name}")
    token = next(iter(crowd.tokens))
    for number in range(OTHERS):
        objects.append(stored(names[number % NAMESPACES], f"other-{number}", {"password": token, "x": "y" * 200}))
    crowd.control_plane.store_in_etcd({key_of(secret): secret for secret in objects})
    crowd.wait_for(objects[-1])


def places(report: Mapping[str, Any]) -> dict[str, str]:
    """What was found of each Secret."""
    return {f"{entry['namespace']}/{entry['name']}": entry["outcome"] for entry in report["entries"]}


def together(report: Mapping[str, Any]) -> set[frozenset[str]]:
    """Which Secrets are said to hold the same token."""
    groups: defaultdict[int, set[str]] = defaultdict(set)
    for entry in report["entries"]:
        groups[entry["token"]].add(f"{entry['namespace']}/{entry['name']}")
    return {frozenset(group) for group in groups.values()}


def expected(crowd: Crowd) -> dict[str, str]:
    """The list that was made without the audit."""
    return {place: outcome for token, outcome in crowd.tokens.items() for place in crowd.holders[token]}


def shows_no_token(crowd: Crowd, text: str) -> bool:
    """Whether nothing of any token is in it, as itself or in base64."""
    return not any(
        form in text for token in crowd.tokens for form in (token, token[4:], base64.b64encode(token.encode()).decode())
    )


@pytest.mark.timeout(300)
def test_each_token_is_asked_once_however_many_secrets_hold_it(crowd: Crowd) -> None:
    """2,000 credentials among 20,000 others: 200 questions, one request each, every row right, little memory."""
    small = crowd.audit("-n", "default", "-o", "json")
    assert small.code == 0, small.stderr
    before = crowd.github.requests_in_all()
    whole = crowd.audit("-A", "-o", "json")
    assert whole.code == 1, whole.stderr
    assert crowd.github.requests_in_all() - before == len(crowd.tokens) == 200
    assert all(crowd.github.requests(token) == 1 for token in crowd.tokens)
    report = whole.report
    assert places(report) == expected(crowd)
    assert together(report) == {frozenset(group) for group in crowd.holders.values()}
    summary = report["summary"]
    assert (summary["secrets"], summary["tokens"], summary["asked"]) == (2000, 200, 200)
    assert summary["passedOver"] == {"Secret": OTHERS}
    assert Counter(summary["outcomes"]) == Counter(expected(crowd).values())
    print(f"peak: {small.megabytes:.0f} MiB of an empty namespace, {whole.megabytes:.0f} MiB of 22,000 Secrets")
    assert whole.megabytes - small.megabytes < 64


@pytest.mark.timeout(300)
def test_killed_half_way_it_goes_on(crowd: Crowd, tmp_path: Path) -> None:
    """What was answered isn't asked again, nothing is lost, and the file on the disk holds nothing of a token."""
    state, before = tmp_path / "audit.state", crowd.github.requests_in_all()
    process = crowd.start("-A", "-o", "json", "--resume", str(state), "--concurrency", "2")
    try:
        wait_until(lambda: crowd.github.requests_in_all() - before > 100, 60, interval=0.005)
    finally:
        process.kill()  # SIGKILL: nothing is written any more
        process.communicate()
    asked = crowd.github.requests_in_all() - before
    assert 100 < asked < 200
    assert state.stat().st_mode & 0o077 == 0
    assert shows_no_token(crowd, state.read_text())
    second = crowd.audit("-A", "-o", "json", "--resume", str(state))
    assert second.code == 1, second.stderr
    assert places(second.report) == expected(crowd)
    assert together(second.report) == {frozenset(group) for group in crowd.holders.values()}
    # Those that were under way when it was killed were asked, and nobody heard the answer.
    assert 200 <= crowd.github.requests_in_all() - before <= 202
    assert not state.exists()


@pytest.mark.timeout(300)
def test_interrupted_it_tells_what_it_has_found(crowd: Crowd) -> None:
    """SIGINT, as by Ctrl-C: a partial report that says so, and exit code 3."""
    before = crowd.github.requests_in_all()
    with crowd.github.slow(0.1):
        process = crowd.start("-A", "-o", "json", "--concurrency", "1")
        wait_until(lambda: crowd.github.requests_in_all() - before > 20, 60, interval=0.005)
        process.send_signal(signal.SIGINT)
        run = ended(process)
    assert run.code == 3, run.stderr
    assert not run.report["complete"]
    assert "interrupted" in run.report["problems"][0]
    found, wanted = places(run.report), expected(crowd)
    assert 0 < len(found) < len(wanted)
    assert all(wanted[place] == outcome for place, outcome in found.items())


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("format", "view"), [*((form, "findings") for form in FORMATS), ("table", "tokens")])
def test_no_form_of_a_report_shows_a_token(crowd: Crowd, format: str, view: str, tmp_path: Path) -> None:
    """Neither the report nor what is printed beside it, nor in part nor in base64."""
    file = tmp_path / "report"
    run = crowd.audit("-n", "team-00", "-l", LABEL, "-o", format, "--view", view, "--output-file", str(file))
    assert run.code == 1, run.stderr
    text = file.read_text()
    assert "creds-" in text
    assert shows_no_token(crowd, text + run.stdout + run.stderr)


RBAC = "rbac.authorization.k8s.io"


def allow(crowd: Crowd, namespace: str | None, *verbs: str, resources: Sequence[str] = ("secrets",)) -> None:
    """Give the auditor these verbs, in a namespace or in the cluster."""
    name = f"audit-{secrets.token_hex(4)}"
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    kind = "Role" if namespace else "ClusterRole"
    rule = {"apiGroups": [""], "resources": list(resources), "verbs": list(verbs)}
    user = {"kind": "User", "apiGroup": RBAC, "name": "auditor"}
    crowd.control_plane.apply(
        [
            {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": [rule]},
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": f"{kind}Binding",
                "metadata": metadata,
                "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
                "subjects": [user],
            },
        ]
    )


@pytest.mark.timeout(300)
def test_missing_rights_are_named_and_what_may_be_read_is(crowd: Crowd) -> None:
    """Namespaces that this account may not read are left out, named, and with them the report isn't complete."""
    alone = crowd.audit("-A", "-o", "json", user="auditor")
    assert alone.code == 3
    assert "verbs get and list on secrets" in alone.report["problems"][0]
    allow(crowd, None, "list", resources=["namespaces"])
    allow(crowd, "team-03", "get", "list")
    allow(crowd, "team-04", "list")

    def audited() -> dict[str, Any] | None:
        run = crowd.audit("-A", "-o", "json", user="auditor")
        assert run.code == 3
        return run.report if run.report["entries"] else None

    report = wait_until(audited, 30, message="the API server to know the roles") or {}
    assert {entry["namespace"] for entry in report["entries"]} == {"team-03"}
    (problem,) = report["problems"]
    assert "team-05" in problem and "team-04" in problem and "team-03" not in problem
    assert {item["namespace"] for item in report["notLookedAt"]} == {"team-04"}


@pytest.mark.timeout(300)
def test_acting_as_somebody_else(crowd: Crowd) -> None:
    """`--as` looks with another's rights, as kubectl's does."""
    run = crowd.audit("-n", "team-05", "-o", "json", "--as", "nobody-at-all")
    assert run.code == 3
    assert "team-05" in run.report["problems"][0]


@pytest.mark.timeout(300)
def test_only_what_was_written_since(crowd: Crowd) -> None:
    """Secrets from before are passed over, and counted."""
    run = crowd.audit("-n", "team-06", "-o", "json", "--since", "2026-11-02T00:00:00Z")
    assert run.code == 0, run.stderr
    assert run.report["entries"] == []
    assert run.report["summary"]["passedOver"]["Secret that was written before"] == 100


@pytest.mark.timeout(300)
def test_a_namespace_that_is_none(crowd: Crowd) -> None:
    """A slip of the pen isn't taken for a namespace in which all is well."""
    run = crowd.audit("-n", "teem-06", "-o", "json")
    assert run.code == 3
    assert run.report["problems"] == ["There is no namespace teem-06."]


def test_a_selector_that_is_none(crowd: Crowd) -> None:
    """It is wrong usage, and no cluster that couldn't be looked at."""
    run = crowd.audit("-n", "team-06", "-l", "a b==")
    assert (run.code, run.stdout) == (2, "")
    assert "--selector" in run.stderr


@pytest.mark.timeout(300)
def test_several_clusters_make_one_report(crowd: Crowd, tmp_path: Path) -> None:
    """Each row says which cluster it is of; a token that both hold is asked about once."""
    configuration = json.loads(crowd.control_plane.kubeconfig("admin").read_text())
    (context,) = configuration["contexts"]
    configuration["contexts"] = [{**context, "name": "east"}, {**context, "name": "west"}]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(configuration))
    before = crowd.github.requests_in_all()
    contexts = ("--kubeconfig", str(kubeconfig), "--context", "east", "--context", "west")
    report = crowd.audit(*contexts, "-n", "team-08", "-o", "json").report
    assert Counter(entry["cluster"] for entry in report["entries"]) == {"east": 100, "west": 100}
    assert report["sources"] == ["east", "west"]
    assert crowd.github.requests_in_all() - before == report["summary"]["asked"] == report["summary"]["tokens"]


@pytest.mark.timeout(300)
def test_what_the_webhook_has_never_seen_and_what_was_changed_behind_its_back(
    crowd: Crowd, github: Simulation, tmp_path: Path
) -> None:
    """By the attestation of each, for whoever has the webhook's keys; without them, only whether there is one."""
    write_key(tmp_path / "keys", "2026-11")
    os.utime(tmp_path / "keys" / "2026-11", (0, 0))
    ring, now = load_keyring_by_file_times(tmp_path / "keys"), datetime.now(UTC)
    namespace = "attested"
    crowd.control_plane.kubectl("create", "namespace", namespace)
    token, other = crowd.github.good_token(), crowd.github.good_token()

    def signed(name: str, signed_for: str) -> str:
        secret = SecretObject(namespace, name, data={"token": base64.b64encode(signed_for.encode()).decode()})
        entry = Entry("token", Checkable(TokenCredential(SecretStr(signed_for))))
        host = Host("github.com", Kind("github"), "https://api.github.com")
        requirement = parse_settings("").requirement(host.kind, Role.USER)
        question = Question(entry.content.credential, host, (), {Role.USER: requirement})  # type: ignore[union-attr]
        answer = same_for_all(question, Finding(Outcome.SUFFICIENT))
        text = attest(secret, [Role.USER], [Asked(entry, question, answer, now)], ring, now)
        assert text is not None
        return text

    secrets_of_users = {
        "git-default-seen": signed("git-default-seen", token),
        "git-default-changed": signed("git-default-changed", other),
        "git-default-borrowed": signed("git-default-seen", token),
        "git-default-never": None,
    }
    objects = []
    for name, attestation in secrets_of_users.items():
        made = stored(namespace, name, {"token": token})
        if attestation is not None:
            made["metadata"]["annotations"] = {"git-token-webhook/attestation": attestation}
        objects.append(made)
    crowd.control_plane.store_in_etcd({key_of(made): made for made in objects})

    def states(*flags: str) -> dict[str, str | None]:
        run = crowd.audit("-n", namespace, "-o", "json", *flags)
        return {entry["name"].removeprefix("git-default-"): entry["attested"] for entry in run.report["entries"]}

    keys = ("--keys", str(tmp_path / "keys"))
    expected = {"seen": "attested", "changed": "changed", "borrowed": "untrusted", "never": "never"}
    crowd.wait_for(objects[-1])
    assert states(*keys) == expected
    assert states() == {"seen": None, "changed": None, "borrowed": None, "never": "never"}
    assert crowd.audit("-n", namespace, *keys).code == 0
    assert crowd.audit("-n", namespace, *keys, "--fail-on", "changed").code == 1


@pytest.mark.timeout(300)
def test_which_applications_would_fail_to_sync(crowd: Crowd) -> None:
    """Each with the credential that Argo CD would use for it, also one that no rule matches."""
    kubectl, namespace = crowd.control_plane.kubectl, "argocd"
    sets = json.loads(json.dumps(DEFINITION).replace("applications", "applicationsets"))
    sets["spec"]["names"] |= {"kind": "ApplicationSet", "singular": "applicationset"}
    crowd.control_plane.apply([DEFINITION, sets])
    kubectl("create", "namespace", namespace)
    wait_until(lambda: kubectl("get", "applicationsets,applications", "-A", check=False).returncode == 0)
    weak, gone = crowd.github.token("repo"), crowd.github.good_token()
    crowd.github.revoke(gone)
    url = "https://github.com"
    made = [
        stored(namespace, "host", {"url": url, "password": weak}, {LABEL: "repo-creds"}),
        stored(namespace, "website", {"url": f"{url}/acme/website", "password": gone}, {LABEL: "repository"}),
    ]
    crowd.control_plane.store_in_etcd({key_of(one): one for one in made})
    applications = [application("good", f"{url}/acme/apps.git"), application("bad", f"{url}/acme/website")]
    for one in applications:
        one["metadata"]["namespace"] = namespace
    crowd.control_plane.apply(applications)
    wait_until(lambda: kubectl("get", "secret", "website", "-n", namespace, check=False).returncode == 0)
    run = crowd.audit("-n", namespace, "--applications", "-o", "json", "--fail-on", "applications")
    assert run.code == 1, run.stderr
    found = {row["name"]: row for row in run.report["applications"]}
    assert found["good"]["wouldSync"] is True
    assert found["good"]["credential"]["name"] == "host"
    assert found["bad"]["wouldSync"] is False
    assert found["bad"]["credential"]["name"] == "website"
    assert "rejects this classic token" in found["bad"]["message"]
    (entry,) = run.report["entries"]
    assert (entry["name"], entry["applications"]) == ("host", ["argocd/good"])
