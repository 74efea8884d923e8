"""Items made on one thread and read on another loop, a few ahead at most."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from visavis.core.cancelling import CURRENT, Cancellation
from visavis.core.errors import StageError

T = TypeVar("T")
OBEDIENCE = 20.0
"""Seconds at most within which an iterator must come back that was told to stop."""
END = object()
"""Stands for the end of an iterator."""


class Thread(Protocol):
    """Where the items are made; see ``bridge``.

    Attributes:
        loop: Runs there.
        users: Called when the thread is given up.
        patience: Seconds that one item may take; None for ever.
    """

    loop: asyncio.AbstractEventLoop
    users: set[Callable[[], None]]
    patience: float | None

    def give_up(self) -> None:
        """Wait no longer for what it is at."""
        ...

    def describe_loss(self) -> StageError:
        """Say that it was given up."""
        ...


class Relay(Generic[T]):
    """Items made on a worker's thread, read on the loop that opened it.

    An async iterator. ``aclose`` stops the making after the item at hand, and returns when the
    iterator there is closed; it must be called when the reader leaves early.
    """

    def __init__(
        self,
        thread: Thread,
        make: Callable[[], Iterator[T] | AsyncIterator[T]],
        limit: int,
    ) -> None:
        if limit < 1:
            raise ValueError("a relay needs room for one item at least")
        self._thread = thread
        self._here = asyncio.get_running_loop()
        self._there = thread.loop
        self._items: asyncio.Queue[Any] = asyncio.Queue()  # bounded by the credits
        self._credits = asyncio.Semaphore(limit)
        self._ended = asyncio.Event()
        self._finished = False
        self._stopping = False
        self._overdue: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._cancellation = Cancellation()
        thread.users.add(self._fail)
        self.busy = 0.0
        """Seconds that the source was at work, or waited for its own input."""
        self._there.call_soon_threadsafe(self._start, make)

    # On the worker's thread.

    def _start(self, make: Callable[[], Iterator[T] | AsyncIterator[T]]) -> None:
        self._task = self._there.create_task(self._produce(make))
        self._task.add_done_callback(self._report_end)
        if self._stopping:
            self._task.cancel()

    async def _produce(self, make: Callable[[], Iterator[T] | AsyncIterator[T]]) -> None:
        source: Any = None
        began = time.perf_counter()
        CURRENT.set(self._cancellation)  # of this task alone
        try:
            await self._credits.acquire()
            if self._is_unwanted():
                return
            source = make()
            if hasattr(source, "__aiter__"):
                async for item in source:
                    self.busy += time.perf_counter() - began
                    if self._is_unwanted():
                        return  # also where the cancel has not come through yet
                    await self._hand_over(item)
                    began = time.perf_counter()
            else:
                for item in source:
                    self.busy += time.perf_counter() - began
                    if self._is_unwanted():
                        return
                    await self._hand_over(item)
                    began = time.perf_counter()
            self.busy += time.perf_counter() - began
        finally:
            await close_iterator(source)

    def _is_unwanted(self) -> bool:
        return self._stopping

    def _report_end(self, task: asyncio.Task[None]) -> None:
        # A done callback, not a finally: a task that is cancelled before its first step has none.
        error = None if task.cancelled() else task.exception()
        with suppress(RuntimeError):  # the reader's loop is gone: nobody waits for the end
            self._here.call_soon_threadsafe(self._end, _Failure(error) if error else END)

    async def _hand_over(self, item: T) -> None:
        self._here.call_soon_threadsafe(self._items.put_nowait, item)
        # A semaphore with credit left does not yield, and a cancel would never get through.
        await asyncio.sleep(0)
        await self._credits.acquire()

    # On the reader's loop.

    def _end(self, last: Any) -> None:
        self._thread.users.discard(self._fail)
        if self._overdue is not None:
            self._overdue.cancel()
        self._items.put_nowait(last)
        self._ended.set()

    def _fail(self) -> None:
        """The thread is given up; what it may still make is not wanted."""
        self._stopping = True
        self._cancellation.cancel()
        self._end(_Failure(self._thread.describe_loss()))

    def __aiter__(self) -> Relay[T]:
        return self

    async def __anext__(self) -> T:
        if self._finished:
            raise StopAsyncIteration
        try:
            async with asyncio.timeout(self._thread.patience):
                item = await self._items.get()
        except TimeoutError:
            self._thread.give_up()
            item = await self._items.get()
        if item is END or isinstance(item, _Failure):
            self._finished = True
            if isinstance(item, _Failure):
                raise item.error
            raise StopAsyncIteration
        with suppress(RuntimeError):
            self._there.call_soon_threadsafe(self._credits.release)
        return item  # type: ignore[no-any-return]

    def stop(self) -> None:
        """Ask for the end without waiting for it."""
        self._finished = True
        if not self._stopping:
            self._stopping = True
            self._cancellation.cancel()
            with suppress(RuntimeError):
                self._there.call_soon_threadsafe(self._cancel_task)
            patience = self._thread.patience
            if patience is not None and not self._ended.is_set():
                self._overdue = self._here.call_later(
                    min(patience, OBEDIENCE), self._thread.give_up
                )

    def _cancel_task(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def aclose(self) -> None:
        """Stop and wait until the iterator on the thread is closed."""
        self.stop()
        await self._ended.wait()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


async def close_iterator(source: Any) -> None:
    """Close an iterator of either kind, where it can be closed."""
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()
        return
    close = getattr(source, "close", None)
    if close is not None:
        close()
