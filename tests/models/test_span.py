"""Pictures four times as large: the published numbers, and faces that come nearer to what they were."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from visavis.core.errors import ChecksumMismatch, MissingWeights
from visavis.core.types import Picture
from visavis.models import runtime
from visavis.models.assets import locate
from visavis.models.span.convert import ENLARGED, PICTURES, convert
from visavis.models.span.predictor import Upscaler
from visavis.stages.avatars import store

# What ncnn 1.0.20261020 makes of `ramps` with the published graph, at every fifth row and sixth column.
BY_NCNN = [
    [[4, 255, 1], [7, 191, 0], [17, 119, 0], [24, 47, 0]],
    [[50, 255, 0], [53, 191, 11], [59, 122, 25], [68, 44, 41]],
    [[102, 255, 0], [103, 190, 29], [107, 120, 60], [116, 40, 96]],
    [[149, 254, 0], [152, 190, 47], [158, 120, 98], [165, 44, 153]],
    [[203, 254, 0], [202, 186, 66], [206, 128, 125], [223, 42, 216]],
]


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler(threads=1)


@pytest.fixture(scope="module")
def ramps() -> Picture:
    y, x = np.mgrid[:6, :5]
    return np.stack([y * 40 + x * 5 + 10, 250 - x * 50, x * y * 11], -1).astype(np.uint8)


def face_of(name: str) -> Picture:
    """256 x 256 around the nose and the mouth, at the size they have on the avatar."""
    avatar = store.load(name)
    x, y = avatar.track.landmarks[0, [1, 13], :2].mean(0).astype(int)
    return np.ascontiguousarray(avatar.frames[0][y - 128 : y + 128, x - 128 : x + 128, :3])


def psnr(a: Picture, b: Picture) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def gradients(image: Picture) -> float:
    return sum(float(np.mean(np.diff(image.astype(float), axis=i) ** 2)) for i in (0, 1))


@pytest.mark.assets
def test_numbers_are_those_of_the_published_network(upscaler: Upscaler, ramps: Picture) -> None:
    enlarged = upscaler.upscale(ramps[None])
    assert enlarged.dtype == np.uint8
    assert enlarged.shape == (1, 24, 20, 3)
    assert np.abs(enlarged[0, ::5, ::6].astype(int) - BY_NCNN).max() <= 1


@pytest.mark.assets
@pytest.mark.parametrize("name", ["mei", "adam", "ruth"])
def test_a_face_comes_nearer_to_what_it_was(upscaler: Upscaler, name: str) -> None:
    face = face_of(name)
    small = cv2.resize(face, (64, 64), interpolation=cv2.INTER_AREA)
    cubic = np.asarray(cv2.resize(small, (256, 256), interpolation=cv2.INTER_CUBIC))
    enlarged = upscaler.upscale(small[None])[0]
    assert psnr(enlarged, face) > psnr(cubic, face) + 0.4
    assert 1.4 * gradients(cubic) < gradients(enlarged) < gradients(face)
    assert np.abs(enlarged.mean((0, 1)) - face.mean((0, 1))).max() < 0.5
    # Also near the rim, where the network sees that the picture ends.
    rim = np.ones((256, 256), bool)
    rim[8:-8, 8:-8] = False
    assert psnr(enlarged[rim], face[rim]) > psnr(cubic[rim], face[rim])


@pytest.mark.assets
def test_a_colour_stays_that_colour(upscaler: Upscaler) -> None:
    flat = np.full((1, 12, 12, 3), (200, 100, 50), np.uint8)
    away = np.abs(upscaler.upscale(flat)[0].astype(int) - flat[0, 0, 0])
    assert away[8:-8, 8:-8].max() <= 1
    assert away.max() <= 5


@pytest.mark.assets
def test_each_picture_keeps_its_place(upscaler: Upscaler, ramps: Picture) -> None:
    pictures = np.stack([ramps, 255 - ramps, ramps[::-1]])
    each = np.concatenate([upscaler.upscale(one[None]) for one in pictures])
    assert np.array_equal(upscaler.upscale(pictures), each)
    assert psnr(each[0], each[1]) < 15


@pytest.mark.assets
@pytest.mark.parametrize("shape", [(0, 8, 8, 3), (2, 0, 8, 3), (1, 1, 1, 3), (2, 7, 13, 3)])
def test_any_size_and_number(upscaler: Upscaler, shape: tuple[int, ...]) -> None:
    pictures = np.random.default_rng(0).integers(90, 120, shape, np.uint8)
    enlarged = upscaler.upscale(pictures)
    assert enlarged.shape == (shape[0], 4 * shape[1], 4 * shape[2], 3)
    assert enlarged.dtype == np.uint8
    if enlarged.size:
        assert abs(float(enlarged.mean()) - float(pictures.mean())) < 3


@pytest.mark.assets
def test_openvino_gives_the_same_picture(upscaler: Upscaler) -> None:
    small = cv2.resize(face_of("adam"), (64, 64), interpolation=cv2.INTER_AREA)
    network = runtime.load(convert(locate("span").read_bytes()), runtime="openvino", threads=1)
    found, wanted = network.run({PICTURES: small[None]})[ENLARGED], upscaler.upscale(small[None])
    # It may compute in bf16.
    assert psnr(found, wanted) > 48
    assert np.abs(found.mean((0, 1, 2)) - wanted.mean((0, 1, 2))).max() < 0.6


@pytest.mark.assets
def test_other_weights_are_refused(tmp_path: Path) -> None:
    weights = locate("span").read_bytes()
    with pytest.raises(ChecksumMismatch, match="end after 400,000 bytes"):
        convert(weights[:400_000])
    with pytest.raises(ChecksumMismatch, match="4 bytes are left over"):
        convert(weights + bytes(4))
    with pytest.raises(ChecksumMismatch, match="at byte 12 is 00000000"):
        convert(weights[:12] + bytes(4) + weights[16:])
    path = tmp_path / "span.bin"
    path.write_bytes(b"not a network")
    with pytest.raises(ChecksumMismatch, match="no weights of SPAN x4"):
        Upscaler(path)


def test_missing_weights_say_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VISAVIS_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(MissingWeights, match="visavis models pull span"):
        Upscaler()
    with pytest.raises(MissingWeights, match=r"there is no file .*visavis models pull span"):
        Upscaler(tmp_path / "spanx4_ch48.bin")
