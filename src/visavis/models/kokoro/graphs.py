"""The published network as two: what is planned for a whole clause, and its sound window by window.

The published file computes a clause in one go, and seven tenths of its time go into ``ConvInteger``,
for which ONNX Runtime has no fast code. Here the same weights are put into two networks:

- the **planner**: phonemes to durations, features, and the harmonics of the pitch; a seventh of the work;
- the **vocoder**: any stretch of features and harmonics to its sound.

In both, convolutions are products of integer matrices (the columns of a window are laid side by side),
which is the same arithmetic and several times as fast. In the vocoder, the instance normalization is
by given statistics instead of those of the clause (see ``normalization``), so that a window sounds the
same whatever surrounds it.

Source: hexgrad, Kokoro-82M v1.0, after StyleTTS 2 (Li et al. 2023) and iSTFTNet (Kaneko et al. 2022);
names of values are those of the int8 file of thewh1teagle/kokoro-onnx.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats
from visavis.models.common.graph_writer import GraphWriter, Kernel, Quantized
from visavis.models.common.signs import as_signed, as_unsigned, products_are_exact

if TYPE_CHECKING:
    from onnx import NodeProto

Array: TypeAlias = npt.NDArray[Any]

FEATURES = "/decoder/decoder/decode.3/Div_4_output_0"
"""(1, 512, frames), 80 frames a second."""
HARMONICS = "/decoder/decoder/generator/Concat_3_output_0"
"""(1, 22, 60 frames + 1): size and phase of the short-time spectrum of the pitch's harmonics."""
DURATIONS = "/encoder/Clip_output_0"
"""How many units of 25 ms each token lasts, already rounded, at least 1."""
HARMONICS_PER_FRAME = 60
EPSILON = 1e-5
"""Added to a variance."""
FEATURE_SIZE = 512
HARMONIC_SIZE = 22

BLOCKS = ("noise_res.0", "resblocks.0", "resblocks.1", "resblocks.2",
          "noise_res.1", "resblocks.3", "resblocks.4", "resblocks.5")  # fmt: skip
"""Residual blocks of the vocoder in the order in which their normalizations are counted."""
NORMS = tuple(
    f"{block}/adain{half}.{layer}" for block in BLOCKS for layer in range(3) for half in (1, 2)
)
"""The normalizations of the vocoder; those of the first half of the blocks have 256 channels each,
the others 128."""
CHANNELS = tuple(256 if index < len(NORMS) // 2 else 128 for index in range(len(NORMS)))

_GENERATOR = "/decoder/decoder/generator/"
_WEIGHTS = "decoder.decoder.generator."
_DILATIONS = (1, 3, 5)
_LAST_SLOPES = (0.1, 0.01)


@dataclass(frozen=True, slots=True)
class StyleGains:
    """What a style does to each channel after its normalization.

    Attributes:
        weight: float32 (128, 2 n) for n channels of all ``NORMS``.
        bias: float32 (2 n,).
    """

    weight: Floats
    bias: Floats

    def of(self, style: Floats) -> tuple[Floats, Floats]:
        """Give factor and addend of each channel, both float32 (n,), for a style (256,)."""
        both = style[: len(self.weight)] @ self.weight + self.bias
        factor, addend = np.split(both, 2)
        return factor + np.float32(1), addend


class Published:
    """The published file, read for its parts."""

    def __init__(self, path: Path) -> None:
        import onnx

        self._choose_sign = as_signed if products_are_exact() else as_unsigned

        model = onnx.load(path)
        self._graph = model.graph
        self._values = {value.name: value for value in self._graph.initializer}
        self._maker = {out: node for node in self._graph.node for out in node.output}
        self._nodes = {node.name: node for node in self._graph.node}
        self._users: dict[str, list[NodeProto]] = {}
        for node in self._graph.node:
            for name in node.input:
                self._users.setdefault(name, []).append(node)

    def value(self, name: str) -> Array:
        """Give a constant."""
        from onnx import numpy_helper

        return numpy_helper.to_array(self._values[name])

    def constant_input(self, node: str, index: int) -> Array:
        """Give the constant that goes into a node, by the node's name."""
        return self.value(self._nodes[node].input[index])

    def gains(self) -> StyleGains:
        """Read the linear layers from a style to the factors and addends of ``NORMS``."""
        weights, biases = [], []
        for norm in NORMS:
            layer = f"{_GENERATOR}{norm}/fc/Gemm_MatMul_quant"
            scale = self.constant_input(f"{layer}_scales_mul", 1)
            weight = self.constant_input(layer, 1).astype(np.float32)
            zero = self.constant_input(layer, 3).astype(np.float32)
            weights.append((weight - zero) * scale)
            biases.append(self.value(f"{_WEIGHTS}{norm.replace('/', '.')}.fc.bias"))
        return StyleGains(_halves(weights), _halves(biases))

    def planner(self) -> bytes:
        """Build the network from phonemes to what the vocoder needs.

        Inputs as published: ``tokens``, ``style``, ``speed``. Outputs: ``FEATURES``, ``HARMONICS``,
        ``DURATIONS``.
        """
        from onnx import TensorProto, helper

        outputs = (FEATURES, HARMONICS, DURATIONS)
        w = GraphWriter()
        written: set[str] = set()
        for node in self._graph.node:
            if node.op_type != "ConvInteger" or _GENERATOR in node.name:
                if node.output[0] not in written:
                    w.nodes.append(node)
                continue
            convolution = self._convolution(node)
            x = convolution.input
            y = w.convolve(Quantized(w.transposed(x.value), x.scale, x.zero), convolution.kernel)
            w.add("Transpose", [y], perm=[0, 2, 1], out=convolution.result)
            written.add(convolution.result)
        w.prune(outputs)
        w.values |= {name: self._values[name] for name in w.wanted & self._values.keys()}
        return w.finish(
            self._graph.input,
            [helper.make_tensor_value_info(out, TensorProto.FLOAT, None) for out in outputs],
        )

    def vocoder(self) -> bytes:
        """Build the network from a stretch of features and harmonics to its sound.

        Inputs: ``features`` (1, 512, n); ``harmonics`` (1, 22, 60 n + 1); ``factors`` and ``addends``
        (channels of all ``NORMS``,), by which each channel is normalized and styled; ``own``, a bool:
        to normalize by what is in the stretch, as the published file does, and to style only by the
        factors and addends. Outputs: ``sound`` (1, 1, 300 n), near both ends wrong, because the
        network looks beyond; ``factors used``, ``addends used``.
        """
        from onnx import TensorProto, helper

        w = GraphWriter()
        styling = iter(zip(w.split("factors", CHANNELS), w.split("addends", CHANNELS), strict=True))
        used: list[tuple[str, str]] = []
        harmonics = w.quantize(w.transposed("harmonics"))
        y = w.add("LeakyRelu", ["features"], alpha=0.1)
        for stage, (stride, pad) in enumerate(((10, 5), (6, 3))):
            source = w.convolve(harmonics, self._kernel(f"noise_convs.{stage}"))
            source = self._residual(w, BLOCKS[4 * stage], source, styling, used)
            y = w.add(
                "ConvTranspose",
                [y, *self._plain(w, f"ups.{stage}/ConvTranspose")],
                strides=[stride], pads=[pad, pad],
            )  # fmt: skip
            if stage == 1:
                edges = w.constant(np.array([0, 0, 1, 0, 0, 0], np.int64))
                y = w.add("Pad", [y, edges], mode="reflect")
            y = w.add("Add", [w.transposed(y), source])
            parts = [
                self._residual(w, block, y, styling, used)
                for block in BLOCKS[4 * stage + 1 : 4 * stage + 4]
            ]
            y = w.add("Add", [w.add("Add", parts[:2]), parts[2]])
            y = w.add("Mul", [y, w.constant(np.float32(1 / 3))])
            y = w.transposed(w.add("LeakyRelu", [y], alpha=_LAST_SLOPES[stage]))
        y = w.add("Conv", [y, *self._plain(w, "conv_post/Conv")], pads=[3, 3])
        outputs = [self._inverse_spectrum(w, y)]
        for name, parts in zip(("factors", "addends"), zip(*used, strict=True), strict=True):
            outputs.append(w.add("Concat", parts, axis=0, out=f"{name} used"))
        number = TensorProto.FLOAT
        size = sum(CHANNELS)
        return w.finish(
            [
                helper.make_tensor_value_info("features", number, [1, FEATURE_SIZE, "n"]),
                helper.make_tensor_value_info("harmonics", number, [1, HARMONIC_SIZE, "m"]),
                helper.make_tensor_value_info("factors", number, [size]),
                helper.make_tensor_value_info("addends", number, [size]),
                helper.make_tensor_value_info("own", TensorProto.BOOL, []),
            ],
            [helper.make_tensor_value_info(out, number, None) for out in outputs],
        )

    def _residual(
        self,
        w: GraphWriter,
        block: str,
        x: str,
        styling: Iterator[tuple[str, str]],
        used: list[tuple[str, str]],
    ) -> str:
        """Three times: normalize, bend, convolve, twice; and add. (1, time, channels)."""
        for layer, dilation in enumerate(_DILATIONS):
            y = x
            for half, apart in ((1, dilation), (2, 1)):
                factor, addend = w.normalizing("own", y, *next(styling), EPSILON)
                used.append((factor, addend))
                y = w.add("Add", [w.add("Mul", [y, factor]), addend])
                alpha = self.value(f"{_WEIGHTS}{block}.alpha{half}.{layer}").reshape(-1)
                y = w.snake(y, alpha)
                y = w.convolve(w.quantize(y), self._kernel(f"{block}/convs{half}.{layer}", apart))
            x = w.add("Add", [x, y])
        return x

    def _inverse_spectrum(self, w: GraphWriter, y: str) -> str:
        """Log size and phase of a spectrum of 11 bins at 4800 Hz to sound."""
        size = w.add("Exp", [w.cut(y, 0, 11, axis=1)])
        phase = w.add("Sin", [w.cut(y, 11, 22, axis=1)])
        real = w.add("Mul", [size, w.add("Cos", [phase])])
        imaginary = w.add("Mul", [size, w.add("Sin", [phase])])
        both = w.add("Concat", [real, imaginary], axis=1)
        basis = w.constant(self.value(f"{_WEIGHTS}stft.istft.stft.inverse_basis") * np.float32(4))
        return w.add("ConvTranspose", [both, basis], strides=[5], pads=[10, 10], out="sound")

    def _plain(self, w: GraphWriter, name: str) -> list[str]:
        """Weight and bias of a convolution that is not quantized."""
        return [w.constant(self.constant_input(_GENERATOR + name, i)) for i in (1, 2)]

    def _kernel(self, name: str, dilation: int | None = None) -> Kernel:
        kernel = self._convolution(self._nodes[f"{_GENERATOR}{name}/Conv_quant"]).kernel
        if dilation is not None and kernel.dilation != dilation:
            raise ValueError(f"{name} has a dilation of {kernel.dilation}")
        return kernel

    def _convolution(self, node: NodeProto) -> _Convolution:
        """Read a quantized convolution with what follows it: the bias, and the way back to floats."""
        from onnx import helper

        settings = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        value, weight, zero, weight_zero = node.input
        bias = None
        after = self._only_user(node)
        if after.op_type == "Add":
            other = next(name for name in after.input if name != node.output[0])
            while self._maker[other].op_type != "Div":
                other = self._maker[other].input[0]
            bias = self.value(self._maker[other].input[0]).reshape(-1)
            after = self._only_user(after)
        result = self._only_user(after)
        scales = self._maker[next(name for name in result.input if name != after.output[0])]
        scale = next(name for name in scales.input if name not in self._values)
        weight_scale = next(name for name in scales.input if name in self._values)
        kernel = Kernel(
            *self._choose_sign(self.value(weight), self.value(weight_zero)),
            scale=self.value(weight_scale).reshape(()),
            bias=bias,
            stride=settings["strides"][0],
            dilation=settings["dilations"][0],
            pads=(settings["pads"][0], settings["pads"][1]),
        )
        return _Convolution(Quantized(value, scale, zero), kernel, result.output[0])

    def _only_user(self, node: NodeProto) -> NodeProto:
        (user,) = self._users[node.output[0]]
        return user


@dataclass(frozen=True, slots=True)
class _Convolution:
    """A quantized convolution of the published file, and the name of its result as floats."""

    input: Quantized
    kernel: Kernel
    result: str


def _halves(layers: Sequence[Array]) -> Floats:
    """Put the first halves of all layers' outputs before the second ones."""
    parts = [np.split(layer, 2, axis=-1) for layer in layers]
    return np.concatenate([part[half] for half in (0, 1) for part in parts], -1, dtype=np.float32)
