"""The face on a thread of its own: called, asked for pictures, and opened anew where it hangs."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import TypeVar

from visavis.core.errors import Cancelled, StageError
from visavis.core.protocols import Performance, Rewindable, Thrifty
from visavis.core.types import Segment, VideoFrame
from visavis.pipeline.bridge import CLOSING, Worker
from visavis.pipeline.pace import Pace
from visavis.pipeline.relay import Relay

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Face:
    """A performance, which nobody else may call.

    Args:
        performance: Open; closed with the face.
        patience: Seconds that one step of it may take; None to wait for ever.
        reopen: Opens another like it, on the face's thread, where it took longer. None: nothing can
            be shown any more after that.
        pace: Knows whether pictures must be spared.
    """

    def __init__(
        self,
        performance: Performance,
        patience: float | None = None,
        reopen: Callable[[], Performance] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._performance: Performance | None = performance
        self._lookahead = performance.lookahead
        self._reopen = reopen
        self._pace = pace
        self._worker = Worker("animator", patience, self._note_lost)
        self._lock = threading.Lock()
        self._at_work = 0
        self.losses = 0
        """Performances that hung."""

    @property
    def lookahead(self) -> float:
        """Seconds that the performance holds back."""
        performance = self._performance
        if performance is not None:
            self._lookahead = performance.lookahead
        return self._lookahead

    async def call(self, work: Callable[[Performance], T]) -> T:
        """Call the performance on its own thread."""
        return await self._worker.call(lambda: work(self._present()))

    async def next_idle(self) -> VideoFrame | None:
        """Make a picture between turns, or None while the face is at work on speech."""
        losses, was_at_work = self.losses, bool(self._at_work)

        def make() -> VideoFrame | None:
            # Looked at on the face's thread: an idle picture must not fall between two segments.
            return None if self._at_work else self._present().idle()

        try:
            return await self._worker.call(make)
        except StageError:
            if losses != self.losses and (was_at_work or self._at_work):
                return None  # it was the speech that hung, and whoever waits for that tells so
            raise

    async def reset(self, picture: int | None = None, losses: int | None = None) -> None:
        """Let the face forget its sound; one that cannot is left to fail at what comes next.

        Args:
            picture: Number of the picture that was shown last; those after it never were.
            losses: As it was when that picture was shown: another performance counts anew.
        """

        def reset(performance: Performance) -> None:
            performance.reset()
            same = losses is None or losses == self.losses
            if picture is not None and same and isinstance(performance, Rewindable):
                performance.rewind(picture)

        try:
            await self.call(reset)
        except Exception:
            logger.exception("the face could not be reset")

    async def change(self, performance: Performance) -> None:
        """Take another performance and close the one before."""

        def change() -> None:
            if self._performance is not None:
                self._performance.close()
            self._performance = performance

        losses = self.losses
        try:
            await self._worker.call(change)
        except StageError:
            if losses == self.losses:
                raise
            await self._worker.call(change)  # on the thread that follows

    def show(self, make: Callable[[Performance], Iterator[Segment]], limit: int) -> Relay[Segment]:
        """Let the performance make segments, ``limit`` ahead at most; end it with ``calm``."""
        relay = self._worker.iterate(lambda: self._keep_up(make), limit=limit)
        self._at_work += 1
        return relay

    async def calm(self, relay: Relay[Segment]) -> None:
        """Wait until what ``show`` gave is closed: nothing else may come to the face before."""
        try:
            with suppress(Exception):
                await relay.aclose()
        finally:
            self._at_work -= 1

    def give_up(self) -> None:
        """Wait no longer for what it is at."""
        self._worker.give_up()

    async def close(self) -> None:
        """Close the performance and end the thread."""
        try:
            if self._performance is not None:
                async with asyncio.timeout(None if self._worker.patience is None else CLOSING):
                    await self.call(lambda performance: performance.close())
        except TimeoutError:
            pass  # the worker waits no longer either
        finally:
            self._performance = None
            await self._worker.close()

    # On the face's thread.

    def _present(self) -> Performance:
        """The performance, or a new one in place of one that hung."""
        if self._performance is not None:
            return self._performance
        if self._reopen is None:
            raise StageError("the face hung and cannot be shown any more; open a new session")
        losses = self.losses
        performance = self._reopen()
        with self._lock:
            if losses == self.losses:
                self._performance = performance
                return performance
        performance.close()
        raise Cancelled("this thread was given up while it opened the face")

    def _keep_up(self, make: Callable[[Performance], Iterator[Segment]]) -> Iterator[Segment]:
        """Let the face make do with half the pictures while too few are in reserve."""
        performance, pace = self._present(), self._pace
        if pace is None or not isinstance(performance, Thrifty):
            yield from make(performance)
            return
        with closing(make(performance)) as segments:  # type: ignore[type-var]
            while True:
                performance.spare(pace.is_short)
                segment = next(segments, None)
                if segment is None:
                    return
                pace.note_made(len(segment.frames))
                yield segment

    def _note_lost(self, at_end: Callable[[Callable[[], None]], None]) -> None:
        with self._lock:
            self.losses += 1
            lost, self._performance = self._performance, None
        if lost is not None:
            at_end(lost.close)
