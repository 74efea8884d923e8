"""How many bits a second a connection gets, by what its receiver reports."""

from __future__ import annotations

import time
from collections.abc import Callable

from visavis.apps.server.transports.encoding import HIGHEST_RATE

STEPS = (HIGHEST_RATE, 900_000, 500_000, 300_000, 150_000)
"""Each change costs a keyframe, so the steps are few and wide."""
LOSS = 0.08
"""Share of packets lost from which less is sent."""
PATIENCE = 10.0
"""Seconds without trouble before more is tried; doubled each time that it goes wrong."""
SETTLING = 2.0
"""Seconds that a change takes to show in the reports."""
_LONGEST_PATIENCE = 120.0


class RateControl:
    """Steps down at loss or when the receiver's estimate is below, and up again after a while.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._step = 0
        self._changed = clock() - SETTLING
        self._good_since = clock()
        self._patience = PATIENCE
        self._raised = False

    @property
    def rate(self) -> int:
        """Bits a second for the picture."""
        return STEPS[self._step]

    def note_loss(self, share: float) -> None:
        """Take a report: the share of packets lost, 0 to 1, since the one before."""
        now = self._clock()
        if share > LOSS:
            self._good_since = now
            if now - self._changed >= SETTLING:
                self._lower(now)
        elif now - max(self._good_since, self._changed) >= self._patience and self._step:
            self._step -= 1
            self._changed, self._raised = now, True

    def note_estimate(self, bits: int, sent: float) -> None:
        """Take a receiver's estimate (REMB) of what it can get, and what it is sent, in bits/s."""
        now = self._clock()
        # An estimate begins low and follows what is sent, so only a clear lack counts.
        if bits < 0.9 * sent and now - self._changed >= SETTLING:
            self._good_since = now
            self._lower(now)

    def _lower(self, now: float) -> None:
        if self._raised:
            self._patience = min(self._patience * 2, _LONGEST_PATIENCE)
        self._raised = False
        self._step = min(self._step + 1, len(STEPS) - 1)
        self._changed = now
