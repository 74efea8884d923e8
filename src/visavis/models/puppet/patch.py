"""A part of the picture with its own grid, and what carries the landmarks' motion to it.

Shapes: N = gh * gw nodes; layers are named, since upper and lower lip have a field each.
"""

from __future__ import annotations

from dataclasses import dataclass

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
        self.grid = Grid(box, cell)
        self.box = box
        x0, y0, x1, y1 = box
        self.where = (slice(y0, y1), slice(x0, x1))
        self.shape = (y1 - y0, x1 - x0)
        self.corner = np.array([x0, y0], np.float32)
        flat = self.grid.flat
        self._weights: dict[str, Floats] = {}
        self._units: dict[str, Floats] = {}
        self._corrected: dict[str, Floats] = {}
        for name, (interpolant, kept) in layers.items():
            full = np.zeros((len(flat), len(body.landmarks)), np.float32)
            full[:, kept] = interpolant.at(flat)
            self._weights[name] = full
            # Units are spread once; a frame adds up those in use, and corrects a few landmarks.
            spread = np.einsum("nk,ukc->unc", full, fields, optimize=True)
            self._units[name] = np.ascontiguousarray(spread.reshape(len(fields), -1))
            self._corrected[name] = np.ascontiguousarray(full[:, CORRECTED])
        self.depth, self.head, self.chest = body.body_at(flat)

    def spread(self, layer: str, motion: Motion) -> Floats:
        """Displacement (N, 3) of the nodes, given that of the landmarks."""
        used = np.flatnonzero(motion.units)
        moved = (motion.units[used] @ self._units[layer][used]).reshape(-1, 3)
        if motion.correction is not None:
            moved += self._corrected[layer] @ motion.correction[CORRECTED]
        if motion.rest is not None:
            moved += self._weights[layer] @ motion.rest
        return moved

    def fade(self, border: float) -> Floats:
        """1 in the middle, falling smoothly to 0 at the edge: (h, w, 1)."""
        h, w = self.shape
        x = np.minimum(np.arange(w), np.arange(w)[::-1]).astype(np.float32) / w
        y = np.minimum(np.arange(h), np.arange(h)[::-1]).astype(np.float32) / h
        mask = smoothstep(x, 0.0, border)[None] * smoothstep(y, 0.0, border)[:, None]
        return np.asarray(mask[..., None])
