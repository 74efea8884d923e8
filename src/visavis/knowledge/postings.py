"""An inverted index: which texts have a feature, and how much it weighs in each (TF-IDF cosine).

Shapes: n texts, t different features, m places (a feature in a text). A feature is an int64 key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats

Integers: TypeAlias = npt.NDArray[np.int64]
Keys: TypeAlias = tuple[Integers, Integers]
"""(k,) the text that a feature is of, and (k,) the feature."""
Features: TypeAlias = Callable[[Sequence[str]], Keys]
"""Finds the features of texts, each as often as it stands there."""
Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]

NAMES = ("keys", "starts", "rows", "weights", "rarity")
_VISITS = 200_000
"""Places in texts that are looked at for a question, at most, of each kind of feature."""
_BLOCK = 8_192
"""Texts whose features are counted at once; bounds the memory that counting takes beside the result."""


class Postings:
    """TF-IDF cosine over one kind of feature."""

    def __init__(self, arrays: Arrays, size: int, features: Features) -> None:
        """Take what ``count_features`` made.

        Args:
            arrays: The five of `NAMES`.
            size: n.
            features: The same as when they were counted.
        """
        self._keys, self._starts, self._rows, self._weights, self._rarity = (
            arrays[name] for name in NAMES
        )
        self._size, self._features = size, features

    def score(self, query: str) -> Floats:
        """Return the cosine of each text to another text, float32 (n,)."""
        _, keys = self._features([query])
        keys, counts = np.unique(keys, return_counts=True)
        place = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        known = self._keys[place] == keys if len(self._keys) else np.zeros(len(keys), bool)
        rarity = np.where(
            known, self._rarity[place] if len(self._keys) else 0, np.log(1 + self._size)
        )
        weights = (1 + np.log(counts)) * rarity
        norm = float(np.sqrt((weights**2).sum())) or 1.0
        scores = np.zeros(self._size, np.float32)
        terms, weights = place[known], weights[known] / norm
        lengths = self._starts[terms + 1] - self._starts[terms]
        order = np.argsort(lengths, kind="stable")
        # The rarest terms first: the common ones of many texts take time and tell nothing.
        order = order[: max(int((np.cumsum(lengths[order]) <= _VISITS).sum()), 1)]
        for term, weight in zip(terms[order], weights[order], strict=True):
            begin, end = self._starts[term], self._starts[term + 1]
            # A text holds a term once, so that no index comes twice.
            scores[self._rows[begin:end]] += self._weights[begin:end] * np.float32(weight)
        return scores

    def compare(self) -> Floats:
        """Return the cosines of all texts to all, float32 (n, n)."""
        total = np.zeros((self._size, self._size), np.float32)
        for begin, end in zip(self._starts[:-1], self._starts[1:], strict=True):
            rows, weights = self._rows[begin:end], self._weights[begin:end]
            total[rows[:, None], rows[None]] += weights[:, None] * weights[None]
        return total


def count_features(texts: Sequence[str], features: Features) -> dict[str, npt.NDArray[Any]]:
    """Count the features of n texts.

    Returns:
        ``keys`` int64 (t,) in order; ``starts`` int64 (t + 1,), where the places of each begin;
        ``rows`` int32 (m,), the texts of a feature in order; ``weights`` float32 (m,), with which the
        squares of each text's add up to 1; ``rarity`` float32 (t,), what a place of each counts.
    """
    blocks = [
        _count_block(texts[begin : begin + _BLOCK], features)
        for begin in range(0, len(texts), _BLOCK)
    ]
    none = [np.zeros(0, np.int64)]
    keys: Integers = np.unique(np.concatenate([block[0] for block in blocks] or none))
    documents = np.zeros(len(keys), np.int64)
    for found, places, _, _ in blocks:
        documents[np.searchsorted(keys, found)] += places
    starts: Integers = np.concatenate([[0], np.cumsum(documents)])
    rarity = np.log(1 + len(texts) / (1 + documents)).astype(np.float32)
    rows = np.zeros(int(starts[-1]), np.int32)
    weights = np.zeros(int(starts[-1]), np.float32)
    filled = starts[:-1].copy()
    for number in range(len(blocks)):
        found, places, inside, counts = blocks[number]
        blocks[number] = _EMPTY  # what is taken over is let go, block by block
        terms = np.searchsorted(keys, found)
        weight = (1 + np.log(counts)) * np.repeat(rarity[terms], places)
        norms = np.sqrt(np.bincount(inside, weight**2)) if len(inside) else np.zeros(0)
        before = np.cumsum(places) - places
        target = np.arange(len(inside)) + np.repeat(filled[terms] - before, places)
        rows[target] = inside + number * _BLOCK
        weights[target] = weight / np.maximum(norms[inside], 1e-12)
        filled[terms] += places
    return dict(zip(NAMES, (keys, starts, rows, weights, rarity), strict=True))


_Block: TypeAlias = tuple[Integers, Integers, npt.NDArray[np.int32], npt.NDArray[np.int32]]
_EMPTY: _Block = (
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    np.zeros(0, np.int32),
    np.zeros(0, np.int32),
)


def _count_block(texts: Sequence[str], features: Features) -> _Block:
    """Count the features of some texts.

    Returns:
        The features in order (u,), in how many of the texts each stands (u,); and for each place,
        feature by feature, the text (v,) and how often the feature stands in it (v,).
    """
    rows, keys = features(texts)
    found, terms = np.unique(keys, return_inverse=True)
    places, counts = np.unique(terms * len(texts) + rows, return_counts=True)
    terms, rows = np.divmod(places, max(len(texts), 1))
    documents = np.bincount(terms, minlength=len(found)).astype(np.int64)
    return found, documents, rows.astype(np.int32), counts.astype(np.int32)
