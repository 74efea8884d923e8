"""Whether a microphone hears the face's own voice, told from the two sounds alone.

Generalised cross-correlation with phase transform (Knapp and Carter, 1976): every frequency counts the
same, so that a loudspeaker and a room, which colour the sound, leave a sharp peak at the delay. Speech
of somebody else has none, however similar its pitch.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from visavis.core.types import Floats

RATE = 8_000
"""Hz at which the two are compared."""
REACH = 3.0
"""Seconds of what was sent that are looked through: a player may be that far behind."""
SPAN = 0.75
"""Seconds of the microphone that are compared."""
_BAND = (250.0, 3400.0)
_LIKELY, _SURE = 8.0, 12.0
"""Height of the peak over the rest, in standard deviations, for a likelihood of 0 and of 1. The
highest of 24 000 values of noise is about 4.5, but voices are periodic: with 0.21 s, one in ten of
other speakers comes to 8.8 and one in a hundred to 11, where an echo in a small room comes to 8.8
four times in five, and with 0.75 s always. See benchmarks/echo.py."""


class EchoGauge:
    """Remembers what was sent, and compares with it."""

    def __init__(self) -> None:
        self._sent: deque[Floats] = deque()
        self._length = 0

    def play(self, sound: Floats) -> None:
        """Take what is sent: float32 (n,) at 24 kHz, n a multiple of 3."""
        # A mean of three is filter enough: what it leaves above 4 kHz is faint in speech.
        low = sound.reshape(-1, 3).mean(axis=1)
        self._sent.append(low)
        self._length += len(low)
        while self._length - len(self._sent[0]) >= REACH * RATE:
            self._length -= len(self._sent.popleft())

    def likelihood(self, heard: Floats) -> float:
        """Tell how likely the newest sound of the microphone is an echo.

        Args:
            heard: float32 (n,) at 16 kHz; the last 0.75 s count.

        Returns:
            0..1; 0 as well where nothing was sent or the sound is too short to tell.
        """
        near = heard[-round(SPAN * 2 * RATE) :]
        near = near[: len(near) // 2 * 2].reshape(-1, 2).mean(axis=1)
        if len(near) < RATE // 5 or not self._sent:
            return 0.0
        far = np.concatenate(list(self._sent))
        if float(np.abs(far).max()) < 1e-3:
            return 0.0
        size = 1 << (len(far) + len(near) - 1).bit_length()
        cross = np.fft.rfft(far, size) * np.conj(np.fft.rfft(near * _taper(len(near)), size))
        frequencies = np.fft.rfftfreq(size, 1 / RATE)
        inside = (frequencies > _BAND[0]) & (frequencies < _BAND[1])
        # Square root of the magnitude: full whitening would let the noise between the harmonics vote.
        weight = np.where(inside, 1 / (np.abs(cross) ** 0.75 + 1e-9), 0.0)
        likeness = np.fft.irfft(cross * weight, size)
        # What is heard may begin before the first sound that was sent: lags below nought.
        likeness = np.concatenate([likeness[-len(near) :], likeness[: len(far)]])
        deviation = float(np.sqrt(np.mean(likeness**2))) + 1e-12
        peak = float(np.abs(likeness).max()) / deviation
        return float(np.clip((peak - _LIKELY) / (_SURE - _LIKELY), 0.0, 1.0))


def _taper(length: int) -> Floats:
    """Soft edges of a tenth of the length each."""
    edge = max(length // 10, 1)
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(edge) / edge)
    window = np.ones(length, np.float32)
    window[:edge], window[-edge:] = rise, rise[::-1]
    return window
