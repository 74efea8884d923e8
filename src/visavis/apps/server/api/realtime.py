"""OpenAI's realtime events over a WebSocket, with the video beside it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket
from starlette.websockets import WebSocketDisconnect

from visavis.apps.server.api.sessions import find_session
from visavis.apps.server.auth import choose_subprotocol
from visavis.apps.server.house import HouseOf
from visavis.apps.server.realtime.client import Realtime
from visavis.apps.server.realtime.telling import Telling
from visavis.apps.server.realtime.wire import EventUnusable

logger = logging.getLogger(__name__)

router = APIRouter(tags=["openai"])

_GOING_AWAY = 1001


@router.websocket("/v1/realtime")
async def talk(
    websocket: WebSocket,
    house: HouseOf,
    model: Annotated[str, Query(max_length=200)] = "visavis",
    avatar: Annotated[str, Query(max_length=200)] = "",
    session: Annotated[str, Query(max_length=64, description="One that lives.")] = "",
) -> None:
    """Talk with a session by OpenAI's realtime events; `session.created` says how to watch it."""
    if session:
        live = find_session(house, session)
    else:
        if avatar:
            from visavis.stages.avatars import store

            await asyncio.to_thread(store.find, avatar)
        live = await house.sessions.open(avatar=avatar, microphone="open")
    beta = "realtime=v1" in websocket.headers.get("openai-beta", "")
    sending = asyncio.Lock()

    async def send(event: dict[str, Any]) -> None:
        async with sending:
            await websocket.send_text(json.dumps(event, ensure_ascii=False))

    telling = Telling(live, send, beta=beta)
    realtime = Realtime(house, live, telling, model)
    live.note_connected()
    try:
        await websocket.accept(subprotocol=choose_subprotocol(websocket))
        await realtime.greet()
        relaying = [
            asyncio.create_task(telling.relay_events()),
            asyncio.create_task(telling.relay_sound()),
        ]
        reading = asyncio.create_task(_read(websocket, realtime))
        try:
            # The events end when the session does; the reading when the client leaves.
            await asyncio.wait([reading, relaying[0]], return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                await websocket.close(_GOING_AWAY)
        finally:
            for task in (reading, *relaying):
                task.cancel()
            await asyncio.gather(reading, *relaying, return_exceptions=True)
    except (WebSocketDisconnect, RuntimeError):
        logger.debug("a realtime client has gone")
    finally:
        live.note_disconnected()
        if not session:
            await live.close("left")


async def _read(websocket: WebSocket, realtime: Realtime) -> None:
    while True:
        try:
            event = json.loads(await websocket.receive_text())
        except WebSocketDisconnect:
            return
        except (ValueError, KeyError, RecursionError):
            await realtime.tell_error(EventUnusable("the message is not a JSON object"))
            continue
        if not isinstance(event, dict):
            await realtime.tell_error(EventUnusable("the message is not a JSON object"))
            continue
        await realtime.take(event)
