"""A face as a vector that is near another of the same person, by SFace.

Source: Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition"
(2021), OpenCV Zoo.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from visavis.core.errors import MissingWeights
from visavis.core.types import Floats, Picture
from visavis.media.geometry import estimate_similarity, warp

INPUT_SIZE = 112
DIMENSIONS = 128
SAME_PERSON = 0.363
"""Cosine from which OpenCV's documentation takes two faces for one person's."""

# Where the eyes, the tip of the nose and the corners of the mouth lie in the input (the template
# of ArcFace, which cv2.FaceRecognizerSF.alignCrop uses), the subject's right side first.
_TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float32,
)
_MESH_KEYPOINTS = (468, 473, 4, 61, 291)
"""Their vertices in MediaPipe's face mesh."""


class FaceIdentity:
    """Tells people apart. Safe to share between threads, which then take turns.

    Args:
        path: The ONNX file; None takes it from the asset catalogue.

    Raises:
        MissingWeights: The file is not there or is not SFace.
    """

    def __init__(self, path: Path | None = None) -> None:
        import cv2

        if path is None:
            from visavis.models.assets import locate

            path = locate("sface")
        try:
            self._network: Any = cv2.FaceRecognizerSF.create(str(path), "")
        except cv2.error as error:
            raise MissingWeights(
                f"{path} cannot be read as SFace ({error.err}); run `visavis models pull sface`."
            ) from error
        self._lock = threading.Lock()

    def embed(self, image: Picture, landmarks: Floats) -> Floats:
        """Embed one face.

        Args:
            image: RGB uint8 (H, W, 3).
            landmarks: (478, 2 or 3) pixels of MediaPipe's mesh, or (5, 2): the subject's right
                eye, left eye, tip of the nose, right and left corner of the mouth.

        Returns:
            float32 (128,) of length 1; the product of two is their likeness, -1 to 1.
        """
        points = landmarks[:, :2] if len(landmarks) == 5 else landmarks[_MESH_KEYPOINTS, :2]
        to_input = estimate_similarity(points, _TEMPLATE)
        face = warp(image, to_input, INPUT_SIZE, INPUT_SIZE)
        with self._lock:
            vector = self._network.feature(np.ascontiguousarray(face[..., ::-1]))
        flat = np.asarray(vector, np.float32).reshape(-1)
        return flat / max(float(np.linalg.norm(flat)), 1e-9)
