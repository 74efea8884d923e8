"""How sure a match is, learnt from the base itself: wordings that are held out one by one.

A wording, asked as if it had not been stored, is a question that the base answers. Asked as if its
whole pair had not been stored, it is a question about a neighbouring matter that the base lacks.

Shapes: q questions, p pairs, f ways to compare, e pieces of evidence.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Language
from visavis.knowledge.evidence import EVIDENCE, Coverage, Doubles, Evidence
from visavis.knowledge.fusion import ONE_ENCODER, TWO_ENCODERS, WAYS, Fusion
from visavis.knowledge.kept_json import write_kept
from visavis.knowledge.postings import Integers
from visavis.knowledge.shelf import Shelf

LEARNABLE = 60
"""Answered pairs with several wordings from which a base teaches its own thresholds."""
FALSE_ANSWERS = 0.05
"""Share of the neighbouring questions that may be answered."""
FALSE_REFUSALS = 0.01
"""Share of the rightly found questions that may be refused."""
OUTSIDE = 1 / 6
"""Share of all questions that a confidence takes to be about what the base does not answer."""
SUREST = 0.98
"""The highest threshold: who asks in a pair's own words is always answered."""
_ASKED = 800
_AMONG = 1_500
_SEED = 7
_PENALTY = 50.0
"""L2, on weights of standardised evidence: much of it says the same."""


def default_fusion(language: Language, encoders: int) -> Fusion:
    """Return the weights and thresholds that the sample bases taught."""
    return (ONE_ENCODER if encoders == 1 else TWO_ENCODERS)[language]


def learn_confidence(
    shelf: Shelf,
    coverage: Coverage,
    texts: Sequence[str],
    fusion: Fusion,
    cache: Path | None = None,
) -> Fusion:
    """Learn the confidence and both thresholds from a base, where it has wordings enough.

    Args:
        shelf: Of the base.
        coverage: Of its pairs.
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
    learnt = _set_thresholds(held, coverage, fusion)
    if path is not None:
        kept = {name: getattr(learnt, name) for name in ("evidence", "bias", "threshold", "hint")}
        write_kept(path, kept)
    return learnt


def _fingerprint(shelf: Shelf, texts: Sequence[str], fusion: Fusion) -> str:
    """Hash all that what is learnt depends on."""
    digest = hashlib.sha256(f"5 {FALSE_ANSWERS} {FALSE_REFUSALS} {OUTSIDE} {fusion}".encode())
    for space in shelf.spaces:
        digest.update(space.encoder.fingerprint.encode())
        digest.update(np.ascontiguousarray(space.whitening).tobytes())
    for text in (*texts, *(pair.answer for pair in shelf.pairs)):
        digest.update(text.encode("utf-8", "replace") + b"\n")
    digest.update(shelf.lengths.tobytes())
    return digest.hexdigest()[:32]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        row = json.loads(path.read_text("utf-8"))
        kept = {name: float(row[name]) for name in ("bias", "threshold", "hint")}
        evidence = tuple(float(value) for value in row["evidence"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if len(evidence) != len(EVIDENCE) or not np.isfinite([*kept.values(), *evidence]).all():
        return None
    return {**kept, "evidence": evidence}


def learn_weights(shelf: Shelf, coverage: Coverage, texts: Sequence[str], fusion: Fusion) -> Fusion:
    """Learn the weights too: those under which held-out wordings find their pairs most surely.

    Softmax regression over the pairs with a small L2 penalty, by gradient steps.
    """
    held = _hold_out(shelf, texts)
    if held is None:
        return fusion
    asked = np.flatnonzero(~held.gaps[held.own])
    weights = _fit_softmax(held.values[asked], held.own[asked])
    each: dict[str, Any] = {
        way: round(float(weight), 2) for way, weight in zip(WAYS, weights, strict=True)
    }
    learnt = replace(fusion, **each)
    return _set_thresholds(held, coverage, learnt)


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """q wordings that are held out, compared with p' pairs of the shelf.

    Attributes:
        values: float32 (q, p', f).
        texts: q.
        own: (q,) the pair of each, among the p'.
        places: (q,) which of its pair's wordings it is.
        among: (p',) numbers of the pairs.
        gaps: (p',) which of them are gaps.
    """

    values: Floats
    texts: Sequence[str]
    own: Integers
    places: Integers
    among: Integers
    gaps: npt.NDArray[np.bool_]


def _hold_out(shelf: Shelf, texts: Sequence[str]) -> _Held | None:
    random = np.random.default_rng(_SEED)
    several = np.flatnonzero(shelf.lengths > 1)
    if int((~shelf.is_gap[several]).sum()) < LEARNABLE:
        return None
    among = np.arange(len(shelf.pairs))
    if len(among) > _AMONG:
        among = np.sort(random.permutation(several)[:_AMONG])
    inside = np.isin(shelf.owner, among) & (shelf.lengths[shelf.owner] > 1)
    asked = np.sort(random.permutation(np.flatnonzero(inside))[:_ASKED])
    chosen = [texts[i] for i in asked]
    return _Held(
        shelf.leave_one_out(asked, chosen, among),
        chosen,
        np.searchsorted(among, shelf.owner[asked]),
        asked - shelf.starts[shelf.owner[asked]],
        among,
        shelf.is_gap[among],
    )


def _set_thresholds(held: _Held, coverage: Coverage, fusion: Fusion) -> Fusion:
    asked = ~held.gaps[held.own]
    found, features = _gather(held, coverage, fusion, np.arange(len(held.own)), without=False)
    right = (found == held.own) & asked
    _, outside = _gather(held, coverage, fusion, np.flatnonzero(asked), without=True)
    missing = np.concatenate([outside, features[~asked]])
    inside = features[asked]
    weight = OUTSIDE / (1 - OUTSIDE) * len(inside) / len(missing)
    evidence, bias = fit_logistic(
        np.concatenate([inside, missing]),
        np.concatenate([right[asked], np.zeros(len(missing), bool)]),
        np.concatenate([np.ones(len(inside)), np.full(len(missing), weight)]),
        _PENALTY,
    )

    def judge(rows: Doubles) -> Doubles:
        confidences: Doubles = 1 / (1 + np.exp(-np.clip(rows @ evidence + bias, -30, 30)))
        return confidences

    threshold = min(float(np.quantile(judge(missing), 1 - FALSE_ANSWERS)), SUREST)
    hint = min(float(np.quantile(judge(features[right]), FALSE_REFUSALS)), threshold)
    return replace(
        fusion,
        evidence=tuple(round(float(value), 4) for value in evidence),
        bias=round(bias, 4),
        threshold=round(threshold, 3),
        hint=round(hint, 3),
    )


def _gather(
    held: _Held, coverage: Coverage, fusion: Fusion, rows: Integers, *, without: bool
) -> tuple[Integers, Doubles]:
    """Ask held-out wordings, with their own pairs or without.

    Returns:
        The best pair that is no gap of each, among the p' (or these without the own one), and the
        evidence for it (., e).
    """
    best = np.zeros(len(rows), np.int64)
    evidence = np.zeros((len(rows), len(EVIDENCE)))
    for place, row in enumerate(rows):
        values, among, gaps = held.values[row], held.among, held.gaps
        own = int(held.among[held.own[row]])
        if without:
            kept = np.arange(len(among)) != held.own[row]
            values, among, gaps = values[kept], among[kept], gaps[kept]
        words = coverage.cut(held.texts[row])
        measure = functools.partial(_measure, coverage, words, among, own, int(held.places[row]))
        scores = values @ fusion.weights
        best[place] = np.where(gaps, -np.inf, scores).argmax()
        evidence[place] = Evidence(values, scores, measure).gather(int(best[place]))
    return best, evidence


def _measure(
    coverage: Coverage, words: frozenset[str], among: Integers, own: int, spare: int, number: int
) -> tuple[float, float]:
    pair = int(among[number])
    return coverage.measure(words, pair, spare if pair == own else None)


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


def fit_logistic(
    features: Doubles,
    outcome: npt.NDArray[np.bool_],
    counts: Doubles | None = None,
    penalty: float = 1.0,
) -> tuple[Doubles, float]:
    """Fit by Newton's method, with an L2 penalty on the weights of standardised features.

    Args:
        features: (n, k).
        outcome: (n,) whether the match was right.
        counts: (n,) how much each counts; 1 by default.
        penalty: Of the squares of the weights.

    Returns:
        The weights (k,), of the features as they are, and the bias.
    """
    counts = np.ones(len(features)) if counts is None else counts
    mean, spread = features.mean(0), np.maximum(features.std(0), 1e-6)
    inputs = np.c_[(features - mean) / spread, np.ones(len(features))]
    penalties = np.array([penalty] * features.shape[1] + [1e-6])
    fitted = np.zeros(inputs.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ fitted, -30, 30)))
        gradient = inputs.T @ (counts * (chance - outcome)) + penalties * fitted
        curvature = (inputs * (counts * chance * (1 - chance))[:, None]).T @ inputs
        fitted -= np.linalg.solve(curvature + np.diag(penalties), gradient)
    weights: Doubles = fitted[:-1] / spread
    return weights, float(fitted[-1] - mean @ weights)
