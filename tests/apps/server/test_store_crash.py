"""Whoever is killed in the middle of writing loses nothing that was committed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from store_place import Place

WRITE = """
import asyncio, os, sys, time
from pathlib import Path
from visavis.apps.server.store import Store, TurnRecord, JobRecord
async def main(folder, url, life):
    store = Store(Path(folder), url=url)
    await store.open()
    number = 0
    while True:
        batch = [
            TurnRecord(f"life{life}", number + n, time.time(), question="q" * 500,
                       outcome="refusal", latencies={"first_sound": 1.0})
            for n in range(1, 21)
        ]
        await store.write(batch)
        await store.add_job(JobRecord(f"{life}-{number}", "render", {}, 0.0, 0.0))
        number += 20
        os.write(1, f"{number}\\n".encode())
asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3]))
"""
RECORD = """
import asyncio, os, sys
from pathlib import Path
from visavis.apps.server.protocol import events
from visavis.apps.server.store import Store
from visavis.apps.server.store.recorder import Recorder
class Session:
    id = sys.argv[3]
    def subscribe(self, observer):
        self.tell = observer
        return lambda: None
    def subscribe_commands(self, observer):
        return lambda: None
    def snapshot(self):
        return {"avatar": "mei"}
async def main(folder, url):
    store = Store(Path(folder), url=url)
    await store.open()
    recorder = Recorder(store, "all")
    recorder.open()
    session = Session()
    recorder.watch(session)
    await asyncio.sleep(0.4)
    for turn in range(1, 1_000):
        session.tell(events.TurnStarted(turn=turn, kind="text", text="q"))
        session.tell(events.TurnEnded(turn=turn, reason="complete", heard=""))
        os.write(1, f"{turn}\\n".encode())
        await asyncio.sleep(1.5)
asyncio.run(main(sys.argv[1], sys.argv[2]))
"""
DURABLE = 0.5
"""Seconds after its end in which a turn is safe from a kill."""
LIVES = 8


def live_and_die(place: Place, life: int, seconds: float) -> int:
    """Write turns until killed. Returns how many were committed for sure."""
    program = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(place.folder), place.url, str(life)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stderr is not None
    try:
        first = program.stdout.readline()
        assert first, program.stderr.read().decode()
        time.sleep(seconds)
    finally:
        os.kill(program.pid, signal.SIGKILL)
        program.wait()
    rest = program.stdout.read()
    complained = program.stderr.read().decode()
    program.stdout.close()
    program.stderr.close()
    assert program.returncode == -signal.SIGKILL, complained
    lines = (first + rest).split(b"\n")[:-1]
    return int(lines[-1])


async def check(place: Place, committed: dict[str, int]) -> None:
    store = place.make_store()
    await store.open()
    for life, least in committed.items():
        found = sorted(t.number for t in await store.list_turns(session=life, limit=1_000_000))
        assert len(found) >= least
        # Batches are whole: twenty turns or none of them.
        assert found == list(range(1, len(found) + 1))
        assert len(found) % 20 == 0
        jobs = {job.id for job in await store.list_jobs(limit=1_000_000)}
        assert {f"{life.removeprefix('life')}-{n}" for n in range(0, least, 20)} <= jobs
    await store.close()
    if place.is_sqlite:
        with closing(sqlite3.connect(place.folder / "visavis.sqlite3")) as plain:
            assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert plain.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.slow
async def test_a_server_killed_again_and_again_loses_nothing_committed(place: Place) -> None:
    moments = random.Random(7)
    committed = {}
    for life in range(LIVES):
        committed[f"life{life}"] = live_and_die(place, life, moments.uniform(0.0, 0.25))
        if life in (0, LIVES - 1):
            await check(place, committed)
    assert sum(committed.values()) > 20 * LIVES


def say_and_die(place: Place, life: int, turns: int) -> None:
    """End some turns, and be killed as long after the last as it takes to be safe."""
    program = subprocess.Popen(
        [sys.executable, "-c", RECORD, str(place.folder), place.url, f"life{life}"],
        stdout=subprocess.PIPE,
    )
    assert program.stdout is not None
    try:
        for turn in range(1, turns + 1):
            assert program.stdout.readline() == f"{turn}\n".encode()
        time.sleep(DURABLE)
    finally:
        program.kill()
        program.wait()
        program.stdout.close()


@pytest.mark.slow
async def test_a_turn_outlives_a_kill_half_a_second_after_its_end(place: Place) -> None:
    for life in range(3):
        say_and_die(place, life, life + 1)
    store = place.make_store()
    await store.open()
    for life in range(3):
        found = await store.list_turns(session=f"life{life}")
        assert [(t.number, t.ended, t.question) for t in reversed(found)] == [
            (turn, "complete", "q") for turn in range(1, life + 2)
        ]
        session = await store.get_session(f"life{life}")
        assert session is not None
        assert session.avatar == "mei"
    await store.close()


@pytest.mark.slow
async def test_a_postgresql_killed_while_turns_are_written_loses_nothing_committed(
    cluster, tmp_path
) -> None:
    place = Place(tmp_path, cluster.make_database(), cluster)
    committed = await asyncio.to_thread(kill_server, place)
    await check(place, {"life0": committed})


def kill_server(place: Place) -> int:
    assert place.cluster is not None
    program = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(place.folder), place.url, "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert program.stdout is not None
    try:
        assert program.stdout.readline()
        time.sleep(0.3)
        place.cluster.stop("immediate")
        rest = program.stdout.read().split(b"\n")[:-1]
        assert program.wait(30) == 1
    finally:
        program.stdout.close()
        program.kill()
        program.wait()
        place.cluster.start()
    return int(rest[-1])
