"""Batches for the lip generator: batch n of a seed is always the same.

Shapes: B samples of five frames that follow each other, S the width of the square crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from visavis.core.errors import InputError
from visavis.core.types import Floats, Picture
from visavis.evaluation.lip_shape import lip_opening
from visavis.models.common.mel import mel_windows
from visavis.training.data.sync_clips import (
    WINDOW_FRAMES,
    Clips,
    StoredClip,
    resize_crop,
    window_starts,
)

_NEAREST_REFERENCE = 5
"""Frames between what is drawn and its reference, where a clip is long enough."""


@dataclass(frozen=True, slots=True, eq=False)
class LipBatch:
    """Frames to draw, references of them, and sound.

    Attributes:
        frames: uint8 (B, 5, S, S, 3), what shall come out.
        references: uint8 (B, 5, S, S, 3), five frames from elsewhere in the clip.
        mel: float32 (B, 5, 80, 16), of each frame, as the generator hears it.
        sync_mel: float32 (B, 80, 16), of all five, as the expert hears them.
        seed: Of what augmentation does.
    """

    frames: Picture
    references: Picture
    mel: Floats
    sync_mel: Floats
    seed: int


class LipBatches:
    """Draws clips without replacement, and five frames of each at random.

    Args:
        store: Prepared clips.
        clips: Those to train on.
        size: Pixels.
        lead: Frames by which the sound of a frame begins before it; see `Wav2LipConfig`.
        count: Samples in a batch.
        seed: Of everything.
        shut_references: Share of the samples whose reference is one frame, five times: that in which
            the lips are least apart, as a speaking avatar's reference is.

    Raises:
        InputError: No clip has six frames with their sound.
    """

    def __init__(
        self,
        store: Clips,
        clips: Sequence[StoredClip],
        size: int,
        lead: int,
        count: int,
        seed: int,
        shut_references: float = 0.0,
    ) -> None:
        self._store, self._size, self._lead = store, size, lead
        self._shut = shut_references
        self._openings: dict[str, Floats] = {}
        self._count, self._seed = count, seed
        self._clips = [
            (clip, starts)
            for clip in clips
            if len(starts := sound_starts(store, clip)) and clip.frames > WINDOW_FRAMES
        ]
        if not self._clips:
            raise InputError("no clip has six frames with their sound; prepare more videos")
        self._order = lru_cache(maxsize=2)(self._shuffle)

    def __len__(self) -> int:
        return len(self._clips)

    def make(self, number: int) -> LipBatch:
        """Batch ``number``."""
        rng = np.random.default_rng([self._seed, 3, number])
        frames, references, mels, sync_mels = [], [], [], []
        for i in range(number * self._count, (number + 1) * self._count):
            epoch, place = divmod(i, len(self._clips))
            clip, starts = self._clips[int(self._order(epoch)[place])]
            start = int(rng.choice(starts))
            drawn = range(start, start + WINDOW_FRAMES)
            pictures = read_crops(
                self._store, clip, [*drawn, *self._refer(clip, start, rng)], self._size
            )
            frames.append(pictures[:WINDOW_FRAMES])
            references.append(pictures[WINDOW_FRAMES:])
            mel = self._store.mel(clip)
            at = np.arange(start, start + WINDOW_FRAMES) + clip.offset
            mels.append(mel_windows(mel, at - self._lead))
            sync_mels.append(mel_windows(mel, at[:1])[0])
        return LipBatch(
            np.stack(frames),
            np.stack(references),
            np.stack(mels),
            np.stack(sync_mels),
            int(rng.integers(2**31)),
        )

    def _refer(self, clip: StoredClip, start: int, rng: np.random.Generator) -> list[int]:
        """Five frames for the reference."""
        if self._shut and rng.random() < self._shut:
            if clip.name not in self._openings:
                self._openings[clip.name] = lip_opening(self._store.landmarks(clip))
            opening = self._openings[clip.name].copy()
            near = slice(
                max(0, start - _NEAREST_REFERENCE + 1),
                start + WINDOW_FRAMES + _NEAREST_REFERENCE - 1,
            )
            if clip.frames > len(opening[near]):
                opening[near] = np.inf
            return [int(opening.argmin())] * WINDOW_FRAMES
        other = choose_reference(start, clip.frames, rng)
        return list(range(other, other + WINDOW_FRAMES))

    def _shuffle(self, epoch: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng([self._seed, 4, epoch]).permutation(len(self._clips))


def sound_starts(store: Clips, clip: StoredClip) -> npt.NDArray[np.int64]:
    """Frames with which a window of a clip begins whose sound is there as a whole."""
    return window_starts(clip.frames, len(store.mel(clip)), float(clip.offset))


def choose_reference(start: int, frames: int, rng: np.random.Generator) -> int:
    """First frame of five for the reference: elsewhere, as far as the clip allows."""
    others = np.arange(frames - WINDOW_FRAMES + 1)
    apart = np.abs(others - start)
    far = others[apart >= _NEAREST_REFERENCE + WINDOW_FRAMES - 1]
    if not len(far):
        far = others[apart == apart.max()]
    return int(rng.choice(far))


def read_crops(store: Clips, clip: StoredClip, indices: Sequence[int], size: int) -> Picture:
    """Square crops (n, size, size, 3) of a clip."""
    return np.stack([resize_crop(crop, size) for crop in store.frames(clip, indices)])
