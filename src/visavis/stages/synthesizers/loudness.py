"""One level for every voice and sentence, found while it is spoken."""

from __future__ import annotations

import numpy as np

from visavis.core.types import Floats

LEVEL = 0.1
"""RMS of what is said, -20 dBFS."""
PEAK = 0.94
SILENCE = 0.012
"""Amplitude of a network's sound up to which nothing is said."""
LARGEST_STEP = 1.19
"""Factor, 1.5 dB: the gain changes by so much at most from one end of a piece to the other."""
_USUAL = 0.115
"""RMS of what the networks say, the mean over the voices: between 0.07 and 0.17."""
_USUAL_S = 0.12
"""Seconds for which that counts, so that a little sound gives no wild gain."""
_OPENING = 1.17
"""The first half second is so much louder than the sentence: 1.4 dB, the mean over the voices."""
_OPENING_S = 1.5
"""Seconds of loud sound after which that is over."""
_KNEE = 0.7


class Loudness:
    """The gain of a sentence, by everything that was said of it so far.

    Args:
        sample_rate: Hz.
        factor: Of the level.
    """

    def __init__(self, sample_rate: int, factor: float = 1.0) -> None:
        self._rate = sample_rate
        self._level = LEVEL * factor
        self._loud = 0
        self._energy = 0.0
        self.gain: float | None = None
        """At the end of the last piece."""

    def settle(self, sound: Floats) -> Floats:
        """Bring the next piece to the level; the gain goes on where it was and changes slowly."""
        loud = sound[np.abs(sound) > SILENCE]
        self._loud += len(loud)
        self._energy += float(np.sum(loud.astype(np.float64) ** 2))
        wish = self._choose()
        if self.gain is None:
            self.gain = wish
        before = self.gain
        self.gain = min(max(wish, before / LARGEST_STEP), before * LARGEST_STEP)
        return _limit(sound * np.linspace(before, self.gain, len(sound), dtype=np.float32))

    def hold(self, sound: Floats) -> Floats:
        """Bring sound to the level of the end of the last piece."""
        return _limit(sound * np.float32(1.0 if self.gain is None else self.gain))

    def _choose(self) -> float:
        usual = _USUAL_S * self._rate
        rms = np.sqrt((self._energy + _USUAL**2 * usual) / (self._loud + usual))
        settled = min(self._loud / (_OPENING_S * self._rate), 1.0)
        wish = self._level / float(rms) * (_OPENING + (1 - _OPENING) * settled)
        return min(max(wish, 0.4), 4.0)


def _limit(sound: Floats) -> Floats:
    """Bend what is above the knee so that nothing passes ``PEAK``."""
    size = np.abs(sound)
    room = PEAK - _KNEE
    bent = _KNEE + room * np.tanh((size - _KNEE) / room)
    out: Floats = np.where(size > _KNEE, np.sign(sound) * bent, sound).astype(np.float32)
    return out
