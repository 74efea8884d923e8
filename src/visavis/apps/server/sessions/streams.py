"""Events of a session for whoever reads them: bounded, beginning with how things stand."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from visavis.apps.server.protocol import ServerEvent


class EventReader:
    """Events as an async iterator; use it with ``async with``.

    The first is always ``session.started``; ``session.ended`` is the last. When the reader is slow
    the oldest in between are lost, which shows in the gap of ``seq``.
    """

    def __init__(
        self,
        limit: int,
        first: ServerEvent,
        leave: Callable[[EventReader], None],
    ) -> None:
        self._first: ServerEvent | None = first
        self._events: deque[ServerEvent] = deque(maxlen=max(limit, 2))
        self._leave = leave
        self._arrived = asyncio.Event()
        self._closed = False
        self.dropped = 0

    def put(self, event: ServerEvent) -> None:
        """Hand an event over."""
        if len(self._events) == self._events.maxlen:
            self.dropped += 1
        self._events.append(event)
        self._arrived.set()

    def end(self, last: ServerEvent) -> None:
        """Hand the last event over; the reader ends behind it."""
        self._events.append(last)
        self.close()

    def close(self) -> None:
        """Take nothing more. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._leave(self)
            self._arrived.set()

    async def __aenter__(self) -> EventReader:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        self._events.clear()

    def __aiter__(self) -> EventReader:
        return self

    async def __anext__(self) -> ServerEvent:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()
