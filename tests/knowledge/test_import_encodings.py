import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visavis.core.errors import FileUnreadable
from visavis.knowledge.base import load_samples
from visavis.knowledge.importing.encodings import decode_text, read_bytes

PATH = Path("pairs.csv")
SIMPLIFIED = "问题,答案\r\n身份证丢了怎么办？,请带上户口本到派出所补办。\r\n"
TRADITIONAL = "問題,答案\r\n身分證遺失了怎麼辦？,請帶戶口名簿到戶政事務所補辦。\r\n"


@pytest.mark.parametrize(
    ("codec", "mark", "name"),
    [
        ("utf-8", b"", "UTF-8"),
        ("utf-8", b"\xef\xbb\xbf", "UTF-8"),
        ("utf-16-le", b"", "UTF-16 LE"),
        ("utf-16-le", b"\xff\xfe", "UTF-16 LE"),
        ("utf-16-be", b"", "UTF-16 BE"),
        ("utf-16-be", b"\xfe\xff", "UTF-16 BE"),
        ("gb18030", b"", "GB18030"),
        ("gb18030", b"\x84\x31\x95\x33", "GB18030"),
        ("gbk", b"", "GB18030"),
    ],
)
@pytest.mark.parametrize("text", [SIMPLIFIED, TRADITIONAL])
def test_the_same_chinese_is_read_in_every_encoding(
    codec: str, mark: bytes, name: str, text: str
) -> None:
    decoded = decode_text(mark + text.encode(codec), PATH)
    assert (decoded.text, decoded.encoding, decoded.note) == (text, name, "")


@pytest.mark.parametrize("codec", ["big5", "cp950"])
def test_traditional_chinese_is_read_in_big5(codec: str) -> None:
    decoded = decode_text(TRADITIONAL.encode(codec), PATH)
    assert (decoded.text, decoded.encoding, decoded.note) == (TRADITIONAL, "Big5", "")


def test_cantonese_is_read_in_hong_kongs_big5() -> None:
    text = "問題,答案\n喺邊度申請身份證㗎？,你可以喺人事登記處申請嘅。\n"
    decoded = decode_text(text.encode("big5hkscs"), PATH)
    assert (decoded.text, decoded.encoding) == (text, "Big5-HKSCS")


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be", "gb18030", "cp950"])
def test_plain_ascii_and_its_wide_form(codec: str) -> None:
    decoded = decode_text("question,answer\nhow much,ten yuan\n".encode(codec), PATH)
    assert decoded.text == "question,answer\nhow much,ten yuan\n"
    assert decoded.note == ""
    assert decoded.encoding == ("UTF-8" if "16" not in codec else codec.upper().replace("-L", " L").replace("-B", " B"))  # fmt: skip


@pytest.mark.parametrize("text", ["café,naïve", "价格,£5 — “ok” 😀", "Ünïcödé?,Ça va"])
def test_european_letters_and_emoji_in_utf8_are_not_taken_for_chinese(text: str) -> None:
    assert decode_text(text.encode(), PATH).text == text


def test_gbk_that_happens_to_be_valid_utf8_is_read_as_gbk() -> None:
    text = "一校一证,小说,写作,通知"
    content = text[:7].encode("gbk")
    assert content.decode() != text[:7]
    assert decode_text(content, PATH).text == text[:7]
    assert decode_text(text.encode("gbk"), PATH).text == text


@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "utf-16-le", "utf-16-be"])
def test_every_single_row_of_the_sample_base_is_read(codec: str) -> None:
    wrong = []
    for pair in load_samples()[0].pairs[:80]:
        text = f"{pair.question},{pair.answer}\r\n"
        decoded = decode_text(text.encode(codec), PATH)
        if decoded.text != text or decoded.note:
            wrong.append(text)
    assert wrong == []


def test_what_may_be_two_encodings_is_told() -> None:
    decoded = decode_text("一方".encode("gbk"), PATH)
    assert (decoded.text, decoded.encoding) == ("一方", "GB18030")
    assert "GB18030, and Big5 is about as plausible" in decoded.note
    decoded = decode_text("饕餮".encode("gbk"), PATH)
    assert decoded.text == "饕餮" or decoded.note


def test_the_end_mark_of_dos_is_dropped() -> None:
    assert decode_text(SIMPLIFIED.encode("gbk") + b"\x1a", PATH).text == SIMPLIFIED


@pytest.mark.parametrize("size", [200, 5_000, 100_000])
def test_random_bytes_are_refused(size: int) -> None:
    for seed in range(20):
        with pytest.raises(FileUnreadable, match="text"):
            decode_text(random.Random(seed).randbytes(size), PATH)


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)),
        b"\x7fELF\x02\x01\x01" + bytes(200),
        b"caf\xe9,na\xefve\n",
        b"\xef\xbb\xbf" + "问题".encode("gbk"),
        b"\xff\xfe\x00\xd8a\x00",
        bytes(range(32)) * 20,
    ],
)
def test_what_is_no_text_of_these_encodings_is_refused(content: bytes) -> None:
    with pytest.raises(FileUnreadable):
        decode_text(content, PATH)


def test_a_damaged_character_is_never_replaced() -> None:
    content = SIMPLIFIED.encode() * 3_000
    with pytest.raises(FileUnreadable):
        decode_text(content + b"\xe8\xba" + b"\n", PATH)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_text_or_one_error(content: bytes) -> None:
    try:
        decoded = decode_text(content, PATH)
    except FileUnreadable:
        return
    assert "\ufffd" not in decoded.text or b"\xef\xbf\xbd" in content or decoded.encoding != "UTF-8"


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co"])))
def test_a_byte_order_mark_decides(text: str) -> None:
    for codec, mark in (("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):  # fmt: skip
        assert decode_text(mark + text.encode(codec), PATH).text == text.removeprefix("\ufeff")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "blank.csv").write_bytes(b"\xef\xbb\xbf \r\n\r\n")
    for name, said in (("gone.csv", "No such file"), (".", "folder"), ("empty.csv", "empty"), ("blank.csv", "empty"), ("a\0b", "no name")):  # fmt: skip
        with pytest.raises(FileUnreadable, match=said):
            read_bytes(tmp_path / name)
    with pytest.raises(FileUnreadable, match="device"):
        read_bytes(Path("/dev/zero"))


def test_a_file_that_is_too_large_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visavis.knowledge.importing.encodings.MAX_FILE_BYTES", 1 << 20)
    path = tmp_path / "large.csv"
    path.write_bytes(b"a" * (1 << 20))
    assert len(read_bytes(path)) == 1 << 20
    path.write_bytes(b"a" * ((1 << 20) + 1))
    with pytest.raises(FileUnreadable, match="more than 1 MB"):
        read_bytes(path)
