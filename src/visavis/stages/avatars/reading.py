"""Finding the one face of a picture, and cutting the picture to the size that an avatar has."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass

import numpy as np

from visavis.core.errors import MissingWeights
from visavis.core.types import Floats, Picture
from visavis.models.face_landmarker.predictor import Face, FaceLandmarker
from visavis.models.modnet.predictor import PortraitMatting
from visavis.models.yunet.predictor import Detection, FaceDetector

_LOG = logging.getLogger(__name__)

MAX_SIDE = 1280
"""Longest side of an avatar in pixels: enough for 720p."""
GOOD_FACE_WIDTH = 256
"""Pixels; a picture is cut to the head and shoulders rather than shrink the face below it."""
BYSTANDER = 0.3
"""A face smaller than this, of the largest one's size, is in the background."""


@dataclass(frozen=True, slots=True)
class Readers:
    """The networks that look at faces; without ``matting`` the background moves with the head."""

    detector: FaceDetector
    landmarker: FaceLandmarker
    matting: PortraitMatting | None = None


@functools.cache
def shared_readers() -> Readers:
    """One set of networks for the whole process; both may be shared between threads."""
    try:
        matting = PortraitMatting()
    except MissingWeights as error:
        _LOG.warning("avatars keep their background: %s", error)
        matting = None
    return Readers(FaceDetector(), FaceLandmarker(threads=2), matting)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A picture as an avatar would have it, and who is in it.

    Attributes:
        frame: RGB uint8 (H, W, 3); both sides even, neither over ``MAX_SIDE``.
        face: The largest face, in pixels of the frame; None where no landmarks fit.
        detections: All faces, the largest first, in pixels of the original picture.
        scale: Frame pixels per picture pixel.
    """

    frame: Picture
    face: Face | None
    detections: tuple[Detection, ...]
    scale: float

    @property
    def rivals(self) -> tuple[Detection, ...]:
        """Other faces of about the largest one's size."""
        if not self.detections:
            return ()
        least = BYSTANDER * self.detections[0].size
        return tuple(d for d in self.detections[1:] if d.size >= least)


def read_face(image: Picture, readers: Readers, max_side: int = MAX_SIDE) -> Reading:
    """Find all faces, cut the picture to an avatar's frame and find the landmarks of the largest."""
    detections = tuple(readers.detector.detect(image))
    if not detections:
        # The landmarker's own detector sees some faces that YuNet does not, and the other way.
        face = readers.landmarker.detect(image)
        if face is not None:
            detections = (
                Detection(face.box, face.score, face.landmarks[[468, 473, 4, 61, 291], :2]),
            )
    if not detections:
        frame, _, scale = frame_picture(image, None, max_side)
        return Reading(frame, None, (), scale)
    frame, corner, scale = frame_picture(image, detections[0].box, max_side)
    box = (detections[0].box.reshape(2, 2) - corner).reshape(4) * scale
    return Reading(frame, readers.landmarker.detect(frame, box), detections, scale)


def frame_picture(
    image: Picture, box: Floats | None, max_side: int
) -> tuple[Picture, Floats, float]:
    """Shrink a picture to ``max_side``; cut it first where that would make the face too small.

    Args:
        image: RGB uint8 (H, W, 3).
        box: float32 (4,) xyxy pixels of the face.
        max_side: Pixels.

    Returns:
        The frame with even sides, the picture's pixel (x, y) in its corner, and frame pixels per
        picture pixel.
    """
    import cv2

    height, width = image.shape[:2]
    scale = min(1.0, max_side / max(height, width))
    x0, y0, x1, y1 = 0, 0, width, height
    if box is not None:
        face_width = float(box[2] - box[0])
        wanted = min(1.0, GOOD_FACE_WIDTH / max(face_width, 1.0))
        if wanted > scale:
            scale = wanted
            side_x = min(width, int(max_side / scale))
            side_y = min(height, int(max_side / scale))
            # A little below the middle: there is more of a person below the face than above.
            x0 = int(np.clip((box[0] + box[2]) / 2 - side_x / 2, 0, width - side_x))
            y0 = int(np.clip((box[1] + box[3]) / 2 - side_y * 0.4, 0, height - side_y))
            x1, y1 = x0 + side_x, y0 + side_y
    cut = image[y0:y1, x0:x1]
    if scale < 1:
        size = (max(2, round((x1 - x0) * scale)), max(2, round((y1 - y0) * scale)))
        cut = np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), np.uint8)
    # H.264 with 4:2:0 colours has no odd sides.
    even = cut[: cut.shape[0] // 2 * 2, : cut.shape[1] // 2 * 2]
    return np.ascontiguousarray(even), np.array([x0, y0], np.float32), scale
