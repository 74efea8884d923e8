"""Quantized convolutions as products of matrices, against ONNX Runtime's own convolution."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from visavis.models.common.graph_writer import GraphWriter, Kernel, Quantized
from visavis.models.common.signs import as_signed, as_unsigned, products_are_exact

RNG = np.random.default_rng(3)


def run(model: bytes, **inputs):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def write(build, channels):
    writer = GraphWriter()
    out = build(writer)
    number = TensorProto.FLOAT
    return writer.finish(
        [helper.make_tensor_value_info("x", number, [1, "time", channels])],
        [helper.make_tensor_value_info(name, number, None) for name in out],
    )


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("taps", "stride", "dilation", "pads"),
    [(1, 1, 1, (0, 0)), (3, 1, 1, (1, 1)), (11, 1, 5, (25, 25)), (12, 6, 1, (3, 3)), (7, 1, 3, (0, 4))],
)  # fmt: skip
def test_a_convolution_is_the_published_one(taps, stride, dilation, pads, signed):
    weight = RNG.integers(0, 256, (6, 5, taps), dtype=np.uint8)
    zero = np.array(131, np.uint8)
    bias = RNG.normal(size=6).astype(np.float32)
    choose = as_signed if signed else as_unsigned
    kernel = Kernel(
        *choose(weight, zero), np.float32(0.02), bias, stride=stride, dilation=dilation, pads=pads
    )
    x = RNG.normal(size=(1, 90, 5)).astype(np.float32)
    (ours,) = run(write(lambda w: [w.convolve(w.quantize("x"), kernel)], 5), x=x)

    writer = GraphWriter()
    q: Quantized = writer.quantize("x")
    inputs = [writer.transposed(q.value), writer.constant(weight), q.zero, writer.constant(zero)]
    whole = writer.add(
        "ConvInteger", inputs, strides=[stride], dilations=[dilation], pads=list(pads)
    )
    number = writer.add("Cast", [whole], to=TensorProto.FLOAT)
    scaled = writer.add(
        "Mul", [writer.add("Mul", [number, q.scale]), writer.constant(np.float32(0.02))]
    )
    theirs = run(
        writer.finish(
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "time", 5])],
            [helper.make_tensor_value_info(scaled, TensorProto.FLOAT, None)],
        ),
        x=x,
    )[0]
    assert ours.shape == theirs.transpose(0, 2, 1).shape
    np.testing.assert_allclose(ours, theirs.transpose(0, 2, 1) + bias, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("own", [True, False])
def test_channels_are_normalized_by_what_is_there_or_by_what_is_told(own):
    writer, number = GraphWriter(), TensorProto.FLOAT
    out = writer.normalizing("own", "x", "factor", "addend", 1e-5)
    inputs = {"x": [1, "time", 4], "factor": [4], "addend": [4]}
    model = writer.finish(
        [
            *(helper.make_tensor_value_info(n, number, shape) for n, shape in inputs.items()),
            helper.make_tensor_value_info("own", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info(name, number, None) for name in out],
    )
    x = RNG.normal(3, 2, (1, 500, 4)).astype(np.float32)
    factor, addend = np.float32([1, 2, -1, 0.5]), np.float32([0, 1, 2, 3])
    used = run(model, x=x, factor=factor, addend=addend, own=np.array(own))
    if not own:
        assert [part.tolist() for part in used] == [factor.tolist(), addend.tolist()]
        return
    expected = (x - x.mean((0, 1))) / x.std((0, 1)) * factor + addend
    np.testing.assert_allclose(x * used[0] + used[1], expected, atol=1e-4)


def test_a_snake_is_what_its_formula_says():
    x, alpha = RNG.normal(size=(1, 50, 3)).astype(np.float32), np.float32([0.5, 1, 4])
    (y,) = run(write(lambda w: [w.snake("x", alpha)], 3), x=x)
    np.testing.assert_allclose(y, x + np.sin(alpha * x) ** 2 / alpha, atol=1e-5)


def test_signs_change_nothing_but_the_number_that_means_zero():
    weight, zero = RNG.integers(0, 256, (4, 4), dtype=np.uint8), np.array(120, np.uint8)
    signed, signed_zero = as_signed(weight, zero)
    assert signed.dtype == np.int8
    expected = weight.astype(int) - int(zero)
    assert np.array_equal(signed.astype(int) - int(signed_zero), expected)
    again, again_zero = as_unsigned(signed, signed_zero)
    assert np.array_equal(again, weight)
    assert again_zero == zero


@pytest.mark.parametrize(
    ("machine", "flags", "exact"),
    [
        ("x86_64", "flags : sse4_2 avx2 fma", False),
        ("x86_64", "flags : avx2 avx512_vnni", True),
        ("AMD64", "flags : avx2 avx_vnni", True),
        ("aarch64", "", True),
    ],
)
def test_only_x86_without_vnni_overflows(tmp_path, machine, flags, exact):
    (tmp_path / "cpuinfo").write_text(flags)
    assert products_are_exact(machine, tmp_path / "cpuinfo") is exact


def test_an_x86_that_does_not_tell_is_taken_to_overflow(tmp_path):
    assert not products_are_exact("x86_64", tmp_path / "nowhere")
