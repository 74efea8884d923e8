"""How partial transcripts read: whole, broken off, or an echo."""

import pytest

from visavis.pipeline.phrasing import is_command_to_stop, read_ending, share_of_own_words


@pytest.mark.parametrize(
    "text",
    [
        "身份证丢了怎么补办", "居住证怎么办理", "请问 居住证 怎么 办理", "办理居住证需要带什么材料",
        "去台湾需要办什么手续", "你是谁", "可以代办吗", "几点开门呢", "要多少钱", "谢谢", "你好", "停",
        "how do i renew my passport", "where is the office", "can i pay online", "thank you",
        "what do i need to bring please", "tell me the opening hours", "is it free of charge",
    ],
)  # fmt: skip
def test_whole_questions_read_finished(text: str) -> None:
    assert read_ending(text) == "finished"


@pytest.mark.parametrize(
    "text",
    [
        "我想问一下", "身份证丢了然后", "请问", "我的", "因为", "居住证和", "那个", "我要办", "请问怎么",
        "how do i renew my", "i want to", "where is the", "i lost my card and", "because", "can you",
        "the opening hours of", "what is", "um", "i would like a",
    ],
)  # fmt: skip
def test_what_stops_in_the_middle_reads_unfinished(text: str) -> None:
    # 我要办 may be whole; what must not happen is that it ends a turn early.
    assert read_ending(text) in ("unfinished", "open")
    if text != "我要办":
        assert read_ending(text) == "unfinished"


@pytest.mark.parametrize(
    "text", ["", "  ", "身份证丢了", "my card is lost", "yes", "where are you from"]
)
def test_the_rest_is_left_to_the_pause(text: str) -> None:
    assert read_ending(text) == "open"


def test_an_echo_shares_most_of_its_words() -> None:
    own = "身份证丢失以后，请先在派出所挂失，再带户口簿到任意一个派出所补领。"
    assert share_of_own_words("请先在派出所挂失", own) == 1.0
    assert (share_of_own_words("先在派出所刮是", own) or 0) > 0.6
    assert (share_of_own_words("那护照怎么办呢", own) or 0) < 0.3
    english = "Bring your identity card. It takes ten days."
    assert share_of_own_words("bring your identity", english) == 1.0
    assert (share_of_own_words("how much does it cost", english) or 0) < 0.5
    assert share_of_own_words("", own) is None
    assert share_of_own_words("什么", "") == 0.0


def test_order_counts() -> None:
    assert (share_of_own_words("days ten takes it", "it takes ten days") or 0) <= 0.5


@pytest.mark.parametrize(
    "text", ["停", "停一下", "别说了", "好了停", "stop", "okay stop", "wait a moment"]
)
def test_asking_for_silence(text: str) -> None:
    assert is_command_to_stop(text)
    assert not is_command_to_stop("请问停车场在哪里")
