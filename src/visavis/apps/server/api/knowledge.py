"""What can be asked: bases, their pairs, a search among them, and questions to begin with."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from visavis.apps.server.errors import NotFound
from visavis.apps.server.house import House, HouseOf
from visavis.core.errors import ConfigError
from visavis.core.language import detect_language
from visavis.core.types import Emotion, Language
from visavis.knowledge.base import AttachmentKind, Base, Pair

router = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"])

Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0)]


class BaseView(BaseModel):
    """A question-answer base."""

    name: str = Field(examples=["government_zh"])
    languages: list[Language]
    pairs: int = Field(description="Questions that have an answer.")
    gaps: int = Field(description="Questions that are known to have none.")
    topics: list[str]
    digest: str = Field(description="SHA-256; changes whenever the pairs do.")


class BaseList(BaseModel):
    """All bases."""

    bases: list[BaseView]


class AttachmentView(BaseModel):
    """What is shown beside an answer and not spoken."""

    kind: AttachmentKind
    value: str = Field(description="A web address, a telephone number, or where a place is.")
    label: str = Field("", description="What it is; empty where the value says it.")


class PairView(BaseModel):
    """A question and its answer."""

    id: str
    base: str
    language: Language
    topic: str
    question: str
    aliases: list[str]
    answer: str = Field(description="Empty for a question that is known to have none.")
    source: str
    sample: bool = Field(description="Made up for demonstration, not official advice.")
    emotion: Emotion = Field(description="How the answer is said.")
    intensity: float = Field(description="Of the emotion, 0..1.")
    valid_from: date | None = Field(description="First day on which the answer holds.")
    valid_to: date | None = Field(description="Last day on which it holds.")
    attachments: list[AttachmentView]


class PairList(BaseModel):
    """Some pairs of a base."""

    total: int
    pairs: list[PairView]


class MatchView(BaseModel):
    """A pair that was found."""

    confidence: float = Field(description="Estimated chance that it is meant, 0..1.")
    pair: PairView


class MatchList(BaseModel):
    """What was found, best first."""

    language: Language
    matches: list[MatchView]


@router.get("/bases", summary="List bases")
async def list_bases(house: HouseOf) -> BaseList:
    """List the bases that answers come from."""
    return BaseList(
        bases=[
            BaseView(
                name=base.name,
                languages=list(base.languages),
                pairs=sum(not pair.is_gap for pair in base.pairs),
                gaps=sum(pair.is_gap for pair in base.pairs),
                topics=sorted({pair.topic for pair in base.pairs if pair.topic}),
                digest=base.digest,
            )
            for base in await find_bases(house)
        ]
    )


@router.get("/bases/{name}/pairs", summary="List pairs")
async def list_pairs(
    house: HouseOf, name: str, topic: str = "", limit: Limit = 100, offset: Offset = 0
) -> PairList:
    """List the pairs of a base in its order, all or those of a topic."""
    for base in await find_bases(house):
        if base.name == name:
            found = [pair for pair in base.pairs if not topic or pair.topic == topic]
            shown = [view_pair(pair, base.name) for pair in found[offset : offset + limit]]
            return PairList(total=len(found), pairs=shown)
    raise NotFound(f"no base is called {name[:80]!r}; see /api/v1/knowledge/bases")


@router.get("/search", summary="Search")
async def search(
    house: HouseOf,
    q: Annotated[str, Query(min_length=1, max_length=2_000, description="A question.")],
    language: Language | None = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 5,
) -> MatchList:
    """Find the pairs that a question most likely means, whether or not they would be answered."""
    chosen = language or detect_language(q, house.cast.settings.language)
    index = await asyncio.to_thread(_prepare(house).prepare)
    async with house.desk:
        matches = await asyncio.to_thread(index.search, q, chosen, limit)
    return MatchList(
        language=chosen,
        matches=[
            MatchView(confidence=round(m.confidence, 3), pair=view_pair(m.pair, m.base))
            for m in matches
        ],
    )


async def find_bases(house: House) -> Sequence[Base]:
    """Return the bases of the responder; none where it answers otherwise."""
    responder = await asyncio.to_thread(lambda: house.cast.responder)
    bases: Sequence[Base] = getattr(responder, "bases", ())
    return bases


def _prepare(house: House) -> Any:
    responder: Any = house.cast.responder
    if not hasattr(responder, "prepare"):
        raise ConfigError("this responder has no base to search in; use faq")
    return responder


def view_pair(pair: Pair, base: str) -> PairView:
    """Show a pair of a base."""
    return PairView(
        id=pair.id,
        base=base,
        language=pair.language,
        topic=pair.topic,
        question=pair.question,
        aliases=list(pair.aliases),
        answer=pair.answer,
        source=pair.source,
        sample=pair.sample,
        emotion=pair.emotion,
        intensity=pair.intensity,
        valid_from=pair.valid_from,
        valid_to=pair.valid_to,
        attachments=[
            AttachmentView(kind=one.kind, value=one.value, label=one.label)
            for one in pair.attachments
        ],
    )
