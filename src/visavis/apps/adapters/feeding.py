"""How sound of any rate is given to a performance, utterance after utterance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from visavis.core.protocols import Performance
from visavis.core.types import FPS, Floats, Picture, Segment, Sentence, Speech, Waveform
from visavis.media.resampling import Resampler


@dataclass(slots=True)
class Feeding:
    """What one turn has given to the performance. Its generators run on the performance's thread."""

    performance: Performance
    turn: int
    rate: int
    fed: int = 0
    """Samples given since the turn began, with the padding at the end of utterances."""
    is_open: bool = False
    """Whether there is sound that no flush has shown yet."""
    _index: int = 0
    _start: int = 0
    _resampler: Resampler | None = field(default=None)

    @property
    def each(self) -> int:
        """Samples of a frame."""
        return self.rate // FPS

    def feed(self, sound: Waveform) -> Iterator[Segment]:
        """Give sound of any rate."""
        self.is_open = True
        if self._resampler is not None and self._resampler.from_rate != sound.sample_rate:
            yield from self._give(self._resampler.flush())
            self._resampler = None
        if self._resampler is None:
            self._resampler = Resampler(sound.sample_rate, self.rate)
        samples = np.nan_to_num(sound.samples, posinf=0.0, neginf=0.0)
        yield from self._give(self._resampler.feed(samples))

    def flush(self) -> Iterator[Segment]:
        """End an utterance; it is filled up with silence to whole frames."""
        if self._resampler is not None:
            yield from self._give(self._resampler.flush(), is_last=True)
        self._resampler = None
        self.is_open = False
        self._index += 1
        self.fed = self._start = -(-self.fed // self.each) * self.each
        yield from self.performance.flush()

    def _give(self, samples: Floats, is_last: bool = False) -> Iterator[Segment]:
        if not len(samples):
            return
        sentence = Sentence(self.turn, self._index, "", "en")
        sound = Waveform(samples, self.rate, self.fed - self._start)
        self.fed += len(samples)
        yield from self.performance.feed(Speech(self.turn, sentence, sound, (), is_last))


def warm_up(performance: Performance, rate: int) -> Picture:
    """Have it speak a second of silence unseen, so that its networks are loaded; give a frame."""
    silence = Waveform(np.zeros(rate, np.float32), rate)
    speech = Speech(0, Sentence(0, 0, "", "en"), silence)
    for segment in performance.feed(speech):
        del segment
    performance.reset()
    return performance.idle().image
