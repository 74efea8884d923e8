"""A sentence's rate: what it does to the voices that run here."""

import itertools

import numpy as np
import pytest

from visavis.core.types import Emotion, Sentence, Speech
from visavis.stages.synthesizers.delivery import QUICKEST, SLOWEST, manner_of, manner_of_sentence
from visavis.stages.synthesizers.hibari import HibariSynthesizer
from visavis.stages.synthesizers.kokoro import KokoroSynthesizer
from visavis.stages.synthesizers.service_styles import choose_speed

ENGLISH = "Please bring your identity card, one photo and the form, and come to the second floor."
CHINESE = "请您带上身份证、一张照片和申请表，然后到二楼的服务窗口办理。"


def make(rate: float, text: str = ENGLISH, emotion: Emotion = "neutral") -> Sentence:
    language = "en" if text.isascii() else "zh"
    return Sentence(0, 1, text, language, emotion, 0.5, rate)


def measure(speeches: list[Speech]) -> float:
    return sum(speech.audio.duration for speech in speeches)


def test_a_rate_of_one_leaves_the_pace_to_the_emotion() -> None:
    assert manner_of_sentence(make(1.0, emotion="sad")) == manner_of("sad", 0.5)


def test_another_rate_is_the_pace_all_in_all() -> None:
    for emotion in ("neutral", "sad", "happy"):
        manner, usual = manner_of_sentence(make(0.9, emotion=emotion)), manner_of(emotion, 0.5)
        assert manner.speed == 0.9
        assert manner.pause == pytest.approx(usual.pause / 0.9)
        assert manner.level == usual.level
    assert manner_of_sentence(make(0.01)).speed == SLOWEST
    assert manner_of_sentence(make(50.0)).speed == QUICKEST


def test_servers_with_a_speed_are_told() -> None:
    assert choose_speed(make(0.92, emotion="sad"), 1.1) == round(1.1 * 0.92, 3)
    assert choose_speed(make(1.0, emotion="sad"), 1.0) == manner_of("sad", 0.5).speed
    assert choose_speed(make(0.5), 0.3, 0.25) == 0.25


@pytest.mark.parametrize(("rate", "least", "most"), [(0.9, 1.03, 1.16), (1.25, 0.78, 0.9)])
def test_hibari_takes_longer_the_slower_it_is_asked_to(
    rate: float, least: float, most: float
) -> None:
    voice = HibariSynthesizer()
    usual = measure(list(voice.iterate(make(1.0), "")))
    asked = list(voice.iterate(make(rate), ""))
    assert least < measure(asked) / usual < most
    words = [m for speech in asked for m in speech.marks if m.kind == "word"]
    assert [w.text for w in words[:3]] == ["Please", "bring", "your"]
    assert all(a.start <= b.start for a, b in itertools.pairwise(words))
    assert words[-1].end <= round(measure(asked) * asked[0].audio.sample_rate)


@pytest.mark.assets
@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_kokoro_takes_longer_the_slower_it_is_asked_to(text: str) -> None:
    voice = KokoroSynthesizer()
    usual = measure(list(voice.iterate(make(1.0, text), "")))
    slow = list(voice.iterate(make(0.9, text), ""))
    assert 1.04 < measure(slow) / usual < 1.17
    assert np.abs(np.concatenate([s.audio.samples for s in slow])).max() > 0.1
