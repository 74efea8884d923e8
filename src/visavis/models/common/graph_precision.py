"""Smaller .onnx files: weights kept in 16 bits, or everything computed in 8. Needs no torch."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx

Array: TypeAlias = npt.NDArray[Any]

_FEWEST = 256
"""Weights of fewer numbers stay as they are."""


def halve_weights(source: Path, target: Path) -> None:
    """Keep the weights of a graph as 16-bit floats, which takes half the space.

    They are widened when the file is loaded, so that any runtime computes as it did before, at the
    same speed. (A graph that computes in 16 bits is slow on processors without such arithmetic.)

    Raises:
        ValueError: A weight is too large for 16 bits.
    """
    model = onnx.load(str(source))
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < _FEWEST:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise ValueError(f"the weights {tensor.name} do not fit into 16 bits")
        wide = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), wide + ".half"))
        casts.append(
            onnx.helper.make_node("Cast", [wide + ".half"], [wide], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    _save(model, target)


def quantize(source: Path, target: Path, calibration: Iterable[Mapping[str, Array]]) -> None:
    """Let a graph's convolutions compute in 8 bits, with ranges seen on examples.

    Weights have a scale for each channel that comes out; activations one for all. What follows the
    last convolution stays in single precision: in 8 bits, what goes into a sigmoid would show.

    Args:
        source: A graph in single precision.
        target: What is written.
        calibration: Real inputs, some dozens; the ranges of all values are those seen on them.
    """
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self._examples = iter(calibration)

        def get_next(self) -> dict[str, Array] | None:
            example = next(self._examples, None)
            return None if example is None else dict(example)

    # It logs advice to do what is done here, through the root logger.
    logger = logging.getLogger()
    level = logger.level
    with tempfile.TemporaryDirectory() as folder:
        prepared, quantized = Path(folder) / "prepared.onnx", Path(folder) / "quantized.onnx"
        logger.setLevel(logging.ERROR)
        try:
            quantization.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            quantization.quantize_static(
                str(prepared),
                str(quantized),
                Reader(),
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        finally:
            logger.setLevel(level)
        model = onnx.load(str(quantized))
    _free_what_follows(model.graph)
    _save(model, target)


def run_graph(graph: Path, examples: Iterable[Mapping[str, Array]]) -> Iterator[dict[str, Array]]:
    """Run a graph on examples, one by one, in ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for example in examples:
        yield dict(zip(names, session.run(names, dict(example)), strict=True))


def pass_bytes(giver: Path, taker: Path, names: Sequence[str]) -> None:
    """Let values go from one graph to another in 8 bits, as the other would bring them there anyway.

    Args:
        giver: Gives them in single precision; rewritten to give uint8.
        taker: A quantized graph that takes them in single precision; rewritten to take uint8.
        names: Outputs of the one and inputs of the other.
    """
    gives, takes = onnx.load(str(giver)), onnx.load(str(taker))
    constants = {tensor.name: tensor for tensor in takes.graph.initializer}
    given = {value.name: value for value in gives.graph.output}
    taken = {value.name: value for value in takes.graph.input}
    for name in names:
        (first,) = (node for node in takes.graph.node if name in node.input)
        assert first.op_type == "QuantizeLinear", f"{name} is not quantized"
        for node in takes.graph.node:
            node.input[:] = [name if i == first.output[0] else i for i in node.input]
        takes.graph.node.remove(first)
        taken[name].type.tensor_type.elem_type = onnx.TensorProto.UINT8
        for node in gives.graph.node:
            for names_of in (node.input, node.output):
                names_of[:] = [f"{name}.wide" if i == name else i for i in names_of]
        scale, zero = f"{name}.scale", f"{name}.zero"
        for constant, renamed in ((first.input[1], scale), (first.input[2], zero)):
            gives.graph.initializer.add().CopyFrom(constants[constant])
            gives.graph.initializer[-1].name = renamed
        gives.graph.node.append(
            onnx.helper.make_node("QuantizeLinear", [f"{name}.wide", scale, zero], [name])
        )
        given[name].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    _save(gives, giver)
    _save(takes, taker)


def _free_what_follows(graph: onnx.GraphProto) -> None:
    """Remove the rounding of values behind the last convolution."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    last = max(i for i, node in enumerate(graph.node) if "Conv" in node.op_type)
    behind = set(graph.node[last].output)
    linear = set(behind)
    kept = list(graph.node[: last + 1])
    for node in graph.node[last + 1 :]:
        if behind.intersection(node.input):
            behind.update(node.output)
            if node.op_type == "QuantizeLinear":
                # Where the least number means 0, the rounding of what is linear was its ReLU too.
                is_relu = not onnx.numpy_helper.to_array(constants[node.input[2]]).any()
                is_relu &= node.input[0] in linear
                node = _unary("Relu" if is_relu else "Identity", node)
            elif node.op_type == "DequantizeLinear":
                node = _unary("Identity", node)
            if node.op_type in ("Identity", "Add") and linear.intersection(node.input):
                linear.update(node.output)
        kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
    used = {name for node in kept for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def _unary(kind: str, node: onnx.NodeProto) -> onnx.NodeProto:
    return onnx.helper.make_node(kind, node.input[:1], node.output[:1], node.name)


def _save(model: onnx.ModelProto, target: Path) -> None:
    part = target.with_suffix(".part.onnx")
    onnx.save(model, str(part))
    part.replace(target)
