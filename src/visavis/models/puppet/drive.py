"""Another face's track carried over to the puppet: blendshapes and head pose, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from visavis.core.types import FaceTrack, Floats
from visavis.models.common.units import ARKIT_UNITS
from visavis.models.puppet.renderer import Pose

_GAIN = {
    "eyeBlinkLeft": 1.5,
    "eyeBlinkRight": 1.5,
    "jawOpen": 1.25,
    "mouthPucker": 1.0,
    "mouthFunnel": 1.3,
    "mouthClose": 0.6,
}
"""The landmarker's scores run low for these, high for those; measured on talking people."""
_REST_QUANTILE = 0.15
_MAX_TURN = (14.0, 10.0, 10.0)
"""Degrees of yaw, pitch and roll beyond which a single picture shows its lack of a side."""


def carry_over(track: FaceTrack) -> Iterator[Pose]:
    """Yield a pose for each frame of somebody's track.

    The landmarker gives every face a bias of its own (narrow eyes read as a squint), so each unit
    is taken relative to the driver's rest, its lower quantile over the whole track; so is the pose,
    relative to its median. Frames are smoothed over three.

    Args:
        track: With ``blendshapes`` (T, 52) and ``pose`` (T, 3).
    """
    assert track.blendshapes is not None
    assert track.pose is not None
    shapes = _smooth(track.blendshapes)
    rest = np.quantile(shapes, _REST_QUANTILE, axis=0)
    # A rest above a half is a face that smiles or frowns throughout: that is to be shown.
    rest = np.minimum(rest, 0.5)
    gain = np.array([_GAIN.get(n, 1.0) for n in ARKIT_UNITS], np.float32)
    units = np.clip((shapes - rest) / (1 - rest) * gain, 0, 1).astype(np.float32)
    turn = _smooth(track.pose)
    turn = turn - np.median(turn, axis=0)
    limit = np.array(_MAX_TURN, np.float32)
    turn = limit * np.tanh(turn / limit)
    for row, (yaw, pitch, roll) in zip(units, turn, strict=True):
        yield Pose(units=row, yaw=float(yaw), pitch=float(pitch), roll=float(roll))


def _smooth(values: Floats) -> Floats:
    padded = np.pad(values, ((1, 1), (0, 0)), mode="edge")
    return np.asarray(0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:], np.float32)
