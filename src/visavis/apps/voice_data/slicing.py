"""Where a recording is cut: pieces of three to ten seconds, from pause to pause.

Shapes: C chunks of 32 ms; for each the voice detector tells how likely somebody speaks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from visavis.core.types import Floats, Waveform
from visavis.media.resampling import resample
from visavis.models.silero.predictor import CHUNK, SAMPLE_RATE, SileroVad

SHORTEST, LONGEST = 3.0, 10.0
"""Seconds of a piece: what GPT-SoVITS takes as a reference; training takes more, but learns no more."""

_ON, _OFF = 0.5, 0.35
_SECONDS = CHUNK / SAMPLE_RATE
_PAUSES = (0.2, 0.1)
"""Least seconds of a pause that is cut in. The second is for those who speak for ten seconds without
any longer one; below it lie the closures of stops, within words."""
_JOINED = 0.7
"""Longest pause inside a piece, in seconds; voices learn to pause as long."""
_MARGIN = 0.2
"""Seconds kept before and after, for soft consonants."""
_SHORT = 5.0
"""Seconds below which a piece is worth less: it is no good reference."""
_FAR = (6, 2)
"""Chunks from speech after which a quiet one holds noise only. The second is for those who pause so
shortly that the first finds less than ``_ENOUGH_QUIET`` seconds."""
_ENOUGH_QUIET = 0.5


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where the pieces are.

    Attributes:
        pieces: Start and end of each in samples, in order, never overlapping.
        left_out: Of speech that is in no piece: start, end and why.
        quiet: Stretches with no speech anywhere near, in samples.
        spoken: Stretches of speech, in samples.
    """

    pieces: list[tuple[int, int]]
    left_out: list[tuple[int, int, str]]
    quiet: list[tuple[int, int]]
    spoken: list[tuple[int, int]]


def listen(sound: Waveform, told: Callable[[float], None] = lambda share: None) -> Floats:
    """Tell how likely somebody speaks, for each chunk of 32 ms (C,).

    Args:
        sound: Of any rate.
        told: Told the share done.

    Raises:
        MissingWeights: The detector is not on this machine.
    """
    samples = resample(sound, SAMPLE_RATE).samples
    chunks = np.pad(samples, (0, -len(samples) % CHUNK)).reshape(-1, CHUNK)
    detector = SileroVad()
    found = np.zeros(len(chunks), np.float32)
    for number, chunk in enumerate(chunks):
        found[number] = detector.speech_probability(chunk)
        if number % 100 == 0:
            told(number / len(chunks))
    return found


def find_cuts(sound: Waveform, likely: Floats) -> Cuts:
    """Choose the pieces of a recording so that most of its speech is in one.

    Args:
        sound: The recording.
        likely: What ``listen`` found in it.
    """
    count, chunk = len(sound.samples), sound.sample_rate * _SECONDS
    speaks = _with_hysteresis(likely)
    stretches: list[tuple[int, int]] = []
    for start, end in _runs(speaks, _PAUSES[0]):
        if (end - start) * _SECONDS <= LONGEST:
            stretches.append((start, end))
        else:
            inside = _runs(speaks[start:end], _PAUSES[1])
            stretches += [(start + a, start + b) for a, b in inside]
    spoken = [(round(a * chunk), min(round(b * chunk), count)) for a, b in stretches]
    edges = _edges(sound, spoken)
    chosen = _choose(spoken, edges, sound.sample_rate)
    used = {number for first, last in chosen for number in range(first, last + 1)}
    left_out = [
        (*spoken[number], _why_not(spoken[number], sound.sample_rate))
        for number in range(len(spoken))
        if number not in used
    ]
    quiet = [(round(a * chunk), min(round(b * chunk), count)) for a, b in _quiet_runs(speaks)]
    return Cuts(
        [(edges[first][0], edges[last][1]) for first, last in chosen], left_out, quiet, spoken
    )


def _with_hysteresis(likely: Floats) -> Floats:
    """1 where somebody speaks, else 0 (C,)."""
    speaks = np.zeros(len(likely), np.float32)
    now = False
    for number, value in enumerate(likely):
        now = value >= (_OFF if now else _ON)
        speaks[number] = now
    return speaks


def _quiet_runs(speaks: Floats) -> list[tuple[int, int]]:
    """Stretches in chunks with no speech near."""
    found: list[tuple[int, int]] = []
    for far in _FAR:
        near = np.convolve(speaks, np.ones(2 * far + 1, np.float32))[far : far + len(speaks)]
        found = _true_runs(np.asarray(near < 0.5, np.float32))
        if sum(end - start for start, end in found) * _SECONDS >= _ENOUGH_QUIET:
            break
    return found


def _true_runs(flags: Floats) -> list[tuple[int, int]]:
    steps = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(flags, np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(steps[::2], steps[1::2], strict=True)]


def _runs(speaks: Floats, pause: float) -> list[tuple[int, int]]:
    """Stretches of speech in chunks, with pauses shorter than ``pause`` seconds inside them."""
    found: list[tuple[int, int]] = []
    for start, end in _true_runs(speaks):
        if found and (start - found[-1][1]) * _SECONDS < pause:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _edges(sound: Waveform, spoken: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Where each stretch would be cut if it stood alone, with its margins."""
    margin = round(_MARGIN * sound.sample_rate)
    edges: list[tuple[int, int]] = []
    last_end = 0
    for number, (start, end) in enumerate(spoken):
        following = spoken[number + 1][0] if number + 1 < len(spoken) else len(sound.samples)
        begin = max(start - margin, last_end)
        is_last = number + 1 == len(spoken)
        if is_last or following - end >= 2 * margin:
            stop = min(end + margin, len(sound.samples))
        else:
            stop = _quietest(sound, end, following)
        edges.append((begin, stop))
        last_end = stop
    return edges


def _quietest(sound: Waveform, start: int, end: int) -> int:
    """Middle of the quietest 20 ms between two samples."""
    size = max(1, sound.sample_rate // 50)
    if end - start <= size:
        return (start + end) // 2
    power = np.convolve(np.square(sound.samples[start:end]), np.ones(size, np.float32), "valid")
    return start + int(np.argmin(power)) + size // 2


def _choose(
    spoken: list[tuple[int, int]], edges: list[tuple[int, int]], rate: int
) -> list[tuple[int, int]]:
    """First and last stretch of each piece: most speech, cut where the pauses are longest."""

    def pause(number: int) -> float:
        """Seconds before a stretch, as far as they count."""
        if not 0 < number < len(spoken):
            return 0.5
        return min((spoken[number][0] - spoken[number - 1][1]) / rate, 0.5)

    best: list[tuple[float, int | None]] = [(0.0, None)]
    for last in range(len(spoken)):
        top: tuple[float, int | None] = (best[last][0], None)
        speech = 0.0
        for first in range(last, -1, -1):
            if first < last and (spoken[first + 1][0] - spoken[first][1]) / rate > _JOINED:
                break
            length = (edges[last][1] - edges[first][0]) / rate
            if length > LONGEST:
                break
            speech += (spoken[first][1] - spoken[first][0]) / rate
            if length >= SHORTEST:
                score = best[first][0] + speech + 0.5 * (pause(first) + pause(last + 1))
                score -= 0.5 * max(_SHORT - length, 0.0)
                top = max(top, (score, first), key=lambda found: found[0])
        best.append(top)
    chosen = []
    at = len(spoken)
    while at:
        first_of = best[at][1]
        if first_of is None:
            at -= 1
        else:
            chosen.append((first_of, at - 1))
            at = first_of
    return chosen[::-1]


def _why_not(stretch: tuple[int, int], rate: int) -> str:
    if (stretch[1] - stretch[0]) / rate > LONGEST - 2 * _MARGIN:
        return f"there is no pause in more than {LONGEST:g} seconds of speech"
    return f"too short for a piece of {SHORTEST:g} seconds, and pauses around it are long"
