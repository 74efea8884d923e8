"""Figures for Prometheus, each server's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from visavis.apps.server.protocol import events

if TYPE_CHECKING:
    from visavis.apps.server.protocol import ServerEvent

SECONDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)

States = Callable[[], Mapping[str, float]]


class Metrics:
    """Counts what happens; ``text`` is what Prometheus reads."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.sessions_opened = Counter(
            "visavis_sessions_opened", "Sessions opened.", registry=registry
        )
        self.sessions_refused = Counter(
            "visavis_sessions_refused", "Sessions refused, as all places were taken.",
            registry=registry,
        )  # fmt: skip
        self.sessions_ended = Counter(
            "visavis_sessions_ended", "Sessions ended.", ["reason"], registry=registry
        )
        self.turns = Counter("visavis_turns", "Turns that ended.", ["reason"], registry=registry)
        self.answers = Counter("visavis_answers", "Answers given.", ["outcome"], registry=registry)
        self.errors = Counter(
            "visavis_session_errors", "Errors told to sessions.", ["code"], registry=registry
        )
        self.latency = Histogram(
            "visavis_latency_seconds", "Latency of turns.", ["mark"], buckets=SECONDS,
            registry=registry,
        )  # fmt: skip
        self.first_byte = Histogram(
            "visavis_speech_first_byte_seconds", "Request to first byte of /v1/audio/speech.",
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self.requests = Counter(
            "visavis_http_requests", "HTTP requests.", ["method", "route", "status"],
            registry=registry,
        )  # fmt: skip
        self.request_seconds = Histogram(
            "visavis_http_request_seconds", "Time to serve a request.", ["route"],
            buckets=SECONDS, registry=registry,
        )  # fmt: skip

    def watch(self, name: str, about: str, label: str, read: States) -> None:
        """Add a gauge that is read when Prometheus asks, one value a label."""
        self.registry.register(_Gauge(name, about, label, read))

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request, by its route's pattern so that ids make no new rows."""
        known = method if method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} else "OTHER"
        self.requests.labels(known, route, str(status)).inc()
        self.request_seconds.labels(route).observe(seconds)

    def observe(self, event: ServerEvent) -> None:
        """Take down what a session says."""
        match event:
            case events.LatencyMark():
                self.latency.labels(event.mark).observe(event.seconds)
            case events.TurnEnded():
                self.turns.labels(event.reason).inc()
            case events.AnswerSources():
                self.answers.labels(event.outcome).inc()
            case events.Failure():
                self.errors.labels(event.code).inc()
            case events.SessionEnded():
                self.sessions_ended.labels(event.reason).inc()
            case _:
                pass

    def text(self) -> bytes:
        """Return all figures in Prometheus' text form."""
        return generate_latest(self.registry)


class _Gauge(Collector):
    def __init__(self, name: str, about: str, label: str, read: States) -> None:
        self._name, self._about, self._label, self._read = name, about, label, read

    def collect(self) -> Iterator[Metric]:
        family: Any = GaugeMetricFamily(self._name, self._about, labels=[self._label])
        for key, value in self._read().items():
            family.add_metric([key], value)
        yield family

    def describe(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(self._name, self._about, labels=[self._label])
