"""Cut a person out of a portrait: MODNet (Ke et al., AAAI 2022) through ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from visavis.core.types import Picture
from visavis.models import runtime

_STRIDE = 32


class PortraitMatting:
    """Finds the alpha of people. Safe to share between threads.

    Args:
        path: ``modnet.onnx``; None takes it from the asset catalogue.
        size: Shorter side that the network sees, pixels; it was trained at 512.
        threads: Of the network; None leaves it to the runtime.

    Raises:
        MissingWeights: The file is not there.
    """

    def __init__(
        self, path: Path | None = None, size: int = 512, threads: int | None = None
    ) -> None:
        if path is None:
            from visavis.models.assets import locate

            path = locate("modnet")
        self._network = runtime.load(path, threads=threads)
        self._input = self._network.inputs[0].name
        self._output = self._network.outputs[0].name
        self._size = size

    def matte(self, image: Picture) -> npt.NDArray[np.uint8]:
        """Alpha (H, W) uint8 of an RGB picture (H, W, 3): 255 where only the person is seen."""
        import cv2

        height, width = image.shape[:2]
        scale = self._size / min(height, width)
        h, w = (max(_STRIDE, round(side * scale / _STRIDE) * _STRIDE) for side in (height, width))
        shrink = w < width
        small = cv2.resize(
            image, (w, h), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC
        )
        values = (small.astype(np.float32) - 127.5) / 127.5
        alpha = self._network.run({self._input: values.transpose(2, 0, 1)[None]})[self._output][
            0, 0
        ]
        # The network leaves a faint veil over some backgrounds and pinholes in some people.
        alpha = np.clip((alpha - 0.03) / 0.94, 0, 1)
        full = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_CUBIC)
        return np.clip(full * 255 + 0.5, 0, 255).astype(np.uint8)
