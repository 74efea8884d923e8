"""The language model against a stand-in server that answers by the question."""

from collections.abc import Iterator
from typing import Any

import pytest

from conformance.responder_suite import ResponderSuite
from stages.chat_server import Answer, ChatServer, streamed
from visavis.core.protocols import Responder
from visavis.stages.responders.language_model import LanguageModelResponder


def _answer(request: dict[str, Any]) -> Answer:
    question = request["messages"][-1]["content"]
    return streamed(
        "You asked: ", question[:8], question[8:], " That is ", "all I ", "know.", pause=0.01
    )


@pytest.fixture
def responder() -> Iterator[Responder]:
    with ChatServer(_answer).run() as server:
        yield LanguageModelResponder(server.url, "stand-in", "key")


class TestLanguageModel(ResponderSuite):
    pass
