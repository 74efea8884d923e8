"""Everything that is kept, as JSON Lines or CSV, for whoever asks for it or goes elsewhere with it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, TypeAlias

from sqlalchemy import Table

from visavis.apps.server.store.sessions import SessionRows
from visavis.apps.server.store.tables import feedback, sessions, turns

TABLES: dict[str, Table] = {"sessions": sessions, "turns": turns, "feedback": feedback}
TableName: TypeAlias = Literal["sessions", "turns", "feedback"]
_HIDDEN = {"question_key"}


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
