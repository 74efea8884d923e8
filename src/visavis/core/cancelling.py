"""Breaking off a computation that one call into native code does, from another thread.

Closing an iterator stops a stage between two of its steps. A network that computes a sentence for
seconds in one step must be told itself: whoever runs the stage sets ``CURRENT``, and what computes
asks to be called with ``on_cancel``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Cancellation:
    """Whether a piece of work is still wanted. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Callable[[], None]] = []
        self.is_cancelled = False

    def cancel(self) -> None:
        """Say that it is not, once and for all."""
        with self._lock:
            self.is_cancelled = True
            calls, self._calls = self._calls, []
        for call in calls:
            call()

    @contextmanager
    def on_cancel(self, call: Callable[[], None]) -> Iterator[None]:
        """Have a function called, on the thread that cancels, if that happens meanwhile."""
        with self._lock:
            if not self.is_cancelled:
                self._calls.append(call)
                call_now = False
            else:
                call_now = True
        if call_now:
            call()
        try:
            yield
        finally:
            with self._lock:
                if call in self._calls:
                    self._calls.remove(call)


CURRENT: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)
"""Of the work that the running code belongs to; None where nobody can break it off."""
