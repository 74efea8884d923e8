from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from kb_cluster import GUEST_PASSWORD, KbCluster
from kb_pairs import pair
from sqlalchemy import Engine, StaticPool, create_engine, inspect, text

from visavis.core.errors import ConfigError, StoreUnavailable
from visavis.knowledge.store import KnowledgeStore, schema, tables


def test_a_file_is_made_with_its_folders_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "知识 库" / "kb.sqlite3"
    with KnowledgeStore.open(path) as kb:
        kb.create("a")
        kb.change("a", put=[pair(1)])
        for file in path.parent.iterdir():
            assert file.stat().st_mode & 0o777 == 0o600, file
    with KnowledgeStore.open(f"sqlite:///{path}") as kb:
        assert kb.load("a").pairs == (pair(1),)


def test_a_store_is_closed_once_and_for_all(kb: KnowledgeStore) -> None:
    kb.close()
    kb.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        kb.bases()


def describe(engine: Engine) -> dict[str, Any]:
    """Columns, keys and indexes of the store's tables, as the database tells them."""
    found: dict[str, Any] = {}
    seen = inspect(engine)
    for name in sorted(n for n in seen.get_table_names() if n.startswith("kb_")):
        # Inspecting does not know what references written beside a column say of deletion.
        actions = (
            {row[3]: row[6] for row in read(engine, f"PRAGMA foreign_key_list({name})")}
            if engine.dialect.name == "sqlite"
            else {
                f["constrained_columns"][0]: f["options"].get("ondelete", "NO ACTION")
                for f in seen.get_foreign_keys(name)
            }
        )
        found[name] = (
            {c["name"]: c["nullable"] for c in seen.get_columns(name)},
            seen.get_pk_constraint(name)["constrained_columns"],
            {tuple(u["column_names"]) for u in seen.get_unique_constraints(name)},
            {
                (i["name"], *i["column_names"])
                for i in seen.get_indexes(name)
                if not i.get("duplicates_constraint")
            },
            {
                (f["constrained_columns"][0], f["referred_table"])
                for f in seen.get_foreign_keys(name)
            },
            actions,
        )
    return found


def read(engine: Engine, statement: str) -> Sequence[Any]:
    with engine.connect() as connection:
        return connection.execute(text(statement)).all()


# Of pgvector's types SQLAlchemy knows nothing.
@pytest.mark.filterwarnings("ignore:Did not recognize type 'halfvec'")
def test_the_tables_are_what_the_steps_make(
    kb: KnowledgeStore, request: pytest.FixtureRequest
) -> None:
    address = "sqlite://"
    if not kb.is_sqlite:
        kb_cluster: KbCluster = request.getfixturevalue("kb_cluster")
        address = kb_cluster.address(kb_cluster.make_database()).replace("://", "+psycopg://")
    # In memory there is one connection only.
    other = create_engine(address, poolclass=StaticPool)
    tables.metadata.create_all(other)
    assert describe(kb.engine) == describe(other)
    assert set(describe(other)) == set(tables.metadata.tables)
    other.dispose()


def test_a_newer_store_is_refused_and_not_touched(kb_place: str) -> None:
    with KnowledgeStore.open(kb_place) as kb:
        kb.create("a")
        with kb.writing() as connection:
            connection.execute(text("UPDATE kb_state SET schema_version = 99"))
    path = Path(kb_place)
    before = path.read_bytes() if path.exists() else b""
    with pytest.raises(ConfigError, match=r"newer visavis \(schema 99, .*nothing was changed"):
        KnowledgeStore.open(kb_place)
    assert (path.read_bytes() if path.exists() else b"") == before


def test_missing_steps_are_taken(kb_place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with KnowledgeStore.open(kb_place) as kb:
        kb.create("a")
        kb.change("a", put=[pair(1)])
    step = ("CREATE TABLE kb_more (id INTEGER)", "INSERT INTO kb_more (id) VALUES (7)")
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, step))
    monkeypatch.setattr(schema, "NEWEST", schema.NEWEST + 1)
    for _ in range(2):
        with KnowledgeStore.open(kb_place) as kb:
            assert kb.load("a").pairs == (pair(1),)
            with kb.reading() as connection:
                assert schema.read_version(connection) == schema.NEWEST
                assert connection.execute(text("SELECT id FROM kb_more")).all() == [(7,)]


def test_a_step_that_fails_leaves_all_as_it_was(
    kb_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with KnowledgeStore.open(kb_place) as kb:
        kb.create("a")
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", (*schema.STEPS, ("CREATE TABLE kb_half (id INT)", "oops")))
        patch.setattr(schema, "NEWEST", schema.NEWEST + 1)
        with pytest.raises((ConfigError, StoreUnavailable)):
            KnowledgeStore.open(kb_place)
    with KnowledgeStore.open(kb_place) as kb:
        assert not inspect(kb.engine).has_table("kb_half")
        assert kb.bases()[0].name == "a"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\x03\x04 not a database at all" * 100, "file is not a database"),
        (b"x", "not a database"),
    ],
)
def test_a_file_that_is_no_database_is_left_alone(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "kb.sqlite3"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        KnowledgeStore.open(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as plain:
        plain.execute("CREATE TABLE invoices (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="'invoices'"):
        KnowledgeStore.open(path)
    assert path.read_bytes() == before


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "kb.sqlite3"
    with KnowledgeStore.open(path) as kb:
        kb.create("a")
        kb.change("a", put=[pair(n) for n in range(500)])
    raw = bytearray(path.read_bytes())
    raw[4096:-4096] = bytes(len(raw) - 8192)
    path.write_bytes(raw)
    with pytest.raises((ConfigError, StoreUnavailable)), KnowledgeStore.open(path) as kb:
        kb.load("a")


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's rights on files for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("what", ["file", "folder", "no folder"])
def test_a_place_that_may_not_be_written_to_is_named(what: str) -> None:
    # Not below pytest's folder, which is closed to other users.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kb.sqlite3"
        if what == "no folder":
            path = Path(folder) / "deeper" / "kb.sqlite3"
        else:
            KnowledgeStore.open(path).close()
            path.chmod(0o444 if what == "file" else 0o666)
        Path(folder).chmod(0o777 if what == "file" else 0o555)
        with as_nobody(), pytest.raises(ConfigError, match=r"may not be written|Permission denied"):
            KnowledgeStore.open(path)
        Path(folder).chmod(0o755)


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("", "has no place"),
        ("mysql://u:hunter2@h/db", "kind 'mysql'"),
        ("postgresql://u:hunter2@h:port/db", "not a URL"),
        ("sqlite://", "kind 'sqlite'"),
        ("://", "not a URL"),
    ],
)
def test_places_that_are_none(place: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        KnowledgeStore.open(place)
    assert "hunter2" not in str(caught.value)


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        KnowledgeStore.open(tmp_path)


def test_no_server_is_said_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="does not answer") as caught:
        KnowledgeStore.open(f"postgresql://me:hunter2@/kb?host={tmp_path}")
    assert "hunter2" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_wrong_password_is_said_without_it(kb_cluster: KbCluster) -> None:
    name = kb_cluster.make_database(owner="kb_guest")
    kb_cluster.execute(name, "CREATE EXTENSION vector")
    with pytest.raises(StoreUnavailable, match="password authentication failed") as caught:
        KnowledgeStore.open(kb_cluster.address(name, "kb_guest", "hunter2"))
    assert "hunter2" not in str(caught.value)
    with KnowledgeStore.open(kb_cluster.address(name, "kb_guest", GUEST_PASSWORD)) as kb:
        kb.create("a")
        assert GUEST_PASSWORD not in kb.where


def test_no_such_database_is_said(kb_cluster: KbCluster) -> None:
    with pytest.raises(StoreUnavailable, match='"never_made" does not exist'):
        KnowledgeStore.open(kb_cluster.address("never_made"))


def test_a_database_without_pgvector_is_told_what_to_run(kb_cluster: KbCluster) -> None:
    name = kb_cluster.make_database(owner="kb_plain")
    place = kb_cluster.address(name, "kb_plain")
    with pytest.raises(ConfigError, match=r"lacks the extension pgvector.*CREATE EXTENSION vector"):
        KnowledgeStore.open(place)
    assert kb_cluster.execute(name, "SELECT 1 FROM pg_tables WHERE tablename LIKE 'kb_%'") == []
    kb_cluster.execute(name, "CREATE EXTENSION vector")
    with KnowledgeStore.open(place) as kb:
        kb.create("a")


def test_a_store_opens_at_once_while_somebody_writes(kb_place: str) -> None:
    with KnowledgeStore.open(kb_place) as writer:
        writer.create("town")
        with writer.writing():
            began = time.monotonic()
            with KnowledgeStore.open(kb_place) as reader:
                assert [info.name for info in reader.bases()] == ["town"]
            assert time.monotonic() - began < 5
