"""How fast training goes, and whether data or computing bounds it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

_OFTEN = 0.2
"""Share of the time spent waiting for batches above which they are what bounds."""


class Pace:
    """Adds up what steps waited for their batches and what they computed, since the last turn."""

    def __init__(self) -> None:
        self.waited = self.worked = 0.0
        self.steps = 0
        self._before = (0.0, 0.0)
        self._steps_before = 0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time the block as waiting."""
        began = time.monotonic()
        yield
        self.waited += time.monotonic() - began

    @contextmanager
    def working(self) -> Iterator[None]:
        """Time the block as computing."""
        began = time.monotonic()
        yield
        self.worked += time.monotonic() - began

    @property
    def per_step(self) -> float:
        """Seconds a step; 0 before the first."""
        return (self.waited + self.worked) / self.steps if self.steps else 0.0

    @property
    def share_waited(self) -> float:
        """Share of the time that was waiting."""
        return self.waited / (self.waited + self.worked) if self.steps else 0.0

    @property
    def overall(self) -> float:
        """Seconds a step since training began; 0 before the first."""
        steps = self._steps_before + self.steps
        return sum(self._all) / steps if steps else 0.0

    @property
    def _all(self) -> tuple[float, float]:
        return self._before[0] + self.waited, self._before[1] + self.worked

    def turn(self) -> None:
        """Begin to add up anew."""
        self._before = self._all
        self._steps_before += self.steps
        self.waited = self.worked = 0.0
        self.steps = 0

    def describe_bound(self) -> str:
        """Say what bounded the whole training."""
        waited, worked = self._all
        share = waited / (waited + worked) if waited + worked else 0.0
        what = "data, which it waited for" if share > _OFTEN else "computing; it waited for data"
        return f"bound by {what} in {share:.0%} of the time"


def left_of(time_limit: float, began: float) -> float:
    """Seconds of a limit that are left since ``began`` (`time.monotonic`); 0 where there is none."""
    return max(1.0, time_limit - (time.monotonic() - began)) if time_limit else 0.0


def as_clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    whole = int(max(0.0, seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
