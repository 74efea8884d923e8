"""Imports that an operator looks at before they are written: held a while, watched, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from visavis.apps.server.errors import Busy, Conflict, ErrorDetail, NotFound, describe
from visavis.apps.server.intake import ImportOptions, ImportReport, look, read_file, write
from visavis.apps.server.uploads import Upload
from visavis.core.errors import Cancelled, Error
from visavis.knowledge.store import VersionConflict

if TYPE_CHECKING:
    from visavis.apps.kb.reading import Read
    from visavis.apps.server.house import House

logger = logging.getLogger(__name__)

HELD = 3
"""Imports that wait to be written; what they read is in memory."""
WORKING_LIMIT = 4
"""Imports that read, write or wait for it."""
HELD_SECONDS = 1_800.0
"""How long one is held that nobody writes."""

State: TypeAlias = Literal["waiting", "reading", "ready", "writing", "done", "failed", "cancelled"]
_WORKING: tuple[State, ...] = ("waiting", "reading", "writing")


@dataclass(slots=True, eq=False)
class Import:
    """A file that is on its way into a base.

    Attributes:
        id: Random.
        base: Name of the base.
        file: Its sender's name for it.
        options: What it is taken for.
        state: ``ready`` to be written once it was read.
        done: Rows, parts or entries done.
        total: Of how many; 0 where that is not known.
        report: What it would change; what it changed once ``done``.
        problem: Why it failed, or was not written when that was asked last.
        touched: When it last came further, on the monotonic clock in seconds.
    """

    id: str
    base: str
    file: str
    options: ImportOptions
    state: State = "waiting"
    done: int = 0
    total: int = 0
    report: ImportReport | None = None
    problem: ErrorDetail | None = None
    touched: float = field(default_factory=time.monotonic)
    _read: Read | None = None
    _task: asyncio.Task[None] | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def is_working(self) -> bool:
        """Whether something is being done with it."""
        return self.state in _WORKING

    def _enter(self, state: State) -> None:
        self.state, self.done, self.total = state, 0, 0
        self.touched = time.monotonic()

    def _tell(self, done: int, total: int) -> None:
        """Note progress, and stop here where that was asked for.

        Raises:
            Cancelled: It was.
        """
        if self._stop.is_set():
            raise Cancelled("the import was stopped; nothing was written")
        self.done, self.total = done, total


class Imports:
    """All imports that are held. They are forgotten when the server stops, as nothing is written."""

    def __init__(self) -> None:
        self._all: dict[str, Import] = {}
        # One after the other: a table of 100,000 rows keeps a core busy, and live sessions go before.
        self._turn = asyncio.Semaphore(1)

    def list(self) -> list[Import]:
        """List what is held, newest first."""
        self._forget_old()
        return list(self._all.values())[::-1]

    def get(self, id: str) -> Import:
        """Return an import.

        Raises:
            NotFound: It was never there, or is forgotten.
        """
        self._forget_old()
        if id not in self._all:
            raise NotFound(
                f"there is no import {id[:40]!r}; it was written or stopped, or the server began"
                " anew; send the file again"
            )
        return self._all[id]

    def check_room(self) -> None:
        """Refuse a further import while too many are at work.

        Raises:
            Busy: They are.
        """
        if sum(one.is_working for one in self._all.values()) >= WORKING_LIMIT:
            raise Busy(f"{WORKING_LIMIT} imports are at work already; wait for one, or stop it")

    def begin(self, house: House, base: str, kept: Upload, options: ImportOptions) -> Import:
        """Begin to read a file, whose folder is deleted once it was.

        Raises:
            Busy: Too many are at work.
        """
        self.check_room()
        made = Import(secrets.token_hex(16), base, kept.shown, options)
        self._all[made.id] = made
        self._forget_old()
        self._start(made, self._read(house, made, kept))
        return made

    def write(self, house: House, id: str, expect_version: int | None) -> Import:
        """Begin to write an import that was looked at.

        Raises:
            NotFound: There is none.
            Conflict: It is not ready, or there is nothing to write.
            Busy: Too many are at work.
        """
        held = self.get(id)
        if held.state != "ready" or held.report is None:
            raise Conflict(f"the import of {held.file} is {held.state}, not ready to be written")
        if not held.report.read:
            raise Conflict(f"{held.file} gives nothing that could be written; correct it first")
        self.check_room()
        held.problem = None
        held._enter("waiting")
        self._start(held, self._write(house, held, expect_version))
        return held

    async def drop(self, id: str) -> Import:
        """Stop an import and forget it; what it came to is returned.

        Writing that is as good as done may have gone through: it is ``done`` then.

        Raises:
            NotFound: There is none.
        """
        held = self.get(id)
        del self._all[id]
        held._stop.set()
        if held._task is not None and held.state == "writing":
            await asyncio.wait([held._task])
        elif held.is_working:
            # What is only read has changed nothing; its thread stops when it looks up next.
            held._enter("cancelled")
        held._read = None
        return held

    async def close(self) -> None:
        """Stop what is at work."""
        tasks = [one._task for one in self._all.values() if one._task is not None]
        for one in self._all.values():
            one._stop.set()
        if tasks:
            await asyncio.wait(tasks)
        self._all.clear()

    def _start(self, held: Import, work: Coroutine[Any, Any, None]) -> None:
        held._task = asyncio.get_running_loop().create_task(work)

    async def _read(self, house: House, held: Import, kept: Upload) -> None:
        def work() -> None:
            held._read = read_file(kept.path, held.options, held._tell)
            held._tell(0, 0)
            held.report = self._look(house, held)

        try:
            async with self._turn:
                if held._stop.is_set():
                    return
                held._enter("reading")
                await asyncio.to_thread(work)
            if held.state == "reading":
                held._enter("ready")
        except Cancelled:
            held._enter("cancelled")
        except Error as error:
            self._fail(held, "failed", kept.rename(error))
        except Exception as error:
            logger.exception("an import failed")
            self._fail(held, "failed", error)
        finally:
            shutil.rmtree(kept.path.parent, ignore_errors=True)

    async def _write(self, house: House, held: Import, expect_version: int | None) -> None:
        def work() -> ImportReport:
            assert held._read is not None
            return write(
                house.librarian,
                house.cast.responder,
                held.base,
                held._read,
                held.options,
                note=f"import of {held.file}",
                expect_version=expect_version,
                progress=lambda done, total: held._tell(done, total),
                cancelled=held._stop.is_set,
            )

        try:
            async with self._turn:
                if held._stop.is_set():
                    return
                held._enter("writing")
                report = await asyncio.to_thread(work)
            held.report, held._read = report, None
            held._enter("done")
        except Cancelled:
            held._enter("cancelled")
        except VersionConflict as error:
            # What it would change now is told with why it was not written.
            with contextlib.suppress(Error):
                held.report = await asyncio.to_thread(self._look, house, held)
            self._fail(held, "ready", error)
        except Error as error:
            self._fail(held, "ready", error)
        except Exception as error:
            logger.exception("an import failed")
            self._fail(held, "ready", error)

    def _look(self, house: House, held: Import) -> ImportReport:
        assert held._read is not None
        return look(house.librarian, house.cast.responder, held.base, held._read, held.options)

    def _fail(self, held: Import, state: State, error: Exception) -> None:
        if held.state == "cancelled":
            return
        held._enter(state)
        held.problem = describe(error)

    def _forget_old(self) -> None:
        """Forget what nobody wrote for long, and the oldest where more are held than may be."""
        resting = [one for one in self._all.values() if not one.is_working]
        limit = time.monotonic() - HELD_SECONDS
        kept = [one for one in resting if one.touched > limit][-HELD:]
        for one in resting:
            if one not in kept:
                del self._all[one.id]
