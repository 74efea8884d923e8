"""The queue: bounded, cancelled at once, swept, and done again after a restart."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from visavis.apps.server.errors import Conflict, NotFound, QueueFull
from visavis.apps.server.jobs import process, queue
from visavis.apps.server.jobs.queue import Jobs
from visavis.apps.server.settings import ServerSettings
from visavis.apps.server.store.records import JobRecord
from visavis.apps.server.store.store import Store

WORKER = Path(__file__).parent / "quick_worker.py"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "WORKER", (sys.executable, str(WORKER)))
    monkeypatch.setattr(queue, "SWEEP_SECONDS", 0.05)


@asynccontextmanager
async def open_jobs(folder: Path, **options: object) -> AsyncIterator[Jobs]:
    settings = ServerSettings(data=folder, **options)  # type: ignore[arg-type]
    store = Store.from_settings(settings)
    await store.open()
    jobs = Jobs(store, settings, folder / "jobs")
    await jobs.open()
    try:
        yield jobs
    finally:
        await jobs.close()
        await store.close()


async def order(jobs: Jobs, do: str) -> str:
    async with jobs.draft() as draft:
        return (await jobs.submit(draft, "render", {"do": do})).id


async def until(jobs: Jobs, id: str, state: str) -> JobRecord:
    for _ in range(1_000):
        job = await jobs.get(id)
        if job.state == state:
            return job
        await asyncio.sleep(0.02)
    raise AssertionError(f"the job stays {job.state}: {job.error}")


async def appears(path: Path) -> None:
    for _ in range(2_000):
        if os.access(path, os.F_OK):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{path} does not appear")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def pid_of(folder: Path) -> int:
    await appears(folder / "half.mp4.part")
    return int((folder / "pid").read_text())


async def test_a_job_is_done_and_its_files_are_found(tmp_path: Path) -> None:
    async with open_jobs(tmp_path) as jobs:
        id = await order(jobs, "done")
        job = await until(jobs, id, "done")
        assert (job.progress, job.error) == (1.0, "")
        assert job.expires is not None
        assert job.expires - job.updated == pytest.approx(24 * 3600, abs=5)
        assert (await jobs.find_result(id, "video.mp4")).read_text() == "half"
        for name in ("video.srt", "pid", "../lock", "worker.log"):
            with pytest.raises(NotFound):
                await jobs.find_result(id, name)
        with pytest.raises(NotFound):
            await jobs.get(id, "avatar")


async def test_jobs_are_done_in_their_order_one_at_a_time(tmp_path: Path) -> None:
    async with open_jobs(tmp_path) as jobs:
        first, second, third = [await order(jobs, "wait") for _ in range(3)]
        running = await until(jobs, first, "running")
        await appears(jobs.folder_of(first) / "half.mp4.part")
        await asyncio.sleep(0.1)
        running = await jobs.get(first)
        assert running.progress == 0.25
        assert [await jobs.count_ahead(await jobs.get(id)) for id in (second, third)] == [0, 1]
        assert (await jobs.get(second)).state == "queued"
        for id in (first, second, third):
            (jobs.folder_of(id) / "go").touch()
            await until(jobs, id, "done")


async def test_two_at_once_where_it_is_set(tmp_path: Path) -> None:
    async with open_jobs(tmp_path, jobs=2) as jobs:
        ids = [await order(jobs, "wait") for _ in range(2)]
        for id in ids:
            await until(jobs, id, "running")


@pytest.mark.parametrize("do", ["wait", "stubborn"])
async def test_cancel_kills_the_work_and_deletes_what_was_made(tmp_path: Path, do: str) -> None:
    async with open_jobs(tmp_path) as jobs:
        id = await order(jobs, do)
        pid = await pid_of(jobs.folder_of(id))
        await jobs.cancel(id)
        assert not is_alive(pid)
        assert not jobs.folder_of(id).exists()
        assert (await jobs.get(id)).state == "cancelled"
        with pytest.raises(Conflict):
            await jobs.cancel(id)
        # The next one is not held up.
        await until(jobs, await order(jobs, "done"), "done")


async def test_cancel_one_that_waits(tmp_path: Path) -> None:
    async with open_jobs(tmp_path) as jobs:
        first, second = await order(jobs, "wait"), await order(jobs, "done")
        await jobs.cancel(second)
        (jobs.folder_of(first) / "go").touch()
        await until(jobs, first, "done")
        await asyncio.sleep(0.1)
        assert (await jobs.get(second)).state == "cancelled"
        assert not jobs.folder_of(second).exists()


async def test_a_failure_is_told_in_its_words(tmp_path: Path) -> None:
    async with open_jobs(tmp_path) as jobs:
        job = await until(jobs, await order(jobs, "fail"), "failed")
        assert job.error == "the disk is full; free some space"
        assert job.result == {"code": "OutputUnwritable"}
        with pytest.raises(Conflict, match="failed"):
            await jobs.find_result(job.id, "video.mp4")


async def test_a_crash_is_a_failure_and_the_next_job_is_done(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_jobs(tmp_path) as jobs:
        crashed, fine = await order(jobs, "crash"), await order(jobs, "done")
        job = await until(jobs, crashed, "failed")
        assert "killed" in job.error
        await until(jobs, fine, "done")


async def test_the_queue_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "WAITING_LIMIT", 2)
    async with open_jobs(tmp_path) as jobs:
        first = await order(jobs, "wait")
        await until(jobs, first, "running")
        for _ in range(2):
            await order(jobs, "done")
        folders = set(os.listdir(jobs.folder))
        with pytest.raises(QueueFull, match="2 jobs wait") as refused:
            await order(jobs, "done")
        assert refused.value.retry_after
        assert set(os.listdir(jobs.folder)) == folders


async def test_what_has_expired_goes(tmp_path: Path) -> None:
    async with open_jobs(tmp_path, job_expiry_hours=0.2 / 3600) as jobs:
        id = await order(jobs, "done")
        await until(jobs, id, "done")
        for _ in range(500):
            if await jobs._store.get_job(id) is None:
                break
            await asyncio.sleep(0.02)
        with pytest.raises(NotFound):
            await jobs.get(id)
        assert not jobs.folder_of(id).exists()


async def test_a_graceful_stop_puts_the_work_back(tmp_path: Path) -> None:
    async with open_jobs(tmp_path) as jobs:
        id = await order(jobs, "wait")
        pid = await pid_of(jobs.folder_of(id))
    assert not is_alive(pid)
    async with open_jobs(tmp_path) as jobs:
        await until(jobs, id, "running")
        (jobs.folder_of(id) / "go").touch()
        await until(jobs, id, "done")
        assert (jobs.folder_of(id) / "runs").read_text() == ".."


async def test_what_was_left_running_is_done_again(tmp_path: Path) -> None:
    """As after a kill -9: the row says running, and nobody works on it."""
    async with open_jobs(tmp_path) as jobs:
        id = await order(jobs, "wait")
        await pid_of(jobs.folder_of(id))
        real_update = jobs._store.update_job

        async def forget(*args: object, **options: object) -> None:
            return None

        jobs._store.update_job = forget  # type: ignore[method-assign, assignment]
        await jobs.close()
        jobs._store.update_job = real_update  # type: ignore[method-assign]
        assert (await jobs.get(id)).state == "running"
    async with open_jobs(tmp_path) as jobs:
        await appears(jobs.folder_of(id) / "half.mp4.part")
        (jobs.folder_of(id) / "go").touch()
        await until(jobs, id, "done")


async def test_a_second_server_in_one_folder_leaves_the_firsts_work_alone(tmp_path: Path) -> None:
    async with open_jobs(tmp_path) as jobs:
        id = await order(jobs, "wait")
        await pid_of(jobs.folder_of(id))
        async with open_jobs(tmp_path) as second:
            assert (await second.get(id)).state == "running"
        assert (await jobs.get(id)).state == "running"
        (jobs.folder_of(id) / "go").touch()
        await until(jobs, id, "done")
        assert (jobs.folder_of(id) / "runs").read_text() == "."


async def test_uploads_that_were_broken_off_leave_nothing(tmp_path: Path) -> None:
    async with open_jobs(tmp_path) as jobs:
        async with jobs.draft() as draft:
            (draft.folder / "input.wav").touch()
        assert not draft.folder.exists()
        (jobs.folder / "0123456789abcdef").mkdir()
    async with open_jobs(tmp_path) as jobs:
        assert not (jobs.folder / "0123456789abcdef").exists()


@pytest.mark.parametrize("id", ["", "..", "../../etc", "0123456789ABCDEF", "x" * 16, "0" * 15])
async def test_odd_ids(tmp_path: Path, id: str) -> None:
    async with open_jobs(tmp_path) as jobs:
        with pytest.raises(NotFound):
            await jobs.get(id)
