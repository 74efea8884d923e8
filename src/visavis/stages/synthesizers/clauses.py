"""Cutting a sentence into clauses: what a voice is given at once.

A network needs a whole string before it says a sample, and takes so many phonemes and no more. Cuts
are at pauses, and for an early first sound also within a phrase. A cut within a phrase is heard in its
context: some words of the other side are thought of too, so that pitch and pace go on across the join.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visavis.stages.synthesizers.text.phonemes import Sound

SECONDS_PER_PHONEME = 0.05
"""Mean over the voices, without the silence around; only for planning."""
WHOLE = 4.5
"""Seconds: a sentence up to this long is planned in one go."""
FIRST = 1.5
"""Seconds that the first clause of a longer one should not exceed."""
FIRST_PAUSE = 6.0
"""Seconds up to which it rather ends at a pause than within a phrase, which is heard and saves no more
than the plan of the rest."""
GROWTH = 2.0
"""Each clause may be this much longer than the one before: it is computed while that one sounds."""
LONGEST = 9.0
"""Seconds; also far below the number of phonemes that a network takes."""
CONTEXT = 0.6
"""Seconds of the other side that are planned along and not spoken."""
_SOFT_STARTS = tuple("pktʦʨꭧfsɕʂxhʃʧθ")


@dataclass(frozen=True, slots=True)
class Clause:
    """Part of a sentence that is planned at once.

    Attributes:
        sounds: What it says.
        before: Sounds of the clause before, as context; empty after a pause.
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
