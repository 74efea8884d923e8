"""Faces for the adapters: one painted with the loudness of its sound, so that step can be seen."""

from __future__ import annotations

import threading
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from visavis.core.protocols import Performance
from visavis.core.types import Floats, Picture
from visavis.stages import fakes

FIXTURES = Path(__file__).parent.parent / "fixtures"
SIZE = 128


class Painted:
    """Makes a performance that paints a red bar as high as each frame's sound is loud."""

    def __init__(self, seed: int = 0, delay: float = 0.0) -> None:
        self.seed = seed
        self.delay = delay

    def __call__(self) -> Performance:
        avatar = fakes.make_avatar(size=SIZE, frames=7, seed=self.seed)
        return fakes.PaintingAnimator(delay=self.delay, lookahead_frames=3).open(avatar)


def bar_of(image: Picture) -> int:
    """Height of the red bar in pixels."""
    column = image[::-1, image.shape[1] // 2]
    red = (column == (255, 0, 0)).all(axis=1)
    return len(red) if red.all() else int(np.argmin(red))


def bar_for(sound: Floats) -> int:
    """Height that the bar must have for a frame's sound."""
    return round(float(np.abs(sound).mean()) * SIZE)


def level(value: float, seconds: float, rate: int = 24_000) -> Floats:
    """Sound of one value throughout, by which it is known again."""
    return np.full(round(seconds * rate), value, np.float32)


def read_speech(name: str, seconds: float) -> tuple[Floats, int]:
    """Real speech and its rate."""
    with wave.open(str(FIXTURES / name)) as file:
        rate = file.getframerate()
        pcm = np.frombuffer(file.readframes(round(seconds * rate)), np.int16)
    return pcm.astype(np.float32) / 32768, rate


def face_threads() -> list[str]:
    names = ("visavis-face", "visavis-livekit", "visavis-pipecat")
    return [t.name for t in threading.enumerate() if t.name.startswith(names)]


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Whatever a test opened must be gone when it ends."""
    yield
    assert face_threads() == []
