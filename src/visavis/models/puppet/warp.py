"""Smooth dense warps from sparse landmark displacements.

Shapes: K landmarks, (gh, gw) grid nodes ``cell`` pixels apart, C channels.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats

_Doubles = npt.NDArray[np.float64]


def _kernel(a: _Doubles, b: _Doubles, radius: float) -> _Doubles:
    """Wendland's C2 function of the distances: compact, smooth, positive definite."""
    square = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    r = np.sqrt(np.maximum(square, 0)) / radius
    return np.asarray(np.clip(1 - r, 0, None) ** 4 * (4 * r + 1))


class Interpolant:
    """Radial interpolation of values known at landmarks.

    Args:
        points: (K, 2) pixels.
        anchors: (A, 2) pixels where the value is always zero.
        radius: Reach of a landmark, pixels.
        ridge: Smoothing: 0 passes through every value.
    """

    def __init__(self, points: Floats, anchors: Floats, radius: float, ridge: float = 3e-4) -> None:
        self._nodes = np.concatenate([points, anchors]).astype(np.float64)
        self._count = len(points)
        self._radius = radius
        gram = _kernel(self._nodes, self._nodes, radius)
        gram[np.diag_indices_from(gram)] += ridge
        self._solve = np.linalg.inv(gram)[:, : self._count]

    def at(self, where: Floats) -> Floats:
        """Weights (N, K) with which the landmarks' values give the value at N places."""
        where64 = where.astype(np.float64)
        rows = [
            _kernel(part, self._nodes, self._radius) @ self._solve
            for part in np.array_split(where64, max(1, len(where64) // 4096))
        ]
        return np.concatenate(rows).astype(np.float32)


class Grid:
    """Nodes over a rectangle of the picture, and half a cell beyond it.

    Args:
        box: xyxy pixels, integers.
        cell: Pixels between nodes.
    """

    def __init__(self, box: tuple[int, int, int, int], cell: int) -> None:
        x0, y0, x1, y1 = box
        self.cell = cell
        self.width, self.height = x1 - x0, y1 - y0
        # A node lies in the middle of its cell, as resizing takes it, and the first cell is outside.
        self._outside = cell if cell > 1 else 0
        middle = (cell - 1) / 2 - self._outside
        self._origin = np.array([x0 + middle, y0 + middle], np.float32)
        self.gw = int(np.ceil((self.width - 1 - middle) / cell)) + 1
        self.gh = int(np.ceil((self.height - 1 - middle) / cell)) + 1
        gx, gy = np.meshgrid(
            np.arange(self.gw, dtype=np.float32), np.arange(self.gh, dtype=np.float32)
        )
        self._numbers: Floats = np.stack([gx, gy], -1)
        self.flat: Floats = (self._numbers * np.float32(cell) + self._origin).reshape(-1, 2)
        """Nodes (gh * gw, 2) in pixels."""

    def invert(self, forward: Floats, *, is_steep: bool = True) -> Floats:
        """Source position of each node, given the displacement of each node.

        Solves ``source + forward(source) = node`` by fixed-point rounds; displacements steeper than
        one pixel a pixel are not invertible and come out smooth but wrong.

        Args:
            forward: (gh, gw, 2) displacement in pixels.
            is_steep: Whether neighbours may move quite differently, as lids and lips do; a head that
                is carried as a whole needs fewer rounds.

        Returns:
            (gh, gw, 2) pixels of the source picture.
        """
        # In cells, so that a source position is at once the place among the nodes.
        forward = forward * np.float32(1 / self.cell)
        source = self._numbers - forward
        rounds, step = (5, 0.65) if is_steep else (2, 1.0)  # where it is steep, a full step swings
        goal = self._numbers * np.float32(step)
        for _ in range(rounds):
            moved = cv2.remap(
                forward, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            cv2.addWeighted(source, 1 - step, moved, -step, 0, source)
            source += goal
        source *= self.cell
        source += self._origin
        return source

    def to_pixels(self, node_map: Floats) -> Floats:
        """Enlarge (gh, gw, C) to (height, width, C) pixels of the rectangle."""
        at = self._outside
        if self.cell > 1:
            node_map = cv2.resize(
                node_map, (self.gw * self.cell, self.gh * self.cell), interpolation=cv2.INTER_LINEAR
            )
        return node_map[at : at + self.height, at : at + self.width]


def smoothstep(x: Floats, low: float, high: float) -> Floats:
    """0 below ``low``, 1 above ``high``, a cubic between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def fill_polygon(shape: tuple[int, int], points: Floats, soften: float = 0.0) -> Floats:
    """Antialiased mask of a polygon, float32 in [0, 1].

    Args:
        shape: (height, width).
        points: (N, 2) pixels relative to the mask's origin.
        soften: Standard deviation of a blur, pixels.
    """
    # Drawn at twice the size with sub-pixel corners, since the line edges of a tiny eye matter.
    mask = np.zeros((shape[0] * 2, shape[1] * 2), np.uint8)
    corners = np.round((points + 0.25) * 2 * 16).astype(np.int32)
    cv2.fillPoly(mask, [corners.reshape(-1, 1, 2)], 255, cv2.LINE_AA, 4)
    small = cv2.resize(mask, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    out = small.astype(np.float32) * (1 / 255)
    if soften > 0:
        out = cv2.GaussianBlur(out, (0, 0), soften)
    return out


def smooth_curve(points: Floats, count: int) -> Floats:
    """Resample an open polyline to a Catmull-Rom curve of ``count`` points per piece."""
    p = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = (np.arange(count, dtype=np.float32) / count)[:, None, None]
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    curve = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    return np.concatenate([curve.transpose(1, 0, 2).reshape(-1, 2), points[-1:]]).astype(np.float32)


def half_plane(line: Floats, shape: tuple[int, int], *, above: bool) -> Floats:
    """Outline of all of a patch above or below a line that runs from left to right."""
    h, w = shape
    aside, far = np.array([2 * w, 0], np.float32), -2.0 * h if above else 3.0 * h
    ends = np.array([[4.0 * w, far], [-3.0 * w, far]], np.float32)
    return np.concatenate([line[:1] - aside, line, line[-1:] + aside, ends])
