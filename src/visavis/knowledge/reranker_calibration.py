"""How much a reranker's scores count and what they mean, learnt from the base itself.

As `calibration` learns it for the index alone: a wording asked as if it had not been stored is a
question that the base answers; asked as if its whole pair had not been stored, it is a question about
a neighbouring matter. A reranker takes a run of a network for each candidate, so that fewer are asked.

Shapes: q questions, c candidates of one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from visavis.core.errors import TextUnusable
from visavis.core.types import Floats, Language
from visavis.knowledge.base import Base, Pair
from visavis.knowledge.calibration import (
    FALSE_ANSWERS,
    FALSE_REFUSALS,
    LEARNABLE,
    OUTSIDE,
    SUREST,
    fit_logistic,
)
from visavis.knowledge.reranker import (
    DEPTH,
    SURE,
    Candidates,
    Doubles,
    Reranker,
    Reranking,
    gather_candidates,
    measure,
)
from visavis.knowledge.search import KnowledgeIndex
from visavis.knowledge.text import clean_question

logger = logging.getLogger(__name__)

ASKED = 150
"""Wordings that are held out in a language, at most."""
_AMONG = 1_500
"""Pairs that they are asked among."""
_FOLDS = 5
"""Groups in which pairs are taken out: each index lacks a fifth of those that are asked for."""
_SEED = 7
_LEAST = 0.5
"""The lowest threshold: what is likelier wrong than right is no answer, however well a base is parted."""
_MOST = 20.0
"""Highest weight, in spreads of the index's score per spread of the reranker's, so that the index
settles what the reranker leaves open."""

MakeIndex = Callable[[Sequence[Base]], KnowledgeIndex]
Told = Callable[[int, int], None]
"""Hears how many questions of how many are done."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A wording that is held out."""

    base: str
    pair: Pair
    text: str

    @property
    def key(self) -> tuple[str, str, Language]:
        return self.base, self.pair.id, self.pair.language


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """What came of a question.

    Attributes:
        found: Candidates of the index.
        logits: (c,) of the reranker.
        own: Which of the candidates is the wording's own pair; -1 for none.
        is_known: Whether the base as it was asked has an answer.
    """

    found: Candidates
    logits: Floats
    own: int
    is_known: bool

    @property
    def is_sure(self) -> bool:
        """Whether the index is left alone."""
        return self.found.matches[0].confidence >= SURE


def learn_reranking(
    bases: Sequence[Base], make: MakeIndex, reranker: Reranker, told: Told | None = None
) -> dict[Language, Reranking]:
    """Learn it for each language in which pairs with several wordings are enough.

    Args:
        bases: To answer from.
        make: Makes an index of bases that lack something, with the weights of the whole one.
        reranker: Asked about as many as 26 texts for each of at most `ASKED` wordings.
        told: Hears of progress.

    Returns:
        Nothing for a language in which there are too few.
    """
    bases = _choose_pairs(bases)
    asked = _hold_out(bases)
    if not asked:
        return {}
    logger.info(
        "learning from %d held-out wordings what the reranker's scores mean; this is done once for"
        " what the bases hold now",
        len(asked),
    )
    began = time.perf_counter()
    answers = _ask_all(bases, asked, make, reranker, told or (lambda done, total: None))
    learnt: dict[Language, Reranking] = {}
    for language in dict.fromkeys(one.pair.language for one in asked):
        one = _fit([answer for where, answer in answers if where == language])
        learnt[language] = one
        if one.is_idle:
            logger.warning(
                "the reranker tells nothing in %s that the index does not: it is not asked",
                language,
            )
        else:
            logger.info("reranking %s: %s", language, one)
    logger.info("learnt from %d answers in %.0f s", len(answers), time.perf_counter() - began)
    return learnt


def _choose_pairs(bases: Sequence[Base]) -> list[Base]:
    """Keep what holds today, and of many pairs some."""
    today = date.today()
    random = np.random.default_rng(_SEED)
    kept: set[tuple[str, str, Language]] = set()
    held = [(base.name, p) for base in bases for p in base.pairs if p.holds_on(today)]
    for language in sorted({pair.language for _, pair in held}):
        own = [(name, pair) for name, pair in held if pair.language == language]
        # Those that can be asked for go first; the others are their rivals.
        own = [own[i] for i in random.permutation(len(own))]
        own.sort(key=lambda one: not one[1].aliases)
        kept.update((name, pair.id, language) for name, pair in own[:_AMONG])
    return [
        replace(
            base,
            pairs=tuple(
                p for p in base.pairs if p.holds_on(today) and (base.name, p.id, p.language) in kept
            ),
        )
        for base in bases
    ]


def _hold_out(bases: Sequence[Base]) -> list[_Asked]:
    """Choose one wording each of pairs that have several."""
    random = np.random.default_rng(_SEED)
    chosen: list[_Asked] = []
    for language in sorted({p.language for base in bases for p in base.pairs}):
        several: list[_Asked] = []
        for base in bases:
            for pair in base.pairs:
                usable = [text for text in pair.wordings if _is_usable(text)]
                if pair.language == language and pair.aliases and usable:
                    text = usable[int(random.integers(len(usable)))]
                    several.append(_Asked(base.name, pair, text))
        if sum(not one.pair.is_gap for one in several) >= LEARNABLE:
            chosen += [several[i] for i in random.permutation(len(several))[:ASKED]]
    return chosen


def _is_usable(text: str) -> bool:
    try:
        clean_question(text)
    except TextUnusable:
        return False
    return True


def _ask_all(
    bases: Sequence[Base], asked: Sequence[_Asked], make: MakeIndex, reranker: Reranker, told: Told
) -> list[tuple[Language, _Answer]]:
    """Ask every wording with its pair, and without it if it has an answer."""
    inside = {one.key: one for one in asked}
    found: dict[tuple[str, str, Language], list[tuple[Candidates, bool]]] = {}
    _search(make(_without(bases, inside, whole=False)), asked, True, found)
    answered = [one for one in asked if not one.pair.is_gap]
    for fold in range(_FOLDS):
        some = answered[fold::_FOLDS]
        gone = {one.key: one for one in some}
        _search(make(_without(bases, gone, whole=True)), some, False, found)
    answers: list[tuple[Language, _Answer]] = []
    for number, one in enumerate(asked, 1):
        gathered = found.get(one.key, [])
        # Both lists are much the same texts, and the reranker is what takes the time.
        texts = list(dict.fromkeys(text for some, _ in gathered for text in some.texts))
        known = dict(zip(texts, reranker.score(clean_question(one.text), texts), strict=True))
        for candidates, is_inside in gathered:
            logits = np.array([known[text] for text in candidates.texts], np.float32)
            own = _find_own(one, candidates) if is_inside else -1
            is_known = is_inside and not one.pair.is_gap
            answers.append((one.pair.language, _Answer(candidates, logits, own, is_known)))
        told(number, len(asked))
    return answers


def _without(
    bases: Sequence[Base], gone: Mapping[tuple[str, str, Language], _Asked], *, whole: bool
) -> list[Base]:
    """Take wordings out of bases, or their whole pairs."""

    def cut(base: Base) -> Iterator[Pair]:
        for pair in base.pairs:
            one = gone.get((base.name, pair.id, pair.language))
            if one is None:
                yield pair
            elif not whole:
                question, *aliases = _drop(pair.wordings, one.text)
                yield replace(pair, question=question, aliases=tuple(aliases))

    return [replace(base, pairs=tuple(cut(base))) for base in bases]


def _drop(texts: Iterable[str], gone: str) -> list[str]:
    kept = list(texts)
    kept.remove(gone)
    return kept


def _search(
    index: KnowledgeIndex,
    asked: Sequence[_Asked],
    is_inside: bool,
    found: dict[tuple[str, str, Language], list[tuple[Candidates, bool]]],
) -> None:
    for one in asked:
        language = one.pair.language
        if matches := index.search(one.text, language, DEPTH):
            candidates = gather_candidates(index, matches, one.text, language)
            found.setdefault(one.key, []).append((candidates, is_inside))


def _find_own(one: _Asked, found: Candidates) -> int:
    pairs = [(match.base, match.pair.id) for match in found.matches]
    if (one.base, one.pair.id) in pairs:
        return pairs.index((one.base, one.pair.id))
    gaps = [gap.id for gap in found.gaps]
    return len(pairs) + gaps.index(one.pair.id) if one.pair.id in gaps else -1


def _fit(answers: Sequence[_Answer]) -> Reranking:
    """Learn the weight, then what a match that is found so is worth, then both thresholds."""
    made = Reranking(_fit_weight([a for a in answers if a.is_known and a.own >= 0]))
    if made.is_idle:
        return made
    rows, right, known = [], [], []
    for answer in answers:
        joint = made.join(answer.found, answer.logits)
        best = 0 if answer.is_sure else int(joint[: len(answer.found.matches)].argmax())
        rows.append(measure(answer.found, answer.logits, joint, best))
        right.append(answer.is_known and best == answer.own)
        known.append(answer.is_known)
    features, is_right, is_known = np.array(rows), np.array(right), np.array(known)
    is_sure = np.array([answer.is_sure for answer in answers])
    learnt = ~is_sure
    if not (learnt & is_right).any() or not (learnt & ~is_right).any():
        return replace(made, weight=0.0)  # the index alone settles everything
    weight = OUTSIDE / (1 - OUTSIDE) * is_known.sum() / max((~is_known).sum(), 1)
    evidence, bias = fit_logistic(
        features[learnt], is_right[learnt], np.where(is_known, 1.0, weight)[learnt]
    )
    first, second, third = (round(float(value), 4) for value in evidence)
    made = replace(made, evidence=(first, second, third), bias=round(bias, 4))
    confidences = np.array(
        [
            answer.found.matches[0].confidence if answer.is_sure else made.judge(row)
            for answer, row in zip(answers, features, strict=True)
        ]
    )
    threshold = float(np.quantile(confidences[~is_known], 1 - FALSE_ANSWERS))
    threshold = min(max(threshold, _LEAST), SUREST)
    hint = min(float(np.quantile(confidences[is_right], FALSE_REFUSALS)), threshold)
    return replace(made, threshold=round(threshold, 3), hint=round(hint, 3))


def _fit_weight(answers: Sequence[_Answer]) -> float:
    """Learn how much the reranker's score counts beside the index's.

    Logistic regression on what parts the right candidate from each other one, and the other way
    round (Burges et al., *Learning to Rank using Gradient Descent*, ICML 2005, with a linear score).
    """
    parts, counts = [np.zeros((0, 2))], [np.zeros(0)]
    for answer in answers:
        both: Doubles = np.stack([answer.found.scores, answer.logits.astype(np.float64)], 1)
        others = np.delete(both, answer.own, 0)
        parts.append(both[answer.own] - others)
        counts.append(np.full(len(others), 1 / max(len(others), 1)))
    ahead, each = np.concatenate(parts), np.concatenate(counts)
    if not len(ahead):
        return 0.0
    (index, reranker), _ = fit_logistic(
        np.concatenate([ahead, -ahead]),
        np.repeat([True, False], len(ahead)),
        np.concatenate([each, each]),
    )
    spread = np.maximum(ahead.std(0), 1e-6)
    most = _MOST * float(spread[0] / spread[1])
    if reranker <= 0:
        return 0.0
    return round(min(float(reranker / index), most) if index > 0 else most, 4)
