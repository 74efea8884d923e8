"""Where computing meets waiting: the only file with threads.

Each stage works on a thread of its own, which also runs an event loop of its own: a plain iterator
(an animator), an async one (a recogniser that computes for a second between two results) and a plain
call all run there, so that the conversation's loop never stands still. All work of one worker is done
on one thread, one item at a time; closing an iterator happens on that thread too.

A stage that hangs in native code cannot be broken off. A worker with patience gives such a thread up:
whoever waits for it gets an error, the next work is done on a new thread, and the one given up ends by
itself if the call ever returns; nothing that it makes then comes out.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from visavis.core.errors import StageError
from visavis.pipeline.relay import END, Relay, close_iterator

logger = logging.getLogger(__name__)

T = TypeVar("T")


CLOSING = 5.0
"""Seconds at most that closing waits for the item at hand."""
MOST_LOST = 3
"""Threads given up and not yet ended with which a worker takes no more work: each holds memory."""


class _Thread:
    """A thread with an event loop, until it is stopped.

    Attributes:
        loop: Runs on it.
        ended: Done once it has.
        users: Called when it is given up, on the loop of those who wait for it.
        is_lost: Whether it was.
        patience: Seconds that one item may take.
    """

    def __init__(self, name: str, patience: float | None, lose: Callable[[_Thread], None]) -> None:
        self.patience = patience
        self.loop = asyncio.new_event_loop()
        self.ended: Future[None] = Future()
        self.users: set[Callable[[], None]] = set()
        self.is_lost = False
        self._name = name
        self._lose = lose
        self._last: list[Callable[[], None]] = []
        # A daemon, so that a stage that hangs in native code cannot keep the program alive.
        self._thread = threading.Thread(target=self._run, name=f"visavis-{name}", daemon=True)
        self._thread.start()

    def at_end(self, function: Callable[[], None]) -> None:
        """Have a function called on the thread as the last thing, if it is not over yet."""
        self._last.append(function)

    def give_up(self) -> None:
        """Wait no longer for what it is at."""
        self._lose(self)

    def describe_loss(self) -> StageError:
        """Say that it was given up."""
        waited = "" if self.patience is None else f" for {self.patience:g} s"
        return StageError(
            f"nothing came from the {self._name}{waited}, and it is begun anew; try again",
            retryable=True,
        )

    def stop(self) -> None:
        """Ask for the end after what is running there now."""
        with suppress(RuntimeError):  # it is over already
            self.loop.call_soon_threadsafe(self.loop.stop)

    def join(self) -> None:
        """Wait for the little that comes after ``ended``."""
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        loop = self.loop
        asyncio.set_event_loop(loop)
        _name_thread(self._name)
        try:
            loop.run_forever()
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            for function in self._last:
                try:
                    function()
                except Exception:
                    logger.exception("the end of %r failed", self._name)
            self._last.clear()
            self.ended.set_result(None)


class Worker:
    """One thread with its own event loop, for one stage.

    The thread starts with the first work and ends with ``close``.

    Args:
        name: Of the stage, as errors name it.
        patience: Seconds that one item or call may take, waiting for its turn included, after which
            the thread is given up and another one begun; None to wait for ever.
        on_lost: Called when that happens, with a function that takes what is to be done on the lost
            thread if it ever comes back.
    """

    def __init__(
        self,
        name: str,
        patience: float | None = None,
        on_lost: Callable[[Callable[[Callable[[], None]], None]], None] = lambda at_end: None,
    ) -> None:
        self.name = name
        self.patience = patience
        self._on_lost = on_lost
        self._lock = threading.Lock()
        self._thread: _Thread | None = None
        self._lost: list[_Thread] = []
        self._closed = False

    def _ensure_thread(self) -> _Thread:
        with self._lock:
            if self._closed:
                raise RuntimeError(f"the worker {self.name!r} is closed")
            if self._thread is None:
                self._lost = [thread for thread in self._lost if not thread.ended.done()]
                if len(self._lost) >= MOST_LOST:
                    raise StageError(
                        f"nothing comes from the {self.name}: {MOST_LOST} attempts never came back;"
                        " open a new session, and if it stays so restart the server",
                        retryable=True,
                    )
                self._thread = _Thread(self.name, self.patience, self._lose)
            return self._thread

    def give_up(self) -> None:
        """Wait no longer for what the thread is at, if it is at something."""
        with self._lock:
            thread = self._thread
        if thread is not None and thread.users:
            self._lose(thread)

    def _lose(self, thread: _Thread) -> None:
        if thread.is_lost:
            return
        thread.is_lost = True
        with self._lock:
            self._lost.append(thread)
            if self._thread is thread:
                self._thread = None
        logger.error("the thread of the %s hangs and is given up", self.name)
        for fail in tuple(thread.users):
            fail()
        self._on_lost(thread.at_end)
        thread.stop()

    async def call(self, function: Callable[[], T]) -> T:
        """Run a plain function on the thread, after whatever is running there now.

        Raises:
            StageError: It took longer than the worker's patience.
        """
        result: Future[T] = Future()

        def work() -> None:
            if not result.set_running_or_notify_cancel():
                return
            try:
                result.set_result(function())
            except BaseException as error:
                result.set_exception(error)

        thread = self._ensure_thread()
        thread.loop.call_soon_threadsafe(work)
        waiting = asyncio.wrap_future(result)
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def fail() -> None:
            if not lost.done():
                lost.set_result(None)

        thread.users.add(fail)
        both: set[asyncio.Future[Any]] = {waiting, lost}
        try:
            await asyncio.wait(both, timeout=self.patience, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            self._lose(thread)
            raise thread.describe_loss()
        finally:
            thread.users.discard(fail)
            waiting.cancel()  # what has not begun never will

    def iterate(
        self, make: Callable[[], Iterator[T] | AsyncIterator[T]], *, limit: int = 2
    ) -> Relay[T]:
        """Run an iterator on the thread and hand its items over, ``limit`` ahead at most.

        Args:
            make: Called on the thread; what it returns is iterated and closed there.
            limit: Items that may be made before the reader takes one.
        """
        return Relay(self._ensure_thread(), make, limit)

    def lend(self, source: AsyncIterator[T]) -> AsyncIterator[T]:
        """Make an async iterator of the calling loop readable on this worker's thread.

        Closing what is returned closes ``source``, on the loop that it belongs to.
        """
        home = asyncio.get_running_loop()
        turn = asyncio.Lock()  # a step that was cancelled must be over before the source is closed

        async def step() -> Any:
            async with turn:
                try:
                    return await anext(source)
                except StopAsyncIteration:
                    return END

        async def close() -> None:
            async with turn:
                await close_iterator(source)

        async def relay() -> AsyncIterator[T]:
            try:
                while (item := await _await_on(home, step())) is not END:
                    yield item
            finally:
                if not home.is_closed():
                    await _await_on(home, close())

        return relay()

    async def close(self) -> None:
        """End the thread, waiting a little for the item that it is at. Safe to call twice."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.stop()
        patience = CLOSING if self.patience is None else min(CLOSING, self.patience)
        try:
            # Not wait_for: before Python 3.12 it can swallow a cancel that comes at the same time.
            async with asyncio.timeout(patience):
                await asyncio.shield(asyncio.wrap_future(thread.ended))
        except TimeoutError:
            self._lose(thread)
        else:
            thread.join()


def _name_thread(name: str) -> None:
    """Let the system's own tools (top -H, /proc) tell the stages apart; Linux keeps 15 bytes."""
    with suppress(OSError):
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name[:15])


async def _await_on(loop: asyncio.AbstractEventLoop, coroutine: Any) -> Any:
    """Await a coroutine on another loop; cancelling here cancels it there."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop))
