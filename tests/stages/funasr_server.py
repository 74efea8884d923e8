"""A stand-in for FunASR's WebSocket servers, the C++ one and the Python one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

_PAUSE = 8
"""Messages of 60 ms without sound that end a stretch."""
_ONLINE = 10
"""Messages after which a partial result comes."""


@dataclass
class FunasrServer:
    """Hears ``texts`` one after the other, one in each stretch of sound.

    Attributes:
        texts: What is heard; the last one is for all that follow.
        flavour: Who it stands in for. They set ``is_final`` at opposite times, and the Python server
            says nothing about silence.
        trouble: What it does wrong.
        tags: Put before each final text, as SenseVoice does.
        timestamps: Whether final texts come with times.
        slowness: Seconds that a stretch takes.
    """

    texts: list[str]
    flavour: Literal["cpp", "python"] = "cpp"
    trouble: Literal["", "hang", "deaf", "close", "garbage", "list", "odd", "refuse", "tail"] = ""
    tags: str = ""
    timestamps: bool = False
    slowness: float = 0.0
    starts: list[dict[str, Any]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""

    @asynccontextmanager
    async def run(self) -> AsyncIterator[FunasrServer]:
        async with serve(
            self._talk,
            "127.0.0.1",
            0,
            subprotocols=["binary"],  # type: ignore[list-item]
            process_request=self._greet,
            ping_interval=None,
            close_timeout=0.1,
        ) as server:
            self.url = f"ws://127.0.0.1:{_port(server)}"
            try:
                yield self
            finally:
                self.stopping.set()

    def _greet(self, connection: ServerConnection, request: Any) -> Any:
        self.headers = {k.lower(): v for k, v in request.headers.raw_items()}
        if self.trouble == "refuse":
            return connection.respond(HTTPStatus.UNAUTHORIZED, "who are you\n")
        return None

    async def _talk(self, connection: ServerConnection) -> None:
        try:
            await _Stream(self, connection).serve()
        except ConnectionClosed:
            pass
        finally:
            self.closed.set()


class _Stream:
    def __init__(self, server: FunasrServer, connection: ServerConnection) -> None:
        self._server = server
        self._connection = connection
        self._mode = ""
        self._number = 0
        self._at = 0
        self._begin = 0
        self._spoken = 0
        self._quiet = 0
        self._shown = 0
        self._is_speaking = True

    async def serve(self) -> None:
        async for message in self._connection:
            if isinstance(message, str):
                order = json.loads(message)
                if "mode" in order:
                    self._server.starts.append(order)
                    self._mode = order["mode"]
                self._is_speaking = order["is_speaking"]
                if not self._is_speaking:
                    await self._end()
                continue
            await self._hear(message)

    async def _hear(self, data: bytes) -> None:
        self._server.sizes.append(len(data))
        self._at += 1
        if self._server.trouble == "deaf":
            self._connection.transport.pause_reading()
            await self._server.stopping.wait()
            self._connection.transport.abort()
        if np.abs(np.frombuffer(data, "<i2").astype(int)).max() > 300:
            if not self._spoken:
                self._begin = self._at - 1
            self._spoken, self._quiet = self._spoken + 1, 0
        elif self._spoken:
            self._quiet += 1
        if self._spoken and self._spoken % _ONLINE == 0 and not self._quiet:
            await self._show()
        if self._quiet >= _PAUSE:
            await self._correct()

    @property
    def _text(self) -> str:
        return self._server.texts[min(self._number, len(self._server.texts) - 1)]

    async def _show(self) -> None:
        trouble = self._server.trouble
        if trouble == "close":
            await self._connection.close()
        if trouble == "garbage":
            await self._connection.send("<html>")
        if trouble == "list":
            await self._connection.send("[1]")
        if trouble == "odd":
            for body in ({}, {"text": 3}, {"mode": 1, "text": None}, {"error": "x"}):
                await self._connection.send(json.dumps(body))
        if self._mode == "offline":
            return
        added = self._text[self._shown : self._shown + 3]
        self._shown += 3
        if added:
            mode = "2pass-online" if self._mode == "2pass" else "online"
            await self._send({"mode": mode, "text": added})

    async def _correct(self) -> None:
        await asyncio.sleep(self._server.slowness)
        if self._mode != "online":
            mode = "2pass-offline" if self._mode == "2pass" else "offline"
            body: dict[str, Any] = {"mode": mode, "text": self._server.tags + self._text}
            if self._server.timestamps:
                end = (self._at - self._quiet) * 60
                body["timestamp"] = json.dumps([[self._begin * 60, end - 60], [end - 60, end]])
            await self._send(body)
        self._number, self._spoken, self._quiet, self._shown = self._number + 1, 0, 0, 0

    async def _end(self) -> None:
        if self._server.trouble in ("hang", "tail"):
            if self._server.trouble == "tail":
                return  # alive, and answers pings
            self._connection.transport.pause_reading()
            return
        if self._spoken:
            await self._correct()
        elif self._server.flavour == "cpp" and self._mode != "online":
            mode = "2pass-offline" if self._mode == "2pass" else "offline"
            await self._send({"mode": mode, "text": ""})

    async def _send(self, body: dict[str, Any]) -> None:
        final = self._is_speaking if self._server.flavour == "python" else not self._is_speaking
        whole = {"wav_name": "microphone", "is_final": final} | body
        await self._connection.send(json.dumps(whole, ensure_ascii=False))


def _port(server: Server) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])
