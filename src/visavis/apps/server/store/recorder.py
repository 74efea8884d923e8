"""Watches sessions and writes down how their turns went.

A session is never kept waiting: what it says is taken down in memory, and one task writes it in
batches, a quarter of a second after there is something to write. While the database is locked, full or away, records wait in a bounded queue; the oldest are
dropped and counted when it is full, and the session goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias

from visavis.apps.server.protocol import Command, ServerEvent, commands, events
from visavis.apps.server.store.note import SETTLE, SessionNote
from visavis.apps.server.store.records import FeedbackRecord, Item, Rating, SessionRecord
from visavis.apps.server.store.redaction import redact
from visavis.apps.server.store.sound_keeper import SoundKeeper
from visavis.apps.server.store.store import DAY, Store
from visavis.core.errors import StoreUnavailable
from visavis.core.types import Waveform

_LOG = logging.getLogger(__name__)

LIMIT = 10_000
"""Records that wait at most."""
BATCH = 500
"""Records of one transaction."""
PAUSE = 0.25
"""Seconds that records wait for others, to be written with them: what a kill takes along at most, and
the least between two flushes of the disk."""
PATIENCE = 30.0
"""Longest wait for a write to come back, and between two attempts."""
FAREWELL = 5.0
"""Seconds that closing waits for what is left to be written."""

_UNAVAILABLE = (StoreUnavailable, TimeoutError, OSError)

Policy: TypeAlias = Literal["none", "unanswered", "all"]


class Watched(Protocol):
    """What the recorder needs of a session."""

    @property
    def id(self) -> str:
        """Its name."""

    def subscribe(self, observer: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Tell an observer everything from now on."""

    def subscribe_commands(self, observer: Callable[[Command], None]) -> Callable[[], None]:
        """Tell an observer every command from now on."""

    def give_sounds(self, taker: Callable[[int, Waveform], None]) -> None:
        """Hand the sound of every spoken question on, with its turn, where that is allowed."""

    def snapshot(self) -> Mapping[str, Any]:
        """How it is now."""


@dataclass(frozen=True, slots=True)
class RecorderState:
    """How the recorder does.

    Attributes:
        waiting: Records in the queue.
        written: Since the start.
        dropped: Lost since the start, as the queue was full or the record could not be written.
        trouble: Why writing fails just now; empty if it does not.
    """

    waiting: int
    written: int
    dropped: int
    trouble: str


class Recorder:
    """Observer of all sessions of a server."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        *,
        limit: int = LIMIT,
        pause: float = PAUSE,
        sounds: SoundKeeper | None = None,
    ) -> None:
        """Settle what is kept.

        Args:
            store: An open store.
            policy: Which question texts are kept.
            limit: Records that wait at most, besides the batch that is being written.
            pause: Seconds that records wait for others, to be written with them.
            sounds: Keeps the sound of questions; None where none is kept.
        """
        self._store = store
        self._policy: Policy = policy
        self._pause = pause
        self._sounds = sounds
        self._queue: deque[Item] = deque(maxlen=limit)
        self._batch: list[Item] = []
        self._notes: dict[str, SessionNote] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._purged = time.monotonic()
        self._written = 0
        self._dropped = 0
        self._trouble = ""

    @property
    def state(self) -> RecorderState:
        """How it does now."""
        return RecorderState(self._waiting, self._written, self._dropped, self._trouble)

    @property
    def _waiting(self) -> int:
        return len(self._queue) + len(self._batch)

    def figures(self) -> dict[str, float]:
        """Give the state as numbers, for whoever collects figures."""
        state = self.state
        return {
            "waiting": state.waiting,
            "written": state.written,
            "dropped": state.dropped,
            "failing": float(bool(state.trouble)),
        }

    def open(self) -> None:
        """Begin to write; needs a running event loop."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="recorder")

    async def close(self) -> None:
        """Write what is left, for as long as ``FAREWELL``, and stop."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._settle(everything=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                while self._waiting and await self._write_batch():
                    pass
        if self._waiting:
            self._dropped += self._waiting
            why = self._trouble or f"the database did not answer within {FAREWELL:.0f} s"
            _LOG.error("%d records were not written: %s", self._waiting, why)
            self._queue.clear()
            self._batch = []

    def watch(self, session: Watched, transport: str = "") -> None:
        """Take down what a session does until it ends."""
        known = session.snapshot()
        record = SessionRecord(
            session.id, time.time(), avatar=str(known.get("avatar", "")), transport=transport
        )
        note = self._notes[session.id] = SessionNote(record, self._policy)
        self._put(record)

        def observe(event: ServerEvent) -> None:
            note.take(event)
            if note.is_due:
                self._news.set()
            if isinstance(event, events.SessionEnded):
                self._finish(session, event.reason)

        def listen(command: Command) -> None:
            if isinstance(command, commands.Feedback):
                self.feedback(session.id, command.turn, command.rating, command.comment)

        if (sounds := self._sounds) is not None:
            session.give_sounds(lambda number, sound: sounds.keep(note, number, sound))
        note.leave = (session.subscribe(observe), session.subscribe_commands(listen))

    def note_transport(self, session: str, transport: str) -> None:
        """Say how a session's picture travels; the last one counts, but a WHEP player only watches.

        Args:
            session: Its id; one that is not watched is ignored.
            transport: ``webrtc``, ``mse`` or ``whep``.
        """
        note = self._notes.get(session)
        if note is not None and not (transport == "whep" and note.record.transport):
            note.record = replace(note.record, transport=transport)

    def feedback(self, session: str, turn: int, rating: Rating, comment: str = "") -> None:
        """Take down what a user thinks of an answer."""
        text = "" if self._policy == "none" else redact(comment)[0]
        self._put(FeedbackRecord(session, turn, rating, time.time(), text))

    def _finish(self, session: Watched, reason: str) -> None:
        note = self._notes.pop(session.id, None)
        if note is None:
            return
        for leave in note.leave:
            leave()
        for turn in note.settle(everything=True):
            self._put(turn)
        known = session.snapshot()
        self._put(
            replace(
                note.summary(),
                ended=time.time(),
                reason=reason,
                frames=int(known.get("ticks", 0)),
                late=int(known.get("late", 0)),
            )
        )

    def _put(self, item: Item) -> None:
        if len(self._queue) == self._queue.maxlen:
            self._dropped += 1
        self._queue.append(item)
        self._news.set()

    def _settle(self, *, everything: bool = False) -> None:
        for note in self._notes.values():
            for turn in note.settle(everything=everything):
                self._put(turn)

    async def _run(self) -> None:
        pause = self._pause
        while True:
            if pause == self._pause:
                await self._hear()
            await asyncio.sleep(pause)
            try:
                self._settle()
                self._news.clear()
                ok = True
                while ok and self._waiting:
                    ok = await self._write_batch()
                # Twice as long after each failure: a database in trouble is not pressed.
                pause = self._pause if ok else min(pause * 2, PATIENCE)
                if ok and time.monotonic() - self._purged > DAY:
                    self._purged = time.monotonic()
                    await self._store.purge_old()
            except Exception:
                # Whatever it is, those who talk have nothing to do with it.
                _LOG.exception("the recorder stumbled and goes on")
                pause = PATIENCE

    async def _hear(self) -> None:
        """Wait for something to write, but not for long: turns that are over are to be forgotten."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE):
                await self._news.wait()

    async def _write_batch(self) -> bool:
        """Write the oldest records. False if the database does not take them now.

        They stay in ``_batch`` until they are written. If that is broken off, nobody knows whether
        they were; writing them once more does no harm.
        """
        if not self._batch:
            self._batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
        try:
            await self._write(self._batch)
        except _UNAVAILABLE as error:
            return self._fail(error)
        except Exception:
            _LOG.exception("a batch of records was refused; writing them one by one")
            return await self._write_singly()
        self._batch = []
        self._recover()
        return True

    async def _write_singly(self) -> bool:
        while self._batch:
            try:
                await self._write(self._batch[:1])
            except _UNAVAILABLE as error:
                return self._fail(error)
            except Exception:
                self._dropped += 1
                _LOG.exception("a %s was refused and is dropped", type(self._batch[0]).__name__)
            self._batch = self._batch[1:]
        self._recover()
        return True

    async def _write(self, batch: list[Item]) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._store.write(batch)
        self._written += len(batch)

    def _fail(self, error: Exception) -> Literal[False]:
        trouble = " ".join(str(error).split()) or "the database does not answer"
        if not self._trouble:
            _LOG.error("records wait, as they cannot be written: %s", trouble)
        self._trouble = trouble
        return False

    def _recover(self) -> None:
        if self._trouble:
            _LOG.warning("records are written again; %d were dropped so far", self._dropped)
        self._trouble = ""
