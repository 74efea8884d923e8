"""A model that may call tools before it answers: rounds of asking, calling and asking again."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from visavis.core.types import Message
from visavis.stages.responders.chat_stream import CallPart, ChatClient, Delta
from visavis.stages.responders.tools import ToolBox

logger = logging.getLogger(__name__)

MAX_ROUNDS = 3
"""Times that tools are called for one answer; then the model must answer without."""
MAX_CALLS = 4
"""Calls in one round."""


class ToolChat:
    """Streams as `ChatClient` does, with tools. Nothing is kept between answers."""

    def __init__(self, client: ChatClient, tools: ToolBox) -> None:
        self._client = client
        self._tools = tools

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Delta, None]:
        """Yield the answer as it comes; what the model says before a call is yielded as well.

        Raises:
            Error: As `ChatClient.stream`.
        """
        further: list[dict[str, Any]] = []
        for round_ in range(MAX_ROUNDS + 1):
            described = self._tools.describe() if round_ < MAX_ROUNDS else []
            calls: dict[int, CallPart] = {}
            said = ""
            last = Delta("", "stop")
            async with aclosing(self._client.stream(messages, further, described)) as deltas:
                async for delta in deltas:
                    for part in delta.calls:
                        _join(calls, part)
                    said += delta.text
                    if delta.finish:
                        last = delta
                    elif delta.text:
                        yield Delta(delta.text)
            if not calls or not described:
                yield last
                return
            if last.text:
                yield Delta(last.text)
            further += await self._call_all(said, list(calls.values())[:MAX_CALLS], round_)

    async def _call_all(
        self, said: str, calls: Sequence[CallPart], round_: int
    ) -> list[dict[str, Any]]:
        """Call tools, and return the messages that tell the model what came of it."""
        named = [
            CallPart(i, call.id or f"call_{round_}_{i}", call.name, call.arguments)
            for i, call in enumerate(calls)
        ]
        asked: dict[str, Any] = {
            "role": "assistant",
            "content": said,
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments or "{}"},
                }
                for call in named
            ],
        }
        results = []
        for call in named:
            result = await self._tools.call(call.name, call.arguments)
            logger.info("the model called %s", call.name)
            results.append({"role": "tool", "tool_call_id": call.id, "content": result})
        return [asked, *results]


def _join(calls: dict[int, CallPart], part: CallPart) -> None:
    """Add a piece of a call to what came of it before: name and id come once, arguments in pieces."""
    known = calls.get(part.index)
    if known is None:
        calls[part.index] = part
        return
    calls[part.index] = CallPart(
        part.index,
        known.id or part.id,
        known.name or part.name,
        known.arguments + part.arguments,
    )
