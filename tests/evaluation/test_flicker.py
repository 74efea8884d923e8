from __future__ import annotations

import cv2
import numpy as np
import pytest

from visavis.core.types import Floats, Picture
from visavis.evaluation.face_regions import mouth_hole, mouth_region, mouth_rim, still_skin
from visavis.evaluation.flicker import LEAST_LEVELS, Flicker, FlickerFigures
from visavis.models.common import mesh
from visavis.models.puppet import face_units

FRAMES = 40


@pytest.fixture(scope="module")
def marks() -> Floats:
    """The canonical face with its mouth open, in an aligned picture, (478, 2)."""
    points = face_units.load().neutral[:, :2].copy()
    points -= points[[33, 263]].mean(axis=0)
    points *= 90 / np.linalg.norm(points[263] - points[33])
    if points[mesh.CHIN, 1] < 0:
        points[:, 1] *= -1
    points[mesh.LIPS_INNER_LOWER[1:-1], 1] += 12
    points[mesh.LIPS_OUTER_LOWER[1:-1], 1] += 12
    return np.asarray(points + np.array([128, 100]), np.float32)


@pytest.fixture(scope="module")
def face() -> Picture:
    """Soft patches of grey, (256, 256, 3)."""
    rough = np.random.default_rng(0).integers(60, 200, (32, 32)).astype(np.uint8)
    grey = cv2.resize(rough, (256, 256), interpolation=cv2.INTER_CUBIC)
    return np.repeat(grey[..., None], 3, 2)


def measure(frames: list[Picture], marks: Floats) -> FlickerFigures:
    flicker = Flicker()
    for frame in frames:
        flicker.add(frame, marks)
    return flicker.value()


def blinking(face: Picture, mask: np.ndarray, levels: int) -> list[Picture]:
    """Every other frame the masked pixels are brighter."""
    bright = np.where(mask[..., None], np.clip(face.astype(int) + levels, 0, 255), face)
    return [face, bright.astype(np.uint8)] * (FRAMES // 2)


def noisy(frames: list[Picture], size: float) -> list[Picture]:
    rng = np.random.default_rng(1)
    noise = [rng.normal(0, size, (256, 256, 1)) for _ in frames]
    return [
        np.clip(np.rint(frame + n), 0, 255).astype(np.uint8)
        for frame, n in zip(frames, noise, strict=True)
    ]


def test_regions_do_not_overlap(marks: Floats) -> None:
    hole, mouth, rim, skin = (f(marks) for f in (mouth_hole, mouth_region, mouth_rim, still_skin))
    assert min(m.sum() for m in (hole, mouth, rim, skin)) > 100
    assert not (hole & ~mouth).any()
    assert not (mouth & rim).any()
    assert not (rim & skin).any()
    assert not (mouth & skin).any()
    assert rim.sum() > mouth.sum() > hole.sum()
    assert mouth[round(marks[17, 1]), round(marks[17, 0])]  # the lower lip
    assert rim[round(marks[199, 1]), round(marks[199, 0])]  # the chin
    assert skin[round(marks[151, 1]), round(marks[151, 0])]  # the forehead


def test_levels_by_hand(face: Picture, marks: Floats) -> None:
    still = measure([face] * FRAMES, marks)
    assert (still.mouth, still.rim, still.skin) == (0, 0, 0)
    assert still.frames == FRAMES - 2
    mouth = measure(blinking(face, mouth_hole(marks), 6), marks)
    assert (mouth.mouth, mouth.rim, mouth.skin) == (6, 0, 0)
    rim = measure(blinking(face, mouth_rim(marks), 4), marks)
    assert (rim.mouth, rim.rim, rim.skin) == (0, 4, 0)
    assert rim.rim_ratio == pytest.approx(4 / LEAST_LEVELS)
    # A quarter of the pixels by 4 levels: a root mean square of 2.
    quarter = mouth_rim(marks) & (np.indices((256, 256)) % 2 == 0).all(axis=0)
    assert measure(blinking(face, quarter, 4), marks).rim == pytest.approx(2, abs=0.05)


def test_steady_change_is_no_flicker(face: Picture, marks: Floats) -> None:
    brighter = [
        np.clip(face.astype(int) + 2 * t - 40, 0, 255).astype(np.uint8) for t in range(FRAMES)
    ]
    assert measure(brighter, marks).rim == pytest.approx(0, abs=1e-6)
    # A face that slides evenly under the regions counts far less than one that shakes as fast.
    slide = [np.roll(face, t, axis=1) for t in range(FRAMES)]
    shake = [np.roll(face, t % 2, axis=1) for t in range(FRAMES)]
    assert measure(slide, marks).rim < 0.3 * measure(shake, marks).rim


def test_noise_counts_everywhere_and_so_cancels(face: Picture, marks: Floats) -> None:
    figures = measure(noisy([face] * FRAMES, 2), marks)
    # Of independent noise the half second difference has sqrt(6) / 2 of the deviation.
    assert figures.skin == pytest.approx(2 * np.sqrt(6) / 2, rel=0.05)
    assert figures.rim_ratio == pytest.approx(1, abs=0.05)
    assert figures.mouth_ratio == pytest.approx(1, abs=0.08)
    # And a seam three pixels wide, of eight levels, shows through it.
    mouth = mouth_region(marks).astype(np.uint8)
    seam = (cv2.dilate(mouth, np.ones((15, 15))) - cv2.dilate(mouth, np.ones((9, 9)))).astype(bool)
    seen = measure(noisy(blinking(face, seam, 8), 2), marks)
    assert seen.rim_ratio > 1.3 * figures.rim_ratio
    assert seen.mouth_ratio == pytest.approx(figures.mouth_ratio, rel=0.02)


def test_the_inside_is_measured_while_lips_rest(face: Picture, marks: Floats) -> None:
    talking = Flicker()
    shut = Flicker()
    closed = marks.copy()
    closed[mesh.LIPS_INNER_LOWER] = closed[mesh.LIPS_INNER_UPPER]
    for frame, picture in enumerate(blinking(face, mouth_hole(marks), 6)):
        moved = marks.copy()
        moved[mesh.LIPS, 1] += 3 * (frame % 2)
        talking.add(picture, moved)
        shut.add(picture, closed)
    assert np.isnan([talking.value().mouth, talking.value().mouth_ratio]).all()
    assert np.isnan(shut.value().mouth)
    assert not np.isnan(talking.value().rim)


def test_frames_without_a_face_begin_anew(face: Picture, marks: Floats) -> None:
    flicker = Flicker()
    nowhere = np.full_like(marks, np.nan)
    for frame in blinking(face, mouth_rim(marks), 4)[:6]:
        flicker.add(frame, marks)
        flicker.add(frame, marks)
        flicker.add(np.zeros_like(face), nowhere)
    nothing = flicker.value()
    assert nothing.frames == 0
    assert np.isnan([nothing.mouth, nothing.rim, nothing.skin, nothing.rim_ratio]).all()
