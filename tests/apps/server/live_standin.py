"""A session that obeys the contract of live sessions and shows what tests can measure."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from visavis.apps.server.protocol.events import Failure, Pong, SessionEnded, SessionStarted
from visavis.core.types import Waveform

FLASH_EVERY = 50
"""Ticks from one white picture, with a beep in it, to the next."""


class Tick(NamedTuple):
    index: int
    image: Any
    sound: Any
    turn: int = 0


class _Place:
    def __init__(self, session: StandInSession, places: set[Any], limit: int) -> None:
        self._session, self._places, self._limit = session, places, limit
        self._items: deque[Any] = deque()
        self._arrived = asyncio.Event()
        self.dropped = 0

    def put(self, item: Any) -> None:
        if len(self._items) >= self._limit:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)
        self._arrived.set()

    async def __aenter__(self) -> _Place:
        self._places.add(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._places.discard(self)

    def __aiter__(self) -> _Place:
        return self

    async def __anext__(self) -> Any:
        while not self._items:
            if self._session.is_closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._items.popleft()


class StandInSession:
    """Ticks in real time: grey with a moving bar, and every two seconds one white one that beeps."""

    def __init__(self, id: str = "s1", size: int = 128, first: int = 0) -> None:
        self.id = id
        self.width = self.height = size
        self.viewers: set[Any] = set()
        self.listeners: set[Any] = set()
        self.commands: list[Any] = []
        self.heard: list[Waveform] = []
        self.connections = 0
        self.most_connections = 0
        self.is_closed = False
        self.index = first
        self.sent_at: dict[int, float] = {}
        self.sent_wall: dict[int, float] = {}
        self.skip: set[int] = set()
        self._numbers = itertools.count(1)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        began, first = time.monotonic(), self.index
        while True:
            tick = self.make_tick(self.index)
            await asyncio.sleep(max(0.0, began + (self.index - first) / 25 - time.monotonic()))
            self.sent_at[self.index] = time.monotonic()
            self.sent_wall[self.index] = time.time()
            if self.index not in self.skip:
                for viewer in list(self.viewers):
                    viewer.put(tick)
            self.index += 1

    def make_tick(self, index: int) -> Tick:
        flash = index % FLASH_EVERY == 0 and index > 0
        image = np.full((self.height, self.width, 3), 250 if flash else 60, np.uint8)
        if not flash:
            image[:, index % self.width] = 90
        sound = np.zeros(960, np.float32)
        if flash:
            sound += (0.7 * np.sin(2 * np.pi * 1000 * np.arange(960) / 24000)).astype(np.float32)
        return Tick(index, image, sound)

    async def close(self, reason: Any = "closed", message: str = "") -> None:
        if self.is_closed:
            return
        self.is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.tell(SessionEnded(seq=99, reason=reason, message=message))
        for place in (*self.viewers, *self.listeners):
            place._arrived.set()

    def watch(self, limit: int = 25) -> _Place:
        return _Place(self, self.viewers, limit)

    def events(self, limit: int = 512) -> _Place:
        place = _Place(self, self.listeners, limit)
        place.put(
            SessionStarted(
                session=self.id,
                avatar="a",
                voices={},
                language="auto",
                emotion="auto",
                microphone="push",
                state="idle",
                width=self.width,
                height=self.height,
                fps=25,
                sample_rate=24000,
                idle_limit=300,
                at=self.index / 25,
            )
        )
        return place

    def tell(self, event: Any) -> None:
        for listener in list(self.listeners):
            listener.put(event)

    async def handle(self, command: Any) -> None:
        self.commands.append(command)
        if command.type == "ping":
            number = next(self._numbers)
            self.tell(Pong(seq=number, at=self.index / 25, sent=command.sent))
        if command.type == "say":
            self.tell(Failure(seq=next(self._numbers), code="TextUnusable", message=command.text))

    def hear(self, sound: Waveform) -> None:
        self.heard.append(sound)

    def note_connected(self) -> None:
        self.connections += 1
        self.most_connections = max(self.most_connections, self.connections)

    def note_disconnected(self) -> None:
        self.connections -= 1
