"""Hundreds of interruptions at random moments leave nothing stale, nothing running, nothing large."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest

from visavis.core.types import FPS, Segment, Waveform
from visavis.pipeline import events
from visavis.pipeline.conversation import Conversation
from visavis.pipeline.manner import Limits, Manner
from visavis.stages import fakes

TURNS = 300
LIMITS = Limits(sentences=2, speeches=2, segments=2, frames=20, text_pieces=8, history=10)


def make_conversation() -> Conversation:
    # A few tenths of a millisecond: slow enough that every stage is met at work.
    return Conversation(
        fakes.PaintingAnimator(delay=0.0004).open(fakes.make_avatar(size=8)),
        fakes.ToneSynthesizer(delay=0.0004),
        fakes.EchoResponder(delay=0.0002),
        fakes.ScriptedRecognizer("一二三。四五六。七八九。", delay=0.0002),
        manner=Manner({"zh": "tone_low", "en": "tone_high"}),
        limits=LIMITS,
    )


async def microphone() -> AsyncIterator[Waveform]:
    for start in range(0, 8000, 800):
        await asyncio.sleep(0.0002)
        yield Waveform(np.full(800, 0.1, np.float32), 16_000, start)


class Ends:
    """Lets a test wait for the end of a turn."""

    def __init__(self) -> None:
        self._events: dict[int, asyncio.Event] = {}

    def note(self, turn: int) -> None:
        self._events.setdefault(turn, asyncio.Event()).set()

    async def wait_for(self, turn: int) -> None:
        await self._events.setdefault(turn, asyncio.Event()).wait()


class Listener:
    """Reads all segments and holds each against the turn that counted when it came out."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.segments = 0
        self.stale = 0
        self.broken: list[str] = []
        self._last: Segment | None = None

    async def watch(self) -> None:
        async for segment in self.conversation.segments():
            self.segments += 1
            if segment.turn != self.conversation.turn:
                self.stale += 1
            assert segment.sentence is not None
            if segment.sentence.turn != segment.turn:
                self.broken.append("a segment carries another turn's sentence")
            last, offset = self._last, segment.audio.offset
            if last is not None and last.turn == segment.turn:
                if offset != last.audio.offset + len(last.audio.samples):
                    self.broken.append("sound is missing within a turn")
            elif segment.frames[0].index != offset * FPS // segment.audio.sample_rate:
                self.broken.append("sound and picture are apart")
            self._last = segment


@pytest.mark.parametrize("seed", [0, 1, 2])
async def test_random_interruptions_leave_nothing_stale(seed: int) -> None:
    rng = random.Random(seed)
    conversation = make_conversation()
    listener = Listener(conversation)
    watcher = asyncio.create_task(listener.watch())
    reasons: dict[str, int] = {"complete": 0, "interrupted": 0, "failed": 0}
    ends: dict[int, int] = {}
    ended = Ends()
    spoken_after_end: list[events.Event] = []

    def observe(event: events.Event) -> None:
        if isinstance(event, events.TurnEnded):
            reasons[event.reason] += 1
            ends[event.turn] = ends.get(event.turn, 0) + 1
            ended.note(event.turn)
        elif isinstance(event, events.SegmentReady) and event.turn in ends:
            spoken_after_end.append(event)

    conversation.hub.subscribe(observe)
    most_waiting = 0
    for _ in range(TURNS // 3):
        match rng.randrange(3):
            case 0:
                conversation.ask_text("One two three. Four five. Six seven eight nine.")
            case 1:
                conversation.ask_audio(microphone())
            case 2:
                conversation.say(["Good mor", "ning to you. ", "How are you?"])
        await asyncio.sleep(rng.choice([0, 0, 0.001, 0.003, 0.01, 0.02]))
        most_waiting = max(most_waiting, conversation._outbox.frames)
        match rng.randrange(4):
            case 0:
                await conversation.interrupt()
                before = listener.segments
                await asyncio.sleep(0.002)
                assert listener.segments == before, "nothing comes after an interruption"
            case 1:
                waiting = asyncio.create_task(conversation.interrupt())
                await asyncio.sleep(0)
                conversation.say("Quick.")
                await waiting
            case _:
                pass  # the next turn breaks this one off
    last = conversation.ask_text("The last one is heard in full.")
    await asyncio.wait_for(ended.wait_for(last.number), 20)
    await asyncio.sleep(0.02)
    assert last.state == "complete"
    frames = sum(fakes.SECONDS_PER_CHARACTER * len(w) for w in "Thelastoneisheardinfull") * FPS
    assert last.delivered * FPS == -(-frames // 1), "no sound of a turn that was broken off"
    assert conversation.history[-1].text == "The last one is heard in full."
    assert len(conversation.history) <= LIMITS.history

    await conversation.close()
    await asyncio.wait_for(watcher, 5)
    assert listener.stale == 0
    assert listener.broken == []
    assert listener.segments > 0
    assert spoken_after_end == []
    assert set(ends.values()) == {1}, "each turn ends once"
    assert reasons["failed"] == 0
    assert reasons["interrupted"] >= TURNS // 6, reasons
    assert most_waiting < LIMITS.frames + fakes.PaintingPerformance.chunk_frames
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not [t.name for t in threading.enumerate() if t.name.startswith("visavis-")]
