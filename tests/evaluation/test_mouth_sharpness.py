from __future__ import annotations

import cv2
import numpy as np
import pytest

from visavis.core.types import Floats, Picture
from visavis.evaluation.face_regions import eye_region, mouth_region
from visavis.evaluation.mouth_sharpness import MouthSharpness, SharpnessFigures, sharpness_against
from visavis.media.geometry import apply, estimate_similarity, warp
from visavis.stages.avatars import store


@pytest.fixture(scope="module")
def face() -> tuple[Picture, Floats]:
    """A packaged portrait, aligned, and its marks."""
    avatar = store.load("mei")
    landmarks = avatar.track.landmarks[0][:, :2]
    place = estimate_similarity(landmarks[[33, 263]], [[82, 92], [174, 92]])
    return warp(avatar.frames[0], place, 256, 256), apply(place, landmarks).astype(np.float32)


def measure(picture: Picture, marks: Floats, frames: int = 1) -> SharpnessFigures:
    sharpness = MouthSharpness()
    for _ in range(frames):
        sharpness.add(picture, marks)
    return sharpness.value()


def soften(picture: Picture, mask: np.ndarray, sigma: float) -> Picture:
    soft = cv2.GaussianBlur(picture, (0, 0), sigma)
    return np.where(mask[..., None], soft, picture)


def test_variance_by_hand(face: tuple[Picture, Floats]) -> None:
    picture, marks = face
    # A wave of period p and height h: the Laplacian takes 2 - 2 cos(2 pi / p) of it.
    x = np.arange(256)
    wave = 128 + 60 * np.cos(2 * np.pi * x / 8)
    striped = np.repeat(np.tile(np.rint(wave), (256, 1))[..., None], 3, 2).astype(np.uint8)
    passed = np.exp(-((2 * np.pi / 8) ** 2) / 2)
    wanted = (60 * passed * (2 - 2 * np.cos(2 * np.pi / 8))) ** 2 / 2
    figures = measure(striped, marks)
    assert figures.mouth == pytest.approx(wanted, rel=0.08)
    assert figures.ratio == pytest.approx(1, abs=0.08)
    flat = measure(np.full_like(picture, 99), marks)
    assert (flat.mouth, flat.upper) == (0, 0)
    assert np.isnan(flat.ratio)


def test_a_soft_mouth_is_told(face: tuple[Picture, Floats]) -> None:
    picture, marks = face
    source = measure(picture, marks)
    shares = [
        sharpness_against(measure(soften(picture, mouth_region(marks), sigma), marks), source)
        for sigma in (0.5, 1, 2, 4)
    ]
    assert sharpness_against(source, source) == 1
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.75
    assert shares[2] < 0.3
    # Eyes that are softer than the source's make the mouth sharper beside them.
    assert sharpness_against(measure(soften(picture, eye_region(marks), 2), marks), source) > 2


def test_a_soft_picture_is_no_soft_mouth(face: tuple[Picture, Floats]) -> None:
    picture, marks = face
    source = measure(picture, marks)
    everywhere = measure(soften(picture, np.ones((256, 256), bool), 1), marks)
    assert everywhere.mouth < 0.7 * source.mouth
    assert sharpness_against(everywhere, source) == pytest.approx(1, abs=0.2)
    # Nor does light change it.
    dark = (picture.astype(np.float32) * 0.6).astype(np.uint8)
    assert sharpness_against(measure(dark, marks), source) == pytest.approx(1, abs=0.05)


def test_frames_are_averaged_and_lost_ones_skipped(face: tuple[Picture, Floats]) -> None:
    picture, marks = face
    soft = soften(picture, mouth_region(marks), 2)
    both = MouthSharpness()
    for frame, where in ((picture, marks), (soft, marks), (soft, np.full_like(marks, np.nan))):
        both.add(frame, where)
    figures = both.value()
    assert figures.frames == 2
    one, other = measure(picture, marks), measure(soft, marks)
    assert figures.mouth == pytest.approx((one.mouth + other.mouth) / 2)
    assert measure(picture, marks, 5).ratio == pytest.approx(one.ratio)
    nothing = MouthSharpness().value()
    assert nothing.frames == 0
    assert np.isnan([nothing.ratio, sharpness_against(nothing, one)]).all()
    assert np.isnan(sharpness_against(one, nothing))
