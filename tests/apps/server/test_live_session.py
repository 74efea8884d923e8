"""One session with fakes for stages: what it tells, what it does, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from visavis.apps.assemble import Cast
from visavis.apps.server.protocol import ServerEvent, commands, events
from visavis.apps.server.sessions.registry import Sessions
from visavis.apps.server.sessions.session import LiveSession
from visavis.apps.server.settings import ServerSettings
from visavis.core.errors import SessionsFull, UnknownVoice
from visavis.core.types import Transcript, Waveform
from visavis.pipeline.ticks import TICK_SAMPLES, Tick
from visavis.stages.fakes import SECONDS_PER_CHARACTER


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


async def test_playback_decides_what_the_dialogue_keeps(sessions: Sessions) -> None:
    session = await sessions.open()
    async with session.events() as reader:
        await session.handle(commands.Say(text="One two three four. Five six seven eight."))
        story = await read_until(reader, "turn.ended")
        start = next(e.at for e in story if e.type == "sentence.started")
        await session.handle(commands.Playback(at=start + 0.4))
    heard = session._conversation.history[-1].text
    assert heard.startswith("One")
    assert heard.endswith("…")
    assert "eight" not in heard


async def test_a_new_question_breaks_off_the_answer_and_is_answered(sessions: Sessions) -> None:
    session = await sessions.open()
    async with session.events() as reader, session.watch(1000) as ticks:
        await session.handle(commands.Say(text="One two three four five six seven eight nine."))
        first = (await read_until(reader, "sentence.started"))[-1].turn
        await session.handle(commands.Ask(text="And now?"))
        story = await read_until(reader, "turn.ended")
        assert (story[-1].turn, story[-1].reason) == (first, "interrupted")
        story = await read_until(reader, "turn.ended")
        second = story[-1].turn
        assert second > first
        assert story[-1].reason == "complete"
        turns = [tick.turn async for tick in _now(ticks) if tick.turn]
    assert turns == sorted(turns), "nothing of the old turn after the new one"
    assert set(turns) == {first, second}


def with_faces(cast: Cast, **sizes: int) -> Cast:
    """Give the cast an avatar of its own for each name."""
    from visavis.stages import fakes

    class Faces(type(cast)):  # type: ignore[misc]
        def load_avatar(self) -> Any:
            name = self.avatar or next(iter(sizes))
            return fakes.make_avatar(name, sizes[name], seed=len(name))

    faces: Cast = Faces(cast.settings)
    return faces


async def test_two_sessions_get_their_own_faces_at_once(cast: Cast) -> None:
    opened = Sessions(with_faces(cast, anna=32, bob=48), ServerSettings(sessions=2))
    one, two = await asyncio.gather(opened.open(avatar="anna"), opened.open(avatar="bob"))
    async with one.watch() as left, two.watch() as right:
        a, b = await anext(left), await anext(right)
    assert a.image.shape == (32, 32, 3)
    assert b.image.shape == (48, 48, 3)
    assert (one.snapshot()["avatar"], two.snapshot()["avatar"]) == ("anna", "bob")
    await opened.close()


async def test_the_avatar_changes_while_it_speaks(cast: Cast) -> None:
    opened = Sessions(with_faces(cast, anna=32, bob=48), ServerSettings(sessions=1))
    session = await opened.open()
    async with session.events() as reader, session.watch(1000) as ticks:
        await session.handle(commands.Say(text="One two three four five six seven eight nine."))
        await read_until(reader, "sentence.started")
        await session.handle(commands.Change(avatar="bob", emotion="happy", language="en"))
        story = await read_until(reader, "session.changed")
        changed = story[-1]
        assert isinstance(changed, events.SessionChanged)
        assert (changed.avatar, changed.emotion, changed.language) == ("bob", "happy", "en")
        assert (changed.width, changed.height) == (48, 48)
        await session.handle(commands.Say(text="I am another."))
        story = await read_until(reader, "turn.ended")
        assert story[-1].reason == "complete"
        assert next(e for e in story if e.type == "sentence.started").emotion == "happy"
        seen = [tick async for tick in _now(ticks)]
    sizes = [tick.image.shape[0] for tick in seen]
    assert sizes == sorted(sizes), "once the new face is there the old one never comes back"
    assert {t.image.shape[0] for t in seen if t.turn == story[-1].turn} == {48}
    await session.handle(commands.Change(voice="nobody"))
    async with session.events() as reader:
        assert (await anext(reader)).avatar == "bob"
    await opened.close()


async def test_what_cannot_be_done_is_an_error_event_and_the_session_goes_on(
    sessions: Sessions,
) -> None:
    session = await sessions.open()
    async with session.events() as reader:
        await session.handle(commands.Change(voice="nobody"))
        assert (await read_until(reader, "error"))[-1].code == "UnknownVoice"
        await session.handle(commands.Ask(text="   "))
        assert (await read_until(reader, "error"))[-1].code == "TextUnusable"
        await session.handle(commands.Say(text="!!!"))
        story = await read_until(reader, "turn.ended")
        assert "error" in {e.type for e in story}
        assert story[-1].reason == "failed"
        await session.handle(commands.Say(text="Still here."))
        assert (await read_until(reader, "turn.ended"))[-1].reason == "complete"
        await session.handle(commands.Ping(sent=4.5))
        assert (await read_until(reader, "pong"))[-1].sent == 4.5


async def test_a_face_that_fails_again_and_again_ends_the_session(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    from visavis.core.errors import StageError
    from visavis.stages import fakes

    session = await sessions.open()
    async with session.events() as reader:

        def broken(self: Any) -> Any:
            raise StageError("the warp lost its weights")

        monkeypatch.setattr(fakes.PaintingPerformance, "idle", broken)
        story = await read_until(reader, "session.ended")
    assert story[-1].reason == "failed"
    assert "the warp lost its weights" in story[-1].message
    assert len([e for e in story if e.type == "error"]) == 3


@pytest.mark.parametrize(
    ("limit", "reason"),
    [("idle_limit", "idle"), ("session_limit", "limit"), ("vanished_limit", "vanished")],
)
async def test_sessions_end_by_themselves(cast: Cast, limit: str, reason: str) -> None:
    opened = Sessions(cast, ServerSettings(sessions=1, **{limit: 0.4}))
    session = await opened.open()
    if reason != "vanished":
        session.note_connected()
    async with session.events() as reader:
        story = await read_until(reader, "session.ended")
        assert story[-1].reason == reason
    assert len(opened) == 0
    await opened.close()


async def test_a_reloaded_page_gets_the_place_of_the_one_it_left(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visavis.apps.server.sessions.registry.ABANDONED", 0.1)
    opened = Sessions(cast, ServerSettings(sessions=1))
    left = await opened.open()
    left.note_connected()
    with pytest.raises(SessionsFull):
        await opened.open()
    left.note_disconnected()
    await asyncio.sleep(0.15)
    fresh = await opened.open()
    assert [session.id for session in opened] == [fresh.id]
    await opened.close()


async def test_observers_see_all_and_one_that_fails_harms_nobody(sessions: Sessions) -> None:
    session = await sessions.open()
    seen: list[str] = []
    done: list[str] = []
    session.subscribe(lambda event: 1 / 0)
    session.subscribe(lambda event: seen.append(event.type))
    leave = session.subscribe_commands(lambda command: done.append(command.type))
    await session.handle(commands.Feedback(turn=1, rating="up"))
    leave()
    await session.handle(commands.Ping(sent=1))
    await session.close("left")
    assert seen == ["pong", "session.ended"]
    assert done == ["feedback"]


class LoudEars:
    """Takes loud for speech, and understands three words."""

    language = "zh"

    def __init__(self, language: Any, guess: Any) -> None:
        self._words = 0

    def settle(self, language: Any) -> None:
        self.language = language

    def speech_probability(self, chunk: Any) -> float:
        return 0.95 if float(np.abs(chunk).max()) > 0.05 else 0.02

    def begin(self) -> None:
        self._words = 0

    def follow(self, samples: Any) -> str:
        self._words += 1
        return "请问怎么办理"[: self._words]


def microphone(session: LiveSession, seconds: float, loud: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(round(seconds / 0.02)):
        samples = (loud * np.tanh(rng.standard_normal(960))).astype(np.float32)
        session.hear(Waveform(samples, 48_000))


@pytest.mark.parametrize("mode", ["push", "open"])
async def test_a_spoken_question_is_heard_and_answered(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, mode: Any
) -> None:
    monkeypatch.setattr("visavis.apps.server.sessions.setup.ModelEars", LoudEars)
    threads = threading.active_count()
    session = await sessions.open(microphone=mode)
    async with session.events() as reader:
        if mode == "push":
            await session.handle(commands.Talk(pressed=True))
        for _ in range(6):
            microphone(session, 0.2, 0.3)
            await asyncio.sleep(0.05)
        if mode == "push":
            await session.handle(commands.Talk(pressed=False))
        else:
            for _ in range(8):
                microphone(session, 0.2, 0.0)
                await asyncio.sleep(0.02)
        story = await read_until(reader, "turn.ended")
    states = [e.state for e in story if e.type == "session.state"]
    assert states[0] == "listening"
    assert states[-2:] == ["thinking", "speaking"]
    kinds = [e.type for e in story]
    assert kinds.index("transcript.partial") < kinds.index("turn.started")
    assert kinds.index("turn.started") < kinds.index("transcript.final")
    final = next(e for e in story if e.type == "transcript.final")
    assert final.text == "如何补办身份证?"
    assert next(e for e in story if e.type == "turn.started").kind == "audio"
    first = next(e for e in story if e.type == "latency" and e.mark == "first_sound")
    assert 0 < first.seconds < 10
    await session.close()
    assert threading.active_count() == threads


async def test_speech_interrupts_the_face(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visavis.apps.server.sessions.setup.ModelEars", LoudEars)
    session = await sessions.open(microphone="open")
    async with session.events() as reader:
        microphone(session, 0.2, 0.0)  # the models are made with the first sound
        await asyncio.sleep(0.2)
        await session.handle(commands.Say(text="One two three four five six seven eight nine."))
        turn = (await read_until(reader, "sentence.started"))[-1].turn
        for _ in range(10):
            microphone(session, 0.1, 0.3)
            await asyncio.sleep(0.05)
        story = await read_until(reader, "turn.ended")
    assert (story[-1].turn, story[-1].reason) == (turn, "interrupted")


async def test_a_cough_makes_the_face_pause_and_lose_nothing(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visavis.apps.server.sessions.setup.ModelEars", LoudEars)
    session = await sessions.open(microphone="open")
    async with session.events() as reader, session.watch(400) as ticks:
        microphone(session, 0.2, 0.0)
        await asyncio.sleep(0.2)
        await session.handle(commands.Say(text="One two three four five six seven eight nine."))
        await read_until(reader, "sentence.started")
        microphone(session, 0.12, 0.3)
        for _ in range(10):
            microphone(session, 0.1, 0.0)
            await asyncio.sleep(0.05)
        story = await read_until(reader, "turn.ended")
        assert story[-1].reason == "complete"
        seen = []
        async for tick in ticks:
            seen.append(tick)
            if tick.index >= session.snapshot()["ticks"] - 2:
                break
    spoken = [tick.index for tick in seen if tick.turn]
    gap = max(b - a for a, b in itertools.pairwise(spoken)) / 25
    assert 0.1 < gap < 0.8, "it paused"
    assert session.snapshot()["starved"] == 0
    letters = len("OneTwoThreeFourFiveSixSevenEightNine")
    assert len(spoken) / 25 == pytest.approx(letters * SECONDS_PER_CHARACTER, abs=0.05)


async def test_what_is_said_on_after_a_pause_belongs_to_the_question(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await sessions.open(microphone="off")
    dialogue = session._dialogue

    def heard(text: str) -> Transcript:
        return Transcript(text, True, 0.0, 1.0, "zh")

    async with session.events() as reader:
        dialogue.on_question(heard("身份证丢了。"), time.monotonic())
        dialogue.on_barge_in()
        dialogue.on_question(heard("怎么补办？"), time.monotonic())
        await read_until(reader, "turn.started")
        story = await read_until(reader, "turn.started")
        story += await read_until(reader, "transcript.final")
        assert story[-1].text == "身份证丢了怎么补办？"
        await read_until(reader, "turn.ended")
        dialogue.on_question(heard("身份证丢了。"), time.monotonic() - 5)
        dialogue.on_barge_in()
        dialogue.on_question(heard("护照呢？"), time.monotonic())
        await read_until(reader, "turn.ended")
        story = await read_until(reader, "transcript.final")
        assert story[-1].text == "护照呢？"


async def test_a_question_asked_while_the_face_changes_waits_for_the_new_one(cast: Cast) -> None:
    opened = Sessions(with_faces(cast, anna=32, bob=48), ServerSettings(sessions=1))
    session = await opened.open()
    async with session.events() as reader, session.watch(1000) as ticks:
        change = asyncio.create_task(session.handle(commands.Change(avatar="bob")))
        for _ in range(20):
            await session.handle(commands.Ask(text="Who are you?"))
            await asyncio.sleep(0.003)
        await change
        await session.handle(commands.Ask(text="Who are you?"))
        story = await read_until(reader, "session.changed")
        while story[-1].type != "turn.ended" or story[-1].reason == "interrupted":
            story += await read_until(reader, "turn.ended")
        assert story[-1].reason == "complete"
        assert "error" not in {event.type for event in story}
        seen = [tick async for tick in _now(ticks)]
    assert {t.image.shape[0] for t in seen if t.turn == story[-1].turn} == {48}
    await opened.close()


async def test_a_microphone_that_is_off_starts_no_thread(sessions: Sessions) -> None:
    session = await sessions.open(microphone="off")
    await asyncio.sleep(0.2)
    threads = threading.active_count()
    microphone(session, 3.0, 0.3)
    await asyncio.sleep(0.2)
    assert threading.active_count() == threads
    assert session.state == "idle"


async def test_two_hundred_sessions_leave_nothing_behind(cast: Cast) -> None:
    opened = Sessions(cast, ServerSettings(sessions=8))
    reasons: list[str] = []

    async def visit(number: int) -> None:
        session = await opened.open()
        session.subscribe(lambda e: reasons.append(e.reason) if e.type == "session.ended" else None)
        async with session.watch() as ticks, session.events() as reader:
            await session.handle(commands.Ask(text=f"Question {number}?"))
            async for _ in ticks:
                break
            if number % 3 == 0:
                await read_until(reader, "sentence.started")
            if number % 3 == 1:
                await session.handle(commands.Interrupt())
            if number % 2:
                await session.handle(commands.Leave())
                await read_until(reader, "session.ended")
        await session.close("closed")

    async def visits(numbers: range) -> None:
        for number in numbers:
            await visit(number)

    await visits(range(6))  # what is made once is made
    gc.collect()
    threads, tasks, memory = threading.active_count(), len(asyncio.all_tasks()), resident()
    async with asyncio.TaskGroup() as group:
        for lane in range(4):
            group.create_task(visits(range(lane * 50, lane * 50 + 50)))
    await asyncio.sleep(0.1)
    gc.collect()
    assert len(opened) == 0
    assert len(reasons) == 206
    assert threading.active_count() == threads
    assert len(asyncio.all_tasks()) == tasks
    assert resident() - memory < 25e6
    await opened.close()


def resident() -> int:
    """Bytes of memory in use by this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
