"""What every recogniser needs first: the sound at 16 kHz, cut into turns of speech as it comes in."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from visavis.core.errors import AudioSilent, AudioTooShort
from visavis.core.types import Floats, Waveform
from visavis.media.audio import clipped_fraction
from visavis.media.resampling import Resampler
from visavis.models.silero.predictor import SAMPLE_RATE, TurnCutter

log = logging.getLogger(__name__)

_SHORTEST = 0.1
"""Seconds below which no word can be heard."""
_CLIPPED = 0.01
"""Share of samples at the limit above which the recording is called clipped."""


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """A stretch of speech.

    Attributes:
        samples: float32 (n,) at 16 kHz.
        start: Its first sample, counted from the first sound that was heard.
    """

    samples: Floats
    start: int


class Listener:
    """Cuts a stream into turns and keeps only the sound that a turn may still need.

    Args:
        pause: Seconds of silence that end a turn.
        longest: Seconds after which a turn is cut at its quietest place.
    """

    def __init__(self, *, pause: float, longest: float) -> None:
        self._cutter = TurnCutter(pause=pause, longest=longest)
        self._resampler: Resampler | None = None
        self._origin: float | None = None
        self._kept = np.zeros(0, np.float32)
        self._kept_from = 0
        self._warned = False

    @property
    def position(self) -> int:
        """Samples at 16 kHz heard so far."""
        return self._kept_from + len(self._kept)

    @property
    def turn_start(self) -> int | None:
        """First sample of the turn that is going on, or None."""
        return self._cutter.turn_start

    def hear(self, sound: Waveform) -> list[Turn]:
        """Take sound of any rate and give the turns that ended."""
        if self._origin is None:
            self._origin = sound.offset / sound.sample_rate
        if not self._warned and clipped_fraction(sound) > _CLIPPED:
            self._warned = True
            log.warning("the recording is clipped; words may be misheard: lower the input level")
        if self._resampler is None or self._resampler.from_rate != sound.sample_rate:
            rest = self._resampler.flush() if self._resampler else np.zeros(0, np.float32)
            self._resampler = Resampler(sound.sample_rate, SAMPLE_RATE)
            turns = self._take(rest)
        else:
            turns = []
        # Broken decoders give NaN, which the network's state would never get rid of.
        samples = np.nan_to_num(sound.samples.astype(np.float32, copy=False))
        return turns + self._take(self._resampler.feed(samples))

    def finish(self) -> list[Turn]:
        """End the stream and give the last turn, if one was going on."""
        turns = self._take(self._resampler.flush()) if self._resampler else []
        return turns + self._cut(self._cutter.flush())

    def since(self, start: int) -> Floats:
        """Give the sound from a sample on, which must not lie before the turn going on."""
        assert start >= self._kept_from, f"{start} is forgotten, kept from {self._kept_from}"
        return self._kept[start - self._kept_from :]

    def seconds(self, position: int) -> float:
        """Tell the time of a sample since the stream began."""
        return (self._origin or 0.0) + position / SAMPLE_RATE

    def refuse(self) -> NoReturn:
        """Say why there is no transcript.

        Raises:
            AudioTooShort: There was next to no sound.
            AudioSilent: There was no speech in it.
        """
        heard = self.position / SAMPLE_RATE
        if heard < _SHORTEST:
            raise AudioTooShort(
                f"the sound is {heard:.2f} seconds long; speech needs at least {_SHORTEST:g}"
            )
        raise AudioSilent(
            f"no speech was heard in {heard:.1f} seconds of sound;"
            " check the microphone and its level, and record again"
        )

    def _take(self, samples: Floats) -> list[Turn]:
        self._kept = np.concatenate([self._kept, samples])
        turns = self._cut(self._cutter.feed(samples))
        drop = self._cutter.needed_from - self._kept_from
        if drop > 0:
            self._kept = self._kept[drop:].copy()
            self._kept_from += drop
        return turns

    def _cut(self, spans: list[tuple[int, int]]) -> list[Turn]:
        return [
            Turn(self._kept[a - self._kept_from : b - self._kept_from].copy(), a) for a, b in spans
        ]
