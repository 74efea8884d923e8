"""Stages that break once, in the middle of what they do: they raise, or hang on their thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal, TypeAlias

import numpy as np
import pytest

from visavis.core.types import Sentence, Speech, Transcript, Waveform
from visavis.stages import fakes

Kind: TypeAlias = Literal["raises", "hangs"]
FOREVER = 60.0
"""Seconds after which a hang that no test released ends all the same."""


class Trouble:
    """What befalls a stage the next time that it comes to its middle, once."""

    def __init__(self, kind: Kind, at_once: bool = False) -> None:
        self.kind = kind
        self.may_strike = threading.Event()  # the fakes are quick: nothing would be heard before
        if at_once:
            self.may_strike.set()
        self.is_armed = True
        self.struck = threading.Event()
        self.release = threading.Event()
        self.came_back = threading.Event()
        self.thread = ""

    def strike(self) -> None:
        """Break the stage that calls, if that is still to come."""
        if not self.is_armed:
            return
        self.is_armed = False
        self.thread = threading.current_thread().name
        self.struck.set()
        if self.kind == "raises":
            self.may_strike.wait(FOREVER)
            raise RuntimeError("the weights are gone")
        self.release.wait(FOREVER)
        self.came_back.set()


class Ears:
    """Takes loud for speech; breaks at the tenth chunk of it."""

    language = "zh"
    trouble: Trouble | None = None

    def __init__(self, language: Any, guess: Any) -> None:
        self._loud = 0

    def settle(self, language: Any) -> None:
        self.language = language

    def speech_probability(self, chunk: Any) -> float:
        loud = float(np.abs(chunk).max()) > 0.05
        self._loud += loud
        if self._loud == 10 and self.trouble is not None:
            self.trouble.strike()
        return 0.95 if loud else 0.02

    def begin(self) -> None:
        pass

    def follow(self, samples: Any) -> str:
        return "请问"


def break_stage(patch: pytest.MonkeyPatch, stage: str, trouble: Trouble) -> None:
    """Put a trouble in the middle of one of the fakes; its second answer is whole."""
    patch.setattr("visavis.apps.server.sessions.setup.ModelEars", Ears)
    patch.setattr(Ears, "trouble", trouble if stage == "ears" else None)
    reply, speak = fakes.EchoResponder.reply, fakes.ToneSynthesizer.speak
    feed, idle = fakes.PaintingPerformance.feed, fakes.PaintingPerformance.idle
    transcribe, open_face = fakes.ScriptedRecognizer.transcribe, fakes.PaintingAnimator.open

    async def break_reply(self: Any, history: Any) -> AsyncIterator[str]:
        written = ""
        async for piece in reply(self, history):
            if len(written) > 12:
                trouble.strike()
            written += piece
            yield piece

    async def break_speech(self: Any, sentence: Sentence, voice: str) -> AsyncIterator[Speech]:
        async for speech in speak(self, sentence, voice):
            yield speech
            if sentence.index == 1:
                trouble.strike()

    def break_face(self: Any, speech: Speech) -> Iterator[Any]:
        for segment in feed(self, speech):
            yield segment
            if speech.sentence.index == 1:
                trouble.strike()

    def break_idle(self: Any) -> Any:
        trouble.strike()
        return idle(self)

    def break_opening(self: Any, avatar: Any) -> Any:
        trouble.strike()
        return open_face(self, avatar)

    async def break_understanding(
        self: Any, audio: AsyncIterator[Waveform]
    ) -> AsyncIterator[Transcript]:
        async for transcript in transcribe(self, audio):
            if transcript.is_final:
                trouble.strike()
            yield transcript

    match stage:
        case "responder":
            patch.setattr(fakes.EchoResponder, "reply", break_reply)
        case "synthesizer":
            patch.setattr(fakes.ToneSynthesizer, "speak", break_speech)
        case "animator":
            patch.setattr(fakes.PaintingPerformance, "feed", break_face)
        case "idle":
            patch.setattr(fakes.PaintingPerformance, "idle", break_idle)
        case "avatar":
            patch.setattr(fakes.PaintingAnimator, "open", break_opening)
        case "understanding":
            patch.setattr(fakes.ScriptedRecognizer, "transcribe", break_understanding)


async def until(happened: threading.Event, limit: float = 10.0) -> None:
    """Wait for what another thread does, without stopping this one."""
    assert await asyncio.to_thread(happened.wait, limit)
