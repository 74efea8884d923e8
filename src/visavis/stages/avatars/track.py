"""Boxes and upright crops of landmarks."""

from __future__ import annotations

import numpy as np

from visavis.core.types import FaceTrack, Floats
from visavis.media.upright_crop import upright_crop
from visavis.models.face_landmarker.predictor import Face


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
