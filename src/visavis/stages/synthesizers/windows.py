"""A clause's sound in pieces, each of which can be heard while the next one is computed.

Nothing is computed that would be cut away: neither context nor the silence that a network puts around
everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from visavis.core.types import Floats
from visavis.models.common.heard import LAG_S
from visavis.models.common.phoneme_pieces import Durations
from visavis.models.common.utterance import Utterance
from visavis.stages.synthesizers.loudness import SILENCE

FIRST = 0.6
"""Seconds of the first piece of an answer."""
GROWTH = 1.6
"""Each piece may be this much longer than the one before: it is computed while that one sounds."""
LONGEST = 1.6
"""Seconds; the pieces of what nobody waits for are as long at once."""
REST = 0.4
"""Seconds: what is left goes into the last piece if it is shorter."""
SNAP = 0.75
"""A piece ends between two phonemes, if it is not shorter than this part of what was planned: what is
known of a phoneme's end is then known with it."""
CROSSFADE = 0.012
"""Seconds of what follows a cut within a phrase."""
LEAD = 0.05
"""Seconds of silence before a sentence or after a pause at a join."""
EARLY = 0.12
"""Seconds before its time in which a first phoneme's beginning is looked for."""
STEP = 0.2
"""Seconds that are computed at once to find where the last phoneme ends."""
QUIET = 0.15
"""Seconds without sound after which nothing more is said; longer than the closure of a stop."""
LAST = 0.15
"""Seconds that the last sound before a pause is taken to last at most, until it was computed: its
duration often holds the silence after it."""
_FADE = 0.005
_FADE_OUT = 0.05


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a clause.

    Attributes:
        sound: Goes on where the one before ended.
        start: Its first sample, counted from the clause's first.
        heard: Sample of the clause at which each of its characters is heard, and the end of the
            last. The first may be negative: within a phrase they are heard before the cut. Where
            the clause ends in a pause, its last sound's end is a guess until the last window.
        rest: What follows the last window within a phrase, for the crossfade; else empty.
        is_last: Whether the clause ends with it.
    """

    sound: Floats
    start: int
    heard: Durations
    rest: Floats
    is_last: bool

    @property
    def end(self) -> int:
        """One past its last sample, counted from the clause's first."""
        return self.start + len(self.sound)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a clause lies in an utterance, and how it begins and ends.

    Attributes:
        first: Number of its first character.
        end: One past its last character.
        last_said: Its last character that is neither a pause nor a space.
        opens: Whether it follows a pause, and not the middle of a phrase.
        closes: Whether it ends in a pause.
        silence: Seconds after its last sound, where it closes.
    """

    first: int
    end: int
    last_said: int
    opens: bool
    closes: bool
    silence: float


def plan_lengths(*, opening: bool) -> Iterator[float]:
    """Give the seconds of a sentence's windows, for ever.

    Args:
        opening: Whether somebody waits for it, as for the first sentence of an answer.
    """
    length = FIRST if opening else LONGEST
    while True:
        yield length
        length = min(length * GROWTH, LONGEST)


def read_windows(
    utterance: Utterance, place: Place, lengths: Iterator[float], sample_rate: int, unit: int
) -> Iterator[Window]:
    """Compute a clause window by window; each is computed when it is asked for.

    Args:
        utterance: In which the clause lies.
        place: Where.
        lengths: Seconds of the windows, from ``plan_lengths``.
        sample_rate: Hz.
        unit: Samples of a duration of 1.
    """
    reader = _Reader(utterance, place, sample_rate, unit)
    while True:
        window = reader.read(next(lengths))
        yield window
        if window.is_last:
            return


class _Reader:
    """Where the reading of a clause stands. Positions are samples of the utterance."""

    def __init__(self, utterance: Utterance, place: Place, sample_rate: int, unit: int) -> None:
        self._utterance = utterance
        self._place = place
        self._rate = sample_rate
        edges = np.concatenate(([0], np.cumsum(utterance.durations))) * unit
        self._total = int(edges[-1])
        # The first duration is the silence before the first character.
        self._edges = edges[1 + place.first : 2 + place.end]
        self._said = int(edges[1 + place.last_said])
        own = int(self._edges[0])
        self._begin = max(0, own - self._samples(LEAD)) if place.opens else own
        self._at = self._begin
        self._opened = not place.opens
        self._loud = self._begin

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._rate)

    def read(self, length: float) -> Window:
        """Compute the next window."""
        stop = int(self._edges[-1])
        if self._place.closes:
            stop = min(self._said + self._samples(STEP), self._total)
        cut = self._at + self._samples(length)
        if stop - cut < self._samples(REST):
            return self._finish(stop)
        sound = self._compute(self._snap(cut, length))
        return self._window(sound, np.zeros(0, np.float32), is_last=False)

    def _snap(self, cut: int, length: float) -> int:
        """The last phoneme's end before a cut, if it is near."""
        heard = self._edges - self._samples(LAG_S)
        earliest = cut - self._samples(length * (1 - SNAP))
        near = heard[(heard > earliest) & (heard <= cut)]
        return int(near[-1]) if len(near) else cut

    def _compute(self, end: int) -> Floats:
        """Go on up to a sample; the first time also find where the clause begins to sound."""
        if self._opened:
            start, self._at = self._at, end
            sound = self._utterance.sound(start, end)
        else:
            self._opened = True
            own = int(self._edges[0])
            search = max(0, own - self._samples(EARLY))
            start = max(0, search - self._samples(LEAD))
            sound = self._utterance.sound(start, end)
            loud = np.flatnonzero(np.abs(sound[search - start : own - start]) > SILENCE)
            heard = search + int(loud[0]) if len(loud) else own
            self._begin = max(0, heard - self._samples(LEAD))
            sound = sound[self._begin - start :].copy()
            ramp = self._ramp(_FADE, len(sound))
            sound[: len(ramp)] *= ramp
            start, self._at = self._begin, end
        loud = np.flatnonzero(np.abs(sound) > SILENCE)
        if len(loud):
            self._loud = start + int(loud[-1])
        return sound

    def _finish(self, stop: int) -> Window:
        """Compute what is left, up to where it ends."""
        if not self._place.closes:
            over = min(stop + self._samples(CROSSFADE), self._total)
            sound = self._compute(over)
            size = len(sound) - (over - stop)
            self._at = stop
            return self._window(sound[:size], sound[size:], is_last=True)
        sound = self._compute(stop)
        while self._at < self._total and self._at - max(self._loud, self._said) < self._samples(
            QUIET
        ):
            more = self._compute(min(self._at + self._samples(STEP), self._total))
            sound = np.concatenate((sound, more))
        # The last word's duration often holds silence, so the sound itself says where it ends.
        start = self._at - len(sound)
        end = max(self._loud + self._samples(self._place.silence), start + self._samples(_FADE))
        end = max(end, self._begin + int(self._hear()[self._tail]) + self._samples(LEAD))
        known = min(len(sound), end - start)
        body = np.zeros(end - start, np.float32)
        body[:known] = sound[:known]
        quiet = (start + known - self._loud) / self._rate
        ramp = self._ramp(min(max(quiet, _FADE), _FADE_OUT), known)
        body[known - len(ramp) : known] *= ramp[::-1]
        self._at = end
        return self._window(body, np.zeros(0, np.float32), is_last=True)

    def _ramp(self, seconds: float, most: int) -> Floats:
        return np.linspace(0, 1, min(most, self._samples(seconds)), dtype=np.float32)

    @property
    def _tail(self) -> int:
        """Number of the edge at which the last sound ends and the pause begins."""
        return self._place.last_said + 1 - self._place.first

    def _hear(self) -> Durations:
        """Where the characters are heard, as far as the durations tell."""
        heard = self._edges - self._begin - self._samples(LAG_S)
        if self._place.closes:
            last = heard[self._tail - 1]
            heard[self._tail :] = np.minimum(heard[self._tail :], last + self._samples(LAST))
        return heard

    def _window(self, sound: Floats, rest: Floats, *, is_last: bool) -> Window:
        heard = self._hear()
        if is_last and self._place.closes:
            # The sound is known: what is left of the clause is its pause.
            loud = self._loud + self._samples(_FADE) - self._begin
            said = int(self._edges[self._tail]) - self._begin - self._samples(LAG_S)
            heard[self._tail] = max(int(heard[self._tail]), min(said, loud))
            heard[self._tail + 1 :] = self._at - self._begin
        return Window(sound, self._at - len(sound) - self._begin, heard, rest, is_last)
