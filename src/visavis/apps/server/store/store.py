"""The store as the server uses it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

from visavis.apps.server.settings import ServerSettings
from visavis.apps.server.store.gaps import GapRows
from visavis.apps.server.store.jobs import JobRows
from visavis.apps.server.store.place import data_folder
from visavis.apps.server.store.sessions import SessionRows
from visavis.apps.server.store.sounds import SoundFolder
from visavis.apps.server.store.statistics import Statistics, StatisticsRows

_LOG = logging.getLogger(__name__)

DAY = 86_400.0
FRESH = 20.0
"""Seconds for which statistics are kept; counting keeps a core busy that sessions may need."""


class Store(SessionRows, JobRows, StatisticsRows, GapRows):
    """Sessions, turns, feedback and jobs in one database.

    ``open`` it before use and ``close`` it after; ``open_store`` does both.

    Attributes:
        sounds: Files of what spoken questions sounded like; they go with their questions.
    """

    def __init__(
        self, folder: Path, *, url: str = "", retention_days: int = 90, longest: float = DAY
    ) -> None:
        """Settle where it is; nothing is opened yet.

        Args:
            folder: The server's data folder.
            url: ``postgresql://…`` or ``sqlite:///…``; empty for SQLite in the folder.
            retention_days: What is older is deleted.
            longest: Seconds that a session may last.

        Raises:
            ConfigError: The URL cannot be used.
        """
        super().__init__(folder, url=url)
        self.retention_days = retention_days
        self.sounds = SoundFolder(self.folder / "sounds")
        self._longest = longest
        self._counting = asyncio.Lock()
        self._counted: dict[tuple[int, str], tuple[float, Statistics]] = {}

    @classmethod
    def from_settings(cls, settings: ServerSettings) -> Store:
        """Make the store of a deployment."""
        return cls(
            data_folder(settings.data),
            url=settings.database,
            retention_days=settings.retention_days,
            longest=settings.session_limit,
        )

    async def open(self) -> None:
        """Connect, bring the database up to date, and delete what is too old.

        Raises:
            ConfigError: The folder or database cannot be used, or it is newer than the program.
            StoreUnavailable: It does not answer.
        """
        await self.connect()
        await self.end_lost_sessions(self._longest)
        await self.purge_old()

    async def close(self) -> None:
        """Close all connections; more than once does no harm."""
        await self.disconnect()

    async def recent_statistics(self, *, days: int = 30, zone: str = "") -> Statistics:
        """Give statistics that may be ``FRESH`` seconds old: however many look, one counts.

        Raises:
            InputError: There is no such time zone.
            StoreUnavailable: The database does not answer.
        """
        async with self._counting:
            now = time.monotonic()
            for known, (counted, _) in list(self._counted.items()):
                if now - counted > FRESH:
                    del self._counted[known]
            if (days, zone) not in self._counted:
                found = await self.statistics(days=days, zone=zone)
                self._counted[days, zone] = (time.monotonic(), found)
            return self._counted[days, zone][1]

    async def purge(self, before: float) -> dict[str, int]:
        """Delete what is older than a time (Unix seconds), for good.

        Returns:
            How many sessions, turns and feedback were deleted.
        """
        self._counted.clear()
        gone = await super().purge(before)
        await asyncio.to_thread(self.sounds.expire, before)
        # A question may be asked just now, its row not yet written.
        await self.sweep_sounds(self._longest)
        return gone

    async def delete_session(self, id: str) -> bool:
        """Delete a session with its turns, feedback and sound. True if there was any of it."""
        known = await super().delete_session(id)
        return bool(await asyncio.to_thread(self.sounds.delete, id)) or known

    async def delete_turn(self, session: str, number: int) -> bool:
        """Delete a question, its sound, and what was thought of its answer. True if there was any."""
        known = await super().delete_turn(session, number)
        return bool(await asyncio.to_thread(self.sounds.delete, session, number)) or known

    async def sweep_sounds(self, spare: float = 0.0) -> int:
        """Delete sound that no question on record leads to.

        Args:
            spare: Seconds; what is younger stays, as its question may not be on record yet.

        Returns:
            How many files were deleted.
        """
        young = time.time() - spare
        kept = [one for one in await asyncio.to_thread(self.sounds.list_kept) if one.time <= young]
        if not kept:
            return 0
        known = await self.find_sounds(sorted({one.session for one in kept}))
        lost = [one for one in kept if (one.session, one.number) not in known]
        for one in lost:
            await asyncio.to_thread(self.sounds.delete, one.session, one.number)
        return len(lost)

    async def purge_old(self) -> dict[str, int]:
        """Delete what is older than the retention."""
        gone = await self.purge(time.time() - self.retention_days * DAY)
        if any(gone.values()):
            _LOG.info("deleted what is older than %d days: %s", self.retention_days, gone)
        return gone


@contextlib.asynccontextmanager
async def open_store(settings: ServerSettings) -> AsyncIterator[Store]:
    """Open the store of a deployment for as long as a block lasts."""
    store = Store.from_settings(settings)
    await store.open()
    try:
        yield store
    finally:
        await store.close()
