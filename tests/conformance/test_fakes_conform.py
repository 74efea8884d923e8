"""The fakes stand in for the stages, so they pass the same suites."""

import numpy as np
import pytest

from conformance.animator_suite import AnimatorSuite
from conformance.picture_suites import EnhancerSuite, MattingSuite
from conformance.recognizer_suite import RecognizerSuite
from conformance.responder_suite import ResponderSuite
from conformance.synthesizer_suite import SynthesizerSuite
from visavis.core.types import Avatar, Waveform
from visavis.stages import fakes


class TestPaintingAnimator(AnimatorSuite):
    @pytest.fixture
    def animator(self) -> fakes.PaintingAnimator:
        return fakes.PaintingAnimator(seed=1)

    @pytest.fixture
    def twin(self) -> fakes.PaintingAnimator:
        return fakes.PaintingAnimator(seed=1)

    @pytest.fixture
    def avatar(self) -> Avatar:
        return fakes.make_avatar(frames=3)


class TestToneSynthesizer(SynthesizerSuite):
    @pytest.fixture
    def synthesizer(self) -> fakes.ToneSynthesizer:
        return fakes.ToneSynthesizer()


class TestScriptedRecognizer(RecognizerSuite):
    @pytest.fixture
    def recognizer(self) -> fakes.ScriptedRecognizer:
        return fakes.ScriptedRecognizer("如何补办身份证?")

    @pytest.fixture
    def question(self) -> Waveform:
        return Waveform(np.sin(np.arange(32_000) / 9).astype(np.float32), 16_000)

    @pytest.fixture
    def expected(self) -> str:
        return "身份证"


class TestEchoResponder(ResponderSuite):
    @pytest.fixture
    def responder(self) -> fakes.EchoResponder:
        return fakes.EchoResponder()


class TestNearestEnhancer(EnhancerSuite):
    @pytest.fixture
    def enhancer(self) -> fakes.NearestEnhancer:
        return fakes.NearestEnhancer()


class TestFullMatting(MattingSuite):
    @pytest.fixture
    def matting(self) -> fakes.FullMatting:
        return fakes.FullMatting()
