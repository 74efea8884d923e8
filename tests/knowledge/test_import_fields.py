import datetime
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from visavis.knowledge.base import Attachment
from visavis.knowledge.importing import pairs as importing
from visavis.knowledge.importing.attachments import split_attachments
from visavis.knowledge.importing.pairs import Imported, read_pairs
from visavis.knowledge.importing.rows import find_field

DAY = datetime.date(2026, 1, 31)


def read(folder: Path, name: str, content: Any, **options: Any) -> Imported:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_pairs(path, **options)


def read_row(folder: Path, **values: Any) -> Imported:
    return read(folder, "a.json", [{"question": "how?", "answer": "so", **values}])


def told(imported: Imported) -> list[tuple[str, str]]:
    return [(p.place, p.what) for p in imported.problems if p.kind == "error"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("valid_from", "valid_from"), ("Valid from", "valid_from"), ("生效日期", "valid_from"),
        ("有效期起", "valid_from"), ("有效期止", "valid_to"), ("失效日期", "valid_to"),
        ("有效期至", "valid_to"), ("Expiry date", "valid_to"), ("链接", "link"), ("鏈接2", "link"),
        ("网址", "link"), ("电话", "phone"), ("聯繫電話", "phone"), ("Phone 2", "phone"),
        ("地址", "office"), ("办公地点", "office"), ("附件", "attachments"), ("valid_from2", None),
    ],
)  # fmt: skip
def test_the_new_columns_go_by_many_names(name: str, meant: str | None) -> None:
    assert find_field(name) == meant


@pytest.mark.parametrize(
    "written",
    ["2026-01-31", "2026-1-31", "2026/1/31", "2026.01.31", "2026年1月31日", "2026 年 1 月 31 日",
     " 2026/01/31 00:00:00"],
)  # fmt: skip
def test_a_day_is_read_as_people_write_it(tmp_path: Path, written: str) -> None:
    (pair,) = read_row(tmp_path, valid_from=written, valid_to="").pairs
    assert (pair.valid_from, pair.valid_to) == (DAY, None)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"valid_from": "31/1/2026"}, "'valid_from' is '31/1/2026'; write a day as 2026-01-31"),
        ({"valid_to": "2026-02-30"}, "write a day"),
        ({"valid_to": "2026-1/31"}, "write a day"),
        ({"valid_from": "soon"}, "write a day"),
        ({"valid_from": 46053}, "not a text but int"),
        ({"valid_from": "2026-02-01", "valid_to": "2026-01-31"}, "before 'valid_from', 2026-02-01"),
        ({"link": "a.example"}, "'a.example' does not begin with https://"),
        ({"link": "javascript:alert(1)"}, "does not begin with https://"),
        ({"link": "https://a.example|Form"}, "'Form' does not begin"),
        ({"phone": 12345}, "the phone is not a text but int"),
        ({"office": "a|b|c"}, "several '|'"),
        ({"office": "x" * 501}, "has 501 characters"),
        ({"office": "x" * 101 + "|b"}, "its label 101"),
        ({"phone": ";".join(f"555-01{n:02}" for n in range(11))}, "it has 11 attachments"),
        ({"attachments": "a"}, "must be a list of objects"),
        ({"attachments": ["a"]}, "must be a list of objects"),
        ({"attachments": [{"kind": "fax", "value": "1"}]}, "'kind' (link, phone or office)"),
        ({"attachments": [{"kind": "phone", "value": ""}]}, "a phone is empty"),
        ({"attachments": [{"kind": "phone"}]}, "the phone is not a text but NoneType"),
        ({"attachments": [{"kind": "link", "value": "ftp://x"}]}, "does not begin with https://"),
    ],
)
def test_a_wrong_value_is_told_at_its_row(
    tmp_path: Path, values: dict[str, Any], said: str
) -> None:
    imported = read_row(tmp_path, **values)
    assert imported.pairs == ()
    ((place, what),) = told(imported)
    assert place == "item 1"
    assert said in what


def test_dates_of_a_workbook_are_days_however_they_are_shown(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["问题", "答案", "生效日期", "失效日期"])
    sheet.append(["怎么办？", datetime.date(2025, 5, 1), DAY, datetime.datetime(2026, 12, 31, 9)])
    sheet["B2"].number_format = sheet["C2"].number_format = 'm"月"d"日"'
    sheet["D2"].number_format = 'yyyy"年"m"月"'
    sheet.append(["为什么？", "因为_x000D_这样", "2026/1/31", None])
    book.save(tmp_path / "a.xlsx")
    book.close()
    first, second = read_pairs(tmp_path / "a.xlsx").pairs
    assert first.answer == "5月1日"
    assert (first.valid_from, first.valid_to) == (DAY, datetime.date(2026, 12, 31))
    assert second.valid_from == DAY
    assert second.answer == "因为\n这样"


@pytest.mark.parametrize(
    ("kind", "cell", "parts"),
    [
        ("link", "https://a/x;y=1;https://b", [("", "https://a/x;y=1"), ("", "https://b")]),
        ("link", "Form|https://a|https://b", [("Form", "https://a"), ("", "https://b")]),
        ("link", "申请表：https://a；https://b", [("申请表", "https://a"), ("", "https://b")]),
        ("link", "Map: http://a/b:80?c=d:e", [("Map", "http://a/b:80?c=d:e")]),
        ("phone", "Hotline|12345|010-555 1234", [("Hotline", "12345"), ("", "010-555 1234")]),
        ("phone", "咨询电话：12345；+86 (10) 123转8", [("咨询电话", "12345"), ("", "+86 (10) 123转8")]),
        ("phone", "2号窗口|010-1234", [("2号窗口", "010-1234")]),
        ("phone", "call us: Mondays at 9", [("", "call us: Mondays at 9")]),
        ("office", "市民中心：二楼\nCity hall|Room 3: left", [("", "市民中心：二楼"), ("City hall", "Room 3: left")]),
    ],
)  # fmt: skip
def test_several_in_a_cell_and_their_labels(
    kind: Any, cell: str, parts: list[tuple[str, str]]
) -> None:
    assert list(split_attachments(kind, cell)) == parts


def test_attachments_come_in_columns_and_in_json(tmp_path: Path) -> None:
    text = (
        "问题,答案,链接,电话1,电话2,办公地点,有效期起,有效期止\n"
        "怎么办？,这样。,表格|https://a.example,12345,,一楼,2026年1月31日,2026/1/31\n"
    )
    (pair,) = read(tmp_path, "a.csv", text).pairs
    assert pair.attachments == (
        Attachment("link", "https://a.example", "表格"),
        Attachment("phone", "12345"),
        Attachment("office", "一楼"),
    )
    assert (pair.valid_from, pair.valid_to) == (DAY, DAY)
    (pair,) = read_row(
        tmp_path,
        attachments=[{"kind": "office", "value": " Room\n3 ", "label": None}],
        link=["https://a", "https://a"],
    ).pairs
    assert pair.attachments == (Attachment("office", "Room 3"), Attachment("link", "https://a"))


def test_lines_of_markdown_give_fields_only_where_they_fit(tmp_path: Path) -> None:
    text = (
        "## How?\nSo.\n- Link: [Form](https://a.example)\nPhone: 12345\n**Office:** Room 3\n"
        "Valid from: 2026-01-31\n\n## When?\nStart date: next Monday\nPhone: ask at the desk\n"
        "Link: see there\n\n## Until?\nx\nValid to: 2026-02-31\n"
    )
    imported = read(tmp_path, "a.md", text)
    first, second = imported.pairs
    assert first.answer == "So."
    assert first.valid_from == DAY
    assert first.attachments == (
        Attachment("link", "https://a.example", "Form"),
        Attachment("phone", "12345"),
        Attachment("office", "Room 3"),
    )
    assert second.attachments == ()
    assert "next Monday" in second.answer
    assert "ask at the desk" in second.answer
    assert [place for place, _ in told(imported)] == ["line 13"]


def test_blocks_of_markdown_hold_what_lines_cannot(tmp_path: Path) -> None:
    text = (
        '## How?\n```answer\n**one**\n\n# two\n```\n```pair\n{"id": "x", "aliases": ["a;b"]}\n```\n'
        "## Why?\nso\n```pair\n{broken\n```\n## What?\n```python\n# three\n```\n"
    )
    imported = read(tmp_path, "a.md", text)
    assert [(p.id[:1], p.aliases, p.answer) for p in imported.pairs] == [
        ("x", ("a;b",), "**one**\n\n# two"),
        ("q", (), "three"),
    ]
    assert told(imported) == [
        ("line 10", "the block 'pair' of this question is not one JSON object; correct it")
    ]


def test_the_guard_against_formulas_goes(tmp_path: Path) -> None:
    text = "question,answer\n'=a?,'-1\n''+b?,'so'\n"
    imported = read(tmp_path, "a.csv", text)
    assert [(p.question, p.answer) for p in imported.pairs] == [("=a?", "-1"), ("'+b?", "'so'")]


def test_wordings_that_two_pairs_share_are_noted(tmp_path: Path) -> None:
    text = (
        "question,answer,aliases\nHow much?,ten,what is the fee|price\n"
        "What IS the fee,eleven,PRICE?|？\nWhy?,so,\n怎么办？,a,为何|為何\n为何？,b,\n"
    )
    imported = read(tmp_path, "a.csv", text)
    assert len(imported.pairs) == 5
    assert [(p.place, p.kind, p.what.split(";")[0]) for p in imported.problems] == [
        ("row 3", "note", "its question is also a wording of row 2"),
        ("row 3", "note", "its alias 'PRICE?' is also a wording of row 2"),
        ("row 6", "note", "its question is also a wording of row 5"),
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_progress_is_told_every_thousand_rows(tmp_path: Path, name: str) -> None:
    if name == "a.csv":
        text = "question,answer\n" + "".join(f"q {n}?,a\n" for n in range(2_500))
    else:
        text = "".join(f'{{"question": "q {n}?", "answer": "a"}}\n' for n in range(2_500))
    seen: list[int] = []
    read(tmp_path, name, text, progress=seen.append)
    assert seen == [1_000, 2_000, 2_500]


def test_a_workbook_is_read_as_it_is_checked(tmp_path: Path) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(["question", "answer"])
    for number in range(3_000):
        sheet.append([f"q {number}?", "a"])
    book.save(tmp_path / "a.xlsx")

    class Stop(Exception):
        pass

    def stop(rows: int) -> None:
        raise Stop(rows)

    # What the caller raises is the caller's, and not a broken workbook.
    with pytest.raises(Stop, match="1000"):
        read_pairs(tmp_path / "a.xlsx", progress=stop)


def test_more_pairs_are_taken_than_one_file_of_a_base_may_have() -> None:
    assert importing.MAX_PAIRS == 200_000
