"""`visavis records`: what the live server kept, to be taken along or deleted."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from visavis.apps.server.store import Store


def _place(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--database", metavar="URL", help="As in VISAVIS_SERVER_DATABASE."),
        click.option(
            "--data",
            type=click.Path(file_okay=False, path_type=Path),
            help="Data folder, as in VISAVIS_SERVER_DATA.",
        ),
    ):
        command = option(command)
    return command


@contextlib.asynccontextmanager
async def _open(data: Path | None, database: str | None) -> AsyncIterator[Store]:
    from visavis.apps.server.settings import load_server_settings
    from visavis.apps.server.store import open_store

    async with open_store(load_server_settings(data=data, database=database)) as store:
        yield store


@click.group("records")
def command() -> None:
    """Show, export or delete what the live server kept of sessions.

    It may run meanwhile. Opening the records deletes those older than the retention.
    """
    from visavis.core.errors import MissingExtra

    try:
        importlib.import_module("visavis.apps.server.store")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("visavis"):
            raise
        raise MissingExtra(
            f"the store needs {error.name}, which is not installed;"
            " install the extra: pip install 'visavis[live]'"
        ) from error


@command.command("show")
@_place
def show(data: Path | None, database: str | None) -> None:
    """Say where the records are, how many there are and how much room they take."""

    async def run() -> None:
        from visavis.apps.server.store.space import measure_space

        async with _open(data, database) as store:
            rows, size = await store.count(), await measure_space(store)
            click.echo(f"database   {store.where}  ({size / 1e6:.1f} MB)")
            click.echo(f"kept for   {store.retention_days} days")
            for name, number in rows.items():
                click.echo(f"{name:<11}{number}")

    asyncio.run(run())


@command.command("export")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="JSON Lines of all tables, or CSV of one.",
)
@click.option(
    "--table",
    type=click.Choice(["sessions", "turns", "feedback"]),
    default="turns",
    show_default=True,
    help="For CSV.",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Instead of stdout."
)
@_place
def export(
    form: Literal["jsonl", "csv"],
    table: Literal["sessions", "turns", "feedback"],
    output: Path | None,
    data: Path | None,
    database: str | None,
) -> None:
    """Write the records down."""
    from visavis.media.files import unwritable

    async def run() -> None:
        from visavis.apps.server.store.export import export_csv, export_json

        async with _open(data, database) as store:
            lines = export_json(store) if form == "jsonl" else export_csv(store, table)
            if output is None:
                async for line in lines:
                    sys.stdout.write(line)
                return
            # Spreadsheets take a file without this mark for something else than UTF-8.
            encoding = "utf-8-sig" if form == "csv" else "utf-8"
            with output.open(
                "w", encoding=encoding, newline=""
            ) as file:  # a file of one's own, and nobody else waits
                async for line in lines:
                    file.write(line)

    try:
        asyncio.run(run())
    except OSError as error:
        if output is None:
            raise
        raise unwritable(output, error) from error


@command.command("delete")
@click.argument("session")
@_place
def delete(session: str, data: Path | None, database: str | None) -> None:
    """Delete what is on record of one SESSION, for good."""

    async def run() -> bool:
        async with _open(data, database) as store:
            return await store.delete_session(session)

    if not asyncio.run(run()):
        raise click.ClickException(f"nothing is on record of a session {session!r}")
    click.echo(f"deleted the session {session}")


@command.command("purge")
@click.option(
    "--older-than",
    "days",
    type=click.FloatRange(min=0),
    required=True,
    metavar="DAYS",
    help="0 for everything.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_place
def purge(days: float, yes: bool, data: Path | None, database: str | None) -> None:
    """Delete records older than some days, for good: on SQLite they are overwritten."""
    if not yes:
        click.confirm(f"Delete all records older than {days:g} days for good?", abort=True)

    async def run() -> dict[str, int]:
        async with _open(data, database) as store:
            return await store.purge(time.time() - days * 86_400)

    gone = asyncio.run(run())
    click.echo("deleted " + ", ".join(f"{number} {name}" for name, number in gone.items()))
