"""Everything that is kept, as JSON Lines, CSV or a workbook, for whoever goes elsewhere with it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import IO, Any, Literal, TypeAlias

from sqlalchemy import Table

from visavis.apps.server.store.sessions import SessionRows
from visavis.apps.server.store.tables import feedback, sessions, turns
from visavis.core.errors import OutputUnwritable

TABLES: dict[str, Table] = {"sessions": sessions, "turns": turns, "feedback": feedback}
TableName: TypeAlias = Literal["sessions", "turns", "feedback"]
_HIDDEN = {"question_key"}
_TIMES = {"created", "ended", "time"}
MAX_ROWS = 1_048_576
"""Of a sheet, its header included."""


async def export_json(store: SessionRows) -> AsyncIterator[str]:
    """Give one JSON object a line, its table named in ``table``; sessions come first."""
    for name, table in TABLES.items():
        async for row in store.walk(table):
            shown = {key: value for key, value in row.items() if key not in _HIDDEN}
            yield json.dumps({"table": name, **shown}, ensure_ascii=False) + "\n"


async def export_csv(store: SessionRows, name: TableName) -> AsyncIterator[str]:
    """Give one table as CSV, a line at a time, its header first."""
    table = TABLES[name]
    columns = [column.name for column in table.columns if column.name not in _HIDDEN]
    yield write_line(columns)
    async for row in store.walk(table):
        yield write_line([row[column] for column in columns])


async def export_workbook(store: SessionRows, book: IO[bytes]) -> None:
    """Write a workbook with a sheet for each table; times are UTC, and no text is run as a formula.

    Raises:
        OutputUnwritable: A table has more rows than a sheet holds.
    """
    import openpyxl
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    workbook = openpyxl.Workbook(write_only=True)
    for name, table in TABLES.items():
        sheet = workbook.create_sheet(name)
        sheet.freeze_panes = "A2"
        columns = [column.name for column in table.columns if column.name not in _HIDDEN]
        sheet.append(columns)
        number = 1
        async for row in store.walk(table):
            number += 1
            if number > MAX_ROWS:
                raise OutputUnwritable(
                    f"there are more {name} than the {MAX_ROWS:,} rows of a sheet; export CSV"
                )
            cells = []
            for column in columns:
                value = row[column]
                if isinstance(value, float) and column in _TIMES:
                    value = datetime.fromtimestamp(value, UTC).replace(microsecond=0, tzinfo=None)
                if isinstance(value, str):
                    value = ILLEGAL_CHARACTERS_RE.sub(" ", value)
                cell = WriteOnlyCell(sheet, value)
                if isinstance(value, str):
                    # Else "=1+1" would be a formula.
                    cell.data_type = "s"
                cells.append(cell)
            sheet.append(cells)
    await asyncio.to_thread(workbook.save, book)


def write_line(values: Sequence[Any]) -> str:
    """Write one line of CSV.

    Texts that a spreadsheet would run as a formula get an apostrophe before them: questions are
    written by strangers.
    """
    out = io.StringIO()
    csv.writer(out).writerow([_disarm(value) for value in values])
    return out.getvalue()


def _disarm(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
