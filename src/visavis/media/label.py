"""The small visible label that says a machine made the picture."""

from __future__ import annotations

import dataclasses
import json
from functools import lru_cache
from importlib import resources
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.errors import TextUnusable
from visavis.core.types import Floats, Language, Picture

Corner: TypeAlias = Literal["top left", "top right", "bottom left", "bottom right"]

LABEL_TEXT: dict[Language, str] = {"en": "AI generated", "zh": "AI 生成"}

_LINE = 0.034
"""Text em relative to the shorter side of the frame."""
_SMALLEST_EM = 11
"""Pixels below which Chinese characters run together."""
_MARGIN = 0.03
"""Distance to the frame's edges relative to its shorter side: inside every safe area."""
_PILL = 0.55
"""Opacity of the black pill; white on it keeps a contrast over 4.5 on a white background."""
_TEXT = 0.95


@dataclasses.dataclass(frozen=True)
class Label:
    """A text on a dark rounded pill in a corner, legible on any background.

    Args:
        text: ASCII and the Chinese characters that say that something is made by AI.
        corner: Where it stands.

    Raises:
        TextUnusable: The text is empty, too long or has characters that are not in the atlas.
    """

    text: str = LABEL_TEXT["en"]
    corner: Corner = "bottom right"

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise TextUnusable("the label has no text; give some or turn the label off")
        if len(self.text) > 40:
            raise TextUnusable(f"the label has {len(self.text)} characters; 40 at most")
        _, _, places, _ = _atlas()
        unknown = sorted({c for c in self.text if c not in places})
        if unknown:
            raise TextUnusable(
                f"the label cannot show {''.join(unknown)!r}; use ASCII or a text such as"
                f" {LABEL_TEXT['zh']!r} or '人工智能生成合成内容'"
            )

    def draw(self, image: Picture) -> Picture:
        """Return a copy of the picture (H, W, 3) with the label; the rest of it is unchanged."""
        drawn = image.copy()
        top, left, keep, add = _overlay(self.text, self.corner, image.shape[0], image.shape[1])
        height, width = keep.shape[:2]
        area = drawn[top : top + height, left : left + width]
        area[:] = (area * keep + add) >> 8
        return drawn


@lru_cache(maxsize=1)
def _atlas() -> tuple[npt.NDArray[np.uint8], int, dict[str, tuple[int, int]], int]:
    """Glyphs side by side (rows, columns), em, (x, advance) of each character, baseline row."""
    import cv2

    folder = resources.files("visavis.media.glyphs")
    about = json.loads(folder.joinpath("atlas.json").read_text("utf-8"))
    data = np.frombuffer(folder.joinpath("atlas.png").read_bytes(), np.uint8)
    strip = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    places = {char: (int(x), int(a)) for char, (x, a) in about["places"].items()}
    return strip, int(about["em"]), places, int(about["ascent"])


@lru_cache(maxsize=16)
def _overlay(
    text: str, corner: Corner, frame_height: int, frame_width: int
) -> tuple[int, int, npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """Place of the label, and what to multiply (of 256) and to add (times 256) there."""
    shorter = min(frame_height, frame_width)
    em = max(_SMALLEST_EM, shorter * _LINE)
    margin = round(shorter * _MARGIN)
    pill, letters = _pill(text, em)
    widest = frame_width - 2 * margin
    if pill.shape[1] > widest > 0:
        pill, letters = _pill(text, em * widest / pill.shape[1])
    pill, letters = pill[:frame_height, :frame_width], letters[:frame_height, :frame_width]
    height, width = pill.shape
    vertical, horizontal = corner.split()
    top = margin if vertical == "top" else frame_height - margin - height
    left = margin if horizontal == "left" else frame_width - margin - width
    # Black pill first, then white letters over it: out = in (1 - p) (1 - t) + 255 t.
    under, over = pill * _PILL, letters * _TEXT
    keep = np.rint((1 - under) * (1 - over) * 256).astype(np.uint16)
    add = np.rint(over * 255 * 256).astype(np.uint32)
    add = np.minimum(add, 255 * 256 - keep.astype(np.uint32) * 255 + 255).astype(np.uint16)
    return max(0, top), max(0, left), keep[..., None], add[..., None]


def _pill(text: str, em: float) -> tuple[Floats, Floats]:
    """Coverage of the pill and of the letters, both (h, w) in [0, 1], antialiased."""
    import cv2

    strip, atlas_em, places, ascent = _atlas()
    columns = [strip[:, places[c][0] : places[c][0] + places[c][1]] for c in text]
    line = np.concatenate(columns, axis=1)
    scale = em / atlas_em
    height = max(3, round(em * 1.7))
    width = max(3, round(line.shape[1] * scale + em * 1.3))
    # Drawn at four times the size and shrunk by area, which is the antialiasing.
    large = np.zeros((height * 4, width * 4), np.float32)
    resized = cv2.resize(
        line.astype(np.float32) / 255,
        (max(1, round(line.shape[1] * scale * 4)), max(1, round(line.shape[0] * scale * 4))),
        interpolation=cv2.INTER_AREA,
    )
    # Half of the capitals' height above the baseline is the middle of the pill.
    baseline = height * 2 + round(0.365 * em * 4)
    top = baseline - round(ascent * scale * 4)
    left = (large.shape[1] - resized.shape[1]) // 2
    first = max(0, -top)
    rows = resized[first : first + large.shape[0] - max(0, top)]
    large[max(0, top) : max(0, top) + len(rows), left : left + resized.shape[1]] = rows
    y, x = np.mgrid[0 : height * 4, 0 : width * 4] + 0.5
    radius = height * 2.0
    reach = np.clip(x, radius, width * 4 - radius)
    inside = np.hypot(x - reach, y - radius) <= radius
    shrink = (width, height)
    pill = cv2.resize(inside.astype(np.float32), shrink, interpolation=cv2.INTER_AREA)
    letters = cv2.resize(large, shrink, interpolation=cv2.INTER_AREA)
    return np.asarray(pill, np.float32), np.asarray(letters, np.float32)
