"""Chat completions and models as OpenAI's API has them: the responder behind its door."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from visavis.apps.assemble import clean_text
from visavis.apps.server.errors import OPENAI_ERROR_RESPONSES, NotFound, RequestInvalid
from visavis.apps.server.house import House, HouseOf
from visavis.apps.server.sessions.citing import CitingResponder
from visavis.core.types import Message
from visavis.pipeline.bridge import Worker

ERROR_RESPONSES = OPENAI_ERROR_RESPONSES

router = APIRouter(prefix="/v1", tags=["openai"])

MODEL = "visavis"
_MODELS = (MODEL, "tts-1", "whisper-1")
_TOKEN = re.compile(r"[\u3400-\u9fff]|[A-Za-z0-9]+|[^\sA-Za-z0-9]")


class Model(BaseModel):
    """A model."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "visavis"


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[Model]


class TextPart(BaseModel):
    """A part of a message."""

    model_config = ConfigDict(extra="ignore")

    type: str = "text"
    text: str = Field(default="", max_length=100_000)


class ChatMessage(BaseModel):
    """A turn of the dialogue."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[str, Field(max_length=100_000)] | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """What was said.

        Raises:
            RequestInvalid: A part is a picture or a sound.
        """
        if isinstance(self.content, list):
            odd = [part.type for part in self.content if part.type not in ("text", "input_text")]
            if odd:
                raise RequestInvalid(f"a part of type {odd[0][:40]!r} is not understood; send text")
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    """How a stream ends."""

    model_config = ConfigDict(extra="ignore")

    include_usage: bool = False


class ChatOrder(BaseModel):
    """A dialogue to go on with; fields of OpenAI's that mean nothing here are passed over."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [
                {
                    "model": MODEL,
                    "messages": [{"role": "user", "content": "How much is a passport?"}],
                }
            ]
        },
    )

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=1_000)]
    model: str = Field(default=MODEL, max_length=200, description="Any; there is one.")
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = Field(default=1, description="There is one answer.")


@router.get("/models", summary="List models")
async def list_models() -> ModelList:
    """List what the other paths take as `model`; they take any other name too."""
    return ModelList(data=[Model(id=name) for name in _MODELS])


@router.get("/models/{name}", summary="Look at a model")
async def show_model(name: str) -> Model:
    """Describe a model."""
    if name not in _MODELS:
        raise NotFound(f"no model is called {name[:80]!r}; there are {', '.join(_MODELS)}")
    return Model(id=name)


@router.post("/chat/completions", summary="Answer a dialogue", response_model=None)
async def complete(house: HouseOf, order: ChatOrder) -> Response:
    """Answer the last message; the extra field `visavis` says where the answer comes from."""
    history = _read_history(house, order.messages)
    told: dict[str, Any] = {}
    pieces = _reply(house, history, told)
    head: dict[str, Any] = {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "created": int(time.time()),
        "model": order.model,
    }
    # Errors are told with their code, before the first byte.
    first = await anext(pieces, "")
    asked = sum(count_tokens(message.text) for message in history)
    if order.stream:
        usage = order.stream_options is not None and order.stream_options.include_usage
        body = _stream(head, first, pieces, told, asked if usage else None)
        return StreamingResponse(body, media_type="text/event-stream")
    answer = "".join([first, *[piece async for piece in pieces]]).strip()
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": answer, "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }
    return JSONResponse(
        {
            **head,
            "object": "chat.completion",
            "choices": [choice],
            "usage": _usage(asked, answer),
            "visavis": told,
        }
    )


def count_tokens(text: str) -> int:
    """Count words, figures, marks and Chinese characters; the responder has no tokens of its own."""
    return len(_TOKEN.findall(text))


def _usage(asked: int, answer: str) -> dict[str, int]:
    made = count_tokens(answer)
    return {"prompt_tokens": asked, "completion_tokens": made, "total_tokens": asked + made}


def _read_history(house: House, messages: Sequence[ChatMessage]) -> list[Message]:
    roles: dict[str, Literal["user", "assistant", "system"]] = {
        "user": "user", "assistant": "assistant", "system": "system", "developer": "system",
    }  # fmt: skip
    history = [Message(roles[m.role], m.text) for m in messages if m.role in roles]
    if not history or history[-1].role != "user":
        raise RequestInvalid("the last message must be the user's; add the question")
    question = clean_text(history[-1].text, house.cast.settings.max_question, "question")
    return [*history[:-1], Message("user", question)]


async def _reply(house: House, history: list[Message], told: dict[str, Any]) -> AsyncIterator[str]:
    """Yield the answer as it is written; where it comes from is put into ``told``."""

    def tell(question: str, cited: dict[str, Any]) -> None:
        told.update(cited, sources=[source.model_dump() for source in cited["sources"]])

    worker = Worker("responding")
    try:
        async with house.desk:
            responder = await worker.call(lambda: CitingResponder(house.cast.responder, tell))
            pieces = worker.iterate(lambda: responder.reply(history), limit=16)
            try:
                async for piece in pieces:
                    yield piece
            finally:
                await pieces.aclose()
    finally:
        await worker.close()


async def _stream(
    head: dict[str, Any],
    first: str,
    pieces: AsyncIterator[str],
    told: dict[str, Any],
    asked: int | None,
) -> AsyncIterator[str]:
    """Yield the answer as chunks; ``asked`` tokens where the usage is wanted."""
    answer = ""

    def chunk(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> str:
        choices = [] if delta is None else [
            {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        ]  # fmt: skip
        row = {**head, "object": "chat.completion.chunk", "choices": choices, **more}
        return f"data: {json.dumps(row, ensure_ascii=False)}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    if first:
        answer += first
        yield chunk({"content": first})
    async for piece in pieces:
        answer += piece
        yield chunk({"content": piece})
    yield chunk({}, "stop", visavis=told)
    if asked is not None:
        yield chunk(None, usage=_usage(asked, answer))
    yield "data: [DONE]\n\n"
