"""How many sessions this machine can do, by measuring one second of each kind of work."""

from __future__ import annotations

import logging
import math
import os
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from visavis.apps.server.sessions.ears import ModelEars, understand
from visavis.apps.server.sessions.listening import BATCH
from visavis.core.errors import Error
from visavis.core.types import (
    FPS,
    Floats,
    Language,
    Sentence,
    Speech,
    Transcript,
    VideoFrame,
    Waveform,
)
from visavis.media.resampling import resample
from visavis.pipeline.bridge import Worker
from visavis.pipeline.hearing import RATE, FaceNow, Hearing, Press
from visavis.pipeline.ticks import SAMPLE_RATE, TICK_SAMPLES, Tick

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast

logger = logging.getLogger(__name__)

HEADROOM = 0.8
"""Share of the cores that sessions may fill; beyond it ticks come late."""
ASKED = 0.15
"""Share of its time in which somebody speaks to a session: three seconds of a turn of twenty, which
leaves seven between the answer and the next question."""
ANSWERING = 0.5
"""Share of its time in which a session answers: ten seconds of such a turn."""
CROWDED = 0.05
"""Share of the time for which more than the headroom may be wanted. Two sessions that talk at once on
cores for one make seven pictures in a hundred late: this much of that keeps it under one in a hundred."""
AHEAD = 3.0
"""Seconds of speech that are made in each second of an answer. The voice works ahead: when two seconds
of an answer are heard, six or seven are made, and what lies beyond an interruption is thrown away."""
MOST = 256
"""Sessions that are reckoned with, at most."""

NETWORK = 0.1
"""Cores that it takes to keep a session's time and to pack, encrypt and send its packets: the thread
of the event loop in `visavis bench live`, 0.08 between turns and 0.12 while it talks."""
LISTENING = 0.03
"""Cores that finding speech in an open microphone takes, where that cannot be measured."""
FOLLOWING = 0.4
"""Cores that following the words of a question takes, where that cannot be measured: Vosk in one
language."""
UNDERSTANDING = 0.1
"""Seconds of a core for a second of a question, where that cannot be measured: Whisper base."""
CODING = 0.07
"""Cores that coding a 512-pixel face and its sound takes, where that cannot be measured."""

_LANGUAGE: Language = "en"
_TEXT = "Please bring your identity card and one recent photograph with you."
_HEARD = 1.5
"""Seconds whose words are followed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds that a second of each kind of work takes.

    The responder is left out: a question to the base takes 20 ms, and what a model on this machine
    takes shows in what comes late (see `Strain`).

    Attributes:
        cores: Of this machine that the process may use.
        still: The face between turns.
        speaking: The face while it speaks.
        voice: A second of speech.
        listening: To find speech in the sound of an open microphone, which goes on all the time.
        following: To follow the words of a question.
        understanding: To understand a question, for each second of it.
        coding: To code pictures and sound, for one viewer.
    """

    cores: int
    still: float
    speaking: float
    voice: float
    listening: float = LISTENING
    following: float = FOLLOWING
    understanding: float = UNDERSTANDING
    coding: float = CODING

    @property
    def idle(self) -> float:
        """Cores that a session takes between turns."""
        return self.still + self.listening + self.coding + NETWORK

    @property
    def asked(self) -> float:
        """Cores that it takes while it is spoken to; understanding is spread over the question."""
        return self.idle + self.following + self.understanding

    @property
    def answering(self) -> float:
        """Cores that it takes while it answers."""
        return self.speaking + AHEAD * self.voice + self.listening + self.coding + NETWORK

    def overload(self, sessions: int) -> float:
        """Give the share of the time, 0..1, in which so many sessions want more than the headroom.

        They are taken to be asked and to answer independently of one another.
        """
        return sum(share for load, share in self._states(sessions) if load > self._room)

    @property
    def sessions(self) -> int:
        """How many fit, from 1 to ``MOST``: with few of them, all may talk at the same time."""
        return _count_sessions(self)

    @property
    def _room(self) -> float:
        return self.cores * HEADROOM + 1e-9

    def _states(self, sessions: int) -> Iterator[tuple[float, float]]:
        """All cases of how many answer and are asked: cores wanted, and share of the time."""
        rest = 1 - ANSWERING - ASKED
        for talk in range(sessions + 1):
            for listen in range(sessions - talk + 1):
                wait = sessions - talk - listen
                ways = math.comb(sessions, talk) * math.comb(sessions - talk, listen)
                load = talk * self.answering + listen * self.asked + wait * self.idle
                yield load, ways * ANSWERING**talk * ASKED**listen * rest**wait

    def __str__(self) -> str:
        return (
            f"an idle second takes {self.idle:.2f} s of a core (face {self.still:.2f},"
            f" ears {self.listening:.2f}, coding {self.coding:.2f}, network {NETWORK:.2f}),"
            f" one of a question {self.asked:.2f} s (words {self.following:.2f} and understanding"
            f" {self.understanding:.2f} more), one of an answer {self.answering:.2f} s"
            f" (face {self.speaking:.2f}, voice {AHEAD:g} times {self.voice:.2f}),"
            f" of {self.cores} cores"
        )


@lru_cache(maxsize=8)  # a second's work for hundreds of sessions, and asked for whenever one opens
def _count_sessions(cost: Cost) -> int:
    return 1 + bisect_right(range(2, MOST + 1), CROWDED, key=cost.overload)


async def measure_cost(cast: Cast) -> Cost:
    """Show a face for a second, let it say a sentence, hear that and code it, away from the loop.

    CPU time is counted, not time by the clock, so that what else runs here changes little. Takes a
    few seconds where the models are loaded. What cannot be measured, because a model or an extra is
    missing, has its usual cost.
    """
    worker = Worker("measuring")
    try:
        voice = await worker.call(lambda: cast.choose_voices(cast.load_avatar())[_LANGUAGE])
        await _speak(worker, cast, "Yes.", voice)  # loads the network
        began = time.process_time()
        speeches = await _speak(worker, cast, _TEXT, voice)
        spoken = sum(s.audio.duration for s in speeches)
        voiced = (time.process_time() - began) / spoken
        sound = np.concatenate([s.audio.samples for s in speeches])
        still, speaking, frames = await worker.call(lambda: _show(cast, speeches))
        coding = await worker.call(lambda: _encode(frames, sound))
        listening, following = await worker.call(lambda: _hear(sound))
        understanding = await _understand(worker, cast, Waveform(sound, SAMPLE_RATE))
    finally:
        await worker.close()
    return Cost(
        len(os.sched_getaffinity(0)),
        still,
        speaking,
        voiced,
        listening,
        following,
        understanding,
        coding,
    )


async def _speak(worker: Worker, cast: Cast, text: str, voice: str) -> list[Speech]:
    sentence = Sentence(0, 0, text, _LANGUAGE)
    return [speech async for speech in worker.iterate(lambda: cast.router.speak(sentence, voice))]


def _show(cast: Cast, speeches: Sequence[Speech]) -> tuple[float, float, list[VideoFrame]]:
    """CPU seconds of a second of idle pictures, and of one of speech; some of the latter."""
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
    frames = [frame for segment in segments for frame in segment.frames]
    return idle, shown * FPS / len(frames), frames[: 2 * FPS]


def _encode(frames: Sequence[VideoFrame], sound: Floats) -> float:
    """CPU seconds to code a second of pictures and sound as a WebRTC viewer gets them."""
    from visavis.apps.server.transports.encoding import TickEncoder

    sounds = np.resize(sound, len(frames) * TICK_SAMPLES).reshape(-1, TICK_SAMPLES)
    first, *rest = (
        Tick(index, frame.image, sounds[index], 1) for index, frame in enumerate(frames)
    )
    try:
        encoder = TickEncoder("h264", "opus")
        encoder.encode(first)  # loads the codecs
        began = time.process_time()
        for tick in rest:
            encoder.encode(tick)
        return (time.process_time() - began) * FPS / len(rest)
    except (ImportError, ValueError) as error:  # without x264, PyAV raises a ValueError
        logger.info("what coding costs cannot be measured: %s", error)
        return CODING


def _hear(sound: Floats) -> tuple[float, float]:
    """CPU seconds of a second in which speech is looked for, and what following its words adds.

    Args:
        sound: Of speech, at 24 kHz.
    """
    sound = sound[: round(_HEARD * SAMPLE_RATE)]
    try:
        # Two languages are followed at once in a session's first question only.
        ears = ModelEars(_LANGUAGE, _LANGUAGE)
        listening = _listen(Hearing(ears, "open"), np.zeros_like(sound))
        # Vosk's first words cost it several times as much as all later ones.
        for _ in range(2):
            hearing = Hearing(ears, "push")
            hearing.process([Press(True)])
            asked = _listen(hearing, sound)
    except (Error, ImportError) as error:
        logger.info("what hearing costs cannot be measured: %s", error)
        return LISTENING, FOLLOWING
    return listening, max(asked - listening, 0.0)


def _listen(hearing: Hearing, sound: Floats) -> float:
    """CPU seconds to hear a second of it, as it comes from a microphone."""
    silent = FaceNow(False, False, "")
    piece = round(BATCH * SAMPLE_RATE)
    began = time.process_time()
    for start in range(0, len(sound), piece):
        hearing.process([silent, Waveform(sound[start : start + piece], SAMPLE_RATE, start)])
    return (time.process_time() - began) * SAMPLE_RATE / len(sound)


async def _understand(worker: Worker, cast: Cast, sound: Waveform) -> float:
    """CPU seconds to understand a second of a question."""
    question = resample(sound, RATE)

    async def work() -> AsyncIterator[Transcript | None]:
        yield await understand(cast.recognizer, question)

    began = time.process_time()
    try:
        async for _ in worker.iterate(work):
            pass
    except (Error, ImportError) as error:
        logger.info("what understanding costs cannot be measured: %s", error)
        return UNDERSTANDING
    return (time.process_time() - began) / question.duration
