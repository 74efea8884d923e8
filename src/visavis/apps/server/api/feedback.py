"""What users think of answers."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from visavis.apps.server.errors import ErrorBody, NotFound
from visavis.apps.server.house import HouseOf

router = APIRouter(prefix="/api/v1/sessions", tags=["feedback"])


class FeedbackGiven(BaseModel):
    """A thumb for one answer, up or down."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"turn": 1, "rating": "down", "comment": "out of date"}]},
    )

    turn: int = Field(ge=1, le=1_000_000, description="Of the session.")
    rating: Literal["up", "down"]
    comment: str = Field(
        "", max_length=2_000, description="Numbers and addresses in it are blotted out."
    )


@router.post(
    "/{id}/feedback",
    status_code=204,
    summary="Rate an answer",
    responses={404: {"model": ErrorBody, "description": "There never was such a session."}},
)
async def give_feedback(
    house: HouseOf, id: Annotated[str, Path(max_length=64)], given: FeedbackGiven
) -> None:
    """Rate an answer, during its session or after; rating it again replaces it."""
    if house.sessions.get(id) is None and await house.store.get_session(id) is None:
        raise NotFound(f"there is no session {id!r}; it never was, or is deleted by now")
    house.recorder.feedback(id, given.turn, given.rating, given.comment)
