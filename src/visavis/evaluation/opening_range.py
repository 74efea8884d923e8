"""How far a mouth opens in speech, and whether it does at all.

Beside sync confidence this keeps two cheats out: mouths that open too far, which experts of sync
like (see the project's specification of evaluation), and mouths that stay shut while somebody is
heard. Openings are those of `lip_shape.lip_opening`, here in percent of the eyes' span.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats
from visavis.evaluation.lip_shape import lip_opening

FEWEST_FRAMES = 10
"""In which somebody is heard and a face is seen; 0.4 s."""
AROUND = 5
"""Frames before and after (0.2 s) in which the mouth has a chance to open: consonants shut it."""
OPENED = 1.5
"""Percent of the eyes' span above the clip's most shut: what counts as an opening. Landmarks of lips
at rest stray by 0.2."""
_SHUT_PERCENTILE = 5


@dataclass(frozen=True, slots=True)
class OpeningFigures:
    """All in percent of the eyes' span; NaN where there is too little speech.

    Attributes:
        low: 5th percentile.
        high: 95th percentile.
        range: ``high`` less ``low``.
        deviation: Standard deviation.
        frames: That were measured.
    """

    low: float
    high: float
    range: float
    deviation: float
    frames: int


def opening_range(landmarks: Floats, speaking: npt.NDArray[np.bool_]) -> OpeningFigures:
    """How far the mouth opens in frames in which somebody is heard.

    Args:
        landmarks: float32 (T, 478, 2 or 3) pixels; NaN rows do not count.
        speaking: bool (T,).
    """
    opening = 100 * lip_opening(landmarks[..., :2])
    opening = opening[speaking & ~np.isnan(opening)]
    nan = float("nan")
    if len(opening) < FEWEST_FRAMES:
        return OpeningFigures(nan, nan, nan, nan, len(opening))
    low, high = (float(p) for p in np.percentile(opening, [5, 95]))
    return OpeningFigures(low, high, high - low, float(opening.std()), len(opening))


def opening_against(made: OpeningFigures, real: OpeningFigures) -> float:
    """Range of the made mouth as a share of the real one's: 1 is the same, above 1 exaggerates."""
    return made.range / real.range if real.range > 0 else float("nan")


def mouth_shut_in_speech(
    landmarks: Floats, speaking: npt.NDArray[np.bool_], loudness: Floats | None = None
) -> float:
    """Share of loud speaking frames around which the mouth does not open.

    A frame is loud when it is at least as loud as the median of those in which somebody is heard.
    The mouth opens where, within 0.2 s either way, it is wider than the clip's 5th percentile by
    `OPENED`. A mouth that hangs open and does not move counts as one that does not open.

    Args:
        landmarks: float32 (T, 478, 2 or 3) pixels; NaN rows do not count.
        speaking: bool (T,).
        loudness: (T,) root mean square of the sound of each frame, or anything that grows with it;
            None takes every speaking frame for loud.

    Returns:
        In [0, 1]; NaN where fewer than `FEWEST_FRAMES` frames have speech and a face.
    """
    opening = 100 * lip_opening(landmarks[..., :2])
    seen = ~np.isnan(opening)
    heard = speaking & seen
    if heard.sum() < FEWEST_FRAMES:
        return float("nan")
    if loudness is not None:
        heard = heard & (loudness >= np.median(loudness[heard]))
    shut = float(np.percentile(opening[seen], _SHUT_PERCENTILE))
    wide = np.pad(np.where(seen, opening, -np.inf), AROUND, constant_values=-np.inf)
    widest = np.lib.stride_tricks.sliding_window_view(wide, 2 * AROUND + 1).max(axis=1)
    return float(np.mean(widest[heard] < shut + OPENED))
