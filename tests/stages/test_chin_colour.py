"""A drawn chin keeps the colours of the face's own, and what is no chin is left alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from visavis.core.types import Avatar, Floats, Picture
from visavis.media.geometry import apply
from visavis.media.lip_crop import Square, lip_boxes
from visavis.models.common import mesh
from visavis.stages.animators.chin_colour import ChinColour
from visavis.stages.avatars import store

SIZE = 384


@pytest.fixture(scope="module", params=["mei", "adam", "ruth"])
def avatar(request: pytest.FixtureRequest) -> Avatar:
    return store.load(request.param)


def see(avatar: Avatar, size: int = SIZE) -> tuple[Picture, Floats]:
    """The square of an avatar's face, and its landmarks on it."""
    square = Square.of(lip_boxes(avatar.track.landmarks)[0])
    return square.cut(avatar.frames[0], size), apply(
        square.to_unit, avatar.track.landmarks[0, :, :2]
    )


def lower_face(marks: Floats) -> Floats:
    """From the mouth's corners to below the chin."""
    (left, top), (right, _) = marks[61], marks[291]
    return np.array([(left, top), (right, top), (right, 1.0), (left, 1.0)])


def chin_of(marks: Floats, size: int) -> np.ndarray:
    """The middle of the chin, (size, size)."""
    chin = np.zeros((size, size), np.uint8)
    lip = marks[mesh.LIPS_OUTER_LOWER].mean(0)
    middle = 0.4 * lip + 0.6 * marks[152]
    cv2.circle(chin, np.rint(middle * size).astype(int).tolist(), round(0.03 * size), 1, -1)
    return chin > 0


def blotch(picture: Picture, where: np.ndarray, colour: tuple[float, float, float]) -> Picture:
    """Shift colours around a place, with a soft edge."""
    size = len(picture)
    soft = cv2.GaussianBlur(
        cv2.dilate(where.astype(np.float32), np.ones((size // 12, size // 12))), (0, 0), size / 60
    )
    shifted = picture + soft[..., None] * np.array(colour)
    return np.clip(np.rint(shifted), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [96, 192, 384, 768])
@pytest.mark.parametrize("shift", [(0, 30, 50), (30, 45, 60), (-10, 25, 0)])
def test_a_pale_chin_gets_its_colour_back(
    avatar: Avatar, size: int, shift: tuple[float, float, float]
) -> None:
    crop, marks = see(avatar, size)
    chin = chin_of(marks, size)
    drawn = blotch(crop, chin, shift)
    kept = ChinColour(crop, marks, lower_face(marks)).keep(drawn, size)

    def away(picture: Picture) -> float:
        return float(np.abs(picture[chin].mean(0) - crop[chin].mean(0)).max())

    assert away(drawn) > 20
    assert away(kept) < 0.5 * away(drawn)


def test_its_own_chin_stays_as_it_is(avatar: Avatar) -> None:
    crop, marks = see(avatar)
    kept = ChinColour(crop, marks, lower_face(marks)).keep(crop, SIZE)
    away = np.abs(kept.astype(int) - crop).max(-1)
    assert away.mean() < 0.2
    assert np.quantile(away[chin_of(marks, SIZE)], 0.9) <= 4


@pytest.mark.parametrize("shift", [(0, -15, -20), (-40, -40, -40), (-60, -70, -70)])
def test_shadows_and_a_redder_chin_stay(avatar: Avatar, shift: tuple[float, float, float]) -> None:
    crop, marks = see(avatar)
    chin = chin_of(marks, SIZE)
    drawn = blotch(crop, chin, shift)
    kept = ChinColour(crop, marks, lower_face(marks)).keep(drawn, SIZE)
    assert np.abs(kept[chin].mean(0) - drawn[chin].mean(0)).max() < 4


def test_a_collar_stays_white(avatar: Avatar) -> None:
    crop, marks = see(avatar)
    crop = crop.copy()
    lowest = round(float(marks[mesh.FACE_OVAL, 1].max()) * SIZE) + 8
    crop[lowest:] = (235, 240, 245)
    colour = ChinColour(crop, marks, lower_face(marks))
    # Nor are its edges tinted where it is drawn a pixel higher.
    drawn = np.concatenate([crop[1:], crop[-1:]])
    for picture in (crop, drawn):
        kept = colour.keep(picture, SIZE)
        assert np.abs(kept[lowest:].astype(int) - picture[lowest:]).max() <= 3


def test_what_lies_above_the_chin_is_not_touched(avatar: Avatar) -> None:
    crop, marks = see(avatar)
    colour = ChinColour(crop, marks, lower_face(marks))
    white = np.full_like(crop, 250)
    lip = int(marks[mesh.LIPS_OUTER_LOWER, 1].max() * SIZE)
    assert np.array_equal(colour.keep(white, SIZE)[:lip], white[:lip])


def test_only_the_lowest_rows_may_be_given(avatar: Avatar) -> None:
    crop, marks = see(avatar)
    colour = ChinColour(crop, marks, lower_face(marks))
    drawn = blotch(crop, chin_of(marks, SIZE), (30, 45, 60))
    whole = colour.keep(drawn, SIZE)
    for first in (1, 100, 151, 192, 300, SIZE - 1):
        kept = colour.keep(drawn[first:], SIZE)
        assert kept.shape == drawn[first:].shape
        if first < 200:
            assert np.array_equal(kept, whole[first:])


def test_a_chin_outside_of_the_square(avatar: Avatar) -> None:
    crop, marks = see(avatar)
    below = marks + np.array([0.0, 0.6])
    assert ChinColour(crop, below, lower_face(below)).keep(crop, SIZE) is crop


def test_a_face_without_colour_stays_without(avatar: Avatar) -> None:
    crop, marks = see(avatar)
    grey = np.repeat(crop.mean(-1, keepdims=True), 3, -1).astype(np.uint8)
    tinted = blotch(grey, chin_of(marks, SIZE), (0, 20, 30))
    kept = ChinColour(grey, marks, lower_face(marks)).keep(tinted, SIZE)
    chin = kept[chin_of(marks, SIZE)].astype(int)
    assert np.abs(chin.max(-1) - chin.min(-1)).mean() < 8
