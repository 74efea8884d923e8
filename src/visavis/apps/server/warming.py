"""Loads what the first visitor would otherwise wait for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from visavis.core.errors import Error
from visavis.models.runtime import naming_threads

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast
    from visavis.apps.server.house import House

logger = logging.getLogger(__name__)

_Step: TypeAlias = tuple[str, str, "Callable[[Cast], None]"]
"""What is loaded, in words; the name of its threads; what loads it."""
_WORDS = {"zh": "您好。", "en": "Hello."}


async def warm_up(house: House, say: Callable[[str], None] = lambda what: None) -> None:
    """Load every stage once and mark the house as ready.

    Two at a time: while one reads texts, which Python does on one core, the other's networks load
    and run on the next.

    Raises:
        Error: A stage cannot be loaded; the house says so as well.
    """
    doing: list[str] = []

    async def load(*steps: _Step) -> None:
        for what, threads, step in steps:
            doing.append(what)
            house.doing = " and ".join(doing)
            say(what)
            await asyncio.to_thread(_load, threads, step, house.cast)
            doing.remove(what)

    lanes: list[asyncio.Task[None]] = []
    try:
        await house.sessions.prepare()  # what two lanes share is made before them
        lanes = [asyncio.create_task(load(*steps)) for steps in _LANES]
        await asyncio.gather(*lanes)
    except Error as error:
        house.trouble = str(error)
        raise
    finally:
        for lane in lanes:
            lane.cancel()
    house.doing = "how much this machine can do"
    say(house.doing)
    await house.sessions.measure()
    house.doing = ""
    house.is_ready = True


def _load(threads: str, step: Callable[[Cast], None], cast: Cast) -> None:
    with naming_threads(threads):  # pools of the networks; see apps/live_cpu.py
        step(cast)


def _warm_responder(cast: Cast) -> None:
    prepare = getattr(cast.responder, "prepare", None)
    if prepare is not None:
        prepare()


def _warm_recognizer(cast: Cast) -> None:
    from collections.abc import AsyncIterator

    import numpy as np

    from visavis.core.errors import AudioSilent
    from visavis.core.types import Waveform

    rng = np.random.default_rng(0)
    noise = (rng.standard_normal(16_000) * 0.05).astype(np.float32)

    async def listen() -> None:
        async def sound() -> AsyncIterator[Waveform]:
            yield Waveform(noise, 16_000)

        async for _ in cast.recognizer.transcribe(sound()):
            pass

    from visavis.apps.server.sessions.ears import warm_ears

    warm_ears(cast)
    try:
        asyncio.run(listen())
    except AudioSilent:
        logger.debug("the warming noise is not speech, as it should be")


def _warm_voices(cast: Cast) -> None:
    from visavis.core.types import Sentence

    async def speak() -> None:
        for language, voice in cast.choose_voices(cast.load_avatar()).items():
            sentence = Sentence(0, 0, _WORDS[language], language)
            async for _ in cast.router.speak(sentence, voice):
                pass

    asyncio.run(speak())


def _warm_face(cast: Cast) -> None:
    performance = cast.open_performance(cast.load_avatar())
    try:
        performance.idle()
    finally:
        performance.close()


_LANES: tuple[tuple[_Step, ...], ...] = (
    (
        ("the knowledge base", "answering", _warm_responder),
        ("the ears", "understanding", _warm_recognizer),
    ),
    (("the voices", "voice", _warm_voices), ("the face", "face", _warm_face)),
)
"""What is loaded at the same time, each lane in its order."""
