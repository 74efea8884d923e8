"""Batches for the sync expert: batch n of a seed is always the same.

Shapes: K clips, W windows of picture and A of sound of each, R rows of S pixels of a mouth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Picture
from visavis.training.data.sync_clips import SyncClip, window_frames


@dataclass(frozen=True, slots=True, eq=False)
class SyncBatch:
    """Windows of picture and of sound of a few clips.

    Attributes:
        mouths: uint8 (K, W, 5, R, S, 3).
        mel: float32 (K, A, 80, 16). The first W windows belong to those of the picture.
        seen: (K, W) frame with which each window of picture begins.
        heard: (K, A) frame with which each window of sound begins.
        clips: (K,) number of each clip.
        people: (K,) number of each person.
        lips: float32 (K, A, L), what the lips do in the windows of sound.
        seed: Of what augmentation does to it.
    """

    mouths: Picture
    mel: Floats
    seen: npt.NDArray[np.int64]
    heard: npt.NDArray[np.int64]
    clips: npt.NDArray[np.int64]
    people: npt.NDArray[np.int64]
    lips: Floats
    seed: int


class SyncBatches:
    """Draws clips without replacement, and windows of each at random.

    Args:
        clips: All that are trained on.
        count: Clips in a batch.
        windows: Windows of picture of each.
        heard: Windows of sound of each, the picture's own included; a shorter clip repeats some.
        seed: Of everything.
    """

    def __init__(
        self, clips: Sequence[SyncClip], count: int, windows: int, heard: int, seed: int
    ) -> None:
        self._clips, self._count, self._seed = clips, count, seed
        self._windows, self._heard = windows, max(heard, windows)
        self._order = lru_cache(maxsize=2)(self._shuffle)

    def make(self, number: int) -> SyncBatch:
        """Batch ``number``."""
        rng = np.random.default_rng([self._seed, 1, number])
        first = number * self._count
        chosen = [self._pick(first + i) for i in range(self._count)]
        mouths, mel, seen, heard, lips = [], [], [], [], []
        for index in chosen:
            clip = self._clips[index]
            order = rng.permutation(clip.starts)
            # Repeats only where a clip has fewer windows than are wanted.
            order = np.resize(order, max(len(order), self._heard))
            pictures, sounds = order[: self._windows], order[: self._heard]
            mouths.append(clip.mouths[window_frames(pictures)])
            mel.append(clip.mel_windows(sounds))
            seen.append(pictures)
            heard.append(sounds)
            lips.append(clip.lip_windows(sounds))
        return SyncBatch(
            np.stack(mouths),
            np.stack(mel),
            np.stack(seen),
            np.stack(heard),
            np.array(chosen),
            np.array([self._clips[i].person for i in chosen]),
            np.stack(lips),
            int(rng.integers(2**31)),
        )

    def _pick(self, number: int) -> int:
        epoch, place = divmod(number, len(self._clips))
        return int(self._order(epoch)[place])

    def _shuffle(self, epoch: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng([self._seed, 2, epoch]).permutation(len(self._clips))
