"""How often a base answers right, wrong, or not at all; and how its weights were fitted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from visavis.core.errors import FileUnreadable
from visavis.core.types import Language
from visavis.knowledge.base import read_limited, read_rows, samples_folder
from visavis.knowledge.search import Fusion, KnowledgeIndex, Similarities

Part: TypeAlias = Literal["tune", "report"]
Kind: TypeAlias = Literal["plain", "paraphrase", "misheard", "near", "unrelated"]
KINDS: tuple[Kind, ...] = ("plain", "paraphrase", "misheard", "near", "unrelated")
"""In the base: asked in plain words; in words of its own; with the slips of a speech recogniser. Not
in the base: about neighbouring matters; about anything else."""


@dataclass(frozen=True, slots=True)
class Case:
    """A test question.

    Attributes:
        text: As it is asked.
        language: It is asked in.
        expect: Ids of the pairs whose answer is right; empty where the base has none.
        kind: What is hard about it.
        part: Weights and thresholds are fitted on ``tune``; figures are taken on ``report``.
    """

    text: str
    language: Language
    expect: tuple[str, ...]
    kind: Kind
    part: Part


@dataclass(frozen=True, slots=True)
class Figures:
    """Rates over a set of cases, each 0..1, NaN where there is no such case.

    Attributes:
        inside: Cases whose answer is in the base.
        outside: Cases whose answer is not.
        recall_1: Of inside, the right pair is found first.
        recall_3: Of inside, the right pair is among the first three.
        answered: Of inside, answered, and rightly.
        wrong: Of inside, answered with another pair's answer.
        false_refusals: Of inside, refused.
        hinted: Of inside, refused while naming the right question.
        false_answers: Of outside, answered.
    """

    inside: int
    outside: int
    recall_1: float
    recall_3: float
    answered: float
    wrong: float
    false_refusals: float
    hinted: float
    false_answers: float


def load_cases(path: Path, language: Language) -> list[Case]:
    """Read test questions from a JSON Lines file with ``text``, ``expect``, ``kind`` and ``part``.

    Raises:
        FileUnreadable: The file cannot be read, or a row is wrong; the message names the line.
    """
    cases: list[Case] = []
    for number, row in read_rows(path, read_limited(path)):
        expect: Any = row.get("expect")
        right = (
            isinstance(row.get("text"), str)
            and isinstance(expect, list)
            and all(isinstance(name, str) for name in expect)
            and row.get("kind") in KINDS
            and row.get("part") in {"tune", "report"}
        )
        if not right:
            raise FileUnreadable(
                f"{path}, line {number}: a test question has 'text', 'expect' (a list of ids),"
                f" 'kind' ({', '.join(KINDS)}) and 'part' (tune or report)"
            )
        cases.append(Case(row["text"], language, tuple(expect), row["kind"], row["part"]))
    return cases


def load_sample_cases(language: Language, part: Part | None = None) -> list[Case]:
    """Load the test questions of the sample base, all or one half."""
    cases = load_cases(samples_folder() / f"questions_{language}.jsonl", language)
    return [case for case in cases if part is None or case.part == part]


def evaluate(index: KnowledgeIndex, cases: Sequence[Case]) -> Figures:
    """Ask every case and count what comes back."""
    inside = [case for case in cases if case.expect]
    outside = [case for case in cases if not case.expect]
    first = third = answered = wrong = hinted = false_answers = 0
    for case in cases:
        matches = index.search(case.text, case.language, 3)
        fusion = index.fusion[case.language]
        is_answer = bool(matches) and matches[0].confidence >= fusion.threshold
        if not case.expect:
            false_answers += is_answer
            continue
        right = [match.pair.id in case.expect for match in matches]
        first += right[:1] == [True]
        third += any(right)
        answered += is_answer and right[0]
        wrong += is_answer and not right[0]
        hinted += bool(
            matches and right[0] and fusion.hint <= matches[0].confidence < fusion.threshold
        )
    return Figures(
        inside=len(inside),
        outside=len(outside),
        recall_1=_rate(first, len(inside)),
        recall_3=_rate(third, len(inside)),
        answered=_rate(answered, len(inside)),
        wrong=_rate(wrong, len(inside)),
        false_refusals=_rate(len(inside) - answered - wrong, len(inside)),
        hinted=_rate(hinted, len(inside)),
        false_answers=_rate(false_answers, len(outside)),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A case with everything that fusion needs."""

    case: Case
    similarities: Similarities
    right: npt.NDArray[np.bool_]
    """(p,) whether each pair is expected."""


def calibrate(
    index: KnowledgeIndex,
    cases: Sequence[Case],
    language: Language,
    *,
    false_answers: float = 0.2,
    grid: Sequence[float] = (0.0, 0.1, 0.2, 0.3, 0.5, 0.8),
) -> Fusion:
    """Fit weights, confidence and threshold to cases with known outcome.

    Known gaps are left out: one that was made from a case would settle its outcome beforehand.

    Args:
        index: Of the bases.
        cases: Only those to fit on; report on others.
        language: Of the cases that are used.
        false_answers: Largest share of the near and unrelated questions, each, that may be answered.
        grid: Weights that are tried; that of the centroid is 1.

    Returns:
        The fusion with the best recall@1 (mean over kinds, recall@3 breaking ties), its
        confidence by logistic regression on score and lead, and the lowest threshold, in steps of
        0.01 from 0.5, that keeps to ``false_answers``.
    """
    asked = [_ask(index, case) for case in cases if case.language == language]
    inside = [one for one in asked if one.case.expect]
    fusions = [
        replace(
            index.fusion[language], centroid=1.0, nearest=nearest, answer=answer, lexical=lexical
        )
        for nearest, answer, lexical in itertools.product(grid, repeat=3)
    ]
    fusion = max(fusions, key=lambda f: _recalls(inside, f))
    features = np.array([_features(one, fusion) for one in asked])
    outcome = np.array([_is_right(one, fusion) for one in asked])
    slope, margin, bias = _fit_logistic(features, outcome)
    fusion = replace(fusion, slope=slope, margin=margin, bias=bias)
    confidence = 1 / (1 + np.exp(-(features @ [slope, margin] + bias)))
    for threshold in np.arange(0.5, 1.0, 0.01):
        rates = [
            float(np.mean(confidence[chosen] >= threshold))
            for kind in ("near", "unrelated")
            if (chosen := [i for i, one in enumerate(asked) if one.case.kind == kind])
        ]
        if max(rates, default=0.0) <= false_answers:
            break
    return replace(fusion, threshold=round(float(threshold), 2))


def _ask(index: KnowledgeIndex, case: Case) -> _Asked:
    pairs = index.pairs(case.language)
    answered = np.array([not pair.is_gap for pair in pairs])
    right = np.array([pair.id in case.expect for pair in pairs])
    similarities = index.compare(case.text, case.language)
    return _Asked(case, similarities.take(answered), right[answered])


def _is_right(one: _Asked, fusion: Fusion) -> bool:
    return bool(one.right[int(np.argmax(one.similarities.fuse(fusion)))])


def _recalls(asked: Sequence[_Asked], fusion: Fusion) -> tuple[float, float]:
    """Mean recall@1 and @3 over the kinds, so that a large set does not outvote a small one."""
    groups: dict[str, list[tuple[bool, bool]]] = {}
    for one in asked:
        order = np.argsort(-one.similarities.fuse(fusion), kind="stable")[:3]
        found = (bool(one.right[order[0]]), bool(one.right[order].any()))
        groups.setdefault(one.case.kind, []).append(found)
    means = [np.mean(group, axis=0) for group in groups.values()]
    first, third = np.mean(means, axis=0)
    return float(first), float(third)


def _features(one: _Asked, fusion: Fusion) -> tuple[float, float]:
    scores = one.similarities.fuse(fusion)
    if len(scores) < 2:
        return float(scores[0]), 0.0
    second, best = np.partition(scores, -2)[-2:]
    return float(best), float(best - second)


def _fit_logistic(
    features: npt.NDArray[np.float64], outcome: npt.NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Fit by Newton's method, with an L2 penalty of 1 on the weights of standardised features."""
    mean, spread = features.mean(0), np.maximum(features.std(0), 1e-6)
    inputs = np.c_[(features - mean) / spread, np.ones(len(features))]
    penalty = np.array([1.0, 1.0, 1e-6])
    weights = np.zeros(3)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-inputs @ weights))
        gradient = inputs.T @ (chance - outcome) + penalty * weights
        curvature = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + np.diag(penalty)
        weights -= np.linalg.solve(curvature, gradient)
    slope, margin = weights[:2] / spread
    bias = weights[2] - float(mean @ [slope, margin])
    return float(slope), float(margin), float(bias)


def _rate(count: int, total: int) -> float:
    return count / total if total else float("nan")


def tabulate(
    index: KnowledgeIndex, cases: Sequence[Case]
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the figures by language and kind, as plain values; ``all`` sums the kinds up."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for language in index.languages:
        rows: list[tuple[str, Callable[[Case], bool]]] = [
            (kind, cast("Callable[[Case], bool]", lambda case, kind=kind: case.kind == kind))
            for kind in KINDS
        ]
        rows.append(("all", lambda case: True))
        own = [case for case in cases if case.language == language]
        table[language] = {}
        for name, belongs in rows:
            figures = evaluate(index, [case for case in own if belongs(case)])
            table[language][name] = {
                field: getattr(figures, field) for field in Figures.__dataclass_fields__
            }
    return table
