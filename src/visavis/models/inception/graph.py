"""The network as ONNX, written out from the layers of the published file.

FID's Inception-v3 is Google's of 2015 (Szegedy et al., "Rethinking the Inception Architecture for
Computer Vision", CVPR 2016). It is not torchvision's: averages at a rim are over the pixels that are
there, and the last block takes maxima where all others take averages.

Shapes: B pictures, RGB; D = 2048 features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from visavis.core.errors import ChecksumMismatch
from visavis.core.types import Floats
from visavis.models.common.graph_writer import GraphWriter
from visavis.models.inception.torchscript import Layer

PICTURES, FEATURES = "pictures", "features"
SIZE = 299
"""Pixels of a side, to which pictures are brought."""
DIMENSIONS = 2048
EPSILON = 1e-3
"""Added to the variances of normalizations."""
MIDDLE = 128
"""The grey level that is 0 to the network, and how many more are 1."""

Branch: TypeAlias = tuple[str, ...]
"""What is done one after the other: a layer by its name, or a pooling."""

_AVERAGE, _MOST, _SHRINK = "average", "most", "shrink"
_PLACE = "net.layers."
_WHAT_TO_DO = "run `visavis models pull inception`"
_SMALL: tuple[Branch, ...] = (
    ("conv",),
    ("tower.conv", "tower.conv_1"),
    ("tower_1.conv", "tower_1.conv_1", "tower_1.conv_2"),
    (_AVERAGE, "tower_2.conv"),
)
_SHRINKING: tuple[Branch, ...] = (
    ("conv",),
    ("tower.conv", "tower.conv_1", "tower.conv_2"),
    (_SHRINK,),
)
_CROSSED: tuple[Branch, ...] = (
    ("conv",),
    ("tower.conv", "tower.conv_1", "tower.conv_2"),
    ("tower_1.conv", *(f"tower_1.conv_{number}" for number in range(1, 5))),
    (_AVERAGE, "tower_2.conv"),
)
_SHRINKING_AGAIN: tuple[Branch, ...] = (
    ("tower.conv", "tower.conv_1"),
    ("tower_1.conv", "tower_1.conv_1", "tower_1.conv_2", "tower_1.conv_3"),
    (_SHRINK,),
)


def _forked(pooling: str) -> tuple[Branch, ...]:
    return (
        ("conv",),
        ("tower_conv", "tower_mixed_conv"),
        ("tower_conv", "tower_mixed_conv_1"),
        ("tower_1_conv", "tower_1_conv_1", "tower_1_mixed_conv"),
        ("tower_1_conv", "tower_1_conv_1", "tower_1_mixed_conv_1"),
        (pooling, "tower_2_conv"),
    )


_STEM: Branch = ("conv", "conv_1", "conv_2", _SHRINK, "conv_3", "conv_4", _SHRINK)
_BLOCKS: tuple[tuple[Branch, ...], ...] = (
    *(_SMALL,) * 3,
    _SHRINKING,
    *(_CROSSED,) * 4,
    _SHRINKING_AGAIN,
    _forked(_AVERAGE),
    _forked(_MOST),
)


def write_graph(layers: Mapping[str, Layer]) -> bytes:
    """Write the network.

    Pictures are brought to 299x299 as TensorFlow 1 did it, which is what FID's figures are based on:
    bilinearly, pixel i of the result at i x size / 299 of the picture, and without averaging where
    that shrinks. Grey levels v become (v - 128) / 128.

    Args:
        layers: Of `read_layers`: each with ``weight``, ``stride`` and ``padding`` of a convolution,
            and ``mean``, ``var`` and ``beta`` of the normalization that comes after it.

    Returns:
        A serialized ONNX model from ``pictures``, uint8 (B, H, W, 3) of any size, to ``features``,
        float32 (B, 2048).

    Raises:
        ChecksumMismatch: These are layers of another network.
    """
    from onnx import TensorProto, helper

    writer = _Writer(layers)
    x = writer.branch(_PLACE, writer.enter(), _STEM)
    for number, branches in enumerate(_BLOCKS):
        place = f"{_PLACE}mixed_{number}." if number else f"{_PLACE}mixed."
        ends = [writer.branch(place, x, branch) for branch in branches]
        x = writer.graph.add("Concat", ends, axis=1)
    writer.end()
    axes = writer.graph.constant(np.array([2, 3]))
    writer.graph.add("ReduceMean", [x, axes], out=FEATURES, keepdims=0)
    sides: list[str | int | None] = ["items", "height", "width", 3]
    return writer.graph.finish(
        [helper.make_tensor_value_info(PICTURES, TensorProto.UINT8, sides)],
        [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["items", DIMENSIONS])],
    )


class _Writer:
    """A graph, and what of the layers is in it."""

    def __init__(self, layers: Mapping[str, Layer]) -> None:
        self.graph = GraphWriter()
        self._layers = layers
        self._written: dict[str, str] = {}

    def enter(self) -> str:
        """Make of the pictures what the network takes, (B, 3, 299, 299)."""
        from onnx import TensorProto

        g = self.graph
        x = g.add("Cast", [PICTURES], to=TensorProto.FLOAT)
        x = g.add("Transpose", [x], perm=[0, 3, 1, 2])
        items = g.add("Shape", [x], start=0, end=1)
        sides = g.add("Concat", [items, g.constant(np.array([3, SIZE, SIZE]))], axis=0)
        x = g.add(
            "Resize", [x, "", "", sides],
            mode="linear", coordinate_transformation_mode="asymmetric",
        )  # fmt: skip
        middle = g.constant(np.float32(MIDDLE))
        return g.add("Div", [g.add("Sub", [x, middle]), middle])

    def branch(self, place: str, x: str, steps: Branch) -> str:
        """Do one step after the other; a layer that two branches begin with is done once."""
        for step in steps:
            x = (
                self._pool(step, x)
                if step in (_AVERAGE, _MOST, _SHRINK)
                else self._layer(place + step, x)
            )
        return x

    def end(self) -> None:
        """Check that nothing is left."""
        left = sorted(self._layers.keys() - self._written.keys())
        if left:
            raise ChecksumMismatch(f"FID's Inception-v3 has no layer {left[0]}; {_WHAT_TO_DO}")

    def _layer(self, name: str, x: str) -> str:
        """Convolve, normalize, and leave out what is below nothing."""
        if name not in self._written:
            try:
                weight, bias = _fold(self._layers[name])
                layer = self._layers[name]
                stride, padding = layer["stride"], layer["padding"]
            except (KeyError, ValueError) as error:
                raise ChecksumMismatch(
                    f"the layer {name} of FID's Inception-v3 is not there as it should be"
                    f" ({error}); {_WHAT_TO_DO}"
                ) from error
            down, across = padding if isinstance(padding, list) else (padding, padding)
            x = self.graph.add(
                "Conv", [x, self.graph.constant(weight), self.graph.constant(bias)],
                strides=[stride, stride], pads=[down, across, down, across],
            )  # fmt: skip
            self._written[name] = self.graph.add("Relu", [x])
        return self._written[name]

    def _pool(self, kind: str, x: str) -> str:
        if kind == _SHRINK:
            return self.graph.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2])
        if kind == _MOST:
            return self.graph.add("MaxPool", [x], kernel_shape=[3, 3], pads=[1] * 4)
        return self.graph.add(
            "AveragePool", [x], kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=0
        )


def _fold(layer: Layer) -> tuple[Floats, Floats]:
    """Weight and bias of a convolution that normalizes as well."""
    factor = 1 / np.sqrt(layer["var"].astype(np.float64) + EPSILON)
    weight = layer["weight"] * factor[:, None, None, None]
    bias = layer["beta"] - layer["mean"] * factor
    return weight.astype(np.float32), bias.astype(np.float32)
