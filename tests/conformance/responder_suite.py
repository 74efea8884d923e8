"""What every responder must do."""

from visavis.core.protocols import Responder
from visavis.core.types import Message


async def reply(stage: Responder, *texts: str) -> str:
    return "".join([piece async for piece in stage.reply(dialogue(*texts))])


def dialogue(*texts: str) -> list[Message]:
    """Make a dialogue in which user and assistant take turns and the user is last."""
    roles = ("user", "assistant")
    return [Message(roles[i % 2], text) for i, text in enumerate(texts)]


class ResponderSuite:
    """Subclass with the fixture ``responder``; set ``questions`` to two that it can answer."""

    questions = ("How do I replace a lost ID card?", "如何补办身份证?")

    async def test_answers_in_pieces(self, responder: Responder) -> None:
        assert isinstance(responder, Responder)
        for question in self.questions:
            pieces = [piece async for piece in responder.reply(dialogue(question))]
            assert all(isinstance(piece, str) for piece in pieces)
            assert "".join(pieces).strip()

    async def test_same_question_same_answer(self, responder: Responder) -> None:
        first = await reply(responder, self.questions[0])
        other = await reply(responder, self.questions[1])
        assert other != first
        assert await reply(responder, self.questions[0]) == first

    async def test_two_sessions_do_not_mix(self, responder: Responder) -> None:
        alone = [await reply(responder, question) for question in self.questions]
        streams = [responder.reply(dialogue(question)) for question in self.questions]
        texts = ["", ""]
        open_ones = [0, 1]
        while open_ones:
            for number in list(open_ones):
                try:
                    texts[number] += await anext(streams[number])
                except StopAsyncIteration:
                    open_ones.remove(number)
        assert texts == alone

    async def test_broken_off_and_used_again(self, responder: Responder) -> None:
        fresh = await reply(responder, self.questions[0])
        broken = responder.reply(dialogue(self.questions[1]))
        await anext(broken)
        await broken.aclose()  # type: ignore[attr-defined]
        assert await reply(responder, self.questions[0]) == fresh

    async def test_goes_on_after_an_answer(self, responder: Responder) -> None:
        assert (await reply(responder, self.questions[0], "An answer.", self.questions[1])).strip()
