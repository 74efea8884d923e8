"""The published weights, in ncnn's format, as an ONNX network in memory.

SPAN is convolutions and gates without parameters, so that it is written out here in full and ncnn is
not needed. Source: Wan et al., "Swift Parameter-free Attention Network for Efficient
Super-Resolution" (2024), section 3, in its form for inference: what is linear is one convolution.

Shapes: B pictures of height H and width W; C = 48 channels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from visavis.core.errors import ChecksumMismatch
from visavis.core.types import Floats
from visavis.models.common.graph_writer import GraphWriter

SCALE = 4
CHANNELS = 48
BLOCKS = 6
PICTURES, ENLARGED = "pictures", "enlarged"
_HALVES = bytes.fromhex("476b3001")
"""What ncnn puts before weights of 16 bits."""
_RANGE = np.float32(255)
"""The network was trained on values of 0..1 less their mean, times this."""
_NOT_THESE = f"these are no weights of SPAN x4 with {CHANNELS} channels"


def convert(weights: bytes) -> bytes:
    """Write the network.

    Args:
        weights: ``spanx4_ch48.bin``: the mean of each channel, then weights and bias of each
            convolution in the order they are computed in.

    Returns:
        A serialized ONNX model from ``pictures`` (B, H, W, 3), RGB, to ``enlarged``
        (B, 4H, 4W, 3), both uint8.

    Raises:
        ChecksumMismatch: These are not weights of this network.
    """
    from onnx import TensorProto, helper

    reader = _Reader(weights)
    graph = GraphWriter()
    mean = reader.numbers(3).reshape(1, 3, 1, 1)

    def convolve(x: str, inputs: int, size: int = 3) -> str:
        weight, bias = reader.convolution(inputs, size)
        return graph.add(
            "Conv", [x, graph.constant(weight), graph.constant(bias)],
            kernel_shape=[size, size], pads=[size // 2] * 4,
        )  # fmt: skip

    x = graph.add("Cast", [PICTURES], to=TensorProto.FLOAT)
    x = graph.add("Transpose", [x], perm=[0, 3, 1, 2])
    x = graph.add("Sub", [x, graph.constant(mean * _RANGE)])
    first = x = convolve(x, 3)
    blocks = []
    for _ in range(BLOCKS):
        x, seen = _add_block(graph, x, convolve)
        blocks.append((x, seen))
    last = convolve(x, CHANNELS)
    # What is looked at again: the first layer, the first block, and the inside of the last.
    x = graph.add("Concat", [first, last, blocks[0][0], blocks[-1][1]], axis=1)
    x = convolve(x, 4 * CHANNELS, 1)
    x = convolve(x, CHANNELS)
    x = graph.add("DepthToSpace", [x], blocksize=SCALE, mode="CRD")
    x = graph.add("Mul", [x, graph.constant(_RANGE)])
    x = graph.add("Round", [x])
    x = graph.add("Clip", [x, graph.constant(np.float32(0)), graph.constant(_RANGE)])
    x = graph.add("Transpose", [x], perm=[0, 2, 3, 1])
    graph.add("Cast", [x], out=ENLARGED, to=TensorProto.UINT8)
    reader.end()
    number = TensorProto.UINT8
    return graph.finish(
        [helper.make_tensor_value_info(PICTURES, number, ["items", "height", "width", 3])],
        [helper.make_tensor_value_info(ENLARGED, number, None)],
    )


def _add_block(graph: GraphWriter, x: str, convolve: Callable[[str, int], str]) -> tuple[str, str]:
    """Add a block, whose outcome says itself how far it counts; also give what is seen inside."""
    seen = _silu(graph, convolve(x, CHANNELS))
    inner = convolve(_silu(graph, convolve(seen, CHANNELS)), CHANNELS)
    half = graph.constant(np.float32(0.5))
    attention = graph.add("Sub", [graph.add("Sigmoid", [inner]), half])
    return graph.add("Mul", [graph.add("Add", [inner, x]), attention]), seen


def _silu(graph: GraphWriter, x: str) -> str:
    return graph.add("Mul", [x, graph.add("Sigmoid", [x])])


class _Reader:
    """Numbers of a file of ncnn's, one layer after the other."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def numbers(self, count: int, kind: str = "<f4") -> Floats:
        """Read so many numbers; what follows begins at a multiple of four bytes."""
        size = count * np.dtype(kind).itemsize
        if self._at + size > len(self._content):
            raise ChecksumMismatch(f"{_NOT_THESE}: they end after {len(self._content):,} bytes")
        values = np.frombuffer(self._content, kind, count, self._at).astype(np.float32)
        self._at += -(-size // 4) * 4
        return values

    def convolution(self, inputs: int, size: int) -> tuple[Floats, Floats]:
        """Read the weight (C, inputs, size, size) and the bias (C,) of a convolution."""
        marked = self._content[self._at : self._at + 4]
        if marked and marked != _HALVES:
            raise ChecksumMismatch(f"{_NOT_THESE}: at byte {self._at:,} is {marked.hex()}")
        self._at += 4
        shape = (CHANNELS, inputs, size, size)
        weight = self.numbers(int(np.prod(shape)), "<f2").reshape(shape)
        return weight, self.numbers(CHANNELS)

    def end(self) -> None:
        """Check that nothing is left."""
        if self._at != len(self._content):
            left = len(self._content) - self._at
            raise ChecksumMismatch(f"{_NOT_THESE}: {left:,} bytes are left over")
