"""A stretch of video that goes round without a visible seam.

Two ways. *Forward*: find two moments at which the person looks the same, and let the last frames
before the second dissolve into those before the first. *Back and forth*: where no two such moments
are, play the stretch to a moment of rest and back; every step is then one that was filmed.
(Schödl et al. 2000, "Video Textures", compare moments in the same way.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from visavis.core.types import FPS, Floats

DISSOLVE = 8
"""Frames over which the end of a forward loop becomes its beginning."""
SHORTEST = 2 * FPS
"""Frames of a forward loop; what comes round sooner looks mechanical."""
LARGEST_SHIFT = 0.03
"""Of the face's width: landmarks further apart than this would show as two faces in a dissolve."""
LARGEST_CHANGE = 3.0
"""Of the usual change between frames: the same for everything else in the picture."""

_OUTLINE = (10, 152, 234, 454, 33, 133, 263, 362, 1, 4, 61, 291, 0, 17, 105, 334, 168, 58, 288)


@dataclass(frozen=True, slots=True)
class Loop:
    """Which frames make a loop.

    Attributes:
        kind: ``still`` is a single frame.
        start: First frame.
        end: One past the last frame.
        dissolve: Frames at the end that dissolve into those before ``start``.
        shift: How far apart the two moments are, in face widths.
    """

    kind: Literal["forward", "back and forth", "still"]
    start: int
    end: int
    dissolve: int = 0
    shift: float = 0.0

    def __len__(self) -> int:
        """Frames until it comes round."""
        count = self.end - self.start
        return max(1, 2 * count - 2) if self.kind == "back and forth" else count

    @property
    def sources(self) -> tuple[int, int]:
        """First and one past the last frame that it is made of."""
        return self.start - self.dissolve, self.end

    def steps(self) -> Iterator[tuple[int, int, float]]:
        """For each frame of the loop: two source frames, and the share of the second."""
        count = self.end - self.start
        for k in range(count):
            into = k - (count - self.dissolve)
            if into >= 0:
                share = (into + 1) / (self.dissolve + 1)
                yield self.start + k, self.start - self.dissolve + into, share
            else:
                yield self.start + k, self.start + k, 0.0
        if self.kind == "back and forth":
            for k in range(count - 2, 0, -1):
                yield self.start + k, self.start + k, 0.0


def find_loop(
    landmarks: Floats,
    thumbnails: npt.NDArray[np.uint8],
    quiet: Floats,
    longest: int,
) -> Loop:
    """Choose the loop of a stretch of T frames with a face in each.

    Args:
        landmarks: float32 (T, 478, 3) pixels.
        thumbnails: uint8 (T, h, w) grey.
        quiet: float32 (T,) cost of showing each frame, 0 for mouth shut and head frontal.
        longest: Frames that the loop may have.

    Returns:
        Frame numbers counted from the beginning of the stretch.
    """
    count = len(landmarks)
    if count < 3 or longest < 3:
        best = int(np.argmin(quiet)) if count else 0
        return Loop("still", best, best + 1)
    shape = _shapes(landmarks)
    grey = thumbnails.reshape(count, -1).astype(np.float32)
    usual = float(np.median(np.abs(np.diff(grey, axis=0)).mean(1)))
    forward = _find_forward(shape, grey, quiet, longest, usual)
    return forward or _find_back_and_forth(shape, quiet, longest)


def _shapes(landmarks: Floats) -> Floats:
    """Outline points (T, K, 2) in face widths."""
    width = float(np.median(np.ptp(landmarks[:, :468, 0], axis=1)))
    shapes: Floats = landmarks[:, list(_OUTLINE), :2] / max(width, 1.0)
    return shapes


def _find_forward(
    shape: Floats, grey: Floats, quiet: Floats, longest: int, usual: float
) -> Loop | None:
    """The pair of moments that are most alike over a whole dissolve."""
    count = len(shape)
    best: tuple[float, Loop] | None = None
    total = np.concatenate([[0], np.cumsum(quiet)])
    for length in range(min(SHORTEST, longest), min(longest, count - DISSOLVE - 1) + 1):
        # Frame k dissolves with frame k + length: compare all of them, then whole dissolves.
        apart = np.sqrt(np.square(shape[length:] - shape[:-length]).sum(-1)).max(1)
        shifts = _windows(apart, DISSOLVE + 1).max(1)
        if shifts.min() > LARGEST_SHIFT:
            continue
        steps = np.abs(grey[length:] - grey[:-length]).mean(1) / max(usual, 0.05)
        changes = _windows(steps, DISSOLVE + 1).mean(1)
        quiets = (total[length:] - total[:-length]) / length
        cost = shifts / LARGEST_SHIFT + changes / LARGEST_CHANGE
        cost = cost + 2 * quiets[DISSOLVE : DISSOLVE + len(cost)]
        # A loop twice as long may match somewhat worse.
        cost = cost - 0.5 * np.log2(length / SHORTEST)
        cost[(shifts > LARGEST_SHIFT) | (changes > LARGEST_CHANGE)] = np.inf
        first = int(np.argmin(cost))
        if best is None or cost[first] < best[0]:
            start = first + DISSOLVE
            loop = Loop("forward", start, start + length, DISSOLVE, float(shifts[first]))
            best = (float(cost[first]), loop)
    return best[1] if best is not None and np.isfinite(best[0]) else None


def _windows(values: Floats, length: int) -> Floats:
    """All runs (n - length + 1, length) of a row."""
    views: Floats = np.lib.stride_tricks.sliding_window_view(values, length)
    return views


def _find_back_and_forth(shape: Floats, quiet: Floats, longest: int) -> Loop:
    """The quietest stretch between two moments of rest."""
    count = len(shape)
    speed = np.zeros(count, np.float32)
    speed[1:] = np.sqrt(np.square(np.diff(shape, axis=0)).sum(-1)).mean(1)
    speed[:-1] = np.maximum(speed[:-1], speed[1:])
    most = min(count, longest // 2 + 1)
    least = max(2, min(most, SHORTEST, count // 2))
    total = np.concatenate([[0], np.cumsum(quiet)])
    scale = max(float(np.median(speed)), 1e-6)
    best, lowest = (0, most), np.inf
    for start in range(count - least + 1):
        ends = np.arange(start + least, min(count, start + most) + 1)
        lengths = ends - start
        cost = (speed[start] + speed[ends - 1]) / scale
        cost = cost + 2 * (total[ends] - total[start]) / lengths - np.log2(lengths / least)
        i = int(np.argmin(cost))
        if cost[i] < lowest:
            best, lowest = (start, int(ends[i])), float(cost[i])
    return Loop("back and forth", *best)


def smooth_round(values: Floats, sigma: float) -> Floats:
    """Gaussian along the first axis, which goes round."""
    if len(values) < 3 or sigma <= 0:
        return values
    reach = min(int(np.ceil(3 * sigma)), (len(values) - 1) // 2)
    steps = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * np.square(steps / sigma))
    weights /= weights.sum()
    padded = np.concatenate([values[len(values) - reach :], values, values[:reach]])
    out = np.zeros(values.shape, np.float64)
    for step, weight in zip(steps, weights, strict=True):
        out += weight * padded[reach + step : reach + step + len(values)]
    return out.astype(np.float32)
