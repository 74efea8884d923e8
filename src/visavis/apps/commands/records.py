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
    from visavis.apps.server.store.gaps import Gap

_KEY = 8
"""Hexadecimal digits that name a question; of a thousand, two share them once in ten thousand lists."""


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


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(at))


@contextlib.asynccontextmanager
async def _open(data: Path | None, database: str | None) -> AsyncIterator[Store]:
    from visavis.apps.server.settings import load_server_settings
    from visavis.apps.server.store import open_store

    async with open_store(load_server_settings(data=data, database=database)) as store:
        yield store


@click.group("records")
def command() -> None:
    """Show, export, answer or delete what the live server kept of sessions.

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
    type=click.Choice(["jsonl", "csv", "xlsx"]),
    default="jsonl",
    show_default=True,
    help="JSON Lines or a workbook of all tables, or CSV of one.",
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
@click.option(
    "--audio",
    "sounds",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Also copy the sound of questions there, named by session and number.",
)
@_place
def export(
    form: Literal["jsonl", "csv", "xlsx"],
    table: Literal["sessions", "turns", "feedback"],
    output: Path | None,
    sounds: Path | None,
    data: Path | None,
    database: str | None,
) -> None:
    """Write the records down."""
    from visavis.media.files import finish_or_discard, unwritable

    if form == "xlsx" and output is None:
        raise click.UsageError("a workbook is a file; name it with --output")

    async def run() -> None:
        from visavis.apps.server.store.export import export_csv, export_json, export_workbook

        async with _open(data, database) as store:
            if sounds is not None:
                count = await asyncio.to_thread(_copy_sounds, store, sounds)
                click.echo(f"{count} recordings copied to {sounds}", err=True)
            if form == "xlsx":
                assert output is not None
                with (
                    finish_or_discard(output) as part,
                    part.open("wb") as book,
                ):  # nobody else waits
                    await export_workbook(store, book)
                return
            lines = export_json(store) if form == "jsonl" else export_csv(store, table)
            if output is None:
                async for line in lines:
                    sys.stdout.write(line)
                return
            # Spreadsheets take a file without this mark for something else than UTF-8.
            encoding = "utf-8-sig" if form == "csv" else "utf-8"
            with (
                finish_or_discard(output) as part,
                part.open("w", encoding=encoding, newline="") as file,  # nobody else waits
            ):
                async for line in lines:
                    file.write(line)

    try:
        asyncio.run(run())
    except OSError as error:
        if output is None:
            raise
        raise unwritable(output, error) from error


def _copy_sounds(store: Store, folder: Path) -> int:
    from visavis.media.files import finish_or_discard, unwritable

    kept = store.sounds.list_kept()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise unwritable(folder, error) from error
    count = 0
    for one in kept:
        # What is deleted meanwhile shall not be taken along.
        with contextlib.suppress(FileNotFoundError):
            sound = one.path.read_bytes()
            with finish_or_discard(folder / one.path.name) as part:
                part.chmod(0o600)
                part.write_bytes(sound)
            count += 1
    return count


@command.command("unanswered")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="Rows at most.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_place
def unanswered(limit: int, as_json: bool, data: Path | None, database: str | None) -> None:
    """List what was asked and not answered, what was asked most first.

    Questions that are alike are one row; `visavis records answer` takes its key.
    """
    import dataclasses

    from visavis.apps.kb.showing import print_json, print_table

    async def run() -> list[Gap]:
        async with _open(data, database) as store:
            return await store.list_gaps(limit=limit)

    gaps = asyncio.run(run())
    if as_json:
        print_json([dataclasses.asdict(gap) for gap in gaps])
    elif gaps:
        print_table(
            ("key", "asked", "last", "question", "nearest"),
            [(gap.keys[0][:_KEY], gap.count, _day(gap.last), gap.question, gap.nearest) for gap in gaps],
            ("asked",),
        )  # fmt: skip
    else:
        click.echo("no question is unanswered")


@command.command("answer")
@click.argument("key")
@click.argument("answer")
@click.option("--base", required=True, help="That the pair goes into.")
@click.option("--question", help="Instead of the wording that was asked most.")
@click.option("--wordings", is_flag=True, help="Take the other wordings as further ways to ask it.")
@_place
@click.pass_context
def answer(
    context: click.Context,
    key: str,
    answer: str,
    base: str,
    question: str | None,
    wordings: bool,
    data: Path | None,
    database: str | None,
) -> None:
    """Make a pair of an unanswered question and ANSWER, and mark the question as done.

    KEY is that of `visavis records unanswered`. The pair goes into the store of `visavis kb`.
    """
    from visavis.apps.kb.pair_commands import add_pair

    async def find() -> list[Gap]:
        async with _open(data, database) as store:
            gaps = await store.list_gaps(limit=1_000)
        return [gap for gap in gaps if any(one.startswith(key) for one in gap.keys)]

    async def mark(gap: Gap) -> None:
        async with _open(data, database) as store:
            await store.review(gap.keys, "done")

    found = asyncio.run(find()) if len(key) >= _KEY else []
    if len(found) != 1:
        raise click.ClickException(
            f"no unanswered question has the key {key!r}; see `visavis records unanswered`"
        )
    gap = found[0]
    asked = question or gap.question
    others = tuple(text for text in (gap.question, *gap.wordings) if text != asked)
    context.invoke(
        add_pair,
        base=base,
        question=asked,
        answer=answer,
        aliases=others if wordings else (),
        note="answered an unanswered question",
    )
    asyncio.run(mark(gap))


@command.command("delete")
@click.argument("session")
@click.option(
    "--question",
    "number",
    type=click.IntRange(1),
    metavar="NUMBER",
    help="Only this one of the session, by its number in an export.",
)
@_place
def delete(session: str, number: int | None, data: Path | None, database: str | None) -> None:
    """Delete what is on record of one SESSION, or of one question of it, for good."""

    async def run() -> bool:
        async with _open(data, database) as store:
            if number is not None:
                return await store.delete_turn(session, number)
            return await store.delete_session(session)

    what = f"the session {session}" if number is None else f"question {number} of the session {session}"  # fmt: skip
    if not asyncio.run(run()):
        raise click.ClickException(f"nothing is on record of {what}")
    click.echo(f"deleted {what}")


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
