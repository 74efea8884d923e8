from __future__ import annotations

import numpy as np
import pytest

from visavis.core.types import Floats
from visavis.evaluation.blinks import eye_aspect_ratio, find_blinks, measure_blinks
from visavis.evaluation.lip_shape import eye_span
from visavis.media.geometry import apply
from visavis.models.common import mesh
from visavis.models.puppet import face_units

SHAPE = np.array([0.3, 0.8, 1.0, 0.7, 0.35], np.float32)
"""How far the lids are down in the frames of a blink, its deepest third."""


@pytest.fixture(scope="module")
def face() -> Floats:
    """The canonical face from the front, 100 wide between the eyes, (478, 2)."""
    points = face_units.load().neutral[:, :2]
    return np.asarray(100 * points / eye_span(points[None])[0], np.float32)


def lids(face: Floats, down: Floats) -> Floats:
    """Upper lids come down onto the lower ones by so much of the way, (T, 478, 2)."""
    landmarks = np.repeat(face[None], len(down), 0)
    for upper, lower in (
        (mesh.EYE_RIGHT_UPPER, mesh.EYE_RIGHT_LOWER),
        (mesh.EYE_LEFT_UPPER, mesh.EYE_LEFT_LOWER),
    ):
        way = face[lower] - face[upper]
        landmarks[:, upper] += down[:, None, None] * way
    return landmarks


def blinking(frames: int, deepest: list[int], depth: float = 0.9) -> Floats:
    down = np.zeros(frames, np.float32)
    for frame in deepest:
        down[frame - 2 : frame + 3] = depth * SHAPE
    return down


def noise(shape: tuple[int, ...], size: float, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, size, shape).astype(np.float32)


def test_aspect_ratio_by_hand() -> None:
    landmarks = np.zeros((1, mesh.LANDMARKS, 2), np.float32)
    # The paper's six points: an eye 30 wide, 9 and 6 high; the other 30 wide, 3 and 6 high.
    for points, heights in (
        ((33, 160, 158, 133, 153, 144), (9, 6)),
        ((362, 385, 387, 263, 373, 380), (3, 6)),
    ):
        first, second = heights
        x = (0, 10, 20, 30, 20, 10)
        y = (0, -first / 2, -second / 2, 0, second / 2, first / 2)
        landmarks[0, list(points)] = np.column_stack([x, y])
    wanted = ((9 + 6) / 60 + (3 + 6) / 60) / 2
    assert eye_aspect_ratio(landmarks)[0] == pytest.approx(wanted)


def test_blinks_are_found_where_they_are(face: Floats) -> None:
    deepest = [40, 95, 140, 240, 262, 330]
    landmarks = lids(face, blinking(400, deepest)) + noise((400, mesh.LANDMARKS, 2), 0.15)
    found = find_blinks(eye_aspect_ratio(landmarks))
    assert [frame for frame, _ in found] == deepest
    figures = measure_blinks(landmarks)
    assert figures.count == 6
    assert figures.seen_s == 16
    assert figures.rate == pytest.approx(6 / 16 * 60)
    assert figures.interval_s == pytest.approx((330 - 40) / 5 / 25)
    gaps = np.diff(deepest)
    assert figures.regularity == pytest.approx(gaps.std() / gaps.mean())
    # Half as far down: 0.4 frames before the second, and 3/7 of a frame after the fourth.
    assert figures.duration_s == pytest.approx((1 + 0.6 + 1 + 0.2 / 0.35) / 25, rel=0.08)


def test_nodding_and_turning_is_no_blinking(face: Floats) -> None:
    frames = np.arange(300)
    deepest = [50, 130, 171, 260]
    landmarks = lids(face, blinking(300, deepest))
    # A nod flattens the face by up to a quarter, a turn narrows it, the camera comes closer.
    flat = 1 - 0.25 * np.sin(frames / 20) ** 2
    narrow = 1 - 0.2 * np.sin(frames / 33) ** 2
    close = 2 + np.sin(frames / 50)
    moved = landmarks * np.stack([narrow, flat], 1)[:, None] * close[:, None, None]
    turns = [
        np.array([[np.cos(a), -np.sin(a), 40 * a], [np.sin(a), np.cos(a), 9]])
        for a in np.sin(frames / 15) / 3
    ]
    moved = np.stack([apply(t, points) for t, points in zip(turns, moved, strict=True)])
    found = find_blinks(eye_aspect_ratio(moved.astype(np.float32)))
    assert [frame for frame, _ in found] == deepest


def test_glances_noise_and_sleep_are_no_blinks(face: Floats) -> None:
    down = np.zeros(300, np.float32)
    down[50:80] = 0.35  # a look at the keyboard
    down[150:200] = 0.95  # eyes shut for two seconds
    assert measure_blinks(lids(face, down)).count == 0
    # A face so small that its eyes are two pixels high, with landmarks off by a third of one.
    small = lids(face, np.zeros(300, np.float32)) / np.float32(5) + noise(
        (300, mesh.LANDMARKS, 2), 0.33
    )
    assert measure_blinks(small).count <= 1


def test_clockwork_is_told(face: Floats) -> None:
    clock = measure_blinks(lids(face, blinking(500, list(range(50, 500, 75)))))
    assert clock.regularity == pytest.approx(0, abs=1e-6)
    assert clock.interval_s == pytest.approx(3)
    living = measure_blinks(lids(face, blinking(500, [40, 70, 190, 215, 330, 455])))
    assert living.regularity > 0.4


def test_frames_without_a_face_do_not_count(face: Floats) -> None:
    landmarks = lids(face, blinking(400, [40, 95, 300, 350]))
    landmarks[97] = np.nan  # one frame within a blink
    landmarks[150:250] = np.nan
    figures = measure_blinks(landmarks)
    assert figures.count == 4
    assert figures.rate == pytest.approx(60 * 4 / (299 / 25))
    # The gap is nobody's interval.
    assert figures.interval_s == pytest.approx((55 + 50) / 2 / 25)
    assert np.isnan(figures.regularity)


def test_too_short_to_tell(face: Floats) -> None:
    short = measure_blinks(lids(face, blinking(99, [50])))
    assert short.count == 1
    assert np.isnan(short.rate)
    assert not np.isnan(measure_blinks(lids(face, blinking(100, [50]))).rate)
    for frames in (0, 1, 3):
        nothing = measure_blinks(np.full((frames, mesh.LANDMARKS, 3), np.nan, np.float32))
        assert nothing.count == 0
        assert np.isnan([nothing.rate, nothing.interval_s, nothing.duration_s]).all()
