"""MediaPipe's canonical face, read out of ``face_landmarker.task``.

The bundle carries it as a serialised protocol buffer (``geometry_pipeline_metadata``); the few
fields that are needed are decoded here, so that no protobuf package is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats

_FLOATS_PER_VERTEX = 5  # x, y, z, u, v


@dataclass(frozen=True, slots=True, eq=False)
class CanonicalFace:
    """A face of average shape, looking at the camera.

    Attributes:
        vertices: float32 (468, 3) in centimetres; x right in the picture, y down, z away from the
            camera, as landmarks are; the irises are not part of it.
        triangles: int32 (898, 3); eyes and mouth are closed by triangles of their own.
        weights: float32 (468,) how much each landmark counts for the head pose; most are 0.
    """

    vertices: Floats
    triangles: npt.NDArray[np.int32]
    weights: Floats


def parse_canonical_face(metadata: bytes) -> CanonicalFace:
    """Decode ``GeometryPipelineMetadata`` (mediapipe/tasks/cc/vision/face_geometry/proto)."""
    vertices = np.zeros((0, _FLOATS_PER_VERTEX), np.float32)
    triangles = np.zeros((0, 3), np.int32)
    basis: list[tuple[int, float]] = []
    for number, value in _fields(metadata):
        if number == 1 and isinstance(value, bytes):
            vertices, triangles = _parse_mesh(value)
        elif number == 2 and isinstance(value, bytes):
            basis.append(_parse_basis(value))
    weights = np.zeros(len(vertices), np.float32)
    for index, weight in basis:
        weights[index] = weight
    flipped = vertices[:, :3] * np.array([1, -1, -1], np.float32)
    return CanonicalFace(flipped, triangles, weights)


def _parse_mesh(message: bytes) -> tuple[Floats, npt.NDArray[np.int32]]:
    floats: list[float] = []
    indices: list[int] = []
    for number, value in _fields(message):
        if number == 3:
            raw = value if isinstance(value, bytes) else struct.pack("<I", value)
            floats.extend(struct.unpack(f"<{len(raw) // 4}f", raw))
        elif number == 4:
            indices.extend(_varints(value) if isinstance(value, bytes) else [value])
    vertices = np.array(floats, np.float32).reshape(-1, _FLOATS_PER_VERTEX)
    return vertices, np.array(indices, np.int32).reshape(-1, 3)


def _parse_basis(message: bytes) -> tuple[int, float]:
    index, weight = 0, 0.0
    for number, value in _fields(message):
        if number == 1 and isinstance(value, int):
            index = value
        elif number == 2 and isinstance(value, int):
            (weight,) = struct.unpack("<f", struct.pack("<I", value))
    return index, weight


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and raw values: varint and fixed32 as int, length-delimited as bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
        elif kind == 2:
            size, at = _varint(message, at)
            yield tag >> 3, message[at : at + size]
            at += size
        elif kind == 5:
            yield tag >> 3, int.from_bytes(message[at : at + 4], "little")
            at += 4
        else:
            raise ValueError(f"wire type {kind} is not part of this message")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return value, at


def _varints(message: bytes) -> Iterator[int]:
    at = 0
    while at < len(message):
        value, at = _varint(message, at)
        yield value
