"""What is made of answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.apps.mos_study import ITEMS, write_study

from visavis.apps.commands.mos import command
from visavis.apps.mos.analysis import analyse
from visavis.apps.mos.answers import Answers, Row
from visavis.apps.mos.plan import read_plan
from visavis.apps.mos.store import Store

HELP = ["-h", "--help"]
"""As below `visavis`: click keeps the first form of a command's help option that it makes."""


def _answers(kind: str, rows: list[Row]) -> Answers:
    systems = {name: {item: [f"{item}.mp4", 1] for item in ITEMS} for name in ("a", "b", "c")}
    plan = {"title": "<T>", "kind": kind, "questions": [{"en": "Q?", "zh": "问"}], "trials": 4,
            "systems": systems, "catches": [{"videos": [], "expected": []}], "misses": 0}  # fmt: skip
    return Answers(plan, rows, {row.rater: (4, 4) for row in rows}, [])


def test_pairs_are_counted_whichever_side_they_were_on() -> None:
    rows = []
    for rater in (1, 2):
        rows += [
            Row(rater, 1, None, "parrot", "a", "b", 0, -1, 1.0, (1, 1)),
            Row(rater, 2, None, "lantern", "b", "a", 0, 1, 1.0, (1, 2)),
            Row(rater, 3, None, "meadow", "a", "b", 0, 1 if rater == 1 else 0, 1.0, (1, 1)),
            Row(rater, 4, 0, "", "worse", "better", 0, 1, 1.0, (1, 1)),
        ]
    result = analyse(_answers("pairs", rows), draws=100)
    assert not any(rater["excluded"] for rater in result["raters"])
    figures = result["kept"][0]
    assert figures["preferences"][0] == {
        "first": "a", "second": "b", "first_better": 4, "same": 1, "second_better": 1,
    }  # fmt: skip
    wins = {r["system"]: (r["won"], r["comparisons"]) for r in figures["ranking"]}
    assert wins == {"a": (4.5, 6), "b": (1.5, 6), "c": (0, 0)}
    strengths = {r["system"]: r["strength"] for r in figures["ranking"]}
    assert strengths["a"] > 0 > strengths["b"]
    assert strengths["c"] is None, "who was never shown has no rank"
    assert figures["first_side"] == pytest.approx(2 / 5)
    # Two units agreed on, one not, by hand: of -1 -1 | -1 -1 | +1 0 and the same turned round.
    assert figures["agreement"]["nominal"] == pytest.approx(1 - 11 * 4 / 90)
    answers = _answers("pairs", rows)
    answers.plan["systems"] = dict(reversed(answers.plan["systems"].items()))
    assert analyse(answers, draws=100)["kept"][0]["agreement"] == figures["agreement"]
    wrong = Row(3, 4, 0, "", "better", "worse", 0, 0, 1.0, (1, 1))
    again = analyse(_answers("pairs", [*rows, wrong]), draws=100)
    assert [rater["excluded"] for rater in again["raters"]] == [False, False, True]


def test_no_answer_yet_is_no_failure(tmp_path: Path) -> None:
    plan = read_plan(write_study(tmp_path))
    Store(plan.database, plan).close()
    done = CliRunner().invoke(
        command,
        ["report", str(plan.database), "-o", str(tmp_path / "r")],
        catch_exceptions=False,
        help_option_names=HELP,
    )
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "r" / "report.json").read_text())
    assert result["kept"][0]["systems"][0]["mean"] is None
    assert "—" in (tmp_path / "r" / "report.md").read_text()


def test_names_cannot_write_into_the_page(tmp_path: Path) -> None:
    from visavis.apps.mos.report import write_report

    rows = [Row(1, 1, None, "parrot", "a", "", 0, 4, 1.0, (1,))]
    answers = _answers("scores", rows)
    answers.plan["systems"] = {"a": {}, "<script>alert(1)</script>": {}}
    write_report(tmp_path, analyse(answers, draws=100), answers)
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;T&gt;" in page
