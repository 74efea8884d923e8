"""Pairs to CSV and XLSX."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import IO, Any, TypeAlias

from visavis.core.errors import OutputUnwritable
from visavis.knowledge.base import Pair
from visavis.knowledge.importing.attachments import write_cells
from visavis.knowledge.importing.fields import Wrong, clean, read_aliases
from visavis.knowledge.importing.tables import guard_cell

MAX_CELL = 32_767
"""Characters that Excel keeps in a cell."""

_Cell: TypeAlias = str | float | bool | date
_WIDTHS = {"question": 40, "answer": 80, "aliases": 40, "source": 30, "link": 40, "id": 24}
_ALWAYS = ("question", "answer", "language", "id")
_ORDER = (
    "question", "answer", "aliases", "topic", "source", "language", "id", "emotion", "intensity",
    "sample", "valid_from", "valid_to", "link", "phone", "office", "attachments",
)  # fmt: skip


def write_csv(pairs: Sequence[Pair], table: IO[str], path: Path) -> None:
    """Write a table with the names of its columns in the first row.

    Raises:
        OutputUnwritable: A pair does not fit into cells.
    """
    writer = csv.writer(table, lineterminator="\r\n")
    columns = _choose_columns(pairs)
    writer.writerow(columns)
    for cells in _fill_cells(pairs, path):
        writer.writerow([guard_cell(_spell(cells.get(name, ""))) for name in columns])


def write_workbook(pairs: Sequence[Pair], book: IO[bytes], path: Path) -> None:
    """Write a workbook of one sheet; texts are texts and days are dates in it.

    Raises:
        OutputUnwritable: A pair does not fit into cells.
    """
    import openpyxl
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment, Font

    workbook = openpyxl.Workbook(write_only=True)
    sheet = workbook.create_sheet("pairs")
    sheet.freeze_panes = "A2"
    columns = _choose_columns(pairs)
    header = []
    for index, name in enumerate(columns):
        sheet.column_dimensions[chr(ord("A") + index)].width = _WIDTHS.get(name, 14)
        header.append(WriteOnlyCell(sheet, name))
        header[-1].font = Font(bold=True)
    sheet.append(header)
    wrapped = Alignment(wrap_text=True, vertical="top")
    for values in _fill_cells(pairs, path):
        row = []
        for name in columns:
            value = _store(values.get(name, ""))
            cell = WriteOnlyCell(sheet, value)
            if isinstance(value, str):
                # Else "=1+1" would be a formula and "#N/A" an error.
                cell.data_type = "s"
                cell.quotePrefix = guard_cell(value) != value
                cell.alignment = wrapped
            elif isinstance(value, date):
                cell.number_format = "yyyy-mm-dd"
            row.append(cell)
        sheet.append(row)
    workbook.save(book)


def _choose_columns(pairs: Sequence[Pair]) -> list[str]:
    """Return those that at least one pair needs."""
    used = {name for pair in pairs for name in _describe(pair)}
    return [name for name in _ORDER if name in used or name in _ALWAYS]


def _fill_cells(pairs: Sequence[Pair], path: Path) -> Iterator[dict[str, _Cell]]:
    for pair in pairs:
        try:
            cells = {
                name: clean(value, name) if isinstance(value, str) else value
                for name, value in _describe(pair).items()
            }
        except Wrong as error:
            raise OutputUnwritable(
                f"the pair {pair.id!r} cannot be written to {path}: {error}"
            ) from error
        longest = max(cells, key=lambda name: len(_spell(cells[name])))
        if len(_spell(cells[longest])) > MAX_CELL:
            raise OutputUnwritable(
                f"the {longest} of the pair {pair.id!r} have more than the {MAX_CELL:,} characters "
                "that a spreadsheet's cell holds; write .jsonl instead"
            )
        yield cells


def _describe(pair: Pair) -> dict[str, _Cell]:
    """Return the cells of a pair, without those that may stay empty."""
    cells: dict[str, _Cell] = {
        "question": pair.question,
        "answer": pair.answer or "null",
        "language": pair.language,
        "id": pair.id,
        "aliases": _join_aliases(pair),
        "topic": pair.topic,
        "source": pair.source,
        "emotion": pair.emotion if pair.emotion != "neutral" else "",
        "sample": pair.sample,
        **write_cells(pair.attachments),
    }
    if pair.intensity != 0.3:
        cells["intensity"] = pair.intensity
    if pair.valid_from:
        cells["valid_from"] = pair.valid_from
    if pair.valid_to:
        cells["valid_to"] = pair.valid_to
    return {name: cell for name, cell in cells.items() if cell or name == "intensity"}


def _join_aliases(pair: Pair) -> str:
    text = "\n".join(pair.aliases)
    try:
        if read_aliases({"aliases": text}, pair.question) == pair.aliases:
            return text
    except Wrong:
        pass
    return json.dumps(pair.aliases, ensure_ascii=False)


def _spell(value: _Cell) -> str:
    if isinstance(value, bool):
        return "true" if value else ""
    return value.isoformat() if isinstance(value, date) else str(value)


def _store(value: _Cell) -> Any:
    """Return what a workbook's cell is given for a value."""
    if isinstance(value, bool):
        return "true" if value else ""
    if isinstance(value, float) and float(f"{value:.15g}") != value:
        return str(value)  # a spreadsheet shows 15 digits
    if isinstance(value, date) and value.year <= 1900:
        return value.isoformat()  # where the days of spreadsheets begin
    if isinstance(value, str):
        # As the format writes an underscore that would begin an escape (ECMA-376, ST_Xstring).
        return re.sub(r"_(?=x[0-9A-Fa-f]{4}_)", "_x005F_", value)
    return value
