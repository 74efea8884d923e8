"""How a sentence is spoken: cut into clauses, joined without a click, at one level, with its marks.

A network speaks a whole string at once, so a long sentence would be silent until all of it is
computed. It is cut into clauses: at pauses, and for an early first sound also within a phrase. A cut
within a phrase is heard in its context: some words of the other side are spoken too and cut away at
the sample that the durations give, so that pitch and pace go on across the join.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from visavis.core.types import Emotion, Floats, Mark, Sentence, Speech, Waveform
from visavis.models.common.heard import LAG_S, trim_to_heard
from visavis.models.common.phoneme_pieces import Durations
from visavis.stages.synthesizers.text.phonemes import PAUSES, Sound

Render: TypeAlias = Callable[[str, float], tuple[Floats, Durations]]
"""Maps phonemes and speed to sound and the units of each character (with the two pads)."""

SECONDS_PER_PHONEME = 0.05
"""Mean over the voices, without the silence around; only for planning."""
WHOLE = 3.2
"""Seconds: a sentence up to this long is spoken in one go."""
FIRST = 1.5
"""Seconds that the first clause of a longer one should not exceed."""
FIRST_PAUSE = 3.0
"""Seconds up to which it rather ends at a pause than within a phrase: the context that is spoken along
there, and the silence that the network puts around everything, take as long to compute."""
GROWTH = 2.0
"""Each clause may be this much longer than the one before: it is computed while that one sounds."""
LONGEST = 9.0
"""Seconds; also far below the number of phonemes that a network takes."""
CONTEXT = 0.6
"""Seconds of the other side that are spoken along and cut away."""
CROSSFADE = 0.012
LEAD = 0.05
"""Seconds of silence before a sentence or after a pause at a join."""
PAUSE = {",": 0.2, ";": 0.28, ":": 0.24, "—": 0.24, "…": 0.35, ".": 0.32, "!": 0.32, "?": 0.32}
"""Seconds of silence after a clause that ends in the mark; a sentence without one ends like ``.``"""
LEVEL = 0.1
"""RMS of what is said, -20 dBFS."""
PEAK = 0.94
_KNEE = 0.7
_SILENCE = 0.012
_SOFT_STARTS = tuple("pktʦʨꭧfsɕʂxhʃʧθ")


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


@dataclass(frozen=True, slots=True)
class Clause:
    """Part of a sentence that is computed at once.

    Attributes:
        sounds: What it says.
        before: Sounds of the clause before, spoken along as context; empty after a pause.
        after: Sounds of the clause after; empty before a pause.
    """

    sounds: tuple[Sound, ...]
    before: tuple[Sound, ...] = ()
    after: tuple[Sound, ...] = ()


def plan_clauses(
    sounds: Sequence[Sound], speed: float = 1.0, *, opening: bool = True
) -> list[Clause]:
    """Cut a sentence so that its first sound comes early and each part is ready in time.

    Args:
        sounds: Of the sentence.
        speed: Factor of the pace.
        opening: Whether somebody waits for it, as for the first of an answer. The others are
            computed while the one before sounds, and are cut only when they are very long: whole
            sentences are understood a little better.
    """
    limits = (WHOLE, FIRST) if opening else (LONGEST, LONGEST)
    spans = _cut(sounds, SECONDS_PER_PHONEME / speed, *limits)
    clauses = []
    for start, end in spans:
        before: tuple[Sound, ...] = ()
        after: tuple[Sound, ...] = ()
        if start and not _ends_in_pause(sounds[:start]):
            before = tuple(_context(sounds[:start], speed, from_end=True))
        if end < len(sounds) and not _ends_in_pause(sounds[:end]):
            after = tuple(_context(sounds[end:], speed, from_end=False))
        clauses.append(Clause(tuple(sounds[start:end]), before, after))
    return clauses


def _cut(
    sounds: Sequence[Sound], per_phoneme: float, whole: float, first: float
) -> list[tuple[int, int]]:
    """Return (start, end) of each clause, an end being just after a pause or space."""
    times = np.cumsum([len(s.phonemes) * per_phoneme for s in sounds])
    spans: list[tuple[int, int]] = []
    start, begun, limit = 0, 0.0, first
    while times[-1] - begun > (whole if not spans else limit * 1.3):
        ends = [
            i + 1
            for i in range(start, len(sounds) - 1)
            if _may_end(sounds, i) and times[i] - begun >= 0.4 and times[-1] - times[i] >= 0.4
        ]
        pauses = [e for e in ends if _ends_in_pause(sounds[:e])]
        fitting = [e for e in pauses if times[e - 1] - begun <= limit]
        within = [e for e in ends if 0.6 * limit <= times[e - 1] - begun <= limit]
        if fitting:
            end = fitting[-1]
        elif pauses and times[pauses[0] - 1] - begun <= (
            max(FIRST_PAUSE, limit) if not spans else LONGEST
        ):
            end = pauses[0]
        elif (not spans or times[-1] - begun > LONGEST) and within:
            soft = [e for e in within if sounds[e].phonemes.lstrip("ˈˌ").startswith(_SOFT_STARTS)]
            end = (soft or within)[-1]
        elif pauses:
            end = pauses[0]
        else:
            break
        spans.append((start, end))
        limit = min(max(limit, times[end - 1] - begun) * GROWTH, LONGEST)
        start, begun = end, float(times[end - 1])
    spans.append((start, len(sounds)))
    return spans


def _may_end(sounds: Sequence[Sound], i: int) -> bool:
    """Whether a clause may end after sound ``i``: the gap before a word."""
    return not sounds[i].is_word and sounds[i + 1].is_word


def _ends_in_pause(sounds: Sequence[Sound]) -> bool:
    for sound in reversed(sounds[-3:]):
        if sound.is_pause:
            return True
        if sound.is_word:
            return False
    return False


def _context(sounds: Sequence[Sound], speed: float, *, from_end: bool) -> list[Sound]:
    """Sounds nearest to the cut, up to the next pause."""
    room = CONTEXT / SECONDS_PER_PHONEME * speed
    out: list[Sound] = []
    for sound in reversed(sounds) if from_end else sounds:
        if sound.is_pause or (out and room <= 0 and not sound.is_word):
            break
        out.append(sound)
        room -= len(sound.phonemes)
    return out[::-1] if from_end else out


def deliver(
    sentence: Sentence, sounds: Sequence[Sound], render: Render, sample_rate: int, unit: int
) -> Iterator[Speech]:
    """Speak a sentence clause by clause.

    Args:
        sentence: Its text is what the sounds' spans point into.
        sounds: As ``phonemize`` gives them.
        render: The network.
        sample_rate: Hz of what it gives.
        unit: Samples of a duration of 1.

    Yields:
        Speeches whose marks and offsets count from the sentence's first sample. Every character of
        the phonemes has a phoneme mark, pauses and spaces too; words have one each.
    """
    manner = manner_of(sentence.emotion, sentence.intensity)
    clauses = plan_clauses(sounds, manner.speed, opening=sentence.index == 0)
    fade = round(CROSSFADE * sample_rate)
    position = 0
    gain: float | None = None
    tail: Floats | None = None
    for number, clause in enumerate(clauses):
        last = number == len(clauses) - 1
        part = _speak(clause, render, manner, sample_rate, unit)
        gain = _choose_gain(part, gain, manner.level)
        sound = _limit(part.sound * gain)
        if tail is not None:
            ramp = np.linspace(0, 1, len(tail), dtype=np.float32)
            sound[: len(tail)] = sound[: len(tail)] * ramp + tail * (1 - ramp)
        tail = None
        if clause.after:
            rest = _limit(part.rest[:fade] * gain)
            tail = rest if len(rest) else None
        marks = _marks(sentence.text, clause, part, position, sample_rate)
        yield Speech(
            sentence.turn, sentence, Waveform(sound, sample_rate, position), marks, is_last=last
        )
        position += len(sound)


@dataclass(frozen=True, slots=True)
class _Part:
    """A clause's own sound.

    Attributes:
        sound: Without context and superfluous silence.
        rest: What was spoken after it, for the crossfade.
        starts: Sample of ``sound`` at which each character of the clause is heard, and the end of
            the last. Silence that was cut off makes some of them negative or too large.
    """

    sound: Floats
    rest: Floats
    starts: Durations


def _speak(clause: Clause, render: Render, manner: Manner, sample_rate: int, unit: int) -> _Part:
    before, own, after = (
        "".join(s.phonemes for s in part) for part in (clause.before, clause.sounds, clause.after)
    )
    sound, durations = render(before + own + after, manner.speed)
    starts = np.concatenate(([0], np.cumsum(durations))) * unit
    starts = starts[1 + len(before) : 2 + len(before) + len(own)]
    begin, end = int(starts[0]), int(starts[-1])
    if not clause.before:
        lead = round(LEAD * sample_rate)
        begin = min(_first_loud(sound, max(0, begin - round(0.12 * sample_rate)), begin), begin)
        begin = max(0, begin - lead)
    if not clause.after:
        trailing = len(own) - len(own.rstrip(PAUSES + " "))
        mark = own.rstrip()[-1:] if trailing else "."
        silence = round(PAUSE.get(mark, PAUSE["."]) * manner.pause * sample_rate)
        # The last word's duration often holds silence, so the sound itself says where it ends.
        end = _last_loud(sound, begin) + silence
    body = sound[begin:end].copy()
    if end > len(sound) and not clause.after:
        body = np.concatenate((body, np.zeros(end - len(sound), np.float32)))
    _fade_ends(body, sample_rate, head=not clause.before, foot=not clause.after)
    heard = starts - begin - round(LAG_S * sample_rate)
    return _Part(body, sound[end : end + sample_rate // 10].copy(), heard)


def _first_loud(sound: Floats, start: int, end: int) -> int:
    loud = np.flatnonzero(np.abs(sound[start:end]) > _SILENCE)
    return start + int(loud[0]) if len(loud) else end


def _last_loud(sound: Floats, start: int) -> int:
    loud = np.flatnonzero(np.abs(sound[start:]) > _SILENCE)
    return start + int(loud[-1]) if len(loud) else start


def _fade_ends(sound: Floats, sample_rate: int, *, head: bool, foot: bool) -> None:
    ramp = np.linspace(0, 1, min(len(sound), round(0.005 * sample_rate)), dtype=np.float32)
    if head and len(ramp):
        sound[: len(ramp)] *= ramp
    if foot and len(ramp):
        sound[-len(ramp) :] *= ramp[::-1]


def _choose_gain(part: _Part, last: float | None, level: float) -> float:
    """Bring what is said to the level; within a sentence the gain changes by 1.5 dB at most."""
    loud = part.sound[np.abs(part.sound) > _SILENCE]
    if not len(loud):
        return last or level
    wish = level * LEVEL / float(np.sqrt(np.mean(loud * loud)))
    wish = min(max(wish, 0.4), 4.0)
    return wish if last is None else min(max(wish, last * 0.84), last * 1.19)


def _limit(sound: Floats) -> Floats:
    """Bend what is above the knee so that nothing passes ``PEAK``."""
    size = np.abs(sound)
    room = PEAK - _KNEE
    bent = _KNEE + room * np.tanh((size - _KNEE) / room)
    out: Floats = np.where(size > _KNEE, np.sign(sound) * bent, sound).astype(np.float32)
    return out


def _marks(
    text: str, clause: Clause, part: _Part, position: int, sample_rate: int
) -> tuple[Mark, ...]:
    """Word and phoneme marks in order of their start, in samples of the sentence."""
    size = len(part.sound)
    # Within a phrase the first sounds of a clause are heard at the end of the clause before.
    first = min(0, int(part.starts[0])) if clause.before else 0
    marks: list[Mark] = []
    at = 0
    for sound in clause.sounds:
        edges = np.clip(part.starts[at : at + len(sound.phonemes) + 1], first, size) + position
        at += len(sound.phonemes)
        if sound.is_word and edges[-1] > edges[0]:
            word = text[sound.start : sound.end].strip()
            marks.append(Mark("word", word, int(edges[0]), int(edges[-1])))
        local = edges - position
        ends = trim_to_heard(local[:-1], local[1:], part.sound, sample_rate) + position
        marks += [
            Mark("phoneme", c, int(a), int(b))
            for c, a, b in zip(sound.phonemes, edges[:-1], ends, strict=True)
            if b > a
        ]
    return tuple(marks)
