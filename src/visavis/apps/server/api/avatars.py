"""Who answers: list, look at, make, delete."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from functools import lru_cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Path, Query, Request, Response, UploadFile
from pydantic import BaseModel, Field

from visavis.apps.server.api.renders import JobId, JobView, cancel_job, view_job
from visavis.apps.server.auth import require_admin
from visavis.apps.server.errors import Conflict, ErrorBody, Refused
from visavis.apps.server.house import HouseOf
from visavis.apps.server.uploads import Upload, keep_upload, save_upload

router = APIRouter(prefix="/api/v1", tags=["avatars"])

KIND = "avatar"
AvatarName = Annotated[str, Path(max_length=200, examples=["mei"])]
_TALLEST = 1_080


class AvatarView(BaseModel):
    """A stored avatar."""

    name: str
    about: str = Field(examples=["a picture"])
    origin: Literal["shipped", "own"]
    default: bool
    damaged: bool = Field(description="Its file cannot be read.")
    width: int
    height: int
    frames: int = Field(description="1 for a picture, many for a loop.")
    voice: dict[str, str] = Field(description="Its voices by language.")
    picture: str = Field(description="Path of its picture.")


class AvatarList(BaseModel):
    """All avatars: the default first."""

    avatars: list[AvatarView]


class CheckItem(BaseModel):
    """One thing that was looked at."""

    name: str = Field(examples=["frontal"])
    verdict: Literal["ok", "warn", "fail"]
    found: str
    advice: str


class CheckView(BaseModel):
    """Whether a picture or video is fit to be an avatar."""

    source: str
    kind: Literal["picture", "video"]
    verdict: Literal["ok", "warn", "fail"]
    items: list[CheckItem]


@router.get("/avatars", summary="List avatars")
async def list_avatars(house: HouseOf) -> AvatarList:
    """List the avatars shipped and those made here."""
    from visavis.stages.avatars import store

    chosen = house.cast.settings.avatar or store.DEFAULT
    return AvatarList(avatars=await asyncio.to_thread(_list, chosen))


@router.get("/avatars/{name}", summary="Look at an avatar")
async def show_avatar(house: HouseOf, name: AvatarName) -> AvatarView:
    """Describe an avatar."""
    from visavis.stages.avatars import store

    chosen = house.cast.settings.avatar or store.DEFAULT
    return await asyncio.to_thread(lambda: _view(store.find(name), chosen))


@router.get(
    "/avatars/{name}/picture.jpg",
    summary="Get its picture",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
async def show_picture(
    request: Request,
    name: AvatarName,
    height: Annotated[int, Query(ge=32, le=_TALLEST, description="Pixels.")] = 512,
) -> Response:
    """Send the avatar's first picture."""
    from visavis.stages.avatars import store

    stored = await asyncio.to_thread(store.find, name)
    changed = stored.path.stat().st_mtime_ns
    tag = f'"{changed:x}-{height}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "private, max-age=300",
        "Last-Modified": formatdate(changed / 1e9, usegmt=True),
    }
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    data = await asyncio.to_thread(_draw, str(stored.path), changed, height)
    return Response(data, media_type="image/jpeg", headers=headers)


@router.delete("/avatars/{name}", status_code=204, summary="Delete an avatar")
async def remove_avatar(request: Request, name: AvatarName) -> None:
    """Delete an avatar that was made here; those shipped stay. For the operator."""
    from visavis.stages.avatars import store

    await require_admin(request)
    stored = await asyncio.to_thread(store.find, name)
    if stored.origin == "shipped":
        raise Refused(f"{stored.name!r} is shipped with visavis and cannot be deleted")
    await asyncio.to_thread(store.remove, stored.name)


@router.post("/avatar-checks", summary="Check a picture or video")
async def check_avatar(
    house: HouseOf, file: Annotated[UploadFile, File(description="A picture or video.")]
) -> CheckView:
    """Say whether a picture or video is fit to be an avatar, and what to do; nothing is kept."""
    async with keep_upload(file) as kept, house.desk:
        report = await asyncio.to_thread(_check, kept)
    return CheckView.model_validate({**report, "source": kept.shown})


@router.post(
    "/avatars",
    status_code=202,
    summary="Make an avatar",
    responses={
        403: {"model": ErrorBody, "description": "Only the operator may, where all may come in."},
        409: {"model": ErrorBody, "description": "The name is taken."},
        507: {"model": ErrorBody, "description": "The disk is full."},
    },
)
async def make_avatar(
    house: HouseOf,
    request: Request,
    response: Response,
    file: Annotated[UploadFile, File(description="A picture or video of one face.")],
    name: Annotated[str, Form(max_length=200, description="What to call it.")],
    voice_zh: Annotated[str, Form(max_length=100)] = "",
    voice_en: Annotated[str, Form(max_length=100)] = "",
    force: Annotated[bool, Form(description="Although the face is unfit in some way.")] = False,
) -> JobView:
    """Make an avatar of a picture or video, as a job; its result holds what the check found."""
    from visavis.stages.avatars import store

    if house.gate.public:
        await require_admin(request)
    clean = await asyncio.to_thread(store.check_name, name)
    if any(stored.name == clean for stored in await asyncio.to_thread(store.list_avatars)):
        raise Conflict(f"an avatar is called {clean!r} already; choose another name")
    voices = {"zh": voice_zh, "en": voice_en}
    for voice in filter(None, voices.values()):
        await asyncio.to_thread(house.cast.router.find, voice)
    async with house.jobs.draft() as draft:
        kept = await save_upload(file, draft.folder)
        order = {
            "name": clean,
            "voice": {language: voice for language, voice in voices.items() if voice},
            "force": force,
            "file": kept.path.name,
            "shown": kept.shown,
        }
        job = await house.jobs.submit(draft, KIND, order)
    response.headers["Location"] = f"/api/v1/avatar-jobs/{job.id}"
    return await view_job(house, job)


@router.get("/avatar-jobs/{id}", summary="Look at the making of an avatar")
async def show_job(house: HouseOf, id: JobId) -> JobView:
    """Say how far the making of an avatar is."""
    return await view_job(house, await house.jobs.get(id, KIND))


@router.delete("/avatar-jobs/{id}", summary="Stop the making of an avatar")
async def stop_job(house: HouseOf, id: JobId) -> JobView:
    """Stop the making of an avatar, or forget that it was made; the avatar itself stays."""
    return await cancel_job(house, id, KIND)


def _list(default: str) -> list[AvatarView]:
    from visavis.stages.avatars import store

    return [_view(stored, default) for stored in store.list_avatars()]


def _view(stored: Any, default: str) -> AvatarView:
    from urllib.parse import quote

    from visavis.core.errors import FileUnreadable
    from visavis.media.pack import read_avatar_info

    try:
        info = read_avatar_info(stored.path)
    except FileUnreadable:
        info = None
    frames = info["count"] if info else 0
    about = "a picture" if frames == 1 else f"a loop of {frames / 25:.1f} s"
    return AvatarView(
        name=stored.name,
        about=(info["info"].get("about") or about) if info else "damaged",
        origin=stored.origin,
        default=stored.name == default,
        damaged=info is None,
        width=info["width"] if info else 0,
        height=info["height"] if info else 0,
        frames=frames,
        voice=dict(info["voice"]) if info else {},
        picture=f"/api/v1/avatars/{quote(stored.name, safe='')}/picture.jpg",
    )


@lru_cache(maxsize=64)
def _draw(path: str, changed: int, height: int) -> bytes:
    """Draw an avatar's first frame as JPEG; ``changed`` tells one state of the file from another."""
    from io import BytesIO

    from PIL import Image

    from visavis.media.pack import load_avatar

    frame = Image.fromarray(load_avatar(path).frames[0])
    height = min(height, frame.height)
    width = max(1, round(frame.width * height / frame.height))
    buffer = BytesIO()
    frame.resize((width, height), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _check(upload: Upload) -> dict[str, Any]:
    from visavis.stages.avatars.check_source import check_source

    return check_source(upload.path).describe()
