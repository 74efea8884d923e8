"""Putting a changed face back into its frame without a seam."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Picture
from visavis.media.geometry import apply, box_around, compose, invert, warp

_SAMPLED_SIDE = 96

__all__ = ["feather_mask", "match_colour", "paste_back", "polygon_mask"]


def feather_mask(
    width: int, height: int, feather: float, shape: Literal["ellipse", "rectangle"] = "ellipse"
) -> Floats:
    """Mask (height, width) in [0, 1]: 1 inside, 0 at the edges of the picture.

    Args:
        width: Pixels.
        height: Pixels.
        feather: Width of the soft rim relative to the shorter side, 0..0.5.
        shape: What fills the picture.
    """
    rim = max(1.0, feather * min(width, height))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) + np.float32(0.5)
    if shape == "rectangle":
        depth = np.minimum(np.minimum(x, width - x), np.minimum(y, height - y))
    else:
        # Distance to the ellipse to first order: exact on the rim of a circle.
        u, v = (x - width / 2) / (width / 2), (y - height / 2) / (height / 2)
        r = np.sqrt(u**2 + v**2)
        steep = np.sqrt((u / (width / 2)) ** 2 + (v / (height / 2)) ** 2)
        depth = (1 - r) * r / np.maximum(steep, 1e-6)
        depth[r < 1e-3] = min(width, height) / 2
    return _ease(np.asarray(depth / rim, np.float32))


def polygon_mask(
    points: npt.ArrayLike,
    width: int,
    height: int,
    feather: float,
    within: npt.ArrayLike | None = None,
) -> Floats:
    """Mask (height, width) in [0, 1] of a polygon (K, 2) with a soft rim inside its edge.

    Args:
        points: Corners in pixels.
        width: Pixels.
        height: Pixels.
        feather: Width of the rim, pixels.
        within: Another polygon, outside of which nothing is to be.
    """
    import cv2

    def fill(polygon: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        filled = np.zeros((height + 2, width + 2), np.uint8)  # the picture's edge ends the mask too
        corners = np.rint((np.asarray(polygon, np.float64) + 1) * 16).astype(np.int32)
        cv2.fillPoly(filled, [corners], 1, lineType=cv2.LINE_8, shift=4)
        return filled

    filled = fill(points)
    if within is not None:
        filled &= fill(within)
    filled[[0, -1]] = 0
    filled[:, [0, -1]] = 0
    depth = cv2.distanceTransform(filled, cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]
    return _ease(np.asarray(depth / max(1.0, feather), np.float32))


def paste_back(
    frame: Picture, crop: Picture, to_crop: npt.ArrayLike, mask: Floats, out: Picture | None = None
) -> Picture:
    """Blend a crop into the frame that it was taken from.

    Pixels where the mask is 0, and all outside the crop, keep their exact values.

    Args:
        frame: uint8 (H, W, 3).
        crop: uint8 (h, w, 3), any size.
        to_crop: (2, 3) map from frame to crop pixels.
        mask: (h, w) in [0, 1], how much of the crop is seen.
        out: Where to write, such as ``frame`` itself; a copy of the frame by default.

    Returns:
        The blended frame (``out`` where it is given).
    """
    import cv2

    if out is None:
        out = frame.copy()
    elif out is not frame:
        out[:] = frame
    height, width = crop.shape[:2]
    back = invert(to_crop)
    corners = [[-1, -1], [width, -1], [-1, height], [width, height]]
    left, top, right, bottom = box_around(apply(back, corners))
    x0, y0 = max(0, math.floor(left)), max(0, math.floor(top))
    x1 = min(frame.shape[1], math.ceil(right) + 1)
    y1 = min(frame.shape[0], math.ceil(bottom) + 1)
    if x1 <= x0 or y1 <= y0:
        return out
    to_part = compose([[1, 0, -x0], [0, 1, -y0]], back)
    part = np.ascontiguousarray(out[y0:y1, x0:x1])
    face = warp(crop, to_part, x1 - x0, y1 - y0)
    share = warp(mask.astype(np.float32, copy=False), to_part, x1 - x0, y1 - y0, "constant")
    out[y0:y1, x0:x1] = cv2.blendLinear(face, part, share, 1 - share)
    return out


def match_colour(
    picture: Picture, reference: Picture, mask: Floats | None = None, strength: float = 1.0
) -> Picture:
    """Give a picture the mean and spread of another's colours, in CIE Lab.

    Source: Reinhard et al., Color Transfer between Images, 2001.

    Args:
        picture: uint8 (H, W, 3).
        reference: uint8 of the same size.
        mask: (H, W) weights of the pixels that are compared; all by default.
        strength: 0 changes nothing, 1 matches.
    """
    import cv2

    weight = np.ones(picture.shape[:2], np.float32) if mask is None else mask
    if strength <= 0 or not weight.any():
        return picture.copy()
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    step = max(1, min(picture.shape[:2]) // _SAMPLED_SIDE)  # enough pixels for the statistics
    sampled = reference[::step, ::step].astype(np.float32) / 255
    wanted = cv2.cvtColor(sampled, cv2.COLOR_RGB2Lab)
    share = weight[::step, ::step].ravel()
    share = np.asarray(share / max(float(share.sum()), 1e-9), np.float32)
    mean, spread = _moments(lab[::step, ::step], share)
    goal_mean, goal_spread = _moments(wanted, share)
    # Flat pictures have no spread to scale; and more than double would make noise visible.
    gain = np.clip(goal_spread / np.maximum(spread, 1e-3), 0.5, 2.0)
    gain = np.where(spread < 1e-3, 1.0, gain)
    gain = 1 + (gain - 1) * strength
    lift = mean + (goal_mean - mean) * strength - mean * gain
    matched = (lab * gain.astype(np.float32)) + lift.astype(np.float32)
    rgb = cv2.cvtColor(np.asarray(matched, np.float32), cv2.COLOR_Lab2RGB)
    return np.asarray(np.clip(np.rint(rgb * 255), 0, 255), np.uint8)


def _moments(lab: npt.NDArray[np.generic], share: Floats) -> tuple[Floats, Floats]:
    flat = np.asarray(lab, np.float32).reshape(-1, 3)
    mean = share @ flat
    spread = np.sqrt(share @ (flat - mean) ** 2)
    return np.asarray(mean, np.float32), np.asarray(spread, np.float32)


def _ease(depth: Floats) -> Floats:
    """Smooth step from 0 at depth 0 to 1 at depth 1."""
    t = np.clip(depth, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
