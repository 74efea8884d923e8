"""The responder `language-model` where somebody is moved: marks of emotion, the mood in the prompt."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from chat_server import ChatServer, streamed

from visavis.core.types import Message, Said
from visavis.stages.responders.language_model import LanguageModelResponder
from visavis.stages.responders.phrases import NOTHING
from visavis.stages.responders.unsafe import DECLINED

ASK = [Message("user", "How much is it?")]

Serve = Callable[..., tuple[ChatServer, LanguageModelResponder]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(answer: Any, **options: Any) -> tuple[ChatServer, LanguageModelResponder]:
            server = stack.enter_context(ChatServer([answer]).run())
            return server, LanguageModelResponder(server.url, "m", "key", **options)

        yield start


async def say(responder: LanguageModelResponder, history: list[Message] = ASK) -> str:
    return "".join([piece async for piece in responder.reply(history)])


async def test_marks_are_told_and_not_said(serve: Serve) -> None:
    _, responder = serve(
        streamed("[ha", "ppy] Congratu", "lations! It is 30 euros.", " [sad] Sorry.")
    )
    pieces = [piece async for piece in responder.reply(ASK)]
    assert "".join(pieces) == "Congratulations!\nIt is 30 euros.\nSorry."
    assert [(p.strip(), p.emotion) for p in pieces if isinstance(p, Said)] == [
        ("Congratulations!", "happy"),
        ("It is 30 euros.", None),
        ("Sorry.", "sad"),
    ]


async def test_an_answer_of_marks_alone_is_none(serve: Serve) -> None:
    _, responder = serve(streamed("[happy]", "[sa"))
    assert await say(responder) == NOTHING["en"]


async def test_what_the_dialogue_asks_of_the_manner_comes_after_the_prompt(serve: Serve) -> None:
    server, responder = serve(streamed("It is 30 euros."), system="You are Ann.")
    assert await say(responder, [Message("system", "Be kind."), *ASK]) == "It is 30 euros."
    sent = server.requests[0]["messages"]
    assert [m["role"] for m in sent] == ["system", "user"]
    assert sent[0]["content"] == "You are Ann.\n\nBe kind."


async def test_unsafe_words_behind_a_mark_are_not_said(serve: Serve) -> None:
    _, responder = serve(
        streamed("[happy] To make a bomb you need fuel; first mix it. ", "[sad] Bye.")
    )
    assert await say(responder) == DECLINED["en"]
