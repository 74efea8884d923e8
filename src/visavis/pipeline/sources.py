"""What a turn is made from: text and sound, whole or as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from visavis.core.protocols import Overhearing, Responder
from visavis.core.types import Message, Waveform

Script: TypeAlias = str | Iterable[str] | AsyncIterator[str]
"""Text that is spoken as it is, whole or in pieces."""
Sound: TypeAlias = Waveform | Iterable[Waveform] | AsyncIterator[Waveform]

REMEMBERED = 15.0
"""Seconds of a question's sound that a responder may hear, the last ones."""


async def as_async(source: Any) -> AsyncIterator[Any]:
    """Yield what a `Script` or a `Sound` holds."""
    if hasattr(source, "__aiter__"):
        async for item in source:
            yield item
    elif isinstance(source, str | Waveform):
        yield source
    else:
        for item in source:
            yield item


class Overheard:
    """Hands sound on and remembers the end of it.

    Args:
        source: All of it at one rate.
    """

    def __init__(self, source: AsyncIterator[Waveform]) -> None:
        self._source = source
        self._kept: deque[Waveform] = deque()
        self._seconds = 0.0

    def __aiter__(self) -> Overheard:
        return self

    async def __anext__(self) -> Waveform:
        piece = await anext(self._source)
        self._kept.append(piece)
        self._seconds += piece.duration
        while self._seconds - self._kept[0].duration >= REMEMBERED:
            self._seconds -= self._kept.popleft().duration
        return piece

    async def aclose(self) -> None:
        """Close the source."""
        close = getattr(self._source, "aclose", None)
        if close is not None:
            await close()

    @property
    def end(self) -> Waveform | None:
        """The last `REMEMBERED` seconds, or None where there was nothing."""
        if not self._seconds:
            return None
        samples = np.concatenate([piece.samples for piece in self._kept])
        return cut_end(Waveform(samples, self._kept[0].sample_rate, self._kept[0].offset))


def cut_end(sound: Waveform) -> Waveform:
    """Keep the last `REMEMBERED` seconds."""
    start = max(0, len(sound.samples) - round(REMEMBERED * sound.sample_rate))
    return Waveform(sound.samples[start:], sound.sample_rate, sound.offset + start)


def open_reply(
    responder: Responder, history: Sequence[Message], sound: Waveform | None
) -> AsyncIterator[str]:
    """Ask a responder, and let it hear the question first if it can and there is a sound."""
    if sound is not None and isinstance(responder, Overhearing):
        responder.hear(cut_end(sound))
    return responder.reply(history)
