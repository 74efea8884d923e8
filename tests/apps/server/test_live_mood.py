"""A live session with somebody who is moved: the sound reaches whoever reads it, marks reach the face."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from visavis.apps.assemble import Cast
from visavis.apps.server.protocol import ServerEvent, commands
from visavis.apps.server.sessions.registry import Sessions
from visavis.apps.server.settings import ServerSettings
from visavis.core.types import Emotion, Message, Said, Waveform
from visavis.stages.responders.attuned import AttunedResponder


class LoudEars:
    """Takes loud for speech."""

    language = "zh"

    def __init__(self, language: Any, guess: Any) -> None:
        pass

    def settle(self, language: Any) -> None:
        self.language = language

    def speech_probability(self, chunk: Any) -> float:
        return 0.95 if float(np.abs(chunk).max()) > 0.05 else 0.02

    def begin(self) -> None:
        pass

    def follow(self, samples: Any) -> str:
        return "怎么办理"


class Writing:
    """Writes as a language model does."""

    async def reply(self, history: Sequence[Message]) -> AsyncIterator[str]:
        yield Said("Well done!\n", "happy")
        yield Said("It costs ten.\n")
        yield Said("I am sorry.")

    def emotion_of(self, text: str) -> Emotion | None:
        return None


@pytest.fixture
async def sessions(cast: Cast) -> AsyncIterator[Sessions]:
    opened = Sessions(cast, ServerSettings(sessions=3))
    yield opened
    await opened.close()


async def read_turn(reader: Any) -> list[ServerEvent]:
    found: list[ServerEvent] = []
    async with asyncio.timeout(20):
        async for event in reader:
            found.append(event)
            if event.type == "turn.ended":
                break
    return found


async def test_the_sound_of_a_question_reaches_the_mood_and_stays_nowhere(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Waveform] = []
    hear = AttunedResponder.hear

    def listen(self: AttunedResponder, sound: Waveform) -> None:
        heard.append(sound)
        hear(self, sound)

    monkeypatch.setattr(AttunedResponder, "hear", listen)
    monkeypatch.setattr("visavis.apps.server.sessions.setup.ModelEars", LoudEars)
    session = await sessions.open(microphone="push")
    rng = np.random.default_rng(0)
    async with session.events() as reader:
        await session.handle(commands.Talk(pressed=True))
        for _ in range(60):
            samples = (0.3 * np.tanh(rng.standard_normal(960))).astype(np.float32)
            session.hear(Waveform(samples, 48_000))
        await asyncio.sleep(0.05)
        await session.handle(commands.Talk(pressed=False))
        await read_turn(reader)
        await session.handle(commands.Ask(text="And typed?"))
        await read_turn(reader)
    (sound,) = heard
    assert sound.sample_rate == 16_000
    assert 0.9 < sound.duration < 2.5
    assert float(np.abs(sound.samples).max()) > 0.1
    assert session._responder._sound is None


async def test_a_models_marks_reach_the_face_and_not_the_page(
    cast: Cast, sessions: Sessions
) -> None:
    cast._responder = Writing()
    session = await sessions.open()
    async with session.events() as reader:
        await session.handle(commands.Ask(text="How much is it?"))
        story = await read_turn(reader)
        sentences = session._conversation._turn.sentences
    assert [(s.text, s.emotion) for s in sentences] == [
        ("Well done!", "happy"),
        ("It costs ten.", "neutral"),
        ("I am sorry.", "sad"),
    ]
    texts = [json.loads(e.model_dump_json())["text"] for e in story if e.type == "answer.text"]
    assert "".join(texts) == "Well done!\nIt costs ten.\nI am sorry."


async def test_switched_off_the_sound_is_not_taken(cast: Cast, sessions: Sessions) -> None:
    quiet = replace(cast, settings=replace(cast.settings, mood=False))
    quiet._responder = Writing()
    assert quiet.attune(quiet.responder) is quiet.responder
