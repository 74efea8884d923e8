"""What a voice is about to say: its times are known at once, its sound is computed piece by piece."""

from __future__ import annotations

from typing import Protocol

from visavis.core.types import Floats
from visavis.models.common.phoneme_pieces import Durations


class Utterance(Protocol):
    """Phonemes whose times are known and whose sound is computed piece by piece."""

    @property
    def durations(self) -> Durations:
        """int64 (len(phonemes) + 2,), in the voice's units: the silence around is first and last."""
        ...

    def sound(self, start: int, end: int) -> Floats:
        """Compute samples ``start`` to ``end`` of the whole, float32 (end - start,).

        Pieces that follow each other join without a step. Both ends lie within the whole, whose
        length is the sum of the durations.
        """
        ...


class Whole:
    """An utterance of a network that computes everything at once.

    Args:
        sound: float32 (n,).
        durations: int64 (len(phonemes) + 2,).
    """

    def __init__(self, sound: Floats, durations: Durations) -> None:
        self._sound = sound
        self._durations = durations

    @property
    def durations(self) -> Durations:
        """As they were given."""
        return self._durations

    def sound(self, start: int, end: int) -> Floats:
        """Give a part of what is there; it may be written to."""
        return self._sound[start:end].copy()
