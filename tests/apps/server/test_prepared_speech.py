"""Kokoro speaks ahead of time: for a session here, and in the process of a real server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from visavis.apps.assemble import Cast
from visavis.apps.live_benchmark import start_server
from visavis.apps.server.preparing.worker import NICENESS, Progress, speak_ahead
from visavis.apps.server.protocol import commands
from visavis.apps.server.sessions.registry import Sessions
from visavis.apps.server.settings import ServerSettings
from visavis.apps.settings import Settings
from visavis.apps.speech_file import STEP
from visavis.apps.speech_shelf import SpeechShelf
from visavis.core.types import Sentence
from visavis.stages.responders.faq import FaqResponder
from visavis.stages.synthesizers.kokoro import KokoroSynthesizer

pytestmark = [pytest.mark.assets, pytest.mark.slow]

ROWS: list[dict[str, Any]] = [
    {"id": "library-hours", "language": "en", "question": "When does the library open?",
     "answer": "At nine. We close at five.", "emotion": "happy"},
    {"id": "library-hours", "language": "zh", "question": "图书馆几点开门？",
     "answer": "早上九点。周末不开门。"},
]  # fmt: skip


@pytest.fixture
def responder(tmp_path: Path) -> FaqResponder:
    path = tmp_path / "library.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)), "utf-8")
    return FaqResponder([path], cache=tmp_path / "vectors")


async def test_a_prepared_answer_is_said_without_the_voice(
    responder: FaqResponder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = SpeechShelf(tmp_path / "speech", 100_000_000)
    settings = Settings(size=128)
    made = Cast(settings, _responder=responder)
    told: list[Progress] = []
    await speak_ahead(made, shelf, told.append)
    assert told[-1].end == "done"
    assert shelf.measure()[0] == told[-1].ready >= 10
    spoken: list[str] = []
    iterate = KokoroSynthesizer.iterate

    def count(self: KokoroSynthesizer, sentence: Sentence, voice: str) -> Iterator[Any]:
        spoken.append(sentence.text)
        return iterate(self, sentence, voice)

    monkeypatch.setattr(KokoroSynthesizer, "iterate", count)
    cast = Cast(settings, shelf=SpeechShelf(shelf.folder, 100_000_000), _responder=responder)
    sessions = Sessions(cast, ServerSettings(sessions=1))
    try:
        session = await sessions.open()
        async with session.events() as reader:
            for row in ROWS:
                await session.handle(commands.Ask(text=row["question"]))
                async with asyncio.timeout(90):
                    story = [event async for event in _to_end(reader)]
                assert story[-1].heard.replace(" ", "") == row["answer"].replace(" ", "")
                assert any(e.type == "speech.marks" and e.words for e in story)
                assert spoken == []
            await session.handle(commands.Ask(text="什么是量子力学？"))
            async with asyncio.timeout(90):
                story = [event async for event in _to_end(reader)]
            assert next(e for e in story if e.type == "answer.sources").outcome != "answer"
            assert spoken == [], "a refusal is prepared as well"
    finally:
        await sessions.close()


async def _to_end(reader: Any) -> AsyncIterator[Any]:
    async for event in reader:
        yield event
        if event.type == "turn.ended":
            return


async def test_what_lies_there_is_what_would_be_spoken(
    responder: FaqResponder, tmp_path: Path
) -> None:
    cast = Cast(shelf=SpeechShelf(tmp_path / "speech", 100_000_000))
    text = "居住证每年签注一次，请在到期前一个月内办理，或者到社区服务站办理。"
    sentence = Sentence(1, 0, text, "zh")
    fresh = [s async for s in cast.speaker.speak(sentence, "zf_xiaohe")]
    cast.shelf.settle()  # type: ignore[union-attr]
    again = Cast(shelf=cast.shelf)
    kept = [s async for s in again.speaker.speak(sentence, "zf_xiaohe")]
    assert len(kept) == len(fresh) > 1
    for a, b in zip(fresh, kept, strict=True):
        assert np.abs(a.audio.samples - b.audio.samples).max() <= 0.51 * STEP
        assert (a.marks, a.is_last, a.audio.offset) == (b.marks, b.is_last, b.audio.offset)


def preparers_of(server: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit():
                continue
            command = (entry / "cmdline").read_bytes()
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if b"preparing.worker" in command and parent == server:
            found.append(int(entry.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(is_so: Any, patience: float = 120.0) -> Any:
    end = time.monotonic() + patience
    while not (found := is_so()):
        assert time.monotonic() < end, "it does not come to that"
        time.sleep(0.05)
    return found


@contextmanager
def serve(data: Path) -> Iterator[tuple[httpx.Client, int]]:
    settings = {"VISAVIS_SERVER_SPEECH_SHELF_MB": "100"}
    with start_server(1, environment=settings, data=data) as (url, token, pid):
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
            yield client, pid


def look(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/admin/overview").json()["speech"]
    return found


def test_the_server_prepares_and_leaves_nothing_behind(tmp_path: Path) -> None:
    speech = tmp_path / "speech"
    with serve(tmp_path) as (client, server):
        (preparer,) = until(lambda: preparers_of(server))
        assert preparer not in (server, os.getpid())
        until(lambda: look(client)["ready"] >= 2)
        assert os.getpriority(os.PRIO_PROCESS, preparer) == NICENESS
        assert look(client)["state"] == "speaking"
        os.kill(server, signal.SIGKILL)
        until(lambda: not is_alive(preparer), 5.0)
    kept = set(speech.glob("*.npz"))
    assert len(kept) >= 2
    with serve(tmp_path) as (client, server):
        until(lambda: look(client)["ready"] > len(kept))
        assert kept < set(speech.glob("*.npz"))
        (preparer,) = preparers_of(server)
        os.kill(preparer, signal.SIGKILL)  # not the server's doing
        until(lambda: not is_alive(preparer), 5.0)
        assert client.get("/readyz").status_code == 200
        assert look(client)["state"] in ("waiting", "failed", "speaking")
    with serve(tmp_path) as (client, server):
        (preparer,) = until(lambda: preparers_of(server))
        assert client.post("/api/v1/sessions", json={}).status_code == 201
        until(lambda: not is_alive(preparer), 5.0)
        until(lambda: look(client)["state"] == "waiting", 5.0)
        assert not preparers_of(server)
        began = time.monotonic()
    assert time.monotonic() - began < 15, "the server stops as ever"
