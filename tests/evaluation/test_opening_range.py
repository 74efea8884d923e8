from __future__ import annotations

import numpy as np
import pytest

from visavis.core.types import Floats
from visavis.evaluation.lip_shape import eye_span
from visavis.evaluation.opening_range import (
    mouth_shut_in_speech,
    opening_against,
    opening_range,
)
from visavis.models.common import mesh
from visavis.models.puppet import face_units

LOWER = np.setdiff1d(mesh.LIPS_INNER_LOWER, mesh.LIPS_INNER_UPPER)
ALL = np.ones(101, bool)


@pytest.fixture(scope="module")
def face() -> Floats:
    """The canonical face, 100 wide between the eyes, its lips brought together, (478, 2)."""
    points = face_units.load().neutral[:, :2]
    shut = np.asarray(100 * points / eye_span(points[None])[0], np.float32)
    shut[mesh.LIPS_INNER_LOWER] = shut[mesh.LIPS_INNER_UPPER]
    return shut


def talking(face: Floats, opening: np.ndarray) -> Floats:
    landmarks = np.repeat(face[None], len(opening), 0)
    landmarks[:, LOWER, 1] += np.asarray(opening, np.float32)[:, None]
    return landmarks


def test_range_by_hand(face: Floats) -> None:
    # Every opening from 0 to 20 percent as often as any other.
    figures = opening_range(talking(face, np.linspace(0, 20, 101)), ALL)
    assert figures.low == pytest.approx(1, abs=1e-2)
    assert figures.high == pytest.approx(19, abs=1e-2)
    assert figures.range == pytest.approx(18, abs=1e-2)
    assert figures.deviation == pytest.approx(np.linspace(0, 20, 101).std(), abs=1e-2)
    # Only speech counts.
    heard = np.arange(101) > 50
    assert opening_range(talking(face, np.linspace(0, 20, 101)), heard).low > 10


def test_exaggeration_is_told_against_the_real_one(face: Floats) -> None:
    said = 8 * np.abs(np.sin(np.arange(101) / 3))
    real = opening_range(talking(face, said), ALL)
    assert opening_against(opening_range(talking(face, 1.5 * said), ALL), real) == pytest.approx(
        1.5, rel=1e-3
    )
    assert opening_against(opening_range(talking(face, 0 * said), ALL), real) == pytest.approx(
        0, abs=1e-3
    )
    assert np.isnan(opening_against(real, opening_range(talking(face, 0 * said), ~ALL)))


def test_shut_in_speech(face: Floats) -> None:
    said = 8 * np.abs(np.sin(np.arange(101) / 3))
    # Lips meet for every m, b and p, which is no fault.
    assert mouth_shut_in_speech(talking(face, said), ALL) == 0
    assert mouth_shut_in_speech(talking(face, 0 * said), ALL) == 1
    assert mouth_shut_in_speech(talking(face, 0.1 * said), ALL) == 1
    # A mouth that hangs open and does not move does not open.
    assert mouth_shut_in_speech(talking(face, 9 + 0 * said), ALL) == 1
    half = np.where(np.arange(101) < 40, said, 0)
    share = mouth_shut_in_speech(talking(face, half), ALL)
    assert share == pytest.approx((101 - 40 - 5) / 101, abs=0.02)
    # Silence is no fault.
    assert mouth_shut_in_speech(talking(face, half), np.arange(101) < 40) == 0


def test_only_loud_frames_count(face: Floats) -> None:
    said = np.where(np.arange(101) < 40, 8 * np.abs(np.sin(np.arange(101) / 3)), 0)
    loudness = np.where(np.arange(101) < 51, 0.1, 0.001).astype(np.float32)
    share = mouth_shut_in_speech(talking(face, said), ALL, loudness)
    assert share == pytest.approx((51 - 40 - 5) / 51, abs=0.03)


def test_too_little_is_nan(face: Floats) -> None:
    landmarks = talking(face, np.linspace(0, 20, 101))
    few = np.arange(101) < 9
    assert np.isnan(opening_range(landmarks, few).range)
    assert np.isnan(mouth_shut_in_speech(landmarks, few))
    landmarks[5:] = np.nan
    assert np.isnan(mouth_shut_in_speech(landmarks, ALL))
    assert opening_range(landmarks, ALL).frames == 5
    landmarks = talking(face, np.linspace(0, 20, 101))
    wanted = opening_range(landmarks[::2], ALL[::2])
    landmarks[1::2] = np.nan
    assert opening_range(landmarks, ALL) == wanted
