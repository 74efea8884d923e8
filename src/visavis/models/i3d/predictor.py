"""Short videos as vectors whose spread over a set says how the set looks and moves."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from visavis.core.errors import ChecksumMismatch, MissingWeights
from visavis.core.types import Floats
from visavis.models import runtime
from visavis.models.assets import load_pickle_restricted, locate
from visavis.models.i3d.graph import DIMENSIONS, FEATURES, FRAMES, WINDOWS, write_graph


class VideoFeatures:
    """The features of FVD. Safe to share between threads.

    Args:
        path: ``i3d-kinetics-400.ckpt``; None takes it from the asset catalogue.
        threads: Of the network; None leaves it to the runtime.
        frames: Pictures of a window, 9 to 16. Figures of other lengths cannot be compared.

    Raises:
        MissingWeights: The file is not there.
        FileUnreadable: It is no pickle.
        ChecksumMismatch: It holds something else than this network's parameters.
    """

    dimensions = DIMENSIONS

    def __init__(
        self, path: Path | None = None, threads: int | None = None, frames: int = FRAMES
    ) -> None:
        path = locate("i3d") if path is None else path
        self.frames = frames
        """Pictures of a window."""
        self._network, digest = _load(path, threads, frames)
        self.network = f"I3D of Kinetics-400, {frames} frames, SHA-256 {digest[:16]}"
        """Which network it is, for protocols."""

    def embed(self, windows: npt.NDArray[np.uint8]) -> Floats:
        """Embed windows of pictures that follow one another, at 25 a second.

        Args:
            windows: uint8 RGB (B, T, H, W, 3), T = `frames`, of any height and width.

        Returns:
            float32 (B, 400): logits of the actions of Kinetics-400.

        Raises:
            ValueError: They are of another length.
        """
        if windows.ndim != 5 or windows.shape[1] != self.frames:
            raise ValueError(f"windows of {self.frames} pictures were expected: {windows.shape}")
        found = np.empty((len(windows), DIMENSIONS), np.float32)
        # One at a time: together they are no faster, and take as much more memory.
        for index in range(len(windows)):
            one = np.ascontiguousarray(windows[index : index + 1])
            found[index] = self._network.run({WINDOWS: one})[FEATURES][0]
        return found


@lru_cache(maxsize=2)
def _load(path: Path, threads: int | None, frames: int) -> tuple[runtime.Network, str]:
    if not path.is_file():
        raise MissingWeights(f"there is no file {path}; run `visavis models pull i3d`")
    stored = load_pickle_restricted(path)
    if not isinstance(stored, dict):
        raise ChecksumMismatch(f"{path} holds no parameters; run `visavis models pull i3d`")
    # A measure must not depend on what the processor can round to.
    network = runtime.load(write_graph(stored, frames), threads=threads, precision="fp32")
    with path.open("rb") as stream:
        return network, hashlib.file_digest(stream, "sha256").hexdigest()
