"""How a sentence is spoken: in clauses, without a click, at one level, with its marks.

The first piece of sound is handed over as soon as it is computed, and each next one while the one
before sounds: clauses (``clauses``) are what a voice plans at once, windows (``windows``) are what it
computes at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from visavis.core.types import Emotion, Floats, Mark, Sentence, Speech, Waveform
from visavis.models.common.heard import trim_to_heard
from visavis.models.common.phoneme_pieces import Durations
from visavis.models.common.utterance import Utterance
from visavis.stages.synthesizers.clauses import Clause, plan_clauses
from visavis.stages.synthesizers.loudness import Loudness
from visavis.stages.synthesizers.text.phonemes import PAUSES, Sound
from visavis.stages.synthesizers.windows import Place, Window, plan_lengths, read_windows

Render: TypeAlias = Callable[[str, float], Utterance]
"""Maps phonemes and speed to what is said then."""

PAUSE = {",": 0.2, ";": 0.28, ":": 0.24, "—": 0.24, "…": 0.35, ".": 0.32, "!": 0.32, "?": 0.32}
"""Seconds of silence after a clause that ends in the mark; a sentence without one ends like ``.``"""
SLOWEST, QUICKEST = 0.5, 2.0
"""Bounds of a sentence's rate."""
_ENDLESS = 1 << 40


@dataclass(frozen=True, slots=True)
class Manner:
    """What an emotion does to a voice that has no input for it.

    Attributes:
        speed: Factor of the pace.
        pause: Factor of the silences between clauses.
        level: Factor of the loudness.
    """

    speed: float = 1.0
    pause: float = 1.0
    level: float = 1.0


MANNERS: dict[Emotion, Manner] = {
    "angry": Manner(1.08, 0.8, 1.2),
    "contempt": Manner(0.95, 1.2, 0.95),
    "disgusted": Manner(0.95, 1.15, 1.0),
    "fear": Manner(1.1, 0.9, 0.85),
    "happy": Manner(1.06, 0.9, 1.1),
    "neutral": Manner(),
    "sad": Manner(0.88, 1.3, 0.8),
    "surprised": Manner(1.06, 1.0, 1.15),
}
"""At intensity 1. Small, so that words stay as clear as they were."""


def manner_of(emotion: Emotion, intensity: float) -> Manner:
    """Scale an emotion's manner by its intensity 0..1."""
    full = MANNERS[emotion]
    share = min(max(intensity, 0.0), 1.0)
    return Manner(
        1 + (full.speed - 1) * share, 1 + (full.pause - 1) * share, 1 + (full.level - 1) * share
    )


def manner_of_sentence(sentence: Sentence) -> Manner:
    """Choose the manner of a sentence: its emotion's, at the pace that it asks for, if it asks."""
    manner = manner_of(sentence.emotion, sentence.intensity)
    if sentence.rate == 1.0:
        return manner
    rate = min(max(sentence.rate, SLOWEST), QUICKEST)
    # Who speaks slower pauses longer; an emotion's pauses say something for themselves.
    return replace(manner, speed=rate, pause=manner.pause / rate)


def deliver(
    sentence: Sentence, sounds: Sequence[Sound], render: Render, sample_rate: int, unit: int
) -> Iterator[Speech]:
    """Speak a sentence, window by window.

    Args:
        sentence: Its text is what the sounds' spans point into.
        sounds: As ``phonemize`` gives them.
        render: The network.
        sample_rate: Hz of what it gives.
        unit: Samples of a duration of 1.

    Yields:
        Speeches whose marks and offsets count from the sentence's first sample. Every character of
        the phonemes has a phoneme mark, pauses and spaces too; words have one each. A mark is with
        the sound in which it begins, and may end after it.
    """
    manner = manner_of_sentence(sentence)
    opening = sentence.index == 0
    clauses = plan_clauses(sounds, manner.speed, opening=opening)
    lengths = plan_lengths(opening=opening)
    loudness = Loudness(sample_rate, manner.level)
    position = 0
    over = np.zeros(0, np.float32)
    for clause in clauses:
        utterance = render(_phonemes(clause.before + clause.sounds + clause.after), manner.speed)
        place = _place(clause, manner)
        marker = _Marker(sentence.text, clause, position, sample_rate)
        for window in read_windows(utterance, place, lengths, sample_rate, unit):
            sound = loudness.settle(window.sound)
            if len(over):
                ramp = np.linspace(0, 1, len(over), dtype=np.float32)
                sound[: len(over)] = sound[: len(over)] * ramp + over * (1 - ramp)
            over = loudness.hold(window.rest)
            audio = Waveform(sound, sample_rate, position + window.start)
            is_last = window.is_last and clause is clauses[-1]
            yield Speech(sentence.turn, sentence, audio, marker.mark(window), is_last)
        position += window.end


def _phonemes(sounds: Sequence[Sound]) -> str:
    return "".join(sound.phonemes for sound in sounds)


def _place(clause: Clause, manner: Manner) -> Place:
    first, own = len(_phonemes(clause.before)), _phonemes(clause.sounds)
    said = len(own.rstrip(PAUSES + " "))
    mark = own.rstrip()[-1:] if said < len(own) else "."
    return Place(
        first=first,
        end=first + len(own),
        last_said=first + max(said - 1, 0),
        opens=not clause.before,
        closes=not clause.after,
        silence=PAUSE.get(mark, PAUSE["."]) * manner.pause,
    )


class _Marker:
    """Says which words and phonemes of a clause begin in each of its windows."""

    def __init__(self, text: str, clause: Clause, position: int, sample_rate: int) -> None:
        self._text = text
        self._clause = clause
        self._position = position
        self._rate = sample_rate
        self._spoken: Floats = np.zeros(0, np.float32)

    def mark(self, window: Window) -> tuple[Mark, ...]:
        """Word and phoneme marks in order of their start, in samples of the sentence."""
        self._spoken = np.concatenate((self._spoken, window.sound))
        # Within a phrase the first sounds of a clause are heard at the end of the clause before.
        first = min(0, int(window.heard[0])) if self._clause.before else 0
        known = np.clip(window.heard, first, window.end if window.is_last else _ENDLESS)
        begin = window.start if window.start else -_ENDLESS
        end = _ENDLESS if window.is_last else window.end
        marks: list[Mark] = []
        at = 0
        for sound in self._clause.sounds:
            edges = known[at : at + len(sound.phonemes) + 1]
            at += len(sound.phonemes)
            if sound.is_word and edges[-1] > edges[0] and begin <= edges[0] < end:
                word = self._text[sound.start : sound.end].strip()
                marks.append(self._at("word", word, edges[0], edges[-1]))
            if edges[-1] < begin or edges[0] >= end:
                continue
            # Silence is what pauses and spaces are: only what is said may end before its time.
            ends = self._hear(edges) if sound.is_word else edges[1:]
            marks += [
                self._at("phoneme", c, a, b)
                for c, a, b in zip(sound.phonemes, edges[:-1], ends, strict=True)
                if b > a and begin <= a < end
            ]
        return tuple(marks)

    def _at(self, kind: Literal["word", "phoneme"], text: str, start: int, end: int) -> Mark:
        return Mark(kind, text, int(start) + self._position, int(end) + self._position)

    def _hear(self, edges: Durations) -> Durations:
        """Ends of what is said; a sound that goes on in the next window keeps its time."""
        ends = trim_to_heard(edges[:-1], edges[1:], self._spoken, self._rate)
        size = len(self._spoken)
        open_end = (edges[1:] > size) & ((ends <= edges[:-1]) | (ends > size - self._rate // 50))
        return np.where(open_end, edges[1:], ends)
