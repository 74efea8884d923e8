"""How a long write is stopped: between two steps, so that all of it is taken back."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def stop_between_steps() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C and SIGTERM stop the work at its next step; the second one stops it at once.

    An exception in the middle of a statement would keep SQLite's lock for as long as its traceback
    lives, and whoever clears up would wait for it. Elsewhere than in the main thread nothing is
    changed.

    Yields:
        What tells whether to stop.
    """
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped.is_set
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
