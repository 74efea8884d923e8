"""How sentences get their emotion, intensity and rate, and how a responder comes to hear a question."""

from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from visavis.core.types import Delivery, Emotion, Message, Said, Sentence, Waveform
from visavis.pipeline.conversation import Conversation
from visavis.pipeline.delivery import deliver_sentence
from visavis.pipeline.manner import Manner
from visavis.pipeline.sources import REMEMBERED, Overheard, cut_end
from visavis.stages import fakes

PLAIN = Sentence(1, 0, "Hello.", "en")
RATE = 16_000


class Told:
    """A responder that tells how everything is said, and keeps what it heard."""

    def __init__(self, delivery: Delivery, *pieces: str) -> None:
        self.delivery = delivery
        self.pieces = pieces
        self.heard: list[Waveform] = []
        self.order: list[str] = []

    def hear(self, sound: Waveform) -> None:
        self.order.append("hear")
        self.heard.append(sound)

    async def reply(self, history: Sequence[Message]) -> AsyncIterator[str]:
        self.order.append("reply")
        for piece in self.pieces:
            yield piece

    def delivery_of(self, sentence: str, own: Emotion | None = None) -> Delivery:
        return self.delivery


class Suggesting(fakes.EchoResponder):
    def emotion_of(self, text: str) -> Emotion | None:
        return "sad" if "sorry" in text else None


def said(sentence: Sentence) -> tuple[str, float, float]:
    return sentence.emotion, sentence.intensity, sentence.rate


def test_nobody_tells_anything() -> None:
    assert deliver_sentence(PLAIN, None, Manner()) == PLAIN
    assert deliver_sentence(PLAIN, fakes.EchoResponder("a"), Manner()) == PLAIN


def test_what_is_told_is_done_beside_the_usual_intensity() -> None:
    sad = Told(Delivery("sad", 0.3, 0.92))
    assert said(deliver_sentence(PLAIN, sad, Manner())) == ("sad", 0.3, 0.92)
    assert said(deliver_sentence(PLAIN, sad, Manner(intensity=0.25))) == ("sad", 0.15, 0.92)
    assert said(deliver_sentence(PLAIN, sad, Manner(intensity=0.0))) == ("sad", 0.0, 0.92)
    loud = Told(Delivery("happy", 0.8))
    assert said(deliver_sentence(PLAIN, loud, Manner(intensity=1.0))) == ("happy", 1.0, 1.0)


def test_the_listeners_setting_goes_first_then_the_sentences_own_then_the_responders() -> None:
    sad = Told(Delivery("sad", 0.3, 0.92))
    own = deliver_sentence(PLAIN, sad, Manner(intensity=0.4), "happy")
    assert said(own) == ("happy", 0.4, 0.92)
    fixed = deliver_sentence(PLAIN, sad, Manner(emotion="surprised", intensity=0.7), "happy")
    assert said(fixed) == ("surprised", 0.7, 0.92)
    suggesting = Suggesting("I am sorry.")
    sorry = Sentence(1, 0, "I am sorry.", "en")
    assert deliver_sentence(sorry, suggesting, Manner()).emotion == "sad"
    assert deliver_sentence(sorry, suggesting, Manner(), "happy").emotion == "happy"


async def collect(conversation: Conversation, question: str | Waveform) -> list[Sentence]:
    if isinstance(question, str):
        turn = conversation.ask_text(question)
    else:
        turn = conversation.ask_audio(question)
    async for _ in conversation.play(turn):
        pass
    return list(turn.sentences)


def talk(responder: Told) -> Conversation:
    return Conversation(
        fakes.PaintingAnimator().open(fakes.make_avatar()),
        fakes.ToneSynthesizer(),
        responder,
        fakes.ScriptedRecognizer("hello"),
        manner=Manner({"en": "tone_low", "zh": "tone_low"}, "en"),
    )


async def test_sentences_are_said_as_the_piece_in_which_they_begin() -> None:
    pieces = (
        Said("Congratulations", "happy"),
        Said(" to you!\n", "happy"),
        Said("Bring a card\n"),  # nothing ends it but the line
        Said("I am sorry. We close.\n", "sad"),
        "The rest.",
    )
    async with talk(Told(Delivery(), *pieces)) as conversation:
        sentences = await collect(conversation, "hi")
    assert [(s.text, s.emotion) for s in sentences] == [
        ("Congratulations to you!", "happy"),
        ("Bring a card", "neutral"),
        ("I am sorry.", "sad"),
        ("We close.", "sad"),
        ("The rest.", "neutral"),
    ]


def noise(seconds: float, seed: int = 0) -> Waveform:
    rng = np.random.default_rng(seed)
    return Waveform(rng.normal(0, 0.1, round(seconds * RATE)).astype(np.float32), RATE)


async def test_a_spoken_question_is_heard_before_it_is_answered_and_a_typed_one_is_not() -> None:
    responder, sound = Told(Delivery(), "Yes."), noise(2.0)
    async with talk(responder) as conversation:
        await collect(conversation, sound)
        assert responder.order == ["hear", "reply"]
        assert np.array_equal(responder.heard[0].samples, sound.samples)
        await collect(conversation, "hi")
        assert responder.order == ["hear", "reply", "reply"]


async def test_what_was_understood_already_brings_its_sound() -> None:
    from visavis.core.types import Transcript

    responder = Told(Delivery(), "Yes.")
    async with talk(responder) as conversation:
        turn = conversation.ask_heard(Transcript("hi", True, 0.0, 20.0, "en"), noise(20.0))
        async for _ in conversation.play(turn):
            pass
        turn = conversation.ask_heard(Transcript("hi", True, 0.0, 1.0, "en"))
        async for _ in conversation.play(turn):
            pass
    assert [s.duration for s in responder.heard] == [REMEMBERED]
    assert responder.heard[0].offset == 5 * RATE
    assert np.array_equal(responder.heard[0].samples, noise(20.0).samples[5 * RATE :])


@pytest.mark.parametrize("piece", [0.02, 0.5, 7.0, 40.0])
async def test_only_the_end_of_a_sound_is_kept(piece: float) -> None:
    whole, step, closed = noise(40.0), round(piece * RATE), []

    async def source() -> AsyncIterator[Waveform]:
        try:
            for start in range(0, len(whole.samples), step):
                yield Waveform(whole.samples[start : start + step], RATE, start)
        finally:
            closed.append(True)

    overheard, passed, most = Overheard(source()), [], 0.0
    assert overheard.end is None
    async for one in overheard:
        passed.append(one.samples)
        most = max(most, overheard._seconds)
    await overheard.aclose()
    assert closed
    assert np.array_equal(np.concatenate(passed), whole.samples)
    end = overheard.end
    assert end is not None
    assert end.offset == 25 * RATE
    assert np.array_equal(end.samples, whole.samples[25 * RATE :])
    assert most <= REMEMBERED + piece + 1e-6
    assert cut_end(noise(3.0)).duration == 3.0
