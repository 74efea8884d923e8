"""Reads what a study's database holds."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visavis.core.errors import FileUnreadable
from visavis.media.files import check_input


@dataclass(frozen=True, slots=True)
class Row:
    """One answer of one rater to one question.

    Attributes:
        rater: Number, from 1.
        trial: Position among the rater's trials, from 1.
        catch: Number of the catch, or None.
        item: What of; empty for a catch.
        first: The system shown first, or alone; of a catch "catch", "better" or "worse".
        second: The other one of a pair, or empty.
        question: Number, from 0.
        answer: 1 to 5; of pairs -1 where the first is better, 1 the second, 0 neither.
        seconds: Of thought after the videos had been seen.
        plays: Of each video, to its end.
    """

    rater: int
    trial: int
    catch: int | None
    item: str
    first: str
    second: str
    question: int
    answer: int
    seconds: float
    plays: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a database holds.

    Attributes:
        plan: As `Plan.describe` told it.
        rows: Answers, in the order of raters and trials.
        progress: Trials done and trials dealt of each rater, by number.
        problems: Trials that could not be rated, with what the page said.
    """

    plan: dict[str, Any]
    rows: list[Row]
    progress: dict[int, tuple[int, int]]
    problems: list[tuple[str, str, str]]


def read_answers(path: Path) -> Answers:
    """Read a study's database; its server may be running.

    Raises:
        FileUnreadable: It is no such database.
    """
    check_input(path)
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection:
            (plan,) = connection.execute("SELECT plan FROM study").fetchone() or ("",)
            rows = connection.execute(
                "SELECT rater, position + 1, catch, item, first, second, question, answer,"
                " seconds, plays FROM answers JOIN trials ON trials.id = answers.trial"
                " ORDER BY rater, position, question"
            ).fetchall()
            progress = connection.execute(
                "SELECT rater, count(done), count(*) FROM trials GROUP BY rater"
            ).fetchall()
            problems = connection.execute(
                "SELECT item, first || ' ' || second, problem FROM trials"
                " WHERE problem IS NOT NULL ORDER BY id"
            ).fetchall()
    except sqlite3.Error as error:
        raise FileUnreadable(
            f"{path} is no database of answers ({error}); name the one that `visavis mos serve` wrote"
        ) from error
    return Answers(
        plan=json.loads(plan),
        rows=[Row(*(*row[:9], tuple(json.loads(row[9])))) for row in rows],
        progress={rater: (done, dealt) for rater, done, dealt in progress},
        problems=problems,
    )
