"""What Prometheus reads."""

from datetime import UTC, datetime

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from webhook import __version__
from webhook.decision import Allow, Deny, Stage
from webhook.metrics import Metrics, outcome_of
from webhook.subject import Operation


def busy_metrics() -> Metrics:
    """Everything happened once."""
    metrics = Metrics()
    metrics.decided(Stage.VALIDATE, Operation.CREATE, "denied", 0.02, late=True)
    metrics.failed(Stage.MUTATE)
    metrics.bad_review("json")
    metrics.skipped("namespace")
    metrics.skipped_by_annotation("alice")
    metrics.asked_provider("github", "2xx", 0.1)
    metrics.cache("hit")
    metrics.reloaded("certificate", "success")
    metrics.handshake_failed("timeout")
    metrics.certificate_expires(datetime(2027, 1, 1, tzinfo=UTC))
    metrics.observe_server(in_flight=lambda: 3, connections=lambda: 5)
    return metrics


def families(metrics: Metrics) -> dict[str, Metric]:
    return {family.name: family for family in parse_text(metrics.exposition()[0].decode())}


def test_everything_has_its_name() -> None:
    """The names that dashboards and alerts are made of, with their base units."""
    ours = {name for name in families(busy_metrics()) if name.startswith("git_token_webhook_")}
    assert ours == {
        f"git_token_webhook_{name}"
        for name in (
            "admission_decision_duration_seconds",
            "admission_decisions",
            "admission_errors",
            "admission_late_decisions",
            "annotation_skips",
            "api_server_access_failing",
            "bad_reviews",
            "build_info",
            "ca_expiry_timestamp_seconds",
            "certificate_expiry_timestamp_seconds",
            "certificate_steps",
            "certificate_trusted",
            "certificates_kept",
            "certificates_troubled",
            "connections",
            "in_flight_requests",
            "provider_request_duration_seconds",
            "provider_requests",
            "reloads",
            "skips",
            "tls_handshake_failures",
            "verdict_cache",
        )
    }


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("admission_decisions_total", {"stage": "validate", "operation": "CREATE", "outcome": "denied"}, 1),
        ("admission_decision_duration_seconds_bucket", {"stage": "validate", "le": "0.025"}, 1),
        ("admission_decision_duration_seconds_bucket", {"stage": "validate", "le": "0.01"}, 0),
        ("admission_late_decisions_total", {"stage": "validate"}, 1),
        ("admission_late_decisions_total", {"stage": "mutate"}, 0),
        ("admission_errors_total", {"stage": "mutate"}, 1),
        ("bad_reviews_total", {"reason": "json"}, 1),
        ("skips_total", {"reason": "namespace"}, 1),
        ("annotation_skips_total", {"requester": "alice"}, 1),
        ("provider_requests_total", {"provider": "github", "result": "2xx"}, 1),
        ("provider_request_duration_seconds_count", {"provider": "github"}, 1),
        ("verdict_cache_total", {"result": "hit"}, 1),
        ("verdict_cache_total", {"result": "coalesced"}, 0),
        ("reloads_total", {"what": "certificate", "result": "success"}, 1),
        ("tls_handshake_failures_total", {"reason": "timeout"}, 1),
        ("certificate_expiry_timestamp_seconds", {}, 1798761600),
        ("in_flight_requests", {}, 3),
        ("connections", {}, 5),
    ],
)
def test_what_happened_is_counted(name: str, labels: dict[str, str], value: float) -> None:
    """Each thing under its own labels, and what can happen is there as 0 before it does."""
    assert busy_metrics().registry.get_sample_value(f"git_token_webhook_{name}", labels) == value


def test_what_is_running() -> None:
    """Version and Python."""
    (sample,) = families(Metrics())["git_token_webhook_build_info"].samples
    assert (sample.value, sample.labels["version"]) == (1, __version__)


def test_the_format_that_is_asked_for() -> None:
    """Prometheus asks for OpenMetrics, and reads it with a strict parser."""
    body, content_type = busy_metrics().exposition("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    families = parse_openmetrics(body.decode())  # type: ignore[no-untyped-call]
    assert len(list(families)) > 15


def test_every_metric_has_a_text() -> None:
    """Nobody should have to read the source to know what it counts."""
    assert all(family.documentation for family in families(busy_metrics()).values())


def test_an_open_label_stays_small() -> None:
    """Values from outside would make series without end; after some dozens they are all one."""
    metrics = Metrics()
    for number in range(1000):
        metrics.bad_review(f"reason {number}")
    samples = [s for s in families(metrics)["git_token_webhook_bad_reviews"].samples]
    assert len(samples) < 40
    assert sum(sample.value for sample in samples) == 1000


def test_two_servers_in_one_process() -> None:
    """Each counts for itself."""
    one, two = Metrics(), Metrics()
    one.bad_review("json")
    assert two.registry.get_sample_value("git_token_webhook_bad_reviews_total", {"reason": "json"}) is None


@pytest.mark.parametrize(
    ("decision", "outcome"), [(Allow(), "allowed"), (Allow(("x",)), "warned"), (Deny("no", warnings=("x",)), "denied")]
)
def test_outcomes(decision: Allow | Deny, outcome: str) -> None:
    """One word for each way in which a review ends."""
    assert outcome_of(decision) == outcome


@pytest.mark.parametrize("operation", Operation)
def test_every_operation_can_be_counted(operation: Operation) -> None:
    """Also one that secrets don't have."""
    Metrics().decided(Stage.MUTATE, operation, "allowed", 0.001, late=False)
