"""Putting a drawn mouth into a face so that nobody sees where it ends.

A generator draws a whole square of the face. Of it only the lower face is shown, below the nose and
inside the outline, with a soft rim; its colours are shifted to those of the face around the mouth;
it is sharpened as much as it is softer than the face; and what the square's few pixels cannot hold
of skin that does not move is taken from the face itself.

Shapes: S the width of the square that is drawn; the ground is the picture that it is put into.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Picture
from visavis.media.blend import polygon_mask
from visavis.media.geometry import Affine, apply, box_around, compose, invert, scale_of
from visavis.media.lip_crop import Square
from visavis.models.common import mesh
from visavis.models.puppet.sampling import Overlay
from visavis.models.puppet.stand import Ground
from visavis.stages.animators.chin_colour import ChinColour
from visavis.stages.animators.square_finish import AS_DRAWN, Finish, Moving

_OUTLINE: tuple[tuple[int, float], ...] = (
    (187, 0), (206, 0), (98, 0), (2, 0), (327, 0), (426, 0), (411, 0),           # below the nose
    (433, 0), (435, 0), (367, 0), (365, 0.02), (379, 0.08), (378, 0.10), (400, 0.13), (377, 0.14),
    (152, 0.14),
    (148, 0.14), (176, 0.13), (149, 0.10), (150, 0.08), (136, 0.02), (138, 0), (215, 0), (213, 0),
)  # fmt: skip
"""Landmarks around the lower face, and how far below them the mouth's part reaches, in sides of the
square: a jaw that falls takes the chin along."""
_SIDES_OF_DRAWN = {
    365: -0.03, 379: -0.02, 378: 0.01, 400: 0.07, 136: -0.03, 150: -0.02, 149: 0.01, 176: 0.07,
}  # fmt: skip
"""The same at the sides of the jaw, of a face that is drawn as seen from another side: its jaw may lie a little
higher than this one's, and no neck is to be seen between both, unless it is a chin that has fallen."""
_SIDES_OF_FALLEN = {365: -0.03, 379: 0.05, 136: -0.03, 150: 0.05}
"""The same for a chin that has fallen, or it would be drawn with a point."""
_LIGHTER = 0.0, 20.0
"""Steps of 255 by which what is drawn is lighter than what is there: below the first it is shadow or neck, above
the second it is a chin."""
_RIM = 0.06
"""Width of the soft rim, in sides of the square."""
_FLOOR_RIM = 0.035
"""At the lower edge of the square, where there is less room."""
_GRID = 32
"""Cells along a side in which colours are compared."""
_SPREAD = 4.0
"""Cells over which a difference of colour is spread."""
_SEAM = 0.02
"""Half the width, in sides of the square, over which what was given passes into what was made up."""
_ENLARGED = 2.2
"""From this scale on the square is enlarged smoothly first, or its pixels would show."""
_SHRUNK = 0.6
"""Below this scale it is shrunk first, or it would flicker."""


class MouthPatch:
    """The place of the mouth in one ground, and how a drawn square is fitted into it.

    Args:
        ground: What the face is drawn from.
        landmarks: (478, 2 or 3) pixels of the avatar's frame.
        square: Where it lies in the avatar's frame.
        crop: uint8 (S, S, 3), the square as it is; drawn squares have the same size or a multiple.
        finish: How sharp drawn squares are made.
        drawn: (478, 2) where the landmarks of the face that is drawn lie on the square, whose edges are 0 and
            1, if that is not as this frame's are: nothing is seen of what is drawn beside it.
    """

    def __init__(
        self,
        ground: Ground,
        landmarks: Floats,
        square: Square,
        crop: Picture,
        finish: Finish = AS_DRAWN,
        drawn: Floats | None = None,
    ) -> None:
        size = len(crop)
        self._size = size
        self._finish = finish
        to_square = square.to_crop(size)
        self._to_ground = compose(ground.from_avatar, invert(to_square))
        self._scale = scale_of(self._to_ground)
        outline = self._outline(apply(to_square, landmarks[:, :2]))
        within = within_fallen = None
        if drawn is not None:
            marks = drawn[:, :2].astype(np.float64) * size - 0.5
            within, within_fallen = (
                self._outline(marks, sides) for sides in (_SIDES_OF_DRAWN, _SIDES_OF_FALLEN)
            )
        shape = ground.pixels.shape[:2]
        self.where, mask = self._find_mask(outline, within, shape)
        self._mask, self._rest_of_mask = mask, 1 - mask
        self._fallen: Floats | None = None
        """How far each pixel is changed besides, where a chin has fallen to."""
        if within_fallen is not None:
            most = self._find_mask(outline, within_fallen, shape)[1]
            self._fallen = np.maximum(most - mask, 0)
        (y0, y1), (x0, x1) = ((part.start, part.stop) for part in self.where)
        self._to_part = compose([[1, 0, -x0], [0, 1, -y0]], self._to_ground)
        self._base = np.ascontiguousarray(ground.pixels[self.where])
        # Of the square only the rows that are seen are worked on.
        corners = apply(invert(self._to_ground), [[x0, y0], [x1, y0], [x0, y1], [x1, y1]])
        self._top = int(np.clip(math.floor(corners[:, 1].min()) - 2, 0, size - 1))
        moving = Moving(landmarks)
        self._weights, self._wanted = self._find_colours(landmarks, square, crop, moving, drawn)
        self._detail = self._find_detail(ground, crop, moving)
        marks = apply(square.to_unit, landmarks[:, :2])
        self._chin = ChinColour(crop, marks, _lower_face(marks, 1.0))

    def _outline(
        self, marks: npt.NDArray[np.float64], instead: Mapping[int, float] | None = None
    ) -> npt.NDArray[np.float64]:
        """Outline of the lower face, from landmarks on the square to pixels of the ground."""
        outline = _lower_face(marks, self._size, instead)
        outline[:, 0] = np.clip(outline[:, 0], -0.5, self._size - 0.5)
        return apply(self._to_ground, outline)

    def _find_mask(
        self,
        outline: npt.NDArray[np.float64],
        within: npt.NDArray[np.float64] | None,
        shape: tuple[int, ...],
    ) -> tuple[tuple[slice, slice], Floats]:
        """Rows and columns of the ground that are changed, and how far each pixel of them is."""
        size = self._size
        side = size * self._scale
        edge = [[-0.5, size - 0.5], [size - 0.5, size - 0.5]]
        lowest = float(apply(self._to_ground, edge)[:, 1].max())
        left, top, right, bottom = box_around(outline)
        bottom = min(bottom, lowest)
        x0, y0 = max(0, math.floor(left)), max(0, math.floor(top))
        x1, y1 = min(shape[1], math.ceil(right) + 1), min(shape[0], math.ceil(bottom) + 1)
        if x1 - x0 < 2 or y1 - y0 < 2:  # the mouth lies outside of the picture
            x0, y0 = min(x0, shape[1] - 2), min(y0, shape[0] - 2)
            return (slice(y0, y0 + 2), slice(x0, x0 + 2)), np.zeros((2, 2), np.float32)
        if within is not None:
            within = within - (x0, y0)
        mask = polygon_mask(outline - (x0, y0), x1 - x0, y1 - y0, _RIM * side, within)
        # Rows of the square that the pixels lie in.
        _, (across, down, start) = invert(self._to_ground)
        rows = across * np.arange(x0, x1) + down * np.arange(y0, y1)[:, None] + start
        fall = np.clip((size - 0.5 - rows) / max(1.0 / self._scale, _FLOOR_RIM * size), 0, 1)
        mask *= (fall * fall * (3 - 2 * fall)).astype(np.float32)
        return (slice(y0, y1), slice(x0, x1)), mask

    def _find_colours(
        self,
        landmarks: Floats,
        square: Square,
        crop: Picture,
        moving: Moving,
        drawn: Floats | None,
    ) -> tuple[tuple[Floats, Floats], Floats]:
        """Cells that are compared and their colours (G, G, 3) as they should be.

        A generator is given the upper half and makes the lower one up: each has faults of its own, and
        where they meet, cheeks would show a level line. So each has cells of its own, (G, G).
        """
        to_cells = square.to_crop(_GRID)
        oval = apply(to_cells, landmarks[mesh.FACE_OVAL, :2])
        within = None if drawn is None else drawn[mesh.FACE_OVAL, :2] * _GRID - 0.5
        weight = polygon_mask(oval, _GRID, _GRID, 1.5, within) * moving.stillness(
            invert(to_cells), _GRID
        )
        weight += 1e-4  # far from every still cell, all of them count
        given, made = weight.copy(), weight
        given[_GRID // 2 :] = 0
        given[: _GRID // 4] = 0
        made[: _GRID // 2] = 0
        return (given, made), _cells(crop)

    def _find_detail(self, ground: Ground, crop: Picture, moving: Moving) -> npt.NDArray[np.int16]:
        """What the square loses of still skin, by its few pixels: (h, w, C)."""
        lost = self._base.astype(np.int16) - self._to_base(crop[self._top :], 1)
        y, x = self.where[0], self.where[1]
        to_avatar = compose(invert(ground.from_avatar), [[1, 0, x.start], [0, 1, y.start]])
        still = moving.stillness(to_avatar, x.stop - x.start, y.stop - y.start)
        detail: npt.NDArray[np.int16] = np.rint(lost * still[..., None]).astype(np.int16)
        return detail

    def paint(self, face: Picture, share: float, over: Overlay | None = None) -> Overlay:
        """Fit a drawn square into the ground.

        Args:
            face: uint8 (S', S', 3), S' a multiple of S.
            share: 0..1, how far it is seen; 0 gives the ground.
            over: What was painted before here and is to be painted over; nothing by default.
        """
        factor = len(face) // self._size
        part = self._match_colours(face, self._top * factor)
        part = self._chin.keep(part, len(face))
        part = self._finish.sharpen(part, len(face))
        drawn = cv2.add(self._to_base(part, factor), self._detail, dtype=cv2.CV_8U)
        mask, rest = self._mask, self._rest_of_mask
        if self._fallen is not None:
            mask = mask + self._fallen * self._find_fallen(face)
            rest = 1 - mask
        if share < 1:
            mask = mask * np.float32(max(share, 0.0))
            rest = 1 - mask
        under = self._base if over is None else over.pixels
        pixels = cv2.blendLinear(np.asarray(drawn, np.uint8), under, mask, rest)
        share = share if over is None else max(share, over.share)
        return Overlay(self.where, np.asarray(pixels, np.uint8), share)

    def _match_colours(self, face: Picture, top: int) -> Picture:
        """Give the rows from ``top`` the colours that still skin has: (S' - top, S', 3)."""
        size = len(face)
        away = self._wanted - _cells(face)
        given, made = (_enlarge(_spread(away, weight), size, top) for weight in self._weights)
        rows = (np.arange(top, size) + 0.5) / size
        share = np.clip((rows - 0.5) / (2 * _SEAM) + 0.5, 0, 1).astype(np.float32)[:, None, None]
        last = int(np.searchsorted(share[:, 0, 0], 1.0))
        made[:last] += (1 - share[:last]) * (given[:last] - made[:last])
        return np.asarray(cv2.add(face[top:], made, dtype=cv2.CV_8U), np.uint8)

    def _find_fallen(self, face: Picture) -> Floats:
        """How far each pixel of the base (h, w) is where a chin has fallen to, 0..1."""
        away = self._wanted - _cells(face)
        lighter = (_spread(away, self._weights[1]) - away).mean(2)
        least, most = _LIGHTER
        share = np.clip((cv2.GaussianBlur(lighter, (0, 0), 0.7) - least) / (most - least), 0, 1)
        cell = self._size / _GRID
        to_square = [[cell, 0, (cell - 1) / 2], [0, cell, (cell - 1) / 2]]
        there = cv2.warpAffine(
            share, compose(self._to_part, to_square), self._mask.shape[::-1],
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        return np.asarray(there, np.float32)

    def _to_base(self, part: Picture, factor: int) -> npt.NDArray[np.uint8]:
        """Bring rows of a square, those from ``_top * factor`` on, to the base's place and channels."""
        to_part: Affine = compose(
            self._to_part,
            [[1 / factor, 0, (1 / factor - 1) / 2]] * 1 + [[0, 1 / factor, (1 / factor - 1) / 2]],
        )
        to_part = compose(to_part, [[1, 0, 0], [0, 1, self._top * factor]])
        scale = self._scale / factor
        how = cv2.INTER_LINEAR
        if scale >= _ENLARGED:
            part = np.asarray(cv2.resize(part, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))
            to_part = compose(to_part, [[0.5, 0, -0.25], [0, 0.5, -0.25]])
        elif scale < _SHRUNK:
            height, width = (max(1, round(side * scale)) for side in part.shape[:2])
            fx, fy = width / part.shape[1], height / part.shape[0]
            part = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA))
            to_part = compose(to_part, [[1 / fx, 0, 0.5 / fx - 0.5], [0, 1 / fy, 0.5 / fy - 0.5]])
        if self._base.shape[2] == 4:
            part = np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2RGBA))
        height, width = self._base.shape[:2]
        drawn = cv2.warpAffine(
            part, to_part, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(drawn, np.uint8)


def _lower_face(
    marks: npt.NDArray[np.float64], side: float, instead: Mapping[int, float] | None = None
) -> npt.NDArray[np.float64]:
    """Outline (M, 2) of the lower face, from landmarks on a square of that width."""
    downs = {**dict(_OUTLINE), **(instead or {})}
    outline = marks[list(downs)]
    outline[:, 1] += side * np.array(list(downs.values()))
    return outline


def _spread(away: Floats, weight: Floats) -> Floats:
    """Differences (G, G, 3) of cells that count, spread over all of them."""
    around = cv2.GaussianBlur(weight, (0, 0), _SPREAD, borderType=cv2.BORDER_REFLECT)
    spread = cv2.GaussianBlur(
        away * weight[..., None], (0, 0), _SPREAD, borderType=cv2.BORDER_REFLECT
    )
    return np.asarray(spread / np.maximum(around, 1e-9)[..., None], np.float32)


def _enlarge(cells: Floats, size: int, top: int) -> Floats:
    """Rows from ``top`` of cells (G, G, 3) enlarged to a square of ``size``: (size - top, size, 3)."""
    # By a map, which needs no whole number.
    there = np.array([[_GRID / size, 0, _GRID / (2 * size) - 0.5]] * 2)
    there[1] = [0, _GRID / size, (top + 0.5) * _GRID / size - 0.5]
    large = cv2.warpAffine(
        cells, there, (size, size - top), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return np.asarray(large, np.float32)


def _cells(square: Picture) -> Floats:
    """Mean colours (G, G, 3) of the cells of a square."""
    small = cv2.resize(square, (_GRID, _GRID), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
