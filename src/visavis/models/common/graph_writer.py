"""Writing an ONNX graph node by node, with quantized convolutions as products of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto, ValueInfoProto

Array: TypeAlias = npt.NDArray[Any]

OPSET = 20
_END = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Kernel:
    """A quantized convolution over time.

    Attributes:
        weight: int8 or uint8 (out, in, taps).
        zero: Likewise (): the weight that means 0.
        scale: float32 (): what a step of the weight means.
        bias: float32 (out,), or None.
        stride: In samples.
        dilation: Samples between two taps.
        pads: Samples of silence put before and after.
    """

    weight: Array
    zero: Array
    scale: Array
    bias: Floats | None
    stride: int
    dilation: int
    pads: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Quantized:
    """Names of a value in 8 bits, of what a step of it means, and of the number that means 0."""

    value: str
    scale: str
    zero: str


class GraphWriter:
    """A graph that grows. Values are known by their names."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.values: dict[str, TensorProto] = {}

    def add(
        self, operation: str, inputs: Sequence[str], *, out: str = "", domain: str = "", **more: Any
    ) -> str:
        """Add a node with one output and return that one's name."""
        from onnx import helper

        out = out or f"value {len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [out], out, domain=domain, **more))
        return out

    def constant(self, value: Array | np.generic) -> str:
        """Add a constant; the same few numbers are added once."""
        from onnx import numpy_helper

        value = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
        tensor = numpy_helper.from_array(value)
        name = f"constant {len(self.values)}"
        if value.size <= 8:
            name = f"constant {value.dtype} {value.shape} {value.tolist()}"
        tensor.name = name
        self.values[name] = tensor
        return name

    def transposed(self, x: str) -> str:
        """Change (1, channels, time) into (1, time, channels), and back."""
        return self.add("Transpose", [x], perm=[0, 2, 1])

    def cut(self, x: str, start: int, end: int, *, axis: int, step: int = 1) -> str:
        """Take a stretch of an axis."""
        bounds = [self.constant(np.array([n], np.int64)) for n in (start, end, axis, step)]
        return self.add("Slice", [x, *bounds])

    def split(self, x: str, sizes: Sequence[int]) -> list[str]:
        """Cut a vector into parts."""
        from onnx import helper

        outs = [f"{x} {index}" for index in range(len(sizes))]
        bounds = self.constant(np.array(sizes, np.int64))
        self.nodes.append(helper.make_node("Split", [x, bounds], outs, x, axis=0))
        return outs

    def snake(self, x: str, alpha: Floats) -> str:
        """Give x + sin(alpha x)² / alpha, with an alpha for each channel of (1, time, channels).

        Source: Ziyin et al., "Neural Networks Fail to Learn Periodic Functions" (2020).
        """
        sine = self.add("Sin", [self.add("Mul", [x, self.constant(alpha)])])
        square = self.add("Mul", [sine, sine])
        return self.add("Add", [x, self.add("Mul", [square, self.constant(1 / alpha)])])

    def normalizing(
        self, own: str, x: str, factor: str, addend: str, epsilon: float
    ) -> tuple[str, str]:
        """Give what each channel of (1, time, channels) has to be multiplied with and added to.

        Args:
            own: A bool. If it is true, each channel is first brought to mean 0 and variance 1 by
                what is in ``x``; else factor and addend are given back as they are.
            x: The channels.
            factor: (channels,).
            addend: (channels,).
            epsilon: Added to the variance.
        """
        from onnx import TensorProto, helper

        axes, small = self.constant(np.array([0, 1])), self.constant(np.float32(epsilon))
        outs = [f"{x} {factor}", f"{x} {addend}"]
        inner = [f"{out} inside" for out in outs]
        number = [helper.make_tensor_value_info(out, TensorProto.FLOAT, None) for out in inner]
        yes = GraphWriter()
        mean = yes.add("ReduceMean", [x, axes], out=f"{inner[0]} mean", keepdims=0)
        apart = yes.add("Sub", [x, mean], out=f"{inner[0]} apart")
        square = yes.add("Mul", [apart, apart], out=f"{inner[0]} square")
        variance = yes.add("ReduceMean", [square, axes], out=f"{inner[0]} variance", keepdims=0)
        spread = yes.add("Add", [variance, small], out=f"{inner[0]} spread")
        deviation = yes.add("Sqrt", [spread], out=f"{inner[0]} deviation")
        yes.add("Div", [factor, deviation], out=inner[0])
        yes.add("Mul", [mean, inner[0]], out=f"{inner[1]} mean")
        yes.add("Sub", [addend, f"{inner[1]} mean"], out=inner[1])
        no = GraphWriter()
        for value, out in zip((factor, addend), inner, strict=True):
            no.add("Identity", [value], out=out)
        branches = {
            f"{name}_branch": helper.make_graph(part.nodes, name, [], number)
            for name, part in (("then", yes), ("else", no))
        }
        self.nodes.append(helper.make_node("If", [own], outs, outs[0], **branches))
        return outs[0], outs[1]

    def quantize(self, x: str) -> Quantized:
        """Bring a value into 8 bits by its own range."""
        from onnx import helper

        outs = [f"{x} in 8 bits", f"{x} scale", f"{x} zero"]
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [x], outs, outs[0]))
        return Quantized(*outs)

    def convolve(self, x: Quantized, kernel: Kernel) -> str:
        """Convolve (1, time, in) to float32 (1, time, out).

        What each tap sees is laid side by side, so that one product of integer matrices does it:
        ONNX Runtime has fast code for that, and none for ``ConvInteger``.
        """
        value = x.value
        if any(kernel.pads):
            edges = self.constant(np.array([0, kernel.pads[0], 0, 0, kernel.pads[1], 0], np.int64))
            value = self.add("Pad", [value, edges, x.zero])
        out, _, taps = kernel.weight.shape
        if taps > 1 or kernel.stride > 1:
            reach = kernel.dilation * (taps - 1)
            seen = [
                # A slice that ended at 0 would be empty: the last tap sees all that is left.
                self.cut(value, at, at - reach or _END, axis=1, step=kernel.stride)
                for at in range(0, reach + 1, kernel.dilation)
            ]
            value = self.add("Concat", seen, axis=2) if taps > 1 else seen[0]
        weight = self.constant(kernel.weight.transpose(2, 1, 0).reshape(-1, out))
        inputs = [value, weight, x.scale, self.constant(kernel.scale), x.zero]
        inputs.append(self.constant(kernel.zero))
        if kernel.bias is not None:
            inputs.append(self.constant(kernel.bias))
        return self.add("MatMulIntegerToFloat", inputs, domain="com.microsoft")

    def prune(self, outputs: Sequence[str]) -> None:
        """Leave out what no output depends on."""
        wanted, kept = set(outputs), []
        for node in reversed(self.nodes):
            if wanted.intersection(node.output):
                wanted.update(node.input)
                kept.append(node)
        self.nodes = kept[::-1]
        self.values = {name: value for name, value in self.values.items() if name in wanted}

    @property
    def wanted(self) -> set[str]:
        """Names of everything that goes into a node."""
        return {name for node in self.nodes for name in node.input}

    def finish(self, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]) -> bytes:
        """Give the network as a file holds it."""
        from onnx import helper

        graph = helper.make_graph(
            self.nodes, "network", inputs, outputs, list(self.values.values())
        )
        sets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=sets, ir_version=9).SerializeToString()
