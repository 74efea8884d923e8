"""CSIM: whether the person in frames that were made is still the same.

It is the mean cosine of the vectors that a network for recognising faces gives of either face; it was
taken with ArcFace by Zakharov et al., "Few-Shot Adversarial Learning of Realistic Neural Talking Head
Models" (ICCV 2019). Here the network is SFace, so that figures of papers, which are of ArcFace, are not
to be compared with these. From `SAME_PERSON` on, two faces are taken for one person's; the lower, the
more another person.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from visavis.core.types import Floats, Picture
from visavis.models.assets import get
from visavis.models.sface.predictor import SAME_PERSON

__all__ = ["SAME_PERSON", "Csim", "Identity", "network"]


class Identity(Protocol):
    """What knows faces: ``visavis.models.sface.predictor.FaceIdentity``."""

    def embed(self, image: Picture, landmarks: Floats) -> Floats:
        """A vector of length 1 of the face at landmarks (478, 2 or 3) of a picture."""
        ...


class Csim:
    """The mean over frames that are shown one by one.

    Frames are compared with those of the same number of a reference, or, where only a picture of the
    person is there, all with that.

    Args:
        identity: The network, which may be shared.
        source: That one picture, RGB uint8 (H, W, 3), and its landmarks (478, 2 or 3) in pixels.

    Raises:
        ValueError: The source has no face: its landmarks are NaN.
    """

    def __init__(self, identity: Identity, source: tuple[Picture, Floats] | None = None) -> None:
        self._identity = identity
        self._source = None
        if source is not None:
            self._source = self._embed(*source)
            if self._source is None:
                raise ValueError("the source has no face to compare others with")
        self._total = 0.0
        self.frames = 0
        """That counted: those with a face, and a face to compare it with."""
        self.left_out = 0
        """Frames in which a face was missing."""

    def add(
        self,
        made: Picture,
        landmarks: Floats,
        real: Picture | None = None,
        real_landmarks: Floats | None = None,
    ) -> float:
        """Count a frame.

        Args:
            made: RGB uint8 (H, W, 3).
            landmarks: (478, 2 or 3) pixels of it; NaN where no face was found.
            real: The reference's frame of the same number, where there is no source.
            real_landmarks: Likewise, of that.

        Returns:
            The cosine, -1 to 1; NaN where a face is missing, and the frame does not count.

        Raises:
            ValueError: There is nothing to compare it with, or both a source and a reference.
        """
        has_reference = real is not None and real_landmarks is not None
        if has_reference == (self._source is not None):
            raise ValueError("a frame is compared either with a source or with a reference's frame")
        found = self._embed(made, landmarks)
        wanted = self._source
        if real is not None and real_landmarks is not None:
            wanted = self._embed(real, real_landmarks)
        if found is None or wanted is None:
            self.left_out += 1
            return float("nan")
        cosine = float(found @ wanted)
        self._total += cosine
        self.frames += 1
        return cosine

    def value(self) -> float:
        """The mean of all that counted; NaN where there were none."""
        return self._total / self.frames if self.frames else float("nan")

    def _embed(self, image: Picture, landmarks: Floats) -> Floats | None:
        if np.isnan(landmarks).any():
            return None
        return self._identity.embed(image, landmarks)


def network() -> str:
    """Which network ``FaceIdentity()`` takes from the asset catalogue, for protocols."""
    return f"SFace, SHA-256 {get('sface').files[0].sha256[:16]}"
