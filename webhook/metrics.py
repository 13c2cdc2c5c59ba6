"""What Prometheus reads. Every label has a small, known set of values: nothing of a Secret or of a person is one.

One `Metrics` belongs to one server and is handed to whoever has something to count; there is no global registry.
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

# Twice as many series, of which nobody makes anything. The library has only a switch for the whole process.
disable_created_metrics()  # type: ignore[no-untyped-call]

Outcome = Literal["allowed", "warned", "denied"]
CacheResult = Literal["hit", "miss", "coalesced", "attested"]
ReloadResult = Literal["success", "failure"]
OTHER = "other"

# A decision without a provider takes a millisecond, with one some hundred; the API server gives up after 30 s at most.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_MOST_VALUES = 32
"""Values that an open label may take; later ones are counted as `OTHER`. A guard against mistakes, never reached."""


def outcome_of(decision: Decision) -> Outcome:
    """The one word for a decision, in metrics and log lines."""
    if not isinstance(decision, Allow):
        return "denied"
    return "warned" if decision.warnings else "allowed"


class Exported:
    """What all programs of ours count that ask providers, and read files again when those change."""

    def __init__(self, build: str) -> None:
        """
        Args:
            build: the name of the metric whose labels say what is running.
        """
        self.registry = CollectorRegistry()
        self._known_values: dict[str, set[str]] = {}
        self._provider_requests = self._counter(
            "provider_requests", "HTTP requests to Git providers.", "provider", "result"
        )
        self._provider_seconds = self._histogram(
            "provider_request_duration_seconds", "Duration of HTTP requests to Git providers.", "provider"
        )
        self._reloads = self._counter("reloads", "Files that changed and were read again.", "what", "result")
        info = self._gauge(build, "Always 1; the labels say what is running.", "version", "python")
        info.labels(__version__, platform.python_version()).set(1)
        ProcessCollector(registry=self.registry)

    def asked_provider(self, provider: str, result: str, seconds: float) -> None:
        """A provider answered, or didn't: `provider` is a kind, `result` a word such as ``2xx``, ``timeout``."""
        provider = self._bounded("provider", provider)
        self._provider_requests.labels(provider, self._bounded("provider_result", result)).inc()
        self._provider_seconds.labels(provider).observe(seconds)

    def reloaded(self, what: str, result: ReloadResult) -> None:
        """Files were read again; `what` names them, for example ``certificate``."""
        self._reloads.labels(self._bounded("reloads", what), result).inc()

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All of it, and its content type, in the format that the header ``Accept`` asks for."""
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
        self._decisions = self._counter(
            "admission_decisions", "Reviews that were decided.", "stage", "operation", "outcome"
        )
        self._decision_seconds = self._histogram(
            "admission_decision_duration_seconds", "Time from a review's arrival to its decision.", "stage"
        )
        self._late = self._counter(
            "admission_late_decisions", "Reviews that were decided by the clock, before the check was done.", "stage"
        )
        self._errors = self._counter(
            "admission_errors",
            "Reviews that ended in an error of ours: denied at /validate, HTTP 500 at /mutate.",
            "stage",
        )
        self._bad_reviews = self._counter(
            "bad_reviews",
            "Requests that were no AdmissionReview we could judge (HTTP 4xx), or had no room (HTTP 503).",
            "reason",
        )
        self._skips = self._counter("skips", "Checks that a skip flag switched off.", "reason")
        self._cache = self._counter("verdict_cache", "Look-ups of what is known about a credential.", "result")
        self._handshakes = self._counter("tls_handshake_failures", "TLS connections that didn't come about.", "reason")
        self._in_flight = self._gauge("in_flight_requests", "Requests that are being answered.")
        self._connections = self._gauge("connections", "Open connections on the TLS port.")
        self._expiry = self._gauge(
            "certificate_expiry_timestamp_seconds", "When the serving certificate ends, as a Unix time."
        )
        self._ca_expiry = self._gauge(
            "ca_expiry_timestamp_seconds",
            "When the CA of own certificates ends, as a Unix time; of the replica that keeps them.",
        )
        self._trusted = self._gauge(
            "certificate_trusted", "1 where the API server trusts what is served; of own certificates."
        )
        self._keeps = self._gauge("certificates_kept", "1 on the replica that keeps the certificates.")
        self._troubled = self._gauge("certificates_troubled", "1 while own certificates can't be kept as they should.")
        self._steps = self._counter("certificate_steps", "Changes of own certificates, of their CA and its caBundle.")
        # labels() locks and joins on every call; a dictionary look-up does neither.
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
        """A review ended in a decision."""
        known = self._known_decisions.get((stage, operation, outcome))
        (known or self._decisions.labels(stage, operation, outcome)).inc()
        self._known_seconds[stage].observe(seconds)
        if late:
            self._late.labels(stage).inc()

    def failed(self, stage: Stage) -> None:
        """A review ended in an error of ours."""
        self._errors.labels(stage).inc()

    def bad_review(self, reason: str) -> None:
        """A request was none that we could judge, or had no room; `reason` is `BadReview.reason`."""
        self._bad_reviews.labels(self._bounded("bad_reviews", reason)).inc()

    def skipped(self, reason: str) -> None:
        """A check was switched off; `reason` names the flag or annotation."""
        self._skips.labels(self._bounded("skips", reason)).inc()

    def cache(self, result: CacheResult) -> None:
        """Something was looked up that might be known already."""
        self._known_cache[result].inc()

    def handshake_failed(self, reason: str) -> None:
        """A TLS connection didn't come about; `reason` is one of `serving`'s words."""
        self._handshakes.labels(self._bounded("handshakes", reason)).inc()

    def certificate_expires(self, at: datetime) -> None:
        """The serving certificate ends `at`."""
        self._expiry.set(at.timestamp())

    def ca_expires(self, at: datetime) -> None:
        """The CA that issues our certificates ends `at`."""
        self._ca_expiry.set(at.timestamp())

    def certificate_trusted(self, trusted: bool) -> None:
        """The API server trusts what we serve, or doesn't."""
        self._trusted.set(trusted)

    def keeps_certificates(self, keeps: bool) -> None:
        """We are the replica that keeps the certificates, or are not."""
        self._keeps.set(keeps)

    def certificates_troubled(self, troubled: bool) -> None:
        """Something keeps the certificates from being kept, or no longer does."""
        self._troubled.set(troubled)

    def certificate_step(self) -> None:
        """The certificates, their CA or its caBundle were changed."""
        self._steps.inc()

    def observe_server(self, *, in_flight: Callable[[], float], connections: Callable[[], float]) -> None:
        """Ask these whenever somebody wants to know how busy the server is."""
        self._in_flight.set_function(in_flight)
        self._connections.set_function(connections)
