"""Asking a chat server: its answer as it comes, with time-outs and retries."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

from visavis.core.errors import MissingExtra, StageError
from visavis.core.types import Message
from visavis.stages.responders.chat_errors import (
    ChatFailure,
    explain,
    garbled,
    late,
    read_inner_error,
)
from visavis.stages.responders.endpoint import Endpoint

logger = logging.getLogger(__name__)

Finish: TypeAlias = Literal["stop", "length", "content_filter"]

_CONNECT_S = 5.0
_CHARACTERS_PER_TOKEN = 16
"""More than any tokenizer has on average."""
_OVERLOADED = "insufficient_system_resource"
"""DeepSeek's reason for breaking an answer off."""


@dataclass(frozen=True, slots=True)
class CallPart:
    """A piece of a tool call; the pieces of one index are one call.

    Attributes:
        index: Which call of the answer.
        id: Of the call; empty in all pieces but the first.
        name: Of the tool; empty likewise.
        arguments: More of its JSON.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """What a model adds to its answer; the last one of an answer says why it ends."""

    text: str
    finish: Finish | None = None
    calls: tuple[CallPart, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatLimits:
    """How a model is asked, and how long it is waited for.

    Attributes:
        temperature: 0 is the likeliest answer.
        max_tokens: Of the answer, reasoning included.
        first_token_s: Seconds from the question to the first token, reasoning included.
        between_tokens_s: Seconds between any two tokens.
        thinking_s: Seconds from the question to the first token that is not reasoning.
        retries: Further attempts while nothing was said yet.
        retry_after_s: The longest wait that a server may ask for; beyond it the error is raised at
            once.
        backoff_s: Wait before the first retry where the server asks for none; it doubles each time.
    """

    temperature: float = 0.3
    max_tokens: int = 512
    first_token_s: float = 20.0
    between_tokens_s: float = 10.0
    thinking_s: float = 60.0
    retries: int = 2
    retry_after_s: float = 5.0
    backoff_s: float = 0.5


def require_openai() -> None:
    """Load the client, which takes a second or two.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import openai  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"the responder 'language-model' needs the package {error.name!r}:"
            ' pip install "visavis[llm]"'
        ) from error


class ChatClient:
    """Asks one model of one server. Nothing of a dialogue is kept: sessions may share one client.

    Each answer has a connection of its own, which is closed with it: the loops of several sessions
    may ask at once, and a broken-off answer costs the server nothing further.
    """

    def __init__(self, endpoint: Endpoint, limits: ChatLimits) -> None:
        """Load the client.

        Raises:
            MissingExtra: The package openai is not installed.
        """
        require_openai()
        self._endpoint = endpoint
        self._limits = limits
        self._unsupported: frozenset[str] = frozenset()

    async def stream(
        self,
        messages: Sequence[Message],
        further: Sequence[Mapping[str, Any]] = (),
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> AsyncGenerator[Delta, None]:
        """Yield the answer as it comes; the last delta has ``finish``. Closing it hangs up.

        Args:
            messages: The dialogue.
            further: Calls of tools and their results, as the API writes them.
            tools: Descriptions of tools that the model may call; a server that knows none is asked
                without.

        Raises:
            ConfigError: The server refuses the key, or knows neither path nor model.
            TextUnusable: The dialogue is longer than the model can read.
            StageError: Anything else; retryable where asking again may help.
        """
        attempts, said = 0, False
        sent = [{"role": m.role, "content": m.text} for m in messages] + [dict(m) for m in further]
        while True:
            try:
                async with aclosing(self._ask(sent, tools)) as deltas:
                    async for delta in deltas:
                        said = said or bool(delta.text or delta.calls)
                        yield delta
                return
            except ChatFailure as failure:
                if failure.unsupported and failure.unsupported not in self._unsupported:
                    self._unsupported |= {failure.unsupported}
                    continue
                wait = self._wait_before(attempts, failure)
                if said or wait is None:
                    raise failure.error from None
                logger.warning("%s; asking again in %.1f s", failure, wait)
            attempts += 1
            await asyncio.sleep(wait)

    def _wait_before(self, attempts: int, failure: ChatFailure) -> float | None:
        """Seconds before another attempt; None where there is none."""
        if not failure.again or attempts >= self._limits.retries:
            return None
        if failure.after is None:
            return float(self._limits.backoff_s * 2**attempts)
        return failure.after if failure.after <= self._limits.retry_after_s else None

    async def _ask(
        self, messages: list[dict[str, Any]], tools: Sequence[Mapping[str, Any]]
    ) -> AsyncGenerator[Delta, None]:
        """One attempt. Raises ChatFailure."""
        clock = asyncio.get_running_loop().time
        began = clock()
        deadline, given_up = began + self._limits.first_token_s, began + self._limits.thinking_s
        waited, alive, heard = self._limits.first_token_s, False, 0
        room = self._limits.max_tokens * _CHARACTERS_PER_TOKEN
        client, chunks = _open_client(self._endpoint), None
        try:
            chunks = self._chunks(client, messages, tools)
            while True:
                try:
                    async with asyncio.timeout_at(min(deadline, given_up)):
                        chunk = await anext(chunks, None)
                except TimeoutError:
                    if clock() >= given_up and deadline > given_up:
                        waited = self._limits.thinking_s
                        alive = False
                    raise late(self._endpoint, waited, alive) from None
                if chunk is None:
                    break
                heard += 1
                text, thought, finish = _read_chunk(chunk)
                if finish == _OVERLOADED:
                    overloaded = StageError(
                        f"the language model server {self._endpoint.server} is overloaded; ask again",
                        retryable=True,
                    )
                    raise ChatFailure(overloaded, again=True)
                calls = _read_calls(chunk)
                room -= len(text) + len(thought) + sum(len(call.arguments) for call in calls)
                if room < 0:
                    logger.warning("%s heeds no max_tokens; hanging up", self._endpoint.server)
                    yield Delta("", "length")
                    return
                if text or thought or calls:
                    waited, alive = self._limits.between_tokens_s, True
                    deadline = clock() + waited
                if text or calls:
                    given_up = float("inf")
                if finish:
                    yield Delta(text, _name_finish(finish), calls)
                    return
                if text or calls:
                    yield Delta(text, None, calls)
        except ChatFailure:
            raise
        except Exception as error:
            raise explain(error, self._endpoint) from None
        finally:
            if chunks is not None:
                await chunks.aclose()
            await client.close()
        if not heard:
            raise ChatFailure(garbled(self._endpoint))
        logger.warning("%s ended an answer without saying why", self._endpoint.server)
        yield Delta("", "stop")

    async def _chunks(
        self, client: Any, messages: list[dict[str, Any]], tools: Sequence[Mapping[str, Any]]
    ) -> AsyncGenerator[Any, None]:
        """Yield the chunks of an answer; a server that does not stream gives one."""
        raw = await client.chat.completions.with_raw_response.create(
            model=self._endpoint.model,
            messages=messages,
            stream=True,
            **self._parameters(tools),
        )
        kind = raw.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/html":
            raise ChatFailure(garbled(self._endpoint))
        if kind != "application/json":
            answer = raw.parse()
            try:
                async for chunk in answer:
                    yield chunk
            finally:
                await answer.close()
            return
        body = await raw.http_response.aread()
        if (told := read_inner_error(body)) is not None:
            message = " ".join(self._endpoint.redact(told).split())[:200]
            raise ChatFailure(
                StageError(f"the language model server {self._endpoint.server} failed: {message}")
            )
        from openai.types.chat import ChatCompletion

        yield ChatCompletion.model_validate_json(body)

    def _parameters(self, tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Temperature and length as the model takes them: OpenAI's reasoning models differ."""
        given: dict[str, Any] = {}
        if tools and "tools" not in self._unsupported:
            given["tools"] = list(tools)
        if "temperature" not in self._unsupported:
            given["temperature"] = self._limits.temperature
        newer = "max_tokens" in self._unsupported
        given["max_completion_tokens" if newer else "max_tokens"] = self._limits.max_tokens
        return given


def _open_client(endpoint: Endpoint) -> Any:
    import openai

    return openai.AsyncOpenAI(
        base_url=endpoint.url,
        api_key=endpoint.key or "none",  # the client wants one, or takes another service's
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(
            verify=_trust(),
            trust_env=not endpoint.is_local,
            timeout=openai.Timeout(None, connect=_CONNECT_S),
        ),
    )


@cache
def _trust() -> ssl.SSLContext:
    """The certificates, which take 50 ms to read."""
    return ssl.create_default_context()


def _read_chunk(chunk: Any) -> tuple[str, str, str]:
    """Return the text of a chunk, its reasoning, and why the answer ends, each or empty."""
    choices = getattr(chunk, "choices", None)
    if not choices:
        if choices is None:
            raise ValueError("no choices")
        return "", "", ""  # usage, or what a filter found in the question
    choice = choices[0]
    part = getattr(choice, "delta", None) or getattr(choice, "message", None)
    text = getattr(part, "content", None) or getattr(part, "refusal", None) or ""
    thought = getattr(part, "reasoning_content", None) or getattr(part, "reasoning", None)
    if not isinstance(text, str):
        raise ValueError("content is no text")
    return text, str(thought or ""), str(getattr(choice, "finish_reason", None) or "")


def _read_calls(chunk: Any) -> tuple[CallPart, ...]:
    """Return the pieces of tool calls in a chunk; what is no call is left out."""
    choices = getattr(chunk, "choices", None)
    if not choices:
        return ()
    part = getattr(choices[0], "delta", None) or getattr(choices[0], "message", None)
    found = []
    for i, call in enumerate(getattr(part, "tool_calls", None) or ()):
        function = getattr(call, "function", None)
        index = getattr(call, "index", None)
        words = (
            getattr(call, "id", None),
            getattr(function, "name", None),
            getattr(function, "arguments", None),
        )
        id_, name, arguments = (word if isinstance(word, str) else "" for word in words)
        found.append(CallPart(index if isinstance(index, int) else i, id_, name, arguments))
    return tuple(found)


def _name_finish(reason: str) -> Finish:
    if reason == "length":
        return "length"
    return "content_filter" if reason == "content_filter" else "stop"
