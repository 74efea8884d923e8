"""One TFLite network in memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from visavis.core.types import Floats

_REDIRECTING = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep TFLite's line about its XNNPACK delegate out of the terminal.

    It is written by native code to the descriptor itself and has no switch. What another thread
    writes to standard error in these few milliseconds is lost too.
    """
    with _REDIRECTING:
        try:
            kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        except OSError:  # started without a standard error, as daemons are
            yield
            return
        os.dup2(nowhere, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


class Interpreter:
    """Runs a TFLite network that has one input.

    Args:
        model: The file's content.
        threads: Of XNNPACK.
    """

    def __init__(self, model: bytes, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter as LiteInterpreter

        with _quiet():
            self._lite: Any = LiteInterpreter(model_content=model, num_threads=threads)
            self._lite.allocate_tensors()
        self._input = self._lite.get_input_details()[0]["index"]
        self._outputs = [output["index"] for output in self._lite.get_output_details()]

    def run(self, tensor: Floats) -> list[Floats]:
        """The outputs, in the order of the file, as copies of one's own."""
        self._lite.set_tensor(self._input, tensor.astype(np.float32, copy=False))
        self._lite.invoke()
        return [self._lite.get_tensor(index) for index in self._outputs]
