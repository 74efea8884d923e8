"""How many sessions this machine can do, by measuring one second of each kind of work."""

from __future__ import annotations

import asyncio
import math
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from visavis.core.types import FPS, Language, Sentence, Speech

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast

HEADROOM = 0.8
"""Share of the cores that sessions may fill; beyond it ticks come late."""
TALKING = 0.5
"""Share of its time that a session speaks."""
CARRYING = 0.2
"""Cores that it takes to encode and send a stream: a 512-pixel face in VP8."""
_TEXT = "Please bring your identity card and one recent photograph with you."


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds that a second of a session takes.

    Attributes:
        idle: Between turns.
        speech: While it speaks, voice included.
        cores: Of this machine that the process may use.
    """

    idle: float
    speech: float
    cores: int

    @property
    def mean(self) -> float:
        """Cores that a session takes on average, sending included."""
        return (1 - TALKING) * self.idle + TALKING * self.speech + CARRYING

    @property
    def sessions(self) -> int:
        """How many fit, at least one."""
        return max(1, math.floor(self.cores * HEADROOM / self.mean))

    def __str__(self) -> str:
        return (
            f"an idle second takes {self.idle:.2f} s of a core,"
            f" a spoken one {self.speech:.2f} s, of {self.cores} cores"
        )


def measure_cost(cast: Cast) -> Cost:
    """Show a face for two seconds and let it say a sentence, on the calling thread.

    CPU time is counted, not time by the clock, so that what else runs here changes little.
    """
    avatar = cast.load_avatar()
    performance = cast.open_performance(avatar)
    try:
        performance.idle()
        began = time.thread_time()
        for _ in range(FPS):
            performance.idle()
        idle = time.thread_time() - began
        language: Language = "en"
        voice = cast.choose_voices(avatar)[language]
        speeches = _speak(cast, Sentence(0, 0, "Yes.", language), voice)  # loads the network
        began = time.process_time()
        speeches = _speak(cast, Sentence(0, 0, _TEXT, language), voice)
        seconds = sum(speech.audio.duration for speech in speeches)
        voiced = (time.process_time() - began) / seconds
        began = time.thread_time()
        frames = sum(len(s.frames) for speech in speeches for s in performance.feed(speech))
        frames += sum(len(s.frames) for s in performance.flush())
        shown = (time.thread_time() - began) * FPS / max(frames, 1)
    finally:
        performance.close()
    return Cost(idle, voiced + shown, len(os.sched_getaffinity(0)))


def _speak(cast: Cast, sentence: Sentence, voice: str) -> list[Speech]:
    async def collect() -> list[Speech]:
        return [speech async for speech in cast.router.speak(sentence, voice)]

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(collect())
    finally:
        loop.close()
