"""The queue of what takes long: bounded, cancelled at once, done again after a restart.

Each job has a folder of its own, with what was uploaded and what came out, and runs in a process of
its own: it can be killed, it cannot hold up a live session, and it dies with the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from visavis.apps.server.errors import Conflict, Gone, NotFound, QueueFull
from visavis.apps.server.jobs.process import JobFailed, JobProcess
from visavis.apps.server.store.records import FINISHED, JobRecord, JobState
from visavis.media.files import unwritable

if TYPE_CHECKING:
    from visavis.apps.server.settings import ServerSettings
    from visavis.apps.server.store.store import Store

logger = logging.getLogger(__name__)

WAITING_LIMIT = 32
"""Jobs that may wait."""
SWEEP_SECONDS = 60.0
_POLL_SECONDS = 5.0
_NOTE_SECONDS = 2.0
"""How often progress goes to the store; readers see it at once."""
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Draft:
    """A job that is not ordered yet: its folder is there to put uploads into."""

    id: str
    folder: Path


class Jobs:
    """Orders, runs, cancels and forgets jobs.

    Args:
        store: Where they are written down.
        settings: How many at once, how long their files are kept.
        folder: Of their files.
    """

    def __init__(self, store: Store, settings: ServerSettings, folder: Path) -> None:
        self.folder = folder
        self._store = store
        self._at_once = settings.jobs
        self._kept = settings.job_expiry_hours * 3600
        self._running: dict[str, JobProcess] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._arrived = asyncio.Event()
        self._ordering = asyncio.Lock()
        self._lock: IO[str] | None = None

    async def open(self) -> None:
        """Put back what was running when the server stopped, and begin to work.

        Raises:
            OutputUnwritable: The folder cannot be made.
        """
        if self._take_folder():
            await self._store.requeue_running_jobs()
            await self._drop_strays()
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._at_once)]
        self._tasks.append(asyncio.create_task(self._sweep()))

    async def close(self) -> None:
        """Stop what runs and put it back into the queue."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @contextlib.asynccontextmanager
    async def draft(self) -> AsyncIterator[Draft]:
        """Give a folder for a new job; it goes again unless the job is submitted.

        Raises:
            OutputUnwritable: The disk is full or the folder cannot be written.
        """
        draft = Draft(secrets.token_hex(8), Path())
        draft = replace(draft, folder=self.folder_of(draft.id))
        try:
            draft.folder.mkdir(parents=True)
        except OSError as error:
            raise unwritable(draft.folder, error) from error
        try:
            yield draft
        finally:
            if await self._store.get_job(draft.id) is None:
                _remove(draft.folder)

    async def submit(self, draft: Draft, kind: str, request: Mapping[str, Any]) -> JobRecord:
        """Order a job.

        Raises:
            QueueFull: Too many wait already.
        """
        async with self._ordering:
            waiting = (await self._store.count_jobs()).get("queued", 0)
            if waiting >= WAITING_LIMIT:
                raise QueueFull(f"{waiting} jobs wait already; try again later")
            now = time.time()
            job = await self._store.add_job(JobRecord(draft.id, kind, dict(request), now, now))
        self._arrived.set()
        return job

    async def get(self, id: str, kind: str = "") -> JobRecord:
        """Look a job up, with its progress of this moment.

        Raises:
            NotFound: There is none of that id and kind.
        """
        job = await self._store.get_job(id) if _ID.fullmatch(id) else None
        if job is None or (kind and job.kind != kind):
            raise NotFound(f"there is no job {id[:32]!r}; it was never ordered, or has expired")
        return self._as_of_now(job)

    async def list(self, kind: str, limit: int = 100, offset: int = 0) -> list[JobRecord]:
        """List jobs of a kind, newest first."""
        found = await self._store.list_jobs(limit=limit, offset=offset)
        return [self._as_of_now(job) for job in found if job.kind == kind]

    async def count_ahead(self, job: JobRecord) -> int:
        """Count the jobs that come before one that waits."""
        return await self._store.count_ahead(job.id) if job.state == "queued" else 0

    async def count(self) -> dict[str, int]:
        """Count jobs by state."""
        return {str(state): number for state, number in (await self._store.count_jobs()).items()}

    async def cancel(self, id: str, kind: str = "") -> JobRecord:
        """Stop a job that waits or runs, and delete its files.

        Raises:
            NotFound: There is none of that id.
            Conflict: It has ended by itself already.
        """
        job = await self.get(id, kind)
        stopped = await self._store.update_job(
            id, state="cancelled", expires=time.time() + self._kept, when=("queued", "running")
        )
        if stopped is None:
            raise Conflict(f"the job {id} is {job.state} already")
        process = self._running.get(id)
        if process is not None:
            await process.stop()
        _remove(self.folder_of(id))
        return stopped

    async def forget(self, id: str, kind: str = "") -> None:
        """Delete a job that has ended, and its files.

        Raises:
            NotFound: There is none of that id.
            Conflict: It waits or runs.
        """
        job = await self.get(id, kind)
        if job.state not in FINISHED:
            raise Conflict(f"the job {id} is {job.state}; cancel it first")
        _remove(self.folder_of(id))
        await self._store.delete_job(id)

    async def find_result(self, id: str, name: str, kind: str = "render") -> Path:
        """Find a file that came out of a job.

        Raises:
            NotFound: No such job or file.
            Conflict: The job has not come to its end.
            Gone: The file's time is over.
        """
        job = await self.get(id, kind)
        if job.state != "done":
            raise Conflict(f"the job {id} is {job.state}; its files are there when it is done")
        if name not in (job.result or {}).get("files", ()):
            raise NotFound(f"the job {id} has no {name}")
        path = self.folder_of(id) / name
        if not path.is_file():
            raise Gone(f"{name} of the job {id} has been deleted; order it again")
        return path

    def folder_of(self, id: str) -> Path:
        """Give the folder of a job's files."""
        assert _ID.fullmatch(id)
        return self.folder / id

    def _as_of_now(self, job: JobRecord) -> JobRecord:
        process = self._running.get(job.id)
        if process is None or job.state != "running":
            return job
        return replace(job, progress=process.progress)

    async def _work(self) -> None:
        """Do one job after the other."""
        while True:
            job = None
            try:
                job = await self._store.claim_next_job()
            except Exception:
                logger.exception("the store did not give the next job")
            if job is not None:
                await self._do(job)
                continue
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._arrived.wait()

    async def _do(self, job: JobRecord) -> None:
        process = JobProcess(job.kind, job.request, self.folder_of(job.id))
        self._running[job.id] = process
        noting = asyncio.create_task(self._note(job.id, process))
        try:
            result = await process.run()
            process.progress = 1.0
            await self._finish(job.id, "done", process.progress, "", result)
        except JobFailed as failure:
            code = {"code": failure.code}
            await self._finish(job.id, "failed", process.progress, failure.message, code)
        except asyncio.CancelledError:
            await process.stop()
            await self._store.update_job(job.id, state="queued", progress=0.0, when=("running",))
            raise
        except Exception:
            logger.exception("the job %s failed", job.id)
            said = "something unexpected happened here; the server's log says what"
            await self._finish(job.id, "failed", process.progress, said, {"code": "Unexpected"})
        finally:
            noting.cancel()
            self._running.pop(job.id, None)

    async def _finish(
        self, id: str, state: JobState, progress: float, error: str, result: Mapping[str, Any]
    ) -> None:
        """Write down how a job ended, unless somebody cancelled it meanwhile."""
        try:
            job = await self._store.update_job(
                id,
                state=state,
                progress=progress,
                error=error,
                result=result,
                expires=time.time() + self._kept,
                when=("running",),
            )
        except Exception:
            # It stays as running, and is done again after a restart.
            logger.exception("the end of the job %s could not be written down", id)
            return
        if job is None:
            _remove(self.folder_of(id))

    async def _note(self, id: str, process: JobProcess) -> None:
        noted = 0.0
        while True:
            await asyncio.sleep(_NOTE_SECONDS)
            if process.progress > noted:
                noted = process.progress
                with contextlib.suppress(Exception):
                    await self._store.update_job(id, progress=noted, when=("running",))

    async def _sweep(self) -> None:
        """Delete what has expired, again and again."""
        while True:
            try:
                for job in await self._store.list_expired_jobs():
                    _remove(self.folder_of(job.id))
                    await self._store.delete_job(job.id)
            except Exception:
                logger.exception("expired jobs could not be deleted; they are tried again")
            await asyncio.sleep(SWEEP_SECONDS)

    def _take_folder(self) -> bool:
        """Say whether no other server works in this folder: then what runs there, runs no more."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("w")
        except OSError as error:
            raise unwritable(self.folder / "lock", error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            logger.warning("another server works in %s too", self.folder)
            return False
        self._lock = lock
        return True

    async def _drop_strays(self) -> None:
        """Delete folders whose jobs are not known: of uploads that were broken off."""
        for folder in self.folder.iterdir():
            if _ID.fullmatch(folder.name) and await self._store.get_job(folder.name) is None:
                _remove(folder)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
