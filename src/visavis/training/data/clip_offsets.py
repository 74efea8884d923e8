"""The constant offset of sound against picture of each clip, measured by the sync expert.

Recordings are often out of step by a few frames, all along. An expert that is trained on them
learns to be vague; so a first expert measures, and what is trained next is trained in step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np

from visavis.core.types import Floats, Picture
from visavis.models.common.mel import log_mel
from visavis.training.data.clip_store import SAMPLES_PER_FRAME, ClipInfo, ClipStore
from visavis.training.data.clip_writer import ClipWriter

Curve: TypeAlias = tuple[Floats, Floats]
"""Sums of distances (31,) at the offsets -15 to 15, and on how many windows each (31,)."""
Together: TypeAlias = Literal["clip", "source", "person"]

SEARCHED = 15
"""Frames of offset that are tried, both ways."""
FEWEST = 8
"""Windows that an offset must be measured on to count."""
SURE = 0.1
"""Least confidence from which an offset is believed; see ``Measured``."""
_WRITE_EVERY = 64


class Expert(Protocol):
    """What is asked of `visavis.models.syncnet.predictor.SyncExpert`."""

    size: int

    def embed_faces(self, frames: Picture) -> Floats:
        """Vectors (T - 4, D) of pictures (T, size, size, 3)."""

    def embed_speech(self, mel: Floats) -> Floats:
        """Vectors (N, D) of mel rows."""


@dataclass(frozen=True, slots=True)
class Measured:
    """An offset.

    Attributes:
        offset: Frames by which the sound is late; to a fraction, by a parabola.
        confidence: Median distance over all offsets less the least one (LSE-C).
    """

    offset: float
    confidence: float


def measure_offsets(
    path: Path,
    expert: Expert,
    *,
    together: Together = "source",
    sure: float = SURE,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Measured]:
    """Measure the offset of each clip of a store, and note those that are sure in it.

    Args:
        path: The store's folder.
        expert: As `visavis.models.syncnet.predictor.SyncExpert`.
        together: Whose clips have one offset: a short clip tells little alone, all clips of one
            recording tell it together.
        sure: Confidence below which an offset is left at 0.
        told: Called with the clips measured and the clips there are.

    Returns:
        What was measured, by clip; also what was not sure enough to be noted.
    """
    store = ClipStore(path)
    curves: dict[str, list[Curve]] = {}
    groups = {clip.name: _group(clip, together) for clip in store.clips}
    for done, clip in enumerate(store.clips):
        curves.setdefault(groups[clip.name], []).append(distance_curve(store, clip, expert))
        told(done + 1, len(store.clips))
    found = {group: find_offset(several) for group, several in curves.items()}
    measured = {name: found[group] for name, group in groups.items()}
    store.close()
    with ClipWriter(path) as writer:
        for part in _parts(measured):
            writer.update_all(
                {
                    name: {
                        "offset": round(m.offset, 3) if m.confidence >= sure else 0.0,
                        "confidence": round(m.confidence, 4),
                    }
                    for name, m in part.items()
                }
            )
    return measured


def distance_curve(store: ClipStore, clip: ClipInfo, expert: Expert) -> Curve:
    """Of a stored clip, with the sound around it."""
    sound, lead = store.recorded(clip)
    return compare(store.frames(clip), sound, lead, expert)


def compare(frames: Picture, sound: Floats, lead: int, expert: Expert) -> Curve:
    """Distances of lips and sound at each offset.

    Args:
        frames: Crops uint8 (T, S, S, 3).
        sound: float32 (n,) at 16 kHz.
        lead: The sample that belongs to the first frame; a multiple of a frame's samples.
        expert: Of any size; the crops are resized to it.
    """
    faces = expert.embed_faces(_resize(frames, expert.size))
    speech = expert.embed_speech(log_mel(sound))
    before = lead // SAMPLES_PER_FRAME
    sums = np.zeros(2 * SEARCHED + 1, np.float32)
    counts = np.zeros(2 * SEARCHED + 1, np.float32)
    for index, shift in enumerate(range(-SEARCHED, SEARCHED + 1)):
        # Row k of the faces meets row k + shift of the clip's own sound; nothing is made up.
        first = max(0, -(before + shift))
        last = min(len(faces), len(speech) - before - shift)
        if last <= first:
            continue
        rows = np.arange(first, last)
        products = np.einsum("nd,nd->n", faces[rows], speech[rows + before + shift])
        sums[index] = np.sqrt(np.maximum(0, 2 - 2 * products)).sum()
        counts[index] = len(rows)
    return sums, counts


def find_offset(curves: list[Curve]) -> Measured:
    """The offset that some clips have in common; 0 without confidence where they are too short."""
    sums = np.sum([s for s, _ in curves], axis=0)
    counts = np.sum([c for _, c in curves], axis=0)
    tried = counts >= FEWEST
    if tried.sum() < 3:
        return Measured(0.0, 0.0)
    means = np.where(tried, sums / np.maximum(counts, 1), np.nan)
    best = int(np.nanargmin(means))
    confidence = float(np.nanmedian(means) - means[best])
    offset = float(best - SEARCHED)
    if 0 < best < len(means) - 1 and tried[best - 1] and tried[best + 1]:
        before, here, after = means[best - 1 : best + 2]
        bend = before - 2 * here + after
        if bend > 1e-9:
            offset += float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
    return Measured(offset, confidence)


def _group(clip: ClipInfo, together: Together) -> str:
    return {"clip": clip.name, "source": clip.source, "person": clip.person}[together]


def _parts(measured: Mapping[str, Measured]) -> Iterator[dict[str, Measured]]:
    names = list(measured)
    for first in range(0, len(names), _WRITE_EVERY):
        yield {name: measured[name] for name in names[first : first + _WRITE_EVERY]}


def _resize(frames: Picture, size: int) -> Picture:
    import cv2

    if frames.shape[1] == size:
        return frames
    how = cv2.INTER_AREA if size < frames.shape[1] else cv2.INTER_CUBIC
    resized = [cv2.resize(frame, (size, size), interpolation=how) for frame in frames]
    return np.asarray(np.stack(resized), np.uint8)
