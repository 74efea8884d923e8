"""A space in which wordings of one question are near.

Shapes: n wordings, d length of a vector.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from visavis.core.types import Floats
from visavis.knowledge.postings import Integers

_SHRINKAGE = 1.0
"""Weight of the identity against the scatter between wordings, in units of its mean variance."""
_BLOCK = 32_768
"""Wordings that are looked at at once; bounds the memory."""


def unit(vectors: Floats) -> Floats:
    """Scale rows to length 1; one of zeros stays."""
    rows: Floats = (
        vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    ).astype(np.float32)
    return rows


def whiten_wordings(vectors: Floats, items: Integers) -> Floats:
    """Find the map under which wordings of one question come closer than those of different ones.

    Directions in which the wordings of one question differ (courtesy, "how do I", the language) are
    shrunk: within-class covariance normalisation (Hatch, Kajarekar and Stolcke, Interspeech 2006),
    regularised with the identity, so that few or single wordings leave the space as it was.

    Args:
        vectors: float16 or float32 (n, d) wordings.
        items: (n,) the question that each one asks.

    Returns:
        float32 (d, d), to be multiplied from the right.
    """
    size = vectors.shape[1]
    members = np.bincount(items) if len(items) else np.zeros(0, np.int64)
    freedom = int((members[members > 1] - 1).sum())
    if freedom <= 0:
        return np.eye(size, dtype=np.float32)
    covariance = np.zeros((size, size))
    for spread in _walk_spread(vectors, items):
        covariance += spread.T @ spread
    covariance /= freedom
    variance = float(np.trace(covariance)) / size
    if variance <= 0:
        return np.eye(size, dtype=np.float32)
    covariance += _SHRINKAGE * variance * np.eye(size)
    whitening: Floats = np.linalg.cholesky(np.linalg.inv(covariance)).astype(np.float32)
    return whitening


def _walk_spread(vectors: Floats, items: Integers) -> Iterator[Floats]:
    """Yield how wordings differ from the mean of their question, those of whole questions at once."""
    order, members, starts = sort_by_item(items)
    several = np.flatnonzero(members > 1)
    counts = np.cumsum(members[several])
    for part in np.split(several, np.flatnonzero(np.diff(counts // _BLOCK)) + 1):
        inside = members[part]
        rows = vectors[order[take_runs(starts[part], inside)]].astype(np.float32)
        begins = np.cumsum(inside) - inside
        means = np.add.reduceat(rows, begins) / inside[:, None].astype(np.float32)
        yield (rows - np.repeat(means, inside, axis=0)).astype(np.float64)


def sort_by_item(items: Integers) -> tuple[Integers, Integers, Integers]:
    """Return wordings item by item (n,), how many each item has (m,), and where they begin (m,)."""
    members: Integers = np.bincount(items).astype(np.int64)
    return np.argsort(items, kind="stable"), members, np.cumsum(members) - members


def take_runs(starts: Integers, lengths: Integers) -> Integers:
    """Return the numbers of several runs, one run after the other."""
    before = np.cumsum(lengths) - lengths
    runs: Integers = np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)
    return runs
