from collections.abc import AsyncIterator, Sequence

import pytest

from visavis.core.types import Emotion, Message
from visavis.models.sentence_encoder.predictor import SentenceEncoder
from visavis.stages.mood.reader import MoodReader
from visavis.stages.responders.attuned import AttunedResponder


class Inner:
    def __init__(self) -> None:
        self.closed = False

    async def reply(self, history: Sequence[Message]) -> AsyncIterator[str]:
        try:
            yield "请别着急。"
            yield "带身份证来。"
        finally:
            self.closed = True

    def emotion_of(self, text: str) -> Emotion | None:
        return "happy" if "恭喜" in text else None


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


async def ask(responder: AttunedResponder, text: str) -> list[str]:
    return [piece async for piece in responder.reply([Message("user", text)])]


async def test_anger_is_met_with_concern_and_a_plain_question_plainly(
    encoder: SentenceEncoder,
) -> None:
    responder = AttunedResponder(Inner(), MoodReader(encoder))
    assert await ask(responder, "身份证怎么补办？") == ["请别着急。", "带身份证来。"]
    assert responder.emotion_of("带身份证来。") is None
    await ask(responder, "气死我了！你们这是什么破服务，我要投诉你们！")
    assert responder.mood.emotion == "angry"
    assert responder.emotion_of("带身份证来。") == "sad"
    assert responder.emotion_of("恭喜您！") == "happy"


async def test_one_angry_word_does_not_stick(encoder: SentenceEncoder) -> None:
    responder = AttunedResponder(Inner(), MoodReader(encoder))
    await ask(responder, "气死我了！你们这是什么破服务，我要投诉你们！")
    for _ in range(3):
        await ask(responder, "护照在哪里办理？")
    assert responder.emotion_of("带身份证来。") is None


async def test_switched_off_nothing_is_read(encoder: SentenceEncoder) -> None:
    responder = AttunedResponder(Inner(), MoodReader(encoder, on=False))
    await ask(responder, "气死我了！你们这是什么破服务，我要投诉你们！")
    assert responder.mood.emotion == "neutral"
    assert responder.emotion_of("带身份证来。") is None


async def test_closing_it_closes_the_inner_one(encoder: SentenceEncoder) -> None:
    inner = Inner()
    pieces = AttunedResponder(inner, MoodReader(encoder)).reply([Message("user", "在吗")])
    assert await anext(pieces) == "请别着急。"
    await pieces.aclose()
    assert inner.closed
