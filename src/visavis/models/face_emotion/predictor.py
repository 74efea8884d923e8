"""Which emotion a face shows: the expression network of face-api.js through ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from visavis.core.errors import MissingWeights
from visavis.core.types import Emotion, Floats, Picture
from visavis.media.geometry import warp
from visavis.models import runtime
from visavis.models.common import mesh
from visavis.models.face_emotion.convert import CLASSES, FACES, PROBABILITIES, SIDE, convert

MANIFEST = "face_expression_model-weights_manifest.json"
WEIGHTS = "face_expression_model.bin"
_PADDING = 0.2
"""Of the box around the landmarks, added to its width and height (``alignMinBbox`` of face-api.js)."""
_OUTLINE = np.concatenate([mesh.JAW, mesh.BROWS, mesh.LIPS_OUTER, mesh.NOSE_BASE])
"""What of the mesh spans the same box as the 68 landmarks that face-api.js finds: no forehead."""


class FaceEmotion:
    """Tells seven emotions apart; contempt is not among them. Safe to share between threads.

    Args:
        folder: Of the two files; None takes it from the asset catalogue.
        threads: Of the network; None leaves it to the runtime.

    Raises:
        MissingWeights: The files are not there.
        ChecksumMismatch: They hold other weights.
    """

    classes: Sequence[Emotion] = CLASSES

    def __init__(self, folder: Path | None = None, threads: int | None = None) -> None:
        if folder is None:
            from visavis.models.assets import locate

            folder = locate("face-emotion")
        self._network = _load(folder, threads)

    def classify(self, picture: Picture, landmarks: Floats) -> Floats:
        """Judge one face.

        Args:
            picture: RGB uint8 (H, W, 3).
            landmarks: float32 (478, 2 or 3) pixels of MediaPipe's mesh in it.

        Returns:
            float32 (7,) probabilities in the order of `CLASSES`.
        """
        judged: Floats = self.classify_crops(cut_face(picture, landmarks)[None])[0]
        return judged

    def classify_crops(self, crops: Picture) -> Floats:
        """Judge faces that are cut out, uint8 (B, 112, 112, 3) RGB, to float32 (B, 7)."""
        found = self._network.run({FACES: np.ascontiguousarray(crops)})[PROBABILITIES]
        return np.asarray(found, np.float32)


def cut_face(picture: Picture, landmarks: Floats) -> Picture:
    """Cut a face as face-api.js does: a box from brows to chin, on black to a square, 112 x 112.

    Args:
        picture: RGB uint8 (H, W, 3).
        landmarks: float32 (478, 2 or 3) pixels of it.
    """
    points = landmarks[_OUTLINE, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    middle, size = (low + high) / 2, (high - low) * (1 + _PADDING)
    scale = SIDE / float(size.max())
    shift = SIDE / 2 - 0.5 - scale * middle
    place = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    face = warp(picture, place, SIDE, SIDE)
    left, top = ((SIDE - scale * size) / 2).round().astype(int)
    face[:top] = face[SIDE - top :] = 0
    face[:, :left] = face[:, SIDE - left :] = 0
    return face


@lru_cache(maxsize=2)
def _load(folder: Path, threads: int | None) -> runtime.Network:
    if not (folder / WEIGHTS).is_file() or not (folder / MANIFEST).is_file():
        raise MissingWeights(
            f"{folder} lacks {WEIGHTS} or its manifest; reinstall visavis, or name the right folder"
        )
    network = convert((folder / MANIFEST).read_bytes(), (folder / WEIGHTS).read_bytes())
    # In bf16 a probability would be off by some hundredths, for no time worth gaining.
    return runtime.load(network, threads=threads, precision="fp32")
