"""What computes for requests: a few at once, some wait, the rest are sent away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from api_client import error_of, open_api

from visavis.apps.assemble import Cast
from visavis.apps.server import desk
from visavis.apps.server.desk import AT_ONCE, Desk
from visavis.apps.server.errors import Busy


async def test_a_few_at_once() -> None:
    place, inside, most = Desk(), 0, 0

    async def visit() -> None:
        nonlocal inside, most
        async with place:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*(visit() for _ in range(20)))
    assert most == AT_ONCE
    assert not place.locked()


async def test_who_goes_away_while_waiting_leaves_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "WAITING_LIMIT", 1)
    place = Desk()
    for _ in range(AT_ONCE):
        await place.__aenter__()
    waiting = asyncio.create_task(place.__aenter__())
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="1 requests wait"):
        await place.__aenter__()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    again = asyncio.create_task(place.__aenter__())
    await asyncio.sleep(0)
    assert not again.done()
    await place.__aexit__(None, None, None)
    await again


async def test_too_many_are_told_when_to_come_back(
    tmp_path: Path, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "WAITING_LIMIT", 0)
    async with open_api(tmp_path, cast) as api:
        response = await api.post("/api/v1/answers", json={"question": "How?"})
        assert error_of(response) == (503, "Busy")
        assert response.headers["retry-after"] == "5"
        response = await api.post("/v1/audio/speech", json={"input": "Hello."})
        assert response.status_code == 503
        assert response.json()["error"]["type"] == "server_error"
