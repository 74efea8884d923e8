"""What is foreseen is what a conversation then gives to the voice."""

import dataclasses
from collections.abc import Iterator

import pytest

from visavis.core.types import Language, Sentence
from visavis.knowledge.base import load_samples
from visavis.pipeline.conversation import Conversation
from visavis.pipeline.foreseeing import foresee_sentences
from visavis.pipeline.manner import Manner
from visavis.stages import fakes
from visavis.stages.responders.faq import FaqResponder

VOICES = {"zh": "tone_low", "en": "tone_low"}
TEXTS: list[tuple[str, Language]] = [
    ("Bring your card. 请带身份证。It takes ten days.", "en"),
    ("100。200。", "zh"),
    ("12345? Yes, 67890. 😀", "en"),
    ("", "en"),
    *((pair.answer, pair.language) for base in load_samples() for pair in base.pairs[::15]),
]


class Foreseer(FaqResponder):
    """Says a text of the list, and suggests emotions as the real one does."""

    said = ""

    def foreseeable(self) -> Iterator[tuple[str, Language]]:
        yield from TEXTS

    async def reply(self, history):
        for start in range(0, len(self.said), 7):
            yield self.said[start : start + 7]


class Recorder(fakes.ToneSynthesizer):
    def __init__(self) -> None:
        super().__init__(seconds_per_character=0.001)
        self.asked: list[Sentence] = []

    def speak(self, sentence, voice):
        self.asked.append(sentence)
        return super().speak(sentence, voice)


@pytest.mark.parametrize(
    "manner",
    [
        Manner(VOICES),
        Manner(VOICES, language="en", intensity=0.7),
        Manner(VOICES, emotion="happy", intensity=0.2),
    ],
)
async def test_a_conversation_says_what_was_foreseen(manner: Manner) -> None:
    responder, voice = Foreseer(), Recorder()
    face = fakes.PaintingAnimator().open(fakes.make_avatar(size=8))
    async with Conversation(face, voice, responder, None, manner=manner) as conversation:
        for text, language in TEXTS:
            if not text:
                continue
            responder.said = text
            turn = conversation.ask_text("这是什么？" if language == "zh" else "What is this?")
            async for _ in conversation.play(turn):
                pass
    asked = {dataclasses.replace(s, turn=0, index=min(s.index, 1)) for s in voice.asked}
    foreseen = foresee_sentences(responder, manner)
    assert asked == set(foreseen)
    assert len(foreseen) == len(set(foreseen))
    if manner.emotion is None:
        assert {s.emotion for s in foreseen} > {"neutral"}


def test_opening_sentences_come_first() -> None:
    places = [s.index for s in foresee_sentences(Foreseer(), Manner(VOICES))]
    assert places == sorted(places)
    assert {0, 1} == set(places)


def test_who_foresees_nothing() -> None:
    assert foresee_sentences(fakes.EchoResponder("Hello."), Manner(VOICES)) == []
