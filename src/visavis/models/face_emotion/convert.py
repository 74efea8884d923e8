"""The published weights, in TensorFlow.js's format, as an ONNX network in memory.

Source: FaceExpressionNet and FaceFeatureExtractor of face-api.js (Mühler, 2018; kept by Mandic): four
dense blocks of convolutions that are separable, but for the very first, each halving the picture.

Shapes: B faces of 112 x 112; blocks give 56, 28, 14 and 7 pixels with 32, 64, 128 and 256 channels.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from visavis.core.errors import ChecksumMismatch
from visavis.core.types import Emotion, Floats
from visavis.models.common.graph_writer import GraphWriter

SIDE = 112
CLASSES: tuple[Emotion, ...] = (
    "neutral", "happy", "sad", "angry", "fear", "disgusted", "surprised",
)  # fmt: skip
"""``FACE_EXPRESSION_LABELS`` in our names: their ``fearful`` is ``fear``."""
FACES, PROBABILITIES = "faces", "probabilities"

_CHANNELS = (3, 32, 64, 128, 256)
_BLOCK = 4
"""Convolutions in a dense block."""
_MEAN = np.array([122.782, 117.001, 104.298], np.float32)
"""Red, green, blue; subtracted before the division by 255, as the network was trained."""
_NOT_THESE = "these are no weights of the face expression network of face-api.js"


def convert(manifest: bytes, weights: bytes) -> bytes:
    """Write the network.

    Args:
        manifest: ``face_expression_model-weights_manifest.json``: names, shapes and scales.
        weights: ``face_expression_model.bin``: the numbers in the same order.

    Returns:
        A serialized ONNX model from ``faces`` uint8 (B, 112, 112, 3), RGB, to ``probabilities``
        float32 (B, 7) in the order of `CLASSES`.

    Raises:
        ChecksumMismatch: These are not weights of this network.
    """
    from onnx import TensorProto, helper

    values = read_weights(manifest, weights)
    graph = GraphWriter()
    x = graph.add("Cast", [FACES], to=TensorProto.FLOAT)
    x = graph.add("Sub", [x, graph.constant(_MEAN)])
    x = graph.add("Div", [x, graph.constant(np.float32(255))])
    x = graph.add("Transpose", [x], perm=[0, 3, 1, 2])
    for block in range(len(_CHANNELS) - 1):
        x = _add_block(graph, x, values, block)
    x = graph.add("ReduceMean", [x, graph.constant(np.array([2, 3]))], keepdims=0)
    x = graph.add("MatMul", [x, graph.constant(_take(values, "fc/weights", (256, len(CLASSES))))])
    x = graph.add("Add", [x, graph.constant(_take(values, "fc/bias", (len(CLASSES),)))])
    graph.add("Softmax", [x], out=PROBABILITIES, axis=1)
    return graph.finish(
        [helper.make_tensor_value_info(FACES, TensorProto.UINT8, ["items", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["items", len(CLASSES)])],
    )


def read_weights(manifest: bytes, weights: bytes) -> dict[str, Floats]:
    """Read the numbers of TensorFlow.js's weights by their names.

    A tensor is float32 as it stands, or uint8 q that means q * scale + min.

    Raises:
        ChecksumMismatch: The files do not belong together.
    """
    try:
        entries: list[dict[str, Any]] = [
            e for group in json.loads(manifest) for e in group["weights"]
        ]
        values, place = {}, 0
        for entry in entries:
            rule = entry.get("quantization")
            kind = np.dtype(rule["dtype"] if rule else entry["dtype"]).newbyteorder("<")
            count = int(np.prod(entry["shape"]))
            numbers = np.frombuffer(weights, kind, count, place).astype(np.float32)
            place += count * kind.itemsize
            if rule:
                numbers = numbers * np.float32(rule["scale"]) + np.float32(rule["min"])
            values[entry["name"]] = numbers.reshape(entry["shape"])
    except (ValueError, KeyError, TypeError) as error:
        raise ChecksumMismatch(_NOT_THESE) from error
    if place != len(weights):
        raise ChecksumMismatch(_NOT_THESE)
    return values


def _add_block(graph: GraphWriter, x: str, values: dict[str, Floats], block: int) -> str:
    """A dense block: each convolution sees the sum of all before it in the block."""
    inputs, outputs = _CHANNELS[block], _CHANNELS[block + 1]
    seen: list[str] = []
    for index in range(_BLOCK):
        name = f"dense{block}/conv{index}"
        stride = 2 if index == 0 else 1
        width = inputs if index == 0 else outputs
        if block == index == 0:
            weight = _take(values, f"{name}/filters", (3, 3, width, outputs)).transpose(3, 2, 0, 1)
            x = _convolve(graph, x, weight, stride, 1)
        else:
            depth = _take(values, f"{name}/depthwise_filter", (3, 3, width, 1))
            x = _convolve(graph, x, depth.transpose(2, 3, 0, 1), stride, width)
            point = _take(values, f"{name}/pointwise_filter", (1, 1, width, outputs))
            x = _convolve(graph, x, point.transpose(3, 2, 0, 1), 1, 1)
        bias = _take(values, f"{name}/bias", (outputs,)).reshape(1, outputs, 1, 1)
        x = graph.add("Add", [x, graph.constant(bias)])
        # Within the block each output is added to those before, and the first is rectified alone.
        seen.append(graph.add("Relu", [x]) if index == 0 else x)
        x = graph.add("Relu", [graph.add("Sum", seen)]) if index else seen[0]
    return x


def _convolve(graph: GraphWriter, x: str, weight: Floats, stride: int, groups: int) -> str:
    size = weight.shape[2]
    # TensorFlow's "same" pads an even picture by one at the end only, where it is halved.
    pads = [0, 0, 0, 0] if size == 1 else [0, 0, 1, 1] if stride == 2 else [1, 1, 1, 1]
    return graph.add(
        "Conv", [x, graph.constant(weight)],
        kernel_shape=[size, size], strides=[stride, stride], pads=pads, group=groups,
    )  # fmt: skip


def _take(values: dict[str, Floats], name: str, shape: tuple[int, ...]) -> Floats:
    if name not in values or values[name].shape != shape:
        raise ChecksumMismatch(_NOT_THESE)
    return values[name]
