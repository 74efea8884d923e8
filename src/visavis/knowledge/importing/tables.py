"""CSV and TSV to rows."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from visavis.knowledge.importing.rows import Columns, Problem, Row, find_field

_DELIMITERS = (",", "\t", ";")
_SAMPLE_ROWS = 50
# What a spreadsheet program takes for a formula when it opens a table, behind the quotation mark by
# which exporting keeps it from that.
_GUARDED = re.compile(r"'+[=+\-@＝＋－＠\t\r\n]")


def read_table(text: str, prefer: str = "") -> Iterator[Row | Problem]:
    """Read a table of separated values.

    Rows are numbered from 1 as a spreadsheet numbers them: a row with line breaks between
    quotation marks is one, and an empty line is one. A single quotation mark before ``=``, ``+``,
    ``-`` or ``@`` at the beginning of a cell keeps spreadsheet programs from computing it, and goes.

    Args:
        text: The whole table. ``sep=;`` in its first line, as Excel takes it, is obeyed.
        prefer: The delimiter to take unless the names of columns speak for another.
    """
    first = 1
    lines = io.StringIO(text, newline="")
    said = re.match(r"sep=(.)\r?\n", text)
    if said:
        lines.seek(said.end())
        first = 2
        delimiter = said[1]
    else:
        delimiter = find_delimiter(text, prefer)
    problems: list[Problem] = []
    table = _number_rows(lines, delimiter, first, problems)
    for item in Columns().read(table):
        yield item
        yield from problems
        problems.clear()
    yield from problems


def find_delimiter(text: str, prefer: str = "") -> str:
    """Tell by which of comma, tab and semicolon the cells are separated.

    The one under which a row names the columns; else the one by which most rows have equally many
    cells.
    """

    def judge(delimiter: str) -> tuple[bool, bool, float, int]:
        rows = _sample_rows(text, delimiter)
        named = any(
            {"question", "answer"} <= {find_field(cell) for cell in row} for row in rows[:5]
        )
        widths = Counter(len(row) for row in rows if row)
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        share = count / len(rows) if width > 1 else 0.0
        return named, delimiter == prefer and width > 1, share, -_DELIMITERS.index(delimiter)

    return max(_DELIMITERS, key=judge)


def _sample_rows(text: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text[: 64 << 10], newline=""), delimiter=delimiter)
    while len(rows) < _SAMPLE_ROWS:
        try:
            rows.append(next(reader))
        except StopIteration:
            break
        except csv.Error:
            continue
    return rows


class _Lines:
    """Lines that remember what was taken since the last row, so that they can be given back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._returned: list[str] = []
        self.taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._returned.pop() if self._returned else next(self._lines)
        self.taken.append(line)
        return line

    def give_back(self) -> None:
        """Return all but the first line of the last row."""
        self._returned.extend(reversed(self.taken[1:]))


def _number_rows(
    lines: Iterable[str], delimiter: str, first: int, problems: list[Problem]
) -> Iterator[tuple[int, list[str]]]:
    source = _Lines(lines)
    number = first - 1
    # Strict, or a mark that is never closed would silently join rows up to the next mark.
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    while True:
        source.taken.clear()
        number += 1
        try:
            yield number, [cell[1:] if _GUARDED.match(cell) else cell for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error:
            if any('"' in line for line in source.taken):
                what = (
                    "a quotation mark is opened and not closed at the end of its cell; close it, and "
                    "write a quotation mark inside a text twice"
                )
            else:
                what = f"a cell has more than {csv.field_size_limit():,} characters; shorten it"
            problems.append(Problem(f"row {number}", what))
            # A line that stays within an open cell does not open one by itself, so that each line
            # is read again only once.
            source.give_back()
            reader = csv.reader(source, delimiter=delimiter, strict=True)


def guard_cell(text: str) -> str:
    """Keep a spreadsheet program from taking a text for a formula; reading undoes it."""
    guarded = f"'{text}"
    return guarded if _GUARDED.match(guarded) else text
