"""The queue of renders, as rows: whatever was accepted is still there after a restart."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from visavis.apps.server.store.database import Database
from visavis.apps.server.store.records import FINISHED, JobRecord, JobState
from visavis.apps.server.store.tables import jobs

_COLUMNS = [jobs.c[field.name] for field in dataclasses.fields(JobRecord)]


class JobRows(Database):
    """Jobs. Those that run here are those whose files lie in this store's data folder."""

    async def add_job(self, job: JobRecord) -> JobRecord:
        """Put a job at the end of the queue.

        Returns:
            The job as stored, with its owner.
        """
        job = dataclasses.replace(job, owner=job.owner or self.owner)
        async with self.writing() as connection:
            await connection.execute(insert(jobs).values(**dataclasses.asdict(job)))
        return job

    async def get_job(self, id: str) -> JobRecord | None:
        """Look a job up."""
        async with self.reading() as connection:
            row = (
                (await connection.execute(select(*_COLUMNS).where(jobs.c.id == id)))
                .mappings()
                .first()
            )
        return None if row is None else JobRecord(**row)

    async def list_jobs(
        self, *, states: Sequence[JobState] = (), limit: int = 100, offset: int = 0
    ) -> list[JobRecord]:
        """Jobs of this store, newest first; of some states or of all."""
        query = select(*_COLUMNS).order_by(jobs.c.position.desc()).limit(limit).offset(offset)
        if states:
            query = query.where(jobs.c.state.in_(states))
        async with self.reading() as connection:
            return [JobRecord(**row) for row in (await connection.execute(query)).mappings()]

    async def count_jobs(self) -> dict[str, int]:
        """Count jobs by state; states without any are left out."""
        query = select(jobs.c.state, func.count()).group_by(jobs.c.state)
        async with self.reading() as connection:
            return {state: number for state, number in (await connection.execute(query)).all()}

    async def count_ahead(self, id: str) -> int:
        """Count the queued jobs of the same data folder that come before one."""
        own = select(jobs.c.position, jobs.c.owner).where(jobs.c.id == id).subquery()
        query = (
            select(func.count())
            .select_from(jobs)
            .join(own, own.c.owner == jobs.c.owner)
            .where(jobs.c.state == "queued", jobs.c.position < own.c.position)
        )
        async with self.reading() as connection:
            return (await connection.execute(query)).scalar_one()

    async def update_job(
        self,
        id: str,
        *,
        state: JobState | None = None,
        progress: float | None = None,
        error: str | None = None,
        result: Mapping[str, Any] | None = None,
        expires: float | None = None,
        when: Sequence[JobState] = (),
    ) -> JobRecord | None:
        """Change what is given.

        Args:
            id: Of the job.
            state: The new one.
            progress: 0..1.
            error: What went wrong, for the user.
            result: JSON.
            expires: When its files are deleted.
            when: Change it only in one of these states: a job that was cancelled meanwhile is not
                to become done. Empty for any.

        Returns:
            The job after the change; None if there is none, or it is in another state.
        """
        given = {
            "state": state,
            "progress": progress,
            "error": error,
            "result": result,
            "expires": expires,
        }
        values = {name: value for name, value in given.items() if value is not None}
        query = update(jobs).where(jobs.c.id == id).values(**values, updated=time.time())
        if when:
            query = query.where(jobs.c.state.in_(when))
        async with self.writing() as connection:
            row = (await connection.execute(query.returning(*_COLUMNS))).mappings().first()
        return None if row is None else JobRecord(**row)

    async def claim_next_job(self) -> JobRecord | None:
        """Take the oldest queued job of this data folder; it is running then.

        No two callers get the same one.
        """
        oldest = (
            select(jobs.c.position)
            .where(jobs.c.state == "queued", jobs.c.owner == self.owner)
            .order_by(jobs.c.position)
            .limit(1)
            # SQLite has no such thing and needs none: only one transaction writes at a time.
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        query = (
            update(jobs)
            .where(jobs.c.position == oldest, jobs.c.state == "queued")
            .values(state="running", progress=0.0, updated=time.time())
        )
        async with self.writing() as connection:
            row = (await connection.execute(query.returning(*_COLUMNS))).mappings().first()
        return None if row is None else JobRecord(**row)

    async def requeue_running_jobs(self) -> int:
        """Put back what was running when the server stopped; at its old place in the queue.

        Returns:
            How many.
        """
        query = (
            update(jobs)
            .where(jobs.c.state == "running", jobs.c.owner == self.owner)
            .values(state="queued", progress=0.0, updated=time.time())
        )
        async with self.writing() as connection:
            return (await connection.execute(query)).rowcount

    async def list_expired_jobs(self, now: float | None = None) -> list[JobRecord]:
        """Finished jobs of this data folder whose files are to be deleted."""
        query = select(*_COLUMNS).where(
            jobs.c.owner == self.owner,
            jobs.c.state.in_(FINISHED),
            jobs.c.expires < (time.time() if now is None else now),
        )
        async with self.reading() as connection:
            return [JobRecord(**row) for row in (await connection.execute(query)).mappings()]

    async def delete_job(self, id: str) -> bool:
        """Forget a job. True if there was one."""
        async with self.writing() as connection:
            done = await connection.execute(delete(jobs).where(jobs.c.id == id))
        return bool(done.rowcount)
