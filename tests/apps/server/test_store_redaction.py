"""What may tell who asked is blotted out; what the question is about stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visavis.apps.server.store.redaction import LONGEST, redact


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("我的手机是138 0013 8000怎么办", "我的手机是[phone]怎么办"),
        ("打+86-139-1234-5678", "打[phone]"),
        ("010-62785566 转 801", "[phone] 转 801"),
        ("call (020) 8765 4321 now", "call ([phone] now"),
        ("１３８００１３８０００", "[phone]"),
        ("138\u200b0013\u200b8000", "[phone]"),
        ("身份证11010519491231002X丢了", "身份证[id]丢了"),
        ("身份证11010519491231002x丢了", "身份证[id]丢了"),
        ("证号110105194912310021", "证号[id]"),
        ("110105 19491231 002X", "[id]"),
        ("护照E12345678和EA1234567", "护照[id]和[id]"),
        ("HK A123456(7)", "HK [id]"),
        ("NI QQ 12 34 56 C", "NI [id]"),
        ("卡号6222 0212 3456 7890 123", "卡号[card]"),
        ("4111-1111-1111-1111", "[card]"),
        ("订单20240501000123456789012", "订单[number]"),
        ("验证码 482913", "验证码 [number]"),
        ("生日1990-05-01", "生日[number]"),
        ("mail li.ming+x@mail.example.com.cn please", "mail [email] please"),
        ("写给 li@例子.com", "写给 li@例子.com"),
        ("it is bob at example dot com", "it is [email]"),
        ("粤B12345能进吗", "[plate]能进吗"),
        ("京A·D12345和沪 A 12345", "[plate]和[plate]"),
        ("plate AB12 CDE", "plate [plate]"),
        ("微信号wx_abc123", "微信号[account]"),
        ("my WeChat: lily_88", "my WeChat: [account]"),
        ("192.168.1.20 和 fe80::1ff:fe23:4567:890a", "[network] 和 [network]"),
        ("一三八零零一三八零零零是我的电话", "[number]是我的电话"),
        ("幺三八，零零幺三，八零零零", "[number]"),
        ("one three eight double zero one three eight", "[number]"),
    ],
)
def test_blotted_out(text: str, kept: str) -> None:
    found, redacted = redact(text)
    assert (found, redacted) == (kept, kept != text)


@pytest.mark.parametrize(
    "text",
    [
        "如何补办身份证？",
        "2024年社保基数12000元怎么查，打12345吗",
        "2024-2025学年几号开学",
        "三十五岁以上能办吗",
        "第三十二条第一款、第二款",
        "windows 11 和 iphone 15 怎么用",
        "9:30-17:00 上班吗",
        "1.首先 2.然后 3.最后",
        "I have one or two questions",
        "at home",
        "",
    ],
)
def test_left_as_it_is(text: str) -> None:
    assert redact(text) == (text, False)


@given(st.text(alphabet="0123456789 -.", min_size=0, max_size=40), st.text(max_size=20))
def test_no_six_digits_in_a_row_are_left(number: str, around: str) -> None:
    found, _ = redact(f"{around}{number}{around}")
    run = longest = 0
    for c in found:
        run = run + 1 if c.isascii() and c.isdigit() else 0
        longest = max(longest, run)
    assert longest < 6


@given(st.text(max_size=200))
def test_blotting_twice_is_blotting_once(text: str) -> None:
    once, _ = redact(text)
    assert redact(once)[0] == once


@pytest.mark.parametrize(
    "piece",
    ["1", "a@", "1 ", "一", "one ", "A1", "a.a@", "a:", "微信", "a", "a at b dot ", "粤B1 "],
)
def test_no_text_keeps_it_busy(piece: str) -> None:
    long = piece * (100_000 // len(piece))
    began = time.process_time()
    found, _ = redact(long)
    assert time.process_time() - began < 1.0
    assert len(found) <= LONGEST
