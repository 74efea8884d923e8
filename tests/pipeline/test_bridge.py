import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from visavis.core.cancelling import CURRENT, Cancellation
from visavis.pipeline.bridge import Worker


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker("test")
    yield worker
    await worker.close()
    assert not [t for t in threading.enumerate() if t.name == "visavis-test"]


async def test_iterates_a_plain_iterator_on_one_other_thread(worker: Worker) -> None:
    def count() -> Iterator[tuple[int, int]]:
        for number in range(20):
            yield number, threading.get_ident()

    items = [item async for item in worker.iterate(count)]
    assert [number for number, _ in items] == list(range(20))
    assert len({ident for _, ident in items}) == 1
    assert items[0][1] != threading.get_ident()
    assert await worker.call(threading.get_ident) == items[0][1]


async def test_iterates_an_async_iterator_there(worker: Worker) -> None:
    async def count() -> AsyncIterator[int]:
        for number in range(5):
            await asyncio.sleep(0.001)
            yield number

    assert [n async for n in worker.iterate(count)] == [0, 1, 2, 3, 4]


async def test_makes_no_more_than_the_limit_ahead(worker: Worker) -> None:
    made: list[int] = []

    def count() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    relay = worker.iterate(count, limit=3)
    await anext(relay)
    await asyncio.sleep(0.05)
    assert len(made) <= 1 + 3
    await relay.aclose()


async def test_closing_closes_the_iterator_on_its_thread(worker: Worker) -> None:
    closed_on: list[int] = []

    def forever() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed_on.append(threading.get_ident())

    relay = worker.iterate(forever)
    await anext(relay)
    await relay.aclose()
    assert closed_on == [await worker.call(threading.get_ident)]


async def test_closing_at_once_returns(worker: Worker) -> None:
    for _ in range(50):
        relay = worker.iterate(lambda: iter(range(10)))
        await asyncio.wait_for(relay.aclose(), 2)


async def test_an_error_comes_through_after_the_items(worker: Worker) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    items = []

    async def read() -> None:
        async for item in worker.iterate(broken):
            items.append(item)

    with pytest.raises(ValueError, match="broken"):
        await read()
    assert items == [1]


async def test_computing_does_not_stop_the_loop(worker: Worker) -> None:
    def slow() -> Iterator[int]:
        time.sleep(0.3)
        yield 1

    relay = worker.iterate(slow)
    waiting = asyncio.ensure_future(anext(relay))
    ticks = 0
    while not waiting.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert ticks >= 10
    await relay.aclose()


async def test_lends_an_async_iterator_of_this_loop(worker: Worker) -> None:
    home = threading.get_ident()
    read_on: set[int] = set()
    closed: list[bool] = []

    async def source() -> AsyncIterator[int]:
        try:
            for number in range(5):
                read_on.add(threading.get_ident())
                await asyncio.sleep(0)
                yield number
        finally:
            closed.append(True)

    lent = worker.lend(source())

    async def double() -> AsyncIterator[int]:
        async for number in lent:
            yield 2 * number

    assert [n async for n in worker.iterate(double)] == [0, 2, 4, 6, 8]
    assert read_on == {home}
    assert closed == [True]


async def test_cancels_a_reader_that_waits_for_what_was_lent(worker: Worker) -> None:
    closed: list[bool] = []

    async def never() -> AsyncIterator[int]:
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            closed.append(True)

    lent = worker.lend(never())

    async def read() -> AsyncIterator[int]:
        try:
            async for number in lent:
                yield number
        finally:
            await lent.aclose()  # type: ignore[attr-defined]

    relay = worker.iterate(read)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(relay), 0.05)
    await asyncio.wait_for(relay.aclose(), 2)
    assert closed == [True]


async def test_a_closed_worker_takes_no_work() -> None:
    worker = Worker("done")
    await worker.call(lambda: 1)
    await worker.close()
    await worker.close()
    with pytest.raises(RuntimeError, match="closed"):
        await worker.call(lambda: 1)


async def test_closing_a_worker_ends_what_it_is_at() -> None:
    worker = Worker("busy")
    closed: list[bool] = []

    def forever() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    relay = worker.iterate(forever)
    await anext(relay)
    await worker.close()
    assert closed == [True]
    await asyncio.wait_for(relay.aclose(), 1)


async def test_busy_counts_the_sources_own_time(worker: Worker) -> None:
    def slow() -> Iterator[int]:
        for number in range(3):
            time.sleep(0.02)
            yield number

    relay = worker.iterate(slow, limit=1)
    async for _ in relay:
        await asyncio.sleep(0.05)
    assert 0.06 <= relay.busy < 0.15


async def test_what_computes_in_one_step_is_told_that_it_is_not_wanted(worker: Worker) -> None:
    ended = threading.Event()

    def compute() -> Iterator[int]:
        cancellation = CURRENT.get()
        assert cancellation is not None
        with cancellation.on_cancel(ended.set):
            yield int(ended.wait(20))

    relay = worker.iterate(compute)
    await asyncio.sleep(0.05)
    began = time.monotonic()
    await relay.aclose()
    assert time.monotonic() - began < 1
    assert CURRENT.get() is None


def test_a_computation_that_begins_too_late_is_told_at_once() -> None:
    cancellation, told = Cancellation(), []
    with cancellation.on_cancel(lambda: told.append("before")):
        pass
    cancellation.cancel()
    assert told == []
    with cancellation.on_cancel(lambda: told.append("after")):
        assert told == ["after"]
