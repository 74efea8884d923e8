"""Several at once, killed processes, full disks."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from kb_cluster import KbCluster
from kb_pairs import clustered, pair
from sqlalchemy import event

from visavis.core.errors import StoreUnavailable
from visavis.knowledge.store import KnowledgeStore, VersionConflict
from visavis.knowledge.store import database as database_module

_IMPORT = """
import sys, time
from visavis.knowledge.base import Pair
from visavis.knowledge.store import KnowledgeStore

def tell(done, total):
    print(done, flush=True)
    if done >= 3000:
        time.sleep(60)

pairs = [Pair(f"p{n}", f"killed {n}", f"answer {n}", "en") for n in range(9000)]
KnowledgeStore.open(sys.argv[1]).change("a", put=pairs, remove=[("kept", "zh")], progress=tell)
"""
_COUNT = """
import sys
from visavis.knowledge.base import Pair
from visavis.knowledge.store import KnowledgeStore, VersionConflict

me, place = sys.argv[1:]
with KnowledgeStore.open(place) as kb:
    for turn in range(12):
        while True:
            version = kb.bases()[0].version
            try:
                mine = Pair(f"{me}-{turn}", "question", f"{version}", "en")
                kb.change("a", put=[mine], expect_version=version)
                break
            except VersionConflict:
                pass
"""


def test_a_killed_import_leaves_all_as_it_was(kb_place: str) -> None:
    with KnowledgeStore.open(kb_place) as kb:
        kb.create("a")
        kb.change("a", put=[pair(n) for n in range(30)])
        before, revision = kb.load("a"), kb.revision()
        with subprocess.Popen(
            [sys.executable, "-c", _IMPORT, kb_place], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if int(line) >= 3_000:
                    break
            # Meanwhile readers see the old state, at once.
            assert kb.load("a") == before
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    with KnowledgeStore.open(kb_place) as again:
        assert again.load("a") == before
        assert again.revision() == revision
        assert len(again.versions("a")) == 1
        assert again.count_missing("e") == 60
        made = again.change("a", put=[pair(99)])
        assert made is not None
        assert made.number == 2


def test_two_processes_lose_no_update(kb_place: str) -> None:
    with KnowledgeStore.open(kb_place) as kb:
        kb.create("a")
        writers = [
            subprocess.Popen([sys.executable, "-c", _COUNT, name, kb_place]) for name in ("x", "y")
        ]
        assert [writer.wait(60) for writer in writers] == [0, 0]
        base = kb.load("a")
        assert {p.id for p in base.pairs} == {f"{n}-{turn}" for n in "xy" for turn in range(12)}
        # Each saw the version that it changed.
        assert sorted(int(p.answer) for p in base.pairs) == list(range(24))
        assert [v.number for v in kb.versions("a")] == list(range(24, 0, -1))


def test_threads_write_and_read_at_once(kb: KnowledgeStore) -> None:
    kb.create("a")
    failed: list[BaseException] = []

    def write(me: int) -> None:
        try:
            for turn in range(5):
                kb.change("a", put=[pair(100 * me + turn)])
                kb.put_vectors("e", [f"t{turn}", f"t{me}-{turn}"], clustered(2, 8, me))
        except BaseException as error:
            failed.append(error)

    def read() -> None:
        try:
            for _ in range(15):
                # One moment is seen: as many pairs as versions.
                info = kb.bases()[0]
                assert info.pairs == info.version
                kb.nearest("e", clustered(1, 8)[0], 3)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    threads += [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(kb.load("a").pairs) == 20
    assert len(kb.vectors("e", [f"t{me}-{turn}" for me in range(4) for turn in range(5)])) == 20


def test_a_writer_that_waits_too_long_says_so(
    kb_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY", 0.3)
    with KnowledgeStore.open(kb_place) as kb, KnowledgeStore.open(kb_place) as other:
        kb.create("a")
        with (
            other.writing(),
            pytest.raises(StoreUnavailable, match=r"cannot be used now.*nothing was written") as e,
        ):
            kb.change("a", put=[pair(1)])
        assert e.value.retryable
        assert kb.load("a").pairs == ()
        kb.change("a", put=[pair(1)])


def test_a_conflict_is_none_to_try_again(kb: KnowledgeStore) -> None:
    kb.create("a")
    with pytest.raises(VersionConflict) as caught:
        kb.change("a", put=[pair(1)], expect_version=3)
    assert not caught.value.retryable


def test_a_full_disk_is_said_and_leaves_all_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "kb.sqlite3"
    with KnowledgeStore.open(path) as kb:
        kb.create("a")
        kb.change("a", put=[pair(1)])

        @event.listens_for(kb.engine, "begin", insert=True)
        def _little(connection: Any) -> None:
            connection.exec_driver_sql("PRAGMA max_page_count = 80")

        many = [pair(n) for n in range(5_000)]
        with pytest.raises(StoreUnavailable, match="full"):
            kb.change("a", put=many)
        assert kb.load("a").pairs == (pair(1),)
        with pytest.raises(StoreUnavailable, match="full"):
            kb.put_vectors("e", [p.question for p in many], clustered(len(many), 64))
        assert kb.vectors("e", [many[0].question]) == {}
        event.remove(kb.engine, "begin", _little)
    with KnowledgeStore.open(path) as again:
        assert again.load("a").pairs == (pair(1),)
        again.change("a", put=many)


_FILL = """
import resource, signal, sys
from visavis.core.errors import StoreUnavailable
from visavis.knowledge.base import Pair
from visavis.knowledge.store import KnowledgeStore

kb = KnowledgeStore.open(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    kb.change("a", put=[Pair(f"p{n}", f"q {n}", "a" * 500, "en") for n in range(9000)])
except StoreUnavailable as error:
    print(error)
"""


def test_a_write_that_the_system_refuses_leaves_all_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "kb.sqlite3"
    with KnowledgeStore.open(path) as kb:
        kb.create("a")
        kb.change("a", put=[pair(1)])
    done = subprocess.run(
        [sys.executable, "-c", _FILL, str(path)], capture_output=True, text=True, timeout=60
    )
    assert "cannot be used now" in done.stdout, done.stderr
    with KnowledgeStore.open(path) as kb:
        assert kb.load("a").pairs == (pair(1),)
        assert len(kb.versions("a")) == 1


def test_a_server_that_comes_back_is_used_again(kb_cluster: KbCluster) -> None:
    name = kb_cluster.make_database()
    with KnowledgeStore.open(kb_cluster.address(name)) as kb:
        kb.create("a")
        kb_cluster.execute(
            "postgres",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
        )
        assert kb.bases()[0].name == "a"


def test_a_connection_lost_in_the_middle_writes_nothing(kb_cluster: KbCluster) -> None:
    name = kb_cluster.make_database()
    with KnowledgeStore.open(kb_cluster.address(name)) as kb:
        kb.create("a")

        def cut(done: int, total: int) -> None:
            kb_cluster.execute(
                "postgres",
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
            )

        with pytest.raises(StoreUnavailable, match="nothing was written"):
            kb.change("a", put=[pair(n) for n in range(3_000)], progress=cut)
        assert kb.load("a").pairs == ()
