"""Following the face through a video, in memory that does not grow with the size of the pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.errors import Cancelled
from visavis.core.types import FPS, Floats, Picture
from visavis.media.shot_cuts import is_cut, shrink_grey
from visavis.media.video import MediaInfo, probe, read_video
from visavis.models.common.units import ARKIT_UNITS
from visavis.models.face_landmarker.predictor import LANDMARKS, LEVEL_PITCH, Face
from visavis.stages.avatars.quality import Quality, measure_quality
from visavis.stages.avatars.reading import BYSTANDER, MAX_SIDE, Readers

Progress: TypeAlias = Callable[[str, float], None]
"""Called with what is being done and the share done, 0..1."""
Stop: TypeAlias = Callable[[], bool]
"""Asked now and then whether to stop."""

SCAN_SECONDS = 30.0
DETECT_EVERY = 10
"""Frames between looks for further faces."""
QUALITY_EVERY = 12
LONGEST_GAP = 5
"""Frames without a face that are filled in from both sides; longer ones end a stretch."""

_DETECT_SIDE = 640
_JUMP = 0.4
"""Of the face's width: further than a face moves within 40 ms."""


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What was seen in T frames at 25 fps.

    Attributes:
        media: What the file says of itself.
        size: Width and height of the frames in pixels, even.
        landmarks: float32 (T, 478, 3) pixels; zero where there is no face.
        scores: float32 (T,); 0 where there is no face.
        blendshapes: float32 (T, 52).
        pose: float32 (T, 3) degrees; pitch as the landmarker gives it.
        cuts: bool (T,); True where a frame begins a new shot.
        rivals: int (T / DETECT_EVERY,) further faces of about the same size.
        looks: Frame number and quality of every ``QUALITY_EVERY``-th frame with a face.
        thumbnails: uint8 (T, h, w) grey.
        is_whole: Whether the video ended before the scan did.
    """

    media: MediaInfo
    size: tuple[int, int]
    landmarks: Floats
    scores: Floats
    blendshapes: Floats
    pose: Floats
    cuts: npt.NDArray[np.bool_]
    rivals: npt.NDArray[np.int64]
    looks: tuple[tuple[int, Quality], ...]
    thumbnails: npt.NDArray[np.uint8]
    is_whole: bool

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def changes(self) -> Floats:
        """Mean change (T,) of each thumbnail from the one before, in grey levels; 0 for the first."""
        steps = np.abs(np.diff(self.thumbnails.astype(np.int16), axis=0)).mean((1, 2))
        return np.concatenate([[0], steps]).astype(np.float32)

    @property
    def mouth_gaps(self) -> Floats:
        """Opening between the lips (T,) over the height of the face."""
        gap = np.linalg.norm(self.landmarks[:, 13, :2] - self.landmarks[:, 14, :2], axis=1)
        height = np.linalg.norm(self.landmarks[:, 10, :2] - self.landmarks[:, 152, :2], axis=1)
        opening: Floats = (gap / np.maximum(height, 1)).astype(np.float32)
        return opening

    def stretches(self) -> list[tuple[int, int]]:
        """Start and end of each run of frames with a face, without cut or long gap."""
        found = []
        start: int | None = None
        last = -1
        for i in range(len(self)):
            broken = self.cuts[i] or (start is not None and i - last > LONGEST_GAP)
            if start is not None and broken:
                found.append((start, last + 1))
                start = None
            if self.scores[i] > 0:
                start = i if start is None else start
                last = i
        if start is not None:
            found.append((start, last + 1))
        return found


def scan_video(
    path: str | Path,
    readers: Readers,
    *,
    seconds: float = SCAN_SECONDS,
    max_side: int = MAX_SIDE,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Scan:
    """Find the face in every frame.

    Args:
        path: Of the video.
        readers: The networks.
        seconds: What comes later is not looked at.
        max_side: Frames are shrunk so that neither side is longer.
        progress: Told how far it is.
        stop: Asked before each frame.

    Raises:
        FileUnreadable: Missing, broken or no media.
        NoVideoStream: Sound only.
        Cancelled: ``stop`` said so.
    """
    media = probe(path)
    limit = round(seconds * FPS)
    expected = max(1, min(limit, round(media.video_duration * FPS)))
    tracker = _Tracker(readers)
    size = (0, 0)
    is_whole = True
    with contextlib.closing(read_video(path, FPS, max_side)) as frames:
        for frame in frames:
            if stop is not None and stop():
                raise Cancelled("reading the video was stopped")
            if frame.index >= limit:
                is_whole = False
                break
            image = crop_even(frame.image)
            size = (image.shape[1], image.shape[0])
            tracker.look(image)
            if progress is not None:
                progress("finding the face", min(1.0, (frame.index + 1) / expected))
    return tracker.finish(media, size, is_whole)


def crop_even(image: Picture) -> Picture:
    """Leave off the last row or column where a side is odd: H.264 with 4:2:0 colours has none."""
    return image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]


class _Tracker:
    """Collects what each frame shows."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._faces: list[Face | None] = []
        self._rivals: list[int] = []
        self._looks: list[tuple[int, Quality]] = []
        self._thumbnails: list[npt.NDArray[np.uint8]] = []

    def look(self, image: Picture) -> None:
        index = len(self._faces)
        previous = self._faces[-1] if self._faces else None
        box = None
        if previous is None or index % DETECT_EVERY == 0:
            boxes = self._detect(image)
            if index % DETECT_EVERY == 0:
                self._rivals.append(_count_rivals(boxes))
            box = boxes[0] if boxes else None
        landmarker = self._readers.landmarker
        face: Face | None = None
        if previous is not None:
            face = landmarker.track(image, previous)
        elif box is not None:
            face = landmarker.detect(image, box)
        self._faces.append(face)
        if face is not None and (not self._looks or index - self._looks[-1][0] >= QUALITY_EVERY):
            self._looks.append((index, measure_quality(image, face)))
        self._thumbnails.append(shrink_grey(image))

    def _detect(self, image: Picture) -> list[Floats]:
        import cv2

        scale = min(1.0, _DETECT_SIDE / max(image.shape[:2]))
        small = image
        if scale < 1:
            small = np.asarray(
                cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
            )
        return [d.box / np.float32(scale) for d in self._readers.detector.detect(small)]

    def finish(self, media: MediaInfo, size: tuple[int, int], is_whole: bool) -> Scan:
        count = len(self._faces)
        landmarks = np.zeros((count, LANDMARKS, 3), np.float32)
        scores = np.zeros(count, np.float32)
        blendshapes = np.zeros((count, len(ARKIT_UNITS)), np.float32)
        pose = np.zeros((count, 3), np.float32)
        for i, face in enumerate(self._faces):
            if face is not None:
                landmarks[i], scores[i] = face.landmarks, face.score
                blendshapes[i], pose[i] = face.blendshapes, face.pose
        thumbnails = np.stack(self._thumbnails)
        return Scan(
            media,
            size,
            landmarks,
            scores,
            blendshapes,
            pose,
            _find_cuts(thumbnails, landmarks, scores),
            np.array(self._rivals, np.int64),
            tuple(self._looks),
            thumbnails,
            is_whole,
        )


def _count_rivals(boxes: list[Floats]) -> int:
    sizes = [float(np.sqrt(max(np.prod(b[2:] - b[:2]), 0))) for b in boxes]
    return sum(size >= BYSTANDER * sizes[0] for size in sizes[1:])


def _find_cuts(
    thumbnails: npt.NDArray[np.uint8], landmarks: Floats, scores: Floats
) -> npt.NDArray[np.bool_]:
    """True where a frame is unlike the one before, or its face lies elsewhere."""
    cuts = np.zeros(len(scores), np.bool_)
    if len(scores) < 2:
        return cuts
    steps = np.abs(np.diff(thumbnails.astype(np.int16), axis=0)).mean((1, 2))
    cuts[1:] = is_cut(steps)
    points = landmarks[..., :2]
    centres, widths = points.mean(1), np.ptp(points[..., 0], axis=1)
    moved = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    both = (scores[1:] > 0) & (scores[:-1] > 0)
    cuts[1:] |= both & (moved > _JUMP * np.maximum(widths[1:], 1))
    return cuts


def level_pose(scan: Scan) -> Floats:
    """Yaw, pitch and roll (T, 3) in degrees with 0 for a level head."""
    return scan.pose - np.array([0, LEVEL_PITCH, 0], np.float32)
