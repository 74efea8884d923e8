"""Pictures four times as large: SPAN through ONNX."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from visavis.core.errors import MissingWeights
from visavis.core.types import Picture
from visavis.models import runtime
from visavis.models.span.convert import ENLARGED, PICTURES, SCALE, convert


class Upscaler:
    """Enlarges pictures by four. Safe to share between threads.

    Args:
        path: ``spanx4_ch48.bin``; None takes it from the asset catalogue.
        threads: Of the network; None leaves it to the runtime.

    Raises:
        MissingWeights: The file is not there.
        ChecksumMismatch: It holds other weights.
    """

    def __init__(self, path: Path | None = None, threads: int | None = None) -> None:
        if path is None:
            from visavis.models.assets import locate

            path = locate("span")
        self._network = _load(path, threads)

    def upscale(self, pictures: Picture) -> Picture:
        """Enlarge uint8 RGB pictures (B, H, W, 3) to (B, 4H, 4W, 3).

        They are computed one by one, so that memory does not grow with their number.
        """
        count, height, width, channels = pictures.shape
        out = np.empty((count, SCALE * height, SCALE * width, channels), np.uint8)
        if out.size:
            for index in range(count):
                one = np.ascontiguousarray(pictures[index : index + 1])
                out[index] = self._network.run({PICTURES: one})[ENLARGED][0]
        return out


@lru_cache(maxsize=4)
def _load(path: Path, threads: int | None) -> runtime.Network:
    if not path.is_file():
        raise MissingWeights(f"there is no file {path}; run `visavis models pull span`")
    return runtime.load(convert(path.read_bytes()), threads=threads)
