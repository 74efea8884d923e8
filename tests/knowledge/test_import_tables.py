import datetime
import io
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from visavis.core.errors import FileUnreadable
from visavis.knowledge.importing.cells import write_value
from visavis.knowledge.importing.pairs import Imported, read_pairs
from visavis.knowledge.importing.rows import find_field
from visavis.knowledge.importing.tables import find_delimiter

Sheets = Mapping[str, Sequence[Any]]


def read_csv(folder: Path, text: str, name: str = "pairs.csv") -> Imported:
    path = folder / name
    path.write_bytes(text.encode())
    return read_pairs(path)


def told(imported: Imported, kind: str = "error") -> list[tuple[str, str]]:
    return [(p.place, p.what) for p in imported.problems if p.kind == kind]


def asked(imported: Imported) -> list[tuple[str, str]]:
    return [(p.question, p.answer) for p in imported.pairs]


def write_book(folder: Path, sheets: Sheets, change: Callable[[Any], None] | None = None) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    if change:
        change(book)
    path = folder / "pairs.xlsx"
    book.save(path)
    book.close()
    return path


def rewrite(path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    """Change one part of a workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    rows = ["question,answer,topic", "how much?,ten,fees", "when?,now,time"]
    text = "\r\n".join(row.replace(",", delimiter) for row in rows)
    imported = read_csv(tmp_path, text)
    assert asked(imported) == [("how much?", "ten"), ("when?", "now")]
    assert [p.topic for p in imported.pairs] == ["fees", "time"]
    assert imported.problems == ()


def test_other_delimiters_within_cells_do_not_mislead() -> None:
    assert find_delimiter("question;answer\nhow, much;ten, say\na, b;c, d\n") == ";"
    assert find_delimiter("a, b;c\nd;e, f, g\nh;i\n") == ";"
    assert find_delimiter("问题，甲,答案，乙\n") == ","
    assert find_delimiter("a\tb,c\nd\te\n", prefer="\t") == "\t"


def test_a_full_width_comma_separates_nothing(tmp_path: Path) -> None:
    imported = read_csv(tmp_path, "问题，答案\n怎么办，这样办\n")
    assert imported.pairs == ()
    assert told(imported)[0][0] == "row 1"


def test_excels_own_line_about_the_delimiter_is_obeyed(tmp_path: Path) -> None:
    imported = read_csv(tmp_path, "sep=|\r\nquestion|answer\r\nhow|so\r\nwhat|\r\n")
    assert asked(imported) == [("how", "so")]
    assert told(imported)[0][0] == "row 4"


def test_quoted_line_breaks_and_quotes_are_kept_and_rows_counted_as_excel_does(
    tmp_path: Path,
) -> None:
    text = 'question,answer\n"who, me?","one\ntwo ""three"""\n\nbad row,\n'
    imported = read_csv(tmp_path, text)
    assert asked(imported) == [("who, me?", 'one\ntwo "three"')]
    assert told(imported) == [
        ("row 4", "the answer is empty; write one; null or - says that there is none")
    ]


def test_an_unclosed_quotation_mark_costs_one_row_only(tmp_path: Path) -> None:
    imported = read_csv(tmp_path, 'question,answer\na?,"lost\nb?,two\nc?,"three\nlines"\n')
    assert asked(imported) == [("b?", "two"), ("c?", "three\nlines")]
    assert [place for place, _ in told(imported)] == ["row 2"]
    imported = read_csv(tmp_path, 'question,answer\na?,one\nb?,"lost\nc?,three\nd?,four\n')
    assert asked(imported) == [("a?", "one"), ("c?", "three"), ("d?", "four")]
    ((place, what),) = told(imported)
    assert place == "row 3"
    assert "not closed" in what


def test_a_huge_unclosed_cell_is_told_and_what_follows_is_read(tmp_path: Path) -> None:
    rows = "".join(f"question {n}?,answer {n}\n" for n in range(10_000))
    imported = read_csv(tmp_path, 'question,answer\nx?,"lost\n' + rows)
    assert len(imported.pairs) == 10_000
    assert [place for place, _ in told(imported)] == ["row 2"]


@pytest.mark.parametrize("piece", ["x", "a b ", "问", "a,b,", "🙂"])
def test_one_line_of_megabytes_is_told_for_what_it_is(piece: str, tmp_path: Path) -> None:
    path = tmp_path / "line.csv"
    path.write_text(f"question,answer\n{piece * 500_000}\nWhere is it?,Room 3.\n", "utf-8")
    found = read_pairs(path)
    assert [pair.answer for pair in found.pairs] == ["Room 3."]
    (problem,) = [problem for problem in found.problems if problem.kind == "error"]
    assert problem.place == "row 2"
    assert "is opened" not in problem.what
    assert "more than" in problem.what or "it has 1000000 cells" in problem.what
    assert len(problem.what) < 300


@pytest.mark.parametrize("line", ['"x', '"x"y', 'a,"""', '""""x', '"x\n' + "y,z\n" * 9])
def test_many_wrong_marks_are_read_in_bounded_time(tmp_path: Path, line: str) -> None:
    started = time.process_time()
    read_csv(tmp_path, "question,answer\n" + (line + "\n") * 20_000)
    assert time.process_time() - started < 8


def test_a_mark_within_a_bare_cell_is_text(tmp_path: Path) -> None:
    imported = read_csv(tmp_path, 'question,answer\nwhich disc?,a 3.5" one\n')
    assert asked(imported) == [("which disc?", 'a 3.5" one')]


def test_ragged_rows_are_told(tmp_path: Path) -> None:
    text = "question,answer,topic\na?,one, two,t\nb?\nc?,three\nd?,four,t,,\ne?,five,t\n"
    imported = read_csv(tmp_path, text)
    assert asked(imported) == [("c?", "three"), ("d?", "four"), ("e?", "five")]
    assert [place for place, _ in told(imported)] == ["row 2", "row 3"]
    assert "4 cells under 3 columns" in told(imported)[0][1]
    assert [place for place, _ in told(imported, "note")] == ["row 4"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Question", "question"), (" QUESTION ", "question"), ("Q", "question"),
        ("问题", "question"), ("問題", "question"), ("提问", "question"), ("标准问题*", "question"),
        ("Answer:", "answer"), ("ａｎｓｗｅｒ", "answer"), ("回答", "answer"), ("a", "answer"),
        ("相似问法2", "aliases"), ("similar questions", "aliases"), ("Alias 1", "aliases"),
        ("別名", "aliases"), ("语言", "language"), ("類別", "topic"), ("主题", "topic"),
        ("Category", "topic"), ("來源", "source"), ("出处", "source"), ("编号", "id"),
        ("ID", "id"), ("emotion", "emotion"), ("强度", "intensity"), ("price", None),
        ("", None), ("问题" * 100, None), ("question2", None),
    ],
)  # fmt: skip
def test_columns_go_by_many_names(name: str, meant: str | None) -> None:
    assert find_field(name) == meant


def test_every_column_reaches_its_field(tmp_path: Path) -> None:
    text = (
        "编号,语言,分类,问题,相似问法1,相似问法2,答案,来源,emotion,intensity\n"
        "fee-1,中文,费用,多少钱？,要花多少|什么价；几块钱,价格; 怎么卖,十元。,价目表,高兴,80%\n"
    )
    (pair,) = read_csv(tmp_path, text).pairs
    assert (pair.id, pair.language, pair.topic, pair.question) == (
        "fee-1",
        "zh",
        "费用",
        "多少钱？",
    )
    assert pair.aliases == ("要花多少", "什么价", "几块钱", "价格", "怎么卖")
    assert (pair.answer, pair.source) == ("十元。", "价目表")
    assert (pair.emotion, pair.intensity) == ("happy", 0.8)


def test_two_columns_without_names_are_question_and_answer(tmp_path: Path) -> None:
    imported = read_csv(tmp_path, "how?,so\nwhy?,thus\n")
    assert asked(imported) == [("how?", "so"), ("why?", "thus")]
    assert imported.problems == ()


@pytest.mark.parametrize("text", ["a,b,c\n1,2,3\n", "only\none\n", "question,content\na?,b\n"])
def test_a_table_whose_columns_nobody_knows_is_told(tmp_path: Path, text: str) -> None:
    imported = read_csv(tmp_path, text)
    assert imported.pairs == ()
    ((place, what),) = told(imported)
    assert place == "row 1"
    assert "no row names a column 'question'" in what


def test_titles_above_the_names_and_unknown_columns_are_told_once(tmp_path: Path) -> None:
    text = "Our questions,,\n,,\nquestion,price,answer\na?,1,one\nb?,2,two\n"
    imported = read_csv(tmp_path, text)
    assert asked(imported) == [("a?", "one"), ("b?", "two")]
    (first, second) = told(imported, "note")
    assert first == ("row 1", "this row stands above the names of the columns and was passed over")
    assert second[0] == "row 3"
    assert "'price'" in second[1]


def test_two_columns_of_one_meaning_are_told(tmp_path: Path) -> None:
    imported = read_csv(tmp_path, "question,answer,答案\na?,one,two\n")
    assert asked(imported) == [("a?", "one")]
    assert "several columns mean 'answer'" in told(imported, "note")[0][1]


def test_unicode_text_of_a_spreadsheet_is_a_table(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_bytes(b"\xff\xfe" + "问题\t答案\r\n怎么办？\t这样办。\r\n".encode("utf-16-le"))
    imported = read_pairs(path)
    assert asked(imported) == [("怎么办？", "这样办。")]
    assert imported.encoding == "UTF-16 LE"


@pytest.mark.parametrize(
    ("value", "number_format", "written"),
    [
        (12345, "General", "12345"), (12345.0, "General", "12345"), (0.1 + 0.2, "General", "0.3"),
        (13800138000, "0", "13800138000"), (1e20, "General", "100000000000000000000"),
        (0.175, "0%", "18%"), (0.175, "0.0%", "17.5%"), (0.5, "0.##%", "50%"),
        (1234.5, "#,##0.00", "1,234.50"), (510000, "000000", "510000"), (7, "000000", "000007"),
        (20, '"¥"#,##0', "¥20"), (20, "[$¥-804]#,##0.00", "¥20.00"), (-3, "0.0", "-3.0"),
        (30, '0"元"', "30元"), (5, "0_);(0)", "5"), (12, "[Red]0", "12"), (0.25, "# ?/?", "0.25"),
        (True, "General", "TRUE"), (None, "General", ""), (" a ", "@", " a "),
        (datetime.datetime(2024, 5, 1), "yyyy-mm-dd", "2024-05-01"),
        (datetime.datetime(2024, 5, 1, 9, 30), "m/d/yy h:mm", "2024-05-01 09:30"),
        (datetime.datetime(2024, 5, 1), 'yyyy"年"m"月"d"日"', "2024年5月1日"),
        (datetime.datetime(2024, 5, 1), 'm"月"d"日"', "5月1日"),
        (datetime.time(9, 5), "h:mm", "09:05"),
        (datetime.timedelta(hours=30), "[h]:mm", "30:00"),
    ],
)  # fmt: skip
def test_numbers_and_dates_are_written_as_people_write_them(
    value: Any, number_format: str, written: str
) -> None:
    assert write_value(value, number_format) == written


def test_all_sheets_are_read_each_with_its_header(tmp_path: Path) -> None:
    path = write_book(
        tmp_path,
        {
            "Fees": [["Price list"], [None, None], ["问题", "答案"], ["多少钱？", 12345.0]],
            "Empty": [],
            "Times": [["answer", None, "question"], ["at nine", "x", "when?"], [None], ["?"]],
            "Bare": [["why?", "thus"]],
            "Notes": [["a", "b", "c"]],
        },
    )
    imported = read_pairs(path)
    assert asked(imported) == [("多少钱？", "12345"), ("when?", "at nine"), ("why?", "thus")]
    assert imported.encoding == ""
    assert [place for place, _ in told(imported)] == [
        "sheet 'Times', row 4",
        "sheet 'Notes', row 1",
    ]
    assert told(imported, "note")[0][0] == "sheet 'Fees', row 1"


def test_formats_of_cells_reach_the_answer(tmp_path: Path) -> None:
    def change(book: Any) -> None:
        sheet = book["s"]
        sheet["B2"].number_format = "0.0%"
        sheet["B3"].number_format = 'yyyy"年"m"月"d"日"'

    rows = [["question", "answer"], ["rate?", 0.035], ["date?", datetime.date(2025, 1, 2)]]
    imported = read_pairs(write_book(tmp_path, {"s": rows}, change))
    assert asked(imported) == [("rate?", "3.5%"), ("date?", "2025年1月2日")]


def test_a_formula_counts_by_its_stored_result_and_is_told_where_there_is_none(
    tmp_path: Path,
) -> None:
    rows = [["question", "answer", "x"], ["a?", "=1+1", 1], ["b?", "=2+2", 1], ["c?", "ok", "=1"]]
    path = write_book(tmp_path, {"s": rows})
    rewrite(
        path,
        "xl/worksheets/sheet1.xml",
        lambda xml: xml.replace(b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>").replace(
            b"<f>1+1</f><v></v>", b"<f>1+1</f><v>2</v>"
        ),
    )
    imported = read_pairs(path)
    # A formula in a column that is not read does no harm.
    assert asked(imported) == [("a?", "2"), ("c?", "ok")]
    ((place, what),) = told(imported)
    assert place == "sheet 's', row 3"
    assert "'answer' is a formula without a stored result" in what


def test_an_error_in_a_cell_is_told(tmp_path: Path) -> None:
    path = write_book(tmp_path, {"s": [["question", "answer"], ["a?", "#N/A"], ["b?", "two"]]})
    imported = read_pairs(path)
    assert asked(imported) == [("b?", "two")]
    assert "is the error #N/A" in told(imported)[0][1]


def test_cells_merged_over_rows_count_in_each(tmp_path: Path) -> None:
    rows = [
        ["分类", "问题", "答案"], ["费用", "多少钱？", "十元"], [None, "免费吗？", "不免费"],
        [None, "贵吗？", "不贵"], [None, "何时？", "九点"],
    ]  # fmt: skip

    def change(book: Any) -> None:
        book["s"].merge_cells("A2:A4")

    imported = read_pairs(write_book(tmp_path, {"s": rows}, change))
    assert [p.topic for p in imported.pairs] == ["费用", "费用", "费用", ""]


def test_a_hidden_sheet_is_read_and_said(tmp_path: Path) -> None:
    def change(book: Any) -> None:
        book["old"].sheet_state = "veryHidden"

    rows = [["question", "answer"], ["a?", "one"]]
    path = write_book(tmp_path, {"new": [["question", "answer"], ["b?", "1"]], "old": rows}, change)
    imported = read_pairs(path)
    assert len(imported.pairs) == 2
    assert told(imported, "note")[0] == (
        "sheet 'old'", "this sheet is hidden and was read; delete it if it must not be",
    )  # fmt: skip


def test_a_workbook_is_known_by_its_content(tmp_path: Path) -> None:
    path = write_book(tmp_path, {"s": [["question", "answer"], ["a?", "one"]]})
    assert asked(read_pairs(path.rename(tmp_path / "wrong.csv"))) == [("a?", "one")]


def test_broken_and_encrypted_workbooks_are_refused(tmp_path: Path) -> None:
    good = write_book(tmp_path, {"s": [["question", "answer"], ["a?", "one"]]}).read_bytes()
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    locked = bytearray(good)
    # General-purpose flag of the first entry, in the local header and in the directory.
    locked[good.index(b"PK\x03\x04") + 6] |= 1
    locked[good.index(b"PK\x01\x02") + 8] |= 1
    for content, said in (
        (b"no archive at all", "broken workbook"),
        (good[: len(good) // 2], "broken workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "without a password"),
        (bytes(locked), "encrypted"),
        (other.getvalue(), "no workbook"),
        (b"PK\x03\x04" + bytes(100), "broken workbook"),
    ):
        path = tmp_path / "bad.xlsx"
        path.write_bytes(content)
        with pytest.raises(FileUnreadable, match=said):
            read_pairs(path)


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row r='x'/></sheetData></worksheet>"),
        ("xl/worksheets/sheet1.xml", b"<worksheet><sheetData>"),
        ("xl/workbook.xml", b"<workbook"),
        ("xl/styles.xml", b"\0\0"),
        ("xl/workbook.xml", b'<!DOCTYPE a [<!ENTITY b "b">]><workbook>&b;</workbook>'),
    ],
)
def test_broken_parts_of_a_workbook_are_one_error(
    tmp_path: Path, part: str, content: bytes
) -> None:
    path = write_book(tmp_path, {"s": [["question", "answer"], ["a?", "one"]]})
    with pytest.raises(FileUnreadable):
        read_pairs(rewrite(path, part, lambda _: content))


def test_a_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visavis.knowledge.importing.workbooks.MAX_UNPACKED_BYTES", 8 << 20)
    path = write_book(tmp_path, {"s": [["question", "answer"], ["a?", "one"]]})
    rewrite(path, "xl/worksheets/sheet1.xml", lambda xml: xml + b" " * (16 << 20))
    assert path.stat().st_size < 100_000
    with pytest.raises(FileUnreadable, match="unpacks to 16 MB"):
        read_pairs(path)


def test_a_sheet_of_wild_extent_costs_nothing(tmp_path: Path) -> None:
    path = write_book(tmp_path, {"s": [["question", "answer"], ["a?", "one"]]})

    def change(xml: bytes) -> bytes:
        xml = xml.replace(
            b"</sheetData>",
            b'<row r="999999999"><c r="XFD999999999" t="inlineStr"><is><t>x</t></is></c></row>'
            b'</sheetData><mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>',
        )
        return xml.replace(b'ref="A1:B2"', b'ref="A1:A1"')

    imported = read_pairs(rewrite(path, "xl/worksheets/sheet1.xml", change))
    assert asked(imported) == [("a?", "one")]
    assert "rows below were not read" in told(imported)[0][1]
