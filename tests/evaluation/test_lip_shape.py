from __future__ import annotations

import numpy as np
import pytest

from visavis.core.types import Floats
from visavis.evaluation.lip_shape import (
    STEADY,
    correlation,
    eye_span,
    find_delay,
    landmark_distance,
    lip_opening,
)
from visavis.media.geometry import apply
from visavis.models.common import mesh
from visavis.models.puppet import face_units

LOWER = np.setdiff1d(mesh.LIPS_INNER_LOWER, mesh.LIPS_INNER_UPPER)
FRAMES = 40


@pytest.fixture(scope="module")
def face() -> Floats:
    """The canonical face from the front, 100 wide between the eyes, (478, 2)."""
    points = face_units.load().neutral[:, :2]
    return (100 * points / eye_span(points[None])[0]).astype(np.float32)


def talking(face: Floats, opening: Floats) -> Floats:
    """Lower lips fall by so many percent of the eyes' span."""
    landmarks = np.repeat(face[None], len(opening), 0)
    landmarks[:, LOWER, 1] += 100 * opening[:, None] / 100
    return landmarks


def speech(seed: int = 0, frames: int = FRAMES) -> Floats:
    noise = np.random.default_rng(seed).random(frames + 2)
    return (10 * np.convolve(noise, [0.25, 0.5, 0.25], "valid")).astype(np.float32)


def test_opening_is_in_widths_of_the_eyes(face: Floats) -> None:
    said = speech()
    gap = lip_opening(talking(face, said)) - lip_opening(face[None])
    np.testing.assert_allclose(gap, said / 100, atol=2e-3)
    # However large and turned the face is.
    turn = np.array([[1.6, -0.9, 30], [0.9, 1.6, -7]])
    moved = apply(turn, talking(face, said)).astype(np.float32)
    np.testing.assert_allclose(lip_opening(moved), lip_opening(talking(face, said)), atol=1e-4)


def test_distance_by_hand(face: Floats) -> None:
    still, said = talking(face, np.zeros(FRAMES, np.float32)), speech()
    assert landmark_distance(still, still) == pytest.approx(0, abs=1e-4)
    # Only the lower inner lip is elsewhere, by as much as it fell.
    wanted = said.mean() * len(LOWER) / len(mesh.LIPS)
    assert landmark_distance(still, talking(face, said)) == pytest.approx(wanted, rel=1e-3)
    everywhere = landmark_distance(still, talking(face, said), np.arange(mesh.LANDMARKS))
    assert everywhere == pytest.approx(said.mean() * len(LOWER) / mesh.LANDMARKS, rel=1e-3)


def test_a_moving_head_is_no_fault(face: Floats) -> None:
    real = talking(face, speech())
    turns = [
        np.array([[np.cos(a), -np.sin(a), 5 * a], [np.sin(a), np.cos(a), 9 * a]]) * (1 + a / 9)
        for a in np.linspace(-0.5, 0.5, FRAMES)
    ]
    moved = np.stack([apply(t, frame) for t, frame in zip(turns, real, strict=True)])
    assert landmark_distance(real, moved.astype(np.float32)) == pytest.approx(0, abs=1e-3)
    assert not set(STEADY) & set(mesh.LIPS)


def test_delay_and_wrong_lips_are_told() -> None:
    said, other = speech(0), speech(1)
    assert correlation(said, 3 * said + 2) == pytest.approx(1)
    assert correlation(said, -said) == pytest.approx(-1)
    assert abs(correlation(said, other)) < 0.5
    for delay in (-4, -1, 0, 3):
        late = np.roll(said, delay)
        assert find_delay(said, late) == delay
        assert correlation(said, late, delay) == pytest.approx(1)


def test_what_cannot_be_measured_is_nan(face: Floats) -> None:
    said = speech()
    assert np.isnan(correlation(said, np.full(FRAMES, 0.3, np.float32)))
    assert np.isnan(correlation(said[:8], said[:8]))
    assert find_delay(said, np.zeros(FRAMES, np.float32)) is None
    nowhere = np.full((FRAMES, mesh.LANDMARKS, 2), np.nan, np.float32)
    assert np.isnan(landmark_distance(nowhere, nowhere))
    # Frames without a face do not count.
    real, made = talking(face, said), talking(face, said)
    made[:5] = np.nan
    assert landmark_distance(real, made) == pytest.approx(0, abs=1e-4)
    assert correlation(lip_opening(real), lip_opening(made)) == pytest.approx(1)
