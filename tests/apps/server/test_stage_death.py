"""A stage that dies or hangs in the middle of a live answer, or of hearing a question.

Only the stages are stand-ins: session, conversation, playout and workers are those of the server.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pytest
from broken_stages import Kind, Trouble, break_stage, until

from visavis.apps.assemble import Cast
from visavis.apps.server.protocol import ServerEvent, commands
from visavis.apps.server.sessions.registry import Sessions
from visavis.apps.server.sessions.session import LiveSession
from visavis.apps.server.settings import ServerSettings
from visavis.core.errors import StageError
from visavis.core.types import FPS, Waveform
from visavis.pipeline.ticks import Tick
from visavis.stages import fakes

LIMIT = 1.0
"""Seconds that a stage may take here; a busy machine must not come to it by itself."""
LETTER = 0.03
"""Seconds that a letter is spoken."""
ANSWER = "One two. Three four. Five six."
LETTERS = len("OneTwoThreeFourFiveSix")
Ends: TypeAlias = list[weakref.ref[Any]]
"""What must be gone once a session is over."""


class Listener:
    """Reads and keeps everything that a session sends."""

    def __init__(self, session: LiveSession) -> None:
        self.session = session
        self.events: list[ServerEvent] = []
        self.ticks: list[Tick] = []
        self._new = asyncio.Event()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Listener]:
        async with self.session.events() as events, self.session.watch(1000) as ticks:
            tasks = [
                asyncio.create_task(self._keep(events, self.events)),
                asyncio.create_task(self._keep(ticks, self.ticks)),
            ]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, source: Any, kept: list[Any]) -> None:
        async for item in source:
            kept.append(item)
            self._new.set()

    async def until(self, found: Callable[[], bool], limit: float = 15.0) -> None:
        try:
            async with asyncio.timeout(limit):
                while not found():
                    self._new.clear()
                    await self._new.wait()
        except TimeoutError:
            kinds = [event.type for event in self.events]
            raise AssertionError(f"it did not happen; there were {kinds}") from None

    def of(self, kind: str, turn: int | None = None) -> list[Any]:
        return [e for e in self.events if e.type == kind and turn in (None, e.turn)]

    async def event(self, kind: str, turn: int | None = None) -> Any:
        await self.until(lambda: bool(self.of(kind, turn)))
        return self.of(kind, turn)[0]


def microphone(session: LiveSession, seconds: float, loud: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(round(seconds / 0.02)):
        samples = (loud * np.tanh(rng.standard_normal(960))).astype(np.float32)
        session.hear(Waveform(samples, 48_000))


async def speak(session: LiveSession) -> None:
    """Ask by voice, with the button."""
    await session.handle(commands.Talk(pressed=True))
    for _ in range(5):
        microphone(session, 0.2, 0.3)
        await asyncio.sleep(0.03)
    await session.handle(commands.Talk(pressed=False))


@pytest.fixture
def trouble(kind: Kind, stage: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    from visavis.apps.server.sessions import listening

    write, voice = fakes.EchoResponder.__init__, fakes.ToneSynthesizer.__init__
    monkeypatch.setattr(fakes.EchoResponder, "__init__", lambda self, *_: write(self, ANSWER))
    monkeypatch.setattr(
        fakes.ToneSynthesizer,
        "__init__",
        lambda self, *_, **__: voice(self, seconds_per_character=LETTER),
    )
    monkeypatch.setattr(listening, "PAUSE", 0.2)
    for name in ("pipeline.conversation", "apps.server.sessions.narrator"):
        # What is logged is kept by the test's runner, with the error and all that its frames hold.
        monkeypatch.setattr(logging.getLogger(f"visavis.{name}"), "disabled", True)
    made = Trouble(kind, at_once=stage in {"ears", "understanding"})
    break_stage(monkeypatch, stage, made)
    yield made
    made.release.set()


@pytest.fixture
async def sessions(cast: Cast, trouble: Trouble) -> AsyncIterator[Sessions]:
    limit = LIMIT if trouble.kind == "hangs" else 10.0
    settings = ServerSettings(sessions=3, stage_limit=limit, answer_limit=limit)
    # Its encoder is loaded with the first question, which takes longer than the limit here.
    moodless = replace(cast, settings=replace(cast.settings, mood=False))
    opened = Sessions(moodless, settings)
    yield opened
    await opened.close()


def visavis_threads() -> set[threading.Thread]:
    """Those that are alive. Not their numbers, which a new thread takes over from one that ended."""
    return {t for t in threading.enumerate() if t.name.startswith("visavis-")}


async def come_back(threads: set[threading.Thread]) -> None:
    for _ in range(300):
        if visavis_threads() <= threads:
            return
        await asyncio.sleep(0.01)
    raise AssertionError([t.name for t in threading.enumerate()])


async def freed(references: Ends) -> None:
    for _ in range(20):
        gc.collect()
        if not any(reference() is not None for reference in references):
            return
        await asyncio.sleep(0.05)
    left = [reference() for reference in references]
    raise AssertionError([(one, gc.get_referrers(one)) for one in left if one is not None])


def check_told(error: Any, turn: int, trouble: Trouble, stage: str) -> None:
    """The error names what broke, in the turn that it broke."""
    assert trouble.thread == f"visavis-{stage}"
    assert (error.turn, error.code) == (turn, "StageError")
    if trouble.kind == "raises":
        assert "the weights are gone" in error.message
    else:
        assert f"nothing came from the {stage} for 1 s" in error.message
        assert error.retryable


async def break_an_answer(sessions: Sessions, trouble: Trouble, stage: str, kind: Kind) -> Ends:
    """Break an answer, look at what comes and at the next one, and leave."""
    session = await sessions.open()
    ends: Ends = [weakref.ref(session), weakref.ref(session._setup.part.performance)]
    async with Listener(session).listen() as here:
        await session.handle(commands.Ask(text="How?"))
        broken = (await here.event("turn.started")).turn
        await here.event("sentence.started")
        trouble.may_strike.set()
        error = await here.event("error")
        ended = await here.event("turn.ended", broken)
        assert stage in error.message
        check_told(error, broken, trouble, stage)
        assert ended.reason == "failed"
        assert ended.seq > error.seq
        assert "Six" not in ended.heard

        # The face lives on.
        last = round(ended.at * FPS)
        await here.until(lambda: here.ticks[-1].index >= last + 12)
        idle = [tick for tick in here.ticks if tick.index >= last]
        assert {tick.turn for tick in idle} == {0}
        assert not idle[0].sound[200:].any(), "only the fade is left"
        assert not any(tick.sound.any() for tick in idle[1:])
        assert len({id(tick.image) for tick in idle}) >= 4

        # The next answer is whole, and what hung comes back in its middle.
        await session.handle(commands.Ask(text="And now?"))
        await here.until(lambda: len(here.of("turn.started")) == 2)
        second = here.of("turn.started")[1].turn
        await here.event("sentence.started", second)
        trouble.release.set()
        whole = await here.event("turn.ended", second)
        if kind == "hangs":
            await until(trouble.came_back)
        await asyncio.sleep(0.2)
        assert (whole.reason, whole.heard) == ("complete", ANSWER)
        sounding = [tick for tick in here.ticks if tick.turn == second]
        spare = len(sounding) - LETTERS * LETTER * FPS
        assert 0 <= spare <= 3, "each sentence may be filled up to a whole picture"
        assert [e.index for e in here.of("sentence.started", second)] == [0, 1, 2]
        assert len(here.of("error")) == 1

        # Nothing of the broken one after its end.
        assert [e.type for e in here.events if e.turn == broken and e.seq > ended.seq] == []
        late = [t.index for t in here.ticks if t.turn == broken and t.index / FPS > ended.at]
        assert late == []
        assert [t.index for t in here.ticks] == list(
            range(here.ticks[0].index, here.ticks[0].index + len(here.ticks))
        )
    await session.close()
    return ends


@pytest.mark.parametrize("kind", ["raises", "hangs"])
@pytest.mark.parametrize("stage", ["responder", "synthesizer", "animator"])
async def test_an_answer_that_breaks_in_its_middle(
    sessions: Sessions, trouble: Trouble, stage: str, kind: Kind
) -> None:
    before = visavis_threads()
    ends = await break_an_answer(sessions, trouble, stage, kind)
    await come_back(before)
    await freed(ends)


async def break_a_question(sessions: Sessions, trouble: Trouble, stage: str, kind: Kind) -> Ends:
    """Break the hearing of a question, look at what comes and at the next one, and leave."""
    session = await sessions.open(microphone="push")
    ends: Ends = [weakref.ref(session), weakref.ref(session._setup.part.performance)]
    async with Listener(session).listen() as here:
        await speak(session)
        await until(trouble.struck)
        struck = here.ticks[-1].index if here.ticks else 0
        error = await here.event("error")
        check_told(error, 0, trouble, stage)
        await here.until(lambda: here.ticks[-1].index >= struck + 12)
        assert session.state == "idle"
        assert here.of("turn.started") == []
        idle = [tick for tick in here.ticks if tick.index > struck]
        assert not any(tick.turn or tick.sound.any() for tick in idle)
        assert len({id(tick.image) for tick in idle}) >= 4

        await asyncio.sleep(0.3)  # models that failed are made anew after a while
        await speak(session)
        second = (await here.event("turn.started")).turn
        trouble.release.set()
        whole = await here.event("turn.ended")
        if kind == "hangs":
            await until(trouble.came_back)
        await asyncio.sleep(0.2)
        assert (whole.turn, whole.reason, whole.heard) == (second, "complete", ANSWER)
        finals = [event.text for event in here.of("transcript.final")]
        assert finals == ["如何补办身份证?"], "the one that was not heard is not answered later"
        assert {tick.turn for tick in here.ticks} == {0, second}
        assert len(here.of("error")) == 1
        assert session.state == "idle"
    await session.close()
    return ends


@pytest.mark.parametrize("kind", ["raises", "hangs"])
@pytest.mark.parametrize("stage", ["ears", "understanding"])
async def test_a_question_that_is_not_heard_to_its_end(
    sessions: Sessions, trouble: Trouble, stage: str, kind: Kind
) -> None:
    before = visavis_threads()
    ends = await break_a_question(sessions, trouble, stage, kind)
    await come_back(before)
    await freed(ends)


@pytest.mark.parametrize("kind", ["hangs"])
@pytest.mark.parametrize("stage", ["idle"])
async def test_a_face_that_hangs_between_answers_is_opened_anew(
    sessions: Sessions, trouble: Trouble
) -> None:
    trouble.is_armed = False
    session = await sessions.open()
    async with Listener(session).listen() as here:
        await here.until(lambda: len(here.ticks) > 3)
        trouble.is_armed = True
        error = await here.event("error")
        assert "nothing came from the animator" in error.message
        still = here.ticks[-1].image
        await here.until(lambda: here.ticks[-1].image is not still)
        last = here.ticks[-1].index
        await here.until(lambda: here.ticks[-1].index >= last + 12)
        assert len({id(tick.image) for tick in here.ticks[-12:]}) >= 4, "it moves again"
        await session.handle(commands.Ask(text="And now?"))
        assert (await here.event("turn.ended")).heard == ANSWER
        assert len(here.of("error")) == 1


@pytest.mark.parametrize("kind", ["hangs"])
@pytest.mark.parametrize("stage", ["animator"])
async def test_who_does_not_wait_but_asks_again_is_answered(
    sessions: Sessions, trouble: Trouble, stage: str
) -> None:
    session = await sessions.open()
    async with Listener(session).listen() as here:
        await session.handle(commands.Ask(text="How?"))
        broken = (await here.event("turn.started")).turn
        await until(trouble.struck)
        await session.handle(commands.Interrupt())
        assert (await here.event("turn.ended", broken)).reason == "interrupted"
        stopped = here.of("turn.ended", broken)[0].seq
        await asyncio.sleep(LIMIT + 0.3)
        await session.handle(commands.Ask(text="And now?"))
        await here.until(lambda: len(here.of("turn.ended")) == 2)
        whole = here.of("turn.ended")[1]
        assert (whole.reason, whole.heard) == ("complete", ANSWER)
        late = [e for e in here.events if e.turn == broken and e.seq > stopped]
        assert {e.type for e in late} <= {"latency"}, "how long the silence took may be told"


async def leave_a_hang(sessions: Sessions, trouble: Trouble, stage: str) -> Ends:
    """Leave a session in which a stage hangs."""
    session = await sessions.open()
    ends: Ends = [weakref.ref(session), weakref.ref(session._setup.part.performance)]
    if stage in {"understanding", "ears"}:
        await speak(session)
    else:
        await session.handle(commands.Ask(text="How?"))
    await until(trouble.struck)
    async with asyncio.timeout(4 * LIMIT):
        await session.close("left")
    assert len(sessions) == 0
    return ends


@pytest.mark.parametrize("kind", ["hangs"])
@pytest.mark.parametrize("stage", ["responder", "animator", "ears"])
async def test_a_session_can_be_left_while_a_stage_hangs(
    sessions: Sessions, trouble: Trouble, stage: str
) -> None:
    before = visavis_threads()
    ends = await leave_a_hang(sessions, trouble, stage)
    assert len(visavis_threads() - before) == 1, "only the thread that hangs"
    trouble.release.set()
    await come_back(before)
    await freed(ends)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The faces that were closed, by their identity."""
    close, found = fakes.PaintingPerformance.close, list[int]()

    def note(self: fakes.PaintingPerformance) -> None:
        found.append(id(self))
        close(self)

    monkeypatch.setattr(fakes.PaintingPerformance, "close", note)
    return found


@pytest.mark.parametrize("kind", ["hangs"])
@pytest.mark.parametrize("stage", ["avatar"])
async def test_a_face_that_does_not_open_keeps_nobody_waiting(
    sessions: Sessions, trouble: Trouble, closed: list[int]
) -> None:
    before = visavis_threads()
    with pytest.raises(StageError, match="nothing came from the avatar for 1 s"):
        await sessions.open()
    assert len(sessions) == 0
    session = await sessions.open()
    async with Listener(session).listen() as here:
        await session.handle(commands.Ask(text="How?"))
        assert (await here.event("turn.ended")).heard == ANSWER
    assert closed == []
    trouble.release.set()
    for _ in range(300):
        if closed:
            break
        await asyncio.sleep(0.01)
    assert len(closed) == 1, "the one that opened too late"
    assert id(session._setup.part.performance) not in closed
    await session.close()
    await come_back(before)


@pytest.mark.parametrize("kind", ["raises", "hangs"])
@pytest.mark.parametrize("stage", ["avatar"])
async def test_where_another_face_does_not_open_the_one_before_stays(
    sessions: Sessions, trouble: Trouble, closed: list[int], kind: Kind
) -> None:
    trouble.is_armed = False
    trouble.may_strike.set()
    session = await sessions.open()
    first = session._setup.part.performance
    async with Listener(session).listen() as here:
        await here.until(lambda: len(here.ticks) > 3)
        trouble.is_armed = True
        await session.handle(commands.Change(avatar="bob"))
        error = await here.event("error")
        assert error.code == "StageError"
        assert here.of("session.changed") == []
        assert session._setup.part.performance is first
        assert closed == []
        await session.handle(commands.Ask(text="How?"))
        assert (await here.event("turn.ended")).heard == ANSWER
        await session.handle(commands.Change(avatar="bob"))
        await here.event("session.changed")
        assert session._setup.part.performance is not first
        assert closed == [id(first)]
    trouble.release.set()
