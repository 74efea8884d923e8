"""Whether the lips that are seen belong to the voice that is heard."""

from __future__ import annotations

import numpy as np

from visavis.core.types import Floats
from visavis.training.data.clip_store import SAMPLES_PER_FRAME

_REACH = 5
"""Frames by which lips and loudness may be apart."""
_UPPER, _LOWER, _TOP, _CHIN = 13, 14, 10, 152
_FLOOR_DB = 40.0
"""Below the loudest frame: what is quieter counts as silence."""
CLEAR = 2.0
"""How many times as much the lips of one must speak as those of anybody else."""
LEAST = 0.25
"""Correlation of lips with loudness from which one of several people is believed to speak."""


def lip_opening(landmarks: Floats) -> Floats:
    """Opening between the lips (T,) over the height of the face, of landmarks (T, 478, 2)."""
    gap = np.linalg.norm(landmarks[:, _UPPER] - landmarks[:, _LOWER], axis=1)
    height = np.linalg.norm(landmarks[:, _TOP] - landmarks[:, _CHIN], axis=1)
    opening: Floats = (gap / np.maximum(height - gap, 1)).astype(np.float32)
    return opening


def loudness(sound: Floats, frames: int) -> Floats:
    """Level of the sound of each frame (T,), 0 (silence) to 1 (loudest), of samples at 16 kHz."""
    padded = np.zeros(frames * SAMPLES_PER_FRAME, np.float32)
    padded[: len(sound)] = sound[: len(padded)]
    power = np.square(padded.reshape(frames, -1)).mean(1)
    level = 10 * np.log10(power + 1e-10)
    scaled: Floats = np.clip(1 + (level - level.max()) / _FLOOR_DB, 0, 1).astype(np.float32)
    return scaled


def lip_correlation(landmarks: Floats, sound: Floats) -> float:
    """Highest correlation, -1 to 1, of lip opening with loudness over small shifts of time."""
    opening, level = lip_opening(landmarks), loudness(sound, len(landmarks))
    count = len(opening)
    best = -1.0
    for shift in range(-_REACH, _REACH + 1):
        one = opening[max(0, shift) : count + min(0, shift)]
        other = level[max(0, -shift) : count + min(0, -shift)]
        if len(one) < 10 or one.std() < 1e-5 or other.std() < 1e-5:
            continue
        best = max(best, float(np.corrcoef(one, other)[0, 1]))
    return best


def speaking(landmarks: Floats, sound: Floats) -> float:
    """How much lips speak: how far they move, as far as they move with the sound."""
    return max(lip_correlation(landmarks, sound), 0.0) * float(lip_opening(landmarks).std())


def speaks_alone(own: Floats, others: list[Floats], sound: Floats) -> bool:
    """Whether it is clear that the voice is that of one face and of none of the others in view.

    Args:
        own: Landmarks (T, 478, 2) of the face.
        others: Landmarks (T, 478, 2) of the others in the same frames.
        sound: Samples at 16 kHz of these frames.
    """
    if not others:
        return True
    mine = speaking(own, sound)
    most = max(speaking(other, sound) for other in others)
    return lip_correlation(own, sound) >= LEAST and mine >= CLEAR * most
