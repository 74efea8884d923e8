from __future__ import annotations

import numpy as np
import pytest

from visavis.core.types import Picture
from visavis.media.lip_crop import light_of
from visavis.stages.animators.face_light import MOST, FaceLight, match_light

STUDIO = (168, 112, 99)


def make_face(colour: tuple[float, ...], noise: float = 12.0) -> Picture:
    rng = np.random.default_rng(1)
    picture = np.asarray(colour) + noise * rng.standard_normal((96, 96, 3))
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def test_light_is_read_where_speech_moves_nothing() -> None:
    face = make_face(STUDIO)
    read = light_of(face[None])
    assert read == pytest.approx(STUDIO, abs=1)
    mouth = face.copy()
    mouth[48:], mouth[:24], mouth[:, :19], mouth[:, -19:] = 0, 255, 255, 0
    assert light_of(mouth[None]) == pytest.approx(read)
    assert light_of(np.stack([face, mouth // 2])) == pytest.approx(0.75 * read, abs=1)


@pytest.mark.parametrize("colour", [(228, 170, 155), (130, 82, 64), STUDIO])
def test_a_face_is_brought_into_the_light_and_back(colour: tuple[float, ...]) -> None:
    face = make_face(colour)
    light = match_light(face, STUDIO)
    adapted = light.adapt(face)
    assert light_of(adapted[None]) == pytest.approx(STUDIO, abs=1)
    assert adapted.dtype == np.uint8
    # All but what was rounded away.
    assert np.abs(light.restore(adapted).astype(int) - face).max() <= 1
    assert not light.adapt(np.zeros((4, 4, 3), np.uint8)).any(), "black stays black"


def test_a_face_in_the_dark_is_not_made_noise() -> None:
    light = match_light(make_face((20, 20, 20), 2), STUDIO)
    assert light.shares == pytest.approx((MOST,) * 3)
    assert match_light(make_face((0, 0, 0), 0), STUDIO).shares == pytest.approx((MOST,) * 3)
    assert min(match_light(make_face((255, 255, 255), 0), (9, 9, 9)).shares) == 1 / MOST


def test_where_no_light_is_known_nothing_is_done() -> None:
    face = make_face((228, 170, 155))
    light = match_light(face, ())
    assert light == FaceLight()
    assert light.adapt(face) is face
    assert light.restore(face) is face


def test_rows_that_are_no_whole_picture_are_restored() -> None:
    face = make_face((228, 170, 155))
    light = match_light(face, STUDIO)
    assert np.array_equal(light.restore(face[36:]), light.restore(face)[36:])
