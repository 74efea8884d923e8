"""One picture with its sound, and the bounded stream by which a watcher gets them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from visavis.core.types import FPS, Floats, Picture

SAMPLE_RATE = 24_000
"""Hz of the sound of all ticks."""
TICK_SAMPLES = SAMPLE_RATE // FPS


@dataclass(frozen=True, slots=True, eq=False)
class Tick:
    """One picture and its sound.

    Attributes:
        index: Its time is ``index / 25`` seconds since the stream began.
        image: RGB uint8 (H, W, 3); not to be written to.
        sound: float32 (960,) at 24 kHz.
        turn: Whose sound it is; 0 between turns.
    """

    index: int
    image: Picture
    sound: Floats
    turn: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the stream was broken off.

    Attributes:
        picture: Number of the last picture shown, or None where the face does not count them.
        turn: Whose sound was sent last; 0 where none was.
        sent: Seconds of that turn that were sent.
    """

    picture: int | None
    turn: int
    sent: float


@dataclass(slots=True)
class Counts:
    """What happened so far.

    Attributes:
        ticks: Sent.
        late: More than one period after they were due.
        stalls: Times that the schedule was moved.
        repeats: Ticks that show the picture before once more.
        starved: Ticks without sound in the middle of a turn.
        worst: Seconds that the latest tick came after it was due.
    """

    ticks: int = 0
    late: int = 0
    stalls: int = 0
    repeats: int = 0
    starved: int = 0
    worst: float = 0.0


class TickStream:
    """Ticks as an async iterator. A slow reader loses the oldest, whole, and they are counted.

    Use it with ``async with``; it ends when the session ends.
    """

    def __init__(self, limit: int, leave: Callable[[TickStream], None]) -> None:
        self._ticks: deque[Tick] = deque(maxlen=limit)
        self._arrived = asyncio.Event()
        self._leave = leave
        self._closed = False
        self.dropped = 0

    def put(self, tick: Tick) -> None:
        """Hand a tick over."""
        if len(self._ticks) == self._ticks.maxlen:
            self.dropped += 1
        self._ticks.append(tick)
        self._arrived.set()

    def close(self) -> None:
        """Take nothing more. Safe to call twice."""
        if not self._closed:
            self._closed = True
            with suppress(ValueError):
                self._leave(self)
            self._arrived.set()

    async def __aenter__(self) -> TickStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        self._ticks.clear()

    def __aiter__(self) -> TickStream:
        return self

    async def __anext__(self) -> Tick:
        while not self._ticks:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._ticks.popleft()
