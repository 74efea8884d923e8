"""The bounded queue that segments leave by. It never lets out what belongs to an older turn."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from visavis.core.types import Segment


@dataclass(frozen=True, slots=True, eq=False)
class TurnMark:
    """The end of a turn, in its place among the segments."""

    turn: int
    error: Exception | None = None


class Outbox:
    """Segments and turn ends in order; at most ``limit`` frames wait (and one segment more).

    All methods are called on one event loop. There is one reader at a time.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError("an outbox needs room for one frame at least")
        self.limit = limit
        self._items: deque[Segment | TurnMark] = deque()
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def frames(self) -> int:
        """Frames that wait."""
        return sum(len(item.frames) for item in self._items if isinstance(item, Segment))

    async def put(self, item: Segment | TurnMark) -> None:
        """Append, waiting for room. A cancelled put leaves nothing behind."""
        while isinstance(item, Segment) and self.frames >= self.limit and not self._closed:
            await self._wait()
        self.put_now(item)

    def put_now(self, item: Segment | TurnMark) -> None:
        """Append without waiting: for marks, which are few."""
        if not self._closed:
            self._items.append(item)
            self._changed.set()

    async def peek(self) -> Segment | TurnMark | None:
        """Wait for the next item and leave it; None when closed and empty."""
        while not self._items:
            if self._closed:
                return None
            await self._wait()
        return self._items[0]

    def pop(self) -> None:
        """Take away what ``peek`` showed, if it is still there."""
        if self._items:
            self._items.popleft()
            self._changed.set()

    def clear(self) -> None:
        """Drop everything that waits."""
        self._items.clear()
        self._changed.set()

    def close(self) -> None:
        """Take nothing more; readers get what is left and then None."""
        self._closed = True
        self._changed.set()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
