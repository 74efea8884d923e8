"""478 face landmarks, 52 ARKit units and head pose, in a picture or along a video.

MediaPipe's face landmarker (Kartynnik et al. 2019; Grishchenko et al. 2020, 2023) on TFLite alone:
BlazeFace, a rotated square around the face, the landmark network, the blendshape network.
"""

from __future__ import annotations

import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visavis.core.errors import MissingWeights
from visavis.core.types import Floats, Picture
from visavis.models.common.units import ARKIT_UNITS
from visavis.models.face_landmarker.canonical import CanonicalFace, parse_canonical_face
from visavis.models.face_landmarker.detector import BlazeFace
from visavis.models.face_landmarker.interpreter import Interpreter

INPUT_SIZE = 256
LANDMARKS = 478
ROI_SCALE = 1.5
"""How much larger than the face's bounding box the square is that the network sees."""
MIN_PRESENCE = 0.5
MAX_LOOKS = 4
SETTLED = 0.005
"""Of the square's side: landmarks that move less on a further look have settled."""
RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263
LEVEL_PITCH = -6.0
"""Degrees of pitch that are reported for a level head (the mean face of FFHQ, measured)."""

# fmt: off
# What the blendshape network reads: kLandmarksSubsetIdxs of MediaPipe's
# face_blendshapes_graph.cc (Apache-2.0).
BLENDSHAPE_LANDMARKS = np.array([
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66,
    67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144,
    145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173,
    176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284,
    285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332,
    334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473,
    474, 475, 476, 477,
])
# fmt: on


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face.

    Attributes:
        landmarks: float32 (478, 3) pixels of the picture: x right, y down, z away from the camera
            (smaller is closer), 0 near the centre of the head; the last ten are the irises.
        blendshapes: float32 (52,) in [0, 1], in the order of ``ARKIT_UNITS``; ``tongueOut`` is 0,
            which the network does not give.
        score: Presence of a face, in [0, 1].
        pose: float32 (3,) degrees: yaw (positive: turned to the right of the picture), pitch
            (positive: looking up), roll (positive: tilted clockwise in the picture).
        rotation: float32 (3, 3) turns the frontal face into the picture's; axes as ``landmarks``.
    """

    landmarks: Floats
    blendshapes: Floats
    score: float
    pose: Floats
    rotation: Floats

    @property
    def box(self) -> Floats:
        """float32 (4,) xyxy pixels around the landmarks."""
        points = self.landmarks[:, :2]
        return np.concatenate([points.min(0), points.max(0)])


@dataclass(frozen=True, slots=True)
class _Roi:
    """A rotated rectangle: centre and size in pixels, angle in radians, clockwise."""

    x: float
    y: float
    width: float
    height: float
    angle: float


class FaceLandmarker:
    """Finds the landmarks of one face. Safe to share between threads, which then take turns.

    Args:
        path: ``face_landmarker.task``; None takes it from the asset catalogue.
        threads: Of each network.

    Raises:
        MissingWeights: The bundle is not there, or lacks one of its parts.
    """

    def __init__(self, path: Path | None = None, threads: int = 1) -> None:
        if path is None:
            from visavis.models.assets import locate

            path = locate("face-landmarker")
        parts = _read_bundle(path)
        self._detector = BlazeFace(parts["face_detector.tflite"], threads)
        self._landmarks = Interpreter(parts["face_landmarks_detector.tflite"], threads)
        self._blendshapes = Interpreter(parts["face_blendshapes.tflite"], threads)
        self.canonical: CanonicalFace = parse_canonical_face(
            parts["geometry_pipeline_metadata_landmarks.binarypb"]
        )
        self._lock = threading.Lock()

    def detect(self, image: Picture, box: Floats | None = None, refine: bool = True) -> Face | None:
        """Find the most certain face.

        Args:
            image: RGB uint8 (H, W, 3).
            box: float32 (4,) xyxy pixels of the face to take, from another detector; needed where
                several faces are in view or the face fills less than a tenth of the picture.
            refine: Look again through the square that the landmarks give, as tracking does, until
                they settle; False stops where MediaPipe's image mode stops.

        Returns:
            The face, or None when there is none.
        """
        with self._lock:
            roi = self._find_roi(image) if box is None else self._find_roi_within(image, box)
            if roi is None:
                return None
            found = self._measure(image, roi)
            if found is None:
                return None
            for _ in range(MAX_LOOKS if refine else 0):
                again = self._measure(image, _roi_of_landmarks(found[0]))
                if again is None:
                    break
                moved = np.abs(again[0] - found[0])[:, :2].max()
                found = again
                if moved < SETTLED * _roi_of_landmarks(found[0]).width:
                    break
            return self._describe(*found)

    def track(self, image: Picture, previous: Face | None, anew: bool = True) -> Face | None:
        """Find the face of the frame before in this frame.

        Args:
            image: RGB uint8 (H, W, 3).
            previous: What this method or ``detect`` returned for the frame before.
            anew: Whether to detect any face where that one is lost; False where several people are
                followed, each by a call of their own.
        """
        if previous is not None:
            with self._lock:
                found = self._measure(image, _roi_of_landmarks(previous.landmarks))
                if found is not None:
                    return self._describe(*found)
        return self.detect(image) if anew else None

    def _find_roi(self, image: Picture) -> _Roi | None:
        faces = self._detector.detect(image)
        if not faces:
            return None
        return _roi_of_box(faces[0].box, _angle(faces[0].keypoints[0], faces[0].keypoints[1]))

    def _find_roi_within(self, image: Picture, box: Floats) -> _Roi:
        """Look for the tilt of the head around ``box``; take the box itself where none is seen."""
        x0, y0, x1, y1 = (float(v) for v in box)
        reach = max(x1 - x0, y1 - y0)
        left, top = max(0, round((x0 + x1) / 2 - reach)), max(0, round((y0 + y1) / 2 - reach))
        right, bottom = round((x0 + x1) / 2 + reach), round((y0 + y1) / 2 + reach)
        crop = image[top:bottom, left:right]
        corner = np.array([left, top], np.float32)
        for face in self._detector.detect(crop) if crop.size else []:
            centre = face.box.reshape(2, 2).mean(0) + corner
            if x0 <= centre[0] <= x1 and y0 <= centre[1] <= y1:
                moved = (face.box.reshape(2, 2) + corner).reshape(4)
                return _roi_of_box(moved, _angle(face.keypoints[0], face.keypoints[1]))
        return _Roi((x0 + x1) / 2, (y0 + y1) / 2, reach * ROI_SCALE, reach * ROI_SCALE, 0.0)

    def _measure(self, image: Picture, roi: _Roi) -> tuple[Floats, float] | None:
        """Landmarks (478, 3) and presence, or None where the network sees no face."""
        import cv2

        cos, sin = np.cos(roi.angle), np.sin(roi.angle)
        size = np.array([roi.width, roi.height], np.float32) / INPUT_SIZE
        turn = np.array([[cos, -sin], [sin, cos]], np.float32)
        to_picture = np.empty((2, 3), np.float32)
        to_picture[:, :2] = turn * size
        to_picture[:, 2] = (roi.x, roi.y) - to_picture[:, :2] @ [INPUT_SIZE / 2, INPUT_SIZE / 2]
        crop = cv2.warpAffine(
            image,
            to_picture,
            (INPUT_SIZE, INPUT_SIZE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        tensor: Floats = np.asarray(crop, np.float32)[None] / np.float32(255)
        points, presence, *_ = self._landmarks.run(tensor)
        score = float(1 / (1 + np.exp(-presence.reshape(-1)[0])))
        if score < MIN_PRESENCE:
            return None
        points = points.reshape(LANDMARKS, 3)
        landmarks = np.empty((LANDMARKS, 3), np.float32)
        landmarks[:, :2] = points[:, :2] @ to_picture[:, :2].T + to_picture[:, 2]
        landmarks[:, 2] = points[:, 2] * size[0]
        return landmarks, score

    def _describe(self, landmarks: Floats, score: float) -> Face:
        (scores,) = self._blendshapes.run(landmarks[None, BLENDSHAPE_LANDMARKS, :2])
        blendshapes = np.zeros(len(ARKIT_UNITS), np.float32)
        blendshapes[:-1] = scores.reshape(-1)[1:]  # the first is "_neutral"
        canonical = self.canonical
        rotation = align(
            canonical.vertices, landmarks[: len(canonical.vertices)], canonical.weights
        )
        return Face(landmarks, blendshapes, score, pose_of(rotation), rotation)


def align(source: Floats, target: Floats, weights: Floats) -> Floats:
    """Find the rotation (3, 3) that best turns ``source`` (n, 3) into ``target``, up to scale and place.

    Source: Kabsch 1976, weighted.
    """
    weights = weights[:, None] / weights.sum()
    source = source - (weights * source).sum(0)
    target = target - (weights * target).sum(0)
    left, _, right = np.linalg.svd((weights * target).T.astype(np.float64) @ source)
    flip = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    rotation: Floats = (left * flip @ right).astype(np.float32)
    return rotation


def pose_of(rotation: Floats) -> Floats:
    """Express as yaw, pitch and roll in degrees, as in ``Face.pose``, of a rotation (3, 3).

    The rotation is roll @ yaw @ pitch: the head first pitches, then yaws, then rolls.
    """
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    yaw = np.arcsin(np.clip(rotation[2, 0], -1, 1))
    pitch = np.arctan2(-rotation[2, 1], rotation[2, 2])
    degrees: Floats = np.degrees(np.array([yaw, pitch, roll])).astype(np.float32)
    return degrees


def _read_bundle(path: Path) -> dict[str, bytes]:
    names = (
        "face_detector.tflite",
        "face_landmarks_detector.tflite",
        "face_blendshapes.tflite",
        "geometry_pipeline_metadata_landmarks.binarypb",
    )
    try:
        with zipfile.ZipFile(path) as bundle:
            return {name: bundle.read(name) for name in names}
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise MissingWeights(
            f"{path} is not a face landmarker bundle ({error});"
            " run `visavis models pull face-landmarker`."
        ) from error


def _angle(start: Floats, end: Floats) -> float:
    """Angle in radians, clockwise, of the line between two points."""
    return float(np.arctan2(end[1] - start[1], end[0] - start[0]))


def _roi_of_box(box: Floats, angle: float) -> _Roi:
    x0, y0, x1, y1 = (float(v) for v in box)
    width, height = (x1 - x0) * ROI_SCALE, (y1 - y0) * ROI_SCALE
    return _Roi((x0 + x1) / 2, (y0 + y1) / 2, width, height, angle)


def _roi_of_landmarks(landmarks: Floats) -> _Roi:
    points = landmarks[:, :2]
    low, high = points.min(0), points.max(0)
    side = float((high - low).max()) * ROI_SCALE
    centre = (low + high) / 2
    angle = _angle(points[RIGHT_EYE_OUTER], points[LEFT_EYE_OUTER])
    return _Roi(float(centre[0]), float(centre[1]), side, side, angle)
