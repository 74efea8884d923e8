import csv
import dataclasses
import datetime
import json
import tempfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from visavis.core.errors import OutputUnwritable, TextUnusable
from visavis.core.types import EMOTIONS
from visavis.knowledge.base import Attachment, Pair, load_base, load_samples
from visavis.knowledge.exporting import ENDINGS, write_pairs
from visavis.knowledge.importing.fields import clean
from visavis.knowledge.importing.pairs import normalise_question, read_pairs

FULL = Pair(
    id="fee-1",
    question="居住证要多少钱？",
    answer="首次申领不收费。\n补领二十元，见 https://a.example/fee 。",
    language="zh",
    topic="residence",
    aliases=("居住证收费吗", "办居住证要花多少钱"),
    source="《居住证暂行条例》，https://b.example/rules?x=1",
    sample=True,
    emotion="happy",
    intensity=0.1 + 0.2,
    valid_from=datetime.date(2026, 1, 31),
    valid_to=datetime.date(2027, 12, 1),
    attachments=(
        Attachment("link", "https://c.example/form;v=1?a=b&c=d", "申请表"),
        Attachment("link", "http://d.example"),
        Attachment("phone", "+86 10-1234 5678", "咨询热线"),
        Attachment("phone", "12345"),
        Attachment("office", "市民中心二楼：3号窗口", "办理地点"),
    ),
)
GAP = Pair("gap", "Who wins the match?", "", "en")


def go_round(pairs: list[Pair], ending: str) -> tuple[Pair, ...]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"pairs{ending}"
        write_pairs(pairs, path)
        imported = read_pairs(path)
    assert [p for p in imported.problems if p.kind == "error"] == []
    return imported.pairs


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_field_comes_back(ending: str) -> None:
    assert go_round([FULL, GAP], ending) == (FULL, GAP)
    assert {f.name for f in dataclasses.fields(Pair)} == {
        f.name for f in dataclasses.fields(Pair) if getattr(FULL, f.name) != f.default
    }


@pytest.mark.parametrize("ending", ENDINGS)
def test_our_own_bases_come_back(ending: str) -> None:
    pairs = [pair for base in load_samples() for pair in base.pairs]
    assert go_round(pairs, ending) == tuple(pairs)


PIECES = st.one_of(
    st.sampled_from(
        [
            "=1+1", "+", "-", "@SUM(A1)", "'", "''=", '"', '""', ",", ";", "；", "|", "\t", "\n",
            "\n\n", "    ", "[", "]", '["a"]', "# ", "## x", "- ", "1. ", "12) ", "> ", "```", "~~~",
            "```pair", "Q: ", "A：", "答：", "Source: x", "来源：y", "Phone: 12345", "地址：", "链接：",
            "**", "_", "__a__", "`", "\\", "&amp;", "&#65306;", "<b>", "<!--", "](http://a)", "[a](b)",
            "https://a.b/c", "www.x.y", "***", "---", "===", "|---|", "| a | b |", "_x0041_", "_x000D_",
            "#N/A", "TRUE", "1.50", "007", "1e5", "2026-01-31", "null", "問題與答覆", "身份证", "😀👨‍👩‍👧",
            "é", "a", "word", "？", "{", "}", "：", "\u2028", "\u3000", "\xa0", "!", "^", "[^1]", "sep=;",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)  # fmt: skip


def make_texts(limit: int) -> st.SearchStrategy[str]:
    return st.lists(PIECES, max_size=8).map(lambda pieces: clean("".join(pieces), "x")[:limit])


def one_line(text: str) -> str:
    return " ".join(text.split())


def can_be_asked(text: str) -> bool:
    try:
        return bool(normalise_question(text))
    except TextUnusable:
        return False


LINES = make_texts(90).map(one_line)
QUESTIONS = LINES.filter(can_be_asked)
ANSWERS = make_texts(300).map(str.strip).filter(lambda a: a.lower() not in ("null", "-"))
DAYS = st.none() | st.dates()
ATTACHMENTS = st.one_of(
    st.builds(Attachment, st.sampled_from(["phone", "office"]), LINES.filter(bool), LINES),
    st.builds(Attachment, st.just("link"), LINES.map(lambda t: f"https://{t}".strip()), LINES),
)


@st.composite
def odd_pairs(draw: st.DrawFn) -> Pair:
    question = draw(QUESTIONS)
    aliases: dict[str, str] = {}
    for alias in draw(st.lists(LINES.filter(bool), max_size=3)):
        if alias != question:
            aliases.setdefault(alias.casefold(), alias)
    begin, end = draw(DAYS), draw(DAYS)
    if begin and end and end < begin:
        begin, end = end, begin
    return Pair(
        id=draw(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)),
        question=question,
        answer=draw(ANSWERS),
        language=draw(st.sampled_from(["zh", "en"])),
        topic=draw(LINES),
        aliases=tuple(aliases.values()),
        source=draw(make_texts(200).map(str.strip)),
        sample=draw(st.booleans()),
        emotion=draw(st.sampled_from(EMOTIONS)),
        intensity=draw(st.floats(0, 1)),
        valid_from=begin,
        valid_to=end,
        attachments=tuple(dict.fromkeys(draw(st.lists(ATTACHMENTS, max_size=4)))),
    )


BASES = st.lists(
    odd_pairs(),
    min_size=1,
    max_size=3,
    unique_by=(
        lambda pair: (pair.language, pair.id),
        lambda pair: (pair.language, normalise_question(pair.question)),
    ),
)
BARE = Pair("a", "a", "a", "en")


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=60, deadline=None)
@given(BASES)
@example([dataclasses.replace(BARE, question="'=a", answer="'-\n\nb", topic="=t", source="@s")])
@example([dataclasses.replace(BARE, aliases=("x;y", '["z"]', "[1]", "|"))])
@example([dataclasses.replace(BARE, topic="t"), dataclasses.replace(BARE, id="b", question="b")])
@example([dataclasses.replace(BARE, answer="```pair\n{}\n```\n````"), GAP])
@example([dataclasses.replace(BARE, intensity=5e-324, valid_from=datetime.date(1, 1, 1))])
def test_odd_texts_come_back(ending: str, pairs: list[Pair]) -> None:
    assert go_round(pairs, ending) == tuple(pairs)


@settings(max_examples=60, deadline=None)
@given(BASES)
def test_json_lines_are_what_a_base_is_loaded_from(pairs: list[Pair]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        write_pairs([*pairs, dataclasses.replace(FULL, id="the-full_one")], path)
        assert load_base(path).pairs[:-1] == tuple(pairs)


def test_no_cell_of_a_table_is_computed(tmp_path: Path) -> None:
    hostile = dataclasses.replace(
        BARE, question='=HYPERLINK("http://x")', answer="@SUM(A1)", topic="+1", source="-1",
        aliases=("＝1",),
    )  # fmt: skip
    write_pairs([hostile], tmp_path / "a.csv")
    content = (tmp_path / "a.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(content.decode("utf-8-sig").splitlines()))
    assert not [cell for row in rows for cell in row if cell[:1] in tuple("=+-@＝")]
    write_pairs([hostile], tmp_path / "a.xlsx")
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    cells = [cell for row in book.active.iter_rows() for cell in row if cell.value]
    assert {cell.data_type for cell in cells} == {"s"}
    assert book.active["A2"].value == '=HYPERLINK("http://x")'
    book.close()


def test_a_workbook_has_real_dates_and_numbers(tmp_path: Path) -> None:
    write_pairs([dataclasses.replace(FULL, intensity=0.5)], tmp_path / "a.xlsx")
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    names, values = (list(row) for row in book.active.iter_rows(values_only=True))
    book.close()
    row: dict[Any, Any] = dict(zip(names, values, strict=True))
    assert row["valid_from"] == datetime.datetime(2026, 1, 31)
    assert row["intensity"] == 0.5
    assert row["phone"] == "咨询热线|+86 10-1234 5678\n12345"


def test_markdown_is_to_be_read_by_people(tmp_path: Path) -> None:
    pairs = [
        Pair("a", "How long?", "About ten days.", "en", topic="Residence", source="Rule 3"),
        Pair("b", "How much?", "Nothing.", "en", topic="Residence", aliases=("What is the fee",)),
    ]
    write_pairs(pairs, tmp_path / "a.md")
    text = (tmp_path / "a.md").read_text("utf-8-sig")
    assert text == (
        "# Residence\n\n## How long?\n\nAbout ten days.\n\n- Source: Rule 3\n\n"
        '```pair\n{"id": "a", "language": "en"}\n```\n\n'
        "## How much?\n\nNothing.\n\n- Aliases: What is the fee\n\n"
        '```pair\n{"id": "b", "language": "en"}\n```'
    )


def test_an_edit_of_an_exported_answer_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    write_pairs([dataclasses.replace(BARE, answer="one\n\ntwo  2")], path)
    path.write_text(path.read_text().replace("two", "three"))
    assert read_pairs(path).pairs[0].answer == "one\n\nthree  2"


def test_json_of_few_characters_is_not_taken_for_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    pairs = (dataclasses.replace(BARE, question="\ue000a", answer="\ue001\U000f0000" * 99),)
    write_pairs(pairs, path)
    assert read_pairs(path).pairs == pairs
    assert json.loads(path.read_bytes())[0]["answer"] == pairs[0].answer


def test_a_file_is_not_overwritten_unasked_and_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_pairs([BARE], path)
    before = path.read_bytes()
    with pytest.raises(OutputUnwritable, match="exists"):
        write_pairs([FULL], path)
    huge = dataclasses.replace(BARE, aliases=tuple(f"{'x' * 400}{n}" for n in range(100)))
    for pairs in ([FULL, huge], [FULL, dataclasses.replace(BARE, answer="\ud800")]):
        with pytest.raises(OutputUnwritable, match="pair 'a'"):
            write_pairs(pairs, path, overwrite=True)
        assert path.read_bytes() == before
    write_pairs([FULL], path, overwrite=True)
    assert read_pairs(path).pairs == (FULL,)
    write_pairs([huge], tmp_path / "a.jsonl")
    assert load_base(tmp_path / "a.jsonl").pairs == (huge,)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "a.jsonl"]


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.xls", "folder/a.csv"])
def test_places_that_cannot_be_written_are_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputUnwritable):
        write_pairs([BARE], tmp_path / name)
    with pytest.raises(OutputUnwritable, match="no pair"):
        write_pairs([], tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_nobody_sees_does_not_break_a_file(ending: str) -> None:
    pair = dataclasses.replace(BARE, question="a\x07 \ufeffb", answer="one\r\ntwo\x00\ufffe")
    (back,) = go_round([pair], ending)
    assert (back.question, back.answer) == ("a b", "one\ntwo")
