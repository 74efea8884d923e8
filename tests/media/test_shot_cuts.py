"""Where shots end: hard cuts, and nothing else that changes a picture."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from visavis.core.types import Picture
from visavis.media.sharpness import measure_sharpness
from visavis.media.shot_cuts import grey_change, is_cut, shrink_grey


def scenery(seed: int, width: int = 900) -> Picture:
    """Something with large and small shapes."""
    rng = np.random.default_rng(seed)
    image = np.zeros((180, width, 3))
    for cells in (3, 9, 30):
        small = rng.uniform(0, 255 / cells**0.5, (cells, cells * width // 180, 3))
        rows = np.linspace(0, cells - 1, 180).round().astype(int)
        columns = np.linspace(0, small.shape[1] - 1, width).round().astype(int)
        image += small[rows][:, columns]
    return np.clip(image, 0, 255).astype(np.uint8)


def view(image: Picture, x: float) -> Picture:
    return image[:, round(x) : round(x) + 240]


def cuts_of(frames: list[Picture]) -> list[int]:
    small = [shrink_grey(frame) for frame in frames]
    changes = np.array([grey_change(a, b) for a, b in itertools.pairwise(small)])
    return (np.flatnonzero(is_cut(changes)) + 1).tolist()


@pytest.fixture(scope="module")
def calm() -> list[Picture]:
    """A second and a half with a little motion and noise."""
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 3, (40, 180, 240, 3))
    moving = [view(scenery(1), 20 + 2 * np.sin(i / 4)) for i in range(40)]
    return [np.clip(f + n, 0, 255).astype(np.uint8) for f, n in zip(moving, noise, strict=True)]


def test_a_calm_shot_has_none(calm: list[Picture]) -> None:
    assert cuts_of(calm) == []


def test_a_hard_cut_is_found_where_it_is(calm: list[Picture]) -> None:
    other = [view(scenery(2), 50 + i % 2) for i in range(30)]
    assert cuts_of(calm + other) == [40]
    assert cuts_of(calm[:3] + other) == [3]
    assert cuts_of(calm + other + calm) == [40, 70]
    assert cuts_of(calm + other[:2] + calm) == [40, 42]


def test_a_swinging_camera_is_no_cut(calm: list[Picture]) -> None:
    swing = [view(scenery(1), 20 + 40 * i) for i in range(14)]
    assert cuts_of(calm + swing + [swing[-1]] * 20) == []


def test_little_to_compare_with() -> None:
    none: npt.NDArray[np.float64] = np.zeros(0)
    assert is_cut(none).shape == (0,)
    assert is_cut(np.array([3.0])).tolist() == [False]
    assert is_cut(np.zeros(9)).tolist() == [False] * 9


def test_sharpness_falls_with_blur_and_not_with_size_or_light() -> None:
    import cv2

    face = cv2.cvtColor(scenery(3, 192), cv2.COLOR_RGB2GRAY).astype(np.float32)
    sharp = measure_sharpness(face)
    blurs = [measure_sharpness(cv2.GaussianBlur(face, (0, 0), s)) for s in (0.7, 1.5, 4)]
    assert sharp > 2 * blurs[0] > 4 * blurs[1] > 8 * blurs[2]
    assert measure_sharpness(0.5 * face + 20) == pytest.approx(sharp, rel=0.01)
    larger = cv2.resize(face, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    assert 0.5 < measure_sharpness(larger) / sharp < 1.5
    assert measure_sharpness(face[:4]) == 0
