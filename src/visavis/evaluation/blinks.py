"""How often, how long and how regularly the eyes blink.

People blink about 15 to 20 times a minute, for 0.1 to 0.4 s, at intervals that no clock keeps.
Generated faces do not blink, or blink like clockwork.

Source: eye aspect ratio of Soukupova and Cech, "Real-Time Eye Blink Detection using Facial Landmarks"
(CVWW 2016), eq. 1, mean of both eyes. Instead of their classifier, which was taught one threshold
for everybody, the ratio is told in proportion to that of the same eyes open, around the same time:
heads that nod and turn change it slowly, blinks quickly. A glance down lasts longer than a blink or
shuts the lids less far.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from visavis.core.types import FPS, Floats
from visavis.models.common import mesh

SHORTEST_S = 4.0
"""Seconds of face that a rate needs."""
FEWEST_INTERVALS = 3
"""That regularity needs."""
CLOSING = 0.75
"""Of the open eye: a blink begins and ends here."""
SHUT = 0.6
"""Of the open eye: how far down a blink must come at least. At 25 fps its deepest is often missed."""
LONGEST = 15
"""Frames, 0.6 s: lids that stay down longer rest or sleep."""
NOISE = 4.0
"""How many times deeper than its unrest the ratio must dip, for small and blurred faces."""

_OPEN_AROUND = 37
"""Frames before and after, 1.5 s, in which the open eye is looked for."""
_OPEN_PERCENTILE = 75
_BRIDGED = 2
"""Frames without a face that are filled from their neighbours."""
_LIDS = [3, 5]
"""p2 and p3, p6 and p5 of the paper in the lists of `mesh`."""


@dataclass(frozen=True, slots=True)
class BlinkFigures:
    """NaN where it cannot be told.

    Attributes:
        rate: Blinks per minute; NaN where less than `SHORTEST_S` of face is seen.
        interval_s: Mean seconds from one blink's deepest to the next one's.
        duration_s: Mean seconds for which the lids are more than half as far down as in the blink's
            deepest.
        regularity: Coefficient of variation of the intervals: 0 is a clock, people have 0.5 to 1.
        count: Blinks.
        seen_s: Seconds of face.
    """

    rate: float
    interval_s: float
    duration_s: float
    regularity: float
    count: int
    seen_s: float


def measure_blinks(landmarks: Floats) -> BlinkFigures:
    """Find the blinks of a clip.

    Args:
        landmarks: float32 (T, 478, 2 or 3) pixels at 25 fps; NaN rows do not count.
    """
    centres: list[int] = []
    intervals: list[float] = []
    durations: list[float] = []
    ratio = eye_aspect_ratio(landmarks)
    seen_s = float((~np.isnan(ratio)).sum()) / FPS
    for start, stretch in _stretches(ratio):
        found = find_blinks(stretch)
        own = [start + centre for centre, _ in found]
        # Between two stretches a blink may have been missed, so intervals do not span the gap.
        intervals += [(b - a) / FPS for a, b in pairwise(own)]
        durations += [duration / FPS for _, duration in found]
        centres += own
    nan = float("nan")
    return BlinkFigures(
        rate=60 * len(centres) / seen_s if seen_s >= SHORTEST_S else nan,
        interval_s=float(np.mean(intervals)) if intervals else nan,
        duration_s=float(np.mean(durations)) if durations else nan,
        regularity=float(np.std(intervals) / np.mean(intervals))
        if len(intervals) >= FEWEST_INTERVALS
        else nan,
        count=len(centres),
        seen_s=seen_s,
    )


def eye_aspect_ratio(landmarks: Floats) -> Floats:
    """Height of the eyes' openings over their width, float32 (T,); about 0.3 open, 0.05 shut.

    Args:
        landmarks: float32 (T, 478, 2 or 3) pixels.
    """
    points = landmarks[..., :2]
    ratios = []
    for upper, lower in (
        (mesh.EYE_RIGHT_UPPER, mesh.EYE_RIGHT_LOWER),
        (mesh.EYE_LEFT_UPPER, mesh.EYE_LEFT_LOWER),
    ):
        height = np.linalg.norm(points[:, upper[_LIDS]] - points[:, lower[_LIDS]], axis=2)
        width = np.linalg.norm(points[:, upper[0]] - points[:, upper[-1]], axis=1)
        ratios.append(height.mean(axis=1) / np.maximum(width, 1e-6))
    mean: Floats = np.mean(ratios, axis=0).astype(np.float32)
    return mean


def find_blinks(ratio: Floats) -> list[tuple[int, float]]:
    """Find the blinks in a series of eye aspect ratios (T,) without NaN.

    Returns:
        Of each blink the frame of its deepest, and its duration in frames at half depth. Dips that
        the series begins or ends in are left out, for their length is not known.
    """
    if len(ratio) < 3:
        return []
    openness = ratio / np.maximum(_open_ratio(ratio), 1e-6)
    # Median of the steps: what blinks do to it is rare enough not to count.
    unrest = 1.48 * float(np.median(np.abs(np.diff(openness)))) / np.sqrt(2)
    closing, shut = min(CLOSING, 1 - NOISE / 2 * unrest), min(SHUT, 1 - NOISE * unrest)
    blinks = []
    for start, end in _runs(openness < closing):
        deepest = start + int(np.argmin(openness[start:end]))
        cut_off = start == 0 or end == len(ratio)
        if openness[deepest] < shut and end - start <= LONGEST and not cut_off:
            blinks.append((deepest, _half_width(openness, deepest)))
    return blinks


def _open_ratio(ratio: Floats) -> npt.NDArray[np.float64]:
    """The ratio of the open eye around each frame, (T,)."""
    padded = np.pad(
        ratio.astype(np.float64),
        _OPEN_AROUND,
        mode="reflect" if len(ratio) > _OPEN_AROUND else "symmetric",
    )
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _OPEN_AROUND + 1)
    level: npt.NDArray[np.float64] = np.percentile(windows, _OPEN_PERCENTILE, axis=1)
    return level


def _half_width(openness: npt.NDArray[np.floating], deepest: int) -> float:
    """Frames between the two crossings of half the depth, by straight lines between frames."""
    level = (1 + float(openness[deepest])) / 2
    sides = []
    for step in (-1, 1):
        frame = deepest
        while 0 <= frame + step < len(openness) and openness[frame + step] < level:
            frame += step
        reach = float(abs(frame - deepest))
        if 0 <= frame + step < len(openness):
            below, above = float(openness[frame]), float(openness[frame + step])
            reach += (level - below) / max(above - below, 1e-6)
        sides.append(reach)
    return sum(sides)


def _stretches(ratio: Floats) -> list[tuple[int, Floats]]:
    """Starts and values of the stretches with a face; gaps of up to `_BRIDGED` frames are filled."""
    lost = np.isnan(ratio)
    filled = ratio.copy()
    for start, end in _runs(lost):
        if end - start <= _BRIDGED and start > 0 and end < len(ratio):
            steps = np.arange(1, end - start + 1) / (end - start + 1)
            filled[start:end] = ratio[start - 1] + steps * (ratio[end] - ratio[start - 1])
    return [(start, filled[start:end]) for start, end in _runs(~np.isnan(filled))]


def _runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First frames, and frames after the last, of all runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
