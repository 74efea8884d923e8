"""Who speaks ahead of time gives way to whoever talks, and harms nobody; without models."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from visavis.apps import speech_shelf
from visavis.apps.assemble import Cast
from visavis.apps.server.app import create_app
from visavis.apps.server.preparing import preparation, worker
from visavis.apps.server.preparing.preparation import Preparation, make_preparation, open_shelf
from visavis.apps.server.preparing.worker import Progress, speak_ahead
from visavis.apps.server.protocol import commands
from visavis.apps.server.sessions.registry import Sessions
from visavis.apps.server.settings import ServerSettings
from visavis.apps.shelved_voices import ShelvedVoices
from visavis.apps.speech_shelf import SpeechShelf
from visavis.stages import fakes

WORKER = Path(__file__).parent / "quick_preparer.py"
QUIET = 0.4


class Made:
    """Preparations of a test, and the processes that they begin."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all: list[Preparation] = []

    def __call__(self, do: str | None, **options: Any) -> Preparation:
        order = None if do is None else {"do": do, "mark": str(self.folder / "runs")}
        shelf = SpeechShelf(self.folder / "speech", 10_000_000)
        made = Preparation(shelf, order, **{"kept": 1e6, "quiet": QUIET, **options})
        self.all.append(made)
        return made

    @property
    def runs(self) -> list[int]:
        path = self.folder / "runs"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    @property
    def alive(self) -> list[int]:
        return [pid for pid in self.runs if is_alive(pid)]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Made]:
    monkeypatch.setattr(preparation, "WORKER", (sys.executable, str(WORKER)))
    made = Made(tmp_path)
    yield made
    for one in made.all:
        await one.close()
    assert not made.alive, "it outlives its server"


async def until(is_so: Callable[[], object], patience: float = 20.0) -> None:
    end = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < end, "it does not come to that"
        await asyncio.sleep(0.01)


async def test_it_ends_when_all_is_done(make: Made, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    made = make("finish")
    assert (made.standing.state, made.standing.foreseen) == ("waiting", 0)
    made.start()
    made.start()
    await until(lambda: made.standing.state == "done")
    assert (made.standing.ready, made.figures()) == (100, {"ready": 100, "missing": 0})
    assert "0 of 100 sentences are ready" in caplog.text
    assert "100 sentences, 100 of them new" in caplog.text
    await asyncio.sleep(0.1)
    assert len(make.runs) == 1


@pytest.mark.parametrize(
    ("do", "state", "said", "problem"),
    [
        ("crash", "failed", "no such voice", "no such voice"),
        ("babble", "failed", "until the server is started again", "Expecting value"),
        ("full", "full", "VISAVIS_SERVER_SPEECH_SHELF_MB", ""),
        ("crowded", "full", "no space left", "no space left"),
        ("taken", "taken", "", ""),
    ],
)
async def test_its_failure_is_a_log_line_and_is_told(
    make: Made, caplog: pytest.LogCaptureFixture, do: str, state: str, said: str, problem: str
) -> None:
    made = make(do)
    made.start()
    await until(lambda: made.standing.state == state)
    assert said in caplog.text
    assert bool(caplog.records) == bool(said)
    assert made.standing.problem.startswith(problem)
    assert bool(made.standing.problem) == bool(problem)
    await made.close()


async def test_a_program_that_is_not_there(make: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "WORKER", ("/nowhere/python",))
    made = make("finish")
    made.start()
    await until(lambda: made.standing.state == "failed")
    await made.close()


async def test_killed_it_goes_on_where_it_was(make: Made) -> None:
    made = make("late", quiet=0.05)
    made.start()
    await until(lambda: bool(made.standing.problem))
    assert made.standing.problem == "the preparing process ended (code 1)"
    await until(lambda: made.standing.state == "done")
    assert len(make.runs) == 3
    assert made.standing.problem == "", "what is over is no problem"


async def test_a_process_that_the_system_kills_is_told_as_that(make: Made) -> None:
    made = make("work")
    made.start()
    await until(lambda: made.standing.state == "speaking")
    os.kill(make.alive[0], signal.SIGKILL)
    await until(lambda: bool(made.standing.problem))
    assert "killed (signal 9)" in made.standing.problem


async def test_it_gives_way_to_whoever_talks(make: Made, cast: Cast) -> None:
    made = make("work")
    sessions = Sessions(cast, ServerSettings(sessions=2), on_open=made.watch)
    try:
        made.start()
        await until(lambda: made.standing.state == "speaking")
        session = await sessions.open()
        await until(lambda: not make.alive, 3.0)
        await until(lambda: made.standing.state == "waiting")
        opened = time.monotonic()
        await until(lambda: len(make.alive) == 1)
        assert time.monotonic() - opened > 0.5 * QUIET, "an idle session is waited for as well"
        await until(lambda: made.standing.state == "speaking")
        await session.handle(commands.Ask(text="How?"))
        await until(lambda: not make.alive, 3.0)
        async with session.events() as reader:
            async for event in reader:
                assert not make.alive
                if event.type == "turn.ended":
                    break
        await until(lambda: len(make.alive) == 1)
        await session.handle(commands.Ask(text="How?"))
        await until(lambda: not make.alive, 3.0)
        await session.close()
        await until(lambda: len(make.alive) == 1, 0.9 * QUIET + 3)
        assert len(make.runs) == 4
    finally:
        await sessions.close()


async def test_what_is_not_used_is_deleted_without_preparing_too(make: Made) -> None:
    made = make(None, kept=1_000.0)
    path = make.folder / "speech" / f"{'0' * 64}.npz"
    path.parent.mkdir()
    path.write_bytes(b"old")
    os.utime(path, (time.time() - 2_000,) * 2)
    made.start()
    await until(lambda: not path.exists())
    assert made.standing.state == "off"
    assert not make.runs


# The process itself, on the stages that need no models.

TEXTS = ["Good morning. How are you? 您好。", "It costs 5. Good day.", "Good morning. It costs 5."]


class Foreseer(fakes.EchoResponder):
    def foreseeable(self) -> list[tuple[str, str]]:
        return [(text, "en") for text in TEXTS]


@pytest.fixture
def foreseer(cast: Cast) -> Cast:
    cast._responder = Foreseer()
    return cast


async def prepare(cast: Cast, shelf: SpeechShelf) -> list[Progress]:
    told: list[Progress] = []
    await speak_ahead(cast, shelf, lambda p: told.append(replace(p)))
    return told


async def test_what_is_there_is_not_spoken_again(foreseer: Cast, tmp_path: Path) -> None:
    shelf = SpeechShelf(tmp_path / "speech", 10_000_000)
    told = await prepare(foreseer, shelf)
    assert [p.ready for p in told] == [0, 1, 2, 3, 4, 5, 6, 6]
    assert {p.foreseen for p in told} == {6}
    assert told[-1].end == "done"
    paths = sorted(shelf.folder.iterdir())
    paths[0].unlink()
    paths[1].unlink()
    told = await prepare(foreseer, shelf)
    assert [p.ready for p in told] == [4, 5, 6, 6]
    assert sorted(shelf.folder.iterdir()) == paths


async def test_a_shelf_that_is_too_small_is_filled_with_openings(
    foreseer: Cast, tmp_path: Path
) -> None:
    await prepare(foreseer, SpeechShelf(tmp_path / "all", 10_000_000))
    sizes = [path.stat().st_size for path in (tmp_path / "all").iterdir()]
    shelf = SpeechShelf(tmp_path / "some", sum(sizes) // 2)
    told = await prepare(foreseer, shelf)
    assert told[-1].end == "full"
    assert 2 <= told[-1].ready < 6
    assert shelf.measure()[0] == told[-1].ready
    assert (await prepare(foreseer, shelf))[-1].ready == told[-1].ready


async def test_a_disk_that_refuses_is_the_problem(
    foreseer: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(speech_shelf, "write_speeches", refuse)
    told = await prepare(foreseer, SpeechShelf(tmp_path / "speech", 10_000_000))
    assert told[-1].end == "full"
    assert "the disk is full" in told[-1].problem


async def test_a_sentence_that_no_voice_can_say_is_left_out(
    foreseer: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "TEXTS", ["Good day. ½ ²?"])
    told = await prepare(foreseer, SpeechShelf(tmp_path, 10_000_000))
    assert (told[-1].ready, told[-1].foreseen, told[-1].end) == (1, 1, "done")


async def test_a_session_says_what_was_prepared_without_speaking(
    foreseer: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreseer.shelf = SpeechShelf(tmp_path / "speech", 10_000_000)
    await prepare(foreseer, foreseer.shelf)
    spoken: list[str] = []
    speak = fakes.ToneSynthesizer.speak

    def count(self: Any, sentence: Any, voice: str) -> Any:
        spoken.append(sentence.text)
        return speak(self, sentence, voice)

    monkeypatch.setattr(fakes.ToneSynthesizer, "speak", count)
    sessions = Sessions(foreseer, ServerSettings(sessions=1))
    try:
        session = await sessions.open()
        async with session.events() as reader:
            for text, new in ((TEXTS[0], []), (f"{TEXTS[1]} Not foreseen.", ["Not foreseen."])):
                await session.handle(commands.Ask(text=text))
                async with asyncio.timeout(60):
                    told = [event async for event in _to_end(reader)]
                assert told[-1].heard == text
                assert spoken == new
    finally:
        await sessions.close()
    foreseer.shelf.settle()
    assert foreseer.shelf.measure()[0] == 7, "what it said is kept too"


async def _to_end(reader: Any) -> AsyncIterator[Any]:
    async for event in reader:
        yield event
        if event.type == "turn.ended":
            return


def test_only_one_prepares_a_folder(cast: Cast, tmp_path: Path) -> None:
    order = worker.describe_order(cast, SpeechShelf(tmp_path / "speech", 10_000_000))
    told: list[Progress] = []
    with contextlib.ExitStack() as stack:
        assert worker.take_folder(tmp_path / "speech", stack)
        worker.work(order, told.append)
    assert [p.end for p in told] == ["taken"]
    with contextlib.ExitStack() as stack:
        assert worker.take_folder(tmp_path / "speech", stack)


def test_the_process_says_in_a_line_why_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "speech").write_text("a file is in the way")
    order = worker.describe_order(Cast(), SpeechShelf(tmp_path / "speech", 10_000_000))
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(preparation.WORKER, **pipes) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()  # and stays open, as a server's does
        assert process.wait(60) == 1
        said = process.stderr.read()
    assert "Traceback" not in said
    assert str(tmp_path / "speech") in said


async def test_the_order_holds_all_that_the_process_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from visavis.apps.settings import Settings

    shelf = SpeechShelf(tmp_path, 5_000_000)
    cast = Cast(Settings(voice_en="am_adam", intensity=0.3), avatar="adam", emotion="happy")
    order = worker.describe_order(cast, shelf)
    again = Cast(Settings(**order["settings"]), **order["cast"])
    assert (again.settings, again.avatar, again.emotion) == (cast.settings, "adam", "happy")
    assert (order["folder"], order["limit"]) == (str(tmp_path), 5_000_000)


def test_settings_turn_it_off(cast: Cast, tmp_path: Path) -> None:
    assert open_shelf(ServerSettings(speech_shelf_mb=0), tmp_path) is None
    assert make_preparation(cast, ServerSettings()) is None
    cast.shelf = open_shelf(ServerSettings(), tmp_path)
    assert cast.shelf is not None
    assert cast.shelf.limit == 512_000_000
    for wanted in (True, False):
        made = make_preparation(cast, ServerSettings(prepare_speech=wanted))
        assert made is not None
        assert (made._order is not None) is wanted


@pytest.mark.parametrize(
    ("options", "mb", "keeping"),
    [
        ({}, 512, True),
        ({"speech_shelf_mb": 0}, 0, False),
        ({"keep_speech": False}, 512, False),
        ({"records": "none"}, 512, False),
    ],
)
async def test_the_server_tells_of_it(
    tmp_path: Path, options: dict[str, Any], mb: int, keeping: bool
) -> None:
    settings = ServerSettings(data=tmp_path, token="user", admin_token="boss", **options)
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        house = app.state.house
        voices = house.cast.speaker
        assert isinstance(voices, ShelvedVoices) is bool(mb)
        assert (isinstance(voices, ShelvedVoices) and voices._keeping) is keeping
        transport = httpx.ASGITransport(app)
        headers = {"Authorization": "Bearer boss"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://visavis", headers=headers
        ) as client:
            found = (await client.get("/api/v1/admin/overview")).json()["speech"]
            assert found == {
                "state": "waiting" if mb else "off", "ready": 0, "foreseen": 0,
                "kept": 0, "size": 0, "limit": mb * 1_000_000, "problem": "",
            }  # fmt: skip
            told = (await client.get("/metrics")).text
            assert ('visavis_foreseen_sentences{state="missing"} 0.0' in told) is bool(mb)
