"""`visavis records` on a real database."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from click.testing import CliRunner, Result
from simulated_days import simulate
from store_place import Place

from visavis.apps.cli import main
from visavis.apps.commands.records import command


@pytest.fixture
def filled(place: Place) -> Place:
    async def fill() -> None:
        store = place.make_store()
        await store.open()
        await simulate(store, days=5, now=time.time())
        await store.close()

    asyncio.run(fill())
    return place


def run(place: Place, *arguments: str, **options: str) -> Result:
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
    session = found[0]["id"]
    assert run(filled, "delete", session).exit_code == 0
    assert run(filled, "delete", session).exit_code == 1
    refused = run(filled, "purge", "--older-than", "0", input="n\n")
    assert refused.exit_code == 1
    assert "sessions" in run(filled, "purge", "--older-than", "0", "--yes").output
    assert run(filled, "export").output == ""


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
