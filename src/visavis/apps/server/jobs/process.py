"""One job's process, seen from the server: its order goes in, progress and a result come out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

WORKER = (sys.executable, "-m", "visavis.apps.server.jobs.worker")
_PATIENCE = 1.0
"""Seconds to clean up in, before it is killed."""
_LOG_NAME = "worker.log"
_LONGEST_LINE = 1 << 20


class JobFailed(Exception):
    """A job came to no result.

    Args:
        code: Name of the error in the tree.
        message: For the user.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class JobProcess:
    """Runs a job with less priority than everything else.

    Args:
        kind: Of the job.
        request: What was ordered.
        folder: Of its files; the process works in it.
    """

    def __init__(self, kind: str, request: Mapping[str, Any], folder: Path) -> None:
        self._order = {"kind": kind, "request": dict(request)}
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._stopped = False
        self.progress = 0.0

    async def run(self) -> dict[str, Any]:
        """Do it, and return what came out.

        Raises:
            JobFailed: It failed or was stopped.
        """
        if self._stopped:
            raise JobFailed("Cancelled", "it was cancelled")
        try:
            self._clear()
            with (self._folder / _LOG_NAME).open("wb") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *WORKER,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    cwd=self._folder,
                    limit=_LONGEST_LINE,
                    start_new_session=True,
                )
        except OSError as error:
            raise JobFailed("StageError", f"the job could not be begun: {error}") from error
        try:
            return await self._follow(self._process)
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Stop at once; more than once does no harm."""
        self._stopped = True
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is not None:
            return
        _send(process, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await process.wait()
            return
        _send(process, signal.SIGKILL)
        await process.wait()

    async def _follow(self, process: asyncio.subprocess.Process) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(ConnectionError):
            # It stays open: a worker whose server has died reads its end, and ends too.
            process.stdin.write(json.dumps(self._order).encode() + b"\n")
            await process.stdin.drain()
        async for line in process.stdout:
            said = json.loads(line)
            if "progress" in said:
                self.progress = max(self.progress, min(1.0, float(said["progress"])))
            elif "error" in said:
                raise JobFailed(said["error"]["code"], said["error"]["message"])
            elif "result" in said:
                result: dict[str, Any] = said["result"]
                return result
        code = await process.wait()
        if self._stopped:
            raise JobFailed("Cancelled", "it was cancelled")
        logger.error("a job ended with code %d:\n%s", code, self._read_log())
        killed = code == -signal.SIGKILL
        raise JobFailed(
            "StageError",
            "the work was killed, probably as memory ran out; try a smaller size or a shorter text"
            if killed
            else f"the work broke off (code {code}); the server's log says more",
        )

    def _clear(self) -> None:
        """Delete what an earlier run left, which was broken off."""
        for path in self._folder.glob("*.part"):
            path.unlink(missing_ok=True)

    def _read_log(self) -> str:
        with contextlib.suppress(OSError):
            return (self._folder / _LOG_NAME).read_text(errors="replace")[-4_000:]
        return ""


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal a process and what it has begun; it leads a group of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
