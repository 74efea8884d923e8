"""The sound of questions, where it is kept."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse

from visavis.apps.server.errors import ErrorBody, NotFound
from visavis.apps.server.house import HouseOf
from visavis.apps.server.store.sounds import MEDIA_TYPE

ACCESS = "admin"

router = APIRouter(prefix="/api/v1/admin", tags=["admin"])


@router.get(
    "/sessions/{id}/turns/{number}/audio",
    summary="Listen to a question",
    response_class=FileResponse,
    responses={
        200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
        404: {"model": ErrorBody, "description": "No sound is kept of it."},
    },
)
async def send_sound(
    house: HouseOf,
    id: Annotated[str, Path(max_length=64)],
    number: Annotated[int, Path(ge=1, le=2**31 - 1)],
) -> FileResponse:
    """Send the sound of a spoken question, as FLAC; kept only with `VISAVIS_SERVER_AUDIO`."""
    path = await asyncio.to_thread(house.store.sounds.find, id, number)
    if path is None:
        raise NotFound(f"no sound is kept here of question {number} of a session {id!r}")
    # A browser's own cache would outlive a deletion.
    headers = {"Cache-Control": "no-store"}
    return FileResponse(path, media_type=MEDIA_TYPE, filename=path.name, headers=headers)
