"""How many sessions this machine can do, by measuring one second of each kind of work."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from visavis.core.types import FPS, Language, Sentence, Speech
from visavis.pipeline.bridge import Worker

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast

HEADROOM = 0.8
"""Share of the cores that sessions may fill; beyond it ticks come late."""
TALKING = 0.5
"""Share of its time that a session speaks."""
CARRYING = 0.2
"""Cores that it takes to encode and send a stream: a 512-pixel face in VP8."""
_LANGUAGE: Language = "en"
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


async def measure_cost(cast: Cast) -> Cost:
    """Show a face for a second and let it say a sentence, away from the loop.

    CPU time is counted, not time by the clock, so that what else runs here changes little.
    """
    worker = Worker("measuring")
    try:
        voice = await worker.call(lambda: cast.choose_voices(cast.load_avatar())[_LANGUAGE])
        await _speak(worker, cast, "Yes.", voice)  # loads the network
        began = time.process_time()
        speeches = await _speak(worker, cast, _TEXT, voice)
        voiced = (time.process_time() - began) / sum(s.audio.duration for s in speeches)
        idle, shown = await worker.call(lambda: _show(cast, speeches))
    finally:
        await worker.close()
    return Cost(idle, voiced + shown, len(os.sched_getaffinity(0)))


async def _speak(worker: Worker, cast: Cast, text: str, voice: str) -> list[Speech]:
    sentence = Sentence(0, 0, text, _LANGUAGE)
    return [speech async for speech in worker.iterate(lambda: cast.router.speak(sentence, voice))]


def _show(cast: Cast, speeches: list[Speech]) -> tuple[float, float]:
    """CPU seconds of a second of idle pictures, and of one of speech."""
    performance = cast.open_performance(cast.load_avatar())
    try:
        performance.idle()
        began = time.process_time()
        for _ in range(FPS):
            performance.idle()
        idle = time.process_time() - began
        began = time.process_time()
        segments = [s for speech in speeches for s in performance.feed(speech)]
        segments += performance.flush()
        shown = time.process_time() - began
    finally:
        performance.close()
    return idle, shown * FPS / sum(len(s.frames) for s in segments)
