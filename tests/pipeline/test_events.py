import asyncio

import pytest

from visavis.pipeline.events import MAX_OBSERVERS, AnswerText, Event, EventHub


def make_event(number: int) -> AnswerText:
    return AnswerText(1, float(number), str(number))


def test_tells_everybody_in_order() -> None:
    hub, left, right = EventHub(), [], []
    leave = hub.subscribe(left.append)
    hub.subscribe(right.append)
    hub.publish(make_event(0))
    leave()
    leave()
    hub.publish(make_event(1))
    assert [e.at for e in left] == [0.0]
    assert [e.at for e in right] == [0.0, 1.0]


def test_an_observer_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    hub, seen = EventHub(), []

    def broken(event: Event) -> None:
        raise ValueError("broken")

    hub.subscribe(broken)
    hub.subscribe(seen.append)
    hub.publish(make_event(0))
    assert len(seen) == 1
    assert "AnswerText" in caplog.text


def test_observers_are_bounded() -> None:
    hub = EventHub()
    for _ in range(MAX_OBSERVERS):
        hub.subscribe(lambda event: None)
    with pytest.raises(RuntimeError, match="never leaves"):
        hub.subscribe(lambda event: None)


async def test_a_slow_reader_loses_the_oldest_and_knows() -> None:
    hub = EventHub()
    async with hub.stream(limit=3) as stream:
        for number in range(5):
            hub.publish(make_event(number))
        assert [(await anext(stream)).at for _ in range(3)] == [2.0, 3.0, 4.0]
        assert stream.dropped == 2


async def test_a_closed_stream_ends() -> None:
    hub = EventHub()
    stream = hub.stream()
    hub.publish(make_event(0))
    reader = asyncio.create_task(_read(stream))
    await asyncio.sleep(0.01)
    stream.close()
    assert [e.at for e in await asyncio.wait_for(reader, 1)] == [0.0]


async def _read(stream: object) -> list[Event]:
    return [event async for event in stream]  # type: ignore[attr-defined]
