"""What the operator sees and does: figures, unanswered questions, feedback, sessions, deletion."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from visavis.apps.server.errors import NotFound
from visavis.apps.server.house import House, HouseOf
from visavis.apps.server.preparing.preparation import Standing, State
from visavis.apps.server.store.export import (
    TABLES,
    TableName,
    export_csv,
    export_json,
    export_workbook,
    write_line,
)
from visavis.apps.server.store.gaps import Gap, Verdict
from visavis.apps.server.store.recorder import RecorderState
from visavis.apps.server.store.records import (
    FeedbackRecord,
    JobRecord,
    SessionRecord,
    TurnRecord,
)
from visavis.apps.server.store.space import measure_space
from visavis.apps.server.store.statistics import Statistics
from visavis.apps.server.store.store import DAY
from visavis.core.errors import StoreUnavailable

ACCESS = "admin"

router = APIRouter(prefix="/api/v1/admin", tags=["admin"])

_MARK = "\ufeff"
"""Before CSV: without it Excel takes Chinese for something else."""

Limit = Annotated[int, Query(ge=1, le=1_000)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]
Zone = Annotated[
    str, Query(max_length=64, description="IANA time zone; empty for the server's own.")
]


class SessionsNow(BaseModel):
    """What lives."""

    capacity: int
    sessions: list[dict[str, Any]] = Field(description="As `/api/v1/sessions` gives them.")
    frames: int = Field(description="Sent by these sessions.")
    late: int = Field(description="Of these frames, those sent after their moment.")


class Storage(BaseModel):
    """Where records are and how writing them goes."""

    where: str = Field(description="Without password.")
    records: Literal["none", "unanswered", "all"] = Field(description="Question texts kept.")
    retention_days: int
    size: int | None = Field(description="Bytes on disk; null if the database does not answer.")
    rows: dict[str, int]
    recorder: RecorderState


class PreparedSpeech(BaseModel):
    """Answers that are spoken ahead of time, so that they begin at once."""

    state: State = Field(
        description=(
            "`waiting` while somebody talks or did a minute ago, `full` where not all may be kept,"
            " `taken` while another server does it, `failed` where `problem` says why."
        )
    )
    ready: int = Field(description="Sentences that are prepared.")
    foreseen: int = Field(description="All that can be; 0 until that is known.")
    kept: int = Field(description="Sentences on disk, prepared or said by sessions.")
    size: int = Field(description="Their bytes.")
    limit: int = Field(description="Most bytes that are kept; 0 where no speech is.")
    problem: str = Field(
        description="What stood in the way last, in words; empty when nothing does."
    )


class Overview(BaseModel):
    """All figures of the first page."""

    time: float = Field(description="Unix seconds.")
    now: SessionsNow
    statistics: Statistics | None = Field(description="Null if the database does not answer.")
    jobs: dict[str, int] = Field(description="Renders by state.")
    storage: Storage
    speech: PreparedSpeech
    problem: str = Field(description="Why figures are missing, in words; empty if none are.")


class GapList(BaseModel):
    """Unanswered questions, those asked most first."""

    verdict: Verdict
    records: Literal["none", "unanswered", "all"] = Field(description="Question texts kept.")
    gaps: list[Gap]


class Review(BaseModel):
    """A verdict on unanswered questions."""

    model_config = ConfigDict(extra="forbid")

    keys: list[Annotated[str, Field(pattern="^[0-9a-f]{32}$")]] = Field(
        min_length=1, max_length=1_000
    )
    verdict: Verdict = Field(
        description="`done`: open again if it is asked and missed again. `dismissed`: for good."
    )


class FeedbackView(BaseModel):
    """Feedback and the turn that it is about, where that is known."""

    given: FeedbackRecord
    turn: TurnRecord | None


class FeedbackList(BaseModel):
    """Feedback, newest first."""

    feedback: list[FeedbackView]


class SessionPage(BaseModel):
    """Sessions that live, and those that were, newest first."""

    now: SessionsNow
    past: list[SessionRecord]


class JobList(BaseModel):
    """Renders, newest first."""

    counts: dict[str, int]
    jobs: list[JobRecord]


class PurgeOrder(BaseModel):
    """What to delete for good."""

    model_config = ConfigDict(extra="forbid")

    older_than_days: float = Field(ge=0, le=36_500, description="0 for everything.")


class Purged(BaseModel):
    """How many rows were deleted, by table."""

    deleted: dict[str, int]


@router.get("/overview", summary="Figures")
async def show_overview(
    house: HouseOf, days: Annotated[int, Query(ge=1, le=366)] = 30, tz: Zone = ""
) -> Overview:
    """Figures of some days and of this moment; those of days may be 20 seconds old."""
    statistics, size, problem = None, None, ""
    rows: dict[str, int] = {}
    jobs: dict[str, int] = {}
    try:
        statistics = await house.store.recent_statistics(days=days, zone=tz)
        rows, size = await house.store.count(), await measure_space(house.store)
        jobs = await house.store.count_jobs()
    except StoreUnavailable as error:
        # What lives does not need the store, and whoever mends it needs this page.
        problem = str(error)
    return Overview(
        time=time.time(),
        now=_look(house),
        statistics=statistics,
        jobs=jobs,
        storage=Storage(
            where=house.store.where,
            records=house.settings.records,
            retention_days=house.settings.retention_days,
            size=size,
            rows=rows,
            recorder=house.recorder.state,
        ),
        speech=await _look_at_speech(house),
        problem=problem,
    )


@router.get("/unanswered", summary="Unanswered questions")
async def list_unanswered(
    house: HouseOf,
    verdict: Verdict = "open",
    days: Annotated[int, Query(ge=1, le=36_500)] = 366,
    limit: Limit = 200,
) -> GapList:
    """Questions that were not answered, those that are alike together."""
    gaps = await house.store.list_gaps(verdict=verdict, since=time.time() - days * DAY, limit=limit)
    return GapList(verdict=verdict, records=house.settings.records, gaps=gaps)


@router.post("/unanswered/review", status_code=204, summary="Mark unanswered questions")
async def review_unanswered(house: HouseOf, review: Review) -> None:
    """Mark questions as done, as not worth an answer, or as open again."""
    await house.store.review(review.keys, review.verdict)


@router.get("/unanswered.csv", summary="Unanswered questions as CSV")
async def export_unanswered(house: HouseOf, verdict: Verdict = "open") -> StreamingResponse:
    """One line a group, for a spreadsheet."""
    gaps = await house.store.list_gaps(verdict=verdict, limit=1_000)

    async def lines() -> AsyncIterator[str]:
        yield _MARK
        yield write_line(
            ["question", "count", "first", "last", "nearest", "confidence", "languages", "others"]
        )
        for gap in gaps:
            times = [
                datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
                for at in (gap.first, gap.last)
            ]
            sure = "" if gap.confidence is None else round(gap.confidence, 3)
            others = " | ".join(gap.wordings)
            spoken = " ".join(gap.languages)
            yield write_line([gap.question, gap.count, *times, gap.nearest, sure, spoken, others])

    return _send(lines(), "text/csv; charset=utf-8", "unanswered.csv")


@router.get("/feedback", summary="Feedback")
async def list_feedback(
    house: HouseOf,
    rating: Literal["up", "down"] | None = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> FeedbackList:
    """Feedback, newest first."""
    found = await house.store.list_feedback(rating=rating, limit=limit, offset=offset)
    return FeedbackList(feedback=[FeedbackView(given=given, turn=turn) for given, turn in found])


@router.get("/sessions", summary="Sessions now and before")
async def list_sessions(house: HouseOf, limit: Limit = 50, offset: Offset = 0) -> SessionPage:
    """Sessions that live, and those on record."""
    past = await house.store.list_sessions(limit=limit, offset=offset)
    return SessionPage(now=_look(house), past=past)


@router.get("/now", summary="Sessions now")
async def show_now(house: HouseOf) -> SessionsNow:
    """Sessions that live; asks nothing of the database."""
    return _look(house)


@router.post("/sessions/{id}/end", status_code=204, summary="End a session")
async def end_session(house: HouseOf, id: Annotated[str, Path(max_length=64)]) -> None:
    """End a session that lives; its user is told."""
    session = house.sessions.get(id)
    if session is None:
        raise NotFound(f"there is no session {id!r}; it has ended, or never was")
    await session.close("closed", "it was ended by the operator")


@router.delete("/sessions/{id}", status_code=204, summary="Delete a session's records")
async def delete_session(house: HouseOf, id: Annotated[str, Path(max_length=64)]) -> None:
    """Delete what is on record of a session, turns, feedback and sound included, for good."""
    if not await house.store.delete_session(id):
        raise NotFound(f"nothing is on record of a session {id!r}; it is deleted, or never was")


@router.delete(
    "/sessions/{id}/turns/{number}", status_code=204, summary="Delete a question's records"
)
async def delete_turn(
    house: HouseOf,
    id: Annotated[str, Path(max_length=64)],
    number: Annotated[int, Path(ge=1, le=2**31 - 1)],
) -> None:
    """Delete what is on record of one question of a session, with feedback and sound, for good."""
    if not await house.store.delete_turn(id, number):
        raise NotFound(f"nothing is on record of question {number} of a session {id!r}")


@router.get("/jobs", summary="Renders")
async def list_jobs(house: HouseOf, limit: Limit = 100, offset: Offset = 0) -> JobList:
    """Renders, newest first; `/api/v1/renders` ends and deletes them."""
    return JobList(
        counts=await house.store.count_jobs(),
        jobs=await house.store.list_jobs(limit=limit, offset=offset),
    )


@router.post("/purge", summary="Delete records")
async def purge(house: HouseOf, order: PurgeOrder) -> Purged:
    """Delete records older than some days, for good, whatever the retention.

    Speech on disk goes too, where nobody used it since; what the base may answer is spoken anew.
    """
    before = time.time() - order.older_than_days * DAY
    deleted = await house.store.purge(before)
    if (shelf := house.cast.shelf) is not None:
        deleted["speech"] = await asyncio.to_thread(shelf.expire, before)
    return Purged(deleted=deleted)


@router.get("/export.jsonl", summary="All records as JSON Lines")
async def export_all(house: HouseOf) -> StreamingResponse:
    """Every session, turn and feedback on record, one JSON object a line."""
    return _send(export_json(house.store), "application/x-ndjson", "visavis-records.jsonl")


@router.get("/export.xlsx", summary="All records as a workbook")
async def export_all_as_workbook(house: HouseOf) -> StreamingResponse:
    """Every session, turn and feedback on record, a sheet for each."""
    book = tempfile.SpooledTemporaryFile(1 << 20)  # noqa: SIM115  # closed when it was sent
    try:
        await export_workbook(house.store, book)
    except BaseException:
        book.close()
        raise
    book.seek(0)

    async def parts() -> AsyncIterator[bytes]:
        with book:
            while part := await asyncio.to_thread(book.read, 1 << 16):
                yield part

    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return _send(parts(), kind, "visavis-records.xlsx")


@router.get("/export/{table}.csv", summary="One table as CSV")
async def export_table(house: HouseOf, table: TableName) -> StreamingResponse:
    """Every row on record of one table."""
    assert table in TABLES

    async def lines() -> AsyncIterator[str]:
        yield _MARK
        async for line in export_csv(house.store, table):
            yield line

    return _send(lines(), "text/csv; charset=utf-8", f"visavis-{table}.csv")


def _look(house: House) -> SessionsNow:
    found = [session.snapshot() for session in house.sessions]
    return SessionsNow(
        capacity=house.sessions.capacity,
        sessions=found,
        frames=sum(int(one.get("ticks", 0)) for one in found),
        late=sum(int(one.get("late", 0)) for one in found),
    )


async def _look_at_speech(house: House) -> PreparedSpeech:
    shelf = house.cast.shelf
    kept, size = await asyncio.to_thread(shelf.measure) if shelf is not None else (0, 0)
    standing = house.preparation.standing if house.preparation is not None else Standing()
    trouble = shelf.trouble if shelf is not None else ""
    return PreparedSpeech(
        state=standing.state,
        ready=standing.ready,
        foreseen=standing.foreseen,
        kept=kept,
        size=size,
        limit=shelf.limit if shelf is not None else 0,
        problem=standing.problem or trouble,
    )


def _send(
    lines: AsyncIterator[str] | AsyncIterator[bytes], kind: str, name: str
) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines, media_type=kind, headers=headers)
