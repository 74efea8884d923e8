"""Turns at a server that holds one model at a time, for all sessions of this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from visavis.core.errors import StageError

_STEP = 0.02
"""Seconds between two looks. Sessions run on loops of their own, which no asyncio lock joins."""


@dataclass(frozen=True, slots=True)
class Models:
    """Paths of weights on a server; empty for whatever it holds."""

    gpt: str = ""
    sovits: str = ""


@dataclass(slots=True, eq=False)
class _Server:
    lock: threading.Lock = field(default_factory=threading.Lock)
    loaded: Models | None = None
    users: int = 0
    queue: list[object] = field(default_factory=list)


_servers: dict[str, _Server] = {}
_servers_lock = threading.Lock()


@asynccontextmanager
async def use_models(
    url: str,
    models: Models,
    load: Callable[[Models], Awaitable[None]],
    patience: float,
) -> AsyncIterator[None]:
    """Hold a server at these models for the block; who needs others waits, first come first served.

    Args:
        url: Of the server.
        models: That are needed. Who needs none in particular shares with everybody.
        load: Has the server load them; called while nobody uses it.
        patience: Seconds that are waited for a turn.

    Raises:
        StageError: The turn did not come in time.
    """
    if models == Models():
        yield
        return
    with _servers_lock:
        server = _servers.setdefault(url, _Server())
    is_loader = await _enter(server, models, patience)
    try:
        if is_loader:
            await load(models)
            with server.lock:
                server.loaded = models
        yield
    finally:
        with server.lock:
            server.users -= 1


async def _enter(server: _Server, models: Models, patience: float) -> bool:
    """Wait for the turn; True where the models must be loaded."""
    ticket = object()
    clock = asyncio.get_running_loop().time
    until = clock() + patience
    with server.lock:
        server.queue.append(ticket)
    try:
        while True:
            with server.lock:
                if server.queue[0] is ticket:
                    if server.loaded == models:
                        server.users += 1
                        return False
                    if not server.users:
                        # Unknown until it has succeeded: a failed load may have changed one of two.
                        server.loaded = None
                        server.users += 1
                        return True
            if clock() > until:
                raise StageError(
                    f"the speech server is busy with another voice for {patience:g} s; try again,"
                    " or give each voice a server of its own",
                    retryable=True,
                )
            await asyncio.sleep(_STEP)
    finally:
        with server.lock:
            server.queue.remove(ticket)
