"""`visavis records` on a real database."""

from __future__ import annotations

import asyncio
import json
import time

import openpyxl
import pytest
from click.testing import CliRunner, Result
from simulated_days import simulate
from store_place import Place

from visavis.apps.cli import main
from visavis.apps.commands.records import command
from visavis.apps.server.store import TurnRecord
from visavis.core.errors import ConfigError
from visavis.knowledge.store import KnowledgeStore


@pytest.fixture
def filled(place: Place) -> Place:
    async def fill() -> None:
        store = place.make_store()
        await store.open()
        await simulate(store, days=5, now=time.time())
        await store.close()

    asyncio.run(fill())
    return place


def run(place: Place, *arguments: str, **options: object) -> Result:
    where = ["--data", str(place.folder), *(["--database", place.url] if place.url else [])]
    # Click remembers how help was first called, and other tests read it: as in the whole program.
    names = ["-h", "--help"]
    return CliRunner().invoke(command, [*arguments, *where], help_option_names=names, **options)  # type: ignore[arg-type]


def test_records_from_the_command_line(filled: Place, tmp_path) -> None:
    shown = run(filled, "show")
    assert shown.exit_code == 0, shown.output
    rows = dict(line.split() for line in shown.output.splitlines() if line[0] in "stf")
    lines = run(filled, "export").output.splitlines()
    found = [json.loads(line) for line in lines]
    for name in ("sessions", "turns", "feedback"):
        assert sum(one["table"] == name for one in found) == int(rows[name]) > 0
    file = tmp_path / "turns.csv"
    assert run(filled, "export", "--format", "csv", "-o", str(file)).exit_code == 0
    assert file.read_bytes().startswith(b"\xef\xbb\xbfsession,number,time,")
    assert file.read_text(encoding="utf-8-sig").count("\n") == int(rows["turns"]) + 1
    book = tmp_path / "all.xlsx"
    assert run(filled, "export", "--format", "xlsx", "-o", str(book)).exit_code == 0
    sheets = openpyxl.load_workbook(book)
    assert {s.title: s.max_row - 1 for s in sheets} == {name: int(rows[name]) for name in rows}
    assert run(filled, "export", "--format", "xlsx").exit_code == 2
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == [
        "all.xlsx", "turns.csv",
    ]  # fmt: skip
    asked = next(one for one in found if one["table"] == "turns")
    one = ["delete", asked["session"], "--question", str(asked["number"])]
    assert run(filled, *one).exit_code == 0
    again = run(filled, *one)
    assert (again.exit_code, f"of question {asked['number']}" in again.output) == (1, True)
    left = [json.loads(line) for line in run(filled, "export").output.splitlines()]
    assert asked not in left
    assert sum(one["table"] == "turns" for one in left) == int(rows["turns"]) - 1
    session = found[0]["id"]
    assert run(filled, "delete", session).exit_code == 0
    assert run(filled, "delete", session).exit_code == 1
    refused = run(filled, "purge", "--older-than", "0", input="n\n")
    assert refused.exit_code == 1
    assert "sessions" in run(filled, "purge", "--older-than", "0", "--yes").output
    assert run(filled, "export").output == ""


def test_an_unanswered_question_becomes_a_pair_in_one_step(
    place: Place, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("VISAVIS_KNOWLEDGE", str(tmp_path / "kb.db"))
    now = time.time()
    texts = ["如何给狗上户口？", "如何给狗上户口？", "怎么给狗上户口呢"]
    asked = [
        TurnRecord("s", n, now, question=text, outcome="refusal") for n, text in enumerate(texts, 1)
    ]

    async def fill() -> None:
        store = place.make_store()
        await store.open()
        await store.write([*asked, TurnRecord("s", 9, now, question="Hm?", outcome="answer")])
        await store.close()

    asyncio.run(fill())
    (gap,) = json.loads(run(place, "unanswered", "--json").output)
    assert (gap["question"], gap["count"]) == ("如何给狗上户口？", 3)
    key = gap["keys"][0][:8]
    shown = run(place, "unanswered").output
    assert key in shown
    assert "如何给狗上户口" in shown

    said = "带免疫证到街道办理。"
    for wrong, code in (("ffffffff", 1), (key[:2], 1)):
        assert run(place, "answer", wrong, said, "--base", "town").exit_code == code
    with pytest.raises(ConfigError, match="no knowledge store"):
        run(place, "answer", key, said, "--base", "town", catch_exceptions=False)
    assert json.loads(run(place, "unanswered", "--json").output), "it is open still"
    with KnowledgeStore(tmp_path / "kb.db") as store:
        store.create("town")
    done = run(place, "answer", key, said, "--base", "town", "--wordings")
    assert done.exit_code == 0, done.output
    with KnowledgeStore(tmp_path / "kb.db") as store:
        (pair,) = store.load("town").pairs
    assert (pair.question, pair.answer) == ("如何给狗上户口？", said)
    assert pair.aliases == ("怎么给狗上户口呢",)
    assert "no question is unanswered" in run(place, "unanswered").output
    assert run(place, "answer", key, said, "--base", "town").exit_code == 1


def test_what_goes_wrong_is_told_in_a_sentence(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "visavis.sqlite3").write_text("no database" * 100)
    for arguments, code, said in (
        (["show", "--data", str(tmp_path)], 4, "cannot be used as a database"),
        (["show", "--database", "mysql://x/y"], 4, "mysql"),
        (
            ["export", "--data", str(tmp_path / "new"), "-o", str(tmp_path / "a" / "b")],
            2,
            "/a is not a folder",
        ),
    ):
        with pytest.raises(SystemExit) as left:
            main(["records", *arguments])
        told = capsys.readouterr().err
        assert (left.value.code, said in told) == (code, True), told
        assert "Traceback" not in told
