"""Affine maps between pictures, and boxes.

Maps are (2, 3): column vectors (x, y, 1) of one picture to pixels of another. Integer coordinates
are pixel centres, as in OpenCV. Boxes are xyxy in the same coordinates, the right and lower edges
exclusive.
"""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Affine: TypeAlias = npt.NDArray[np.float64]
"""(2, 3) map; functions take float32 as well."""
Border: TypeAlias = Literal["replicate", "reflect", "constant"]
Pixels = TypeVar("Pixels", np.uint8, np.float32)

_WORST_SHRINK = 0.6
"""Scale below which linear interpolation skips pixels and would flicker."""


def estimate_similarity(
    source: npt.ArrayLike, target: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Affine:
    """Rotation, uniform scale and shift that bring points (K, 2) closest to others.

    Source: Umeyama, Least-squares estimation of transformation parameters between two point
    patterns, 1991. Mirroring is excluded.

    Raises:
        ValueError: Fewer than two different points.
    """
    a, b, w = _pairs(source, target, weights)
    middle_a, middle_b = w @ a, w @ b
    a, b = a - middle_a, b - middle_b
    spread = float(w @ (a**2).sum(axis=1))
    if spread < 1e-12:
        raise ValueError("all points are the same; no rotation or scale follows from them")
    u, s, vt = np.linalg.svd((b * w[:, None]).T @ a)
    sign = np.array([1.0, 1.0 if np.linalg.det(u @ vt) > 0 else -1.0])
    rotation = u @ np.diag(sign) @ vt
    linear = rotation * float(s @ sign) / spread
    return np.column_stack([linear, middle_b - linear @ middle_a])


def estimate_affine(
    source: npt.ArrayLike, target: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Affine:
    """Any affine map that brings points (K, 2) closest to others, by least squares.

    Raises:
        ValueError: Fewer than three points, or all on one line.
    """
    a, b, w = _pairs(source, target, weights)
    root = np.sqrt(w)[:, None]
    design = np.column_stack([a, np.ones(len(a))])
    solution, _, rank, _ = np.linalg.lstsq(design * root, b * root, rcond=1e-9)
    if rank < 3:
        raise ValueError("the points lie on one line; no affine map follows from them")
    return np.ascontiguousarray(solution.T)


def invert(matrix: npt.ArrayLike) -> Affine:
    """The map back.

    Raises:
        ValueError: The map flattens the picture.
    """
    m = np.asarray(matrix, np.float64)
    if abs(np.linalg.det(m[:, :2])) < 1e-12:
        raise ValueError("the map flattens the picture and has no inverse")
    linear = np.linalg.inv(m[:, :2])
    return np.column_stack([linear, -linear @ m[:, 2]])


def compose(second: npt.ArrayLike, first: npt.ArrayLike) -> Affine:
    """The map that applies ``first`` and then ``second``."""
    a, b = np.asarray(second, np.float64), np.asarray(first, np.float64)
    return np.column_stack([a[:, :2] @ b[:, :2], a[:, :2] @ b[:, 2] + a[:, 2]])


def apply(matrix: npt.ArrayLike, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Map points (..., 2)."""
    m, p = np.asarray(matrix, np.float64), np.asarray(points, np.float64)
    return np.asarray(p @ m[:, :2].T + m[:, 2])


def scale_of(matrix: npt.ArrayLike) -> float:
    """How much larger things become: the square root of the change of area."""
    return math.sqrt(abs(float(np.linalg.det(np.asarray(matrix, np.float64)[:, :2]))))


def rotation_of(matrix: npt.ArrayLike) -> float:
    """Degrees by which things turn, clockwise as seen (y points down)."""
    m = np.asarray(matrix, np.float64)
    return math.degrees(math.atan2(m[1, 0] - m[0, 1], m[0, 0] + m[1, 1]))


def crop_map(box: npt.ArrayLike, width: int, height: int) -> Affine:
    """The map from the picture to a crop of the box, ``width`` x ``height`` pixels."""
    x0, y0, x1, y1 = np.asarray(box, np.float64)
    if x1 <= x0 or y1 <= y0:
        raise ValueError(f"the box {x0:g}, {y0:g}, {x1:g}, {y1:g} is empty")
    sx, sy = width / (x1 - x0), height / (y1 - y0)
    # Edges map to edges; centres are half a pixel inside.
    return np.array([[sx, 0, (0.5 - x0) * sx - 0.5], [0, sy, (0.5 - y0) * sy - 0.5]])


def warp(
    image: npt.NDArray[Pixels],
    matrix: npt.ArrayLike,
    width: int,
    height: int,
    border: Border = "replicate",
) -> npt.NDArray[Pixels]:
    """Redraw a picture (H, W[, C]) through a map from it to the result (height, width[, C]).

    Linear interpolation; where the map shrinks, areas are averaged first so that nothing flickers.
    Outside the picture lies its edge, its mirror image, or zero.
    """
    import cv2

    m = np.asarray(matrix, np.float64)
    scale = scale_of(m)
    if 0 < scale < _WORST_SHRINK:
        image, m = _shrink_first(image, m, width, height, scale)
    flags = {
        "replicate": cv2.BORDER_REPLICATE,
        "reflect": cv2.BORDER_REFLECT_101,
        "constant": cv2.BORDER_CONSTANT,
    }
    warped: Any = cv2.warpAffine(
        image, m, (width, height), flags=cv2.INTER_LINEAR, borderMode=flags[border]
    )
    return np.asarray(warped, image.dtype)


def box_around(points: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Smallest box (4,) that holds points (K, 2)."""
    p = np.asarray(points, np.float64)
    return np.concatenate([p.min(axis=0), p.max(axis=0)])


def square_box(boxes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Square boxes (..., 4) of the same centres, as large as the longer side."""
    b = np.asarray(boxes, np.float64)
    half = (b[..., 2:] - b[..., :2]).max(axis=-1, keepdims=True) / 2
    middle = (b[..., :2] + b[..., 2:]) / 2
    return np.concatenate([middle - half, middle + half], axis=-1)


def expand_box(
    boxes: npt.ArrayLike, factor: float, shift: tuple[float, float] = (0.0, 0.0)
) -> npt.NDArray[np.float64]:
    """Boxes (..., 4) grown about their centres, then moved by ``shift`` of their old sides."""
    b = np.asarray(boxes, np.float64)
    size = b[..., 2:] - b[..., :2]
    middle = (b[..., :2] + b[..., 2:]) / 2 + size * np.array(shift)
    return np.concatenate([middle - size * factor / 2, middle + size * factor / 2], axis=-1)


def clip_box(boxes: npt.ArrayLike, width: int, height: int) -> npt.NDArray[np.float64]:
    """Boxes (..., 4) cut at the picture's edges; those outside become empty."""
    b = np.asarray(boxes, np.float64)
    return np.clip(b, 0, np.array([width, height, width, height], np.float64))


def smooth_over_time(values: npt.ArrayLike, sigma: float) -> npt.NDArray[np.float64]:
    """Gaussian mean over the first axis (T, ...), without delay; ends are mirrored.

    Args:
        values: Boxes, landmarks or the like, a row per frame.
        sigma: Frames; 0 changes nothing.
    """
    v = np.asarray(values, np.float64)
    if sigma <= 0 or len(v) < 2:
        return v.copy()
    reach = min(math.ceil(3 * sigma), len(v) - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    flat = v.reshape(len(v), -1)
    # Mirrored about the end values themselves, so that a steady motion is not bent there.
    before = 2 * flat[0] - flat[reach:0:-1]
    after = 2 * flat[-1] - flat[-2 : -reach - 2 : -1]
    padded = np.concatenate([before, flat, after])
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=0)
    return np.asarray((windows @ kernel).reshape(v.shape))


def _pairs(
    source: npt.ArrayLike, target: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 2 or not len(a):
        raise ValueError(f"points must be two arrays (K, 2), not {a.shape} and {b.shape}")
    w = np.ones(len(a)) if weights is None else np.asarray(weights, np.float64)
    if w.shape != (len(a),) or (w < 0).any() or w.sum() <= 0:
        raise ValueError("weights must be one number of 0 or more per point, not all 0")
    return a, b, w / w.sum()


def _shrink_first(
    image: npt.NDArray[Pixels], matrix: Affine, width: int, height: int, scale: float
) -> tuple[npt.NDArray[Pixels], Affine]:
    """Average blocks of the part that is seen, and adapt the map."""
    import cv2

    factor = max(2, math.floor(1 / scale + 1e-6))
    corners = np.array([[-1, -1], [width, -1], [-1, height], [width, height]], np.float64)
    seen = box_around(apply(invert(matrix), corners))
    rows, columns = image.shape[:2]
    x0 = int(np.clip(math.floor(seen[0]) - factor, 0, columns - 1))
    y0 = int(np.clip(math.floor(seen[1]) - factor, 0, rows - 1))
    x1 = int(np.clip(math.ceil(seen[2]) + factor, x0 + 1, columns))
    y1 = int(np.clip(math.ceil(seen[3]) + factor, y0 + 1, rows))
    part = image[y0:y1, x0:x1]
    small_width = max(1, round(part.shape[1] / factor))
    small_height = max(1, round(part.shape[0] / factor))
    small: Any = cv2.resize(part, (small_width, small_height), interpolation=cv2.INTER_AREA)
    to_small = crop_map([x0 - 0.0, y0 - 0.0, x1, y1], small_width, small_height)
    return np.asarray(small, image.dtype), compose(matrix, invert(to_small))
