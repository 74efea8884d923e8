"""Notices when a sync loss stays at 0.69: the cosine is a half for everything, and nothing is learnt."""

from __future__ import annotations

import math

ADVICE = (
    "the sync loss has stayed within {near} of 0.693 for {steps} steps: the expert says one half to"
    " everything. What helps, in this order: more windows in a batch (--set clips=… or --set"
    " loop.accumulate=…); correcting each clip's audio offset before training (visavis prepare); a"
    " lower learning rate (--set loop.learning_rate=…); a higher temperature or more weight for the"
    " choice within the clip (--set temperature=… --set choice_weight=…)"
)


class PlateauGuard:
    """Says once that a loss stays where guessing puts it.

    Args:
        steps: In a row.
        near: Distance to ln 2 that counts.
    """

    def __init__(self, steps: int, near: float = 0.02) -> None:
        self._steps, self._near = steps, near
        self._count = 0
        self._said = False

    def check(self, loss: float) -> str | None:
        """Take the next step's loss; return what to say, once, when it has stayed for too long."""
        self._count = self._count + 1 if abs(loss - math.log(2)) <= self._near else 0
        if self._said or self._count < self._steps:
            return None
        self._said = True
        return ADVICE.format(near=self._near, steps=self._steps)
