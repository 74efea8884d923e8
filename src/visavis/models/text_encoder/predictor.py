"""Text vectors by any encoder of the BERT family, through ONNX."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from visavis.core.errors import ConfigError, StageError
from visavis.core.types import Floats
from visavis.models import runtime
from visavis.models.common.bert_folder import Task, open_folder
from visavis.models.common.bert_network import BertNetwork, load_bert
from visavis.models.common.bert_tokens import Tokens
from visavis.models.text_encoder.pooling import Pooling, choose_output, pool

_TASK: Task = "feature-extraction"
_BATCH = 32
"""Texts at a time: more are no faster, and take as much more memory."""

_FEWEST_TOKENS = 3
"""Two special ones, and one of the text."""


class _Loaded(NamedTuple):
    bert: BertNetwork
    output: str
    dimension: int


class TextEncoder:
    """Maps texts to vectors whose cosine says how alike they are. Safe to share between threads.

    Reads a folder as Hugging Face's exports lay it out (BERT, RoBERTa, MiniLM, BGE, GTE, E5 and the
    like), and RoFormer-Sim as Keras exports it. Files are looked for at once; they are loaded with the
    first ``encode``. It always runs on ONNX Runtime, so that stored vectors and those of questions
    agree whatever else is installed.

    The mean over the tokens is Reimers and Gurevych, *Sentence-BERT* (EMNLP 2019), section 3.

    Args:
        source: The folder, a network file in it, or the name of an asset.
        pooling: ``mean`` over the text's tokens; ``cls``, the first token; ``network``, the vector
            that the network itself makes. A network that gives one vector for a text is taken as it
            is.
        max_tokens: What of a text goes beyond is not read; special tokens count. Where the network's
            own limit is lower, that is it.
        normalise: Whether rows get length 1, which searching needs.
        prefix: Put before every text, as some encoders learnt it ("query: ").
        threads: Of one inference; None leaves it to the runtime.
        device: As for `runtime.load`.

    Raises:
        UnknownAsset: There is no such asset or folder.
        MissingWeights: Files are not there; the message says how to get them.
        ConfigError: A setting is out of range, or the folder holds several networks.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        pooling: Pooling = "mean",
        max_tokens: int = 128,
        normalise: bool = True,
        prefix: str = "",
        threads: int | None = None,
        device: runtime.Device = "auto",
    ) -> None:
        if pooling not in get_args(Pooling):
            raise ConfigError(f"pooling is {pooling!r}; it can be {', '.join(get_args(Pooling))}")
        if max_tokens < _FEWEST_TOKENS:
            raise ConfigError(f"max_tokens is {max_tokens}; {_FEWEST_TOKENS} is the least")
        self._folder = open_folder(source, _TASK)
        self._pooling: Pooling = pooling
        self._max_tokens = max_tokens
        self._normalise = normalise
        self._prefix = prefix
        self._threads = threads
        self._device: runtime.Device = device
        self._loaded: _Loaded | None = None
        self._lock = threading.Lock()

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever the vectors do: by the weights, the tokenizer or a setting."""
        digest = self._folder.start_digest()
        settings = (self._pooling, self._max_tokens, self._normalise, self._prefix)
        digest.update(repr(settings).encode("utf-8", "backslashreplace"))
        return f"text-encoder-1/{digest.hexdigest()}"

    @property
    def dimension(self) -> int:
        """Length of a vector; loads the network.

        Raises:
            As `encode`.
        """
        return self._load().dimension

    def encode(self, texts: Sequence[str]) -> Floats:
        """Encode texts, each for itself: a text's vector is the same in any company, to rounding.

        Args:
            texts: n texts. An empty one gets a vector too, which says nothing.

        Returns:
            float32 (n, d), rows of length 1 where they are normalised.

        Raises:
            ChecksumMismatch: A file is broken.
            ConfigError: The network takes or gives something else than an encoder of BERT's family.
            StageError: The network failed, or gave what is not a number.
        """
        bert, name, dimension = self._load()
        vectors = np.empty((len(texts), dimension), np.float32)
        rows = [bert.tokens.numbers_of(self._prefix + text) for text in texts]
        for batch in bert.inputs.batch([len(row) for row in rows], _BATCH):
            fed, mask = bert.inputs.build([rows[index] for index in batch])
            output = bert.network.run(fed)[name]
            vectors[batch] = pool(output, mask, self._pooling)
        if not np.isfinite(vectors).all():
            raise StageError(
                f"{self._folder.network} gives vectors that are not numbers; take one that was"
                " exported in 32 bits"
            )
        if self._normalise:
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors /= np.maximum(norms, 1e-12)
        return vectors

    def _load(self) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._read()
            return self._loaded

    def _read(self) -> _Loaded:
        tokens = Tokens(self._folder, self._max_tokens)
        bert = load_bert(self._folder, _TASK, tokens, self._threads, self._device)
        # What it gives is only known for certain once it has given it.
        fed, _ = bert.inputs.build([bert.tokens.numbers_of("")])
        outputs = bert.network.run(fed)
        output = choose_output(outputs, self._pooling)
        return _Loaded(bert, output, outputs[output].shape[-1])
