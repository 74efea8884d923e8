"""What importers find is said in Chinese on the operator's page: its rules fit what they really say."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from visavis.apps.kb.merging import merge_pairs
from visavis.apps.kb.reading import Read, read_files
from visavis.core.errors import FileUnreadable
from visavis.knowledge.base import Pair

RULES = Path(__file__).parents[3] / "web/src/admin/importProblems.zh.json"
HEAD = (
    "id,question,answer,aliases,language,emotion,intensity,sample,valid_from,valid_to,link,office\n"
)


@cache
def load_rules() -> list[tuple[re.Pattern[str], str]]:
    """The rules as the page reads them: ``{names}`` stand for anything."""
    rules = json.loads(RULES.read_text(encoding="utf-8"))
    return [
        (re.compile(re.sub(r"\\\{\w+\\\}", "(.*?)", re.escape(said)), re.DOTALL), chinese)
        for said, chinese in rules
    ]


def translate(text: str) -> str:
    return next((chinese for rule, chinese in load_rules() if rule.fullmatch(text)), "")


def row(**values: str) -> str:
    given = {"question": f"What about {sorted(values.items())}?", "answer": "Yes.", **values}
    names = HEAD.strip().split(",")
    return ",".join('"' + given.get(name, "").replace('"', '""') + '"' for name in names) + "\n"


TABLE = "The fees\n" + HEAD.replace("office", "office,colour,source,source") + "".join(
    (
        row(question=""), row(answer=""), row(question="x" * 501), row(question="Long?", answer="x" * 4_001),
        row(question="？！"), row(language="fr"), row(emotion="bored"), row(intensity="7"),
        row(sample="perhaps"), row(valid_from="1/2/2026"), row(valid_from="2026-02-01", valid_to="2026-01-01"),
        row(link="javascript:alert(1)"), row(office="a|b|c"), row(id="Not An Id"),
        row(id="same", question="Who?"), row(id="same", question="Where?"),
        row(question="Twice?", answer="One."), row(question="Twice?", answer="Two."),
        row(question="First?", aliases="Wording?"), row(question="Wording?"), row(question="Third?", aliases="First?"),
        row(question="Much?", aliases="y" * 501), "a,b,c\n", ",".join("abcdefghijklmnopqrstuvw") + "\n",
        row(link="\n".join(f"https://x.org/{n}" for n in range(12))),
    )
) + 'open,"never closed\n'  # fmt: skip
LINES = "\n".join(
    (
        "{", "5", '{"question": 5, "answer": "a"}', '{"answer": "a"}',
        '{"question": "Q?", "answer": "a", "colour": "red"}', '{"question": "R?", "answer": "a", "answer": "b"}',
        '{"question": "S?", "answer": "a", "aliases": 5}', '{"question": "T?", "answer": "a", "attachments": 5}',
        '{"question": "U?", "answer": "a", "attachments": [{"kind": "fax"}]}',
        '{"question": "V?", "answer": "a", "attachments": [{"kind": "phone", "value": ""}]}',
        '{"question": "half \\ud83d", "answer": "a"}',
    )
)  # fmt: skip
MARKDOWN = (
    "Before.\n\n# Top\n\nBetween.\n\n## Who?\n\n## What?\n\nThat.\n\n```pair\n[]\n```\n\n## Empty\n"
)
LABELLED = "Stray.\n\nA: no question\n\nQ: Who?\n\nQ: Why?\nA: So.\n"


def sheet(cells: str) -> bytes:
    """A workbook of one sheet, hidden, with the cells of a row."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in {
            "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>',
            "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="a" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="Fees" sheetId="1" state="hidden" r:id="a"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="a" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData><row r="1"><c r="A1" t="str"><v>question</v></c><c r="B1" t="str"><v>answer</v></c></row>{cells}</sheetData></worksheet>',
        }.items():
            archive.writestr(name, content)
    return packed.getvalue()


FORMULAS = sheet(
    '<row r="2"><c r="A2" t="str"><v>Who?</v></c><c r="B2"><f>A9</f></c></row>'
    '<row r="3"><c r="A3" t="str"><v>Why?</v></c><c r="B3" t="e"><v>#REF!</v></c></row>'
)
FILES: dict[str, bytes] = {
    "table.csv": TABLE.encode(), "lines.jsonl": LINES.encode(), "a.md": MARKDOWN.encode(),
    "b.md": LABELLED.encode(), "book.xlsx": FORMULAS, "names.csv": b"one,two,three\n1,2,3\n4,5,6\n",
    "empty.csv": b"question,answer\n", "list.json": b'{"a": 5}',
    "page.html": b"<html><title>x</title><p>Some text to read here.</p><p hidden>not this</p></html>",
    "page.txt": b"<!doctype html><html><p>Some text to read here.</p></html>",
}  # fmt: skip
BROKEN: dict[str, bytes] = {
    "a.xlsx": b"PK\x03\x04 broken", "b.xlsx": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9, "c.json": b"{",
    "d.csv": b"MZ\x00\x90\x03\x01\x02" * 99, "e.csv": b" \n", "f.pdf": b"%PDF-1.7 broken", "g.pdf": b"no pdf",
    "h.docx": b"PK\x03\x04 broken", "i.docx": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9, "j.txt": b" \n",
    "k.txt": b"{\\rtf1 text}", "l.txt": b"\x89PNG\r\n", "m.csv": b"\xef\xbb\xbfquestion,answer\n\xff\xfe\xfd,x\n",
}  # fmt: skip


def read(path: Path, content: bytes) -> Read:
    path.write_bytes(content)
    return read_files([path], kind=None, language=None, sample=False, told=lambda *_: None)[0]


def find_problems(folder: Path) -> Iterator[str]:
    for name, content in FILES.items():
        found = read(folder / name, content)
        assert found.problems, name
        yield from (problem.what for problem in found.problems)
    files = [
        read(folder / name, f"id,question,answer\n{rows}".encode()).pairs
        for name, rows in (("x.csv", "a,Who?,Me.\nb,Why?,So.\n"), ("y.csv", ",Who?,You.\na,Where?,Here.\n"))
    ]  # fmt: skip
    stored = [Pair("other", "Why?", "Because.", "en")]
    merge = merge_pairs(stored, [one for one in files if one is not None], ["x.csv", "y.csv"])
    assert len(merge.problems) == 3
    yield from (problem.what for _, problem in merge.problems)


def test_every_problem_of_rows_has_its_chinese_words(tmp_path: Path) -> None:
    said = list(dict.fromkeys(find_problems(tmp_path)))
    assert len(said) > 55
    assert [text for text in said if not translate(text)] == []


@pytest.mark.parametrize("name", BROKEN)
def test_every_file_that_cannot_be_read_has_its_chinese_words(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileUnreadable) as raised:
        read(tmp_path / name, BROKEN[name])
    assert translate(str(raised.value).replace(str(tmp_path / name), name)), str(raised.value)


def test_a_rule_has_the_values_that_its_words_name() -> None:
    rules = json.loads(RULES.read_text(encoding="utf-8"))
    for said, chinese in rules:
        assert set(re.findall(r"\{(\w+)\}", chinese)) <= set(re.findall(r"\{(\w+)\}", said)), said
    assert len({said for said, _ in rules}) == len(rules)
