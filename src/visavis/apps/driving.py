"""A face in a video, followed so that an avatar can do what it does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from visavis.core.errors import NoFaceFound
from visavis.core.types import FPS, FaceTrack, Floats

if TYPE_CHECKING:
    from visavis.models.face_landmarker.predictor import Face

logger = logging.getLogger(__name__)

MAX_SIDE = 1280
"""Pixels: the landmarker sees 256, so nothing is gained by decoding more."""
LEAST_SEEN = 0.5
"""Share of the frames in which there must be a face."""


def follow_face(path: Path, progress: Callable[[float], None] = lambda seconds: None) -> FaceTrack:
    """Follow the face in a video: its blendshapes and head pose, a row for each frame at 25 fps.

    Where the face is lost for a moment the row is interpolated and its score is 0. Landmarks are
    not kept, so that an hour of video takes little memory.

    Raises:
        NoFaceFound: There is a face in less than half of the frames.
    """
    from visavis.media.video import read_video
    from visavis.models.face_landmarker.predictor import FaceLandmarker

    landmarker = FaceLandmarker(threads=2)
    shapes: list[Floats] = []
    poses: list[Floats] = []
    boxes: list[Floats] = []
    scores: list[float] = []
    face: Face | None = None
    for frame in read_video(path, FPS, max_side=MAX_SIDE):
        face = landmarker.track(frame.image, face)
        shapes.append(np.full(52, np.nan, np.float32) if face is None else face.blendshapes)
        poses.append(np.full(3, np.nan, np.float32) if face is None else face.pose)
        boxes.append(np.full(4, np.nan, np.float32) if face is None else face.box)
        scores.append(0.0 if face is None else face.score)
        progress(len(scores) / FPS)
    found = np.array(scores, np.float32)
    seen = float((found > 0).mean())
    if seen < LEAST_SEEN:
        raise NoFaceFound(
            f"there is a face in {seen:.0%} of the frames of {path};"
            " give a video of one person who faces the camera"
        )
    if seen < 1:
        logger.warning("no face in %.0f %% of the frames of %s", 100 * (1 - seen), path)
    count = len(scores)
    return FaceTrack(
        boxes=_fill(np.stack(boxes)),
        landmarks=np.zeros((count, 0, 3), np.float32),
        scores=found,
        to_crop=np.zeros((count, 2, 3), np.float32),
        blendshapes=_fill(np.stack(shapes)),
        pose=_fill(np.stack(poses)),
    )


def _fill(rows: Floats) -> Floats:
    """Interpolate rows that are nan; the ends repeat their neighbour."""
    known = np.flatnonzero(np.isfinite(rows[:, 0]))
    where = np.arange(len(rows))
    columns = [np.interp(where, known, rows[known, column]) for column in range(rows.shape[1])]
    return np.stack(columns, axis=1).astype(np.float32)
