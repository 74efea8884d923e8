"""Every registered recogniser, with its real model, on speech of a real voice."""

import asyncio

import numpy as np
import pytest

from conformance.recognizer_suite import RecognizerSuite
from visavis.core import registry
from visavis.core.protocols import Recognizer
from visavis.core.types import Language, Sentence, Waveform
from visavis.media.resampling import resample

pytestmark = pytest.mark.assets

QUESTIONS: dict[Language, tuple[str, str]] = {
    "zh": ("请问居住证怎么办理?", "居住证"),
    "en": ("How do I apply for a passport?", "passport"),
}


@pytest.fixture(scope="module", params=registry.names("recognizers"))
def recognizer(request: pytest.FixtureRequest) -> Recognizer:
    made: Recognizer = registry.load("recognizers", request.param)()
    return made


@pytest.fixture(scope="module", params=sorted(QUESTIONS))
def language(request: pytest.FixtureRequest) -> Language:
    found: Language = request.param
    return found


@pytest.fixture(scope="module")
def question(language: Language) -> Waveform:
    async def speak() -> Waveform:
        voice = registry.load("synthesizers", "kokoro")()
        sentence = Sentence(0, 0, QUESTIONS[language][0], language)
        name = {"zh": "zf_xiaoxiao", "en": "af_heart"}[language]
        parts = [speech.audio async for speech in voice.speak(sentence, name)]
        pause = np.zeros(parts[0].sample_rate // 2, np.float32)
        samples = np.concatenate([pause, *(part.samples for part in parts), pause])
        return Waveform(samples, parts[0].sample_rate)

    return resample(asyncio.run(speak()), 16_000)


@pytest.fixture(scope="module")
def expected(language: Language) -> str:
    return QUESTIONS[language][1]


class TestRecognizers(RecognizerSuite):
    pass
