"""The whole app, for tests: by direct calls, or behind a real HTTP server."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn

from visavis.apps.assemble import Cast
from visavis.apps.server.app import create_app
from visavis.apps.server.house import House
from visavis.apps.server.settings import load_server_settings

USER, ADMIN = "user-token", "admin-token"
AS_USER = {"Authorization": f"Bearer {USER}"}
AS_ADMIN = {"Authorization": f"Bearer {ADMIN}"}
SITE = "http://visavis.test"


@dataclass
class Api:
    client: httpx.AsyncClient
    house: House

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(path, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.post(path, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.delete(path, **options)


@asynccontextmanager
async def open_api(
    folder: Path, cast: Cast | None = None, *, headers: dict[str, str] | None = None, **options: Any
) -> AsyncIterator[Api]:
    """Open the app and a client that calls it as a user."""
    options = {"token": USER, "admin_token": ADMIN, "sessions": 2, **options}
    app = create_app(load_server_settings(data=folder, **options), cast=cast)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        given = AS_USER if headers is None else headers
        async with httpx.AsyncClient(transport=transport, base_url=SITE, headers=given) as client:
            yield Api(client, app.state.house)


@asynccontextmanager
async def serve_api(
    folder: Path, cast: Cast | None = None, **options: Any
) -> AsyncIterator[tuple[str, House]]:
    """Serve the app on a free port; gives host and port."""
    options = {"token": USER, "admin_token": ADMIN, "sessions": 2, **options}
    app = create_app(load_server_settings(data=folder, **options), cast=cast)
    config = uvicorn.Config(app, port=0, log_level="error", ws="websockets-sansio")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not task.done(), task
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"127.0.0.1:{port}", app.state.house
    finally:
        server.should_exit = True
        await task


def make_wav(seconds: float = 1.0, rate: int = 16_000, level: float = 0.1) -> bytes:
    """A WAV file of noise; of silence at level 0."""
    noise = np.random.default_rng(0).normal(0, 1, round(seconds * rate)) * level
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((np.clip(noise, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Status and code of an error, whose form is checked."""
    error = response.json()["error"]
    assert set(error) == {"code", "message", "retryable"}, error
    assert error["message"]
    return response.status_code, error["code"]
