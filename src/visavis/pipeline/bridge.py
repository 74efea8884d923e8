"""Where computing meets waiting: the only file with threads.

Each stage works on a thread of its own, which also runs an event loop of its own: a plain iterator
(an animator), an async one (a recogniser that computes for a second between two results) and a plain
call all run there, so that the conversation's loop never stands still. All work of one worker is done
on one thread, one item at a time; closing an iterator happens on that thread too.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from visavis.core.cancelling import CURRENT, Cancellation

logger = logging.getLogger(__name__)

T = TypeVar("T")
_END = object()


class Worker:
    """One thread with its own event loop, for one stage.

    The thread starts with the first work and ends with ``close``. It is a daemon, so that a stage
    that hangs in native code cannot keep the program alive.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ended: Future[None] = Future()
        self._closed = False

    def _ensure_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise RuntimeError(f"the worker {self.name!r} is closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._run, args=(self._loop,), name=f"visavis-{self.name}", daemon=True
                )
                self._thread.start()
            return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        _name_thread(self.name)
        try:
            loop.run_forever()
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            self._ended.set_result(None)

    async def call(self, function: Callable[[], T]) -> T:
        """Run a plain function on the thread, after whatever is running there now."""
        result: Future[T] = Future()

        def work() -> None:
            if not result.set_running_or_notify_cancel():
                return
            try:
                result.set_result(function())
            except BaseException as error:
                result.set_exception(error)

        self._ensure_loop().call_soon_threadsafe(work)
        return await asyncio.wrap_future(result)

    def iterate(
        self, make: Callable[[], Iterator[T] | AsyncIterator[T]], *, limit: int = 2
    ) -> Relay[T]:
        """Run an iterator on the thread and hand its items over, ``limit`` ahead at most.

        Args:
            make: Called on the thread; what it returns is iterated and closed there.
            limit: Items that may be made before the reader takes one.
        """
        return Relay(self._ensure_loop(), make, limit)

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
                    return _END

        async def close() -> None:
            async with turn:
                await _close_iterator(source)

        async def relay() -> AsyncIterator[T]:
            try:
                while (item := await _await_on(home, step())) is not _END:
                    yield item
            finally:
                if not home.is_closed():
                    await _await_on(home, close())

        return relay()

    async def close(self, patience: float = 5.0) -> None:
        """End the thread, waiting for the item that it is at. Safe to call twice."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        try:
            # Not wait_for: before Python 3.12 it can swallow a cancel that comes at the same time.
            async with asyncio.timeout(patience):
                await asyncio.shield(asyncio.wrap_future(self._ended))
        except TimeoutError:
            logger.warning("the stage %r did not stop within %.0f s", self.name, patience)
        else:
            thread.join(timeout=1.0)


def _name_thread(name: str) -> None:
    """Let the system's own tools (top -H, /proc) tell the stages apart; Linux keeps 15 bytes."""
    with suppress(OSError):
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name[:15])


async def _await_on(loop: asyncio.AbstractEventLoop, coroutine: Any) -> Any:
    """Await a coroutine on another loop; cancelling here cancels it there."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop))


class Relay(Generic[T]):
    """Items made on a worker's thread, read on the loop that opened it.

    An async iterator. ``aclose`` stops the making after the item at hand, and returns when the
    iterator there is closed; it must be called when the reader leaves early.
    """

    def __init__(
        self,
        there: asyncio.AbstractEventLoop,
        make: Callable[[], Iterator[T] | AsyncIterator[T]],
        limit: int,
    ) -> None:
        if limit < 1:
            raise ValueError("a relay needs room for one item at least")
        self._here = asyncio.get_running_loop()
        self._there = there
        self._items: asyncio.Queue[Any] = asyncio.Queue()  # bounded by the credits
        self._credits = asyncio.Semaphore(limit)
        self._ended = asyncio.Event()
        self._finished = False
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._cancellation = Cancellation()
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
            source = make()
            if hasattr(source, "__aiter__"):
                async for item in source:
                    self.busy += time.perf_counter() - began
                    await self._hand_over(item)
                    began = time.perf_counter()
            else:
                for item in source:
                    self.busy += time.perf_counter() - began
                    await self._hand_over(item)
                    began = time.perf_counter()
            self.busy += time.perf_counter() - began
        finally:
            await _close_iterator(source)

    def _report_end(self, task: asyncio.Task[None]) -> None:
        # A done callback, not a finally: a task that is cancelled before its first step has none.
        error = None if task.cancelled() else task.exception()
        with suppress(RuntimeError):  # the reader's loop is gone: nobody waits for the end
            self._here.call_soon_threadsafe(self._end, _Failure(error) if error else _END)

    async def _hand_over(self, item: T) -> None:
        self._here.call_soon_threadsafe(self._items.put_nowait, item)
        # A semaphore with credit left does not yield, and a cancel would never get through.
        await asyncio.sleep(0)
        await self._credits.acquire()

    # On the reader's loop.

    def _end(self, last: Any) -> None:
        self._items.put_nowait(last)
        self._ended.set()

    def __aiter__(self) -> Relay[T]:
        return self

    async def __anext__(self) -> T:
        if self._finished:
            raise StopAsyncIteration
        item = await self._items.get()
        if item is _END or isinstance(item, _Failure):
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


async def _close_iterator(source: Any) -> None:
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()
        return
    close = getattr(source, "close", None)
    if close is not None:
        close()
