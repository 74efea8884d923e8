"""The colours that a drawn chin may have: those of the face's own.

A jaw that falls covers what lies behind it, and that is another thing in every recording: neck, collar, a light
wall. A generator draws something between, and chins become pale or yellow, most where what is heard is
emphasized. But a chin that has fallen is the same skin as before; so what is drawn below the lips is never
less red nor brighter than the chin is in the picture.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Picture
from visavis.media.blend import polygon_mask
from visavis.models.common import mesh

_CELLS = 64
"""Along a side, in which colours are compared."""
_LIP = 1.0, 4.0
"""Cells below the lower lip: above the first nothing is chin, below the second all is."""
_DARK = 0.45, 0.65
"""Of the chin's light: what is darker is a shadow or a beard, from the first share on less so."""
_CHANGED = 6.0, 18.0
"""Steps of 255 by which what is drawn beside the face differs from what was there: below the first it is the same
collar or wall, above the second it is chin."""

_AROUND = np.ones((3, 3), np.uint8)


class ChinColour:
    """Keeps drawn chins in the colours of one picture's.

    Args:
        crop: uint8 (S, S, 3), the square of the face as it is.
        marks: (478, 2) landmarks of the face on it, whose edges are 0 and 1.
        outline: (M, 2) likewise: the part of the square that is seen.
    """

    def __init__(
        self, crop: Picture, marks: npt.NDArray[np.floating], outline: npt.NDArray[np.floating]
    ) -> None:
        self._where: Floats | None = None
        own = _cells(crop)
        marks = marks[:, :2] * _CELLS - 0.5
        rows = np.arange(_CELLS, dtype=np.float32)[:, None]
        lip = float(marks[mesh.LIPS_OUTER_LOWER, 1].max())
        face = polygon_mask(marks[mesh.FACE_OVAL], _CELLS, _CELLS, 2.0)
        chin = (face > 0.9) & (rows > lip + _LIP[0])
        if not chin.any():  # it lies outside of the square
            return
        light, shares = own.mean(2), _shares(own)
        lit = chin & (light >= np.median(light[chin]))
        # What the face is like at this very place, it may be.
        self._brightest = _at_least(light, float(np.quantile(light[chin], 0.95)), chin)
        self._most_shares = _at_least(shares, np.quantile(shares[lit], 0.9, axis=0), chin)
        self._first = math.floor(lip)
        self._where = polygon_mask(outline * _CELLS - 0.5, _CELLS, _CELLS, 2.0)
        self._where *= _ramp(rows - lip, _LIP)
        self._face = face
        self._least, self._most = cv2.erode(own, _AROUND), cv2.dilate(own, _AROUND)

    def keep(self, part: Picture, size: int) -> Picture:
        """Give the lowest rows of a drawn square, (rows, size, 3), the colours of the face's own chin."""
        if self._where is None:
            return part
        first = max(self._first, 0, math.ceil((size - len(part)) * _CELLS / size))
        first += first % 2  # there every width of a generator has whole pixels
        if first >= _CELLS:
            return part
        above = len(part) - size + round(first * size / _CELLS)
        chin = part[above:]
        shape = (_CELLS, _CELLS - first)
        cells = np.asarray(cv2.resize(chin, shape, interpolation=cv2.INTER_AREA), np.float32)
        added = cv2.resize(self._correct(cells, first), (size, len(chin)))
        kept = np.asarray(cv2.add(chin, added, dtype=cv2.CV_8U), np.uint8)
        return np.concatenate([part[:above], kept])

    def _correct(self, cells: Floats, first: int) -> Floats:
        """What is to be added to the cells (rows, G, 3) from row ``first`` on."""
        assert self._where is not None
        light = cells.mean(2)
        beside = np.abs(cells - np.clip(cells, self._least[first:], self._most[first:])).max(2)
        share = np.maximum(_ramp(beside, _CHANGED), self._face[first:])
        share = share * self._where[first:] * _ramp(light / self._brightest[first:], _DARK)
        green, blue = np.moveaxis(np.minimum(_shares(cells), self._most_shares[first:]), -1, 0)
        colour = np.stack([3 - green - blue, green, blue], -1)
        wanted = colour * np.minimum(light, self._brightest[first:])[..., None]
        return np.asarray((wanted - cells) * share[..., None], np.float32)


def _at_least(own: Floats, least: npt.ArrayLike, chin: npt.NDArray[np.bool_]) -> Floats:
    """What cells hold nearby, (G, G) or (G, G, 2), where they are of the chin, and at least ``least``."""
    within = own * (chin if own.ndim == 2 else chin[..., None])
    return np.asarray(np.maximum(cv2.dilate(within, _AROUND), least), np.float32)


def _shares(colours: Floats) -> Floats:
    """Green and blue of colours (..., 3) as shares of their light: (..., 2)."""
    light = np.maximum(colours.mean(-1, keepdims=True), 1.0)
    return np.asarray(colours[..., 1:] / light, np.float32)


def _ramp(x: Floats, span: tuple[float, float]) -> Floats:
    """0 below a span, 1 above it."""
    return np.asarray(np.clip((x - span[0]) / (span[1] - span[0]), 0, 1), np.float32)


def _cells(square: Picture) -> Floats:
    small = cv2.resize(square, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
