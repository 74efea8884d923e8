"""The index in a file beside an SQLite database, and PostgreSQL's own."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kb_cluster import KbCluster
from kb_pairs import clustered, pair, unit
from sqlalchemy import event

from visavis.core.errors import Cancelled
from visavis.core.types import Floats
from visavis.knowledge.store import KnowledgeStore
from visavis.knowledge.store.hnsw import EXACT

D = 16
COUNT = EXACT + 600


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with more vectors than are compared one by one, and no index yet."""
    path = tmp_path_factory.mktemp("filled") / "kb.sqlite3"
    with KnowledgeStore.open(path) as kb:
        kb.create("a")
        kb.change("a", put=[pair(n) for n in range(COUNT // 2)])
        kb.put_vectors("e", texts(COUNT // 2), clustered(COUNT // 2 * 2, D))
    assert not list(path.parent.glob("*.usearch"))
    return path


@pytest.fixture
def path(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(filled, tmp_path / "kb.sqlite3"))


def texts(count: int, first: int = 0) -> list[str]:
    return [f"{kind} {n}" for n in range(first, count) for kind in ("question", "answer")]


def index_files(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*.usearch*"))


def recall(kb: KnowledgeStore) -> float:
    names = texts(COUNT // 2)
    rows = kb.vectors("e", names)
    matrix = np.stack([rows[name] for name in names])
    queries = unit(matrix[::200] + 0.1 * clustered(1, D, 7))
    right = 0
    for query in queries:
        best = {names[i] for i in np.argsort(-(matrix @ query))[:10]}
        found = kb.nearest("e", query, 10)
        right += len(
            best & {f"{'question' if n.kind == 'wording' else 'answer'} {n.id[1:]}" for n in found}
        )
    return right / (10 * len(queries))


def make_graphs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how many vectors are added to graphs."""
    from usearch.index import Index

    added: list[int] = []
    add = Index.add

    def count(self: Index, keys: Any, vectors: Floats, **options: Any) -> object:
        added.append(len(vectors))
        return add(self, keys, vectors, **options)

    monkeypatch.setattr(Index, "add", count)
    return added


def test_the_index_is_built_once_and_read_from_then_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = make_graphs(monkeypatch)
    told: list[tuple[int, int]] = []
    with KnowledgeStore.open(path) as kb:
        kb.prepare("e", progress=lambda done, total: told.append((done, total)))
        assert sum(added) == COUNT
        assert told[-1] == (COUNT, COUNT)
        assert recall(kb) >= 0.95
        kb.prepare("e")
    (file,) = index_files(path)
    assert file.stat().st_mode & 0o777 == 0o600
    with KnowledgeStore.open(path) as kb:
        assert recall(kb) >= 0.95
    assert sum(added) == COUNT


def test_new_vectors_are_added_and_not_all_built_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = make_graphs(monkeypatch)
    with KnowledgeStore.open(path) as kb, KnowledgeStore.open(path) as other:
        kb.prepare("e")
        assert recall(other) >= 0.95
        added.clear()
        # Few: compared beside the graph, by whoever has the store open.
        kb.change("a", put=[pair(90_000)])
        far = -clustered(COUNT, D).mean(axis=0, keepdims=True)
        kb.put_vectors("e", ["question 90000"], far)
        for store in (kb, other):
            assert store.nearest("e", far[0], 1)[0].id == "p90000"
        assert added == []
        # Many: added to the graph.
        more = [f"word {n}" for n in range(EXACT)]
        kb.put_vectors("e", more, clustered(EXACT, D, 3))
        assert kb.nearest("e", far[0], 1)[0].id == "p90000"
        assert sum(added) == EXACT + 1
        # The other takes it from the file.
        assert other.nearest("e", far[0], 1)[0].id == "p90000"
        assert sum(added) == EXACT + 1
        assert recall(other) >= 0.95


@pytest.mark.parametrize("harm", ["empty", "cut", "flipped", "garbage", "no trailer", "missing"])
def test_a_broken_index_is_built_again(
    path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    with KnowledgeStore.open(path) as kb:
        kb.prepare("e")
    (file,) = index_files(path)
    raw = file.read_bytes()
    middle = len(raw) // 2
    broken = {
        "empty": b"",
        "cut": raw[:middle],
        "flipped": raw[:middle] + bytes([raw[middle] ^ 255]) + raw[middle + 1 :],
        "garbage": np.random.default_rng(0).bytes(50_000),
        "no trailer": raw[:-16],
    }
    file.unlink()
    if harm in broken:
        file.write_bytes(broken[harm])
    with caplog.at_level(logging.WARNING), KnowledgeStore.open(path) as kb:
        assert recall(kb) >= 0.95
    assert ("made again" in caplog.text) == (harm != "missing")
    assert file.read_bytes()[-8:] == raw[-8:]
    assert index_files(path) == [file]


def test_an_index_of_another_state_of_the_database_is_built_again(path: Path) -> None:
    older = path.with_name("older")
    shutil.copy(path, older)
    with KnowledgeStore.open(path) as kb:
        kb.put_vectors("e", texts(3_000, 2_900), clustered(200, D, 5))
        kb.prepare("e")
    # The database is put back as it was, and goes on differently.
    for journal in path.parent.glob("kb.sqlite3-*"):
        journal.unlink()
    shutil.move(older, path)
    with KnowledgeStore.open(path) as kb:
        kb.change("a", put=[pair(n) for n in range(8_000, 8_300)])
        kb.put_vectors("e", texts(8_300, 8_000), clustered(600, D, 6))
        row = kb.vectors("e", ["question 8050"])["question 8050"]
        assert kb.nearest("e", row, 1)[0].id == "p8050"
        assert recall(kb) >= 0.95


def test_an_index_that_cannot_be_written_is_kept_in_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with KnowledgeStore.open(path) as kb:
        assert recall(kb) >= 0.95
    assert "No space left" in caplog.text
    assert index_files(path) == []


def test_what_killed_writers_left_is_swept(path: Path) -> None:
    with KnowledgeStore.open(path) as kb:
        kb.prepare("e")
        (file,) = index_files(path)
        old, young = (file.with_name(f"{file.name}.{name}.part") for name in ("old", "young"))
        for part in (old, young):
            part.write_bytes(b"half")
        os.utime(old, (0, 0))
        file.unlink()
        with KnowledgeStore.open(path) as other:
            other.prepare("e")
        assert index_files(path) == [file, young]


def test_building_can_be_stopped(path: Path) -> None:
    with KnowledgeStore.open(path) as kb:
        with pytest.raises(Cancelled):
            kb.prepare("e", cancelled=lambda: True)
        assert index_files(path) == []
        assert recall(kb) >= 0.95


def test_threads_and_stores_build_at_once(path: Path) -> None:
    failed: list[BaseException] = []
    with KnowledgeStore.open(path) as one, KnowledgeStore.open(path) as two:
        row = one.vectors("e", ["question 7"])["question 7"]

        def ask(kb: KnowledgeStore) -> None:
            try:
                for _ in range(20):
                    assert kb.nearest("e", row, 1)[0].id == "p7"
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=ask, args=(kb,)) for kb in (one, two) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []
    assert len(index_files(path)) == 1


def test_a_dropped_encoder_takes_its_index_along(path: Path) -> None:
    with KnowledgeStore.open(path) as kb:
        kb.prepare("e")
        assert len(index_files(path)) == 1
        kb.drop_vectors("e")
        assert index_files(path) == []


@pytest.fixture
def statements(kb_cluster: KbCluster) -> Iterator[tuple[KnowledgeStore, str, list[str]]]:
    name = kb_cluster.make_database()
    seen: list[str] = []
    with KnowledgeStore.open(kb_cluster.address(name)) as kb:
        event.listen(
            kb.engine,
            "before_cursor_execute",
            lambda connection, cursor, statement, *rest: seen.append(statement),
        )
        yield kb, name, seen


def test_postgresql_searches_by_its_index(
    statements: tuple[KnowledgeStore, str, list[str]], kb_cluster: KbCluster
) -> None:
    kb, name, seen = statements
    kb.create("a")
    kb.change("a", put=[pair(n) for n in range(COUNT // 2)])
    kb.put_vectors("f", ["other encoder"], clustered(1, 2 * D))
    kb.put_vectors("e", texts(COUNT // 2), clustered(COUNT // 2 * 2, D))
    kb.nearest("f", clustered(1, 2 * D)[0], 1)
    indexes = "SELECT indexname FROM pg_indexes WHERE indexname LIKE 'kb_near_%'"
    assert kb_cluster.execute(name, indexes) == []
    assert recall(kb) >= 0.95
    assert kb_cluster.execute(name, indexes) == [("kb_near_2",)]
    assert sum("CREATE INDEX" in statement for statement in seen) == 1
    used = "SELECT idx_scan FROM pg_stat_all_indexes WHERE indexrelname = 'kb_near_2'"
    kb.close()  # the figures come when a connection ends
    (scans,) = kb_cluster.execute(name, used)[0]
    assert isinstance(scans, int)
    assert scans >= COUNT // 200
    with KnowledgeStore.open(kb_cluster.address(name)) as again:
        again.drop_vectors("e")
        assert kb_cluster.execute(name, indexes) == []


def test_networks_may_be_loaded_after_an_index() -> None:
    """usearch before ONNX Runtime ends the process, so an index loads both in the order that works."""
    program = (
        "from visavis.knowledge.store.index_file import new_index; new_index(4)\n"
        "import onnxruntime; print(onnxruntime.get_available_providers()[-1])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "CPUExecutionProvider")
