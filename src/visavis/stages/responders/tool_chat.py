"""A model that may call tools before it answers: rounds of asking, calling and asking again."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from visavis.core.types import Message
from visavis.stages.responders.chat_stream import CallPart, ChatClient, Delta
from visavis.stages.responders.dialogue_window import BUDGET, cut_text, estimate_tokens
from visavis.stages.responders.tools import MAX_ARGUMENTS, ToolBox

logger = logging.getLogger(__name__)

MAX_ROUNDS = 3
"""Times that tools are called for one answer; then the model must answer without."""
MAX_CALLS = 4
"""Calls in one round."""
SHARE = 3
"""Calls and their results have one part in so many of what a model is sent."""
FULL = "error: there is no room for more results; answer with what there is"


class ToolChat:
    """Streams as `ChatClient` does, with tools. Nothing is kept between answers.

    Attributes:
        room: Tokens that the descriptions of the tools, the calls and their results need at most; those
            of the messages are besides.
    """

    def __init__(self, client: ChatClient, tools: ToolBox, budget: int = BUDGET) -> None:
        """Take a client and tools.

        Args:
            client: Asked with each round.
            tools: Described to the model.
            budget: Tokens of all that the model is sent; see `dialogue_window.read_budget`.
        """
        self._client = client
        self._tools = tools
        self._results = budget // SHARE
        described = estimate_tokens(json.dumps(tools.describe(), ensure_ascii=False))
        self.room = described + self._results

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Delta, None]:
        """Yield the answer as it comes; what the model says before a call is yielded as well.

        Raises:
            Error: As `ChatClient.stream`.
        """
        further: list[dict[str, Any]] = []
        # Where it is used up, that has to be said as well.
        room = self._results - MAX_CALLS * estimate_tokens("{}" + FULL)
        for round_ in range(MAX_ROUNDS + 1):
            described = self._tools.describe() if round_ < MAX_ROUNDS and room > 0 else []
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
            told, room = await self._call_all(said, list(calls.values())[:MAX_CALLS], round_, room)
            further += told

    async def _call_all(
        self, said: str, calls: Sequence[CallPart], round_: int, room: int
    ) -> tuple[list[dict[str, Any]], int]:
        """Call tools, and return the messages that tell the model what came of it.

        Args:
            said: What the model wrote before.
            calls: In its order.
            round_: Tells calls without ids apart.
            room: Tokens for all of it. Results are cut where they are longer, and of arguments that
                are the model is not reminded.

        Returns:
            The messages, and the room that is left.
        """
        room -= estimate_tokens(said)
        made, results = [], []
        for i, call in enumerate(calls):
            id_, arguments = call.id or f"call_{round_}_{i}", call.arguments or "{}"
            if (
                estimate_tokens(arguments[:MAX_ARGUMENTS]) > room // 2
                or len(arguments) > MAX_ARGUMENTS
            ):
                arguments = "{}"
            made.append(
                {
                    "id": id_,
                    "type": "function",
                    "function": {"name": call.name, "arguments": arguments},
                }
            )
            result = await self._tools.call(call.name, call.arguments)
            logger.info("the model called %s", call.name)
            room -= estimate_tokens(arguments)
            content = cut_text(result, room) or FULL
            room -= estimate_tokens(content)
            results.append({"role": "tool", "tool_call_id": id_, "content": content})
        asked: dict[str, Any] = {"role": "assistant", "content": said, "tool_calls": made}
        return [asked, *results], room


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
