"""Text spoken into a stream of bytes, which begins with the first words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from visavis.apps.server.sound_files import SoundFormat, Tempo, open_encoder
from visavis.core.errors import StageError, TextUnusable
from visavis.core.language import detect_language
from visavis.core.types import Language, Sentence
from visavis.pipeline.bridge import Worker
from visavis.pipeline.sentences import split_sentences

if TYPE_CHECKING:
    from visavis.apps.server.house import House

logger = logging.getLogger(__name__)

_AHEAD = 64
"""Pieces that are made before a listener takes one."""
_PATIENCE = 30.0
"""Seconds without the listener taking anything, after which it is given up."""


async def stream_speech(
    house: House,
    text: str,
    voices: Mapping[Language, str],
    *,
    format: SoundFormat,
    speed: float = 1.0,
) -> AsyncIterator[bytes]:
    """Yield the bytes of a sound file of a text.

    Raises:
        TextUnusable: Nothing in the text can be said.
        LanguageUnsupported: The voice does not speak its language.
    """
    pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(_AHEAD)

    async def hand_over(piece: bytes | Exception | None) -> None:
        async with asyncio.timeout(_PATIENCE):
            await pieces.put(piece)

    async def make() -> None:
        worker = Worker("speaking")
        try:
            async for piece in _speak(house, worker, text, voices, format, speed):
                await hand_over(piece)
            await hand_over(None)
        except TimeoutError:
            logger.info("a listener of a speech took nothing for %.0f s; given up", _PATIENCE)
        except Exception as error:
            await hand_over(error)
        finally:
            await worker.close()

    making = asyncio.create_task(make())
    try:
        while (piece := await _next(pieces, making)) is not None:
            yield piece
    finally:
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)


async def _next(
    pieces: asyncio.Queue[bytes | Exception | None], making: asyncio.Task[None]
) -> bytes | None:
    if making.done() and pieces.empty():
        raise StageError("the speech broke off, as nobody listened for long")
    piece = await pieces.get()
    if isinstance(piece, Exception):
        raise piece
    return piece


async def _speak(
    house: House,
    worker: Worker,
    text: str,
    voices: Mapping[Language, str],
    format: SoundFormat,
    speed: float,
) -> AsyncIterator[bytes]:
    router = house.cast.router
    known = await worker.call(lambda: router.find(next(iter(voices.values()))))
    encoder, tempo = open_encoder(format, known.sample_rate), Tempo(speed, known.sample_rate)
    language = detect_language(text, house.cast.settings.language)
    said = 0
    refused: TextUnusable | None = None
    for index, written in enumerate(split_sentences(text)):
        spoken_in = detect_language(written, language)
        sentence = Sentence(0, index, written, spoken_in)
        # Once it has begun to speak it is not sent away.
        async with house.desk if index == 0 else house.desk.seat:
            speeches = worker.iterate(lambda s=sentence: router.speak(s, voices[s.language]))  # type: ignore[misc]
            try:
                async for speech in speeches:
                    if piece := encoder.feed(tempo.feed(speech.audio.samples)):
                        yield piece
            except TextUnusable as error:
                refused = error
                continue
            finally:
                await speeches.aclose()
        said += 1
    if not said:
        raise refused or TextUnusable("there is nothing in the text that a voice could say")
    yield encoder.feed(tempo.finish()) + encoder.finish()
