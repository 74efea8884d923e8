"""The inside of the mouth: teeth, tongue and cavity, drawn to fit the picture's size and light.

Lengths are millimetres of a real mouth until they are drawn. Widths of teeth as one sees them from
the front, after Wheeler's Dental Anatomy (mesiodistal diameters, foreshortened along the arch).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from visavis.core.types import Floats

_RES = 8.0
"""Texture pixels per millimetre."""

_UPPER = ((8.5, 10.0, 0.0), (6.4, 8.8, 0.7), (5.9, 9.6, 0.1), (4.4, 8.2, 0.9), (3.4, 7.4, 1.3),
          (2.6, 6.6, 1.6))  # fmt: skip
_LOWER = ((5.2, 8.6, 0.0), (5.6, 8.8, 0.1), (5.4, 9.4, -0.3), (4.6, 8.2, 0.5), (3.6, 7.2, 0.9),
          (2.6, 6.4, 1.2))  # fmt: skip
"""Seen width, height, and how much shorter than the middle, of each tooth from the middle out."""


@dataclass(frozen=True, slots=True)
class MouthShape:
    """Where the inside of the mouth is in one frame, in pixels of the drawn rectangle.

    Attributes:
        upper_edge: (2,) middle of the upper incisors' edge.
        lower_edge: (2,) middle of the lower incisors' edge.
        angle: Roll of the head, radians, positive turning the right side of the picture down.
        tongue: 0 at rest .. 1 tip at the upper teeth.
        rounded: 0..1, how far the lips stand out before the teeth and keep the light from them.
    """

    upper_edge: Floats
    lower_edge: Floats
    angle: float
    tongue: float
    rounded: float = 0.0


def _tooth_row(teeth: tuple[tuple[float, float, float], ...], seed: int) -> Floats:
    """Draw a row with its edge at y = 0 and its gum above: premultiplied RGBA in [0, 1].

    The origin is the middle of the picture's width and 2 mm above its lower border.
    """
    rng = np.random.default_rng(seed)
    half, tall, below = 31.0, 15.0, 2.0
    width, height = int(2 * half * _RES), int((tall + below) * _RES)
    x = (np.arange(width, dtype=np.float32) + 0.5) / _RES - half
    y = (np.arange(height, dtype=np.float32) + 0.5) / _RES - tall
    gx, gy = np.meshgrid(x, y)
    colour = np.zeros((height, width, 3), np.float32)
    cover = np.zeros((height, width), np.float32)
    gum_line = np.full(width, -12.0, np.float32)
    # Between two teeth one sees the sides of both, not the dark behind them.
    sides = np.clip((gy + 8.0) * 2, 0, 1) * np.clip((-0.7 - gy - 0.0016 * gx**2) * 2, 0, 1)
    sides = sides * np.clip((25.0 - np.abs(gx)) / 2, 0, 1)
    side_shade = 0.80 * (1 - 0.62 * np.clip(np.abs(gx) / 29, 0, 1) ** 1.6)
    colour = np.array([0.90, 0.80, 0.72], np.float32) * (side_shade * sides)[..., None]
    cover = sides.copy()
    for side in (-1, 1):
        at = 0.0
        for wide, high, short in teeth:
            wide_j = wide * (1 + rng.uniform(-0.03, 0.03))
            centre = side * (at + wide_j / 2) + rng.uniform(-0.08, 0.08)
            edge = -short + rng.uniform(-0.15, 0.15)
            lean = rng.uniform(-0.012, 0.012) + side * 0.008
            top = edge - high
            u = (gx - centre - lean * (gy - edge)) / (wide_j / 2 - 0.04)
            # A tooth narrows towards the gum and has round corners at its biting edge.
            narrow = 1 - 0.14 * np.clip((edge - gy) / high, 0, 1.2) ** 1.5
            u = u / narrow
            hw, corner = wide_j / 2 - 0.04, min(0.9, wide_j * 0.14)
            qx = np.abs(u) * hw - (hw - corner)
            qy = (gy - edge) + corner
            outside = np.hypot(np.clip(qx, 0, None), np.clip(qy, 0, None))
            distance = outside + np.minimum(np.maximum(qx, qy), 0) - corner
            alpha = np.clip(0.5 - distance * 2.6, 0, 1)
            gum = np.clip(0.5 + (gy - top - 0.9 * u**2) * 2.0, 0, 1)
            round_off = 1 - 0.12 * np.abs(u) ** 3
            arch = 1 - 0.62 * np.clip(np.abs(centre) / 29, 0, 1) ** 1.6
            depth = np.clip((edge - gy) / high, 0, 1)
            tint = np.stack(
                [
                    0.975 + 0.015 * depth,
                    0.920 - 0.01 * depth,
                    0.885 - 0.06 * depth,
                ],
                -1,
            )
            clear = np.exp(-np.clip(edge - gy, 0, None) / 0.9)
            tint = tint * (1 - clear[..., None] * np.array([0.06, 0.05, 0.04]))
            shine = 0.05 * np.exp(-((u + 0.25) ** 2) / 0.08 - ((depth - 0.55) ** 2) / 0.05)
            shade = (round_off * arch * rng.uniform(0.97, 1.02))[..., None]
            paint = np.clip(tint * shade + (shine * arch)[..., None], 0, 1)
            alpha = alpha * gum
            colour = colour * (1 - alpha[..., None]) + paint * alpha[..., None]
            cover = cover * (1 - alpha) + alpha
            columns = np.abs(gx[0] - centre) <= wide_j / 2
            scallop = top + 0.9 * ((gx[0] - centre) / (wide_j / 2)) ** 2
            gum_line = np.where(columns, np.maximum(scallop, gum_line), gum_line)
            at += wide_j
    gum_line = cv2.dilate(gum_line[None], np.ones((1, 9), np.uint8))
    gum_line = cv2.GaussianBlur(gum_line, (0, 0), 3.0)
    flesh = np.clip(0.5 - (gy - gum_line - 1.1) * 1.6, 0, 1) * _within_row(gx)
    gum_shade = 1 - 0.6 * (np.abs(gx) / 29) ** 1.6
    gum_colour = np.array([0.66, 0.36, 0.36], np.float32) * gum_shade[..., None]
    flesh = flesh * (1 - cover)
    colour = colour + gum_colour * flesh[..., None]
    cover = cover + flesh
    return np.concatenate([colour, cover[..., None]], -1).astype(np.float32)


def _within_row(x: Floats) -> Floats:
    """1 over the row of teeth, 0 beyond its last one."""
    return np.asarray(np.clip((27.0 - np.abs(x)) / 3.0, 0, 1))


def _tongue_picture() -> Floats:
    """Draw a tongue 40 mm wide, its tip's top at y = 0: premultiplied RGBA in [0, 1]."""
    half, height_mm = 22.0, 16.0
    width, height = int(2 * half * _RES / 2), int(height_mm * _RES / 2)
    x = ((np.arange(width) + 0.5) / (_RES / 2) - half) / 19.0
    y = ((np.arange(height) + 0.5) / (_RES / 2)) / 14.0
    gx, gy = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    top = 0.06 + 0.42 * np.abs(gx) ** 2.4
    alpha = np.clip((gy - top) * 9 + 0.2, 0, 1) * np.clip((1.02 - np.abs(gx)) * 8, 0, 1)
    light = 0.78 + 0.22 * np.exp(-((gy - top - 0.16) ** 2) / 0.03) - 0.32 * np.clip(gy - 0.3, 0, 1)
    light = light * (1 - 0.16 * np.exp(-(gx**2) / 0.006)) * (1 - 0.35 * np.abs(gx) ** 2)
    colour = np.array([0.74, 0.40, 0.39], np.float32) * light[..., None]
    return np.concatenate([colour * alpha[..., None], alpha[..., None]], -1).astype(np.float32)


class MouthInterior:
    """Draws the inside of one person's mouth.

    Args:
        scale: Pixels per millimetre in the picture.
        light: (3,) RGB 0..255 that a white thing in the mouth's place would show.
        seed: Of the small irregularities of the teeth.
    """

    def __init__(self, scale: float, light: Floats, seed: int = 7) -> None:
        self.scale = scale
        self._light = light.astype(np.float32)
        # Shrunk beforehand, so that drawing a frame needs no area filter.
        self._factor = min(1.0, scale * 1.6 / _RES)
        self._upper = self._shrink(_tooth_row(_UPPER, seed), self._factor)
        lower = _tooth_row(_LOWER, seed + 1)[::-1]
        self._lower = self._shrink(
            np.ascontiguousarray(lower) * [[[0.84, 0.83, 0.82, 1]]], self._factor
        )
        self._tongue = self._shrink(_tongue_picture(), min(1.0, scale * 1.6 / (_RES / 2)))

    @staticmethod
    def _shrink(picture: Floats, factor: float) -> Floats:
        size = (max(4, round(picture.shape[1] * factor)), max(4, round(picture.shape[0] * factor)))
        return cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_AREA)

    def _place(
        self, picture: Floats, width_mm: float, height_mm: float, anchor_mm: tuple[float, float],
        at: Floats, angle: float, shape: tuple[int, int],
    ) -> Floats:  # fmt: skip
        """Draw a texture so that ``anchor_mm`` (from its upper left corner) falls on ``at``."""
        sx = width_mm / picture.shape[1] * self.scale
        sy = height_mm / picture.shape[0] * self.scale
        c, s = np.cos(angle), np.sin(angle)
        linear = np.array([[c * sx, -s * sy], [s * sx, c * sy]])
        ax = anchor_mm[0] / width_mm * picture.shape[1]
        ay = anchor_mm[1] / height_mm * picture.shape[0]
        shift = np.asarray(at, np.float64) - linear @ [ax, ay]
        matrix = np.concatenate([linear, shift[:, None]], 1)
        return np.asarray(
            cv2.warpAffine(picture, matrix, (shape[1], shape[0]), flags=cv2.INTER_LINEAR)
        )

    def draw(self, hole: Floats, mouth: MouthShape) -> Floats:
        """Draw what is seen through an opening.

        Args:
            hole: (h, w) float32 in [0, 1], the opening between the lips.
            mouth: Where teeth and tongue are, in the pixels of ``hole``.

        Returns:
            (h, w, 3) float32 RGB 0..255; only what lies under ``hole`` is meant to be shown.
        """
        h, w = hole.shape
        mm = self.scale
        out = np.empty((h, w, 3), np.float32)
        out[:] = np.array([0.30, 0.115, 0.11], np.float32)
        down = np.array([-np.sin(mouth.angle), np.cos(mouth.angle)], np.float32)
        apart = float(np.clip((mouth.lower_edge - mouth.upper_edge) @ down, 0, 30 * mm))
        # One looks down on the tongue's back behind the lower teeth, the more the wider it opens.
        rest = mouth.lower_edge + down * (1.6 * mm - 0.45 * apart)
        raised = mouth.upper_edge - down * (0.5 * mm)
        tongue_at = rest * (1 - 0.9 * mouth.tongue) + raised * (0.9 * mouth.tongue)
        layers = (
            (self._tongue, 44.0, 16.0, (22.0, 0.0), tongue_at),
            (self._lower, 62.0, 17.0, (31.0, 2.0), mouth.lower_edge),
            (self._upper, 62.0, 17.0, (31.0, 15.0), mouth.upper_edge),
        )
        # Lips keep light out: dark under the upper lip and at every rim, darker when nearly shut.
        low = cv2.GaussianBlur(hole, (0, 0), 1.6 * mm)
        shift = np.array([[1, 0, 0], [0, 1, 1.3 * mm]], np.float32)
        under = cv2.GaussianBlur(
            cv2.warpAffine(hole, shift, (w, h), borderMode=cv2.BORDER_REPLICATE), (0, 0), 1.0 * mm
        )
        shade = np.clip(0.30 + 0.80 * low * (0.42 + 0.58 * under), 0, 1)[..., None]
        on_teeth = shade**0.5
        # What little light there is has been on lips and gums before.
        on_teeth = on_teeth + (1 - on_teeth) * np.array([0.46, 0.33, 0.32], np.float32)
        out *= shade
        on_teeth = on_teeth * (1 - 0.42 * mouth.rounded)
        for picture, width_mm, height_mm, anchor, at in layers:
            drawn = self._place(picture, width_mm, height_mm, anchor, at, mouth.angle, (h, w))
            lit = shade if picture is self._tongue else on_teeth
            out = out * (1 - drawn[..., 3:]) + drawn[..., :3] * lit
        return np.asarray(out * self._light)
