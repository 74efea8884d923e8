"""Where speech is in a sound: the network's probabilities, and turns cut from them.

Shapes: the network takes 512 samples at 16 kHz (32 ms) preceded by the 64 before them, and a state
of (2, 1, 128) that goes round; it gives one probability.
"""

from __future__ import annotations

import numpy as np

from visavis.core.types import Floats, Waveform
from visavis.media.resampling import resample
from visavis.models.assets import locate
from visavis.models.runtime import load

SAMPLE_RATE = 16000
CHUNK = 512
"""Samples for one probability."""
_CONTEXT = 64
_SMOOTHING = 5
"""Chunks averaged when the quietest place of a turn without pauses is sought."""


class SileroVad:
    """Speech probability of a stream, chunk by chunk. One object for each stream."""

    def __init__(self) -> None:
        # OpenVINO cannot read this network (its sample-rate switch has no static rank).
        self._network = load(locate("silero-vad"), runtime="onnxruntime", threads=1, device="cpu")
        self._rate = np.array(SAMPLE_RATE, np.int64)
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._state = np.zeros((2, 1, 128), np.float32)
        self._input = np.zeros((1, _CONTEXT + CHUNK), np.float32)

    def speech_probability(self, chunk: Floats) -> float:
        """Tell how likely somebody speaks in the next 512 samples at 16 kHz, 0..1."""
        if chunk.shape != (CHUNK,):
            raise ValueError(f"a chunk has {CHUNK} samples, not {chunk.shape}")
        self._input[0, :_CONTEXT] = self._input[0, -_CONTEXT:]
        self._input[0, _CONTEXT:] = chunk
        result = self._network.run({"input": self._input, "state": self._state, "sr": self._rate})
        self._state = result["stateN"]
        return float(result["output"][0, 0])


class TurnCutter:
    """Cuts a stream into turns of speech, with hysteresis, as the sound comes in.

    Args:
        on: Probability above which a turn begins.
        off: Probability below which it may end.
        pause: Seconds of silence that end a turn.
        shortest: Seconds of speech below which a turn is dropped as a click or a cough.
        longest: Seconds after which a turn is cut at its quietest place, or None.
        margin: Seconds kept before and after a turn, for soft consonants.
    """

    def __init__(
        self,
        *,
        on: float = 0.5,
        off: float = 0.35,
        pause: float = 0.5,
        shortest: float = 0.2,
        longest: float | None = None,
        margin: float = 0.2,
    ) -> None:
        self._vad = SileroVad()
        self._on, self._off = on, off
        self._pause = round(pause * SAMPLE_RATE)
        self._shortest = round(shortest * SAMPLE_RATE)
        self._longest = round(longest * SAMPLE_RATE) if longest else None
        self._margin = round(margin * SAMPLE_RATE)
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._vad.reset()
        self._rest = np.zeros(0, np.float32)
        self._position = 0
        self._start: int | None = None
        self._silent_since: int | None = None
        self._spoken = 0
        self._history: list[float] = []
        self._last_end = 0

    @property
    def turn_start(self) -> int | None:
        """First sample of the turn going on, once it is long enough to count, else None."""
        if self._start is None or self._spoken < self._shortest:
            return None
        return self._with_margin(self._start)

    @property
    def needed_from(self) -> int:
        """First sample that a turn going on or still to come may reach back to."""
        begin = self._position if self._start is None else self._start
        return self._with_margin(begin)

    def feed(self, samples: Floats) -> list[tuple[int, int]]:
        """Take sound at 16 kHz and give the turns that ended.

        Returns:
            Start and end in samples since the stream began, in order, never overlapping.
        """
        joined = np.concatenate([self._rest, samples.astype(np.float32, copy=False)])
        whole = len(joined) // CHUNK * CHUNK
        self._rest = joined[whole:].copy()
        turns: list[tuple[int, int]] = []
        for chunk in joined[:whole].reshape(-1, CHUNK):
            self._step(self._vad.speech_probability(chunk), turns)
        return turns

    def flush(self) -> list[tuple[int, int]]:
        """End the stream and give the turn that was going on, if any."""
        turns: list[tuple[int, int]] = []
        end = self._position + len(self._rest)
        if len(self._rest):
            chunk = np.pad(self._rest, (0, CHUNK - len(self._rest)))
            self._step(self._vad.speech_probability(chunk), turns)
            self._rest = self._rest[:0]
        if self._start is not None:
            self._close(min(self._silent_since or end, end), turns)
        # Nothing may reach past the end of the sound.
        turns = [(start, min(stop, end)) for start, stop in turns]
        self._position = end
        return turns

    def _step(self, probability: float, turns: list[tuple[int, int]]) -> None:
        before, self._position = self._position, self._position + CHUNK
        if self._start is None:
            if probability < self._on:
                return
            self._start, self._spoken, self._history = before, 0, []
        self._history.append(probability)
        if probability >= self._on:
            self._silent_since = None
            self._spoken += CHUNK
        elif probability < self._off and self._silent_since is None:
            self._silent_since = before
        if self._silent_since is not None and self._position - self._silent_since >= self._pause:
            self._close(self._silent_since, turns)
        elif self._longest and self._position - self._start >= self._longest:
            self._split(turns)

    def _close(self, end: int, turns: list[tuple[int, int]]) -> None:
        assert self._start is not None
        if self._spoken >= self._shortest:
            # Half the pause at most, so that the margins of two turns never meet.
            stop = end + min(self._margin, self._pause // 2)
            turns.append((self._with_margin(self._start), stop))
            self._last_end = stop
        self._start = self._silent_since = None

    def _split(self, turns: list[tuple[int, int]]) -> None:
        """Cut a turn that is too long at the quietest place of its last third."""
        assert self._start is not None
        smooth = np.convolve(self._history, np.ones(_SMOOTHING) / _SMOOTHING, "same")
        from_chunk = len(smooth) * 2 // 3
        at = from_chunk + int(np.argmin(smooth[from_chunk:-_SMOOTHING]))
        cut = self._start + at * CHUNK
        turns.append((self._with_margin(self._start), cut))
        self._last_end = self._start = cut
        self._history = self._history[at:]
        self._spoken = sum(p >= self._on for p in self._history) * CHUNK
        if self._silent_since is not None:
            self._silent_since = max(self._silent_since, cut)

    def _with_margin(self, start: int) -> int:
        return max(start - self._margin, self._last_end, 0)


def find_speech(
    samples: Floats, sample_rate: int, *, pause: float = 0.5, longest: float | None = None
) -> list[tuple[int, int]]:
    """Find the turns of speech in a whole sound.

    Args:
        samples: float32 (n,) mono in [-1, 1].
        sample_rate: Hz; other rates than 16 kHz are converted.
        pause: Seconds of silence that end a turn.
        longest: Seconds after which a turn is cut, or None.

    Returns:
        Start and end of each in samples at ``sample_rate``, in order, never overlapping.
    """
    sound = resample(Waveform(samples, sample_rate), SAMPLE_RATE)
    cutter = TurnCutter(pause=pause, longest=longest)
    turns = cutter.feed(sound.samples) + cutter.flush()
    ratio = sample_rate / SAMPLE_RATE
    return [(round(a * ratio), min(round(b * ratio), len(samples))) for a, b in turns]
