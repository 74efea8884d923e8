"""From the times of a voice's phonemes to the mouth's channels, 25 times a second.

Three layers:

1. Every sound pulls each channel towards its target with a dominance that rises before the sound and
   falls after it; a channel is the mean of the targets weighed by the dominances (Cohen and
   Massaro, "Modeling coarticulation in synthetic visual speech", 1993). Theirs are exponentials;
   ours are raised cosines, which end, so that a frame depends on nothing beyond ``LOOKAHEAD_S``.
   Rounding starts earlier than the rest (Perkell and Matthies, JASA 91, 1992).
2. Contacts are no matter of means: m b p shut the lips, f v put the lower lip to the teeth (Edwards
   et al., "JALI", SIGGRAPH 2016, section 4.2), each for about two frames, so that 25 pictures a
   second cannot miss a short one.
3. Where nothing is said for ``PAUSE_S`` the mouth shuts, and opens again before the next sound.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from visavis.core.types import FPS, Floats, Mark
from visavis.models.common.units import MOUTH_UNITS
from visavis.models.puppet.visemes import (
    DIPHTHONG_SPLIT,
    GROUPS,
    LENGTHENERS,
    PAUSES,
    STRESS,
    SYMBOLS,
    VISEMES,
    Viseme,
)

__all__ = ["LEAD_S", "LOOKAHEAD_S", "LOOKBEHIND_S", "PAUSE_S", "VISEMES", "lip_gap", "mouth_track"]

_log = logging.getLogger(__name__)

LOOKAHEAD_S = 0.35
"""A frame depends only on marks that begin no later than this many seconds after its middle."""
LOOKBEHIND_S = 0.6
"""A frame depends only on marks that end no earlier than this many seconds before its middle."""
LEAD_S = 0.02
"""The mouth is shown as it is so much later: lips are seen to move before they are heard. In videos
of 34 people their opening led the sound by one frame (models/audio2mouth/README.md); half of that is
inside every tolerance of lip sync (ITU-R BT.1359: 45 ms early, 125 ms late)."""
PAUSE_S = 0.12
"""A shorter silence between two sounds is part of speaking: the mouth does not shut for it."""

_RAMP = 0.12
"""Seconds that the mouth takes to open before speech and to shut after it."""
_HOLD: dict[str, float] = {"lips": 0.081, "teeth": 0.061}
"""Seconds that a contact is held; 80 ms have two frame middles in them wherever they lie."""
_CONTACT_RAMP = 0.055
_RAMP_MIN = 0.02
_VOWEL_SHARE = 0.2
_RAMP_SHARE = 0.3
_LONGEST_SOUND = 0.40
"""Voices give the silence that follows to the last sound: what is longer is silence."""
_LONGEST_SIGN = 0.15
_LONGEST_STRESS = 0.07
_FULL_SOUND = 0.12
"""A vowel shorter than this does not reach its whole opening."""

# Seconds of rise before a sound and of fall after it, for each of GROUPS.
_RISE = np.array([0.085, 0.10, 0.09, 0.06, 0.06])
_FALL = np.array([0.085, 0.09, 0.09, 0.06, 0.06])
_ROUND_RISE = 0.165
"""For rounded sounds: a raised cosine is first seen when a quarter of its rise has gone by."""
_REACH = 0.17
"""The longest rise or fall."""

_GROUP_OF = np.array([next((g for g, names in enumerate(GROUPS) if u in names), -1)
                      for u in MOUTH_UNITS])  # fmt: skip
_BLENDED = np.flatnonzero(_GROUP_OF >= 0)
_JAW, _CLOSE, _FUNNEL, _PUCKER, _, _, _ROLL_LOWER, _ROLL_UPPER, _PRESS, _LOWER, _UPPER, _ = range(
    len(MOUTH_UNITS)
)
_BLOCK = 50
"""Frames that are computed at once; bounds the memory for a long text."""


@dataclass(frozen=True, slots=True)
class _Sound:
    """A mouth shape and when it is meant, in seconds."""

    viseme: Viseme
    start: float
    end: float
    strength: float


@dataclass(slots=True)
class _Draft:
    """A sound or a silence (no visemes) while its signs are being gathered."""

    visemes: tuple[str, ...]
    start: float
    end: float
    stress: float = 1.0


def mouth_track(
    marks: Sequence[Mark], sample_rate: int, start_frame: int, frames: int, fps: int = FPS
) -> Floats:
    """Mouth channels of frames ``start_frame`` to ``start_frame + frames``, from phoneme marks.

    Frame i shows the time from i / fps to (i + 1) / fps and is evaluated ``LEAD_S`` after its middle.

    Args:
        marks: In any order; only phonemes are used. Symbols that no voice of ours writes are said
            with a nearly neutral mouth.
        sample_rate: Hz of the marks' positions.
        start_frame: First frame, counted from the marks' zero.
        frames: How many.
        fps: Frames a second.

    Returns:
        float32 (frames, 12) in [0, 1], in the order of ``MOUTH_UNITS``; all zero in silence.
    """
    if sample_rate <= 0 or fps <= 0:
        raise ValueError(f"sample_rate {sample_rate} and fps {fps} must be positive")
    track = np.zeros((max(frames, 0), len(MOUTH_UNITS)), np.float32)
    drafts = _gather(marks, sample_rate)
    speech, sounds = _settle(drafts)
    if not sounds:
        return track
    contacts = _place_contacts(sounds, fps)
    starts = np.array([s.start for s in sounds])
    ends = np.maximum.accumulate([s.end for s in sounds])
    for first in range(0, len(track), _BLOCK):
        rows = track[first : first + _BLOCK]
        time = (start_frame + first + np.arange(len(rows)) + 0.5) / fps + LEAD_S
        lo = int(np.searchsorted(ends, time[0] - _REACH))
        hi = int(np.searchsorted(starts, time[-1] + _REACH))
        if lo >= hi:
            continue
        mouth = _blend(sounds[lo:hi], time)
        for kind, holds in contacts.items():
            near = (holds[:, 1] > time[0] - _REACH) & (holds[:, 0] < time[-1] + _REACH)
            _apply_contact(mouth, kind, _envelope(holds[near], time))
        mouth *= _speaking(speech, time)[:, None]
        rows[:] = np.clip(mouth, 0, 1)
    return track


def lip_gap(mouth: Floats) -> Floats:
    """How far apart the lips are, in units of the jaw: 0 where they meet.

    A measure for tests and figures that needs no picture. The weights say how much lip each unit
    moves against the jaw's whole range.

    Args:
        mouth: Mouth channels (T, 12).

    Returns:
        float32 (T,), not below 0.
    """
    opening = mouth[:, _JAW] - mouth[:, _CLOSE] + 0.25 * (mouth[:, _LOWER] + mouth[:, _UPPER])
    gap: Floats = np.maximum(opening - 0.3 * mouth[:, _ROLL_LOWER] - 0.2 * mouth[:, _PRESS], 0)
    return gap


def _gather(marks: Sequence[Mark], sample_rate: int) -> list[_Draft]:
    """Join the signs of length, tone and stress to their sounds; silence becomes drafts, too."""
    drafts: list[_Draft] = []
    stress: tuple[float, float] | None = None  # factor and start of a sign whose vowel is to come
    ordered = sorted((m for m in marks if m.kind == "phoneme"), key=lambda m: (m.start, m.end))
    for symbol, start, end in _symbols(ordered, sample_rate):
        if symbol in STRESS:
            stress = (STRESS[symbol], max(start, end - _LONGEST_STRESS))
            continue
        if symbol in LENGTHENERS:
            stress = None
            end = min(end, start + _LONGEST_SIGN)
            if not drafts or not drafts[-1].visemes:
                # Its sound is out of sight: it only tells until when there was speech.
                drafts.append(_Draft(("h",), start, end))
            elif start - drafts[-1].end < 1e-6:
                drafts[-1].end = end
            continue
        if symbol in PAUSES:
            drafts.append(_Draft((), start, end))
            stress = None
            continue
        if symbol not in SYMBOLS:
            _log.debug("no mouth shape for the phoneme %r", symbol)
        visemes = SYMBOLS.get(symbol, ("schwa",))
        draft = _Draft(visemes, start, min(end, start + _LONGEST_SOUND))
        if stress is not None:
            # Our voices write the sign right before its vowel.
            draft.start = min(stress[1], start)
            if VISEMES[visemes[0]].vowel:
                draft.stress = stress[0]
            stress = None
        drafts.append(draft)
    return drafts


def _symbols(marks: Sequence[Mark], sample_rate: int) -> Iterator[tuple[str, float, float]]:
    """Cut marks of several letters into their letters, which share the time evenly."""
    for mark in marks:
        start, end = mark.start / sample_rate, max(mark.end, mark.start) / sample_rate
        sounding = [c for c in mark.text if c not in STRESS and c not in LENGTHENERS]
        share = (end - start) / max(len(sounding), 1)
        lone = not sounding
        for symbol in mark.text:
            if lone or symbol in sounding:
                yield symbol, start, start + share
                start += share
            else:
                yield symbol, start, start
        if not mark.text:
            yield " ", start, end


def _settle(drafts: Sequence[_Draft]) -> tuple[npt.NDArray[np.float64], list[_Sound]]:
    """Give short silences to their neighbours, and find where there is speech.

    Returns:
        The stretches of speech, (S, 2) seconds, and the sounds in order.
    """
    said = [d for d in drafts if d.visemes]
    if not said:
        return np.zeros((0, 2)), []
    own = [(d.start, d.end - d.start) for d in said]  # without what a short silence adds
    stretches = [[said[0].start, said[0].end]]
    for before, after in pairwise(said):
        gap = after.start - before.end
        if gap < PAUSE_S:
            middle = (before.end + after.start) / 2
            before.end = after.start = middle
            stretches[-1][1] = after.end
        else:
            stretches.append([after.start, after.end])
    sounds = []
    for draft, (start, length) in zip(said, own, strict=True):
        strength = draft.stress * (0.55 + 0.45 * min(1.0, length / _FULL_SOUND))
        cut = start + DIPHTHONG_SPLIT * length
        edges = (
            [draft.start, cut, draft.end] if len(draft.visemes) == 2 else [draft.start, draft.end]
        )
        for name, begin, end in zip(draft.visemes, edges[:-1], edges[1:], strict=True):
            viseme = VISEMES[name]
            sounds.append(_Sound(viseme, begin, end, strength if viseme.vowel else 1.0))
    return np.array(stretches), sounds


def _blend(sounds: Sequence[_Sound], time: npt.NDArray[np.float64]) -> Floats:
    """Mean of the sounds' targets, weighed by their dominance at each time. (T,) -> (T, 12)."""
    targets = np.array([s.viseme.targets for s in sounds])
    targets[:, _JAW] *= [s.strength for s in sounds]
    insist = np.array([s.viseme.dominance for s in sounds])
    rise = np.broadcast_to(_RISE, insist.shape).copy()
    rounded = targets[:, _FUNNEL] + targets[:, _PUCKER] > 0.2
    rise[rounded, 1] = _ROUND_RISE
    start = np.array([s.start for s in sounds])
    end = np.array([s.end for s in sounds])
    before = np.maximum(start - time[:, None], 0)[:, :, None]  # (T, N, 1) seconds until the sound
    after = np.maximum(time[:, None] - end, 0)[:, :, None]
    far = np.minimum(before / rise, 1) + np.minimum(after / _FALL, 1)
    # The floor keeps a frame in a silence that is too short to shut for from having no weights.
    dominance = insist * (0.5 + 0.5 * np.cos(np.pi * np.minimum(far, 1))) ** 1.5
    total = dominance.sum(axis=1) + 1e-6
    mouth = np.zeros((len(time), len(MOUTH_UNITS)), np.float32)
    for column in _BLENDED:
        group = _GROUP_OF[column]
        mouth[:, column] = (dominance[:, :, group] @ targets[:, column]) / total[:, group]
    return mouth


def _place_contacts(sounds: Sequence[_Sound], fps: int) -> dict[str, npt.NDArray[np.float64]]:
    """When the lips meet each other or the teeth, for each kind of contact.

    A contact is lengthened to what 25 frames a second can show, at the cost of its neighbours but
    never of most of one, and holds at least one frame's middle.

    Returns:
        (K, 4) seconds: start, end, and how long the lips take to close and to open.
    """
    holds: dict[str, list[tuple[float, float, float, float]]] = {kind: [] for kind in _HOLD}
    for i, sound in enumerate(sounds):
        kind = sound.viseme.contact
        if kind is None:
            continue
        want = max(_HOLD[kind] - (sound.end - sound.start), 0) / 2
        before = next((s for s in sounds[max(i - 1, 0) : i] if sound.start - s.end < 1e-6), None)
        after = next((s for s in sounds[i + 1 : i + 2] if s.start - sound.end < 1e-6), None)
        start = sound.start - _spare(before, want, _VOWEL_SHARE)
        end = sound.end + _spare(after, want, _VOWEL_SHARE)
        middle = (round(((start + end) / 2 - LEAD_S) * fps - 0.5) + 0.5) / fps + LEAD_S
        start, end = min(start, middle), max(end, middle)
        closing, opening = (_spare(s, _CONTACT_RAMP, _RAMP_SHARE) for s in (before, after))
        holds[kind].append((start, end, max(closing, _RAMP_MIN), max(opening, _RAMP_MIN)))
    return {kind: np.array(spans).reshape(-1, 4) for kind, spans in holds.items()}


def _spare(neighbour: _Sound | None, want: float, share: float) -> float:
    """Seconds that a contact may take of what is beside it: not more than a share of a vowel."""
    if neighbour is None or not neighbour.viseme.vowel:
        return want
    return min(want, share * (neighbour.end - neighbour.start))


def _apply_contact(mouth: Floats, kind: str, amount: npt.NDArray[np.float64]) -> None:
    """Bring the lips together, or the lower lip to the teeth, by ``amount`` (T,) in [0, 1]."""
    apart = 1 - amount
    if kind == "lips":
        mouth[:, _JAW] *= 1 - 0.6 * amount
        mouth[:, _CLOSE] = mouth[:, _JAW] * amount
        mouth[:, _LOWER] *= apart
        mouth[:, _UPPER] *= apart
        mouth[:, _FUNNEL] *= 1 - 0.8 * amount
        mouth[:, _PUCKER] *= 1 - 0.4 * amount
    else:
        mouth[:, _JAW] += (0.08 - mouth[:, _JAW]) * amount
        mouth[:, _LOWER] *= apart
        mouth[:, _FUNNEL] *= 1 - 0.8 * amount
        mouth[:, _PUCKER] *= 1 - 0.7 * amount
        mouth[:, _UPPER] *= apart
    shape = VISEMES["closed" if kind == "lips" else "teeth"].targets
    for column in (_ROLL_LOWER, _ROLL_UPPER, _PRESS, *((_UPPER,) if kind == "teeth" else ())):
        mouth[:, column] = np.maximum(mouth[:, column], shape[column] * amount)


def _envelope(
    holds: npt.NDArray[np.float64], time: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """1 in the holds (K, 4), with their ramps before and after. (T,) -> (T,)."""
    if not len(holds):
        return np.zeros(len(time))
    start, end, closing, opening = holds.T
    away = np.maximum((start - time[:, None]) / closing, (time[:, None] - end) / opening)
    envelope: npt.NDArray[np.float64] = 0.5 + 0.5 * np.cos(np.pi * np.clip(away.min(1), 0, 1))
    return envelope


def _speaking(
    stretches: npt.NDArray[np.float64], time: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """1 where there is speech, 0 in silence, with ramps that meet in the middle of short pauses."""
    following = np.searchsorted(stretches[:, 0], time, side="right")  # first stretch that is ahead
    ends = np.append(-np.inf, stretches[:, 1])
    starts = np.append(stretches[:, 0], np.inf)
    since = np.maximum(time - ends[following], 0)
    until = starts[following] - time
    ramp = np.minimum(_RAMP, (starts[following] - ends[following]) / 2)
    shown = np.maximum(1 - since / ramp, 1 - until / ramp)
    envelope: npt.NDArray[np.float64] = 0.5 - 0.5 * np.cos(np.pi * np.clip(shown, 0, 1))
    return envelope
