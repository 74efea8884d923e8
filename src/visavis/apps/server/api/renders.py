"""Videos of what an avatar says, made as jobs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from visavis.apps.assemble import Pose, clean_text
from visavis.apps.server.auth import require_admin
from visavis.apps.server.errors import ErrorBody, RequestInvalid
from visavis.apps.server.house import House, HouseOf
from visavis.apps.server.store.records import FINISHED, JobRecord
from visavis.apps.server.uploads import describe_order, read_order, save_upload
from visavis.core.types import Emotion, Language

router = APIRouter(prefix="/api/v1/renders", tags=["renders"])

KIND = "render"
JobId = Annotated[str, Path(max_length=64, examples=["6f1c9d0e5b7a4c21"])]
_TYPES = {"mp4": "video/mp4", "srt": "application/x-subrip", "vtt": "text/vtt; charset=utf-8"}


class RenderOrder(BaseModel):
    """What is said, by whom and how. One of ``text``, ``question`` and the file of a form."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(default="", max_length=1_000_000, description="Said as it is.")
    question: str = Field(default="", max_length=100_000, description="Answered.")
    use: Literal["speech", "question"] = Field(
        default="speech", description="Whether the avatar mouths the file or answers it."
    )
    avatar: str = Field(default="", max_length=200, description="A stored one's name.")
    voice: str = Field(default="", max_length=100)
    language: Language | None = Field(default=None, description="Of text that shows none.")
    emotion: Emotion | None = Field(default=None, description="Of every sentence.")
    intensity: float | None = Field(default=None, ge=0, le=1)
    pose: Pose = "natural"
    size: int | None = Field(default=None, ge=128, le=2160, description="Shorter side, pixels.")
    seed: int | None = Field(default=None, ge=0, le=2**31 - 1)
    subtitles: bool | None = Field(
        default=None, description="Of a text or an answer unless false; of speech only if true."
    )
    label: bool | None = Field(default=None, description='The visible "AI generated".')
    label_text: str | None = Field(default=None, max_length=60)


class JobError(BaseModel):
    """Why a job failed."""

    code: str = Field(examples=["AudioSilent"])
    message: str


class JobView(BaseModel):
    """A job as it is now."""

    id: str
    kind: Literal["render", "avatar"]
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    progress: float = Field(description="0..1; while a text is spoken, an estimate.")
    ahead: int = Field(description="Jobs before it in the queue.")
    created: datetime
    updated: datetime
    expires: datetime | None = Field(description="When its files are deleted; none while it runs.")
    error: JobError | None
    result: dict[str, Any] | None = Field(description="What came out.")
    files: dict[str, str] = Field(description="Paths of what came out, by ending.")


class JobList(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobView]


@router.post(
    "",
    status_code=202,
    summary="Order a video",
    responses={507: {"model": ErrorBody, "description": "The disk is full."}},
    openapi_extra=describe_order(
        RenderOrder,
        {"text": "Welcome! How can I help you?", "avatar": "mei", "emotion": "happy"},
        "A recording: speech that the avatar mouths, or a question (`use`).",
    ),
)
async def order_render(house: HouseOf, request: Request, response: Response) -> JobView:
    """Order a video of a text or a question (JSON), or of a recording (a form with `file`)."""
    async with read_order(request, RenderOrder) as (order, upload):
        if sum((bool(order.text), bool(order.question), upload is not None)) != 1:
            raise RequestInvalid("send one of 'text', 'question' and a recording as 'file'")
        await _check(house, order)
        asked: dict[str, Any] = order.model_dump(exclude_none=True)
        async with house.jobs.draft() as draft:
            if upload is not None:
                kept = await save_upload(upload, draft.folder)
                asked |= {"file": kept.path.name, "shown": kept.shown}
            job = await house.jobs.submit(draft, KIND, asked)
    response.headers["Location"] = f"/api/v1/renders/{job.id}"
    return await view_job(house, job)


async def _check(house: House, order: RenderOrder) -> None:
    """Refuse at once what would fail in the queue.

    Raises:
        TextUnusable: Empty or too long.
        UnknownAvatar: No stored avatar has the name; a path on this machine is none.
        UnknownVoice: No stage has it.
    """
    from visavis.stages.avatars import store

    settings = house.cast.settings
    if order.text:
        clean_text(order.text, settings.max_characters)
    if order.question:
        clean_text(order.question, settings.max_question, "question")
    if order.avatar:
        await asyncio.to_thread(store.find, order.avatar)
    if order.voice:
        await asyncio.to_thread(house.cast.router.find, order.voice)


@router.get("", summary="List renders", dependencies=[Depends(require_admin)])
async def list_renders(
    house: HouseOf,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> JobList:
    """List renders, newest first; for the operator, as who knows an id may watch."""
    found = await house.jobs.list(KIND, limit, offset)
    return JobList(jobs=[await view_job(house, job) for job in found])


@router.get("/{id}", summary="Look at a render")
async def show_render(house: HouseOf, id: JobId) -> JobView:
    """Say how far a render is."""
    return await view_job(house, await house.jobs.get(id, KIND))


@router.delete("/{id}", summary="Cancel or delete a render")
async def cancel_render(house: HouseOf, id: JobId) -> JobView:
    """Stop a render that waits or runs, or delete one that has ended; its files go at once."""
    return await cancel_job(house, id, KIND)


@router.get(
    "/{id}/video.mp4",
    summary="Get the video",
    response_class=FileResponse,
    responses={206: {"description": "The bytes that `Range` asked for."}},
)
async def get_video(house: HouseOf, id: JobId, download: bool = False) -> FileResponse:
    """Send the video; `Range` is understood, so that players can seek."""
    return await _send(house, id, "mp4", download)


@router.get("/{id}/video.srt", summary="Get the subtitles (SubRip)", response_class=FileResponse)
async def get_srt(house: HouseOf, id: JobId, download: bool = False) -> FileResponse:
    """Send the subtitles as SubRip."""
    return await _send(house, id, "srt", download)


@router.get("/{id}/video.vtt", summary="Get the subtitles (WebVTT)", response_class=FileResponse)
async def get_vtt(house: HouseOf, id: JobId, download: bool = False) -> FileResponse:
    """Send the subtitles as WebVTT, each word with its time."""
    return await _send(house, id, "vtt", download)


async def _send(house: House, id: str, ending: str, download: bool) -> FileResponse:
    path = await house.jobs.find_result(id, f"video.{ending}", KIND)
    return FileResponse(
        path,
        media_type=_TYPES[ending],
        filename=f"{id}.{ending}",
        content_disposition_type="attachment" if download else "inline",
    )


async def view_job(house: House, job: JobRecord) -> JobView:
    """Show a job as the API does."""
    result = dict(job.result or {})
    code = result.pop("code", "StageError")
    files = result.pop("files", [])
    path = f"/api/v1/{job.kind}s/{job.id}"
    return JobView.model_validate(
        {
            "id": job.id,
            "kind": job.kind,
            "state": job.state,
            "progress": round(job.progress, 3),
            "ahead": await house.jobs.count_ahead(job),
            "created": _time(job.created),
            "updated": _time(job.updated),
            "expires": _time(job.expires) if job.expires is not None else None,
            "error": {"code": code, "message": job.error} if job.error else None,
            "result": result if job.state == "done" else None,
            "files": {name.rpartition(".")[2]: f"{path}/{name}" for name in files},
        }
    )


async def cancel_job(house: House, id: str, kind: str) -> JobView:
    """Cancel a job, or delete it when it has ended, and show it as it then is."""
    job = await house.jobs.get(id, kind)
    if job.state in FINISHED:
        await house.jobs.forget(id, kind)
        return await view_job(house, job)
    return await view_job(house, await house.jobs.cancel(id, kind))


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
