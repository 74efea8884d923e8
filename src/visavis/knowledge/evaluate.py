"""How often a base answers right, wrong, asks back, or refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias

from visavis.core.errors import FileUnreadable
from visavis.core.types import Language
from visavis.knowledge.base import read_limited, read_rows, samples_folder
from visavis.knowledge.search import KnowledgeIndex, Match

Part: TypeAlias = Literal["tune", "report"]
Kind: TypeAlias = Literal["plain", "paraphrase", "oblique", "misheard", "near", "unrelated"]
KINDS: tuple[Kind, ...] = ("plain", "paraphrase", "oblique", "misheard", "near", "unrelated")
"""In the base: asked in plain words; in words of its own; by a situation that names hardly anything;
with the slips of a speech recogniser. Not in the base: about neighbouring matters; about anything
else."""

OFFERED = 3
"""Candidates of asking back."""


@dataclass(frozen=True, slots=True)
class Case:
    """A test question.

    Attributes:
        text: As it is asked.
        language: It is asked in.
        expect: Ids of the pairs whose answer is right; empty where the base has none.
        kind: What is hard about it.
        part: The base may be written with ``tune`` in view; figures are taken on ``report``.
    """

    text: str
    language: Language
    expect: tuple[str, ...]
    kind: Kind
    part: Part


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case.

    Attributes:
        case: The question.
        matches: The first ten, best first.
        outcome: Answered, asked back, or refused.
        rank: Of the first right pair, from 1; 0 where it is not among the matches.
    """

    case: Case
    matches: tuple[Match, ...]
    outcome: Literal["answer", "ask", "refusal"]
    rank: int

    @property
    def confidence(self) -> float:
        """Of the best match, 0..1."""
        return self.matches[0].confidence if self.matches else 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Rates over a set of cases, each 0..1, NaN where there is no such case.

    Attributes:
        inside: Cases whose answer is in the base.
        outside: Cases whose answer is not.
        recall_1: Of inside, the right pair is found first.
        recall_3: Of inside, the right pair is among the first three.
        mrr: Of inside, the mean of one over the right pair's rank, 0 beyond the tenth.
        answered: Of inside, answered, and rightly.
        wrong: Of inside, answered with another pair's answer.
        asked: Of inside, asked back, with the right pair among the three candidates.
        misled: Of inside, asked back without it.
        false_refusals: Of inside, refused.
        false_answers: Of outside, answered.
        needless: Of outside, asked back.
    """

    inside: int
    outside: int
    recall_1: float
    recall_3: float
    mrr: float
    answered: float
    wrong: float
    asked: float
    misled: float
    false_refusals: float
    false_answers: float
    needless: float


def load_cases(path: Path, language: Language | None = None) -> list[Case]:
    """Read test questions from a JSON Lines file.

    A row has ``text`` and ``expect`` (a list of ids, empty where the base has no answer); it may have
    ``kind``, ``part`` and ``language``.

    Args:
        path: The file.
        language: Of rows that do not say.

    Raises:
        FileUnreadable: The file cannot be read, or a row is wrong; the message names the line.
    """
    cases: list[Case] = []
    for number, row in read_rows(path, read_limited(path)):
        expect: Any = row.get("expect")
        own: Any = row.get("language", language)
        kind = row.get("kind", "paraphrase" if expect else "near")
        part = row.get("part", "report")
        right = (
            isinstance(row.get("text"), str)
            and isinstance(expect, list)
            and all(isinstance(name, str) for name in expect)
            and kind in KINDS
            and part in {"tune", "report"}
            and own in {"zh", "en"}
        )
        if not right:
            raise FileUnreadable(
                f"{path}, line {number}: a test question has 'text', 'expect' (a list of ids, empty"
                f" for none), 'language' (zh or en), and if you like 'kind' ({', '.join(KINDS)}) and"
                " 'part' (tune or report)"
            )
        cases.append(Case(row["text"], own, tuple(expect), kind, part))
    return cases


def load_sample_cases(language: Language, part: Part | None = None) -> list[Case]:
    """Load the test questions of the sample base, all or one half."""
    cases = load_cases(samples_folder() / f"questions_{language}.jsonl", language)
    return [case for case in cases if part is None or case.part == part]


def ask(index: KnowledgeIndex, case: Case) -> Result:
    """Ask a case."""
    matches = tuple(index.search(case.text, case.language, 10))
    fusion = index.fusion[case.language]
    confidence = matches[0].confidence if matches else 0.0
    outcome: Literal["answer", "ask", "refusal"] = "refusal"
    if confidence >= fusion.threshold:
        outcome = "answer"
    elif confidence >= fusion.hint:
        outcome = "ask"
    ranks = (n for n, match in enumerate(matches, 1) if match.pair.id in case.expect)
    return Result(case, matches, outcome, next(ranks, 0))


def evaluate(index: KnowledgeIndex, cases: Sequence[Case]) -> Figures:
    """Ask every case and count what comes back."""
    return count([ask(index, case) for case in cases])


def count(results: Sequence[Result]) -> Figures:
    """Count what came back."""
    inside = [result for result in results if result.case.expect]
    outside = [result for result in results if not result.case.expect]

    def rate(chosen: Sequence[Result], holds: Callable[[Result], bool]) -> float:
        return sum(map(holds, chosen)) / len(chosen) if chosen else float("nan")

    return Figures(
        inside=len(inside),
        outside=len(outside),
        recall_1=rate(inside, lambda r: r.rank == 1),
        recall_3=rate(inside, lambda r: 1 <= r.rank <= 3),
        mrr=sum(1 / r.rank for r in inside if r.rank) / len(inside) if inside else float("nan"),
        answered=rate(inside, lambda r: r.outcome == "answer" and r.rank == 1),
        wrong=rate(inside, lambda r: r.outcome == "answer" and r.rank != 1),
        asked=rate(inside, lambda r: r.outcome == "ask" and 1 <= r.rank <= OFFERED),
        misled=rate(inside, lambda r: r.outcome == "ask" and not 1 <= r.rank <= OFFERED),
        false_refusals=rate(inside, lambda r: r.outcome == "refusal"),
        false_answers=rate(outside, lambda r: r.outcome == "answer"),
        needless=rate(outside, lambda r: r.outcome == "ask"),
    )


def tabulate(results: Sequence[Result]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the figures by language and kind, as plain values; ``all`` sums the kinds up."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for language in sorted({result.case.language for result in results}, reverse=True):
        own = [result for result in results if result.case.language == language]
        groups: dict[str, list[Result]] = {
            kind: [result for result in own if result.case.kind == kind] for kind in KINDS
        }
        groups["out of base"] = [result for result in own if not result.case.expect]
        groups["all"] = own
        table[language] = {
            name: {field.name: getattr(figures, field.name) for field in fields(Figures)}
            for name, group in groups.items()
            if group
            for figures in (count(group),)
        }
    return table
