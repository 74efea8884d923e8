"""Mouths of people who really speak, as the channels of the puppet: what prepared clips teach.

Face units that were measured in a video are not the puppet's channels at once: everybody's rest is
another (a measured jaw is a little open, measured corners smile), a measured ``jawOpen`` is near zero
while the lips are well apart, and no unit says well when they meet. So each person's rest is taken
away, and ``jawOpen`` and ``mouthClose`` are set such that the puppet's lips are as far apart as the
landmarks of these.

Shapes: T frames of a clip at 25 a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from visavis.core.types import Floats
from visavis.evaluation.lip_shape import lip_opening
from visavis.models.audio2mouth.features import (
    LEAD,
    ROWS_PER_FRAME,
    START_ROWS,
    log_mel,
    mirror_after,
    mirror_before,
)
from visavis.models.common.units import MOUTH_UNITS, read_mouth
from visavis.training.data.clip_store import ClipStore

OPENING = 2.9
"""Units of the puppet's jaw that bring its lips apart by the span of the eyes."""
_REST = 5.0
"""Percentile of a person's frames that is rest."""
_JAW, _CLOSE, _ROLL_LOWER, _PRESS, _LOWER, _UPPER = (
    MOUTH_UNITS.index(name)
    for name in ("jawOpen", "mouthClose", "mouthRollLower", "mouthPress", "mouthLowerDown",
                 "mouthUpperUp")
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class RealMouth:
    """What is heard in a clip and what the mouth does.

    Attributes:
        name: Of the clip.
        person: Who speaks.
        sound: float32 (640 T,) at 16 kHz.
        mouth: float32 (T, 12) in [0, 1]; ``tongueUp``, which nobody sees, is 0.
    """

    name: str
    person: str
    sound: Floats
    mouth: Floats


def read_real_mouths(store: ClipStore, split: str) -> list[RealMouth]:
    """Read the clips of a split.

    Args:
        store: Prepared clips; opened with ``correct``, their offsets are taken out.
        split: ``train`` or ``val``.
    """
    clips = [clip for clip in store.clips if clip.split == split]
    tracks = [read_mouth(store.blendshapes(clip)) for clip in clips]
    gaps = [lip_opening(store.landmarks(clip)) for clip in clips]
    by_person: dict[str, list[int]] = {}
    for i, clip in enumerate(clips):
        by_person.setdefault(clip.person, []).append(i)
    for chosen in by_person.values():
        rest = np.percentile(np.concatenate([tracks[i] for i in chosen]), _REST, axis=0)
        shut = np.percentile(np.concatenate([gaps[i] for i in chosen]), _REST)
        for i in chosen:
            tracks[i] = np.clip(tracks[i] - rest, 0, 1).astype(np.float32)
            _set_apart(tracks[i], np.maximum(gaps[i] - shut, 0))
    return [
        RealMouth(clip.name, clip.person, store.audio(clip), track)
        for clip, track in zip(clips, tracks, strict=True)
    ]


def _set_apart(track: Floats, gap: Floats) -> None:
    """Change jaw and ``mouthClose`` so that the puppet's lips have a distance; it opens no less."""
    wanted = OPENING * gap
    others = _opening(track) - track[:, _JAW] - _pulled(track)
    track[:, _JAW] = np.clip(np.maximum(track[:, _JAW], wanted - others), 0, 1)
    track[:, _CLOSE] = np.clip(track[:, _JAW] + others - wanted, 0, track[:, _JAW])


def _pulled(track: Floats) -> Floats:
    pulled: Floats = 0.3 * track[:, _ROLL_LOWER] + 0.2 * track[:, _PRESS]
    return pulled


def _opening(track: Floats) -> Floats:
    """How far the lips were apart if they did nothing; see `coarticulation.lip_gap`."""
    opening: Floats = track[:, _JAW] + 0.25 * (track[:, _LOWER] + track[:, _UPPER])
    return opening


def hear(sound: Floats, frames: int, left: int, right: int) -> Floats:
    """Features of a clip with what is heard before and after it made up.

    Args:
        sound: float32 (640 T,) at 16 kHz.
        frames: T.
        left: Frames before, see `models.audio2mouth.network.Config`.
        right: Frames after.

    Returns:
        float32 (4 (left + T + right), 80).
    """
    rows = log_mel(np.concatenate([np.zeros(LEAD, np.float32), sound]))[: frames * ROWS_PER_FRAME]
    before = mirror_before(rows[:START_ROWS], left * ROWS_PER_FRAME)
    lacking = (frames + right) * ROWS_PER_FRAME - len(rows)
    return np.concatenate([before, rows, mirror_after(rows, lacking)])
