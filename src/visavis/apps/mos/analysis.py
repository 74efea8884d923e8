"""From answers to figures: who counts, scores and preferences with intervals, and agreement."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, median
from typing import Any

import numpy as np
import numpy.typing as npt

from visavis.apps.mos.answers import Answers, Row
from visavis.apps.mos.plan import BETTER
from visavis.evaluation.bradley_terry import PRIOR, rank
from visavis.evaluation.opinion_scores import DRAWS, LEVEL, measure_opinion
from visavis.evaluation.rater_agreement import krippendorff_alpha


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two systems on one item by one rater; ``outcome`` as in `bradley_terry.rank`."""

    rater: int
    item: str
    first: str
    second: str
    outcome: int


def analyse(answers: Answers, *, draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """Work out all that the report says.

    Args:
        answers: Of a study.
        draws: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        Plain values, with None for what cannot be said: ``protocol``, ``raters``, ``problems``, and the
        figures of each question twice, ``kept`` without raters who missed catch trials and ``all``
        with them.
    """
    raters = _describe_raters(answers)
    excluded = {rater["rater"] for rater in raters if rater["excluded"]}
    rows = [row for row in answers.rows if row.catch is None]
    kept = [row for row in rows if row.rater not in excluded]
    plan = answers.plan
    measure = _measure_scores if plan["kind"] == "scores" else _measure_pairs
    result = {
        "title": plan["title"],
        "kind": plan["kind"],
        "systems": list(plan["systems"]),
        "items": len(next(iter(plan["systems"].values()))),
        "protocol": {
            "interval": f"{LEVEL:.0%}, bootstrap over raters and items together (Owen 2007)",
            "draws": draws,
            "seed": seed,
            "agreement": "Krippendorff's alpha (2011); of pairs, each in both orders",
            "ranking": f"Bradley-Terry by MM (Hunter 2004), ties as half, prior {PRIOR:g}",
            "trials_per_rater": plan["trials"],
            "catches": len(plan["catches"]),
            "misses_allowed": plan["misses"],
        },
        "raters": raters,
        "problems": [{"item": i, "shown": s, "what": w} for i, s, w in answers.problems],
        "kept": [],
        "all": [],
    }
    for name, some in (("kept", kept), ("all", rows)):
        for number, question in enumerate(plan["questions"]):
            asked = [row for row in some if row.question == number]
            figures = measure(asked, list(plan["systems"]), draws, seed)
            result[name].append({"question": question, **figures})
    plain: dict[str, Any] = _without_nan(result)
    return plain


def _describe_raters(answers: Answers) -> list[dict[str, Any]]:
    by_rater: dict[int, list[Row]] = defaultdict(list)
    for row in answers.rows:
        by_rater[row.rater].append(row)
    described = []
    for number, (done, dealt) in sorted(answers.progress.items()):
        rows = by_rater[number]
        # The first question is what a catch's answer is known of.
        catches = [row for row in rows if row.catch is not None and row.question == 0]
        missed = sum(not is_right(row, answers.plan) for row in catches)
        given = Counter(row.answer for row in rows if row.catch is None)
        described.append(
            {
                "rater": number,
                "done": done,
                "dealt": dealt,
                "catches": len(catches),
                "missed": missed,
                "excluded": missed > answers.plan["misses"],
                "seconds": median(row.seconds for row in rows) if rows else math.nan,
                "plays": fmean(fmean(row.plays) for row in rows) if rows else math.nan,
                "same": max(given.values()) / given.total() if given else math.nan,
            }
        )
    return described


def is_right(row: Row, plan: Mapping[str, Any]) -> bool:
    """Whether the answer to a catch is the expected one."""
    if plan["kind"] == "scores":
        assert row.catch is not None
        return row.answer in plan["catches"][row.catch]["expected"]
    return row.answer == (-1 if row.first == BETTER else 1)


def _measure_scores(
    rows: Sequence[Row], systems: list[str], draws: int, seed: int
) -> dict[str, Any]:
    numbers = [systems.index(row.first) for row in rows]
    raters, items = _number([row.rater for row in rows]), _number([row.item for row in rows])
    scores = [row.answer for row in rows]
    found = measure_opinion(scores, raters, items, numbers, len(systems), draws=draws, seed=seed)
    of_systems = []
    for i, name in enumerate(systems):
        own = [row for row in rows if row.first == name]
        of_systems.append(
            {
                "system": name,
                "mean": float(found.mean[i]),
                "low": float(found.low[i]),
                "high": float(found.high[i]),
                "deviation": float(found.deviation[i]),
                "ratings": len(own),
                "raters": len({row.rater for row in own}),
                "items": len({row.item for row in own}),
                "given": [sum(row.answer == score for row in own) for score in range(1, 6)],
            }
        )
    differences = [
        {
            "system": systems[i],
            "less": systems[j],
            "mean": float(found.difference[i, j]),
            "low": float(found.difference_low[i, j]),
            "high": float(found.difference_high[i, j]),
        }
        for i, j in combinations(np.argsort(-found.mean, kind="stable").tolist(), 2)
    ]
    units = [f"{row.item}\0{row.first}" for row in rows]
    return {
        "systems": of_systems,
        "differences": differences,
        "agreement": {
            level: krippendorff_alpha(_table(raters, units, scores), level)
            for level in ("ordinal", "interval")
        },
        **_rank(imply_comparisons(rows), systems, draws, seed),
    }


def imply_comparisons(rows: Sequence[Row]) -> list[Comparison]:
    """What a rater scored higher, of each two systems on one item that the rater scored."""
    given: dict[tuple[int, str], dict[str, int]] = defaultdict(dict)
    for row in rows:
        given[row.rater, row.item][row.first] = row.answer
    return [
        Comparison(rater, item, a, b, int(np.sign(scores[b] - scores[a])))
        for (rater, item), scores in given.items()
        for a, b in combinations(sorted(scores), 2)
    ]


def _measure_pairs(
    rows: Sequence[Row], systems: list[str], draws: int, seed: int
) -> dict[str, Any]:
    comparisons = []
    for row in rows:
        a, b = sorted((row.first, row.second), key=systems.index)
        outcome = row.answer if a == row.first else -row.answer
        comparisons.append(Comparison(row.rater, row.item, a, b, outcome))
    decided = [row.answer for row in rows if row.answer]
    # Each in both orders: which system is named first in the plan must not matter, and would, for
    # where the first of all pairs is better, agreement on that looks like chance.
    units = [f"{c.item}\0{c.first}\0{c.second}" for c in comparisons]
    units += [f"{c.item}\0{c.second}\0{c.first}" for c in comparisons]
    raters = _number([c.rater for c in comparisons] * 2)
    outcomes = [c.outcome for c in comparisons]
    table = _table(raters, units, outcomes + [-outcome for outcome in outcomes])
    return {
        "agreement": {"nominal": krippendorff_alpha(table, "nominal")},
        "first_side": decided.count(-1) / len(decided) if decided else math.nan,
        **_rank(comparisons, systems, draws, seed),
    }


def _rank(
    comparisons: Sequence[Comparison], systems: list[str], draws: int, seed: int
) -> dict[str, Any]:
    found = rank(
        np.array([systems.index(c.first) for c in comparisons], int),
        np.array([systems.index(c.second) for c in comparisons], int),
        np.array([c.outcome for c in comparisons], int),
        _number([c.rater for c in comparisons]),
        _number([c.item for c in comparisons]),
        len(systems),
        draws=draws,
        seed=seed,
    )
    met: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for c in comparisons:
        met[c.first, c.second][c.outcome] += 1
        met[c.second, c.first][-c.outcome] += 1
    games = found.wins.sum(axis=1) + found.wins.sum(axis=0)
    # Who was never compared has no place; the prior alone would put it in the middle.
    order = sorted(found.order.tolist(), key=lambda i: not games[i])
    preferences = [
        {
            "first": a,
            "second": b,
            "first_better": met[a, b][-1],
            "same": met[a, b][0],
            "second_better": met[a, b][1],
        }
        for a, b in combinations([systems[i] for i in order], 2)
        if met[a, b]
    ]
    ranking = [
        {
            "system": systems[i],
            "strength": float(found.strength[i]) if games[i] else math.nan,
            "low": float(found.low[i]) if games[i] else math.nan,
            "high": float(found.high[i]) if games[i] else math.nan,
            "won": float(found.wins[i].sum()),
            "comparisons": round(float(games[i])),
        }
        for i in order
    ]
    return {"ranking": ranking, "preferences": preferences}


def _number(names: Sequence[Any]) -> npt.NDArray[np.intp]:
    return np.unique(np.asarray(names), return_inverse=True)[1].reshape(-1)


def _table(
    raters: npt.NDArray[np.intp], units: Sequence[str], values: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Arrange answers as raters by units, NaN where there is none."""
    columns = _number(units)
    table = np.full((max(raters, default=-1) + 1, max(columns, default=-1) + 1), np.nan)
    table[raters, columns] = values
    return table


def _without_nan(value: Any) -> Any:
    """Replace what JSON cannot say by None."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
