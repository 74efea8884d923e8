"""Measures of one face in one picture. Each is a number; what it means is for `check` to say.

Numbers are relative to the face (its width, the brightness of its skin), so that they hold for any
size, any skin and for grey pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from visavis.core.types import Floats, Picture
from visavis.media.sharpness import measure_sharpness
from visavis.models.common.units import UNIT_INDEX
from visavis.models.face_landmarker.predictor import LEVEL_PITCH, Face

# Vertices of MediaPipe's mesh, named for the subject's sides.
_CHEEKS = (50, 205, 280, 425)
_UNDER_EYES = (117, 118, 346, 347)
_FOREHEAD = (151, 108, 337)
_ABOVE_LIP = (164, 167, 393)
_CHIN = (200, 201, 421, 199)
_NOSE = (5, 195)
_LIPS_UPPER = ((37, 82), (0, 13), (267, 312))
_LIPS_LOWER = ((84, 87), (17, 14), (314, 317))
_EYES = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
)
_CHIN_TIP, _FOREHEAD_TOP = 152, 10
_LEAST_CHROMA = 4
"""Levels of a* and b* off grey that the skin of a colour picture has at least."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured of a face.

    Attributes:
        width: Pixels from one side of the landmarks to the other.
        yaw: Degrees, 0 is frontal.
        pitch: Degrees, 0 is level.
        roll: Degrees, 0 is upright.
        sharpness: Power of the finest detail over the contrast of the face; 0 is a blur.
        mouth_gap: Opening between the lips over the height of the face.
        eyes_shut: 0 (open) to 1 (shut), of the eye that is more open.
        mouth_cover: Largest step of skin colour between the cheeks and the parts around the mouth,
            in units of CIELAB over the brightness of the skin.
        lip_line: How much darker the line between the lips is than the lips, over the skin's
            brightness; below 0.02 there is no mouth to be seen.
        lip_tint: How much redder the lips are than the skin around them, in CIELAB a*; infinite in
            a grey picture, which cannot tell.
        eye_light: Brightness of the whites of the eyes over that of the skin.
        eye_contrast: Spread of brightness in the eyes over the skin's brightness.
        brightness: Median of the skin, 0..255.
        overexposed: Share of the face that is white without detail.
        side_light: How much brighter one cheek is than the other: 0 even, 1 one is black.
        outside: Share of the landmarks beyond the border.
        headroom: Space above the hair over the height of the face, estimated; negative when cut.
    """

    width: float
    yaw: float
    pitch: float
    roll: float
    sharpness: float
    mouth_gap: float
    eyes_shut: float
    mouth_cover: float
    lip_line: float
    lip_tint: float
    eye_light: float
    eye_contrast: float
    brightness: float
    overexposed: float
    side_light: float
    outside: float
    headroom: float


def measure_quality(image: Picture, face: Face) -> Quality:
    """Measure a face in an RGB uint8 (H, W, 3) picture."""
    import cv2

    points = face.landmarks[:, :2]
    lab = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), np.float32)
    light: Floats = lab[..., 0]
    width = float(np.ptp(points[:468, 0]))
    height = float(np.linalg.norm(points[_CHIN_TIP] - points[_FOREHEAD_TOP]))
    patch = max(1, round(0.03 * width))

    cheeks = np.stack([_patch(lab, points[i], patch) for i in _CHEEKS])
    skin = np.median(cheeks, 0)
    skin_light = max(float(skin[0]), 1.0)
    right, left = cheeks[:2, 0].mean(), cheeks[2:, 0].mean()
    upper = [_patch(lab, points[i], patch) for i in (*_FOREHEAD, *_NOSE, *_UNDER_EYES)]
    cover = max(_mouth_steps(lab, points, patch, np.stack(upper))) / skin_light

    low, high = points.min(0), points.max(0)
    shown = points[(points >= 0).all(1) & (points < image.shape[1::-1]).all(1)]
    blink = [float(face.blendshapes[UNIT_INDEX[f"eyeBlink{side}"]]) for side in ("Left", "Right")]
    eyes = [_eye(light, points[list(ring)]) for ring in _EYES]
    gap = float(np.linalg.norm(points[13] - points[14])) / max(height, 1.0)
    inside = _crop(light, low, high)
    top = float(points[_FOREHEAD_TOP, 1]) - 0.4 * height
    return Quality(
        width=width,
        yaw=float(face.pose[0]),
        pitch=float(face.pose[1]) - LEVEL_PITCH,
        roll=float(face.pose[2]),
        sharpness=measure_sharpness(inside),
        mouth_gap=gap,
        eyes_shut=min(blink),
        mouth_cover=float(cover),
        lip_line=_lip_line(light, points, height) / skin_light,
        lip_tint=_lip_tint(lab, points, width),
        eye_light=float(np.mean([bright for bright, _ in eyes])) / skin_light,
        eye_contrast=float(np.mean([spread for _, spread in eyes])) / skin_light,
        brightness=skin_light,
        overexposed=float((inside >= 252).mean()) if inside.size else 0.0,
        side_light=float(abs(right - left) / max(right, left, 1.0)),
        outside=1 - len(shown) / len(points),
        headroom=top / max(height, 1.0),
    )


def _patch(lab: Floats, centre: Floats, radius: int) -> Floats:
    """Median colour (3,) around a point, clipped to the picture."""
    height, width = lab.shape[:2]
    x = int(np.clip(round(float(centre[0])), 0, width - 1))
    y = int(np.clip(round(float(centre[1])), 0, height - 1))
    square = lab[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
    colour: Floats = np.median(square.reshape(-1, lab.shape[2]), 0).astype(np.float32)
    return colour


def _mouth_steps(lab: Floats, points: Floats, patch: int, upper: Floats) -> list[float]:
    """Colour distance of the parts around the mouth from the most alike part of the upper face.

    Brightness counts a quarter: shadows and beards are no cover.
    """
    weights = np.array([1 / 4, 1, 1], np.float32)
    steps = []
    for group in (_ABOVE_LIP, _CHIN):
        colour = np.median([_patch(lab, points[i], patch) for i in group], 0)
        steps.append(float(np.linalg.norm((upper - colour) * weights, axis=1).min()))
    return steps


def _lip_line(light: Floats, points: Floats, height: float) -> float:
    """Brightness of the lips less that of the darkest line between them, medians of three places."""
    import cv2

    depths = []
    blurred = np.asarray(cv2.GaussianBlur(light, (0, 0), max(0.5, 0.004 * height)), np.float32)
    for (out_upper, in_upper), (out_lower, in_lower) in zip(_LIPS_UPPER, _LIPS_LOWER, strict=True):
        lips = 0.5 * (
            _along(blurred, points[out_upper], points[in_upper], 9)[2:7].mean()
            + _along(blurred, points[out_lower], points[in_lower], 9)[2:7].mean()
        )
        margin = (points[out_lower] - points[out_upper]) * 0.12
        line = _along(blurred, points[in_upper] - margin, points[in_lower] + margin, 15).min()
        depths.append(float(lips - line))
    return float(np.median(depths))


def _lip_tint(lab: Floats, points: Floats, width: float) -> float:
    """Redness of the lips less that of the skin above and below them."""
    skin = [_patch(lab, points[i], max(1, round(0.03 * width))) for i in (*_ABOVE_LIP, *_CHIN)]
    spread = np.stack([_patch(lab, points[i], 2) for i in (*_CHEEKS, *_FOREHEAD)])[:, 1:]
    if np.abs(spread - 128).max() < _LEAST_CHROMA:
        return float("inf")
    fine = max(1, round(0.008 * width))
    pairs = (*_LIPS_UPPER, *_LIPS_LOWER)
    lips = [_patch(lab, (points[one] + points[two]) / 2, fine) for one, two in pairs]
    return float(np.median(lips, 0)[1] - np.median(skin, 0)[1])


def _along(image: Floats, start: Floats, end: Floats, count: int) -> Floats:
    """``count`` values on the line from start to end (x, y)."""
    steps = np.linspace(0, 1, count)[:, None]
    places = np.rint(start + steps * (end - start)).astype(int)
    x = np.clip(places[:, 0], 0, image.shape[1] - 1)
    y = np.clip(places[:, 1], 0, image.shape[0] - 1)
    values: Floats = image[y, x]
    return values


def _eye(light: Floats, ring: Floats) -> tuple[float, float]:
    """The 90th percentile of brightness inside an eye, and its distance from the 10th."""
    import cv2

    low = np.floor(ring.min(0)).astype(int)
    high = np.ceil(ring.max(0)).astype(int) + 1
    low, high = np.maximum(low, 0), np.minimum(high, light.shape[1::-1])
    crop = light[low[1] : high[1], low[0] : high[0]]
    if not crop.size:
        return 0.0, 0.0
    mask = np.zeros(crop.shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(ring - low).astype(np.int32)], 1)
    values = crop[mask > 0]
    if not values.size:
        return 0.0, 0.0
    dark, bright = np.percentile(values, (10, 90))
    return float(bright), float(bright - dark)


def _crop(light: Floats, low: Floats, high: Floats) -> Floats:
    """The part of the picture between two corners."""
    x0, y0 = np.maximum(np.floor(low).astype(int), 0)
    x1, y1 = np.ceil(high).astype(int)
    return light[y0:y1, x0:x1]
