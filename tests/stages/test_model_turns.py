"""Turns at a server that holds one model at a time."""

import asyncio
import threading

import pytest

from visavis.core.errors import StageError
from visavis.stages.synthesizers.model_turns import Models, use_models


async def test_who_waits_too_long_is_told() -> None:
    async def load(_: Models) -> None:
        await asyncio.sleep(0)

    async with use_models("http://x", Models("a", "a"), load, 1.0):
        async with use_models("http://x", Models("a", "a"), load, 1.0):
            pass
        waiting = use_models("http://x", Models("b", "b"), load, 0.1)
        with pytest.raises(StageError, match="busy with another voice") as caught:
            await waiting.__aenter__()
        assert caught.value.retryable
    async with use_models("http://x", Models("b", "b"), load, 0.1):
        pass


async def test_turns_across_threads() -> None:
    inside: list[str] = []
    clashes: list[str] = []

    async def load(_: Models) -> None:
        await asyncio.sleep(0.002)

    async def work(name: str) -> None:
        for _ in range(5):
            async with use_models("http://y", Models(name, name), load, 10.0):
                inside.append(name)
                clashes.extend(other for other in inside if other != name)
                await asyncio.sleep(0.002)
                inside.remove(name)

    threads = [threading.Thread(target=lambda n=n: asyncio.run(work(n))) for n in "abab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert not inside
    assert not clashes
