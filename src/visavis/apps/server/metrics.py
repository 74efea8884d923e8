"""Figures for Prometheus, each server's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from visavis.apps.server.protocol import events

if TYPE_CHECKING:
    from visavis.apps.server.protocol import ServerEvent

SECONDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
States: TypeAlias = Callable[[], Mapping[str, float]]
JOB_STATES = ("queued", "running", "done", "failed", "cancelled")


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
        self.frames = Counter("visavis_frames", "Frames sent.", registry=registry)
        self.frames_late = Counter(
            "visavis_frames_late", "Frames sent after their moment.", registry=registry
        )
        self._frames: dict[str, tuple[int, int]] = {}
        self._sessions = Gauge("visavis_sessions", "Sessions that live.", registry=registry)
        self._capacity = Gauge(
            "visavis_sessions_capacity", "Sessions that may live at once.", registry=registry
        )
        self._jobs = Gauge("visavis_jobs", "Jobs by state.", ["state"], registry=registry)
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

    def set_sessions(self, live: int, capacity: int) -> None:
        """Take down how many sessions live and how many may."""
        self._sessions.set(live)
        self._capacity.set(capacity)

    def set_jobs(self, states: Mapping[str, int]) -> None:
        """Take down how many jobs are in each state."""
        for state in JOB_STATES:
            self._jobs.labels(state).set(states.get(state, 0))

    def take_frames(self, session: Mapping[str, Any]) -> None:
        """Count the frames of a session's snapshot that were not counted before."""
        id = str(session.get("id", ""))
        before = self._frames.get(id, (0, 0))
        now = (int(session.get("ticks", 0)), int(session.get("late", 0)))
        self.frames.inc(max(0, now[0] - before[0]))
        self.frames_late.inc(max(0, now[1] - before[1]))
        self._frames[id] = now

    def drop_session(self, session: Mapping[str, Any]) -> None:
        """Count the last frames of a session that has ended, and forget it."""
        self.take_frames(session)
        self._frames.pop(str(session.get("id", "")), None)

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
