"""Sessions, turns and feedback: written in batches, read a page at a time, deleted for good."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import RowMapping, Table, and_, delete, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from visavis.apps.server.store.database import BUSY, Database
from visavis.apps.server.store.records import (
    MARKS,
    FeedbackRecord,
    Item,
    Rating,
    SessionRecord,
    TurnRecord,
)
from visavis.apps.server.store.similar import question_key
from visavis.apps.server.store.tables import feedback, sessions, turns

_LOG = logging.getLogger(__name__)

_AT_ONCE = 1000
"""Sessions that are deleted, or rows that are read, in one go."""


class SessionRows(Database):
    """What is known of sessions."""

    async def write(self, items: Sequence[Item]) -> None:
        """Write any mix of records in one transaction. Writing a record again replaces it.

        A turn or feedback whose session was never written gets one that is blank but for its time.

        Raises:
            StoreUnavailable: The database is locked, full or away; nothing was written.
        """
        if not items:
            return
        async with self.writing() as connection:
            blank = {
                item.session: {"id": item.session, "created": item.time}
                for item in reversed(items)
                if not isinstance(item, SessionRecord)
            }
            await self._insert(connection, sessions, list(blank.values()), replace=False)
            for table, kind in (
                (sessions, SessionRecord),
                (turns, TurnRecord),
                (feedback, FeedbackRecord),
            ):
                rows = [_to_row(item) for item in items if isinstance(item, kind)]
                await self._insert(connection, table, rows, replace=True)

    async def add_session(self, session: SessionRecord) -> None:
        """Write a session down."""
        await self.write([session])

    async def end_session(self, id: str, *, ended: float, reason: str) -> None:
        """Note when and why a session ended."""
        async with self.writing() as connection:
            await connection.execute(
                update(sessions).where(sessions.c.id == id).values(ended=ended, reason=reason)
            )

    async def add_turn(self, turn: TurnRecord) -> None:
        """Write a turn down."""
        await self.write([turn])

    async def add_feedback(self, given: FeedbackRecord) -> None:
        """Write feedback down; comments must be redacted before."""
        await self.write([given])

    async def end_lost_sessions(self, longest: float) -> int:
        """End what was never ended, because its server was killed.

        Args:
            longest: Seconds that a session may last; younger ones may live, on another server.

        Returns:
            How many.
        """
        last = (
            select(func.max(turns.c.time)).where(turns.c.session == sessions.c.id).scalar_subquery()
        )
        async with self.writing() as connection:
            done = await connection.execute(
                update(sessions)
                .where(sessions.c.ended.is_(None), sessions.c.created < time.time() - longest)
                .values(ended=func.coalesce(last, sessions.c.created), reason="lost")
            )
        return done.rowcount

    async def get_session(self, id: str) -> SessionRecord | None:
        """Look a session up."""
        async with self.reading() as connection:
            row = (
                (await connection.execute(select(sessions).where(sessions.c.id == id)))
                .mappings()
                .first()
            )
        return None if row is None else SessionRecord(**row)

    async def list_sessions(self, *, limit: int = 100, offset: int = 0) -> list[SessionRecord]:
        """Sessions, newest first."""
        query = select(sessions).order_by(sessions.c.created.desc(), sessions.c.id)
        async with self.reading() as connection:
            rows = await connection.execute(query.limit(limit).offset(offset))
            return [SessionRecord(**row) for row in rows.mappings()]

    async def list_turns(
        self, *, session: str = "", limit: int = 100, offset: int = 0
    ) -> list[TurnRecord]:
        """Turns, newest first; of one session or of all."""
        query = select(turns).order_by(turns.c.time.desc(), turns.c.session, turns.c.number.desc())
        if session:
            query = query.where(turns.c.session == session)
        async with self.reading() as connection:
            rows = await connection.execute(query.limit(limit).offset(offset))
            return [to_turn(row) for row in rows.mappings()]

    async def list_feedback(
        self, *, rating: Rating | None = None, limit: int = 100, offset: int = 0
    ) -> list[tuple[FeedbackRecord, TurnRecord | None]]:
        """Feedback, newest first, each with its turn where that is known."""
        same = and_(turns.c.session == feedback.c.session, turns.c.number == feedback.c.turn)
        given = [column.label(f"given_{column.name}") for column in feedback.columns]
        query = (
            select(*given, turns)
            .select_from(feedback.outerjoin(turns, same))
            .order_by(feedback.c.time.desc(), feedback.c.session, feedback.c.turn)
        )
        if rating is not None:
            query = query.where(feedback.c.rating == rating)
        found = []
        async with self.reading() as connection:
            for row in (await connection.execute(query.limit(limit).offset(offset))).mappings():
                about = {c.name: row[f"given_{c.name}"] for c in feedback.columns}
                turn = None if row["session"] is None else to_turn(row)
                found.append((FeedbackRecord(**about), turn))
        return found

    async def walk(self, table: Table) -> AsyncIterator[RowMapping]:
        """Go through all rows of a table in the order of its key, without holding them all."""
        key = list(table.primary_key.columns)
        query = select(table).order_by(*key)
        async with self.reading() as connection:
            rows = await connection.stream(query.execution_options(yield_per=_AT_ONCE))
            async for row in rows.mappings():
                yield row

    async def count(self) -> dict[str, int]:
        """Count rows by table."""
        async with self.reading() as connection:
            return {
                table.name: (
                    await connection.execute(select(func.count()).select_from(table))
                ).scalar_one()
                for table in (sessions, turns, feedback)
            }

    async def delete_session(self, id: str) -> bool:
        """Delete a session with its turns and feedback. True if there was one."""
        async with self.writing() as connection:
            done = await connection.execute(delete(sessions).where(sessions.c.id == id))
        if self.is_sqlite and done.rowcount:
            await self._give_back()
        return bool(done.rowcount)

    async def delete_turn(self, session: str, number: int) -> bool:
        """Delete a question of a session, and what was thought of its answer. True if there was one."""
        async with self.writing() as connection:
            gone = 0
            for table, column in ((feedback, feedback.c.turn), (turns, turns.c.number)):
                done = await connection.execute(
                    delete(table).where(table.c.session == session, column == number)
                )
                gone += done.rowcount
        if self.is_sqlite and gone:
            await self._give_back()
        return bool(gone)

    async def find_sounds(self, ids: Sequence[str]) -> set[tuple[str, int]]:
        """Give sessions and numbers of the questions of some sessions whose sound is kept."""
        found: set[tuple[str, int]] = set()
        async with self.reading() as connection:
            for start in range(0, len(ids), _AT_ONCE):
                some = turns.c.session.in_(ids[start : start + _AT_ONCE])
                query = select(turns.c.session, turns.c.number).where(
                    some, turns.c.sound.is_not(None)
                )
                found.update((row[0], row[1]) for row in await connection.execute(query))
        return found

    async def forget_sounds(self, questions: Sequence[tuple[str, int]]) -> None:
        """Note of questions, by session and number, that their sound is no longer kept."""
        for start in range(0, len(questions), _AT_ONCE):
            some = tuple_(turns.c.session, turns.c.number).in_(questions[start : start + _AT_ONCE])
            async with self.writing() as connection:
                await connection.execute(update(turns).where(some).values(sound=None))

    async def purge(self, before: float) -> dict[str, int]:
        """Delete what is older than a time, for good: what was there is overwritten.

        Args:
            before: Unix seconds.

        Returns:
            How many sessions, turns and feedback were deleted.
        """
        gone = dict.fromkeys(("sessions", "turns", "feedback"), 0)
        while True:
            async with self.writing() as connection:
                old = select(sessions.c.id).where(sessions.c.created < before).limit(_AT_ONCE)
                ids = list((await connection.execute(old)).scalars())
                # In steps, so that whoever wants to write need not wait for all of them.
                for table, column in (
                    (feedback, feedback.c.session),
                    (turns, turns.c.session),
                    (sessions, sessions.c.id),
                ):
                    done = await connection.execute(delete(table).where(column.in_(ids)))
                    gone[table.name] += done.rowcount
            if len(ids) < _AT_ONCE:
                break
        async with self.writing() as connection:
            for table in (turns, feedback):
                # Of sessions that began before, and have gone on since.
                done = await connection.execute(delete(table).where(table.c.time < before))
                gone[table.name] += done.rowcount
        if self.is_sqlite and any(gone.values()):
            await self._give_back()
        return gone

    async def _give_back(self) -> None:
        """Give emptied pages back to the disk, and empty the journal of what they held."""
        path = str(self.url.database)

        def work() -> None:
            # Each step gives one page back; only a script is taken to its end by Python.
            with contextlib.closing(sqlite3.connect(path, timeout=BUSY)) as plain:
                plain.executescript("PRAGMA incremental_vacuum;")
                plain.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        try:
            await asyncio.to_thread(work)
        except sqlite3.Error as error:
            _LOG.warning("emptied pages stay in the database until the next time: %s", error)

    async def _insert(
        self,
        connection: AsyncConnection,
        table: Table,
        rows: list[dict[str, Any]],
        *,
        replace: bool,
    ) -> None:
        if not rows:
            return
        key = [column.name for column in table.primary_key.columns]
        insert = sqlite.insert if self.is_sqlite else postgresql.insert
        statement = insert(table)
        if replace:
            # Both dialects call it the same, but share no type that says so.
            changed: Any = {c.name: statement.excluded[c.name] for c in table.columns}
            for name in key:
                del changed[name]
            statement = statement.on_conflict_do_update(index_elements=key, set_=changed)
        else:
            statement = statement.on_conflict_do_nothing(index_elements=key)
        await connection.execute(statement, rows)


def _to_row(item: Item) -> dict[str, Any]:
    row = {f.name: _clean(getattr(item, f.name)) for f in dataclasses.fields(item)}
    if isinstance(item, TurnRecord):
        latencies = row.pop("latencies")
        row |= {mark: latencies.get(mark) for mark in MARKS}
        row["question_key"] = question_key(item.question) if item.question else None
    return row


def to_turn(row: RowMapping) -> TurnRecord:
    """Make a record of a row of ``turns``."""
    latencies = {mark: row[mark] for mark in MARKS if row[mark] is not None}
    names = (f.name for f in dataclasses.fields(TurnRecord) if f.name != "latencies")
    return TurnRecord(**{name: row[name] for name in names}, latencies=latencies)


def _clean(value: Any) -> Any:
    """Take out of a text what one of the databases cannot hold."""
    if not isinstance(value, str):
        return value
    return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
