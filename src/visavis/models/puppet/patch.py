"""A part of the picture with its own grid, and what carries the landmarks' motion to it.

Shapes: N = gh * gw nodes; layers are named, since upper and lower lip have a field each.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats
from visavis.models.common import mesh
from visavis.models.puppet.anatomy import Anatomy
from visavis.models.puppet.warp import Grid, Interpolant, smoothstep

CORRECTED = np.unique(
    np.concatenate([mesh.LIPS, mesh.EYE_LEFT, mesh.EYE_RIGHT, mesh.IRIS_LEFT, mesh.IRIS_RIGHT])
)
"""Landmarks whose sum of units is put right frame by frame: lips and lids that would cross, gaze."""


_UNSEEN = 0.01
"""Pixels of displacement that nobody sees: what moves all nodes by less is left out."""
_FARTHEST = 8.0
"""Pixels by which a landmark is put right at most, nearly always."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """What the landmarks do: the sum of units, of corrections and of what puts a video at rest.

    Attributes:
        units: (52,) weights.
        correction: (478, 3) pixels, zero but for the ``CORRECTED`` landmarks; or None.
        rest: (478, 3) pixels, or None.
    """

    units: Floats
    correction: Floats | None = None
    rest: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Carriage:
    """How a head is carried in one frame.

    Attributes:
        turn: (2, 4) from depth-aware places about the pivot to what the turn and the shift add.
        rise: Pixels by which the chest is lifted by the breath.
    """

    turn: npt.NDArray[np.float64]
    rise: float


class _Layer:
    """What carries the values of some landmarks to the nodes."""

    def __init__(self, weights: Floats, fields: Floats) -> None:
        self._weights = weights
        # Units are spread once; a frame adds up those in use, and corrects a few landmarks.
        spread = np.einsum("nk,ukc->unc", weights, fields, optimize=True)
        self._reach = np.abs(spread).max((1, 2))
        self._units = np.ascontiguousarray(spread.reshape(len(fields), -1))
        near = np.abs(weights[:, CORRECTED]).max(0) > _UNSEEN / _FARTHEST
        self._corrected = CORRECTED[near]
        self._near = np.ascontiguousarray(weights[:, self._corrected])

    def spread(self, motion: Motion) -> Floats | None:
        """Displacement (N, 3) of the nodes, or None where none of them moves."""
        moved: Floats | None = None
        used = np.flatnonzero(np.abs(motion.units) * self._reach > _UNSEEN)
        if len(used):
            moved = (motion.units[used] @ self._units[used]).reshape(-1, 3)
        if motion.correction is not None:
            correction = motion.correction[self._corrected]
            if np.abs(correction).max(initial=0.0) > _UNSEEN:
                added = self._near @ correction
                moved = added if moved is None else moved + added
        if motion.rest is not None and motion.rest.any():
            added = self._weights @ motion.rest
            moved = added if moved is None else moved + added
        return moved


class Patch:
    """A rectangle with its own nodes, and the weights that carry landmark values to them."""

    def __init__(
        self,
        box: tuple[int, int, int, int],
        cell: int,
        layers: dict[str, tuple[Interpolant, npt.NDArray[np.intp]]],
        body: Anatomy,
        fields: Floats,
    ) -> None:
        self._grid = Grid(box, cell)
        self.box = box
        x0, y0, x1, y1 = box
        self.where = (slice(y0, y1), slice(x0, x1))
        self.shape = (y1 - y0, x1 - x0)
        self.corner = np.array([x0, y0], np.float32)
        flat = self._grid.flat
        self._layers: dict[str, _Layer] = {}
        for name, (interpolant, kept) in layers.items():
            full = np.zeros((len(flat), len(body.landmarks)), np.float32)
            full[:, kept] = interpolant.at(flat)
            self._layers[name] = _Layer(full, fields)
        depth, head, chest = body.body_at(flat)
        places = np.column_stack([flat, depth]) - body.pivot
        self._places = np.ascontiguousarray(places[:, None], np.float32)  # (N, 1, 3)
        self._head = np.repeat(head[:, None], 2, 1)[:, None]
        self._chest = chest

    def spread(self, layer: str, motion: Motion) -> Floats | None:
        """Displacement (N, 3) of the nodes, given that of the landmarks; None where none moves."""
        return self._layers[layer].spread(motion)

    def pull(self, moved: Floats | None, carriage: Carriage, factor: int) -> Floats:
        """Where in the source each pixel comes from, (h, w, 2), when its node moves by ``moved``.

        Expression first, then the head's turn and shift, then the breath.

        Args:
            moved: (N, 3) pixels, or None.
            carriage: How the head is carried.
            factor: How much larger the source is than the picture.
        """
        places = self._places if moved is None else self._places + moved[:, None]
        forward = cv2.transform(places, carriage.turn)
        forward *= self._head
        if moved is not None:
            forward[:, 0] += moved[:, :2]
        forward[:, 0, 1] -= self._chest * np.float32(carriage.rise)
        grid = self._grid
        forward = forward.reshape(grid.gh, grid.gw, 2)
        source = grid.invert(forward, is_steep=moved is not None)
        return grid.to_pixels(source * np.float32(factor))

    def fade(self, border: float) -> Floats:
        """1 in the middle, falling smoothly to 0 at the edge: (h, w, 2), once for x and once for y."""
        h, w = self.shape
        x = np.minimum(np.arange(w), np.arange(w)[::-1]).astype(np.float32) / w
        y = np.minimum(np.arange(h), np.arange(h)[::-1]).astype(np.float32) / h
        mask = smoothstep(x, 0.0, border)[None] * smoothstep(y, 0.0, border)[:, None]
        # Repeated: numpy takes ten times as long to spread one number over a last axis of two.
        return np.repeat(mask[..., None], 2, -1)
