"""A question put to the bases on trial: what would be said, and why."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from visavis.apps.assemble import clean_text
from visavis.apps.server.api.knowledge import PairView, view_pair
from visavis.apps.server.errors import Conflict
from visavis.apps.server.house import HouseOf
from visavis.core.language import detect_language
from visavis.core.types import Language, Message
from visavis.knowledge.evaluate import Case, ask
from visavis.knowledge.live import LiveKnowledge
from visavis.knowledge.passages import PassageSearch

ACCESS = "admin"

router = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"])

_SHOWN = 3
"""Pairs, and passages, that are shown."""

Outcome = Literal["answer", "ask", "refusal"]
_OUTCOMES: dict[str, Outcome] = {
    "answer": "answer", "choice": "ask", "hint": "ask", "refusal": "refusal",
}  # fmt: skip


class TrialOrder(BaseModel):
    """A question."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(min_length=1, max_length=2_000)


class TrialPair(BaseModel):
    """A pair that came near."""

    confidence: float = Field(description="Estimated chance that it is meant, 0..1.")
    score: float = Field(description="Fused similarity; only its order means something.")
    pair: PairView


class TrialPassage(BaseModel):
    """A passage of a document that came near."""

    score: float = Field(description="Estimated chance that it holds the answer, 0..1.")
    text: str
    source: str
    place: str


class Trial(BaseModel):
    """What would be said, and what it was chosen from."""

    question: str
    language: Language
    outcome: Outcome = Field(description="`ask` where it asks back which question is meant.")
    said: str | None = Field(description="Null where a language model would write it.")
    confidence: float = Field(description="Of the best pair, 0..1.")
    threshold: float | None = Field(
        description="Confidence from which it answers; null where no pair is of the language."
    )
    hint: float | None = Field(description="Confidence from which it asks back.")
    pairs: list[TrialPair]
    passages: list[TrialPassage]
    settled: bool = Field(
        description="False where a change is known that is not searched yet; try again in a moment."
    )
    writes: bool = Field(description="Whether a language model may answer from the passages.")


@router.post("/trial", summary="Try a question")
async def try_question(house: HouseOf, order: TrialOrder) -> Trial:
    """Ask the bases as they are searched now, without a face; nothing is recorded."""
    question = clean_text(order.question, house.cast.settings.max_question, "question")
    async with house.desk:
        return await asyncio.to_thread(_try, house.cast.responder, question)


def _try(responder: Any, question: str) -> Trial:
    knowledge: LiveKnowledge | None = getattr(responder, "knowledge", None)
    if knowledge is None:
        raise Conflict("this responder answers from no base that can be searched; use faq")
    index = responder.prepare()
    language = detect_language(question)
    known = language in index.languages
    matches = index.search(question, language, _SHOWN) if known else []
    said: str | None = None
    answers = getattr(responder, "answer", None)
    if answers is not None:
        found = answers([Message("user", question)])
        outcome, said = _OUTCOMES[found.outcome], found.text
    else:
        # Of a persona: what its stored answers say; a language model writes the rest.
        result = ask(index, Case(question, language, (), "plain", "report")) if known else None
        outcome = result.outcome if result is not None else "refusal"
        if outcome == "answer" and matches:
            said = matches[0].pair.answer
    passages = PassageSearch(knowledge).search_documents(question, language, _SHOWN)
    fusion = index.fusion.get(language)
    return Trial(
        question=question,
        language=language,
        outcome=outcome,
        said=said,
        confidence=round(matches[0].confidence, 4) if matches else 0.0,
        threshold=round(fusion.threshold, 4) if fusion is not None else None,
        hint=round(fusion.hint, 4) if fusion is not None else None,
        pairs=[
            TrialPair(
                confidence=round(one.confidence, 4),
                score=round(one.score, 4),
                pair=view_pair(one.pair, one.base),
            )
            for one in matches
        ],
        passages=[
            TrialPassage(
                score=round(one.score, 4), text=one.text, source=one.source, place=one.place
            )
            for one in passages
        ],
        settled=_is_settled(knowledge),
        writes=answers is None,
    )


def _is_settled(knowledge: LiveKnowledge) -> bool:
    """Whether all pairs and passages that the store counts are searched; what was edited may not be."""
    store = knowledge.store
    if store is None:
        return True
    stored = {
        info.name: info.pairs + info.gaps
        for info in store.bases()
        if not knowledge.only or info.name in knowledge.only
    }
    if not any(stored.values()):
        return True  # the samples are answered from
    searched = {base.name: len(base.pairs) for base in knowledge.bases}
    lacking = store.count_missing(knowledge.encoder.fingerprint, knowledge.only or None)
    return stored == searched and not lacking
