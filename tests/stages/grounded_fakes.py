"""Stand-ins for what the grounded responder asks: a base, a search, and language models."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from visavis.core.types import Language, Message
from visavis.stages.responders.chat_stream import Delta
from visavis.stages.responders.grounded import GroundedResponder
from visavis.stages.responders.passages import Passage
from visavis.stages.responders.told import Told

CARD_ZH = Passage(
    "补办社会保障卡的费用为二十元。申请人须携带身份证原件到二楼窗口办理，五个工作日后领取。咨询电话12333。",
    "社保卡服务指南 https://a.example/card",
    "第3页",
    0.9,
)
LIBRARY_ZH = Passage("图书馆周一闭馆，周二至周日上午九点到晚上八点半开放。", "图书馆公告", "", 0.6)
POOL_EN = Passage(
    "The pool is open Monday to Friday from 6:30 to 21:00. Children under 10 need an adult with them.",
    "Pool notice https://a.example/pool",
    "p. 1",
    0.9,
)
FEE_EN = Passage("Membership costs 35 euros a year; students pay 15 euros.", "Club rules", "", 0.8)


@dataclass
class FakeChat:
    """Says what a function makes of the messages, a few characters at a time; keeps what it was sent."""

    write: Callable[[Sequence[Message]], str] | str
    step: int = 3
    error: Exception | None = None
    requests: list[tuple[Message, ...]] = field(default_factory=list)
    closed: int = 0

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Delta, None]:
        self.requests.append(tuple(messages))
        text = self.write if isinstance(self.write, str) else self.write(messages)
        try:
            for i in range(0, len(text), self.step):
                yield Delta(text[i : i + self.step])
            if self.error is not None:
                raise self.error
            yield Delta("", "stop")
        finally:
            self.closed += 1


@dataclass(frozen=True)
class FakeStored:
    text: str
    outcome: str
    confidence: float = 0.9


@dataclass
class FakeFaq:
    """Gives one answer."""

    stored: FakeStored

    def answer(self, history: Sequence[Message]) -> FakeStored:
        return self.stored


REFUSED = FakeFaq(FakeStored("My base has no answer.", "refusal", 0.1))


def search(*passages: Passage) -> Any:
    """A search that finds these, whatever is asked."""

    def retrieve(question: str, language: Language, k: int) -> list[Passage]:
        return list(passages)[:k]

    return retrieve


async def ask(responder: GroundedResponder, *turns: str) -> tuple[str, Told]:
    """Ask the last of the turns and return what was said and the one report of its sources."""
    roles: list[Any] = ["user", "assistant"]
    history = [Message(roles[i % 2], text) for i, text in enumerate(turns)]
    told: list[Told] = []
    said = "".join([piece async for piece in responder.reply(history, told.append)])
    assert len(told) == 1, "sources are told exactly once"
    return said, told[0]
