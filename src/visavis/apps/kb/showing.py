"""How bases look on a terminal."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

Advance = Callable[[int, int], None]
"""Takes how much is done, and of how much; 0 where that is not known."""

_WIDTH = 200
"""Columns of a table that goes into a file or another program."""


def print_json(value: Any) -> None:
    """Print JSON as people can read it."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str] = ()
) -> None:
    """Print a table; what stands in its cells is shown as it is.

    Args:
        columns: Their names.
        rows: Cells.
        right: Columns of numbers.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(make_plain(str(cell))) for cell in row))
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table)


def make_plain(text: str) -> str:
    """Take out what would steer the terminal; line breaks stay."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def shorten(text: str, length: int = 60) -> str:
    """Put a text on one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


@contextlib.contextmanager
def show_progress(title: str) -> Iterator[Advance]:
    """Show a bar on standard error; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(
        *columns,
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    ) as bar:
        task = bar.add_task(title, total=None)

        def advance(done: int, total: int = 0) -> None:
            bar.update(task, completed=done, total=total or None)

        yield advance
