"""Events down and commands up, as JSON text over a WebSocket."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from fastapi import WebSocket, WebSocketDisconnect

from visavis.apps.server.transports.intake import Intake
from visavis.apps.server.transports.ticks import Watched

logger = logging.getLogger(__name__)

ENDED = 4000
"""Close code: the session is over; there is nothing to come back to."""
TOO_SLOW = 4008
"""Close code: the events were not read; come back for a fresh ``session.started``."""
_PATIENCE = 20.0
"""Seconds that one event may take to be sent."""


async def serve_events(websocket: WebSocket, session: Watched) -> None:
    """Serve an accepted WebSocket until either side ends it.

    A page that was cut off comes back with a new WebSocket and is told ``session.started`` first.
    """
    session.note_connected()
    tasks = [
        asyncio.create_task(_send_events(websocket, session)),
        asyncio.create_task(_take_commands(websocket, session)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        session.note_disconnected()
        for result in results:
            if isinstance(result, Exception) and not _is_farewell(result):
                logger.error("an events socket of %s broke", session.id, exc_info=result)


async def _send_events(websocket: WebSocket, session: Watched) -> None:
    async with session.events() as events:
        async for event in events:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await websocket.send_text(event.model_dump_json())
            except TimeoutError:
                await _close(websocket, TOO_SLOW, "events were not read")
                return
    await _close(websocket, ENDED, "the session has ended")


async def _take_commands(websocket: WebSocket, session: Watched) -> None:
    intake = Intake(session)
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        said: str | bytes = message.get("text") or message.get("bytes") or ""
        refusal = await intake.take(said)
        if refusal is not None:
            await websocket.send_text(refusal.model_dump_json())


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):
        await websocket.close(code, reason)


def _is_farewell(error: Exception) -> bool:
    """Whether an exception only says that the other side is gone."""
    return isinstance(error, (WebSocketDisconnect, ConnectionError, RuntimeError))
