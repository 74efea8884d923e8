from __future__ import annotations

import numpy as np
import pytest

from visavis.core.types import Floats
from visavis.evaluation.lip_shape import eye_span, lip_opening
from visavis.evaluation.silence_motion import find_quiet, silence_motion
from visavis.media.geometry import apply
from visavis.models.common import mesh
from visavis.models.puppet import face_units

FRAMES = 100


@pytest.fixture(scope="module")
def still() -> Floats:
    """The canonical face, 100 wide between the eyes, standing still, (100, 478, 2)."""
    points = face_units.load().neutral[:, :2]
    face = (100 * points / eye_span(points[None])[0]).astype(np.float32)
    return np.repeat(face[None], FRAMES, 0)


@pytest.fixture
def speaking() -> np.ndarray:
    heard = np.zeros(FRAMES, bool)
    heard[20:50] = True
    return heard


def test_quiet_keeps_off_speech(speaking: np.ndarray) -> None:
    quiet = np.flatnonzero(find_quiet(speaking))
    # 0.2 s of silence first, 0.2 s before and after speech left out.
    assert quiet.tolist() == [*range(5, 15), *range(55, 100)]


def test_speed_by_hand(still: Floats, speaking: np.ndarray) -> None:
    # Lips go to and fro by 3 pixels of 100: 3 percent a frame, wherever nobody is heard.
    moving = still.copy()
    moving[1::2, mesh.LIPS] += np.array([1.8, 2.4], np.float32)
    figures = silence_motion(moving, speaking)
    assert figures.motion == pytest.approx(3, rel=1e-3)
    assert figures.frames == 55
    assert silence_motion(still, speaking).motion == pytest.approx(0, abs=1e-3)


def test_talking_and_moving_heads_do_not_count(still: Floats, speaking: np.ndarray) -> None:
    talking = still.copy()
    talking[15:55:2, mesh.LIPS] += 9
    assert silence_motion(talking, speaking).motion == pytest.approx(0, abs=1e-3)
    turns = [
        np.array([[np.cos(a), -np.sin(a), 90 * a], [np.sin(a), np.cos(a), 9]]) * (2 + a)
        for a in np.sin(np.arange(FRAMES) / 5) / 3
    ]
    nodding = np.stack([apply(t, frame) for t, frame in zip(turns, still, strict=True)])
    figures = silence_motion(nodding.astype(np.float32), speaking)
    assert figures.motion == pytest.approx(0, abs=0.01)
    assert figures.opening == pytest.approx(100 * lip_opening(still)[0], rel=1e-3)


def test_lips_that_stand_open(still: Floats, speaking: np.ndarray) -> None:
    lower = np.setdiff1d(mesh.LIPS_INNER_LOWER, mesh.LIPS_INNER_UPPER)
    open_mouth = still.copy()
    open_mouth[:, lower, 1] += 4
    shut, wide = silence_motion(still, speaking), silence_motion(open_mouth, speaking)
    assert wide.opening - shut.opening == pytest.approx(4, abs=0.2)
    assert wide.motion == pytest.approx(0, abs=1e-3)


def test_too_little_silence_is_nan(still: Floats) -> None:
    heard = np.ones(FRAMES, bool)
    heard[40:59] = False  # 19 silent frames: 9 of them quiet
    figures = silence_motion(still, heard)
    assert figures.frames == 9
    assert np.isnan([figures.motion, figures.opening]).all()
    heard[59] = False
    assert silence_motion(still, heard).motion == pytest.approx(0, abs=1e-3)
    # Frames without a face do not count, and are not moved from.
    lost = still.copy()
    lost[1::2] = np.nan
    assert np.isnan(silence_motion(lost, np.zeros(FRAMES, bool)).motion)
    lost[50:] = still[50:]
    assert silence_motion(lost, np.zeros(FRAMES, bool)).motion == pytest.approx(0, abs=1e-3)
