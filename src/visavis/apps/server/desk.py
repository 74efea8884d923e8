"""Where requests that compute wait for their turn: live sessions have the machine first."""

from __future__ import annotations

import asyncio
from types import TracebackType

from visavis.apps.server.errors import Busy

AT_ONCE = 2
"""Requests that compute at once."""
WAITING_LIMIT = 32
"""Requests that may wait."""


class Desk:
    """Lets a few in at once, some wait, and sends the rest away.

    ``async with desk`` for a request; ``async with desk.seat`` for one that has begun already and
    must not be sent away any more.
    """

    def __init__(self) -> None:
        self.seat = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    def locked(self) -> bool:
        """Whether the next one would have to wait."""
        return self.seat.locked()

    async def __aenter__(self) -> None:
        """Wait for a seat.

        Raises:
            Busy: Too many wait already.
        """
        if self._waiting >= WAITING_LIMIT:
            raise Busy(f"{self._waiting} requests wait already; try again in a moment")
        self._waiting += 1
        try:
            await self.seat.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the seat."""
        self.seat.release()
