"""BlazeFace short range: the face detector inside ``face_landmarker.task``.

Source: Bazarevsky et al., "BlazeFace" (2019), and MediaPipe's ``face_detector_graph.cc`` for the
anchors, the thresholds and the weighted non-maximum suppression.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from visavis.core.types import Floats, Picture
from visavis.models.face_landmarker.interpreter import Interpreter

INPUT_SIZE = 128
MIN_SCORE = 0.5
MIN_OVERLAP = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class BlazeDetection:
    """A face.

    Attributes:
        box: float32 (4,) xyxy pixels.
        keypoints: float32 (6, 2) pixels: the subject's right eye, left eye, nose, mouth, right
            ear, left ear.
        score: In [0, 1].
    """

    box: Floats
    keypoints: Floats
    score: float


class BlazeFace:
    """Finds faces that fill at least about a tenth of the picture."""

    def __init__(self, model: bytes, threads: int) -> None:
        self._network = Interpreter(model, threads)
        self._anchors = _make_anchors()

    def detect(self, image: Picture) -> list[BlazeDetection]:
        """All faces, the most certain first."""
        import cv2

        height, width = image.shape[:2]
        side = max(height, width)
        scale = INPUT_SIZE / side
        left, top = (side - width) / 2, (side - height) / 2
        # The corners of the padded square go to the corners of the input, as in MediaPipe's
        # ImageToTensorCalculator (not pixel centre to pixel centre).
        to_input = np.array([[scale, 0, left * scale], [0, scale, top * scale]], np.float32)
        letterboxed = cv2.warpAffine(
            image, to_input, (INPUT_SIZE, INPUT_SIZE), flags=cv2.INTER_LINEAR
        )
        tensor = np.asarray(letterboxed, np.float32)[None] / 127.5 - 1
        raw, logits = self._network.run(tensor)
        clipped = np.clip(logits.reshape(-1), -80, 80)  # exp overflows float32 at 88
        scores = np.asarray(1 / (1 + np.exp(-clipped)), np.float32)
        keep = scores >= MIN_SCORE
        points = np.asarray(raw.reshape(-1, 8, 2)[keep] / INPUT_SIZE, np.float32)
        anchors = self._anchors[keep]
        size = points[:, 1]
        points = points + anchors[:, None]
        boxes: Floats = np.concatenate([points[:, 0] - size / 2, points[:, 0] + size / 2], 1)
        merged = _suppress(boxes, points[:, 2:], scores[keep])
        offset = np.array([left, top], np.float32)
        return [
            BlazeDetection(
                (box.reshape(2, 2) * side - offset).reshape(4).astype(np.float32),
                (keypoints * side - offset).astype(np.float32),
                score,
            )
            for box, keypoints, score in merged
        ]


def _make_anchors() -> Floats:
    """Centres (896, 2) in [0, 1]: two for each cell of 16x16, six for each cell of 8x8."""
    anchors = []
    for cells, count in ((16, 2), (8, 6)):
        centre = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(centre, centre, indexing="ij")
        anchors.append(np.repeat(np.stack([x, y], -1).reshape(-1, 2), count, 0))
    return np.concatenate(anchors)


def _suppress(
    boxes: Floats, keypoints: Floats, scores: Floats
) -> list[tuple[Floats, Floats, float]]:
    """Weighted non-maximum suppression: overlapping detections are averaged by score."""
    merged = []
    remaining = np.argsort(-scores, kind="stable")
    while len(remaining):
        best = remaining[0]
        overlaps = _overlap(boxes[best], boxes[remaining]) > MIN_OVERLAP
        overlaps[0] = True
        group = remaining[overlaps]
        weight = scores[group] / scores[group].sum()
        merged.append(
            (
                np.tensordot(weight, boxes[group], 1),
                np.tensordot(weight, keypoints[group], 1),
                float(scores[best]),
            )
        )
        remaining = remaining[~overlaps]
    return merged


def _overlap(box: Floats, boxes: Floats) -> Floats:
    """Intersection over union of one box with each of many."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), 1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], 1)
    overlap: Floats = common / (areas + np.prod(box[2:] - box[:2]) - common + 1e-9)
    return overlap
