"""From an unanswered question to a new pair, in one step."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from visavis.apps.server.api.knowledge_editing import (
    WRITE_RESPONSES,
    Expected,
    NewPair,
    PairWritten,
    put_new_pair,
)
from visavis.apps.server.house import HouseOf
from visavis.core.errors import StoreUnavailable

ACCESS = "admin"

router = APIRouter(prefix="/api/v1/admin", tags=["admin"])

Key = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class GapAnswer(NewPair):
    """The answer to an unanswered question."""

    base: str = Field(max_length=64, description="That the pair is put into.")
    keys: list[Key] = Field(
        default_factory=list,
        max_length=1_000,
        description="Of the other wordings, which are marked as done too.",
    )


class GapAnswered(PairWritten):
    """What became of the answer."""

    marked: bool = Field(description="Whether the question is marked as done.")
    problem: str = Field(description="Why it is not, in words; the pair is there all the same.")


@router.post(
    "/gaps/{key}/answer",
    status_code=201,
    summary="Answer an unanswered question",
    responses=WRITE_RESPONSES,
)
async def answer_gap(
    house: HouseOf,
    key: Annotated[str, Path(pattern="^[0-9a-f]{32}$")],
    order: GapAnswer,
    expect_version: Expected = None,
) -> GapAnswered:
    """Put a pair into a base and mark the question as done.

    The pair is first: where the question cannot be marked, the pair stays and the reply says so.
    """
    draft = NewPair(**order.model_dump(exclude={"base", "keys"}))
    note = "answered an unanswered question"
    written = await put_new_pair(house, order.base, draft, expect_version, note)
    problem = ""
    try:
        await house.store.review(list(dict.fromkeys((key, *order.keys))), "done")
    except StoreUnavailable as error:
        problem = str(error)
    return GapAnswered(**written.model_dump(), marked=not problem, problem=problem)
