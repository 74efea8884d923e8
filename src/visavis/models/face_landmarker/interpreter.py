"""One TFLite network in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from visavis.core.types import Floats


class Interpreter:
    """Runs a TFLite network that has one input.

    Args:
        model: The file's content.
        threads: Of XNNPACK.
    """

    def __init__(self, model: bytes, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter as LiteInterpreter

        self._lite: Any = LiteInterpreter(model_content=model, num_threads=threads)
        self._lite.allocate_tensors()
        self._input = self._lite.get_input_details()[0]["index"]
        self._outputs = [output["index"] for output in self._lite.get_output_details()]

    def run(self, tensor: Floats) -> list[Floats]:
        """The outputs, in the order of the file, as copies of one's own."""
        self._lite.set_tensor(self._input, tensor.astype(np.float32, copy=False))
        self._lite.invoke()
        return [self._lite.get_tensor(index) for index in self._outputs]
