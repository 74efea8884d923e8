"""The routes of a live session behind a real HTTP server, with stand-in sessions."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import MISSING, fields
from typing import Any

import uvicorn
from fastapi import APIRouter, Depends, FastAPI
from live_standin import StandInSession

from visavis.apps.server import errors
from visavis.apps.server.api import live
from visavis.apps.server.auth import Gate, require_token
from visavis.apps.server.house import House
from visavis.apps.server.settings import ServerSettings
from visavis.apps.server.store.recorder import Recorder

TOKEN = "let-me-in"


def make_app(sessions: dict[str, StandInSession], settings: ServerSettings) -> FastAPI:
    nothing: Any = None
    gate = Gate(TOKEN)

    @asynccontextmanager
    async def open_house(app: FastAPI) -> AsyncIterator[None]:
        shared: Any = sessions
        absent = {f.name: nothing for f in fields(House) if f.init and f.default is MISSING}
        recorder = Recorder(nothing, "none")  # knows none of these sessions
        own = {"settings": settings, "sessions": shared, "gate": gate, "recorder": recorder}
        app.state.house = House(**absent | own)
        yield

    app = FastAPI(lifespan=open_house)
    app.state.gate = gate
    errors.install(app)
    guarded = APIRouter(dependencies=[Depends(require_token)])
    guarded.include_router(live.router)
    app.include_router(guarded)
    return app


@asynccontextmanager
async def serve(
    sessions: dict[str, StandInSession], settings: ServerSettings | None = None
) -> AsyncIterator[str]:
    """Serve on a free port; yields the address without scheme."""
    async with run(make_app(sessions, settings or ServerSettings())) as address:
        yield address


@asynccontextmanager
async def run(app: FastAPI) -> AsyncIterator[str]:
    """Serve an app on a free port; yields the address without scheme."""
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    app.state.uvicorn = server
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not task.done(), task
    listening = server.servers[0].sockets[0]
    # Accepted sockets inherit it; the system would hold megabytes for a client that does not read.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
    port = listening.getsockname()[1]
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
