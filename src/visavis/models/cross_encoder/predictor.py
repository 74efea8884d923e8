"""Scores of (question, text) pairs by any cross-encoder of the BERT family, through ONNX."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visavis.core.errors import ConfigError, StageError
from visavis.core.types import Floats
from visavis.models import runtime
from visavis.models.common.bert_folder import Task, open_folder
from visavis.models.common.bert_network import BertNetwork, load_bert
from visavis.models.common.bert_tokens import Tokens

_TASK: Task = "text-classification"
_BATCH = 16
"""Pairs at a time, of like length; what a search asks for at once."""

_FEWEST_TOKENS = 8
"""Four special ones, and two of each text."""


class _Loaded(NamedTuple):
    bert: BertNetwork
    output: str


class CrossEncoder:
    """Scores texts by how well they answer a question. Safe to share between threads.

    It reads both together, which finds more than comparing their vectors and takes a run of the
    network for each text: Nogueira and Cho, *Passage Re-ranking with BERT* (2019), section 3.

    Reads a folder as Hugging Face's exports lay it out (bge-reranker, ms-marco MiniLM, mmarco and the
    like). Files are looked for at once; they are loaded with the first ``score``. It always runs on
    ONNX Runtime in 32 bits, so that what was learnt from its scores holds whatever else is installed.

    Args:
        source: The folder, or a network file in it.
        max_tokens: What of a pair goes beyond is not read, of the longer text first; special tokens
            count. Where the network's own limit is lower, that is it.
        threads: Of one inference.
        device: As for `runtime.load`.

    Raises:
        UnknownAsset: There is no such folder.
        MissingWeights: Files are not there; the message says how to get them.
        ConfigError: A setting is out of range, or the folder holds several networks.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        max_tokens: int = 512,
        threads: int = 2,
        device: runtime.Device = "auto",
    ) -> None:
        if max_tokens < _FEWEST_TOKENS:
            raise ConfigError(f"max_tokens is {max_tokens}; {_FEWEST_TOKENS} is the least")
        self._folder = open_folder(source, _TASK)
        self._max_tokens = max_tokens
        self._threads = threads
        self._device: runtime.Device = device
        self._loaded: _Loaded | None = None
        self._lock = threading.Lock()

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever the scores do: by the weights, the tokenizer or a setting."""
        digest = self._folder.start_digest()
        digest.update(str(self._max_tokens).encode())
        return f"cross-encoder-1/{digest.hexdigest()}"

    def score(self, question: str, texts: Sequence[str]) -> Floats:
        """Score texts, each for itself: a text's score is the same in any company, to rounding.

        Args:
            question: Any text; of an empty one the scores say nothing.
            texts: n texts.

        Returns:
            float32 (n,), higher for what answers better: the network's logit, or of two classes that
            of the second less that of the first.

        Raises:
            ChecksumMismatch: A file is broken.
            ConfigError: The network takes or gives something else than a cross-encoder.
            StageError: The network failed, or gave what is not a number.
        """
        bert, output = self._load()
        scores = np.empty(len(texts), np.float32)
        rows = [bert.tokens.numbers_of_pair(question, text) for text in texts]
        for batch in bert.inputs.batch([len(row) for row, _ in rows], _BATCH):
            fed, _ = bert.inputs.build(
                [rows[index][0] for index in batch], [rows[index][1] for index in batch]
            )
            scores[batch] = _read_scores(bert.network.run(fed)[output])
        if not np.isfinite(scores).all():
            raise StageError(
                f"{self._folder.network} gives scores that are not numbers; take one that was"
                " exported in 32 bits"
            )
        return scores

    def _load(self) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._read()
            return self._loaded

    def _read(self) -> _Loaded:
        tokens = Tokens(self._folder, self._max_tokens)
        if not tokens.joins:
            raise ConfigError(
                f"{self._folder.tokenizer} puts nothing between two texts, so that it is of no"
                " cross-encoder; copy it from where the network came"
            )
        bert = load_bert(self._folder, _TASK, tokens, self._threads, self._device)
        # What it gives is only known for certain once it has given it.
        row, kinds = bert.tokens.numbers_of_pair("?", "?")
        fed, _ = bert.inputs.build([row], [kinds])
        return _Loaded(bert, _choose_output(bert.network.run(fed)))


def _choose_output(outputs: Mapping[str, runtime.Array]) -> str:
    """Choose the output that holds one logit or two of each text, given those of one text.

    Raises:
        ConfigError: There is none.
    """
    usable = [name for name, array in outputs.items() if array.shape in ((1,), (1, 1), (1, 2))]
    if "logits" in usable or len(usable) == 1:
        return "logits" if "logits" in usable else usable[0]
    given = ", ".join(f"{name} {list(array.shape)}" for name, array in outputs.items())
    raise ConfigError(
        f"the network gives no score of a pair (one logit, or two classes), only {given}; take a"
        f" cross-encoder, and export it with --task {_TASK}"
    )


def _read_scores(output: runtime.Array) -> Floats:
    """Make one score of each row of (b,), (b, 1) or (b, 2)."""
    logits = output.astype(np.float32).reshape(len(output), -1)
    scores: Floats = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
    return scores
