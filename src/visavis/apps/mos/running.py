"""Runs the server of a study until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from visavis.apps.mos.plan import read_plan
from visavis.apps.mos.server import create_app
from visavis.apps.mos.store import Store
from visavis.apps.mos.videos import find_hints, look_at
from visavis.apps.server.running import open_socket


def serve(
    plan_path: Path,
    database: Path | None,
    host: str,
    port: int,
    *,
    say: Callable[[str], None],
    ready: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        plan_path: Of the study.
        database: Where answers go; beside the plan by default.
        host: Address to listen at.
        port: 0 for any free one.
        say: Told what raters could tell systems apart by.
        ready: Told the address.

    Raises:
        InputError: The plan or a video of it is wrong, or the database is of another plan.
        ConfigError: The port is taken, or the address is not this machine's.
    """
    plan = read_plan(plan_path)
    videos = {path: look_at(path) for path in plan.videos()}
    for hint in find_hints(plan, videos):
        say(hint)
    with contextlib.closing(open_socket(host, port)) as listener:
        store = Store(database or plan.database, plan)
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(
            host, f"[{host}]" if ":" in host else host
        )
        config = uvicorn.Config(
            create_app(plan, store, videos),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        server = _Server(config, lambda: ready(f"http://{shown}:{listener.getsockname()[1]}/"))
        asyncio.run(server.serve([listener]))


class _Server(uvicorn.Server):
    """Says when it is up; a stop that was asked for is no failure."""

    def __init__(self, config: uvicorn.Config, up: Callable[[], None]) -> None:
        super().__init__(config)
        self._up = up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take requests."""
        await super().startup(sockets)
        if not self.should_exit:
            self._up()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal, without raising it again."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)
