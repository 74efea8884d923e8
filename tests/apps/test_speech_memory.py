import numpy as np
import pytest

from visavis.apps.assemble import VoiceRouter
from visavis.apps.speech_memory import SpeechMemory
from visavis.core import registry
from visavis.core.types import Sentence, Speech, Waveform, replace
from visavis.stages.fakes import ToneSynthesizer


def _sentence(text="Good morning.", turn=1, index=1, emotion="neutral"):
    return Sentence(turn, index, text, "en", emotion)


def _spoken(sentence, seconds=1.0, is_last=True):
    sound = Waveform(np.full(int(24_000 * seconds), 0.1, np.float32), 24_000)
    return [Speech(sentence.turn, sentence, sound, (), is_last)]


def test_what_was_said_is_said_again_for_another_turn():
    memory = SpeechMemory(60.0)
    memory.keep(_sentence(), "af_heart", _spoken(_sentence()))
    again = _sentence(turn=7)
    (speech,) = memory.recall(again, "af_heart")
    assert (speech.turn, speech.sentence) == (7, again)
    assert speech.audio.duration == 1.0


@pytest.mark.parametrize(
    ("other", "voice"),
    [
        (_sentence("Good night."), "af_heart"),
        (_sentence(emotion="sad"), "af_heart"),
        (_sentence(index=0), "af_heart"),
        (replace(_sentence(), rate=0.9), "af_heart"),
        (_sentence(), "am_adam"),
    ],
)
def test_something_else_is_not_taken_for_it(other, voice):
    memory = SpeechMemory(60.0)
    memory.keep(_sentence(), "af_heart", _spoken(_sentence()))
    assert memory.recall(other, voice) == ()


def test_half_a_sentence_is_not_kept():
    memory = SpeechMemory(60.0)
    memory.keep(_sentence(), "v", _spoken(_sentence(), is_last=False))
    assert memory.recall(_sentence(), "v") == ()


def test_the_longest_unused_makes_room():
    memory = SpeechMemory(longest=10.0)
    texts = [f"Sentence {n}." for n in range(5)]
    for text in texts:
        memory.keep(_sentence(text), "v", _spoken(_sentence(text), 2.0))
    memory.recall(_sentence(texts[0]), "v")
    memory.keep(_sentence("One more."), "v", _spoken(_sentence("One more."), 2.0))
    kept = [bool(memory.recall(_sentence(text), "v")) for text in texts]
    assert kept == [True, False, True, True, True]


async def test_the_router_speaks_a_sentence_once(monkeypatch):
    spoken = []

    class Counting(ToneSynthesizer):
        def speak(self, sentence, voice):
            spoken.append(sentence.text)
            return super().speak(sentence, voice)

    monkeypatch.setattr(registry, "names", lambda kind: ["fake"])
    monkeypatch.setattr(registry, "load", lambda kind, name: Counting)
    router = VoiceRouter(remembered=60.0)
    voice = router.voices()[0].name
    first = [s async for s in router.speak(_sentence(), voice)]
    second = [s async for s in router.speak(_sentence(turn=2), voice)]
    assert spoken == ["Good morning."]
    assert [s.turn for s in second] == [2] * len(first)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.audio.samples, b.audio.samples)
        assert a.marks == b.marks
