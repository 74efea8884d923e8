"""Every registered synthesizer, with its real model."""

import pytest

from conformance.synthesizer_suite import SynthesizerSuite
from visavis.core import registry
from visavis.core.protocols import Synthesizer

pytestmark = pytest.mark.assets


SERVED = {"openai-speech", "gpt-sovits", "cosyvoice", "index-tts"}
"""Voices on servers: they pass the same suite before a stand-in, in tests of their own."""


@pytest.fixture(scope="module", params=sorted({*registry.names("synthesizers")} - SERVED))
def synthesizer(request: pytest.FixtureRequest) -> Synthesizer:
    made: Synthesizer = registry.load("synthesizers", request.param)()
    return made


class TestSynthesizers(SynthesizerSuite):
    pass
