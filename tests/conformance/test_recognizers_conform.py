"""Every registered recogniser, with its real model, on speech of a real voice."""

import asyncio

import numpy as np
import pytest

from conformance.recognizer_suite import RecognizerSuite, final_text, hear
from visavis.core import registry
from visavis.core.protocols import Recognizer
from visavis.core.types import Language, Sentence, Waveform
from visavis.media.resampling import resample

pytestmark = [
    pytest.mark.assets,
    # zhconv leaves its dictionary's file open.
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in.*zhcdict.json:pytest.PytestUnraisableExceptionWarning"
    ),
]

QUESTIONS: dict[Language, tuple[str, str]] = {
    "zh": ("请问今天的天气怎么样?", "天气"),
    "en": ("How do I apply for a passport?", "passport"),
}


SERVED = {"funasr", "openai-transcription"}
"""Recognisers on servers: they pass the same suite before a stand-in, in tests of their own."""


@pytest.fixture(scope="module", params=sorted({*registry.names("recognizers")} - SERVED))
def recognizer(request: pytest.FixtureRequest) -> Recognizer:
    made: Recognizer = registry.load("recognizers", request.param)()
    return made


@pytest.fixture(scope="module")
def questions() -> dict[Language, Waveform]:
    """Let a voice ask, with half a second of quiet before and after."""

    async def speak(language: Language, text: str) -> Waveform:
        voice = registry.load("synthesizers", "kokoro")()
        name = {"zh": "zf_xiaoxiao", "en": "af_heart"}[language]
        sentence = Sentence(0, 0, text, language)
        parts = [speech.audio async for speech in voice.speak(sentence, name)]
        pause = np.zeros(parts[0].sample_rate // 2, np.float32)
        samples = np.concatenate([pause, *(part.samples for part in parts), pause])
        return resample(Waveform(samples, parts[0].sample_rate), 16_000)

    return {
        language: asyncio.run(speak(language, text)) for language, (text, _) in QUESTIONS.items()
    }


class TestRecognizers(RecognizerSuite):
    @pytest.fixture
    def question(self, questions: dict[Language, Waveform]) -> Waveform:
        return questions["zh"]

    @pytest.fixture
    def expected(self) -> str:
        return QUESTIONS["zh"][1]


async def test_hears_english_without_being_told(
    recognizer: Recognizer, questions: dict[Language, Waveform]
) -> None:
    heard = await hear(recognizer, questions["en"])
    assert QUESTIONS["en"][1] in final_text(heard).lower()
