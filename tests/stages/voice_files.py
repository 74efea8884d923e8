"""Files of voices for tests, with recordings and their speakers' consent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from service_server import tone, wav

from visavis.core.types import Emotion, Sentence, Speech
from visavis.stages.services.calls import Limits
from visavis.stages.synthesizers.consent import write_consent

QUICK = Limits(connect_s=2.0, first_s=3.0, between_s=3.0, backoff_s=0.01)
SPEAKER, SCOPE = "Li Ming", "answering visitors of the town hall"
STATEMENT = "I agree that my voice is imitated for this service."


def add_recording(folder: Path, name: str = "li.wav", *, consent: bool = True) -> Path:
    path = folder / name
    path.write_bytes(wav(tone(name, 16_000, 1.0), 16_000))
    if consent:
        write_consent(path, speaker=SPEAKER, statement=STATEMENT, scope=SCOPE)
    return path


def write_voices(folder: Path, text: str) -> Path:
    path = folder / "voices.toml"
    path.write_text(text, encoding="utf-8")
    return path


def reference(name: str = "li", audio: str = "li.wav", table: str = "reference") -> str:
    return (
        f'\n[voices.{name}.{table}]\naudio = "{audio}"\nserver_audio = "/refs/{audio}"\n'
        'text = "大家好，我是小李。"\nlanguage = "zh"\n'
    )


def sentence(
    text: str = "Please come in.", emotion: Emotion = "neutral", much: float = 0.5
) -> Sentence:
    return Sentence(4, 1, text, "zh" if not text.isascii() else "en", emotion, much)


def joined(speeches: list[Speech]) -> np.ndarray:
    return np.concatenate([s.audio.samples for s in speeches])
