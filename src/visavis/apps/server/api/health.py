"""Whether the server lives and is ready, for whoever looks after it."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from visavis.apps.server.house import HouseOf

ACCESS = "open"

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """Whether everything is loaded."""

    status: Literal["ready", "loading", "failed"]
    doing: str = Field(default="", description="What is being loaded.", examples=["the voices"])
    trouble: str = Field(default="", description="Why it cannot become ready.")


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Alive?")
async def tell_alive() -> Alive:
    """Answer as long as the process does."""
    return Alive()


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    summary="Ready?",
    responses={503: {"model": Ready, "description": "Not yet, or never."}},
)
async def tell_ready(house: HouseOf, response: Response) -> Ready:
    """Answer 200 when the networks are loaded and 503 before."""
    if house.is_ready:
        return Ready(status="ready")
    response.status_code = 503
    return Ready(
        status="failed" if house.trouble else "loading", doing=house.doing, trouble=house.trouble
    )
