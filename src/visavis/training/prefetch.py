"""Batches made ahead in threads, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import TypeVar

T = TypeVar("T")


def make_ahead(
    make: Callable[[int], T], first: int, every: int = 1, depth: int = 3, workers: int = 1
) -> Iterator[T]:
    """Yield ``make(first)``, ``make(first + every)``, … for ever.

    Args:
        make: Of a number; called in other threads, by several at once if ``workers`` is more than 1.
        first: Number.
        every: What is added for the next.
        depth: How many are made ahead at most.
        workers: Threads.
    """
    numbers = count(first, every)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="batches")
    waiting: deque[Future[T]] = deque()
    try:
        waiting.extend(pool.submit(make, next(numbers)) for _ in range(max(1, depth)))
        while True:
            made = waiting.popleft().result()
            waiting.append(pool.submit(make, next(numbers)))
            yield made
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
