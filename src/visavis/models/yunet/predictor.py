"""Every face of a picture, by YuNet.

Source: Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector" (2023), OpenCV Zoo.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visavis.core.errors import MissingWeights
from visavis.core.types import Floats, Picture

SIDES = (320, 640, 1280)
"""Longest sides that a picture is shrunk to: YuNet sees faces of about 10 to 300 pixels, so a face
that fills a large picture is found at the small size and a distant one at the large size."""
MIN_SCORE = 0.7
MIN_OVERLAP = 0.3
_MIN_SIDE = 96


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A face.

    Attributes:
        box: float32 (4,) xyxy pixels; may reach over the border of the picture.
        score: In [0, 1].
        keypoints: float32 (5, 2) pixels: the subject's right eye, left eye, nose tip, right and
            left corner of the mouth.
    """

    box: Floats
    score: float
    keypoints: Floats

    @property
    def size(self) -> float:
        """Geometric mean of width and height, in pixels."""
        width, height = self.box[2:] - self.box[:2]
        return float(np.sqrt(max(width, 0) * max(height, 0)))


class FaceDetector:
    """Finds all faces. Safe to share between threads, which then take turns.

    Args:
        path: The ONNX file; None takes it from the asset catalogue.
        min_score: Faces below it are left out.

    Raises:
        MissingWeights: The file is not there or is not YuNet.
    """

    def __init__(self, path: Path | None = None, min_score: float = MIN_SCORE) -> None:
        import cv2

        if path is None:
            from visavis.models.assets import locate

            path = locate("yunet")
        try:
            self._network: Any = cv2.FaceDetectorYN.create(
                str(path), "", (SIDES[0], SIDES[0]), min_score, MIN_OVERLAP, 5000
            )
        except cv2.error as error:
            raise MissingWeights(
                f"{path} cannot be read as YuNet ({error.err}); run `visavis models pull yunet`."
            ) from error
        self._lock = threading.Lock()

    def detect(self, image: Picture) -> list[Detection]:
        """All faces of an RGB uint8 (H, W, 3) picture, the largest first."""
        longest = max(image.shape[:2])
        sides = [side for side in SIDES if side < longest] or [SIDES[0]]
        if longest <= SIDES[-1] and longest not in sides:
            sides.append(longest)
        bgr: Picture = np.ascontiguousarray(image[..., ::-1])
        with self._lock:
            found = [face for side in sides for face in self._detect_at(bgr, side / longest)]
        return _merge(found)

    def _detect_at(self, bgr: Picture, scale: float) -> list[Detection]:
        import cv2

        height, width = (max(1, round(side * scale)) for side in bgr.shape[:2])
        mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = bgr if scale == 1 else cv2.resize(bgr, (width, height), interpolation=mode)
        # Below some 64 pixels a side OpenCV reads boxes out of memory that it did not write.
        right, below = max(0, _MIN_SIDE - width), max(0, _MIN_SIDE - height)
        small = cv2.copyMakeBorder(small, 0, below, 0, right, cv2.BORDER_CONSTANT)
        self._network.setInputSize((small.shape[1], small.shape[0]))
        _, rows = self._network.detect(small)
        back = np.array([bgr.shape[1] / width, bgr.shape[0] / height], np.float32)
        detections = []
        for row in rows if rows is not None else []:
            points = row[:14].reshape(7, 2).astype(np.float32) * back
            box = np.concatenate([points[0], points[0] + points[1]])
            centre = points[0] + points[1] / 2
            if not (np.all(centre >= 0) and np.all(centre <= bgr.shape[1::-1])):
                continue
            detections.append(Detection(box, float(row[14]), points[2:]))
        return detections


def _merge(found: list[Detection]) -> list[Detection]:
    """Keep the most certain of those that cover one another, and sort by size."""
    kept: list[Detection] = []
    for face in sorted(found, key=lambda face: -face.score):
        if all(_cover(face.box, other.box) < MIN_OVERLAP for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda face: -face.size)


def _cover(one: Floats, other: Floats) -> float:
    """Intersection over the smaller of two boxes."""
    common = np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None)
    areas = [max(float(np.prod(box[2:] - box[:2])), 1e-9) for box in (one, other)]
    return float(np.prod(common)) / min(areas)
