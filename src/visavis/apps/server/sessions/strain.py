"""Whether those who talk get what they should, by what was seen of them in the last seconds."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from visavis.core.types import FPS

logger = logging.getLogger(__name__)

LIMIT = 0.03
"""Share of ticks, late or without sound, beyond which a machine has too much to do. By `visavis bench
live` one session alone has under one in a hundred, two at once on cores for one have seven."""
RECOVERED = 0.25
"""Share of the limit below which it is well again."""
BUSY = 0.7
"""Share of the cores from which silence in an answer is for want of them: where they are free, it is a
language model that takes its time."""
_WINDOW = 20
"""Samples that are kept: seconds, at one a second."""
_LEAST = 5 * FPS
"""Ticks by which it may be judged."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """What happened since the sample before, in sessions that talk."""

    ticks: int = 0
    late: int = 0
    starved: int = 0


class Strain:
    """Watches the sessions; ``note`` is to be called once a second.

    Between turns nobody hears a hole, so only what happens while somebody is answered counts.

    Args:
        limit: Share of ticks, 0..1; 0 never finds any strain.
        clock: Monotonic seconds.
        spent: CPU seconds of this process so far.
        cores: That it may use; those of this machine by default.
    """

    def __init__(
        self,
        limit: float = LIMIT,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.process_time,
        cores: int | None = None,
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._spent = spent
        self._cores = cores or len(os.sched_getaffinity(0))
        self._at = (clock(), spent())
        self._samples: deque[_Sample] = deque(maxlen=_WINDOW)
        self._before: dict[str, Mapping[str, Any]] = {}
        self.is_on = False
        """Whether one more session would be one too many."""

    def note(self, sessions: Iterable[Mapping[str, Any]]) -> None:
        """Take the snapshots of all sessions that live."""
        busy = self._measure_load() >= BUSY
        known = {str(session["id"]): session for session in sessions}
        ticks = late = starved = 0
        for id, now in known.items():
            before = self._before.get(id)
            if before is None or now["state"] == before["state"] == "idle":
                continue
            ticks += now["ticks"] - before["ticks"]
            late += now["late"] - before["late"]
            starved += now["starved"] - before["starved"] if busy else 0
        self._before = known
        self._samples.append(_Sample(ticks, late, starved))
        self._judge()

    def forget(self) -> None:
        """Begin anew: nobody is there any more."""
        self._samples.clear()
        self._before = {}
        self.is_on = False

    @property
    def share(self) -> float:
        """Ticks of those who talk that were late or, for want of cores, without sound; 0..1."""
        ticks = sum(sample.ticks for sample in self._samples)
        if ticks < _LEAST:
            return 0.0
        late = sum(sample.late for sample in self._samples)
        starved = sum(sample.starved for sample in self._samples)
        return max(late, starved) / ticks

    def _judge(self) -> None:
        share, was_on = self.share, self.is_on
        if self._limit > 0 and share > self._limit:
            self.is_on = True
        elif share <= self._limit * RECOVERED:
            self.is_on = False
        if self.is_on and not was_on:
            logger.warning(
                "%.0f %% of what sessions that talk send is late or silent: no new ones for now",
                100 * share,
            )
        elif was_on and not self.is_on:
            logger.info("sessions that talk are in time again: new ones may come")

    def _measure_load(self) -> float:
        """Share of the cores that this process used since the last time."""
        then, before = self._at
        self._at = now, spent = self._clock(), self._spent()
        return (spent - before) / max(now - then, 1e-6) / self._cores
