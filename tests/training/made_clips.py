"""Clips that need no camera: a dark mouth on a plain face opens as the sound swells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Picture
from visavis.models.common.mel import log_mel
from visavis.models.common.units import ARKIT_UNITS, UNIT_INDEX

RATE = 16_000
SAMPLES = 640


@dataclass(frozen=True)
class MadeClip:
    name: str
    person: str
    split: str
    frames: int
    offset: float
    number: int


class MadeClips:
    """As a clip store.

    Args:
        train: Clips to train on, of four people.
        val: Clips to judge on, of a fifth.
        size: Pixels.
        frames: Of each clip.
        late: Frames by which the sound of every clip is late, which ``offset`` says.
    """

    def __init__(
        self, train: int = 16, val: int = 6, size: int = 96, frames: int = 31, late: float = 0.0
    ) -> None:
        self.size, self.late = size, late
        self.clips = tuple(
            MadeClip(
                f"clip{i}",
                f"person{i % 4 if i < train else 4}",
                "train" if i < train else "val",
                frames,
                late,
                i,
            )
            for i in range(train + val)
        )

    @lru_cache(maxsize=64)  # noqa: B019  # as long as the test
    def opening(self, clip: MadeClip) -> Floats:
        """How far the mouth is open, at the rate of the sound, in [0, 1]."""
        rng = np.random.default_rng(clip.number)
        # Syllables of 80 to 240 ms.
        ends = np.cumsum(rng.uniform(0.08, 0.24, 60))
        heights = rng.uniform(0, 1, 60) * (np.arange(60) % 2)
        time = np.arange((clip.frames + 1) * SAMPLES) / RATE
        return np.interp(time, ends - ends[0], heights).astype(np.float32)

    def frames(self, clip: MadeClip, indices: Sequence[int] | None = None) -> Picture:
        wanted = range(clip.frames) if indices is None else indices
        opening = self.opening(clip)
        skin = np.array([200, 150, 130]) - 12 * (int(clip.person[6:]) % 3)
        row, column = np.mgrid[: self.size, : self.size] / self.size
        pictures = []
        for i in wanted:
            open_ = opening[i * SAMPLES : (i + 1) * SAMPLES].mean()
            inside = ((column - 0.5) / 0.2) ** 2 + ((row - 0.75) / (0.03 + 0.14 * open_)) ** 2 < 1
            picture = np.broadcast_to(skin, (self.size, self.size, 3)).copy()
            picture[inside] = (60, 20, 25)
            pictures.append(picture)
        return np.stack(pictures).astype(np.uint8)

    @lru_cache(maxsize=64)  # noqa: B019
    def audio(self, clip: MadeClip) -> Floats:
        rng = np.random.default_rng(1000 + clip.number)
        count = clip.frames * SAMPLES
        opening = self.opening(clip)[:count]
        moved = round(self.late * SAMPLES)
        opening = np.roll(opening, moved)
        noise = rng.standard_normal(count)
        bright = np.diff(noise, prepend=0)
        return (0.1 * opening * noise + 0.02 * (1 - opening) * bright).astype(np.float32)

    @lru_cache(maxsize=64)  # noqa: B019
    def mel(self, clip: MadeClip) -> Floats:
        return log_mel(self.audio(clip))

    def blendshapes(self, clip: MadeClip) -> Floats:
        units = np.zeros((clip.frames, len(ARKIT_UNITS)), np.float32)
        opening = self.opening(clip)[: clip.frames * SAMPLES].reshape(clip.frames, SAMPLES)
        units[:, UNIT_INDEX["jawOpen"]] = opening.mean(axis=1)
        return units

    def landmarks(self, clip: MadeClip) -> npt.NDArray[np.float32]:
        """Only the corners of the mouth and the middles of the lips."""
        points = np.zeros((clip.frames, 478, 2), np.float32)
        for vertex, place in (
            (61, (0.3, 0.75)),
            (291, (0.7, 0.75)),
            (0, (0.5, 0.6)),
            (17, (0.5, 0.9)),
        ):
            points[:, vertex] = np.array(place) * self.size
        return points


def write_store(store: MadeClips, folder: Path) -> Path:
    """Write made clips as prepared ones."""
    from visavis.training.data.clip_store import ClipInfo
    from visavis.training.data.clip_writer import ClipWriter, pack_clip

    with ClipWriter(folder) as writer:
        for clip in store.clips:
            info = ClipInfo(
                clip.name, clip.person, clip.split, clip.frames, store.size, clip.name + ".mp4"
            )
            zeros = [np.zeros((clip.frames, *shape), np.float32) for shape in ((3,), (4,), (2, 3))]
            writer.add(
                pack_clip(
                    info,
                    store.frames(clip),
                    store.audio(clip),
                    store.landmarks(clip),
                    store.blendshapes(clip),
                    *zeros,
                )
            )
    return folder
