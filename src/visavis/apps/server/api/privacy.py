"""What is kept of those who ask."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from visavis.apps.server.house import HouseOf

router = APIRouter(prefix="/api/v1/privacy", tags=["sessions"])


class Privacy(BaseModel):
    """What the server keeps, for a page to say before anybody speaks."""

    records: Literal["none", "unanswered", "all"] = Field(
        description="Questions that are kept as texts; with `all` answers too."
    )
    sound: bool = Field(
        description=(
            "Whether the sound of spoken questions is kept, of sessions that were opened with"
            " `may_keep_sound`."
        )
    )
    retention_days: int = Field(description="Days after which it is deleted.")


@router.get("", summary="Say what is kept")
async def show_privacy(house: HouseOf) -> Privacy:
    """Say what is kept of questions, so that whoever asks can be told."""
    settings = house.settings
    return Privacy(
        records=settings.records, sound=settings.audio, retention_days=settings.retention_days
    )
