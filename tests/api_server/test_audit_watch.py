"""The audit that never ends, on a real API server, with the rights that it has where it is installed."""

import base64
import json
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.api_server.audit_watch import COMPONENT, KINDS, LABEL, LEASE, Cluster, own_cluster
from tests.api_server.control_plane import ControlPlane, wait_until
from tests.api_server.test_audit import HOLDERS, Crowd, fill
from tests.api_server.webhook_process import MANIFESTS, OWN_NAMESPACE
from tests.support.go_programs import BinariesUnavailable, skip_or_fail
from tests.third_party.definitions import prometheus_operator
from webhook.simulator.faults import Status

OPEN_REPORTS, POLICY_REPORTS = KINDS


@pytest.fixture(scope="module")
def shared(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for all tests here."""
    with own_cluster(control_plane.binaries, tmp_path_factory.mktemp("audit")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    """With OpenReports, and without Secrets."""
    try:
        shared.have(OPEN_REPORTS)
    except BinariesUnavailable as error:
        skip_or_fail(str(error))
    yield shared
    shared.empty()


@pytest.mark.parametrize("kind", KINDS)
def test_each_secret_has_a_report_of_the_kind_that_there_is(cluster: Cluster, kind: str) -> None:
    """Taken by the API server as its definition says, owned by the Secret, and without a token."""
    cluster.have(kind)
    team = cluster.namespace()
    good, weak = cluster.github.good_token(), cluster.github.weak_token()
    cluster.secret(team, "good", good)
    cluster.secret(team, "weak", weak)
    with cluster.watched() as replica:
        fine = cluster.wait_for("sufficient", team, "good", kind)
        bad = cluster.wait_for("insufficient", team, "weak", kind)
        wait_until(lambda: cluster.reasons(team, "weak"), message="an Event")
        told = replica.log + replica.metrics
        assert replica.metric("audit_tokens", outcome="insufficient", role="runtime", provider="github") == 1
        assert replica.metric("audit_tokens", outcome="sufficient", notifications="on") == 1
        assert replica.metric("audit_secrets") == 2
    uid = cluster.get("secret", "weak", "-n", team)["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Secret", "name": "weak", "uid": uid}
    assert bad["metadata"]["ownerReferences"] == [owner]
    assert bad["scope"] == {**owner, "namespace": team}
    assert bad["summary"] == {"pass": 0, "fail": 1, "warn": 0, "error": 0, "skip": 0}
    (result,) = bad["results"]
    assert (result["result"], result["severity"], result["source"]) == ("fail", "high", "git-token-webhook")
    assert "needs admin:repo_hook" in result["message"]
    assert fine["results"][0]["result"] == "pass"
    assert cluster.reasons(team, "weak") == ["TokenInsufficient"]
    assert cluster.reasons(team, "good") == []
    stored = str([cluster.get(kind, "-A"), cluster.get("events", "-A")])
    for token in (good, weak):
        assert token not in told + stored


def test_what_changes_is_told_once(cluster: Cluster) -> None:
    """When it changes: not at each look, and not by whoever starts later."""
    team = cluster.namespace()
    token = cluster.github.good_token()
    cluster.secret(team, "creds", token)
    with cluster.watched("--interval", "2s"):
        cluster.wait_for("sufficient", team, "creds")
        cluster.github.revoke(token)
        cluster.wait_for("invalid", team, "creds")
        version = cluster.wait_for("invalid", team, "creds")["metadata"]["resourceVersion"]
        time.sleep(4)
        assert cluster.report(team, "creds")["metadata"]["resourceVersion"] == version  # type: ignore[index]
    with cluster.watched("--interval", "2s") as replica:
        wait_until(lambda: replica.metric("audit_looks_total", result="judged") >= 2, message="it to look")
        assert cluster.reasons(team, "creds") == ["TokenInvalid"]
        cluster.secret(team, "creds", cluster.github.good_token())
        cluster.wait_for("sufficient", team, "creds")
        wait_until(lambda: len(cluster.events(team, "creds")) == 2, message="the good news")
    first, second = cluster.events(team, "creds")
    assert (first["type"], first["reason"]) == ("Warning", "TokenInvalid")
    assert (second["type"], second["reason"]) == ("Normal", "TokenWellAgain")
    assert "data.password" in first["message"]


def test_a_change_of_the_secret_is_seen_at_once(cluster: Cluster) -> None:
    """However long the interval is."""
    team = cluster.namespace()
    cluster.secret(team, "creds", cluster.github.good_token())
    with cluster.watched("--interval", "12h"):
        cluster.wait_for("sufficient", team, "creds")
        cluster.secret(team, "creds", cluster.github.weak_token())
        cluster.wait_for("insufficient", team, "creds")
        cluster.secret(team, "new", cluster.github.weak_token())
        cluster.wait_for("insufficient", team, "new")


def test_an_end_is_noticed_when_it_comes(cluster: Cluster) -> None:
    """To the second, and not at the next turn."""
    team = cluster.namespace()
    with cluster.watched("--interval", "12h") as replica:
        cluster.secret(team, "creds", cluster.github.token("repo", "admin:repo_hook", expires=timedelta(seconds=15)))
        cluster.wait_for("expiring", team, "creds")
        assert replica.metric("audit_expiring_tokens", days="1") == 1
        assert replica.metric("audit_expiring_tokens", days="30") == 1
        cluster.wait_for("invalid", team, "creds")
        assert replica.metric("audit_expiring_tokens") == 0
    assert cluster.reasons(team, "creds") == ["TokenExpiring", "TokenInvalid"]


def test_a_token_is_asked_about_once_however_many_hold_it(cluster: Cluster) -> None:
    """In one round; its holders are looked at all the same."""
    team = cluster.namespace()
    token = cluster.github.good_token()
    for number in range(8):
        cluster.secret(team, f"creds-{number}", token)
    with cluster.watched():
        for number in range(8):
            cluster.wait_for("sufficient", team, f"creds-{number}")
        cluster.secret(team, "later", token)
        cluster.wait_for("sufficient", team, "later")
    assert cluster.github.requests(token) == 1


def test_where_nobody_answers_it_is_asked_again_and_nobody_is_woken(cluster: Cluster) -> None:
    """An outage is no news for an hour; when it is over, what was silent is asked again at once."""
    team = cluster.namespace()
    token = cluster.github.good_token()
    cluster.secret(team, "creds", token)
    cluster.github.fail_once(token, Status(status=500))
    with cluster.watched() as replica:
        report = cluster.wait_for("unverified", team, "creds")
        assert report["summary"]["error"] == 1
        assert replica.metric("audit_tokens", outcome="unverified") == 1
        # Another token of the host has an answer.
        cluster.secret(team, "other", cluster.github.good_token())
        cluster.wait_for("sufficient", team, "creds", seconds=60)
    assert cluster.reasons(team, "creds") == []


def test_with_both_kinds_there_is_one_report_each(cluster: Cluster) -> None:
    """OpenReports; what was written as PolicyReport before it came goes."""
    cluster.have(POLICY_REPORTS)
    team = cluster.namespace()
    cluster.secret(team, "creds", cluster.github.good_token())
    with cluster.watched():
        cluster.wait_for("sufficient", team, "creds", POLICY_REPORTS)
        cluster.have(POLICY_REPORTS, OPEN_REPORTS)
        cluster.wait_for("sufficient", team, "creds", OPEN_REPORTS)
        wait_until(lambda: cluster.report(team, "creds", POLICY_REPORTS) is None, message="the other to go")


def test_without_reports_there_are_events_and_metrics(cluster: Cluster) -> None:
    """Said once; as soon as there is a kind, it is used."""
    cluster.have()
    team = cluster.namespace()
    cluster.secret(team, "creds", cluster.github.weak_token())
    with cluster.watched() as replica:
        wait_until(lambda: cluster.reasons(team, "creds") == ["TokenInsufficient"], message="an Event")
        assert replica.metric("audit_tokens", outcome="insufficient") == 1
        time.sleep(3)  # several looks for one
        assert len(replica.lines("no reports")) == 1
        cluster.have(OPEN_REPORTS)
        cluster.wait_for("insufficient", team, "creds")
        cluster.have()
        wait_until(lambda: len(replica.lines("no reports")) == 2, message="it to notice that they are gone")
    cluster.have()
    with cluster.watched() as replica:  # nothing remembers, and yet it is told once
        wait_until(lambda: replica.metric("audit_looks_total", result="judged") == 1, message="it to look")
    assert cluster.reasons(team, "creds") == ["TokenInsufficient"]


def test_what_is_no_credential_any_more_has_no_report(cluster: Cluster) -> None:
    """Its label was taken off, or was while nobody looked; and a rule went."""
    team = cluster.namespace()
    for name in ("one", "two", "three"):
        cluster.secret(team, name, cluster.github.good_token())
    file = cluster.configuration()
    replica = cluster.start(file=file)
    try:
        for name in ("one", "two", "three"):
            cluster.wait_for("sufficient", team, name)
        cluster.control_plane.kubectl("label", "secret", "one", "-n", team, f"{LABEL}-")
        cluster.wait_for("", team, "one")
    finally:
        replica.stop()
    cluster.control_plane.kubectl("label", "secret", "two", "-n", team, f"{LABEL}-")
    replica = cluster.start(file=file)
    try:
        cluster.wait_for("", team, "two")
        assert cluster.result(team, "three") == "sufficient"
        cluster.configure(file, {"builtinRules": False})
        cluster.wait_for("", team, "three")
        cluster.configure(file, {"builtinRules": False, "mode": "nonsense"})
        wait_until(lambda: replica.lines("reload failed, the previous version stays in use"), message="it to refuse")
        cluster.configure(file)
        cluster.wait_for("sufficient", team, "three")
    finally:
        replica.stop()


def test_whoever_is_muted_is_reported_and_not_told(cluster: Cluster) -> None:
    """By an annotation of the Secret or of its namespace; once that is gone, what is still bad is told."""
    loud, quiet = cluster.namespace(), cluster.namespace({"git-token-webhook/notifications": "muted"})
    cluster.secret(loud, "muted", cluster.github.weak_token(), {"git-token-webhook/notifications": "muted"})
    cluster.secret(loud, "heard", cluster.github.weak_token(), {"git-token-webhook/notifications": "nonsense"})
    cluster.secret(quiet, "creds", cluster.github.weak_token())
    with cluster.watched() as replica:
        for namespace, name in ((loud, "muted"), (loud, "heard"), (quiet, "creds")):
            cluster.wait_for("insufficient", namespace, name)
        wait_until(lambda: cluster.reasons(loud, "heard"), message="the one Event")
        assert cluster.reasons(loud, "muted") == cluster.reasons(quiet, "creds") == []
        assert replica.metric("audit_tokens", notifications="muted") == 2
        assert replica.metric("audit_tokens", notifications="on") == 1
        cluster.control_plane.kubectl("annotate", "namespace", quiet, "git-token-webhook/notifications-")
        wait_until(lambda: cluster.reasons(quiet, "creds") == ["TokenInsufficient"], message="the namespace's Event")
        cluster.control_plane.kubectl("annotate", "secret", "muted", "-n", loud, "git-token-webhook/notifications-")
        wait_until(lambda: cluster.reasons(loud, "muted") == ["TokenInsufficient"], message="the Secret's Event")


def test_a_namespace_that_is_skipped_from_now_on_is_looked_at_anew(cluster: Cluster) -> None:
    """Its annotation counts at once, as it does at admission."""
    team = cluster.namespace()
    cluster.secret(team, "creds", cluster.github.weak_token())
    with cluster.watched():
        cluster.wait_for("insufficient", team, "creds")
        cluster.control_plane.kubectl("annotate", "namespace", team, "git-token-webhook/skip-validation=true")
        report = cluster.wait_for("skipped", team, "creds")
    assert report["summary"]["skip"] == 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
def test_another_replica_takes_over(cluster: Cluster, how: signal.Signals) -> None:
    """From one that is killed, hangs or ends; it knows what is known, asks nobody again, and tells nothing twice."""
    team = cluster.namespace()
    token = cluster.github.weak_token()
    cluster.secret(team, "creds", token)
    first = cluster.start()
    second = None
    try:
        wait_until(first.leads, 20, message="the first one to lead")
        cluster.wait_for("insufficient", team, "creds")
        wait_until(lambda: cluster.reasons(team, "creds"), message="an Event")
        second = cluster.start()
        wait_until(lambda: second.readiness()[0] == 200, 20, message="the second one to be ready")
        assert second.metric("audit_tokens") == 0  # counted by the one that leads, and by nobody else
        began = time.monotonic()
        first.signal(how)
        wait_until(second.leads, 20, message="the second one to lead")
        took = time.monotonic() - began
        assert took < (2 if how is signal.SIGTERM else 6)
        wait_until(lambda: second.metric("audit_tokens", outcome="insufficient") == 1, message="it to know")
        cluster.secret(team, "new", cluster.github.weak_token())
        cluster.wait_for("insufficient", team, "new")
        if how is signal.SIGSTOP:
            first.signal(signal.SIGCONT)
            wait_until(lambda: not first.leads(), message="the first one to notice")
            assert second.leads()
            assert first.metric("audit_tokens") == 0
    finally:
        first.stop()
        if second is not None:
            second.stop()
    assert cluster.github.requests(token) == 1
    assert cluster.reasons(team, "creds") == ["TokenInsufficient"]
    assert cluster.reasons(team, "new") == ["TokenInsufficient"]


def test_whoever_ends_lets_the_lease_go(cluster: Cluster) -> None:
    """So that the next one needn't wait."""
    replica = cluster.start()
    wait_until(replica.leads, 20, message="it to lead")
    assert replica.stop() == 0
    assert replica.lines("stopped")
    assert not cluster.get("lease", LEASE, "-n", OWN_NAMESPACE)["spec"].get("holderIdentity")


def test_the_api_server_starts_anew_and_forgets(cluster: Cluster) -> None:
    """It is followed from where we were; it says 410, and all is listed anew: once said, and nothing told twice."""
    team = cluster.namespace()
    token = cluster.github.weak_token()
    cluster.secret(team, "creds", token)
    with cluster.watched("--lease-duration", "60s") as replica:
        cluster.wait_for("insufficient", team, "creds")
        wait_until(lambda: cluster.reasons(team, "creds"), message="an Event")
        cluster.control_plane.restart_api_server()
        cluster.secret(team, "new", cluster.github.weak_token())
        cluster.wait_for("insufficient", team, "new", seconds=60)
        wait_until(lambda: replica.metric("audit_troubled") == 0, 40, message="it to be well again")
        assert replica.lines("listing again", what="secrets")
        assert len(replica.lines("recovered", what="secrets")) == 1
        assert replica.readiness()[0] == 200
    assert cluster.github.requests(token) == 1
    assert cluster.reasons(team, "creds") == ["TokenInsufficient"]


@pytest.mark.parametrize(
    ("resource", "what", "lacking"),
    [
        ("reports", "reports", "the verb list on reports"),
        ("events", "events", "create on events"),
        ("namespaces", "namespaces", "the verb list on namespaces"),
    ],
)
def test_a_right_that_is_missing_is_named_once(cluster: Cluster, resource: str, what: str, lacking: str) -> None:
    """The rest goes on; as soon as the right is there, so is what it was missing for."""
    team = cluster.namespace()
    cluster.take_right(resource)
    try:
        with cluster.watched("--interval", "2s") as replica:
            cluster.secret(team, "creds", cluster.github.weak_token())
            wait_until(lambda: replica.lines("failing", what=what), 20, message="it to say so")
            wait_until(lambda: replica.metric("audit_tokens", outcome="insufficient") == 1, message="it to go on")
            time.sleep(3)
            (line,) = replica.lines("failing", what=what)
            assert lacking in line["detail"]
            assert replica.metric("audit_troubled", what=what) == 1
            cluster.give_rights()
            wait_until(lambda: replica.lines("recovered", what=what), 40, message="it to be well again")
            cluster.wait_for("insufficient", team, "creds")
            wait_until(lambda: cluster.reasons(team, "creds") == ["TokenInsufficient"], message="the Event")
    finally:
        cluster.give_rights()


def test_who_may_not_follow_secrets_is_not_ready(cluster: Cluster) -> None:
    """So that whoever installs it sees it."""
    cluster.take_right("secrets")
    try:
        with cluster.watched() as replica:
            wait_until(lambda: replica.lines("failing", what="secrets"), 20, message="it to say so")
            status, text = replica.readiness()
            assert status == 503
            assert "the verb list on secrets" in text
            cluster.give_rights()
            wait_until(lambda: replica.readiness()[0] == 200, 40, message="it to be ready")
    finally:
        cluster.give_rights()


def test_no_token_is_said_by_anybody(cluster: Cluster) -> None:
    """Also where somebody's slip has made one the name of a Secret or of a key, a label or an account."""
    team = cluster.namespace()
    token, name = cluster.github.weak_token(), cluster.github.weak_token()
    named = f"git-default-{'-'.join(('glpat', 'a1b2c3d4e5' * 2))}"
    encoded = base64.b64encode(token.encode()).decode()
    secrets: list[dict[str, Any]] = [
        {
            "metadata": {"name": "git-default-json"},
            "stringData": {"alice": json.dumps({"token": token, "username": token})},
        },
        {"metadata": {"name": "git-default-key"}, "stringData": {token: "something", "token": token}},
        {
            "metadata": {"name": "git-default-url"},
            "stringData": {"url": f"https://{token}@github.com/acme", "token": token},
        },
        {"metadata": {"name": "git-default-host"}, "stringData": {"host": f"{token}.example", "token": token}},
        {"metadata": {"name": named}, "stringData": {"token": f"{name}-spoilt"}},
    ]
    for secret in secrets:
        secret["metadata"]["namespace"] = team
        cluster.control_plane.apply({"apiVersion": "v1", "kind": "Secret", **secret})
    with cluster.watched("--log-level", "debug") as replica:
        wait_until(
            lambda: replica.metric("audit_looks_total", result="judged") == len(secrets), 20, message="all looks"
        )
        for one in ("json", "key", "url", "host"):
            wait_until(partial(cluster.report, team, f"git-default-{one}"), message="its report")
        told = replica.log + replica.metrics + replica.readiness()[1]
    told += str([cluster.get(OPEN_REPORTS, "-n", team), cluster.get("events", "-n", team)])
    assert cluster.report(team, named) is None
    for planted in (token, name, named, encoded):
        assert planted not in told


@pytest.mark.timeout(300, func_only=True)
def test_two_thousand_among_twenty_thousand(control_plane: ControlPlane, tmp_path: Path) -> None:
    """Each is looked at, each token is asked about once, each has a report, and memory is for the few that matter."""
    with own_cluster(control_plane.binaries, tmp_path) as large:
        large.have(OPEN_REPORTS)
        crowd = Crowd(large.control_plane, large.github, large.configuration(), tmp_path)
        fill(crowd)
        with large.watched("--lease-duration", "15s") as replica:
            looked = len(crowd.tokens) * HOLDERS
            wait_until(
                lambda: replica.metric("audit_report_changes_total") >= looked, 200, interval=1, message="all reports"
            )
            assert replica.metric("audit_report_changes_total") == looked
            for outcome, number in Counter(crowd.tokens.values()).items():
                assert replica.metric("audit_tokens", outcome=outcome) == number * HOLDERS
            # For a few, their regular turn comes just now.
            assert looked <= replica.metric("audit_looks_total", result="judged") < looked * 1.02
            assert replica.megabytes() < 300
        assert [large.github.requests(token) for token in crowd.tokens] == [1] * len(crowd.tokens)


def test_a_forged_report_elsewhere_is_worth_nothing(cluster: Cluster) -> None:
    """Whoever may write reports in one namespace says nothing about a Secret of another."""
    team, elsewhere = cluster.namespace(), cluster.namespace()
    cluster.secret(team, "creds", cluster.github.weak_token())
    with cluster.watched():
        report = cluster.wait_for("insufficient", team, "creds")
    name = report["metadata"]["name"]
    cluster.control_plane.kubectl("delete", OPEN_REPORTS, name, "-n", team)
    kept = {key: report["metadata"][key] for key in ("name", "labels", "annotations")}
    report["metadata"] = {**kept, "namespace": elsewhere}
    report["results"][0]["properties"] |= {"state": "sufficient", "told": "sufficient"}
    cluster.create(report)
    with cluster.watched():
        cluster.wait_for("insufficient", team, "creds")
        wait_until(lambda: cluster.report(elsewhere, "creds") is None, message="the forged one to go")


def test_all_of_its_objects_are_accepted(cluster: Cluster) -> None:
    """By the API server and the level of Pod Security that our namespace has; the alerts, too."""
    for definition in prometheus_operator():
        cluster.control_plane.kubectl("create", "-f", str(definition))
    wait_until(lambda: cluster.control_plane.kubectl("get", "prometheusrules", "-A", check=False).returncode == 0, 20)
    dry = ("apply", "--dry-run=server", "-n", OWN_NAMESPACE)
    alerts = cluster.control_plane.kubectl(*dry, "-k", str(MANIFESTS.parent / "alerts"))
    assert "prometheusrule.monitoring.coreos.com/git-token-webhook created" in alerts.stdout
    for file in sorted(COMPONENT.glob("*.yaml")):
        if file.name != "kustomization.yaml":
            assert "Warning" not in cluster.control_plane.kubectl(*dry, "-f", str(file)).stderr
