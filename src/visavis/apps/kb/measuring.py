"""Test questions asked of bases, and what the answers come to beyond plain rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from visavis.core.errors import InputError, LanguageUnsupported, TextUnusable
from visavis.core.types import Language
from visavis.knowledge.evaluate import Case, Result, ask, tabulate

if TYPE_CHECKING:
    from visavis.apps.kb.nearest_question import NearestQuestion
    from visavis.knowledge.base import Base
    from visavis.knowledge.search import KnowledgeIndex

BINS = 10
DEEPEST = 10
"""Of recall@k."""
_THRESHOLDS = 100
_WORST = 50


@dataclass(frozen=True, slots=True)
class Bin:
    """Questions of like confidence.

    Attributes:
        low: Of the confidence.
        high: The same.
        confidence: Mean.
        right: Share of those whose best pair is right.
        count: Of the questions.
    """

    low: float
    high: float
    confidence: float
    right: float
    count: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What a threshold would do.

    Attributes:
        threshold: Confidence from which is answered.
        false_refusals: Share of the questions inside the base that would not be answered.
        false_answers: Share of those outside that would be.
    """

    threshold: float
    false_refusals: float
    false_answers: float


def check_cases(cases: Sequence[Case], bases: Sequence[Base]) -> None:
    """Refuse ids that no base has, which would silently count as mistakes.

    Raises:
        InputError: There is no question, or it expects an id that is not there.
    """
    if not cases:
        raise InputError("there is no test question; give a file that has some")
    known = {(pair.language, pair.id) for base in bases for pair in base.pairs if not pair.is_gap}
    for case in cases:
        for identity in case.expect:
            if (case.language, identity) not in known:
                raise InputError(
                    f"the question {case.text[:60]!r} expects the pair {identity!r}, and no base has"
                    f" it with an answer in {case.language!r}; correct the id, or choose the base"
                )


def ask_all(
    index: KnowledgeIndex | NearestQuestion,
    cases: Sequence[Case],
    told: Callable[[int, int], None],
) -> list[Result]:
    """Ask every case; what cannot be asked at all counts as refused."""
    results = []
    for number, case in enumerate(cases, 1):
        try:
            # Both have what asking takes.
            results.append(ask(cast("KnowledgeIndex", index), case))
        except (TextUnusable, LanguageUnsupported):
            results.append(Result(case, (), "refusal", 0))
        told(number, len(cases))
    return results


def bin_confidences(results: Sequence[Result], bins: int = BINS) -> list[Bin]:
    """Sort questions, inside and outside, into bins of equal width; empty bins are left out."""
    made = []
    for number in range(bins):
        own = [r for r in results if min(int(r.confidence * bins), bins - 1) == number]
        if own:
            made.append(
                Bin(
                    number / bins,
                    (number + 1) / bins,
                    sum(r.confidence for r in own) / len(own),
                    sum(r.rank == 1 for r in own) / len(own),
                    len(own),
                )
            )
    return made


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error: how far confidence and truth are apart on average."""
    count = sum(one.count for one in bins)
    if not count:
        return math.nan
    return sum(one.count * abs(one.confidence - one.right) for one in bins) / count


def choose_at(results: Sequence[Result], threshold: float) -> Choice:
    """Say what a threshold would do."""
    inside = [r.confidence for r in results if r.case.expect]
    outside = [r.confidence for r in results if not r.case.expect]
    return Choice(
        threshold,
        sum(c < threshold for c in inside) / len(inside) if inside else math.nan,
        sum(c >= threshold for c in outside) / len(outside) if outside else math.nan,
    )


def sweep_thresholds(results: Sequence[Result]) -> list[Choice]:
    """Say what each threshold would do, from 0 to 1, and at most about a hundred between."""
    values = sorted({r.confidence for r in results})
    step = max(1, len(values) // _THRESHOLDS)
    chosen = sorted({0.0, *values[::step], *values[-1:], 1.0})
    return [choose_at(results, threshold) for threshold in chosen]


def recalls(results: Sequence[Result], deepest: int = DEEPEST) -> list[float]:
    """Return recall@k for k from 1: the right pair is among the first k."""
    ranks = [r.rank for r in results if r.case.expect]
    return [
        sum(1 <= rank <= k for rank in ranks) / len(ranks) if ranks else math.nan
        for k in range(1, deepest + 1)
    ]


def find_mistakes(results: Sequence[Result], most: int = _WORST) -> list[Result]:
    """Return the worst mistakes first: wrong answers by confidence, then what was refused or misled."""

    def weigh(result: Result) -> tuple[int, float]:
        wrong = result.outcome == "answer" and (result.rank != 1 or not result.case.expect)
        return (0 if wrong else 1, -result.confidence if wrong else result.confidence)

    def fails(result: Result) -> bool:
        if not result.case.expect:
            return result.outcome == "answer"
        if result.outcome == "ask":
            return not 1 <= result.rank <= 3
        return result.outcome == "refusal" or result.rank != 1

    return sorted(filter(fails, results), key=weigh)[:most]


def describe(
    results: Sequence[Result],
    bases: Sequence[Base],
    index: KnowledgeIndex | NearestQuestion,
    way: str,
) -> dict[str, Any]:
    """Put all that was measured into plain values that JSON can hold; what cannot be said is None."""
    languages: list[Language] = [
        language for language in ("zh", "en") if any(r.case.language == language for r in results)
    ]
    made: dict[str, Any] = {
        "way": way,
        "bases": [
            {
                "name": base.name,
                "digest": base.digest,
                "pairs": sum(not pair.is_gap for pair in base.pairs),
                "gaps": sum(pair.is_gap for pair in base.pairs),
            }
            for base in bases
        ],
        "questions": len(results),
        "figures": tabulate(results),
        "languages": {},
        "mistakes": [_describe_mistake(result, bases) for result in find_mistakes(results)],
    }
    for language in languages:
        own = [result for result in results if result.case.language == language]
        bins = bin_confidences(own)
        fusion = index.fusion.get(language)
        made["languages"][language] = {
            "threshold": fusion and fusion.threshold,
            "hint": fusion and fusion.hint,
            "calibration_error": calibration_error(bins),
            "reliability": [asdict(one) for one in bins],
            "chosen": [asdict(choose_at(own, t)) for t in (fusion.threshold, fusion.hint)]
            if fusion
            else [],
            "thresholds": [asdict(one) for one in sweep_thresholds(own)],
            "recall_at": recalls(own),
        }
    plain: dict[str, Any] = _without_nan(made)
    return plain


def _describe_mistake(result: Result, bases: Sequence[Base]) -> dict[str, Any]:
    case = result.case
    expected = [
        pair.question
        for base in bases
        for pair in base.pairs
        if pair.language == case.language and pair.id in case.expect
    ]
    best = result.matches[0] if result.matches else None
    return {
        "question": case.text,
        "language": case.language,
        "kind": case.kind,
        "outcome": result.outcome,
        "confidence": round(result.confidence, 4),
        "rank": result.rank,
        "expected": list(case.expect),
        "expected_question": expected[0] if expected else "",
        "found": best.pair.id if best else "",
        "found_question": best.pair.question if best else "",
    }


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return value
