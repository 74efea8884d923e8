"""How much of a dialogue a model is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visavis.core.errors import ConfigError, TextUnusable
from visavis.core.types import Message
from visavis.stages.responders.dialogue_window import (
    BUDGET,
    PER_MESSAGE,
    VARIABLE,
    cut_text,
    estimate_tokens,
    fit_dialogue,
    read_budget,
)


def talk(*texts: str) -> list[Message]:
    return [Message("user" if i % 2 == 0 else "assistant", text) for i, text in enumerate(texts)]


def texts(messages: list[Message]) -> list[str]:
    return [message.text for message in messages]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("你好吗", 3),
        ("how are you", 4),  # 3.9
        ("你好, world 12", 7),  # 2 + 1 + 1.3 + 2
        ("a" * 80, 26),  # 1.3 + 72 / 3
        ("FAQ", 2),
        ("PASSPORT", 4),  # 1.3 + 4 / 2
        ("QmFz", 3),  # as two words
        ("😀", 3),
        ("สวัสดี", 6),
        (" " * 80, 10),
        ("䨻", 3),
    ],
)
def test_known_estimates(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@pytest.mark.parametrize(
    ("text", "real"),
    [
        ("请问补办居民身份证需要带什么材料，要多少钱，几天能拿到？", 17),
        ("社保卡丢了请先打12333挂失，再带身份证原件到二楼3号窗口补办，工本费20元。", 33),
        ("請問辦理護照需要帶什麼證件？費用是多少？", 14),
        (
            "How do I renew my residence permit, what do I have to bring, and how much does it cost?",
            22,
        ),
        ("Children under 10 need an adult with them; membership costs 35 euros a year.", 20),
        ("我想在Windows 11上安装Python 3.12，pip报错ModuleNotFoundError怎么办？", 22),
        ("URGENT: PLEASE RENEW MY PASSPORT IMMEDIATELY!", 15),
        ("https://www.example.gov.cn/service/detail?id=20231123&channel=web", 22),
    ],
)
def test_no_fewer_than_a_real_vocabulary_has(text: str, real: int) -> None:
    """Counted with the vocabulary of Qwen."""
    assert real <= estimate_tokens(text) <= 1.8 * real


@pytest.mark.parametrize(
    "text", ["你好，世界。" * 9, "how are you " * 20, "QmFzZTY0" * 9, " " * 300, ""]
)
@pytest.mark.parametrize("room", [-5, 0, 1, 7, 40])
def test_a_cut_text_fits_and_is_no_shorter_than_it_must(text: str, room: int) -> None:
    cut = cut_text(text, room)
    assert text.startswith(cut)
    assert estimate_tokens(cut) <= max(room, 0)
    if room > 0 and len(cut) < len(text):
        assert estimate_tokens(text[: len(cut) + 1]) > room


def test_the_budget_is_set_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert read_budget() == BUDGET
    monkeypatch.setenv(VARIABLE, " 12000 ")
    assert read_budget() == 12_000
    for wrong in ("many", "999", "1000001", "-3000", "3e3", "３０００", "9" * 99):
        monkeypatch.setenv(VARIABLE, wrong)
        with pytest.raises(ConfigError, match=r"VISAVIS_LLM_TOKENS is .*1,000 to 1,000,000"):
            read_budget()


def test_everything_fits() -> None:
    history = talk("一", "二", "三")
    assert texts(fit_dialogue(history, "系统", 100)) == ["系统", "一", "二", "三"]


def test_the_newest_turns_are_kept_whole() -> None:
    history = talk("一" * 10, "二" * 10, "三" * 10, "四" * 10, "五" * 10)
    system, question, turn = 2 + PER_MESSAGE, 10 + PER_MESSAGE, 20 + 2 * PER_MESSAGE
    for budget, kept in (
        (system + question, 1),
        (system + question + turn - 1, 1),
        (system + question + turn, 3),
        (system + question + 2 * turn - 1, 3),
        (system + question + 2 * turn, 5),
    ):
        sent = fit_dialogue(history, "系统", budget)
        assert sent[0] == Message("system", "系统")
        assert sent[1:] == history[-kept:]


def test_a_question_too_long_is_refused_not_cut() -> None:
    fits = "字" * (100 - 2 * PER_MESSAGE - 2)
    assert texts(fit_dialogue(talk(fits), "系统", 100)) == ["系统", fits]
    with pytest.raises(
        TextUnusable, match=r"91 characters.* 90 Chinese characters or 69 English words"
    ):
        fit_dialogue(talk(fits + "字"), "系统", 100)
    with pytest.raises(TextUnusable):
        fit_dialogue(talk("hi"), "字" * 200, 100)


def test_roles_alternate_and_begin_with_a_question() -> None:
    history = [
        Message("assistant", "Welcome."),
        Message("system", "The user is tall."),
        Message("user", "One?"),
        Message("assistant", " "),
        Message("user", "Two?"),
        Message("assistant", "Yes."),
        Message("assistant", "Indeed."),
        Message("user", "Three?"),
    ]
    sent = fit_dialogue(history, "Be kind.", 500)
    assert [(m.role, m.text) for m in sent] == [
        ("system", "Be kind.\n\nThe user is tall."),
        ("user", "One?\nTwo?"),
        ("assistant", "Yes.\nIndeed."),
        ("user", "Three?"),
    ]


def test_a_broken_off_question_gives_way_to_the_newest() -> None:
    history = [Message("user", "字" * 80), Message("user", "好吗")]
    assert texts(fit_dialogue(history, "", 60)) == ["好吗"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["user", "assistant", "system"]), st.text("a好 ", max_size=40))
    ),
    st.integers(30, 200),
)
def test_it_never_exceeds_the_budget(turns: list[tuple[str, str]], budget: int) -> None:
    history = [Message(role, text) for role, text in turns] + [Message("user", "好")]  # type: ignore[arg-type]
    try:
        sent = fit_dialogue(history, "系", budget)
    except TextUnusable:
        assert sum(estimate_tokens(m.text) for m in history if m.role == "system") > budget - 20
        return
    assert sum(estimate_tokens(m.text) + PER_MESSAGE for m in sent) <= budget
    assert [m.role for m in sent[1:]] == ["user", "assistant"] * (len(sent[1:]) // 2) + ["user"]
    assert sent[-1].text.endswith("好")
