"""Exposing an inner value of an ONNX model without the ``onnx`` package."""

from __future__ import annotations


def add_graph_output(model: bytes, name: str) -> bytes:
    """Declare an inner float value of a serialized ONNX model as one more output of its graph.

    Two serialized protobuf messages that are joined parse as their merge, in which repeated fields
    are appended. So a model that holds nothing but ``graph.output`` is put behind the given one,
    and neither the ``onnx`` package nor a parse of the weights is needed.

    Args:
        model: A serialized ``ModelProto``.
        name: The value to expose.

    Source: protobuf encoding, "Last One Wins"; field numbers from ``onnx.proto3`` (ModelProto.graph
    7, GraphProto.output 12, ValueInfoProto.name 1 and type 2, TypeProto.tensor_type 1,
    Tensor.elem_type 1 with FLOAT 1).
    """
    float_tensor = _field(1, b"\x08\x01")
    value = _field(1, name.encode()) + _field(2, float_tensor)
    return model + _field(7, _field(12, value))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, payload: bytes) -> bytes:
    """Encode a length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload
