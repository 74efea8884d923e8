"""XLSX workbooks to rows."""

from __future__ import annotations

import datetime
import io
import itertools
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from visavis.core.errors import FileUnreadable
from visavis.knowledge.importing.archives import check_archive
from visavis.knowledge.importing.cells import DayText, write_value
from visavis.knowledge.importing.rows import Columns, Flaw, Problem, Row

MAX_UNPACKED_BYTES = 512 << 20
"""Of all parts of a workbook together; 100 000 rows of four cells have some 50 MB."""
_PIECE_ROWS = 1_000
_MOST_COLUMNS = 64
_MOST_ROWS = 1_048_576
"""What the format allows a sheet."""
_MOST_EMPTY_ROWS = 100_000
"""Rows without a cell in a run, after which a sheet is taken to have ended."""

# How the format writes what XML cannot hold (ECMA-376, ST_Xstring); openpyxl leaves it so.
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_NO_VALUE = Flaw(
    "is a formula without a stored result; open the file in a spreadsheet program and save it"
)


@dataclass(slots=True)
class _Marks:
    """What openpyxl does not tell while it streams a sheet.

    Attributes:
        merged: (last row, column) of merged cells that go over several rows, by first row.
        unsolved: (row, column) of formulas without a stored result.
    """

    merged: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    unsolved: set[tuple[int, int]] = field(default_factory=set)


def read_workbook(content: bytes, path: Path) -> Iterator[Row | Problem]:
    """Yield the rows of all sheets; each sheet has its own header.

    Formulas count by the result stored in the file. A cell merged over several rows counts in each
    of them. Hidden sheets are read, and said.

    Args:
        content: The whole file.
        path: For messages.

    Raises:
        FileUnreadable: It is encrypted, broken, or unpacks to too much.
    """
    check_archive(
        content, path, kind="workbook", part="xl/workbook.xml", most_bytes=MAX_UNPACKED_BYTES
    )
    items = _read_sheets(content)
    while True:
        # openpyxl warns of what it does not keep when saving, which nobody does here. What is done
        # with the rows may warn, so they are taken in pieces.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                piece = list(itertools.islice(items, _PIECE_ROWS))
            except MemoryError as error:
                raise FileUnreadable(f"{path} is too large for this machine; split it") from error
            # A broken workbook makes openpyxl raise nearly anything (KeyError, TypeError, ParseError …).
            except Exception as error:
                raise FileUnreadable(
                    f"{path} is a broken workbook ({type(error).__name__}); "
                    "open it in a spreadsheet program and save it again as .xlsx"
                ) from error
        if not piece:
            return
        yield from piece


def _read_sheets(content: bytes) -> Iterator[Row | Problem]:
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    try:
        for sheet in book.worksheets:
            yield from _read_sheet(sheet, book)
    finally:
        book.close()


def _read_sheet(sheet: Any, book: Any) -> Iterator[Row | Problem]:
    where = f"sheet {sheet.title!r}"
    problems: list[Problem] = []
    # The extent that a file states may be wrong.
    sheet.reset_dimensions()
    with book._archive.open(sheet._worksheet_path) as source:
        marks = _find_marks(source)
    hidden = sheet.sheet_state != "visible"
    for item in Columns(f"{where}, ").read(_number_rows(sheet, marks, where, problems)):
        if hidden:
            hidden = False
            yield Problem(
                where, "this sheet is hidden and was read; delete it if it must not be", "note"
            )
        yield item
    yield from problems


def _number_rows(
    sheet: Any, marks: _Marks, where: str, problems: list[Problem]
) -> Iterator[tuple[int, list[str | Flaw]]]:
    lasting: dict[int, tuple[int, str | Flaw]] = {}
    empty = 0
    for number, cells in enumerate(sheet.iter_rows(max_col=_MOST_COLUMNS), 1):
        texts = [
            _NO_VALUE if (number, column) in marks.unsolved else _write_cell(cell)
            for column, cell in enumerate(cells, 1)
        ]
        if not any(texts):
            empty += 1
            if empty > _MOST_EMPTY_ROWS or number > _MOST_ROWS:
                what = f"{empty:,} empty rows follow one another; rows below were not read"
                problems.append(Problem(f"{where}, row {number}", what))
                return
            continue
        empty = 0
        for column, (last, text) in list(lasting.items()):
            if number > last:
                del lasting[column]
            elif not texts[column - 1]:
                texts[column - 1] = text
        for last, column in marks.merged.get(number, ()):
            if column <= len(texts):
                lasting[column] = (last, texts[column - 1])
        yield number, texts


def _write_cell(cell: Any) -> str | Flaw:
    if cell.value is None:
        return ""
    if cell.data_type == "e":
        return Flaw(f"is the error {cell.value}; correct the formula")
    text = write_value(cell.value, str(cell.number_format)).strip()
    if isinstance(cell.value, datetime.date):  # a datetime is one too
        day = cell.value.date() if isinstance(cell.value, datetime.datetime) else cell.value
        return DayText(text, day)
    if isinstance(cell.value, str) and "_x" in text:
        return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text).strip()
    return text


def _find_marks(source: Any) -> _Marks:
    marks = _Marks()
    row = column = 0
    parents: list[Any] = []
    for event, element in ElementTree.iterparse(source, ("start", "end")):
        tag = element.tag.rpartition("}")[2]
        if event == "start":
            parents.append(element)
            if tag == "row":
                row = int(element.get("r") or row + 1)
                column = 0
            continue
        parents.pop()
        if tag == "c":
            place = _REFERENCE.fullmatch(element.get("r") or "")
            column = _count_column(place[1]) if place else column + 1
            parts = {child.tag.rpartition("}")[2]: child for child in element}
            # An empty text is a result too.
            if "f" in parts and element.get("t") != "str":
                value = parts.get("v")
                if value is None or not value.text:
                    marks.unsolved.add((int(place[2]) if place else row, column))
        elif tag == "mergeCell":
            _add_merged(marks, element.get("ref") or "")
        if tag in ("row", "mergeCell") and parents:
            parents[-1].remove(element)
    return marks


def _add_merged(marks: _Marks, reference: str) -> None:
    corners = [_REFERENCE.fullmatch(corner) for corner in reference.split(":")]
    if len(corners) != 2 or corners[0] is None or corners[1] is None:
        return
    first, last = int(corners[0][2]), int(corners[1][2])
    if last > first:
        marks.merged.setdefault(first, []).append((last, _count_column(corners[0][1])))


def _count_column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number
