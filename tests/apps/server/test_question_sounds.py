"""The sound of questions is kept where that was asked for, and goes when its question goes."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import stat
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_client import AS_ADMIN, Api, open_api
from click.testing import CliRunner
from store_place import Place
from test_live_mood import LoudEars

from visavis.apps.assemble import Cast
from visavis.apps.commands.records import command
from visavis.apps.server.protocol import commands
from visavis.apps.server.settings import load_server_settings
from visavis.apps.server.store import SessionRecord, Store, TurnRecord
from visavis.apps.server.store.note import SessionNote
from visavis.apps.server.store.sound_keeper import SoundKeeper
from visavis.apps.server.store.sounds import SoundFolder
from visavis.core.errors import ConfigError
from visavis.core.types import Waveform
from visavis.media.audio import read_audio

DAY = 86_400.0


def tone(seconds: float = 1.0, hertz: float = 300.0) -> Waveform:
    at = np.arange(round(16_000 * seconds)) / 16_000
    return Waveform((0.5 * np.sin(2 * np.pi * hertz * at)).astype(np.float32), 16_000)


async def ask_aloud(api: Api, *, typed: bool = False, **order: Any) -> tuple[str, list[Waveform]]:
    """Ask one spoken question through a real session; gives its id and the sound that was heard."""
    opened = await api.post("/api/v1/sessions", json={"microphone": "push", **order})
    assert opened.status_code == 201, opened.text
    session = api.house.sessions.get(opened.json()["id"])
    assert session is not None
    heard: list[Waveform] = []
    told = session._dialogue.on_question

    def listen(question: Any, ended: float, sound: Waveform | None = None) -> None:
        assert sound is not None
        heard.append(sound)
        told(question, ended, sound)

    session._dialogue.on_question = listen
    rng = np.random.default_rng(0)
    async with asyncio.timeout(30), session.events() as reader:
        await session.handle(commands.Talk(pressed=True))
        for _ in range(60):
            samples = (0.3 * np.tanh(rng.standard_normal(960))).astype(np.float32)
            session.hear(Waveform(samples, 48_000))
        await asyncio.sleep(0.05)
        await session.handle(commands.Talk(pressed=False))
        async for event in reader:
            if event.type == "transcript.final":
                await session.handle(commands.Interrupt())
            if event.type == "turn.ended":
                break
        if typed:
            await session.handle(commands.Ask(text="And typed?"))
            await session.handle(commands.Interrupt())
    if (keeper := api.house.recorder._sounds) is not None:
        await keeper.close()
    await session.close("left")
    return session.id, heard


async def written(store: Store, session: str, count: int) -> dict[int, TurnRecord]:
    async with asyncio.timeout(10):
        while len(found := await store.list_turns(session=session)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return {turn.number: turn for turn in found}


async def fill(store: Store, *questions: tuple[str, int], at: float | None = None) -> None:
    """Put questions with their sound on record."""
    now = time.time() if at is None else at
    await store.write(
        [TurnRecord(s, n, now, kind="audio", question="q", sound=1.0) for s, n in questions]
    )
    for session, number in questions:
        store.sounds.write(session, number, tone())
        os.utime(store.sounds.path / f"{session}.{number}.flac", (now, now))


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "sounds").iterdir()}


async def test_a_spoken_question_is_kept_as_it_sounded(
    place: Place, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visavis.apps.server.sessions.setup.ModelEars", LoudEars)
    options = {"database": place.url, "records": "all", "audio": True}
    async with open_api(place.folder, cast, **options) as api:
        told = (await api.get("/api/v1/privacy")).json()
        assert told == {"records": "all", "sound": True, "retention_days": 90}
        id, (heard,) = await ask_aloud(api, typed=True, may_keep_sound=True)
        turns = await written(api.house.store, id, 2)
        (spoken,) = [n for n, turn in turns.items() if turn.kind == "audio"]
        (typed,) = [n for n, turn in turns.items() if turn.kind == "text"]
        assert turns[spoken].sound == pytest.approx(heard.duration)
        assert turns[typed].sound is None
        (file,) = (place.folder / "sounds").iterdir()
        kept = read_audio(file, 16_000)
        assert len(kept.samples) == len(heard.samples)
        np.testing.assert_allclose(kept.samples, heard.samples, atol=1 / 30_000)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        path = f"/api/v1/admin/sessions/{id}/turns/{{}}/audio"
        sent = await api.get(path.format(spoken), headers=AS_ADMIN)
        assert sent.headers["content-type"] == "audio/flac"
        assert sent.content == file.read_bytes()
        assert (await api.get(path.format(spoken))).status_code == 403
        assert (await api.get(path.format(typed), headers=AS_ADMIN)).status_code == 404
        escape = "/api/v1/admin/sessions/..%2Fvisavis/turns/1/audio"
        assert (await api.get(escape, headers=AS_ADMIN)).status_code == 404
        quiet, _ = await ask_aloud(api)
        await written(api.house.store, quiet, 1)
        assert names(place.folder) == {file.name}, "nobody was told in that session"
        address = f"/api/v1/admin/sessions/{id}/turns/{spoken}"
        assert (await api.delete(address, headers=AS_ADMIN)).status_code == 204
        assert names(place.folder) == set()


async def test_by_default_none_is_kept(
    tmp_path: Path, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visavis.apps.server.sessions.setup.ModelEars", LoudEars)
    async with open_api(tmp_path, cast, records="all") as api:
        assert (await api.get("/api/v1/privacy")).json()["sound"] is False
        id, heard = await ask_aloud(api, may_keep_sound=True)
        turns = await written(api.house.store, id, 1)
    assert len(heard) == 1
    assert all(turn.sound is None for turn in turns.values())
    assert not (tmp_path / "sounds").exists()


def test_only_together_with_all_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAVIS_SERVER_AUDIO", "yes")
    for records in ("none", "unanswered"):
        with pytest.raises(ConfigError, match=r"VISAVIS_SERVER_AUDIO .*VISAVIS_SERVER_RECORDS=all"):
            load_server_settings(records=records)
    with pytest.raises(ConfigError, match="VISAVIS_SERVER_AUDIO"):
        load_server_settings()
    assert load_server_settings(records="all").audio


async def test_sound_goes_with_its_question_its_session_and_by_age(store: Store) -> None:
    await fill(store, ("a", 1), ("a", 2), ("ab", 1), ("b", 1))
    await fill(store, ("old", 1), at=time.time() - 100 * DAY)
    assert await store.delete_turn("a", 2)
    assert names(store.folder) == {"a.1.flac", "ab.1.flac", "b.1.flac", "old.1.flac"}
    assert await store.delete_session("a")
    assert names(store.folder) == {"ab.1.flac", "b.1.flac", "old.1.flac"}
    await store.purge_old()
    assert names(store.folder) == {"ab.1.flac", "b.1.flac"}
    await store.purge(time.time() + 1)
    assert names(store.folder) == set()


async def test_from_the_command_line(place: Place, tmp_path: Path) -> None:
    store = place.make_store()
    await store.open()
    await fill(store, ("a", 1), ("a", 2), ("b", 7))
    await store.close()
    where = ["--data", str(place.folder), *(["--database", place.url] if place.url else [])]

    async def run(*arguments: str) -> Any:
        done = await asyncio.to_thread(CliRunner().invoke, command, [*arguments, *where])
        assert done.exit_code == 0, done.output
        return done

    lines = (await run("export", "--audio", str(tmp_path / "out"))).stdout.splitlines()
    rows = [row for row in map(json.loads, lines) if row["table"] == "turns"]
    copies = {path.name: path for path in (tmp_path / "out").iterdir()}
    assert {f"{row['session']}.{row['number']}.flac" for row in rows if row["sound"]} == set(copies)
    assert set(copies) == {"a.1.flac", "a.2.flac", "b.7.flac"}
    assert read_audio(copies["b.7.flac"], 16_000).duration == 1.0
    await run("delete", "a", "--question", "1")
    assert names(place.folder) == {"a.2.flac", "b.7.flac"}
    await run("delete", "a")
    assert names(place.folder) == {"b.7.flac"}
    await run("purge", "--older-than", "0", "--yes")
    assert names(place.folder) == set()


async def test_what_a_killed_server_left_goes_at_the_start(place: Place, cast: Cast) -> None:
    store = place.make_store()
    await store.open()
    await fill(store, ("a", 1))
    await store.write([TurnRecord("a", 2, time.time(), question="its sound is not on record")])
    for session, number in (("a", 2), ("gone", 1)):
        store.sounds.write(session, number, tone())
    part = place.folder / "sounds" / "a.3.flac.01234567.part"
    part.write_bytes(b"half")
    os.utime(part, (0, 0))
    await store.purge_old()
    assert names(place.folder) == {"a.1.flac", "a.2.flac", "gone.1.flac"}, "may be asked just now"
    await store.close()
    async with open_api(place.folder, cast, database=place.url) as api:
        assert names(place.folder) == {"a.1.flac"}
        (kept,) = [t for t in await api.house.store.list_turns() if t.sound]
        assert (kept.session, kept.number) == ("a", 1)


async def test_the_oldest_make_room(store: Store) -> None:
    keeper = SoundKeeper(store, 150_000)
    note = SessionNote(SessionRecord("s", time.time()), "all")
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 32_000).astype(np.float32)
    await fill(store, ("early", 1), at=time.time() - 60)
    for number in range(1, 5):  # each 60 kB: noise cannot be packed
        begin(note, number)
        keeper.keep(note, number, Waveform(noise, 16_000))
        await keeper.close()
    assert names(store.folder) == {"s.3.flac", "s.4.flac"}
    assert sum(one.size for one in store.sounds.list_kept()) <= 150_000
    (early,) = await store.list_turns(session="early")
    assert early.sound is None


async def test_sound_whose_turn_is_done_with_is_not_kept(store: Store) -> None:
    keeper = SoundKeeper(store, 1_000_000)
    note = SessionNote(SessionRecord("s", time.time()), "all")
    keeper.keep(note, 1, tone())
    await keeper.close()
    assert names(store.folder) == set()


async def test_a_full_disk_costs_the_file_and_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    await store.open()
    keeper = SoundKeeper(store, 1_000_000)
    note = SessionNote(SessionRecord("s", time.time()), "all")
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 32_000).astype(np.float32)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        for number in (1, 2):
            begin(note, number)
            keeper.keep(note, number, Waveform(noise, 16_000))
            await keeper.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert names(tmp_path) == set()
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    begin(note, 3)
    keeper.keep(note, 3, Waveform(noise, 16_000))
    await keeper.close()
    assert names(tmp_path) == {"s.3.flac"}
    assert [turn.sound for turn in note.settle(everything=True)] == [None, None, 2.0]
    await store.close()


def test_a_long_question_is_cut_and_quiet_or_broken_sound_does_no_harm(tmp_path: Path) -> None:
    folder = SoundFolder(tmp_path / "sounds")
    assert folder.write("s", 1, tone(31)) == 30.0
    found = folder.find("s", 1)
    assert found is not None
    assert len(read_audio(found, 16_000).samples) == 480_000
    bad = np.array([np.nan, np.inf, -2.0, 0.0] * 4_000, np.float32)
    folder.write("s", 2, Waveform(bad, 16_000))
    found = folder.find("s", 2)
    assert found is not None
    kept = read_audio(found, 16_000).samples
    np.testing.assert_allclose(kept[:4], [0.0, 1.0, -1.0, 0.0], atol=1e-3)
    assert folder.find("../s", 1) is None
    assert folder.find("s", 0) is None


def begin(note: SessionNote, number: int) -> None:
    from visavis.apps.server.protocol import events

    note.take(events.TurnStarted(turn=number, kind="audio", text=""))
