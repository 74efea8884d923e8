"""Our clients of speech servers against our own server: what one says the other understands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from api_client import USER, serve_api

from visavis.apps.assemble import Cast
from visavis.core.errors import ConfigError, StageError
from visavis.core.types import Sentence, Waveform
from visavis.media.audio import read_audio
from visavis.stages.recognizers.openai_transcription import OpenaiTranscriptionRecognizer
from visavis.stages.synthesizers.openai_speech import OpenaiSpeechSynthesizer

SPEECH = Path(__file__).parents[2] / "fixtures" / "speech_zh.wav"
SENTENCE = Sentence(2, 0, "Hello there, how are you?", "en")


def write_voices(folder: Path, place: str, voice: str = "tone_low", more: str = "") -> Path:
    path = folder / "voices.toml"
    path.write_text(
        f'[voices.far]\nkind = "openai-speech"\nurl = "http://{place}/v1"\nvoice = "{voice}"\n'
        f'languages = ["en"]\nkey_variable = "FAR_KEY"\n{more}\n'
    )
    return path


async def listen(stage: OpenaiSpeechSynthesizer) -> Waveform:
    speeches = [s async for s in stage.speak(SENTENCE, "far")]
    assert [s.is_last for s in speeches] == [False] * (len(speeches) - 1) + [True]
    samples = np.concatenate([s.audio.samples for s in speeches])
    return Waveform(samples, speeches[0].audio.sample_rate)


@pytest.mark.parametrize("format", ["pcm", "wav"])
async def test_speech(
    tmp_path: Path, cast: Cast, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    monkeypatch.setenv("FAR_KEY", USER)
    async with serve_api(tmp_path / "data", cast) as (place, _):
        stage = OpenaiSpeechSynthesizer(write_voices(tmp_path, place, more=f'format = "{format}"'))
        heard = await listen(stage)
    spoken = [s.audio.samples async for s in cast.router.speak(SENTENCE, "tone_low")]
    expected = np.concatenate(spoken)
    assert heard.sample_rate == 24_000
    assert len(heard.samples) == pytest.approx(len(expected), abs=240)
    size = min(len(expected), len(heard.samples))
    np.testing.assert_allclose(heard.samples[:size], expected[:size], atol=2e-4)


async def test_errors_are_understood(
    tmp_path: Path, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve_api(tmp_path / "data", cast) as (place, _):
        monkeypatch.setenv("FAR_KEY", "wrong")
        with pytest.raises(ConfigError, match="refuses the key; set FAR_KEY"):
            await listen(OpenaiSpeechSynthesizer(write_voices(tmp_path, place)))
        monkeypatch.setenv("FAR_KEY", USER)
        with pytest.raises((ConfigError, StageError), match="nobody"):
            await listen(OpenaiSpeechSynthesizer(write_voices(tmp_path, place, "nobody")))


@pytest.mark.assets
async def test_transcription(tmp_path: Path, cast: Cast) -> None:
    sound = read_audio(SPEECH, 16_000)

    async def once() -> AsyncIterator[Waveform]:
        yield sound

    async with serve_api(tmp_path / "data", cast) as (place, _):
        stage = OpenaiTranscriptionRecognizer(url=f"http://{place}/v1", key=USER)
        heard = [t async for t in stage.transcribe(once())]
        assert heard[-1].is_final
        assert heard[-1].text == "如何补办身份证?"
        assert not all(t.is_final for t in heard), "our server streams"
        stage = OpenaiTranscriptionRecognizer(url=f"http://{place}", key="wrong")
        with pytest.raises(ConfigError, match="VISAVIS_RECOGNIZER_KEY"):
            _ = [t async for t in stage.transcribe(once())]
