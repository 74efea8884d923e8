"""Whether a picture stands still for some frames, or shows a stretch again that it has shown before.

Pictures are compared as small grey ones: the greatest mean difference of any of their blocks says
whether anything moved anywhere. Coding alone changes the blocks of a frozen picture by up to 0.6 grey
levels (x264, crf 18 to 28, measured), and by 2 in the one frame where a new group of pictures begins;
of people who talk, the most changed block changes by at least 1.3 between any two frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visavis.core.types import FPS, Floats, Picture

FROZEN = 0.75
"""Grey levels of the most changed block, below which a frame is the one before."""
REFRESHED = 2.5
"""Grey levels that a single frame amid frozen ones may change, where a group of pictures begins."""
SAME = 1.25
"""Grey levels of the most different block, below which two frames far apart are the same picture.
Coded at crf 18 to 28 a loop stays below 1.1; unlike moments of people who sit and talk are 9 apart."""
MOVES = 3 * SAME
"""Grey levels within its last second that a stretch must move for its repetition to mean something."""
STRETCH = FPS
"""Frames, 1 s: shortest stretch that counts as shown again."""
REMEMBERED = 60 * FPS
"""Frames in which an earlier showing is looked for, 60 s; what bounds the memory."""

_SIDE = 64
_BLOCK = 4
_SMALL = 32


@dataclass(frozen=True, slots=True)
class FreezingFigures:
    """Shares are NaN where there are no frames to compare.

    Attributes:
        frozen_share: Of frames that are the same as the one before, in [0, 1].
        longest_freeze_s: Seconds for which the picture stood still at most, beyond the frame it
            stood still on.
        repeated_share: Of frames in stretches of a second or more that were shown before, in [0, 1]:
            forwards, as in a loop, or backwards, as in a clip that swings to and fro.
        repeats: How many such stretches there are; a loop that goes on and on is one.
        frames: How many were looked at.
    """

    frozen_share: float
    longest_freeze_s: float
    repeated_share: float
    repeats: int
    frames: int


class Freezing:
    """Takes whole pictures, or aligned faces, one by one; all of one size."""

    def __init__(self) -> None:
        self._before: Floats | None = None
        self._changes: list[float] = []
        self._past = np.empty((0, _SMALL, _SMALL), np.float32)
        self._forward = np.zeros(0, np.int64)
        self._backward = np.zeros(0, np.int64)
        self._again: list[bool] = []

    def add(self, picture: Picture) -> None:
        """Take the next frame, uint8 (H, W, 3) RGB."""
        import cv2

        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        small = np.asarray(
            cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.float32
        )
        if self._before is not None:
            self._changes.append(float(_difference(small, self._before)))
        self._before = small
        half = _SIDE // _SMALL
        self._look_back(small.reshape(_SMALL, half, _SMALL, half).mean(axis=(1, 3)))

    def value(self) -> FreezingFigures:
        """Tell the figures of all frames so far."""
        frozen = self._frozen()
        longest = run = 0
        for still in frozen:
            run = run + 1 if still else 0
            longest = max(longest, run)
        begins = np.diff(np.concatenate([[False], self._again]).astype(np.int8)) == 1
        return FreezingFigures(
            frozen_share=float(frozen.mean()) if len(frozen) else float("nan"),
            longest_freeze_s=longest / FPS,
            repeated_share=float(np.mean(self._again)) if self._again else float("nan"),
            repeats=int(begins.sum()),
            frames=len(self._again),
        )

    def _frozen(self) -> npt.NDArray[np.bool_]:
        changes = np.array(self._changes)
        frozen: npt.NDArray[np.bool_] = changes < FROZEN
        amid = frozen.copy()
        amid[1:-1] |= frozen[:-2] & frozen[2:] & (changes[1:-1] < REFRESHED)
        return amid

    def _look_back(self, small: Floats) -> None:
        """Find how long the stretches are that end here and were shown before."""
        away = _difference(self._past, small[None])
        same = away < SAME
        count = len(same)
        # Forwards, the frame before this was like the one before that; backwards, the one after.
        forward, backward = np.zeros(count, np.int64), np.zeros(count, np.int64)
        forward[count - len(self._forward) :] = self._forward
        # When the oldest picture was forgotten since, all places are one less.
        forgotten = len(self._backward) == count
        later = self._backward[2 if forgotten else 1 :]
        backward[: len(later)] = later
        # What is less than a stretch away is no showing again but the stretch itself. Backwards the
        # distance grows by two with every frame, so that there the turning point may count.
        forward[max(0, count - STRETCH + 1) :] = -1
        self._forward = np.where(same & (forward >= 0), forward + 1, 0)
        self._backward = np.where(same, backward + 1, 0)
        self._again.append(False)
        shown = max(self._forward.max(initial=0), self._backward.max(initial=0))
        if shown >= STRETCH and away[-STRETCH:].max(initial=0) >= MOVES:
            self._again[-STRETCH:] = [True] * STRETCH
        self._past = np.concatenate([self._past, small[None]])
        if len(self._past) > REMEMBERED:
            self._past = self._past[1:]


def _difference(one: Floats, other: Floats) -> npt.NDArray[np.float32]:
    """Mean difference of the most different block, over the last two axes."""
    apart = np.abs(one - other)
    *leading, height, width = apart.shape
    blocks = apart.reshape(*leading, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    return np.asarray(blocks.mean(axis=(-3, -1)).max(axis=(-2, -1)), np.float32)
