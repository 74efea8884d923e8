"""A model's stream as whole sentences with the marks of their citations."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from visavis.core.types import Emotion, Language, Message
from visavis.stages.mood.marks import drop_marks, split_mark
from visavis.stages.responders.chat_stream import Delta, Finish
from visavis.stages.responders.grounding_check import MarkStream
from visavis.stages.responders.spoken import SpokenText

_RAW = 400
"""Characters of the model's own words that are looked back at."""


class Chat(Protocol):
    """A language model; `ChatClient` is one."""

    def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Delta, None]:
        """Yield the answer as it comes; the last delta has ``finish``."""
        ...


@dataclass(frozen=True, slots=True)
class WrittenSentence:
    """A sentence of a model.

    Attributes:
        text: Plain, with marks as ``〔1〕``.
        raw: The last of what the model wrote, template marks and all.
        is_last: Whether nothing follows; there may be no text then.
        emotion: That the model marked it with; see `marks`.
    """

    text: str
    raw: str
    is_last: bool = False
    emotion: Emotion | None = None


async def stream_sentences(
    chat: Chat,
    messages: Sequence[Message],
    language: Language,
    max_characters: int,
    thinking: bool = False,
) -> AsyncGenerator[WrittenSentence, None]:
    """Yield sentences when they are whole. Closing it hangs up.

    What came before an error is not yielded unless it was whole: it could not be checked.

    Raises:
        Error: As `ChatClient.stream`.
    """
    marks = MarkStream()
    spoken = SpokenText(language, max_characters=max_characters, thinking=thinking)
    finish: Finish = "stop"
    line = raw = ""
    emotion: Emotion | None = None
    async with aclosing(chat.stream(messages)) as deltas:
        async for delta in deltas:
            finish = delta.finish or finish
            raw = (raw + delta.text)[-_RAW - len(delta.text) :]
            *whole, line = (line + spoken.feed(marks.feed(delta.text))).split("\n")
            for text in filter(None, whole):
                mark, plain = split_mark(text)
                emotion = mark or emotion
                if plain := drop_marks(plain):  # a mark alone on its line is for the next one
                    yield WrittenSentence(plain, raw, emotion=emotion)
                    emotion = None
            if spoken.ended:
                break
    line += spoken.feed(marks.flush())
    line += spoken.flush("length" if finish != "stop" else "stop")
    last = [text for text in line.split("\n") if text]
    for i, text in enumerate(last):
        mark, plain = split_mark(text)
        emotion = mark or emotion
        yield WrittenSentence(drop_marks(plain), raw, i == len(last) - 1, emotion)
        emotion = None if plain else emotion
