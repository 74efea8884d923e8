"""The square that lip-sync networks see: where it lies, what moves it, and what does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import visavis
from visavis.core.types import Picture
from visavis.media.geometry import apply
from visavis.media.lip_crop import crop_square, lip_boxes, square_to_affine
from visavis.media.pack import load_avatar
from visavis.models.common import mesh

Points = npt.NDArray[np.float64]
FACES = Path(visavis.__file__).parent / "stages" / "avatars" / "defaults"
_JAW = (152, 148, 377, 176, 400, 149, 378, 150, 379, 136, 365, 172, 397, 200, 199, 175, 18, 83, 313)
_LOWER_LIP = (14, 17, 15, 16, 87, 317, 84, 314, 178, 402, 181, 405, 88, 318)


@pytest.fixture(scope="module", params=["mei", "adam", "ruth"])
def face(request: pytest.FixtureRequest) -> Points:
    """Landmarks (478, 2) of a portrait with the mouth shut."""
    track = load_avatar(FACES / f"{request.param}.avatar").track
    return track.landmarks[0, :, :2].astype(np.float64)


def width_of(face: Points) -> float:
    return float(np.ptp(face[[127, 234, 93, 356, 454, 323], 0]))


def opened(face: Points, gap: float) -> Points:
    """The jaw and the lower lip lowered by pixels."""
    moved = face.copy()
    moved[list(_JAW + _LOWER_LIP), 1] += gap
    return moved


def turned(points: Points, degrees: float, scale: float, shift: tuple[float, float]) -> Points:
    angle = np.radians(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T + shift


def test_it_is_a_square_around_mouth_and_nose(face: Points) -> None:
    x0, y0, x1, y1 = lip_boxes(face[None])[0]
    width = width_of(face)
    assert x1 - x0 == pytest.approx(y1 - y0, abs=0.01)
    assert 1.05 * width < x1 - x0 < 1.25 * width
    assert x0 < face[:468, 0].min()
    assert x1 > face[:468, 0].max()
    assert (x0 + x1) / 2 == pytest.approx(face[[127, 356], 0].mean(), abs=0.03 * width)
    # The lower half, which generators do not see, holds the whole mouth, and the chin as well when
    # the mouth is as wide open as in speech.
    assert face[list(mesh.LIPS_OUTER_UPPER), 1].min() > (y0 + y1) / 2
    assert face[152, 1] + 0.12 * width < y1
    assert face[152, 1] + 0.2 * width > y1
    assert y0 < face[[33, 263], 1].min()


def test_it_does_not_follow_the_jaw(face: Points) -> None:
    gaps = 0.07 * width_of(face) * (1 - np.cos(np.arange(40) / 3))
    boxes = lip_boxes(np.stack([opened(face, gap) for gap in gaps]))
    assert np.ptp(boxes, axis=0).max() < 0.02


def test_an_open_mouth_gives_the_square_of_the_shut_one(face: Points) -> None:
    shut, wide = (lip_boxes(opened(face, gap)[None])[0] for gap in (0.0, 0.1 * width_of(face)))
    assert np.abs(shut - wide).max() < 0.01 * width_of(face)


def test_a_low_chin_does_not_lift_the_mouth_into_the_upper_half(face: Points) -> None:
    stout = face.copy()
    stout[[152, 148, 377, 176, 400], 1] += 0.3 * width_of(face)
    _, y0, _, y1 = lip_boxes(stout[None])[0]
    assert (face[[0, 37, 267], 1].min() - y0) / (y1 - y0) == pytest.approx(0.54, abs=0.001)


def test_it_follows_the_head(face: Points) -> None:
    base = lip_boxes(face[None])[0]
    middle, side = (base[:2] + base[2:]) / 2, float(base[2] - base[0])
    moved = np.stack([turned(face, 0.4 * t, 1 + 0.01 * t, (2.0 * t, -t)) for t in range(30)])
    boxes = lip_boxes(moved)
    for t in (0, 14, 29):
        wanted = turned(middle[None], 0.4 * t, 1 + 0.01 * t, (2.0 * t, -t))[0]
        assert (boxes[t, :2] + boxes[t, 2:]) / 2 == pytest.approx(wanted, abs=0.01 * side)
        assert boxes[t, 2] - boxes[t, 0] == pytest.approx(side * (1 + 0.01 * t), rel=0.01)


def test_noise_of_the_landmarks_hardly_shakes_it(face: Points) -> None:
    rng = np.random.default_rng(0)
    noisy = face + rng.normal(0, 0.5, (100, *face.shape))
    steps = np.diff(lip_boxes(noisy), axis=0)
    assert np.abs(steps).mean() < 0.05


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_few_frames_are_enough(face: Points, count: int) -> None:
    moved = np.stack([turned(face, 0, 1, (3.0 * t, 0)) for t in range(count)])
    boxes = lip_boxes(moved)
    assert boxes.dtype == np.float32
    assert boxes.shape == (count, 4)
    # A steady motion is the same at the ends as in between.
    assert np.diff(boxes[:, 0]) == pytest.approx(3.0, abs=0.01)


def test_depth_is_ignored(face: Points) -> None:
    deep = np.concatenate([face, np.full((478, 1), 7.0)], axis=1)
    assert np.array_equal(lip_boxes(deep[None]), lip_boxes(face[None]))


def test_what_is_no_face_is_refused(face: Points) -> None:
    with pytest.raises(ValueError, match="T of 1 or more"):
        lip_boxes(np.zeros((0, 478, 2)))
    with pytest.raises(ValueError, match="not \\(3, 5, 2\\)"):
        lip_boxes(np.zeros((3, 5, 2)))
    with pytest.raises(ValueError, match="one place"):
        lip_boxes(np.zeros((3, 478, 2)))
    broken = face[None].copy()
    broken[0, 40] = np.nan
    with pytest.raises(ValueError, match="frames without a face"):
        lip_boxes(broken)


def picture(side: int = 64) -> Picture:
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (8, 8, 3))
    return np.repeat(np.repeat(coarse, side // 8, 0), side // 8, 1).astype(np.uint8)


def test_a_crop_of_the_same_size_is_the_picture() -> None:
    image = picture()
    assert np.array_equal(crop_square(image, (0, 0, 64, 64), 64), image)
    assert np.array_equal(crop_square(image, (8, 16, 40, 48), 32), image[16:48, 8:40])


@pytest.mark.parametrize("size", [16, 24, 50, 100, 200])
def test_a_crop_keeps_brightness_and_place(size: int) -> None:
    image = picture()
    crop = crop_square(image, (0, 0, 64, 64), size)
    assert crop.shape == (size, size, 3)
    assert crop.mean() == pytest.approx(image.mean(), abs=1.5)
    # The middle of each of the 8 x 8 tiles shows the tile's colour.
    centres = ((np.arange(8) + 0.5) * size / 8).astype(int)
    tiles = image[4::8, 4::8].astype(int)
    assert np.abs(crop[np.ix_(centres, centres)].astype(int) - tiles).mean() < 25


@pytest.mark.parametrize("size", [48, 24, 10])
def test_shrinking_averages(size: int) -> None:
    checks = np.indices((64, 64)).sum(0) % 2 * 255
    image = np.repeat(checks[..., None], 3, 2).astype(np.uint8)
    crop = crop_square(image, (0, 0, 64, 64), size).astype(float)
    # Taking single pixels would leave stripes from 0 to 255.
    assert crop.mean() == pytest.approx(127.5, abs=3)
    assert crop[2:-2, 2:-2].std() < 60


def test_beyond_the_border_lies_the_edge() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, 20:] = 200
    crop = crop_square(image, (20, -20, 80, 40), 30)
    assert (crop[:, 4:] >= 195).all()


def test_the_map_says_where_things_come_to_lie() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[59:62, 39:42] = 255
    box = (20.5, 30.25, 70.5, 80.25)
    crop = crop_square(image, box, 200)
    light = crop[..., 0].astype(float)
    at = [(light.sum(axis) * np.arange(200)).sum() / light.sum() for axis in (0, 1)]
    assert at == pytest.approx(apply(square_to_affine(box, 200), (40, 60)), abs=0.1)
    with pytest.raises(ValueError, match="empty"):
        square_to_affine((5, 5, 5, 5), 96)
