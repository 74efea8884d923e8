"""Pictures as vectors whose spread over a set says what the set looks like."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from visavis.core.errors import MissingWeights
from visavis.core.types import Floats, Picture
from visavis.models import runtime
from visavis.models.assets import locate
from visavis.models.inception.graph import DIMENSIONS, FEATURES, PICTURES, write_graph
from visavis.models.inception.torchscript import read_layers

AT_ONCE = 8
"""Pictures that are computed together: 0.1 GB."""


class InceptionFeatures:
    """The features of FID. Safe to share between threads.

    Args:
        path: ``default_1.pt``; None takes it from the asset catalogue.
        threads: Of the network; None leaves it to the runtime.

    Raises:
        MissingWeights: The file is not there.
        FileUnreadable: It is no TorchScript file.
        ChecksumMismatch: It holds another network.
    """

    dimensions = DIMENSIONS

    def __init__(self, path: Path | None = None, threads: int | None = None) -> None:
        path = locate("inception") if path is None else path
        self._network, digest = _load(path, threads)
        self.network = f"Inception-v3 of FID, SHA-256 {digest[:16]}"
        """Which network it is, for protocols."""

    def embed(self, pictures: Picture) -> Floats:
        """Embed uint8 RGB pictures (B, H, W, 3) of any size; float32 (B, 2048), nowhere below 0."""
        found = np.empty((len(pictures), DIMENSIONS), np.float32)
        for start in range(0, len(pictures), AT_ONCE):
            some = np.ascontiguousarray(pictures[start : start + AT_ONCE])
            found[start : start + AT_ONCE] = self._network.run({PICTURES: some})[FEATURES]
        return found


@lru_cache(maxsize=2)
def _load(path: Path, threads: int | None) -> tuple[runtime.Network, str]:
    if not path.is_file():
        raise MissingWeights(f"there is no file {path}; run `visavis models pull inception`")
    graph = write_graph(read_layers(path))
    # A measure must not depend on what the processor can round to.
    network = runtime.load(graph, threads=threads, precision="fp32")
    with path.open("rb") as stream:
        return network, hashlib.file_digest(stream, "sha256").hexdigest()
