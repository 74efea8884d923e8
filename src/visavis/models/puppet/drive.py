"""Another face's track carried over to the puppet: face units and head pose, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from visavis.core.types import FaceTrack, Floats
from visavis.models.puppet.face_units import load
from visavis.models.puppet.measure import measure_units
from visavis.models.puppet.renderer import Pose

_MAX_TURN = (14.0, 10.0, 10.0)
"""Degrees of yaw, pitch and roll beyond which a single picture shows its lack of a side."""


def carry_over(track: FaceTrack) -> Iterator[Pose]:
    """Yield a pose for each frame of somebody's track.

    Units are relative to the driver's own rest, the pose to its median, both smoothed over three
    frames: narrow eyes are no squint, and a camera from the left is no turned head.

    Args:
        track: With ``landmarks`` (T, 478, 3), ``blendshapes`` (T, 52) and ``pose`` (T, 3).
    """
    assert track.blendshapes is not None
    assert track.pose is not None
    units = _smooth(measure_units(load(), track.landmarks, track.blendshapes))
    turn = _smooth(track.pose)
    turn = turn - np.median(turn, axis=0)
    limit = np.array(_MAX_TURN, np.float32)
    turn = limit * np.tanh(turn / limit)
    for row, (yaw, pitch, roll) in zip(units, turn, strict=True):
        yield Pose(units=row, yaw=float(yaw), pitch=float(pitch), roll=float(roll))


def _smooth(values: Floats) -> Floats:
    padded = np.pad(values, ((1, 1), (0, 0)), mode="edge")
    return np.asarray(0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:], np.float32)
