"""An old database is brought up to date with nothing lost; a newer one is left alone."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text
from store_place import Place

import visavis
from visavis.apps.server.store import Store, TurnRecord
from visavis.apps.server.store.records import JobRecord
from visavis.apps.server.store.similar import question_key
from visavis.apps.server.store.tables import metadata
from visavis.core.errors import ConfigError

SCRIPTS = Path(visavis.__file__).parent / "apps/server/store/migrations"
NOW = time.time()
QUESTIONS = ["如何给狗上户口", "如何给狗，上户口？", None, "a 100% sure thing", "😀"]


def plain_engine(place: Place) -> Any:
    if place.is_sqlite:
        place.folder.mkdir(exist_ok=True)
        return create_engine(f"sqlite:///{place.folder / 'visavis.sqlite3'}")
    return create_engine(place.url.replace("postgresql://", "postgresql+psycopg://"))


def make_old(place: Place, rows: int = len(QUESTIONS)) -> None:
    """Make a database as the first release left it, with data in it."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    engine = plain_engine(place)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text("INSERT INTO sessions (id, created, avatar, turns) VALUES ('s', :now, 'mei', 5)"),
            {"now": NOW},
        )
        connection.execute(
            text(
                "INSERT INTO turns (session, number, time, kind, question, redacted, outcome,"
                " confidence, matched, source, language, first_sound, ended, heard) VALUES"
                " ('s', :n, :now, 'text', :question, :no, 'refusal', 0.5, 'm', 's', 'zh', 1.5,"
                " 'complete', 1.0)"
            ),
            [
                {"n": n + 1, "now": NOW, "question": QUESTIONS[n % len(QUESTIONS)], "no": False}
                for n in range(rows)
            ],
        )
        connection.execute(
            text("INSERT INTO feedback VALUES ('s', 1, 'up', 'fine', :now)"), {"now": NOW}
        )
        connection.execute(
            text(
                "INSERT INTO jobs (id, kind, request, state, progress, error, created, updated,"
                " owner) VALUES ('j', 'render', '{\"a\": 1}', 'queued', 0, '', :now, :now, '')"
            ),
            {"now": NOW},
        )
    engine.dispose()


def revision(place: Place) -> str | None:
    engine = plain_engine(place)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    return found


async def test_the_tables_are_as_the_migrations_leave_them(store: Store) -> None:
    def compare(connection: Connection) -> list[Any]:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    async with store.engine.connect() as connection:
        assert await connection.run_sync(compare) == []


def test_the_migrations_are_one_line_that_only_goes_forward() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert len(scripts.get_heads()) == 1
    found = list(scripts.walk_revisions())
    assert len(found) >= 2
    assert not any(hasattr(script.module, "downgrade") for script in found)


async def test_an_old_database_is_brought_up_to_date_with_all_that_is_in_it(place: Place) -> None:
    make_old(place)
    store = place.make_store()
    await store.open()
    assert await store.count() == {"sessions": 1, "turns": 5, "feedback": 1}
    expected = TurnRecord("s", 1, NOW, "text", QUESTIONS[0], False, "refusal", 0.5, "m", "s", "zh",
                          {"first_sound": 1.5}, "complete", 1.0)  # fmt: skip
    found = sorted(await store.list_turns(), key=lambda t: t.number)
    assert found == [replace(expected, number=n + 1, question=q) for n, q in enumerate(QUESTIONS)]
    session = await store.get_session("s")
    assert session is not None
    assert (session.avatar, session.frames, session.late) == ("mei", 0, 0)
    assert await store.get_job("j") == JobRecord("j", "render", {"a": 1}, NOW, NOW)
    gaps = await store.list_gaps()
    assert gaps[0].count == 2
    assert gaps[0].keys == (question_key("如何给狗上户口"),)
    assert {gap.question for gap in gaps} >= {"a 100% sure thing", "😀"}
    await store.close()
    assert revision(place) == "0004"


async def test_a_step_that_fails_leaves_the_database_as_it_was(place: Place, monkeypatch) -> None:
    make_old(place)
    monkeypatch.setattr(
        "alembic.operations.Operations.create_index",
        lambda *_, **__: (_ for _ in ()).throw(RuntimeError("the power went")),
    )
    with pytest.raises(RuntimeError):
        await place.make_store().open()
    monkeypatch.undo()
    assert revision(place) == "0001"
    engine = plain_engine(place)
    names = {column["name"] for column in inspect(engine).get_columns("turns")}
    tables = inspect(engine).get_table_names()
    engine.dispose()
    assert "question_key" not in names
    assert "reviews" not in tables
    store = place.make_store()
    await store.open()
    assert (await store.count())["turns"] == len(QUESTIONS)
    await store.close()


OPEN = """
import asyncio, sys
from pathlib import Path
from visavis.apps.server.store import Store
async def main():
    store = Store(Path(sys.argv[1]), url=sys.argv[2])
    await store.open()
    print((await store.count())["turns"])
    await store.close()
asyncio.run(main())
"""


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "old"])
async def test_processes_that_start_at_once_do_not_step_on_one_another(
    place: Place, is_new: bool
) -> None:
    if not is_new:
        make_old(place, rows=5_000)
    programs = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", OPEN, str(place.folder), place.url,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(4)
    ]  # fmt: skip
    for program in programs:
        said, complained = await program.communicate()
        assert program.returncode == 0, complained.decode()
        assert said.decode().strip() == ("0" if is_new else "5000")
    assert revision(place) == "0004"


async def test_a_newer_database_is_refused_and_left_alone(place: Place) -> None:
    make_old(place)
    engine = plain_engine(place)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
        connection.execute(text("CREATE TABLE of_the_future (x INTEGER)"))
    engine.dispose()
    file = place.folder / "visavis.sqlite3"
    before = hashlib.sha256(file.read_bytes()).digest() if place.is_sqlite else b""
    with pytest.raises(ConfigError, match="newer visavis") as refused:
        await place.make_store().open()
    assert "0999" in str(refused.value)
    assert revision(place) == "0999"
    if place.is_sqlite:
        assert hashlib.sha256(file.read_bytes()).digest() == before
        with sqlite3.connect(file) as plain:
            assert plain.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        plain.close()


async def test_a_folder_with_signs_in_its_name(tmp_path: Path) -> None:
    store = Store(tmp_path / "50% of #1?; 数据")
    await store.open()
    assert (await store.count())["turns"] == 0
    await store.close()
    assert (tmp_path / "50% of #1?; 数据" / "visavis.sqlite3").exists()
