"""The light and the background of a portrait."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Picture
from visavis.models.common import mesh
from visavis.models.puppet.warp import fill_polygon

EYES: Sequence[tuple[mesh.Indices, mesh.Indices, mesh.Indices]] = (
    (mesh.EYE_RIGHT_UPPER, mesh.EYE_RIGHT_LOWER, mesh.IRIS_RIGHT),
    (mesh.EYE_LEFT_UPPER, mesh.EYE_LEFT_LOWER, mesh.IRIS_LEFT),
)
"""Upper lid, lower lid and iris of the right and the left eye."""

_CHEEKS = np.array([50, 280, 205, 425])


def find_white(image: Picture, landmarks: Floats) -> Floats:
    """RGB of white in the mouth's place: from the whites of the eyes, held to the skin's light."""
    whites = []
    for upper, lower, iris in EYES:
        outline = np.concatenate([landmarks[upper, :2], landmarks[lower, :2][::-1]])
        mask = fill_polygon(image.shape[:2], outline) > 0.9
        centre = landmarks[iris, :2].mean(0)
        radius = np.linalg.norm(landmarks[iris, :2] - centre, axis=1).max()
        ys, xs = np.nonzero(mask)
        clear = np.hypot(xs - centre[0], ys - centre[1]) > radius * 1.15
        if clear.sum() >= 12:
            pixels = image[ys[clear], xs[clear]].astype(np.float32)
            light = pixels.mean(1)
            whites.append(pixels[light >= np.quantile(light, 0.7)].mean(0))
    cheeks = landmarks[_CHEEKS, :2].round().astype(int)
    skin = np.stack([
        image[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4].reshape(-1, 3).mean(0)
        for x, y in cheeks
    ]).mean(0)  # fmt: skip
    white = np.mean(whites, 0) if whites else skin * [1.02, 1.15, 1.25]
    # Eyes lie in shadow: lift to what teeth show, but never brighter than lit skin allows.
    level = float(np.clip(white.mean() * 1.35, 1.08 * skin.mean(), 1.32 * skin.mean()))
    tint = 0.4 * white / white.mean() + 0.6
    return np.asarray(np.clip(tint * min(level, 244.0), 0, 252), np.float32)


def fill_background(image: Picture, matte: npt.NDArray[np.uint8]) -> Picture:
    """Paint the person out: what shows when the head moves aside.

    Args:
        image: RGB uint8 (H, W, 3).
        matte: uint8 (H, W) of the person.
    """
    height, width = image.shape[:2]
    small = max(1, round(height / 384))
    grown = cv2.dilate((matte > 10).astype(np.uint8), np.ones((9, 9), np.uint8), iterations=2)
    size = (width // small, height // small)
    filled = cv2.inpaint(
        cv2.resize(image, size, interpolation=cv2.INTER_AREA),
        cv2.resize(grown, size, interpolation=cv2.INTER_NEAREST), 9, cv2.INPAINT_TELEA,
    )  # fmt: skip
    filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC)
    soft = cv2.GaussianBlur(grown.astype(np.float32), (0, 0), 4)[..., None]
    return np.clip(
        image * (1 - soft) + cv2.GaussianBlur(filled, (0, 0), 2.5) * soft, 0, 255
    ).astype(np.uint8)


def unmix(image: Picture, background: Picture, matte: npt.NDArray[np.uint8]) -> Picture:
    """Take the background out of half-transparent pixels, so that it is not blended in twice.

    Solves ``image = alpha * person + (1 - alpha) * background`` for the person; where alpha is
    under a quarter the answer would be noise and is held back.

    Returns:
        RGB uint8 (H, W, 3); where alpha is 1 it is the image.
    """
    alpha = (matte.astype(np.float32) / 255)[..., None]
    person = (image - (1 - alpha) * background) / np.maximum(alpha, 0.25)
    return np.where(alpha > 0.02, np.clip(person + 0.5, 0, 255), image).astype(np.uint8)
