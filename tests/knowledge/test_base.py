import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from visavis.core.errors import FileUnreadable
from visavis.knowledge.base import Attachment, load_base, load_samples

GOOD: dict[str, Any] = {
    "id": "a-1",
    "language": "zh",
    "question": "怎么办?",
    "answer": "这样办。",
    "aliases": ["如何办"],
}
TOPICS = {
    "residence", "id-card", "immigration", "social-insurance", "housing-fund", "vehicles",
    "companies", "certificates", "departments",
}  # fmt: skip


def write(path: Path, *rows: object) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_reads_what_was_written(tmp_path: Path) -> None:
    full = {**GOOD, "id": "b", "topic": "t", "source": "s", "emotion": "happy", "intensity": 1}
    base = load_base(write(tmp_path / "库 é.jsonl", GOOD, "", full))
    assert base.name == "库 é"
    assert base.languages == ("zh",)
    assert base.pairs[0].wordings == ("怎么办?", "如何办")
    assert (base.pairs[1].emotion, base.pairs[1].intensity) == ("happy", 1.0)


def test_days_and_attachments_are_read(tmp_path: Path) -> None:
    link = {"kind": "link", "value": "https://city.example/a", "label": "申请表"}
    row = {
        **GOOD, "valid_from": "2026-01-01", "valid_to": "2026-12-31",
        "attachments": [link, {"kind": "phone", "value": "12345"}],
    }  # fmt: skip
    (pair,) = load_base(write(tmp_path / "b.jsonl", row)).pairs
    assert pair.attachments == (
        Attachment("link", "https://city.example/a", "申请表"),
        Attachment("phone", "12345"),
    )
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 12, 31), date(2027, 1, 1)]
    assert [pair.holds_on(day) for day in days] == [False, True, True, False]
    assert replace(pair, valid_from=None, valid_to=None).holds_on(date(1900, 1, 1))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("valid_from", "2026-13-01", "write a day as 2026-01-31"),
        ("valid_to", 20260101, "write a day as 2026-01-31"),
        ("attachments", "https://a.example", "list of objects"),
        ("attachments", [{"kind": "fax", "value": "1"}], "link, phone or office"),
        (
            "attachments",
            [{"kind": "phone", "value": "1", "colour": "red"}],
            "link, phone or office",
        ),
        ("attachments", [{"kind": "link", "value": "javascript:alert(1)"}], "https://"),
        ("attachments", [{"kind": "phone", "value": " "}], "is empty"),
        ("attachments", [{"kind": "phone", "value": "1"}] * 11, "more than 10"),
    ],
)
def test_a_wrong_day_or_attachment_is_told(
    tmp_path: Path, field: str, value: object, said: str
) -> None:
    with pytest.raises(FileUnreadable, match=said):
        load_base(write(tmp_path / "b.jsonl", {**GOOD, field: value}))


def test_an_answer_does_not_end_before_it_begins(tmp_path: Path) -> None:
    row = {**GOOD, "valid_from": "2026-02-01", "valid_to": "2026-01-31"}
    with pytest.raises(FileUnreadable, match="before 'valid_from'"):
        load_base(write(tmp_path / "b.jsonl", row))


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "base.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n")
    assert load_base(path).pairs[0].answer == "这样办。"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{broken", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not a JSON object"),
        ({**GOOD, "id": ""}, "'id' is empty"),
        ({**GOOD, "id": "A B"}, "not made of"),
        ({**GOOD, "id": "a-1"}, "taken by line 1"),
        ({**GOOD, "id": "x", "language": "fr"}, "must be zh or en"),
        ({**GOOD, "id": "x", "language": ["zh"]}, "must be zh or en"),
        ({**GOOD, "id": "x", "question": 3}, "must be a text, not int"),
        ({**GOOD, "id": "x", "question": "  "}, "'question' is empty"),
        ({**GOOD, "id": "x", "question": "q" * 501}, "more than 500"),
        ({"id": "x", "language": "zh", "question": "q"}, "'answer' is missing"),
        ({**GOOD, "id": "x", "aliases": "no list"}, "must be a list"),
        ({**GOOD, "id": "x", "aliases": [None]}, "must be a text"),
        ({**GOOD, "id": "x", "emotion": "bored"}, "none of angry"),
        ({**GOOD, "id": "x", "intensity": 2}, "from 0 to 1"),
        ({**GOOD, "id": "x", "intensity": True}, "must be a number"),
        ({**GOOD, "id": "x", "sample": "yes"}, "true or false"),
        ({**GOOD, "id": "x", "frage": "?"}, "'frage' is not known"),
        ('{"id": "x", "language": "en", "question": "\\ud83d", "answer": "a"}', "surrogate"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(tmp_path: Path, row: object, said: str) -> None:
    path = write(tmp_path / "base.jsonl", GOOD, row)
    with pytest.raises(FileUnreadable, match=said) as caught:
        load_base(path)
    assert "line 2" in str(caught.value)
    assert str(path) in str(caught.value)


def test_not_utf8_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "base.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b"\n" + "身份证".encode("gbk") + b"\n")
    with pytest.raises(FileUnreadable, match="line 2: it is not UTF-8"):
        load_base(path)


def test_missing_folder_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match="cannot be read"):
        load_base(tmp_path / "none.jsonl")
    with pytest.raises(FileUnreadable, match="cannot be read"):
        load_base(tmp_path)
    with pytest.raises(FileUnreadable, match="no question with an answer"):
        load_base(write(tmp_path / "empty.jsonl"))
    with pytest.raises(FileUnreadable, match="no question with an answer"):
        load_base(write(tmp_path / "gaps.jsonl", {**GOOD, "answer": None}))


def test_samples_cover_all_topics_in_both_languages_and_are_labelled() -> None:
    by_language = {base.languages[0]: base.pairs for base in load_samples()}
    assert set(by_language) == {"zh", "en"}
    for pairs in by_language.values():
        answered = [pair for pair in pairs if not pair.is_gap]
        assert len([p for p in answered if p.topic in TOPICS]) >= 70
        for topic in TOPICS:
            assert len([p for p in answered if p.topic == topic]) >= 5, topic
        assert all(pair.sample for pair in pairs)
        assert all("sample" in pair.source for pair in pairs)
        assert len({p.question for p in pairs}) == len(pairs)
    assert {p.id for p in by_language["en"]} < {p.id for p in by_language["zh"]}


def test_sample_answers_can_be_spoken() -> None:
    for base in load_samples():
        for pair in base.pairs:
            if pair.is_gap:
                continue
            assert 1 <= sum(pair.answer.count(mark) for mark in "。.?!？！") <= 6, pair.id
            assert len(pair.answer) < 420, pair.id
            assert not set(pair.answer) & set("*#|•[]<>\n_"), pair.id
            assert pair.answer[-1] in "。.?!？！", pair.id
            han = any("\u4e00" <= c <= "\u9fff" for c in pair.answer)
            assert han == (pair.language == "zh"), pair.id
