"""Being asked to stop: SIGTERM and SIGINT let the step end and the checkpoint be written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Asked(threading.Event):
    """Set when somebody asks; ``number`` is then the signal's."""

    number = 0


@contextmanager
def asked_to_stop() -> Iterator[Asked]:
    """Give an event that SIGTERM or SIGINT sets; a second SIGINT stops at once.

    In another thread than the main one, where signals cannot be taken, nothing sets it.
    """
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def take(number: int, frame: FrameType | None) -> None:
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.number = number
        asked.set()

    before = {number: signal.signal(number, take) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
