from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from visavis.core.types import Floats, Picture
from visavis.evaluation.fid import FeatureStatistics, Fid, compare
from visavis.evaluation.fvd import Fvd, Windows
from visavis.models.i3d.predictor import VideoFeatures
from visavis.stages.avatars import store

Bytes: TypeAlias = npt.NDArray[np.uint8]


class Changes:
    """Mean colour of a window, and how much it changes from picture to picture."""

    network = "changes"
    dimensions = 4
    frames = 3

    def embed(self, windows: Bytes) -> Floats:
        colours = windows.mean((2, 3))
        change = np.abs(np.diff(colours, axis=1)).mean((1, 2))
        return np.column_stack([colours.mean(1), change]).astype(np.float32)


class MeanColour:
    network = "mean colour"
    dimensions = 3

    def embed(self, pictures: Picture) -> Floats:
        return pictures.mean((1, 2)).astype(np.float32)


def flat(grey: int) -> Picture:
    return np.full((4, 4, 3), grey, np.uint8)


def show(fvd: Fvd, made: list[int], real: list[int]) -> None:
    for one, other in zip(made, real, strict=True):
        fvd.add(flat(one), flat(other))
    fvd.break_off()


def test_windows_follow_one_another_and_end_with_their_clip() -> None:
    windows = Windows(Changes())
    found = [windows.add(flat(grey)) for grey in (10, 20, 60, 7, 7, 7, 200, 200)]
    assert [len(some) for some in found] == [0, 0, 1, 0, 0, 1, 0, 0]
    np.testing.assert_allclose(np.concatenate(found), [[30, 30, 30, 25], [7, 7, 7, 0]])
    # What is left of a clip is no part of the next one's windows.
    windows.break_off()
    found = [windows.add(flat(grey)) for grey in (0, 3, 6)]
    np.testing.assert_allclose(found[2], [[3, 3, 3, 3]])
    windows.add(flat(0))
    with pytest.raises(ValueError, match="cannot follow"):
        windows.add(np.zeros((4, 5, 3), np.uint8))


def test_pictures_may_be_painted_over() -> None:
    windows, canvas = Windows(Changes()), flat(0)
    for grey in (10, 20, 60):
        canvas[:] = grey
        found = windows.add(canvas)
    np.testing.assert_allclose(found, [[30, 30, 30, 25]])


def test_the_distance_is_that_of_the_windows_features() -> None:
    rng = np.random.default_rng(0)
    made, real = (rng.integers(low, low + 60, (20, 7)).tolist() for low in (10, 90))
    fvd = Fvd(Changes())
    assert np.isnan(fvd.value())
    for one, other in zip(made, real, strict=True):
        show(fvd, one, other)
    # Two windows of three in each clip of seven.
    figure = fvd.figure()
    assert (figure.made, figure.real, figure.dimensions) == (40, 40, 4)
    statistics = []
    for clips in (real, made):
        one = FeatureStatistics(4)
        for clip in clips:
            for start in (0, 3):
                window = np.stack([flat(grey) for grey in clip[start : start + 3]])
                one.add(Changes().embed(window[None]))
        statistics.append(one)
    assert figure.distance == pytest.approx(compare(*statistics).distance, rel=1e-9)
    assert figure.distance > 3 * 70**2
    assert fvd.network == "changes"
    same = Fvd(Changes())
    for one in made:
        show(same, one, one)
    assert same.value() == pytest.approx(0, abs=1e-6)


def test_few_windows_make_it_high() -> None:
    rng = np.random.default_rng(1)
    found = []
    for windows in (6, 60, 600):
        fvd = Fvd(Changes())
        for _ in range(windows):
            show(fvd, *rng.integers(0, 256, (2, 3)).tolist())
        found.append((fvd.value(), fvd.figure().has_full_rank))
    assert found[0][0] > 3 * found[1][0] > 9 * found[2][0] > 0
    assert all(full for _, full in found)
    fvd = Fvd(Changes())
    show(fvd, [0] * 12, [9] * 12)
    assert not fvd.figure().has_full_rank


SHOWN = 3


@pytest.fixture(scope="module")
def face() -> list[Bytes]:
    """Windows of a face that turns this way and that, each in its own way."""
    import cv2

    picture = store.load("mei").frames[0][..., :3]
    height, width = picture.shape[:2]
    rng, windows = np.random.default_rng(2), []
    for _ in range(SHOWN):
        swing, pace, phase = rng.uniform(4, 9), rng.uniform(0.25, 0.5), rng.uniform(0, 6)
        window = []
        for t in range(16):
            turn = swing * np.sin(pace * t + phase)
            matrix = cv2.getRotationMatrix2D((width / 2, height * 0.8), turn, 1 + turn / 100)
            whole = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
            window.append(cv2.resize(whole[60:600, 100:640], (128, 128), interpolation=3))
        windows.append(np.stack(window))
    return windows


@pytest.fixture(scope="module")
def features() -> VideoFeatures:
    return VideoFeatures(threads=1)


@pytest.fixture(scope="module")
def real(face: list[Bytes], features: VideoFeatures) -> Floats:
    return features.embed(np.stack(face))


def measure(features: VideoFeatures, made: list[Bytes], real: Floats) -> float:
    """FVD, the real windows having been seen before."""
    fvd = Fvd(features)
    fvd.real.add(real)
    for window in made:
        for picture in window:
            fvd.add_made(picture)
        fvd.break_off()
    figure = fvd.figure()
    assert (figure.real, figure.made) == (SHOWN, SHOWN)
    return figure.distance


def frames_alone(made: list[Bytes], real: list[Bytes]) -> float:
    """The same of single frames, whatever their order."""
    fid = Fid(MeanColour())
    for one, other in zip(np.concatenate(made), np.concatenate(real), strict=True):
        fid.add(one, other)
    return fid.value()


def recode(windows: list[Bytes]) -> list[Bytes]:
    import cv2

    def one(picture: Picture) -> Picture:
        data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1], np.uint8)

    return [np.stack([one(picture) for picture in window]) for window in windows]


@pytest.fixture(scope="module")
def recoded(face: list[Bytes]) -> list[Bytes]:
    return recode(face)


@pytest.fixture(scope="module")
def small(recoded: list[Bytes], features: VideoFeatures, real: Floats) -> float:
    """What coding alone does."""
    return measure(features, recoded, real)


@pytest.mark.assets
def test_the_same_windows_are_at_nothing(
    face: list[Bytes], features: VideoFeatures, real: Floats
) -> None:
    # In another order of clips, which is not one of frames.
    assert measure(features, face[::-1], real) == pytest.approx(0, abs=1e-3)


@pytest.mark.assets
def test_shuffled_frames_are_seen(
    face: list[Bytes], recoded: list[Bytes], features: VideoFeatures, real: Floats, small: float
) -> None:
    rng = np.random.default_rng(3)
    shuffled = [window[rng.permutation(16)] for window in face]
    # To whoever sees frames alone, these are the real ones, and those that were coded again are not.
    assert frames_alone(shuffled, face) == pytest.approx(0, abs=1e-6)
    assert frames_alone(recoded, face) > 1e-4
    assert measure(features, shuffled, real) > 5 * small > 0


@pytest.mark.assets
def test_frozen_frames_are_seen(
    face: list[Bytes], features: VideoFeatures, real: Floats, small: float
) -> None:
    frozen = [np.repeat(window[8:9], 16, 0) for window in face]
    assert measure(features, frozen, real) > 10 * small > 0
