"""Which pieces are kept, and which one shows the voice best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visavis.apps.voice_data.hearing import Heard
from visavis.apps.voice_data.levels import normalise, speech_level
from visavis.apps.voice_data.reading import RATE, Recording
from visavis.apps.voice_data.texts import doubt, language_of, why_not
from visavis.core.types import Floats, Language, Waveform
from visavis.evaluation.word_errors import split_words
from visavis.media.audio import clipped_fraction

_CLIPPED = 0.001
"""Share of clipped samples from which a piece is no model of a voice."""
_REFERENCE_SECONDS = (5.0, 10.0)


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A piece of the data set.

    Attributes:
        sound: Equally loud as the others.
        text: What is said in it.
        language: By whose rules the text is read out.
        doubt: Share of the words that the second reading heard differently.
        source: File that it was cut from.
        start: Seconds into it.
    """

    sound: Waveform
    text: str
    language: Language
    doubt: float
    source: Path
    start: float

    @property
    def words_per_second(self) -> float:
        """Words, or Chinese characters, a second."""
        return len(split_words(self.text)) / self.sound.duration


@dataclass(frozen=True, slots=True)
class Dropped:
    """Speech that is not in the data set: where it was, and why."""

    source: Path
    start: float
    end: float
    why: str


def choose(
    recordings: Sequence[Recording], heard: Sequence[Heard], language: Language | None
) -> tuple[list[Kept], list[Dropped]]:
    """Keep what can be learnt from.

    Args:
        recordings: All of them.
        heard: What was understood of their pieces, in the same order.
        language: What is spoken; None where it is not known.
    """
    kept: list[Kept] = []
    dropped: list[Dropped] = []
    texts = iter(heard)
    for recording in recordings:
        dropped += [Dropped(recording.path, *row) for row in recording.left_out]
        for position, piece in recording.pieces:
            understood = next(texts)
            start, seconds = position / RATE, piece.clean.duration
            clipped = clipped_fraction(piece.original)
            if clipped > _CLIPPED:
                why: str | None = f"clipped: {clipped:.1%} of it; lower the input level"
            else:
                why = why_not(understood.text, understood.second, seconds, language)
            if why is not None:
                dropped.append(Dropped(recording.path, start, start + seconds, why))
                continue
            sound = Waveform(normalise(piece.clean.samples, RATE), RATE)
            unsure = doubt(understood.text, understood.second)
            spoken = language_of(understood.text)
            kept.append(Kept(sound, understood.text, spoken, unsure, recording.path, start))
    return kept, sorted(dropped, key=lambda d: (str(d.source), d.start))


def choose_reference(kept: Sequence[Kept]) -> int:
    """Choose the piece that shows the voice best: surely understood, even, and of usual tempo.

    It lasts 5 to 10 seconds if any does; a text that begins and ends a sentence is better than half
    of one, as the voice goes on where the reference stops.

    Returns:
        Its place in ``kept``, which is not empty.
    """
    tempo = {
        language: float(np.median([k.words_per_second for k in kept if k.language == language]))
        for language in {k.language for k in kept}
    }

    def fitness(piece: Kept) -> float:
        low, high = _REFERENCE_SECONDS
        return float(
            (0.0 if low <= piece.sound.duration <= high else -10.0)
            - 4 * piece.doubt
            - abs(math.log(piece.words_per_second / tempo[piece.language]))
            - 0.1 * _unevenness(piece.sound.samples)
            + (0.5 if piece.text[-1] in ".!?。！？" else 0.0)
        )

    return max(range(len(kept)), key=lambda number: fitness(kept[number]))


def _unevenness(samples: Floats) -> float:
    """Difference of level, in dB, between the halves."""
    half = len(samples) // 2
    levels = speech_level(samples[:half], RATE), speech_level(samples[half:], RATE)
    return abs(levels[0] - levels[1]) if np.isfinite(levels).all() else 60.0
