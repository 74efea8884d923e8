"""How sure a match is, learnt from the base itself: wordings that are held out one by one.

A wording, asked as if it had not been stored, is a question that the base answers. Asked as if its
whole pair had not been stored, it is a question about a neighbouring matter that the base lacks.

Shapes: q questions, p pairs, f ways to compare.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Language
from visavis.knowledge.fusion import ONE_ENCODER, TWO_ENCODERS, WAYS, Fusion
from visavis.knowledge.lexical import Integers
from visavis.knowledge.shelf import Shelf

logger = logging.getLogger(__name__)

LEARNABLE = 60
"""Answered pairs with several wordings from which a base teaches its own thresholds."""
FALSE_ANSWERS = 0.05
"""Share of the neighbouring questions that may be answered."""
FALSE_REFUSALS = 0.02
"""Share of the rightly found questions that may be refused."""
_ASKED = 800
_AMONG = 1_500
_SEED = 7
_LEARNT = ("slope", "margin", "bias", "threshold", "hint")

Doubles = npt.NDArray[np.float64]


def default_fusion(language: Language, encoders: int) -> Fusion:
    """Return the weights and thresholds that the sample bases taught."""
    return (ONE_ENCODER if encoders == 1 else TWO_ENCODERS)[language]


def learn_confidence(
    shelf: Shelf, texts: Sequence[str], fusion: Fusion, cache: Path | None = None
) -> Fusion:
    """Learn the confidence and both thresholds from a base, where it has wordings enough.

    Args:
        shelf: Of the base.
        texts: Its n wordings, as they are compared.
        fusion: Weights; and what is returned for a small base.
        cache: Folder in which what was learnt is kept, and looked up; None for none.
    """
    path = (
        None if cache is None else cache / f"confidence-{_fingerprint(shelf, texts, fusion)}.json"
    )
    if path is not None and (kept := _read(path)) is not None:
        return replace(fusion, **kept)
    held = _hold_out(shelf, texts)
    if held is None:
        return fusion
    values, own, gaps = held
    learnt = _set_thresholds(values @ fusion.weights, own, gaps, fusion)
    if path is not None:
        _write(path, learnt)
    return learnt


def _fingerprint(shelf: Shelf, texts: Sequence[str], fusion: Fusion) -> str:
    """Hash all that what is learnt depends on."""
    digest = hashlib.sha256(f"1 {FALSE_ANSWERS} {FALSE_REFUSALS} {fusion}".encode())
    for space in shelf.spaces:
        digest.update(space.encoder.fingerprint.encode())
        digest.update(np.ascontiguousarray(space.whitening).tobytes())
    for text in (*texts, *(pair.answer for pair in shelf.pairs)):
        digest.update(text.encode("utf-8", "replace") + b"\n")
    digest.update(shelf.lengths.tobytes())
    return digest.hexdigest()[:32]


def _read(path: Path) -> dict[str, float] | None:
    try:
        row = json.loads(path.read_text("utf-8"))
        kept = {name: float(row[name]) for name in _LEARNT}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kept if all(math.isfinite(value) for value in kept.values()) else None


def _write(path: Path, fusion: Fusion) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps({name: getattr(fusion, name) for name in _LEARNT}), "utf-8")
        part.replace(path)
    except OSError as error:
        logger.info("what was learnt is not cached: %s", error)


def learn_weights(shelf: Shelf, texts: Sequence[str], fusion: Fusion) -> Fusion:
    """Learn the weights too: those under which held-out wordings find their pairs most surely.

    Softmax regression over the pairs with a small L2 penalty, by gradient steps.
    """
    held = _hold_out(shelf, texts)
    if held is None:
        return fusion
    values, own, gaps = held
    asked = np.flatnonzero(~gaps[own])
    weights = _fit_softmax(values[asked], own[asked])
    learnt = replace(
        fusion, **{way: round(float(w), 2) for way, w in zip(WAYS, weights, strict=True)}
    )
    return _set_thresholds(values @ learnt.weights, own, gaps, learnt)


def _hold_out(
    shelf: Shelf, texts: Sequence[str]
) -> tuple[Floats, Integers, npt.NDArray[np.bool_]] | None:
    """Return values (q, p, f), the pair of each (q,), and which pairs are gaps (p,)."""
    random = np.random.default_rng(_SEED)
    several = np.flatnonzero(shelf.lengths > 1)
    if int((~shelf.is_gap[several]).sum()) < LEARNABLE:
        return None
    among = np.arange(len(shelf.pairs))
    if len(among) > _AMONG:
        among = np.sort(random.permutation(several)[:_AMONG])
    inside = np.isin(shelf.owner, among) & (shelf.lengths[shelf.owner] > 1)
    asked = np.sort(random.permutation(np.flatnonzero(inside))[:_ASKED])
    values = shelf.leave_one_out(asked, [texts[i] for i in asked], among)
    return values, np.searchsorted(among, shelf.owner[asked]), shelf.is_gap[among]


def _set_thresholds(
    scores: Floats, own: Integers, gaps: npt.NDArray[np.bool_], fusion: Fusion
) -> Fusion:
    found, features = _lead(scores, gaps)
    without = scores.copy()
    without[np.arange(len(own)), own] = -np.inf
    _, outside = _lead(without, gaps)
    asked = ~gaps[own]
    right = (found == own) & asked
    slope, margin, bias = fit_logistic(
        np.concatenate([features, outside[asked]]),
        np.concatenate([right, np.zeros(int(asked.sum()), bool)]),
    )

    def judge(rows: Doubles) -> Doubles:
        confidences: Doubles = 1 / (1 + np.exp(-np.clip(rows @ [slope, margin] + bias, -30, 30)))
        return confidences

    missing = np.concatenate([outside[asked], features[~asked]])
    threshold = float(np.quantile(judge(missing), 1 - FALSE_ANSWERS))
    hint = min(float(np.quantile(judge(features[right]), FALSE_REFUSALS)), threshold)
    return replace(
        fusion,
        slope=round(slope, 4),
        margin=round(margin, 4),
        bias=round(bias, 4),
        threshold=round(threshold, 3),
        hint=round(hint, 3),
    )


def _lead(scores: Floats, gaps: npt.NDArray[np.bool_]) -> tuple[Integers, Doubles]:
    """Return the best pair that is no gap (q,), and its score and lead over all others (q, 2)."""
    each = np.arange(len(scores))
    best = np.where(gaps[None], -np.inf, scores).argmax(1)
    score = scores[each, best].astype(np.float64)
    others = scores.copy()
    others[each, best] = -np.inf
    return best, np.stack([score, score - others.max(1)], 1)


def _fit_softmax(values: Floats, own: Integers, penalty: float = 1e-3) -> Doubles:
    weights = np.full(values.shape[-1], 5.0)
    each = np.arange(len(values))
    right = values[each, own].astype(np.float64)
    moment, energy = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, 301):
        scores = values @ weights.astype(np.float32)
        chance = np.exp(scores - scores.max(1, keepdims=True))
        chance /= chance.sum(1, keepdims=True)
        expected = np.einsum("qp,qpf->qf", chance, values)
        gradient = (expected - right).mean(0) + 2 * penalty * weights
        # Adam (Kingma and Ba, ICLR 2015): the ways differ much in scale.
        moment = 0.9 * moment + 0.1 * gradient
        energy = 0.99 * energy + 0.01 * gradient**2
        scale = np.sqrt(energy / (1 - 0.99**step)) + 1e-8
        weights -= 0.1 * (moment / (1 - 0.9**step)) / scale
    return weights


def fit_logistic(features: Doubles, outcome: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Fit by Newton's method, with an L2 penalty of 1 on the weights of standardised features.

    Args:
        features: (n, 2) scores and leads.
        outcome: (n,) whether the match was right.

    Returns:
        Slope of each, and the bias.
    """
    mean, spread = features.mean(0), np.maximum(features.std(0), 1e-6)
    inputs = np.c_[(features - mean) / spread, np.ones(len(features))]
    penalty = np.array([1.0, 1.0, 1e-6])
    weights = np.zeros(3)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        gradient = inputs.T @ (chance - outcome) + penalty * weights
        curvature = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + np.diag(penalty)
        weights -= np.linalg.solve(curvature, gradient)
    slope, margin = weights[:2] / spread
    bias = weights[2] - float(mean @ [slope, margin])
    return float(slope), float(margin), float(bias)
