"""Clips for the sync expert, held in memory: the mouths of all frames, and the sound's mel rows.

Shapes: N frames of all clips, S the width of the square crop, R = S/2 + MARGIN rows of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from visavis.core.errors import InputError
from visavis.core.types import Floats, Picture
from visavis.models.common import mesh
from visavis.models.common.mel import ROWS_PER_SECOND, WINDOW_ROWS
from visavis.models.common.units import ARKIT_UNITS

_log = logging.getLogger(__name__)

MARGIN = 4
"""Rows kept above the lower half, so that a crop shifted by augmentation finds real pixels there."""
WINDOW_FRAMES = 5
_FPS = 25
_POINTS = np.array([*mesh.LIPS_OUTER, *mesh.LIPS_INNER, mesh.CHIN, mesh.NOSE_BASE[2]])
_UNITS = [i for i, name in enumerate(ARKIT_UNITS) if name.startswith(("jaw", "mouth"))]
LIPS = WINDOW_FRAMES * (2 * len(_POINTS) + len(_UNITS))
"""Numbers that say where the lips of a window are and what they do."""
_STILL = 0.003
"""Spread, of a crop's width or of a unit's range, below which a number is noise."""


class StoredClip(Protocol):
    """What is read of a `visavis.training.data.clip_store.ClipInfo`."""

    @property
    def name(self) -> str:
        """Of the clip."""

    @property
    def person(self) -> str:
        """Who speaks."""

    @property
    def split(self) -> str:
        """``train`` or ``val``."""

    @property
    def frames(self) -> int:
        """How many there are."""

    @property
    def offset(self) -> float:
        """Frames by which the sound is late."""


class Clips(Protocol):
    """What is read of a `visavis.training.data.clip_store.ClipStore`."""

    @property
    def clips(self) -> Sequence[StoredClip]:
        """All of them."""

    def frames(self, clip: StoredClip, indices: npt.ArrayLike) -> Picture:
        """Crops (n, S', S', 3)."""

    def mel(self, clip: StoredClip) -> Floats:
        """Rows (T, 80)."""

    def audio(self, clip: StoredClip) -> Floats:
        """Samples at 16 kHz."""

    def landmarks(self, clip: StoredClip) -> Floats:
        """Vertices (T, 478, 2) in pixels of the crop."""


@dataclass(frozen=True, slots=True, eq=False)
class SyncClip:
    """One clip in memory.

    Attributes:
        name: Of the clip.
        person: Number of who speaks.
        mouths: uint8 (n, R, S, 3), a view into all clips' frames.
        mel: float32 (T, 80).
        offset: Frames by which the sound is late; what is heard for a frame is taken so much later.
        starts: Frames with which a window begins that lies within picture and sound.
        lips: float32 (n, LIPS / 5), landmarks of lips, chin and nose and the units of jaw and mouth,
            about their mean in all clips, in standard deviations; zeros for what the store has not.
    """

    name: str
    person: int
    mouths: Picture
    mel: Floats
    offset: float
    starts: npt.NDArray[np.int64]
    lips: Floats

    def lip_windows(self, starts: npt.NDArray[np.int64]) -> Floats:
        """What the lips do in the windows that begin with these frames, float32 (n, LIPS)."""
        windows: Floats = self.lips[window_frames(starts)].reshape(len(starts), LIPS)
        return windows

    def mel_windows(self, starts: npt.NDArray[np.int64], offset: float | None = None) -> Floats:
        """Sound of the windows that begin with these frames, float32 (n, 80, 16)."""
        rows = mel_rows(starts, self.offset if offset is None else offset)
        windows = np.lib.stride_tricks.sliding_window_view(self.mel, WINDOW_ROWS, axis=0)
        return windows[rows].astype(np.float32, copy=False)


def mel_rows(starts: npt.ArrayLike, offset: float) -> npt.NDArray[np.int64]:
    """First mel row of the windows that begin with these frames; see `mel_window`."""
    at = ROWS_PER_SECOND * (np.asarray(starts, np.float64) + offset) / _FPS
    return np.floor(at + 1e-6).astype(np.int64)


def window_starts(frames: int, rows: int, offset: float) -> npt.NDArray[np.int64]:
    """Frames with which a window of picture and sound begins that needs no padding."""
    starts = np.arange(max(0, frames - WINDOW_FRAMES + 1))
    first = mel_rows(starts, offset)
    inside: npt.NDArray[np.int64] = starts[(first >= 0) & (first + WINDOW_ROWS <= rows)]
    return inside


def load_sync_clips(
    store: Clips,
    split: str,
    size: int,
    *,
    fewest: int = 10,
    use_offsets: bool = True,
    workers: int = 2,
    limit: int = 0,
) -> list[SyncClip]:
    """Read the mouths of a split into memory: 14 KB a frame at a size of 96.

    Args:
        store: Prepared clips.
        split: ``train`` or ``val``.
        size: Pixels; the stored square crops are scaled to it.
        fewest: Windows below which a clip is left out.
        use_offsets: Whether the clips' stored offsets are corrected.
        workers: Threads that decode.
        limit: Clips at most, taken evenly; 0 for all.

    Raises:
        InputError: There is no such clip.
    """
    chosen = [clip for clip in store.clips if clip.split == split]
    if limit and len(chosen) > limit:
        chosen = [chosen[i * len(chosen) // limit] for i in range(limit)]
    people = {name: i for i, name in enumerate(sorted({clip.person for clip in store.clips}))}
    usable, rest = [], 0
    for clip in chosen:
        mel = np.asarray(store.mel(clip), np.float32)
        offset = float(clip.offset) if use_offsets else 0.0
        starts = window_starts(clip.frames, len(mel), offset)
        if len(starts) >= fewest:
            usable.append((clip, mel, offset, starts))
        else:
            rest += 1
    if rest:
        _log.warning("%d of %d clips are too short and left out", rest, len(chosen))
    if not usable:
        splits = ", ".join(sorted({clip.split for clip in store.clips})) or "none"
        raise InputError(
            f"there is no clip of the split {split!r} with {fewest} windows or more (splits: {splits});"
            " prepare more videos"
        )
    firsts = np.cumsum([0, *(clip.frames for clip, *_ in usable)])
    pixels = np.empty((firsts[-1], size // 2 + MARGIN, size, 3), np.uint8)
    widths = [size] * len(usable)

    def read(index: int) -> None:
        clip = usable[index][0]
        crops = store.frames(clip, np.arange(clip.frames))
        widths[index] = crops.shape[2]
        pixels[firsts[index] : firsts[index + 1]] = lower_halves(crops, size)

    with ThreadPoolExecutor(max(1, workers)) as pool:
        for _ in pool.map(read, range(len(usable))):
            pass
    lips = _read_lips(store, [clip for clip, *_ in usable], widths)
    return [
        SyncClip(
            clip.name,
            people[clip.person],
            pixels[firsts[i] : firsts[i + 1]],
            mel,
            offset,
            starts,
            lips[firsts[i] : firsts[i + 1]],
        )
        for i, (clip, mel, offset, starts) in enumerate(usable)
    ]


def _read_lips(store: Clips, clips: Sequence[StoredClip], widths: Sequence[int]) -> Floats:
    """Where the lips of all frames of all clips are, and what they do."""
    tracks = []
    read = getattr(store, "blendshapes", None)
    for clip, width in zip(clips, widths, strict=True):
        points = store.landmarks(clip)[:, _POINTS] / width
        units = np.zeros((clip.frames, len(_UNITS))) if read is None else read(clip)[:, _UNITS]
        tracks.append(np.concatenate([points.reshape(clip.frames, -1), units], axis=1))
    lips = np.concatenate(tracks).astype(np.float32)
    # Not about each clip's own mean, which a single window cannot know.
    return np.asarray((lips - lips.mean(axis=0)) / np.maximum(lips.std(axis=0), _STILL), np.float32)


def lower_halves(crops: Picture, size: int) -> Picture:
    """Square crops (n, S', S', 3) to their lower halves and ``MARGIN`` rows more, (n, R, S, 3)."""
    rows = size // 2 + MARGIN
    return np.stack([resize_crop(crop, size)[-rows:] for crop in crops])


def lower_half(mouths: Picture) -> Picture:
    """The rows that the expert sees of mouths with their margin."""
    return mouths[..., MARGIN:, :, :]


def window_frames(starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Frames (…, 5) of the windows that begin with these."""
    return starts[..., None] + np.arange(WINDOW_FRAMES)


def in_parts(clips: Iterable[SyncClip], windows: int) -> Iterator[list[SyncClip]]:
    """Group clips so that each group has about so many windows."""
    part: list[SyncClip] = []
    count = 0
    for clip in clips:
        part.append(clip)
        count += len(clip.starts)
        if count >= windows:
            yield part
            part, count = [], 0
    if part:
        yield part


def resize_crop(picture: Picture, size: int) -> Picture:
    """Scale a square picture."""
    import cv2

    if picture.shape[0] == size:
        return picture
    how = cv2.INTER_AREA if picture.shape[0] > size else cv2.INTER_CUBIC
    resized: Picture = cv2.resize(picture, (size, size), interpolation=how)
    return resized
