"""Boxes and upright crops of landmarks."""

from __future__ import annotations

import numpy as np

from visavis.core.types import FaceTrack, Floats
from visavis.models.face_landmarker.predictor import Face

CROP_SIDE = 256
"""Pixels of the upright square that ``FaceTrack.to_crop`` maps to."""
CROP_SCALE = 1.5
"""How much larger than the landmarks that square is."""

_RIGHT_EYE, _LEFT_EYE = 33, 263


def track_faces(faces: list[Face]) -> FaceTrack:
    """Gather single faces."""
    return make_track(
        np.stack([face.landmarks for face in faces]),
        np.array([face.score for face in faces], np.float32),
        np.stack([face.blendshapes for face in faces]),
        np.stack([face.pose for face in faces]),
    )


def make_track(marks: Floats, scores: Floats, blendshapes: Floats, pose: Floats) -> FaceTrack:
    """Add boxes and upright crops to landmarks (T, 478, 3) in pixels."""
    points = marks[..., :2]
    boxes = np.concatenate([points.min(1), points.max(1)], axis=1)
    crops = np.stack([upright_crop(row) for row in points])
    return FaceTrack(
        boxes.astype(np.float32),
        marks.astype(np.float32),
        scores.astype(np.float32),
        crops,
        blendshapes.astype(np.float32),
        pose.astype(np.float32),
    )


def upright_crop(points: Floats) -> Floats:
    """Affine map (2, 3) from the picture to a ``CROP_SIDE`` square with the face upright in it.

    Args:
        points: float32 (478, 2) pixels.
    """
    along = points[_LEFT_EYE] - points[_RIGHT_EYE]
    cos, sin = along / max(float(np.linalg.norm(along)), 1e-6)
    turn = np.array([[cos, sin], [-sin, cos]], np.float32)
    turned = points @ turn.T
    low, high = turned.min(0), turned.max(0)
    scale = CROP_SIDE / (CROP_SCALE * max(float((high - low).max()), 1.0))
    shift = CROP_SIDE / 2 - scale * (low + high) / 2
    affine: Floats = np.concatenate([scale * turn, shift[:, None]], axis=1).astype(np.float32)
    return affine
