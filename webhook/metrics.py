"""Prometheus metrics. Each label has a small set of values, none of which comes from a Secret.

Each server has its own `Metrics`; there is no global registry.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from datetime import datetime
from typing import Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from webhook import __version__
from webhook.decision import Allow, Decision, Stage
from webhook.subject import Operation

# `_created` series would double the number of series. The library can disable them only for the whole process.
disable_created_metrics()  # type: ignore[no-untyped-call]

Outcome = Literal["allowed", "warned", "denied"]
CacheResult = Literal["hit", "miss", "coalesced", "attested"]
ReloadResult = Literal["success", "failure"]
OTHER = "other"

# Seconds. A decision takes a millisecond, or some hundred with a provider; the API server waits for at most 30 s.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_MOST_VALUES = 32
"""Values that a label without a fixed set can have; later ones are counted as `OTHER`."""
_LONGEST_VALUE = 128  # characters


def outcome_of(decision: Decision) -> Outcome:
    """Return the word for a decision in metrics and log lines."""
    if not isinstance(decision, Allow):
        return "denied"
    return "warned" if decision.warnings else "allowed"


class Exported:
    """The metrics that the server and the continuous audit share: provider requests, reloads and the process."""

    def __init__(self, build: str) -> None:
        """
        Args:
            build: the name of the metric whose labels give the versions.
        """
        self.registry = CollectorRegistry()
        self._known_values: dict[str, set[str]] = {}
        self._provider_requests = self._counter(
            "provider_requests", "HTTP requests to Git providers.", "provider", "result"
        )
        self._provider_seconds = self._histogram(
            "provider_request_duration_seconds", "Duration of HTTP requests to Git providers.", "provider"
        )
        self._reloads = self._counter("reloads", "Reloads of changed files.", "what", "result")
        self._access_failing = self._gauge(
            "api_server_access_failing",
            "1 while the API server rejects the credentials, or its certificate cannot be verified.",
        )
        info = self._gauge(
            build, "Always 1; the labels give the versions of the program and of Python.", "version", "python"
        )
        info.labels(__version__, platform.python_version()).set(1)
        ProcessCollector(registry=self.registry)

    def asked_provider(self, provider: str, result: str, seconds: float) -> None:
        """Count a request to a provider of kind `provider`; `result` is a word such as ``2xx`` or ``timeout``."""
        provider = self._bounded("provider", provider)
        self._provider_requests.labels(provider, self._bounded("provider_result", result)).inc()
        self._provider_seconds.labels(provider).observe(seconds)

    def api_server_access(self, problem: str | None) -> None:
        """Set whether requests to the API server fail for this process's credentials or CA."""
        self._access_failing.set(problem is not None)

    def reloaded(self, what: str, result: ReloadResult) -> None:
        """Count a reload; `what` names the files, for example ``certificate``."""
        self._reloads.labels(self._bounded("reloads", what), result).inc()

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Return all metrics in the format that the header ``Accept`` asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def _bounded(self, label: str, value: str) -> str:
        known = self._known_values.setdefault(label, set())
        if value not in known:
            if len(known) >= _MOST_VALUES:
                return OTHER
            known.add(value)
        return value

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace="git_token_webhook", registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace="git_token_webhook", registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(name, text, labels, namespace="git_token_webhook", registry=self.registry, buckets=_BUCKETS)


class Metrics(Exported):
    """All metrics of one server."""

    def __init__(self) -> None:
        super().__init__("build_info")
        self._decisions = self._counter("admission_decisions", "Decided reviews.", "stage", "operation", "outcome")
        self._decision_seconds = self._histogram(
            "admission_decision_duration_seconds", "Time from the arrival of a review to its decision.", "stage"
        )
        self._late = self._counter(
            "admission_late_decisions", "Reviews that reached their deadline before the check was done.", "stage"
        )
        self._errors = self._counter(
            "admission_errors",
            "Reviews that ended in an internal error: denied at /validate, HTTP 500 at /mutate.",
            "stage",
        )
        self._bad_reviews = self._counter(
            "bad_reviews",
            "Requests that were not a valid AdmissionReview (HTTP 4xx), or that had no room (HTTP 503).",
            "reason",
        )
        self._skips = self._counter("skips", "Reviews with a skipped check.", "reason")
        self._annotation_skips = self._counter(
            "annotation_skips", "Written Secrets whose skip annotation was honored.", "requester"
        )
        self._cache = self._counter("verdict_cache", "Cache look-ups of provider responses.", "result")
        self._handshakes = self._counter("tls_handshake_failures", "Failed TLS handshakes.", "reason")
        self._in_flight = self._gauge("in_flight_requests", "Requests in progress.")
        self._connections = self._gauge("connections", "Open connections on the TLS port.")
        self._expiry = self._gauge(
            "certificate_expiry_timestamp_seconds", "When the serving certificate expires, as Unix time."
        )
        self._ca_expiry = self._gauge(
            "ca_expiry_timestamp_seconds",
            "When the CA of own certificates expires, as Unix time; only on the replica that maintains them.",
        )
        self._trusted = self._gauge(
            "certificate_trusted", "1 if the API server trusts the serving certificate; only for own certificates."
        )
        self._keeps = self._gauge("certificates_kept", "1 on the replica that maintains the certificates.")
        self._troubled = self._gauge("certificates_troubled", "1 while own certificates cannot be maintained.")
        self._steps = self._counter("certificate_steps", "Changes to own certificates, their CA and its caBundle.")
        # A dictionary look-up is cheaper than labels(), which locks and joins on every call.
        self._known_decisions = {
            (stage, operation, outcome): self._decisions.labels(stage, operation, outcome)
            for stage in Stage
            for operation in (Operation.CREATE, Operation.UPDATE, Operation.DELETE)
            for outcome in ("allowed", "warned", "denied")
        }
        self._known_seconds = {stage: self._decision_seconds.labels(stage) for stage in Stage}
        for stage in Stage:
            self._late.labels(stage)
            self._errors.labels(stage)
        self._known_cache = {result: self._cache.labels(result) for result in get_args(CacheResult)}

    def decided(self, stage: Stage, operation: Operation, outcome: Outcome, seconds: float, *, late: bool) -> None:
        """Count a decision."""
        known = self._known_decisions.get((stage, operation, outcome))
        (known or self._decisions.labels(stage, operation, outcome)).inc()
        self._known_seconds[stage].observe(seconds)
        if late:
            self._late.labels(stage).inc()

    def failed(self, stage: Stage) -> None:
        """Count an internal error."""
        self._errors.labels(stage).inc()

    def bad_review(self, reason: str) -> None:
        """Count a request that was not judged; `reason` is `BadReview.reason`."""
        self._bad_reviews.labels(self._bounded("bad_reviews", reason)).inc()

    def skipped(self, reason: str) -> None:
        """Count a review with a skipped check; `reason` names the flag or annotation."""
        self._skips.labels(self._bounded("skips", reason)).inc()

    def skipped_by_annotation(self, requester: str) -> None:
        """Count a written Secret whose skip annotation was honored."""
        name = requester if len(requester) <= _LONGEST_VALUE else OTHER
        self._annotation_skips.labels(self._bounded("requesters", name)).inc()

    def cache(self, result: CacheResult) -> None:
        """Count a cache look-up."""
        self._known_cache[result].inc()

    def handshake_failed(self, reason: str) -> None:
        """Count a failed TLS handshake; `reason` is one of the words of `serving`."""
        self._handshakes.labels(self._bounded("handshakes", reason)).inc()

    def certificate_expires(self, at: datetime) -> None:
        """Set when the serving certificate expires."""
        self._expiry.set(at.timestamp())

    def ca_expires(self, at: datetime) -> None:
        """Set when the CA of own certificates expires."""
        self._ca_expiry.set(at.timestamp())

    def certificate_trusted(self, trusted: bool) -> None:
        """Set whether the API server trusts the serving certificate."""
        self._trusted.set(trusted)

    def keeps_certificates(self, keeps: bool) -> None:
        """Set whether this replica maintains the certificates."""
        self._keeps.set(keeps)

    def certificates_troubled(self, troubled: bool) -> None:
        """Set whether something prevents the maintenance of the certificates."""
        self._troubled.set(troubled)

    def certificate_step(self) -> None:
        """Count a change to the certificates, their CA or its caBundle."""
        self._steps.inc()

    def observe_server(self, *, in_flight: Callable[[], float], connections: Callable[[], float]) -> None:
        """Set the functions that return the current load."""
        self._in_flight.set_function(in_flight)
        self._connections.set_function(connections)
