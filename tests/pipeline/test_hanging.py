"""Stages that hang on their thread: given up, told of, and followed by another thread."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from visavis.core.cancelling import CURRENT
from visavis.core.errors import StageError
from visavis.pipeline import bridge, relay
from visavis.pipeline.bridge import MOST_LOST, Worker
from visavis.pipeline.conversation import Conversation
from visavis.pipeline.manner import Limits, Manner
from visavis.stages import fakes

PATIENCE = 0.3


@pytest.fixture
async def release() -> AsyncIterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()
    for _ in range(200):
        if not [t for t in threading.enumerate() if t.name.startswith("visavis-")]:
            return
        await asyncio.sleep(0.01)
    raise AssertionError([t.name for t in threading.enumerate()])


@pytest.fixture
async def worker(release: threading.Event) -> AsyncIterator[Worker]:
    made = Worker("voice", PATIENCE)
    yield made
    await made.close()


def hang(release: threading.Event) -> int:
    release.wait(30)
    return 1


async def test_a_call_that_hangs_is_told_and_the_next_one_works(
    worker: Worker, release: threading.Event
) -> None:
    first = await worker.call(threading.get_ident)
    began = time.monotonic()
    with pytest.raises(StageError, match=r"nothing came from the voice for 0\.3 s") as caught:
        await worker.call(lambda: hang(release))
    assert PATIENCE <= time.monotonic() - began < PATIENCE + 1
    assert caught.value.retryable
    second = await worker.call(threading.get_ident)
    assert second != first


async def test_what_waits_behind_a_hang_fails_with_it_and_never_runs(
    worker: Worker, release: threading.Event
) -> None:
    ran: list[str] = []

    def items() -> Iterator[int]:
        ran.append("items")
        yield 1

    hanging = asyncio.create_task(worker.call(lambda: hang(release)))
    await asyncio.sleep(PATIENCE / 2)
    behind = asyncio.create_task(worker.call(lambda: ran.append("call")))
    reader = worker.iterate(items)
    found = await asyncio.gather(hanging, behind, anext(reader), return_exceptions=True)
    assert [type(error) for error in found] == [StageError] * 3
    await reader.aclose()
    release.set()
    await asyncio.sleep(0.1)
    assert ran == []


async def test_an_iterator_that_hangs_gives_what_it_had_and_an_error_and_nothing_later(
    worker: Worker, release: threading.Event
) -> None:
    told = threading.Event()
    steps: list[int] = []

    def items() -> Iterator[int]:
        cancellation = CURRENT.get()
        assert cancellation is not None
        with cancellation.on_cancel(told.set):
            steps.append(1)
            yield 1
            release.wait(30)
            steps.append(2)
            yield 2
            steps.append(3)
            yield 3

    reader = worker.iterate(items)
    assert await anext(reader) == 1
    with pytest.raises(StageError, match="nothing came"):
        await anext(reader)
    assert told.is_set(), "what computes in one step hears that it is not wanted"
    await asyncio.wait_for(reader.aclose(), 0.1)
    release.set()
    await asyncio.sleep(0.1)
    assert steps == [1, 2], "it is closed at the end of the step that hung"
    with pytest.raises(StopAsyncIteration):
        await anext(reader)


async def test_one_that_awaits_for_ever_is_given_up_as_well(worker: Worker) -> None:
    closed = threading.Event()

    async def items() -> AsyncIterator[int]:
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            closed.set()

    reader = worker.iterate(items)
    with pytest.raises(StageError, match="nothing came"):
        await anext(reader)
    await asyncio.to_thread(closed.wait, 2)
    assert closed.is_set()


async def test_a_slow_reader_is_no_hang(worker: Worker) -> None:
    reader = worker.iterate(lambda: iter(range(5)), limit=1)
    found = []
    async for item in reader:
        found.append(item)
        await asyncio.sleep(PATIENCE / 2)
    assert found == [0, 1, 2, 3, 4]


async def test_who_does_not_stop_when_told_is_given_up(
    worker: Worker, release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "OBEDIENCE", PATIENCE / 3)

    def items() -> Iterator[int]:
        yield hang(release)

    reader = worker.iterate(items)
    await asyncio.sleep(0.02)
    began = time.monotonic()
    await asyncio.wait_for(reader.aclose(), 2)
    assert time.monotonic() - began < PATIENCE
    assert await worker.call(lambda: 5) == 5


async def test_threads_that_hang_are_counted_and_limited(
    worker: Worker, release: threading.Event
) -> None:
    for _ in range(MOST_LOST):
        with pytest.raises(StageError, match="nothing came"):
            await worker.call(lambda: hang(release))
    with pytest.raises(StageError, match="never came back"):
        await worker.call(lambda: 1)
    assert len([t for t in threading.enumerate() if t.name == "visavis-voice"]) == MOST_LOST
    release.set()
    for _ in range(100):
        await asyncio.sleep(0.01)
        if "visavis-voice" not in {t.name for t in threading.enumerate()}:
            break
    assert await worker.call(lambda: 1) == 1, "one that came back makes room"


async def test_a_worker_without_patience_waits(release: threading.Event) -> None:
    worker = Worker("slow")
    waiting = asyncio.create_task(worker.call(lambda: hang(release)))
    await asyncio.sleep(2 * PATIENCE)
    assert not waiting.done()
    release.set()
    assert await waiting == 1
    await worker.close()


async def test_closing_does_not_wait_for_what_hangs(
    release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge, "CLOSING", 0.1)
    worker = Worker("stuck")

    def items() -> Iterator[int]:
        yield hang(release)

    reader = worker.iterate(items)
    await asyncio.sleep(0.02)
    await asyncio.wait_for(worker.close(), 1)
    await asyncio.wait_for(reader.aclose(), 0.1)


async def test_a_face_that_cannot_be_opened_anew_says_so(release: threading.Event) -> None:
    performance = fakes.PaintingAnimator().open(fakes.make_avatar())
    conversation = Conversation(
        performance,
        fakes.ToneSynthesizer(),
        manner=Manner({"en": "tone_low"}),
        limits=Limits(step_seconds=PATIENCE),
    )
    async with conversation:
        with pytest.raises(StageError, match="nothing came from the animator"):
            await conversation.on_face(lambda face: hang(release))
        with pytest.raises(StageError, match="open a new session"):
            await conversation.idle()
        turn = conversation.say("One.")
        with pytest.raises(StageError, match="open a new session"):
            await anext(conversation.play(turn))


async def test_another_face_can_be_taken_while_the_one_before_hangs(
    release: threading.Event,
) -> None:
    closed: list[int] = []

    class Closing(fakes.PaintingPerformance):
        def close(self) -> None:
            closed.append(threading.get_ident())

    hanging = Closing(fakes.make_avatar(size=8), 0, 2, 0)
    other = fakes.PaintingAnimator().open(fakes.make_avatar(size=16))
    async with Conversation(hanging, limits=Limits(step_seconds=PATIENCE)) as conversation:
        thread = await conversation.on_face(lambda face: threading.get_ident())
        stuck = asyncio.create_task(conversation.on_face(lambda face: hang(release)))
        await asyncio.sleep(0.02)
        await conversation.change_face(other)
        assert (await conversation.idle()).image.shape == (16, 16, 3)
        assert closed == [], "it is still at work"
        release.set()
        await asyncio.gather(stuck, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert closed == [thread], "closed on its own thread, once that came back"
