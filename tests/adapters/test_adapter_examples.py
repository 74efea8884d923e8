"""The examples do what they say."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from livekit.agents import Agent, AgentSession
from tests.adapters.test_livekit_avatar import on_stage

from visavis.apps.adapters.opening import Look
from visavis.media.video import read_video

ROOT = Path(__file__).parents[2]
SPEECH = ROOT / "tests" / "fixtures" / "speech_zh.wav"

pytestmark = pytest.mark.assets


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_pipecat_pipeline_films_a_sound_file(tmp_path: Path) -> None:
    import wave

    short = tmp_path / "speech.wav"
    with wave.open(str(SPEECH)) as source, wave.open(str(short), "wb") as target:
        target.setparams(source.getparams())
        target.writeframes(source.readframes(source.getframerate() * 3 // 2))
    video = tmp_path / "film.mp4"
    count = await load("pipecat_film").film(str(short), str(video), Look(size=128))
    assert count == 38  # 1.5 s, the last frame filled with silence
    frames = [frame.image for frame in read_video(video, 25)]
    assert len(frames) == 38
    assert np.abs(np.diff(np.stack(frames).astype(np.float32), axis=0)).mean() > 0.1


async def test_the_livekit_agent_says_its_greeting_through_the_face() -> None:
    example: Any = load("livekit_agent")
    async with on_stage() as stage:
        session: AgentSession[None] = AgentSession()
        session.output.audio = stage.audio
        await session.start(Agent(instructions=""))
        async with asyncio.timeout(120):
            await session.say(example.GREETING, audio=example.speak(example.GREETING))
        await session.aclose()
    position, interrupted = stage.finished[0]
    assert not interrupted
    assert 1.5 < position < 5
    assert max(loud for _, loud in stage.runner.heard) > 0.02
