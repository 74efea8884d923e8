"""What a reranker is, what it is shown, and what its scores mean together with the index's.

Shapes: m matches, g known gaps beside them, c = m + g candidates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Language
from visavis.knowledge.base import Pair
from visavis.knowledge.search import KnowledgeIndex, Match
from visavis.knowledge.shelf import EXACT

DEPTH = 10
"""Matches of the index that are ordered anew."""
SURE = 0.99
"""Confidence of the index from which it is left alone: as of a pair that is asked for in its own words."""
USUAL_WEIGHT = 1.0
"""Of the reranker's score where a base is too small to teach it: both scores are about log-odds."""
_GAPS = 3
"""Known gaps that take part, at most."""
_READ = 400
"""Characters of an answer that are shown: the rest takes time, and what is asked stands before it."""

Doubles = npt.NDArray[np.float64]


class Reranker(Protocol):
    """What reads a question together with a text."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the scores do."""
        ...

    def score(self, question: str, texts: Sequence[str]) -> Floats:
        """Return float32 (n,) of n texts, higher for what answers better; logits by preference."""
        ...


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a question may mean.

    Attributes:
        matches: m, as the index orders them.
        gaps: g known gaps that come as near as these.
        scores: (c,) of the index.
    """

    matches: tuple[Match, ...]
    gaps: tuple[Pair, ...]
    scores: Doubles

    @property
    def texts(self) -> list[str]:
        """What the reranker reads of each, c."""
        pairs = (*(match.pair for match in self.matches), *self.gaps)
        return [f"{pair.question}\n{pair.answer[:_READ]}".strip() for pair in pairs]


def gather_candidates(
    index: KnowledgeIndex,
    matches: Sequence[Match],
    question: str,
    language: Language,
    day: date | None = None,
) -> Candidates:
    """Add the known gaps that are as near as the matches that an index found.

    Args:
        index: In which was searched.
        matches: m, at least one.
        question: As it was asked.
        language: Of the matches.
        day: As for `KnowledgeIndex.search`.
    """
    scores = [match.score for match in matches]
    gaps: list[tuple[float, Pair]] = []
    pairs = index.pairs(language)
    # Of more pairs than these the index compares a choice, and does not say which.
    if len(pairs) <= EXACT and any(pair.is_gap for pair in pairs):
        today = day or date.today()
        fused = index.compare(question, language).fuse(index.fusion[language])
        gaps = [
            (float(score), pair)
            for score, pair in zip(fused, pairs, strict=True)
            if pair.is_gap and score >= min(scores) and pair.holds_on(today)
        ]
        gaps = sorted(gaps, key=lambda gap: -gap[0])[:_GAPS]
    return Candidates(
        tuple(matches),
        tuple(pair for _, pair in gaps),
        np.array([*scores, *(score for score, _ in gaps)], np.float64),
    )


@dataclass(frozen=True, slots=True)
class Reranking:
    """What the scores of a reranker mean in one language.

    Attributes:
        weight: Of its score, in units of the index's; 0 where it tells nothing.
        evidence: Of the confidence, per unit of the index's log-odds, of the reranker's score, and of
            the lead in both scores together over the best other candidate; None where a base is too
            small to teach it: the index's own confidence stays.
        bias: Of the confidence.
        threshold: Confidence from which a match is an answer; the index's own without evidence.
        hint: Confidence from which a match that is no answer is asked back.
    """

    weight: float = USUAL_WEIGHT
    evidence: tuple[float, float, float] | None = None
    bias: float = 0.0
    threshold: float = 1.0
    hint: float = 1.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing comes of asking the reranker."""
        return self.weight == 0 and self.evidence is None

    def join(self, found: Candidates, logits: Floats) -> Doubles:
        """Return the scores by which candidates are ordered (c,), none above the index's own."""
        far: Doubles = logits.astype(np.float64) - float(logits.max())
        joint: Doubles = found.scores + self.weight * far
        return joint

    def order(self, found: Candidates, logits: Floats) -> list[Match]:
        """Order the matches anew, with their joint scores and confidences.

        Args:
            found: What is ordered.
            logits: (c,) scores of the reranker.
        """
        joint = self.join(found, logits)
        count = len(found.matches)
        ordered: list[Match] = []
        for number in np.argsort(-joint[:count], kind="stable"):
            match = found.matches[number]
            confidence = match.confidence
            if self.evidence is not None:
                confidence = self.judge(measure(found, logits, joint, int(number)))
            if ordered:
                confidence = min(confidence, ordered[-1].confidence)
            ordered.append(replace(match, score=float(joint[number]), confidence=confidence))
        return ordered

    def judge(self, evidence: Doubles) -> float:
        """Return the confidence of a match, given the evidence (3,) for it; see `measure`."""
        assert self.evidence is not None
        logit = float(evidence @ np.array(self.evidence)) + self.bias
        return 1 / (1 + math.exp(-max(min(logit, 30.0), -30.0)))


def measure(found: Candidates, logits: Floats, joint: Doubles, number: int) -> Doubles:
    """Return the evidence (3,) for a match: the index's log-odds, the reranker's score, the lead."""
    chance = min(max(found.matches[number].confidence, 1e-6), 1 - 1e-6)
    others = np.delete(joint, number)
    lead = float(joint[number] - others.max()) if len(others) else 0.0
    return np.array([math.log(chance / (1 - chance)), float(logits[number]), lead])


def read_reranking(row: Mapping[str, object]) -> Reranking:
    """Make a `Reranking` of plain values.

    Raises:
        ValueError: They are none.
    """
    try:
        weight, bias, threshold, hint = (
            float(str(row[name])) for name in ("weight", "bias", "threshold", "hint")
        )
        evidence = row["evidence"]
        if not isinstance(evidence, list | None) or len(evidence or "123") != 3:
            raise ValueError("no evidence")
        found = None if evidence is None else tuple(float(value) for value in evidence)
    except (KeyError, TypeError) as error:
        raise ValueError(str(error)) from error
    if not np.isfinite([weight, bias, threshold, hint, *(found or ())]).all():
        raise ValueError("not finite")
    return Reranking(weight, found, bias, threshold, hint)  # type: ignore[arg-type]
