"""Speaking ahead of time, seen from the server: it begins when all is quiet and stops at a word."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

from visavis.apps.server.protocol import events

if TYPE_CHECKING:
    from pathlib import Path

    from visavis.apps.assemble import Cast
    from visavis.apps.server.protocol import ServerEvent
    from visavis.apps.server.sessions.session import LiveSession
    from visavis.apps.server.settings import ServerSettings
    from visavis.apps.speech_shelf import SpeechShelf

logger = logging.getLogger(__name__)

State: TypeAlias = Literal["off", "waiting", "speaking", "done", "full", "taken", "failed"]

FOLDER = "speech"
"""In the server's data folder."""
QUIET = 60.0
"""Seconds that every open session must have been idle for."""
LEFT = 5.0
"""Seconds to wait after a session's end: a page is loaded anew, or the server is being stopped."""
DAY = 86_400.0
AGAIN = DAY
"""Seconds until it looks whether all is still there, and deletes what nobody used for long."""
TAKEN_AGAIN = 600.0
"""Seconds until it looks whether the folder is still taken by another server."""
WORKER = (sys.executable, "-m", "visavis.apps.server.preparing.worker")
_LONGEST_PROBLEM = 500
_SETTLED: frozenset[State] = frozenset({"done", "full", "taken"})


@dataclass(frozen=True, slots=True)
class Standing:
    """How far it is.

    Attributes:
        state: ``waiting`` while somebody talks; ``full`` where the shelf is too small for all;
            ``taken`` while another server prepares the same folder.
        ready: Sentences that are prepared.
        foreseen: All that can be; 0 until that is known.
        problem: What stood in the way last, in words; empty when nothing does.
    """

    state: State = "off"
    ready: int = 0
    foreseen: int = 0
    problem: str = ""


def open_shelf(settings: ServerSettings, data: Path) -> SpeechShelf | None:
    """Open the shelf in the server's data folder; None where none is wanted."""
    from visavis.apps.speech_shelf import SpeechShelf

    limit = settings.speech_shelf_mb * 1_000_000
    return SpeechShelf(data / FOLDER, limit) if limit else None


def make_preparation(cast: Cast, settings: ServerSettings) -> Preparation | None:
    """Get ready to prepare what a cast will say; None without a shelf."""
    from visavis.apps.server.preparing.worker import describe_order

    if cast.shelf is None:
        return None
    order = describe_order(cast, cast.shelf) if settings.prepare_speech else None
    return Preparation(cast.shelf, order, kept=settings.retention_days * DAY)


class Preparation:
    """Keeps a process at work while nobody talks; nothing that befalls it reaches the server.

    It is killed and begun anew rather than held: a process that is held keeps its memory, and would
    not notice that the server has died.

    Args:
        shelf: Where speech goes.
        order: For the process; None to prepare nothing and only look after the shelf.
        kept: Seconds after which speech that nobody used is deleted.
        quiet: Seconds that every open session must have been idle for.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        shelf: SpeechShelf,
        order: Mapping[str, Any] | None,
        *,
        kept: float,
        quiet: float = QUIET,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shelf = shelf
        self._order = order
        self._kept = kept
        self._quiet = quiet
        self._clock = clock
        self._left = -math.inf
        self._active: dict[str, float | None] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._before: int | None = None
        self.standing = Standing("off" if order is None else "waiting")

    def start(self) -> None:
        """Begin, once the server is warm."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="preparing")

    async def close(self) -> None:
        """Stop at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def watch(self, session: LiveSession) -> None:
        """Look out for what a session does: the process gives way before the first word."""
        id = session.id

        def observe(event: ServerEvent) -> None:
            match event:
                case events.SessionState():
                    self._note(id, event.state != "idle")
                case events.SessionEnded():
                    self._active.pop(id, None)
                    self._left = self._clock()
                    self._changed.set()
                case _:
                    pass

        session.subscribe(observe)
        self._note(id, False)

    def figures(self) -> Mapping[str, float]:
        """Count sentences by whether they are prepared."""
        standing = self.standing
        return {"ready": standing.ready, "missing": standing.foreseen - standing.ready}

    @property
    def wait(self) -> float | None:
        """Seconds until all sessions have been idle for long enough, 0 for now, None for unknown."""
        ends = [self._left + min(LEFT, self._quiet)]
        for at in self._active.values():
            if at is None:
                return None
            ends.append(at + self._quiet)
        return max(0.0, max(ends) - self._clock())

    def _note(self, id: str, is_busy: bool) -> None:
        self._active[id] = None if is_busy else self._clock()
        self._changed.set()

    async def _run(self) -> None:
        try:
            while True:
                pause = AGAIN
                if self._order is not None:
                    await self._prepare()
                    pause = TAKEN_AGAIN if self.standing.state == "taken" else AGAIN
                await asyncio.to_thread(self._shelf.expire, time.time() - self._kept)
                await asyncio.sleep(pause)
        except Exception as error:
            self._tell("failed", str(error) or type(error).__name__)
            logger.exception("no more speech is prepared until the server is started again")

    async def _prepare(self) -> None:
        """Run the process until it has done all, again and again where somebody comes between."""
        began, self._before = self._clock(), None
        while True:
            self._tell("waiting")
            await self._wait_for_quiet()
            done = self.standing.ready
            end = await self._work()
            if end == "failed" and self.standing.ready > done:
                self._tell("waiting")
                await asyncio.sleep(self._quiet)  # it was killed, and comes further each time
            elif end is not None:
                break
        standing, minutes = self.standing, (self._clock() - began) / 60
        if end == "done":
            logger.info(
                "speech is prepared: %d sentences, %d of them new, after %.1f min",
                standing.ready, standing.ready - (self._before or 0), minutes,
            )  # fmt: skip
        elif end == "full":
            logger.warning(
                "%d of %d sentences are prepared, after %.1f min, and no more can be kept: %s",
                standing.ready, standing.foreseen, minutes,
                standing.problem or "raise VISAVIS_SERVER_SPEECH_SHELF_MB",
            )  # fmt: skip

    async def _wait_for_quiet(self) -> None:
        while (wait := self.wait) != 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    async def _work(self) -> State | None:
        """Let the process work until it ends or somebody comes; None where there is more to do."""
        with tempfile.TemporaryFile() as log:
            following = asyncio.create_task(self._follow(log))
            try:
                while not following.done() and self.wait == 0:
                    self._changed.clear()
                    noticing = asyncio.create_task(self._changed.wait())
                    await asyncio.wait({following, noticing}, return_when="FIRST_COMPLETED")
                    noticing.cancel()
                if not following.done():
                    return None
                end, problem = following.result()
                self._tell(end, problem)
                return end
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

    async def _follow(self, log: IO[bytes]) -> tuple[State, str]:
        """Run the process to its end; gives that, and what stood in the way."""
        # In the server's own session: niceness counts among the processes of one session only.
        process = await asyncio.create_subprocess_exec(
            *WORKER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log
        )
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(ConnectionError):
                # It stays open: a process whose server has died reads its end, and ends too.
                process.stdin.write(json.dumps(self._order).encode() + b"\n")
                await process.stdin.drain()
            async for line in process.stdout:
                said = json.loads(line)
                if said["foreseen"]:
                    self._take(said["ready"], said["foreseen"])
                if said["end"] in _SETTLED:
                    end: State = said["end"]
                    return end, said["problem"]
            code = await process.wait()
            log.seek(0)
            written = log.read()[-2_000:].decode(errors="replace").strip()
            logger.warning("the preparing of speech broke off (code %d): %s", code, written)
            return "failed", _explain(code, written)
        finally:
            # It holds nothing that would have to be put in order.
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            if process.stdin is not None:
                process.stdin.close()
            await process.wait()

    def _take(self, ready: int, foreseen: int) -> None:
        if self._before is None:
            self._before = ready
            logger.info("preparing speech: %d of %d sentences are ready", ready, foreseen)
        self.standing = replace(self.standing, state="speaking", ready=ready, foreseen=foreseen)

    def _tell(self, state: State, problem: str | None = None) -> None:
        """Change the state; the last problem stays known until an end without one."""
        known = self.standing.problem if problem is None else problem
        self.standing = replace(self.standing, state=state, problem=known)


def _explain(code: int, written: str) -> str:
    """Say in a line why the process ended: its last line does, where it ended by itself."""
    if code < 0:
        return f"the preparing process was killed (signal {-code}); is there enough memory?"
    lines = written.splitlines()
    return lines[-1][:_LONGEST_PROBLEM] if lines else f"the preparing process ended (code {code})"
