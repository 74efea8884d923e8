"""LPIPS without torch: the authors' figures, and those of the network that learns."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from visavis.core.errors import ChecksumMismatch, MissingWeights, PictureUnusable
from visavis.core.types import Floats, Picture
from visavis.evaluation.lpips import Lpips, lpips
from visavis.models.assets import load_pickle_restricted, locate
from visavis.models.lpips.export import Backbone
from visavis.models.lpips.network import load_lpips
from visavis.models.lpips.predictor import PerceptualDistance

# What the authors' package `lpips` 0.1.4 gives of `ramps` with `stripes`, and with themselves upside
# down and mirrored, on the layers of torchvision's networks.
BY_AUTHORS = {
    "alexnet": [0.8942894, 0.5472644, 0.4031695],
    "vgg16": [0.9266117, 0.7510093, 0.5794084],
}
# The sums of the heads in that package (weights/v0.1).
HEADS = {
    "alexnet": [2.34953, 16.14303, 39.26844, 27.19718, 20.31718],
    "vgg16": [6.92599, 8.85833, 17.51501, 51.52132, 47.03485],
}


@pytest.fixture(scope="module")
def ramps() -> Picture:
    y, x = np.mgrid[:64, :72]
    return np.stack([4 * y, 3 * x, x * y // 18], -1).astype(np.uint8)


@pytest.fixture(scope="module")
def stripes() -> Picture:
    y, x = np.mgrid[:64, :72]
    colours = [x // 6 % 2 * 255, y // 4 % 2 * 200, (x + y) // 8 % 2 * 90]
    return np.stack(colours, -1).astype(np.uint8)


@pytest.fixture(scope="module")
def alexnet() -> PerceptualDistance:
    return PerceptualDistance(threads=1)


def by_torch(one: Picture, other: Picture, backbone: Backbone) -> Floats:
    a, b = (torch.from_numpy(p.copy()).permute(0, 3, 1, 2) / 255 for p in (one, other))
    return np.asarray(load_lpips(backbone)(a, b).numpy())


@pytest.mark.assets
@pytest.mark.parametrize("backbone", ["alexnet", "vgg16"])
def test_figures_are_the_authors(backbone: Backbone, ramps: Picture, stripes: Picture) -> None:
    distance = PerceptualDistance(backbone, threads=1)
    others = np.stack([stripes, ramps[::-1], ramps[:, ::-1]])
    found = distance.compare(np.stack([ramps] * 3), others)
    np.testing.assert_allclose(found, BY_AUTHORS[backbone], atol=1e-5)


@pytest.mark.assets
@pytest.mark.parametrize("backbone", ["alexnet", "vgg16"])
def test_heads_are_the_authors(backbone: Backbone) -> None:
    stored = load_pickle_restricted(locate("lpips") / f"{backbone}.ckpt")
    heads = [stored[f"NetLinLayer_{i}"]["Conv_0"]["kernel"] for i in range(5)]
    sums = [np.asarray(head, np.float64).sum() for head in heads]
    np.testing.assert_allclose(sums, HEADS[backbone], atol=1e-5)
    assert all(np.min(head) >= 0 for head in heads)


@pytest.mark.assets
@pytest.mark.parametrize("backbone", ["alexnet", "vgg16"])
@pytest.mark.parametrize("shape", [(2, 32, 32), (1, 77, 51)])
def test_distances_are_those_of_the_network_that_learns(
    backbone: Backbone, shape: tuple[int, ...]
) -> None:
    one, other = np.random.default_rng(0).integers(0, 256, (2, *shape, 3), np.uint8)
    found = PerceptualDistance(backbone, threads=1).compare(one, other)
    np.testing.assert_allclose(found, by_torch(one, other, backbone), atol=1e-5)
    assert found.shape == shape[:1]
    assert found.min() > 0.03


@pytest.mark.assets
def test_distance_grows_with_the_fault(alexnet: PerceptualDistance, ramps: Picture) -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(size=ramps.shape)
    noisy = [np.clip(ramps + s * noise, 0, 255).astype(np.uint8) for s in (2, 8, 32)]
    crisp = rng.integers(0, 256, ramps.shape, np.uint8)
    blurred = [np.asarray(cv2.GaussianBlur(crisp, (0, 0), s)) for s in (0.5, 1, 2)]
    for real, faulty in ((ramps, noisy), (crisp, blurred)):
        found = [lpips(p, real, alexnet) for p in (real, *faulty)]
        assert found[0] == pytest.approx(0, abs=1e-7)
        assert found == sorted(found)
        assert found[1] < 0.2 < found[-1]


@pytest.mark.assets
def test_openvino_gives_the_same(
    alexnet: PerceptualDistance,
    ramps: Picture,
    stripes: Picture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    path = tmp_path / "alexnet.ckpt"
    path.symlink_to(locate("lpips") / "alexnet.ckpt")
    monkeypatch.setenv("VISAVIS_RUNTIME", "openvino")
    other = PerceptualDistance(path=path, threads=1)
    assert lpips(ramps, stripes, other) == pytest.approx(lpips(ramps, stripes, alexnet), abs=1e-4)


@pytest.mark.assets
def test_frames_are_averaged(alexnet: PerceptualDistance, ramps: Picture, stripes: Picture) -> None:
    figure = Lpips(alexnet)
    assert np.isnan(figure.value())
    assert figure.add(ramps, ramps) == pytest.approx(0, abs=1e-7)
    far = figure.add(stripes, ramps)
    assert figure.frames == 2
    assert figure.value() == pytest.approx(far / 2)
    # Which weights they were.
    assert figure.network == "LPIPS 0.1 on alexnet, SHA-256 443c5bc35326b81e"


@pytest.mark.assets
def test_what_cannot_be_compared_is_refused(alexnet: PerceptualDistance, ramps: Picture) -> None:
    with pytest.raises(PictureUnusable, match="72x31"):
        lpips(ramps[:31], ramps[:31], alexnet)
    with pytest.raises(ValueError, match="cannot be compared"):
        lpips(ramps, ramps[:40], alexnet)
    assert alexnet.compare(ramps[None][:0], ramps[None][:0]).shape == (0,)


@pytest.mark.assets
def test_weights_of_another_network_are_refused() -> None:
    path = locate("lpips") / "alexnet.ckpt"
    with pytest.raises(ChecksumMismatch, match=r"no weights of LPIPS on vgg16.*Conv_5"):
        PerceptualDistance("vgg16", path)
    with pytest.raises(ChecksumMismatch, match="13 convolutions"):
        PerceptualDistance("alexnet", path.with_name("vgg16.ckpt"))


def test_files_that_hold_no_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="visavis models pull lpips"):
        PerceptualDistance(path=tmp_path / "alexnet.ckpt")
    for name, content in (("list", [1, 2]), ("empty", {})):
        path = tmp_path / name
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(ChecksumMismatch, match="no weights"):
            PerceptualDistance(path=path)
