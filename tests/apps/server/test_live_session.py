"""One session with fakes for stages: what it tells, what it does, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from visavis.apps.assemble import Cast
from visavis.apps.server.protocol import ServerEvent, commands, events
from visavis.apps.server.sessions.registry import Sessions
from visavis.apps.server.sessions.session import LiveSession
from visavis.apps.server.settings import ServerSettings
from visavis.core.errors import SessionsFull, UnknownVoice
from visavis.pipeline.playout import TICK_SAMPLES, Tick


@pytest.fixture
async def sessions(cast: Cast) -> AsyncIterator[Sessions]:
    opened = Sessions(cast, ServerSettings(sessions=3))
    yield opened
    await opened.close()


async def read_until(reader: Any, kind: str, limit: float = 10.0) -> list[ServerEvent]:
    found: list[ServerEvent] = []
    async with asyncio.timeout(limit):
        async for event in reader:
            found.append(event)
            if event.type == kind:
                return found
    raise AssertionError(f"the events ended without {kind}: {[e.type for e in found]}")


async def test_a_typed_question_is_told_from_its_start_to_its_end(sessions: Sessions) -> None:
    session = await sessions.open()
    async with session.events() as reader, session.watch(1000) as ticks:
        await session.handle(commands.Ask(text="How do I renew my card?"))
        story = await read_until(reader, "turn.ended")
        kinds = [event.type for event in story]
        assert kinds[0] == "session.started"
        assert kinds[1:3] == ["turn.started", "session.state"]
        assert [e.state for e in story if e.type == "session.state"] == ["thinking", "speaking"]
        sentences = [e for e in story if e.type == "sentence.started"]
        assert [s.index for s in sentences] == [0, 1, 2]
        assert "".join(e.text for e in story if e.type == "answer.text").startswith("Bring your")
        assert story[-1].reason == "complete"
        assert story[-1].heard == "Bring your identity card. 请带身份证。It takes ten days."
        marks = {e.mark for e in story if e.type == "latency"}
        assert {"first_sound", "first_picture", "responder", "synthesizer", "animator"} <= marks
        assert [e.seq for e in story] == list(range(story[0].seq, story[0].seq + len(story)))
        seen: list[Tick] = []
        async for tick in ticks:
            seen.append(tick)
            if tick.index / 25 >= story[-1].at:
                break
    assert [t.index for t in seen] == list(range(seen[0].index, seen[0].index + len(seen)))
    assert all(t.sound.shape == (TICK_SAMPLES,) and t.sound.dtype == np.float32 for t in seen)
    first = next(t for t in seen if t.turn)
    assert first.index / 25 == pytest.approx(sentences[0].at)


async def test_no_session_beyond_the_capacity(sessions: Sessions) -> None:
    for _ in range(3):
        (await sessions.open()).note_connected()
    with pytest.raises(SessionsFull) as refused:
        await sessions.open()
    assert refused.value.retryable
    assert len(sessions) == 3


async def test_an_unknown_voice_is_refused_and_leaves_no_session(sessions: Sessions) -> None:
    before = threading.active_count()
    with pytest.raises(UnknownVoice):
        await sessions.open(voice="nobody")
    assert len(sessions) == 0
    assert threading.active_count() == before


async def test_closing_ends_events_ticks_threads_and_tasks(sessions: Sessions) -> None:
    threads, tasks = threading.active_count(), len(asyncio.all_tasks())
    session = await sessions.open()
    async with session.events() as reader, session.watch() as ticks:
        await session.handle(commands.Ask(text="Hello?"))
        await read_until(reader, "sentence.started")
        await session.close("left")
        last = await read_until(reader, "session.ended")
        assert last[-1].reason == "left"
        with pytest.raises(StopAsyncIteration):
            await anext(reader)
        async for _ in ticks:
            pass
    await session.close()
    assert len(sessions) == 0
    assert sessions.get(session.id) is None
    assert threading.active_count() == threads
    assert len(asyncio.all_tasks()) == tasks


def is_silent(tick: Tick) -> bool:
    return not tick.sound.any()


async def interrupt_when_speaking(session: LiveSession, reader: Any) -> list[ServerEvent]:
    await session.handle(commands.Say(text="One two three four five six seven eight. Nine ten."))
    await read_until(reader, "sentence.started")
    await asyncio.sleep(0.2)
    await session.handle(commands.Interrupt())
    return await read_until(reader, "turn.ended")


async def test_an_interruption_silences_within_a_tick(sessions: Sessions) -> None:
    session = await sessions.open()
    async with session.events() as reader, session.watch(1000) as ticks:
        story = await interrupt_when_speaking(session, reader)
        ended = story[-1]
        assert isinstance(ended, events.TurnEnded)
        assert ended.reason == "interrupted"
        assert ended.heard.endswith("…")
        await asyncio.sleep(0.3)
        seen = [tick async for tick in _now(ticks)]
    after = [t for t in seen if t.index >= round(ended.at * 25)]
    assert len(after) > 3
    assert not after[0].sound[200:].any(), "only the fade is left"
    assert all(is_silent(t) and t.turn == 0 for t in after[1:])
    sound = np.concatenate([t.sound for t in seen])
    assert float(np.abs(np.diff(sound)).max()) < 0.2, "no click"


async def _now(ticks: Any) -> AsyncIterator[Tick]:
    while ticks._ticks:
        yield await anext(ticks)
