"""Keeps the sound of spoken questions, off the loop's thread, as long as there is room."""

from __future__ import annotations

import asyncio
import logging

from visavis.apps.server.store.note import SessionNote
from visavis.apps.server.store.sounds import KeptSound
from visavis.apps.server.store.store import Store
from visavis.core.errors import OutputUnwritable, StoreUnavailable
from visavis.core.types import Waveform

_LOG = logging.getLogger(__name__)

WAITING = 8
"""Questions whose sound may wait to be written; more are not kept."""


class SoundKeeper:
    """Writes the sound of questions down; what goes wrong costs the file and nothing else.

    Args:
        store: That the questions are on record in.
        limit: Bytes of all files; the oldest make room.
    """

    def __init__(self, store: Store, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._one = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._trouble = ""

    def keep(self, note: SessionNote, number: int, sound: Waveform) -> None:
        """Keep a question's sound; returns at once.

        Args:
            note: Of its session, which is told once the sound is kept.
            number: Of its turn.
            sound: Mono, 16 kHz.
        """
        if len(self._tasks) >= WAITING:
            self._complain("the disk is too slow")
            return
        task = asyncio.get_running_loop().create_task(self._keep(note, number, sound))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what is being written."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, note: SessionNote, number: int, sound: Waveform) -> None:
        folder, session = self._store.sounds, note.record.id
        try:
            async with self._one:
                seconds = await asyncio.to_thread(folder.write, session, number, sound)
                gone = await asyncio.to_thread(folder.make_room, self._limit)
                if not note.note_sound(number, seconds):
                    # Its row is written and done with: nothing would lead to the file.
                    await asyncio.to_thread(folder.delete, session, number)
                await self._forget(gone)
        except (OutputUnwritable, OSError) as error:
            self._complain(str(error))
        except Exception:
            _LOG.exception("the sound of a question was not kept")
        else:
            self._trouble = ""

    async def _forget(self, gone: list[KeptSound]) -> None:
        try:
            await self._store.forget_sounds([(one.session, one.number) for one in gone])
        except StoreUnavailable as error:
            _LOG.warning("records still tell of sound that made room for newer: %s", error)

    def _complain(self, why: str) -> None:
        """Say it once; again only after something went well."""
        if not self._trouble:
            _LOG.warning("the sound of questions is not kept: %s", why)
        self._trouble = why
