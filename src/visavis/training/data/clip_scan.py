"""Following every face through a video, so that clips can be cut from it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.errors import FileUnreadable
from visavis.core.types import FPS, Floats, Picture
from visavis.media.shot_cuts import grey_change, is_cut, shrink_grey
from visavis.media.video import read_video
from visavis.models.common.units import ARKIT_UNITS
from visavis.models.face_landmarker.predictor import LANDMARKS, LEVEL_PITCH, Face, FaceLandmarker
from visavis.models.sface.predictor import FaceIdentity
from visavis.models.syncnet.predictor import SyncExpert
from visavis.models.yunet.predictor import FaceDetector
from visavis.training.data.clip_offsets import Expert

Told: TypeAlias = Callable[[int], None]
"""Called with the number of frames that were looked at so far; may raise to stop."""

DETECT_EVERY = 10
"""Frames between looks for further faces."""
LONGEST_GAP = 5
"""Frames without a face that are filled in from both sides; longer ones end a stretch."""
BYSTANDER = 0.5
"""A face smaller than this, of the largest one's size, is in the background."""

_DETECT_SIDE = 640
_JUMP = 0.4
"""Of the face's width: further than a face moves within 40 ms."""
_SAME = 0.3
"""Share of the smaller of two boxes that is common to both when they are of one face."""


@dataclass(frozen=True, slots=True)
class FaceReaders:
    """The networks that look at faces.

    Attributes:
        detector: Finds all.
        landmarker: Follows one.
        identity: Knows them again; None where nobody asks who they are.
        expert: Tells who speaks where loudness does not; None where there is none yet.
    """

    detector: FaceDetector
    landmarker: FaceLandmarker
    identity: FaceIdentity | None = None
    expert: Expert | None = None


def load_readers(identify: bool = False, expert: Path | None = None) -> FaceReaders:
    """Load the networks.

    Args:
        identify: Whether faces shall be known again.
        expert: Folder of a sync expert.

    Raises:
        MissingWeights: One of them is not on this machine.
    """
    return FaceReaders(
        FaceDetector(),
        FaceLandmarker(),
        FaceIdentity() if identify else None,
        None if expert is None else SyncExpert(expert, threads=1),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """One face, in frames ``start`` to ``start + T`` between two cuts.

    Attributes:
        start: First frame, at 25 a second.
        landmarks: float32 (T, 478, 2) pixels; short gaps are filled in.
        blendshapes: float32 (T, 52).
        pose: float32 (T, 3) degrees; level is 0.
        scores: float32 (T,); 0 where filled in.
    """

    start: int
    landmarks: Floats
    blendshapes: Floats
    pose: Floats
    scores: Floats

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def end(self) -> int:
        """One past the last frame."""
        return self.start + len(self)

    def part(self, start: int, end: int) -> Followed:
        """Some of the frames, counted as in the video."""
        rows = slice(start - self.start, end - self.start)
        return Followed(
            start, self.landmarks[rows], self.blendshapes[rows], self.pose[rows], self.scores[rows]
        )

    @property
    def size(self) -> float:
        """Width of the face in pixels, median."""
        return float(np.median(np.ptp(self.landmarks[:, :468, 0], axis=1)))


@dataclass(frozen=True, slots=True, eq=False)
class FaceScan:
    """What was seen of a video.

    Attributes:
        frames: How many it has at 25 a second.
        height: Pixels.
        width: Pixels.
        faces: Each stretch of frames with one face, by start.
        cuts: Frames that begin a new shot.
        kept: The frames themselves, where they were few enough to be kept.
    """

    frames: int
    height: int
    width: int
    faces: tuple[Followed, ...]
    cuts: tuple[int, ...]
    kept: tuple[Picture, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What is kept of a face in a frame: some 4 KB, for there may be hours of them."""

    landmarks: Floats
    blendshapes: Floats
    pose: Floats
    score: float


@dataclass
class _Trail:
    """A face while it is being followed."""

    start: int
    seen: list[_Seen | None] = field(default_factory=list)
    last: Face | None = None
    missing: int = 0

    def add(self, face: Face | None) -> None:
        if face is None:
            self.seen.append(None)
            self.missing += 1
            return
        pose = face.pose - np.array([0, LEVEL_PITCH, 0], np.float32)
        points = face.landmarks[:, :2].copy()
        self.seen.append(_Seen(points, face.blendshapes, pose, face.score))
        self.last, self.missing = face, 0


def scan_faces(
    path: str | Path, readers: FaceReaders, *, keep_bytes: int = 0, told: Told | None = None
) -> FaceScan:
    """Look at each frame of a video.

    Args:
        path: Of the video.
        readers: The networks.
        keep_bytes: Memory that the frames may take to be kept for cropping.
        told: Progress.

    Raises:
        FileUnreadable: Missing, broken or no media.
        NoVideoStream: Sound only.
        Cancelled: ``told`` said so.
    """
    trails: list[_Trail] = []
    done: list[_Trail] = []
    changes: list[float] = []
    kept: list[Picture] | None = []
    before: npt.NDArray[np.uint8] | None = None
    height = width = count = 0
    with contextlib.closing(read_video(path, FPS)) as frames:
        for frame in frames:
            image = frame.image
            if before is not None and image.shape[:2] != (height, width):
                raise FileUnreadable(
                    f"the picture of {path} changes its size on the way; convert it to one size"
                )
            height, width = image.shape[:2]
            small = shrink_grey(image)
            if before is not None:
                changes.append(grey_change(before, small))
            before = small
            trails = _look(image, frame.index, trails, done, readers)
            count = frame.index + 1
            if kept is not None:
                kept.append(image)
                if count * image.nbytes > keep_bytes:
                    kept = None
            if told is not None:
                told(count)
    cuts = np.flatnonzero(is_cut(np.array(changes))) + 1
    faces = [part for trail in done + trails for part in _stretches(trail, cuts)]
    return FaceScan(
        count,
        height,
        width,
        tuple(sorted(faces, key=lambda face: (face.start, -face.size))),
        tuple(int(cut) for cut in cuts),
        None if kept is None else tuple(kept),
    )


def _look(
    image: Picture, index: int, trails: list[_Trail], done: list[_Trail], readers: FaceReaders
) -> list[_Trail]:
    """Follow each face into this frame, and look for new ones now and then."""
    for trail in trails:
        trail.add(readers.landmarker.track(image, trail.last, anew=False))
    going: list[_Trail] = []
    for trail in sorted(trails, key=lambda t: len(t.seen), reverse=True):
        # Two that came upon one face are one.
        doubled = any(_is_same(trail, other) for other in going)
        if trail.missing > LONGEST_GAP or doubled:
            done.append(trail)
        else:
            going.append(trail)
    if index % DETECT_EVERY and going:
        return going
    boxes = _detect(image, readers.detector)
    for box in boxes:
        if _size(box) < BYSTANDER * _size(boxes[0]):
            break
        if any(_common(box, t.last.box) > _SAME for t in going if t.last is not None):
            continue
        face = readers.landmarker.detect(image, box)
        if face is None:
            continue
        trail = _Trail(index)
        trail.add(face)
        if not any(_is_same(trail, other) for other in going):
            going.append(trail)
    return going


def _detect(image: Picture, detector: FaceDetector) -> list[Floats]:
    """Boxes of all faces, the largest first."""
    import cv2

    scale = min(1.0, _DETECT_SIDE / max(image.shape[:2]))
    small = image
    if scale < 1:
        small = np.asarray(
            cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    return [found.box / np.float32(scale) for found in detector.detect(small)]


def _size(box: Floats) -> float:
    return float(np.sqrt(max(float(np.prod(box[2:] - box[:2])), 0.0)))


def _is_same(one: _Trail, other: _Trail) -> bool:
    if one.last is None or other.last is None:
        return False
    return _common(one.last.box, other.last.box) > 0.5


def _common(one: Floats, other: Floats) -> float:
    """Intersection over the smaller of two boxes."""
    sides = np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None)
    smaller = min(_size(one), _size(other)) ** 2
    return float(np.prod(sides)) / max(smaller, 1e-9)


def _stretches(trail: _Trail, cuts: npt.NDArray[np.int64]) -> list[Followed]:
    """The parts of a trail without cut, jump or long gap, gaps filled in."""
    count = len(trail.seen)
    while count and trail.seen[count - 1] is None:
        count -= 1
    landmarks = np.zeros((count, LANDMARKS, 2), np.float32)
    blendshapes = np.zeros((count, len(ARKIT_UNITS)), np.float32)
    pose = np.zeros((count, 3), np.float32)
    scores = np.zeros(count, np.float32)
    for i, face in enumerate(trail.seen[:count]):
        if face is not None:
            landmarks[i], blendshapes[i] = face.landmarks, face.blendshapes
            pose[i], scores[i] = face.pose, face.score
    seen = np.flatnonzero(scores > 0)
    breaks = {int(cut) - trail.start for cut in cuts}
    parts, first = [], 0
    for one, following in itertools.pairwise(seen):
        if _is_jump(landmarks[one], landmarks[following], int(following - one)) or any(
            i in breaks for i in range(one + 1, following + 1)
        ):
            parts.append((first, int(one) + 1))
            first = int(following)
    if len(seen):
        parts.append((first, count))
    found = []
    for first, last in parts:
        rows = slice(first, last)
        here = np.flatnonzero(scores[rows] > 0)
        found.append(
            Followed(
                trail.start + first,
                _fill(landmarks[rows], here),
                _fill(blendshapes[rows], here),
                _fill(pose[rows], here),
                scores[rows],
            )
        )
    return found


def _is_jump(one: Floats, other: Floats, steps: int) -> bool:
    """Whether a face moved further than a face can, between frames ``steps`` apart."""
    moved = np.linalg.norm(one.mean(0) - other.mean(0))
    return bool(moved > _JUMP * steps * max(float(np.ptp(other[:, 0])), 1.0))


def _fill(values: Floats, here: npt.NDArray[np.int64]) -> Floats:
    """Rows (T, ...) with those that are not ``here`` drawn between their neighbours."""
    if len(here) == len(values):
        return values
    at = np.arange(len(values))
    flat = values.reshape(len(values), -1)
    after = np.clip(np.searchsorted(here, at), 0, len(here) - 1)
    before = np.clip(after - 1, 0, None)
    low, high = here[before], here[after]
    low = np.where(high <= at, high, low)
    share = np.where(high > low, (at - low) / np.maximum(high - low, 1), 0.0)[:, None]
    filled = flat[low] * (1 - share) + flat[high] * share
    return np.asarray(filled.reshape(values.shape), np.float32)
