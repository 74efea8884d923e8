from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.core.errors import LanguageUnsupported, TextUnusable
from visavis.stages.synthesizers.text.chinese_numbers import read_cardinal
from visavis.stages.synthesizers.text.english_numbers import read_cardinal as read_english
from visavis.stages.synthesizers.text.normalize import (
    MAX_CHARACTERS,
    clean_text,
    normalize,
    read_aloud,
)

CHINESE = [
    # telephone and hotline numbers
    ("请拨打10086咨询", "请拨打幺零零八六咨询"),
    ("热线12345", "热线幺二三四五"),
    ("报警请打110，急救120", "报警请打幺幺零，急救幺二零"),
    ("一共110个人", "一共一百一十个人"),
    ("12345元", "一万两千三百四十五元"),
    ("手机138-0013-8000", "手机幺三八，零零幺三，八零零零"),
    ("13800138000", "幺三八，零零幺三，八零零零"),
    ("客服400-820-8820", "客服四零零，八二零，八八二零"),
    ("+86 138 0013 8000", "加八六，幺三八，零零幺三，八零零零"),
    ("010-62345678转801", "零幺零，六二三四五六七八，转八零幺"),
    ("(021)6234 5678", "零二幺，六二三四五六七八"),
    ("95588和962288", "九五五八八和九六二二八八"),
    # identity cards and codes
    ("身份证号11010519491231002X", "身份证号幺幺零幺零五幺九四九幺二三幺零零二X"),
    ("验证码是123456", "验证码是一二三四五六"),
    ("邮编100000，尾号1234", "邮编一零零零零零，尾号一二三四"),
    ("代号007", "代号零零七"),
    # years, dates, times
    ("2025年", "二零二五年"),
    ("2025年3月15日", "二零二五年三月十五日"),
    ("2025-03-15", "二零二五年三月十五日"),
    ("2025/3/5 14:30", "二零二五年三月五日 十四点三十分"),
    ("2020-2025年", "二零二零到二零二五年"),
    ("2024-2025学年", "二零二四到二零二五学年"),
    ("2025年3-5月", "二零二五年三到五月"),
    ("3月1日-5日", "三月一日到五日"),
    ("1000年历史", "一千年历史"),
    ("90年代", "九十年代"),
    ("2月2日", "二月二日"),
    ("上午9:30", "上午九点三十分"),
    ("9:00-17:00", "九点到十七点"),
    ("12:05，0:00", "十二点零五分，零点"),
    ("14:30:15", "十四点三十分十五秒"),
    ("9:30 AM", "上午九点三十分"),
    ("周一-周五", "周一到周五"),
    # quantities and ranges
    ("3-5个工作日", "三到五个工作日"),
    ("2-3天", "两到三天"),
    ("100-200元", "一百到两百元"),
    ("2万-3万元", "两万到三万元"),
    ("第3-5条", "第三到五条"),
    ("10,000人", "一万人"),
    ("1.2万", "一点二万"),
    ("约14.1亿", "约十四点一亿"),
    ("1,000,000元", "一百万元"),
    ("20多岁", "二十多岁"),
    # two
    ("2个人，2次，2元", "两个人，两次，两元"),
    ("第2名，2楼，2号线", "第二名，二楼，二号线"),
    ("2年，2年级", "两年，二年级"),
    ("200元，2000元，22000元", "两百元，两千元，两万两千元"),
    ("221年", "二百二十一年"),
    ("2万元，2亿元", "两万元，两亿元"),
    # percent, decimals, fractions, ratios
    ("50%", "百分之五十"),
    ("0.5%，100%", "百分之零点五，百分之一百"),
    ("10%-20%", "百分之十到百分之二十"),
    ("10-20%", "百分之十到二十"),
    ("5‰", "千分之五"),
    ("-3%", "负百分之三"),
    ("3.14", "三点一四"),
    ("1/2和2/3", "二分之一和三分之二"),
    ("比分3:2，比例1:100", "比分三比二，比例一比一百"),
    # money
    ("¥100", "一百元"),
    ("￥1,234.50", "一千二百三十四点五元"),
    ("$100，€50，£20", "一百美元，五十欧元，二十英镑"),
    ("¥1.2万，$1.5亿", "一点二万元，一点五亿美元"),
    ("¥100-200", "一百到两百元"),
    ("3.80元", "三点八元"),
    ("5000元/月，15元/㎡", "五千元每月，十五元每平方米"),
    # units and temperature
    ("气温-5℃", "气温零下五摄氏度"),
    ("15-20℃，25°C", "十五到二十摄氏度，二十五摄氏度"),
    ("120m²", "一百二十平方米"),
    ("60km/h", "六十公里每小时"),
    ("2kg，2km", "两公斤，两公里"),
    ("10cm×20cm", "十厘米乘二十厘米"),
    # rooms, buses, trains, plates, versions
    ("302室，1203房间", "三零二室，幺二零三房间"),
    ("101路公交车，12路", "幺零幺路公交车，十二路"),
    ("G1234次列车", "G幺二三四次列车"),
    ("京A12345", "京A 幺二三四五"),
    ("1.2.3版", "一点二点三版"),
    ("192.168.1.1", "一九二点一六八点一点一"),
    ("5-2-301", "五杠二杠三零幺"),
    # letters with digits, signs, addresses
    ("Qwen2.5-7B和iPhone14Pro", "Qwen二点五 七B和iPhone十四Pro"),
    ("功率2.5A，版本2.0B", "功率二点五A，版本二点零B"),
    ("A4纸，5G，G20", "A四纸，五G，G二十"),
    ("COVID-19疫情", "COVID十九疫情"),
    ("USB3.0，H1N1", "USB三点零，H一N一"),
    ("使用ATM和VISA卡", "使用ATM和VISA卡"),
    ("7×24小时", "七乘二十四小时"),
    ("3+2=5", "三加二等于五"),
    ("≥18岁，>60分", "大于等于十八岁，大于六十分"),
    ("Q&A", "Q和A"),
    ("www.gov.cn", "三W 点 GOV 点 CN"),
    ("abc@163.com", "ABC 艾特 一六三 点 com"),
    ("①材料Ⅲ级", "一材料三级"),
    ("２０２５年，５％", "二零二五年，百分之五"),
    ("他说I have 3 cats and 2 dogs。", "他说I have three cats and two dogs。"),
]

ENGLISH = [
    # telephone numbers and codes
    ("call 10086", "call one zero zero eight six"),
    ("call 12345 or 12333", "call one two three four five or one two three three three"),
    ("call 911", "call nine one one"),
    ("(555) 123-4567", "five five five, one two three, four five six seven"),
    ("1-800-555-0199", "one, eight zero zero, five five five, zero one nine nine"),
    ("555-0123", "five five five, zero one two three"),
    ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
    ("SSN 123-45-6789", "SSN one two three, four five, six seven eight nine"),
    (
        "account number 12345678901",
        "account number one two three, four five six, seven eight nine, zero one",
    ),
    ("your code is 4821", "your code is four eight two one"),
    ("order 48213", "order four eight two one three"),
    (
        "ID 11010519491231002X",
        "ID one one zero one, zero five one nine, four nine one two, three one zero zero two X",
    ),
    ("room 302", "room three oh two"),
    # years, dates, times
    ("in 1905", "in nineteen oh five"),
    ("in 2008, 300 people", "in two thousand eight, three hundred people"),
    ("the year 2025", "the year twenty twenty-five"),
    ("the 1990s and the '80s", "the nineteen nineties and the eighties"),
    ("1999-2005", "nineteen ninety-nine to two thousand five"),
    ("2000 people", "two thousand people"),
    ("March 5, 2025", "March fifth, twenty twenty-five"),
    ("5 March 2025", "the fifth of March, twenty twenty-five"),
    ("the 4th of July", "the fourth of July"),
    ("Jan. 3", "January third"),
    ("2025-03-05", "March fifth, twenty twenty-five"),
    ("03/05/2025", "March fifth, twenty twenty-five"),
    ("13/01/2020", "January thirteenth, twenty twenty"),
    ("9:00 AM", "nine AM"),
    ("5:30 p.m. on Friday", "five thirty PM on Friday"),
    ("at 9:05", "at nine oh five"),
    ("at 9:00", "at nine o'clock"),
    ("9am-5pm", "nine AM to five PM"),
    ("24/7", "twenty-four seven"),
    # quantities
    ("1,234,567", "one million two hundred thirty-four thousand five hundred sixty-seven"),
    ("110 cats", "one hundred ten cats"),
    ("3-5 days", "three to five days"),
    ("pages 10-20", "pages ten to twenty"),
    ("10k runners", "ten thousand runners"),
    ("3.14 and 0.5", "three point one four and zero point five"),
    ("-7 and +5", "minus seven and plus five"),
    ("1st, 2nd, 3rd, 21st", "first, second, third, twenty-first"),
    ("1/2, 3/4, 2 1/2 cups", "one half, three quarters, two and a half cups"),
    ("50%", "fifty percent"),
    ("3.5%, 10-20%", "three point five percent, ten to twenty percent"),
    ("3:2", "three to two"),
    # money
    ("$5.99", "five dollars and ninety-nine cents"),
    ("$1, $1,000", "one dollar, one thousand dollars"),
    ("$0.99", "ninety-nine cents"),
    ("$1.2 million", "one point two million dollars"),
    ("$3.5bn, $5k", "three point five billion dollars, five thousand dollars"),
    ("€50, £3.50, ¥100", "fifty euros, three pounds and fifty pence, one hundred yuan"),
    ("$50-100", "fifty to one hundred dollars"),
    ("5 USD, 100 RMB", "five dollars, one hundred yuan"),
    # units
    ("60 km/h, 1 km", "sixty kilometers per hour, one kilometer"),
    ("120 m²", "one hundred twenty square meters"),
    ("-5°C, 77°F", "minus five degrees Celsius, seventy-seven degrees Fahrenheit"),
    ("5 min., 10 sec", "five minutes, ten seconds"),
    # abbreviations
    ("Mr. Smith and Dr. Jones", "Mister Smith and Doctor Jones"),
    ("Main St. near St. Paul", "Main Street near Saint Paul"),
    ("No. 5 and #7", "number five and number seven"),
    ("No. I did not.", "No. I did not."),
    ("e.g. this, i.e. that, etc.", "for example this, that is that, et cetera."),
    ("U.S. law, Acme Inc. today", "US law, Acme Incorporated today"),
    ("Chapter IV, World War II", "Chapter four, World War two"),
    ("Henry VIII", "Henry the eighth"),
    ("I am", "I am"),
    # letters with digits, signs, addresses
    ("A4, COVID-19, 5G", "A four, COVID nineteen, five G"),
    ("H1N1, B2B, GPT-4", "H one N one, B two B, GPT four"),
    ("Form I-94", "Form I ninety-four"),
    ("ATM and VISA", "ATM and VISA"),
    ("R&D and/or he/she", "R and D and or he or she"),
    ("3 x 4 = 12", "three times four equals twelve"),
    ("step 2.5A of 3", "step two point five A of three"),
    ("Qwen2.5 and GPT-4.5", "Qwen two point five and GPT four point five"),
    ("Qwen2.5-7B", "Qwen two point five seven B"),
    ("version 1.2.3", "version one point two point three"),
    ("www.gov.cn", "W W W dot gov dot C N"),
    ("abc@example.com", "abc at example dot com"),
    ("well-known twenty-first", "well-known twenty-first"),
    ("你好2025年", "你好二零二五年"),
]


@pytest.mark.parametrize(("written", "said"), CHINESE)
def test_chinese(written, said):
    assert normalize(written, "zh") == said


@pytest.mark.parametrize(("written", "said"), ENGLISH)
def test_english(written, said):
    assert normalize(written, "en") == said


def test_tables_are_large_and_without_repetition():
    for table in (CHINESE, ENGLISH):
        assert len({written for written, _ in table}) == len(table) >= 60


@pytest.mark.parametrize(
    ("written", "language"), [(w, "zh") for w, _ in CHINESE] + [(w, "en") for w, _ in ENGLISH]
)
def test_pieces_cover_the_written_text(written, language):
    pieces = read_aloud(written, language)
    assert [p.start for p in pieces] == [0, *(p.end for p in pieces[:-1])]
    assert pieces[-1].end == len(written)
    for piece in pieces:
        if not piece.rewritten:
            assert piece.spoken == clean_text(written)[piece.start : piece.end]


@settings(max_examples=300, deadline=None)
@given(
    st.text("一年月日元个的周 abAXST.,:/-–%¥$€℃°()+=&@#'\"0123456789，。", min_size=1, max_size=60),
    st.sampled_from(["zh", "en"]),
)
def test_no_digit_is_left_and_nothing_breaks(text, language):
    try:
        pieces = read_aloud(text, language)
    except TextUnusable:
        return
    assert "".join(text[p.start : p.end] for p in pieces) == text
    assert not any(c.isdigit() for p in pieces for c in p.spoken)


def _value_of(said: str) -> int:
    """Read a Chinese number back."""
    digits = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2}
    total = section = number = 0
    for char in said:
        if char in digits:
            number = digits[char]
        elif char in "十百千":
            section += (number or 1) * {"十": 10, "百": 100, "千": 1000}[char]
            number = 0
        else:
            scale = {"万": 10**4, "亿": 10**8}[char]
            section += number
            total = (total + section) * scale if scale == 10**8 else total + section * scale
            section = number = 0
    return total + section + number


@given(st.integers(0, 10**12 - 1))
def test_chinese_cardinals_say_their_value(value):
    assert _value_of(read_cardinal(str(value))) == value


@given(st.integers(0, 10**17))
def test_english_cardinals_differ(value):
    assert read_english(value) != read_english(value + 1)


@pytest.mark.parametrize("text", ["", "   ", "😀🎉", "……！？", "\x00\x07", "，。-"])
def test_nothing_to_say(text):
    with pytest.raises(TextUnusable, match="nothing"):
        read_aloud(text, "zh")


def test_too_long_for_one_sentence():
    with pytest.raises(TextUnusable, match="100000 characters"):
        read_aloud("好" * 100_000, "zh")
    assert MAX_CHARACTERS < 100_000


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("مرحبا بك في المكتب", "Arabic"),
        ("Здравствуйте", "Cyrillic"),
        ("こんにちは", "Hiragana"),
        ("안녕하세요", "Hangul"),
    ],
)
def test_other_scripts_are_named(text, script):
    with pytest.raises(LanguageUnsupported, match=f"{script} script.*Chinese and English"):
        read_aloud(text, "en")


def test_a_foreign_word_within_a_sentence_is_passed_over():
    assert normalize("The word مرحبا means hello to everybody.", "en").startswith("The word")


def test_controls_and_emoji_become_spaces():
    assert normalize("你好\x00世界😀再见", "zh") == "你好 世界 再见"


def test_time_grows_with_length_only():
    import time

    began = time.perf_counter()
    normalize("2025年3月15日拨打12345，" * 45, "zh")
    normalize("On 3/5/2025 call 12345 now " * 35, "en")
    for text in (
        "1" * 1000,
        "1-" * 500,
        "1,234," * 160,
        "a-" * 500,
        "1." * 500,
        "a.b@" * 250,
        "1:2" * 330,
    ):
        normalize(text, "zh")
        normalize(text, "en")
    assert time.perf_counter() - began < 5
