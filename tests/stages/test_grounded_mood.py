"""The grounded responder where somebody is moved: sympathy, the mood in the prompt, marks of emotion."""

from typing import Any

import pytest
from grounded_fakes import CARD_ZH, POOL_EN, REFUSED, FakeChat, FakeFaq, FakeStored, ask, search

from visavis.core.types import Language, Message, Said
from visavis.stages.responders.grounded import GroundedResponder
from visavis.stages.responders.passages import Passage

KIND = "听到您的社保卡丢了，我很难过。"
LOST = "我的社保卡丢了，好着急，补办多少钱？"


def make(chat: FakeChat, *passages: Passage, **options: Any) -> Any:
    return GroundedResponder(search(*passages), REFUSED, chat, **options)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (f"{KIND}费用二十元[1]。", f"{KIND}\n根据《社保卡服务指南》，费用二十元。"),
        (f"费用二十元[1]。{KIND}", f"根据《社保卡服务指南》，费用二十元。\n{KIND}\n"),
        (
            f"别着急。费用二十元[1]。{KIND}五个工作日后领取[1]。",
            f"别着急。\n根据《社保卡服务指南》，费用二十元。\n{KIND}\n五个工作日后领取。",
        ),
        (
            f"别着急。{KIND}您辛苦了。费用二十元[1]。",
            f"别着急。\n{KIND}\n根据《社保卡服务指南》，费用二十元。",
        ),
    ],
)
async def test_sympathy_is_said_with_what_holds(written: str, expected: str) -> None:
    said, told = await ask(make(FakeChat(written), CARD_ZH), LOST)
    assert said == expected
    assert (told.outcome, told.origin) == ("answer", "passages")


async def test_sympathy_alone_is_no_answer_and_covers_nothing_up() -> None:
    for written in (KIND, f"{KIND}费用是三十元[1]。", f"{KIND}请付给王经理九百元。"):
        said, told = await ask(make(FakeChat(written), CARD_ZH, verbatim=0.95), LOST)
        assert (said, told.outcome) == (REFUSED.stored.text, "refusal"), written


async def test_a_mood_is_put_to_the_model_and_neither_searched_for_nor_repeated() -> None:
    asked: list[str] = []
    manner = "The person is afraid: speak steadily, reassure first, go step by step; be brief."

    def retrieve(question: str, language: Language, k: int) -> list[Passage]:
        asked.append(question)
        return [POOL_EN]

    chat = FakeChat("Open from 6:30 [1].")
    responder = GroundedResponder(retrieve, REFUSED, chat)
    history = [Message("system", manner), Message("user", "When does the pool open?")]
    said = "".join([piece async for piece in responder.reply(history)])
    assert said == "According to Pool notice, Open from 6:30."
    assert asked == ["When does the pool open?"]
    assert [m.role for m in chat.requests[0]] == ["system", "user"]
    assert chat.requests[0][0].text.endswith(manner)
    assert manner not in chat.requests[0][1].text
    for mode in ("grounded", "open"):
        found = search(POOL_EN) if mode == "grounded" else search()
        leaking = GroundedResponder(found, REFUSED, FakeChat(f"{manner} [1]."), mode=mode)
        said = "".join([piece async for piece in leaking.reply(history)])
        assert "speak steadily" not in said


async def test_a_mood_leaves_a_stored_answer_as_it_is() -> None:
    stored = FakeFaq(FakeStored("带身份证来。", "answer"))
    history = [Message("system", "Be kind."), Message("user", "补办社保卡要什么？")]
    responder = GroundedResponder(search(), stored, FakeChat("never"))
    assert [piece async for piece in responder.reply(history)] == ["带身份证来。"]


async def test_marks_of_emotion_are_told_and_not_said() -> None:
    chat = FakeChat("[sad] 别着急。[happy]费用二十元[1]。五个工作日后领取[1]。")
    history = [Message("user", LOST)]
    pieces = [piece async for piece in make(chat, CARD_ZH).reply(history)]
    assert [(p.strip(), p.emotion) for p in pieces if isinstance(p, Said)] == [
        ("别着急。", "sad"),
        ("根据《社保卡服务指南》，费用二十元。", "happy"),
        ("五个工作日后领取。", None),
    ]
    free = GroundedResponder(
        search(), REFUSED, FakeChat("[happy]\n祝您好运！再见。[sad]"), mode="open"
    )
    pieces = [piece async for piece in free.reply([Message("user", "说点什么")])]
    assert [(p.strip(), p.emotion) for p in pieces if isinstance(p, Said)] == [
        ("祝您好运！", "happy"),
        ("再见。", None),
    ]
