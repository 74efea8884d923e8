"""Questions to begin with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from visavis.apps.server.api.knowledge import find_bases
from visavis.apps.server.house import HouseOf
from visavis.core.types import Language
from visavis.knowledge.base import Base

router = APIRouter(prefix="/api/v1/suggestions", tags=["knowledge"])

_LONGEST = {"zh": 26, "en": 60}
"""Characters that a button holds."""
_SMALL_TALK = "small-talk"


class Suggestions(BaseModel):
    """Questions that have an answer."""

    language: Language
    questions: list[str] = Field(examples=[["How do I renew my residence permit?"]])


@router.get("", summary="Suggest questions")
async def suggest(
    house: HouseOf,
    language: Language | None = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 6,
) -> Suggestions:
    """Suggest questions, one of each topic in turn, so that they show what can be asked."""
    chosen = language or house.cast.settings.language
    return Suggestions(
        language=chosen, questions=choose_questions(await find_bases(house), chosen, limit)
    )


def choose_questions(bases: Sequence[Base], language: Language, limit: int) -> list[str]:
    """Choose the first question of each topic, then the second, and so on."""
    by_topic: dict[str, list[str]] = {}
    for base in bases:
        for pair in base.pairs:
            fits = pair.language == language and not pair.is_gap
            if fits and pair.topic != _SMALL_TALK and len(pair.question) <= _LONGEST[language]:
                by_topic.setdefault(pair.topic, []).append(pair.question)

    def in_turn() -> Iterator[str]:
        for row in zip_longest(*by_topic.values()):
            yield from (question for question in row if question is not None)

    return [question for question, _ in zip(in_turn(), range(limit), strict=False)]
