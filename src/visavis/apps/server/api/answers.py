"""Answers as text: no voice, no picture."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile

from visavis.apps.answering import LONGEST_QUESTION
from visavis.apps.assemble import clean_text
from visavis.apps.server.errors import RequestInvalid
from visavis.apps.server.hearing import join_texts, transcribe_file
from visavis.apps.server.house import House, HouseOf
from visavis.apps.server.protocol.events import Source
from visavis.apps.server.sessions.citing import describe_answer, describe_told
from visavis.apps.server.uploads import describe_order, keep_upload, read_order
from visavis.apps.told_answers import RememberingResponder
from visavis.core.errors import AudioSilent
from visavis.core.language import detect_language
from visavis.core.types import Language, Message

router = APIRouter(prefix="/api/v1/answers", tags=["answers"])


class Said(BaseModel):
    """An earlier turn of the dialogue."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["user", "assistant"]
    text: str = Field(max_length=10_000)


class AnswerOrder(BaseModel):
    """A question, written here or spoken in the file of a form."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(default="", max_length=100_000)
    language: Language | Literal["auto"] = Field(
        default="auto", description="Of a spoken question; of a written one that shows none."
    )
    history: Annotated[list[Said], Field(max_length=40)] = Field(
        default_factory=list, description="What was said before, oldest first."
    )


class AnswerView(BaseModel):
    """What is said to the question."""

    question: str = Field(description="As it was written or understood.")
    language: Language
    answer: str
    outcome: Literal["answer", "choice", "hint", "refusal"] | None = Field(
        description="None where the responder does not tell."
    )
    confidence: float | None = Field(description="Estimated chance that it is what was meant.")
    sources: list[Source]
    candidates: list[str] = Field(description="Questions that may be meant, best first.")
    timings: dict[str, float] = Field(description="Seconds: recognizer, responder.")


@router.post(
    "",
    summary="Answer a question",
    openapi_extra=describe_order(
        AnswerOrder,
        {"question": "How do I renew my residence permit?", "language": "en"},
        "A recording of the question, any sound or video file.",
    ),
)
async def answer(house: HouseOf, request: Request) -> AnswerView:
    """Answer a written question (JSON) or a recorded one (a form with `file`)."""
    timings: dict[str, float] = {}
    async with read_order(request, AnswerOrder) as (order, upload):
        if (upload is None) == (not order.question):
            raise RequestInvalid("send a 'question', or a recorded one as 'file', one of the two")
        if upload is None:
            question = clean_text(order.question, house.cast.settings.max_question, "question")
            language = detect_language(question, _language(house, order.language))
        else:
            began = time.perf_counter()
            question, language = await _listen(house, upload, order.language)
            timings["recognizer"] = round(time.perf_counter() - began, 3)
    history = [Message(said.role, said.text) for said in order.history]
    began = time.perf_counter()
    async with house.desk:
        found = await find_answer(house, [*history, Message("user", question)])
    timings["responder"] = round(time.perf_counter() - began, 3)
    return AnswerView(question=question, language=language, **found, timings=timings)


async def _listen(
    house: House, upload: UploadFile, language: Language | Literal["auto"]
) -> tuple[str, Language]:
    """Return what is asked in a recording, and in which language."""
    async with keep_upload(upload) as kept, house.desk:
        heard = [
            transcript
            async for transcript in transcribe_file(
                house.cast, kept.path, longest=LONGEST_QUESTION, language=language
            )
        ]
        if not heard:
            raise AudioSilent(f"no words were understood in {kept.path}; speak closer")
    question = join_texts(heard)
    return question, heard[0].language or detect_language(question)


async def find_answer(house: House, history: list[Message]) -> dict[str, Any]:
    """Ask the responder, and where its answer comes from if it can tell."""
    responder = await asyncio.to_thread(lambda: house.cast.responder)
    explain = getattr(responder, "answer", None)
    if explain is not None:
        found = await asyncio.to_thread(explain, history)
        return {"answer": found.text, **describe_answer(found)}

    remembering = RememberingResponder(responder)

    async def collect() -> str:
        return "".join([piece async for piece in remembering.reply(history)])

    text = await asyncio.to_thread(lambda: asyncio.run(collect()))
    if remembering.told is not None:
        return {"answer": text, **describe_told(remembering.told)}
    return {
        "answer": text,
        "outcome": None,
        "confidence": None,
        "sources": [],
        "candidates": [],
    }


def _language(house: House, asked: Language | Literal["auto"]) -> Language:
    return house.cast.settings.language if asked == "auto" else asked
