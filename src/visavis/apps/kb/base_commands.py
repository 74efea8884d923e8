"""Commands about bases as wholes: list, show, export, versions, undo and the like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from visavis.apps.kb.opening import author, find_store, open_store, store_option
from visavis.apps.kb.showing import make_plain, print_json, print_table, shorten

if TYPE_CHECKING:
    from visavis.knowledge.store import Version


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@store_option
def list_bases(as_json: bool) -> None:
    """List the bases of the store."""
    place, there = find_store()
    if not there:
        if as_json:
            print_json({"store": place, "bases": []})
            return
        click.echo(
            f"There is no knowledge store {place} yet, so the shipped samples are answered from;"
            " `visavis kb import` makes one."
        )
        return
    with open_store() as store:
        where, found = store.where, store.bases()
    rows = [
        {
            "name": info.name,
            "title": info.title,
            "languages": list(info.languages),
            "pairs": info.pairs,
            "gaps": info.gaps,
            "documents": info.documents,
            "version": info.version,
            "changed": info.changed.isoformat(timespec="seconds"),
        }
        for info in found
    ]
    if as_json:
        print_json({"store": where, "bases": rows})
        return
    click.echo(f"store {where}")
    if not rows:
        click.echo("no base yet; `visavis kb import` makes one")
        return
    numbers = ("pairs", "gaps", "documents", "version")
    columns = ("base", "languages", *numbers, "changed", "title")
    print_table(
        columns,
        [
            (
                info.name,
                " ".join(info.languages),
                *(getattr(info, number) for number in numbers),
                info.changed.astimezone().strftime("%Y-%m-%d %H:%M"),
                info.title,
            )
            for info in found
        ],
        numbers,
    )


@click.command("show")
@click.argument("base")
@click.option("--id", "identity", help="Only the pair of this id, whole.")
@click.option("--topic", help="Only pairs of this topic.")
@click.option("--language", type=click.Choice(["zh", "en"]), help="Only pairs in it.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Pairs at most.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@store_option
def show_base(
    base: str,
    identity: str | None,
    topic: str | None,
    language: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show the pairs of BASE."""
    from visavis.knowledge.exporting.pairs import describe_pair

    with open_store() as store:
        pairs = store.load(base).pairs
    chosen = [
        pair
        for pair in pairs
        if identity in (None, pair.id)
        and topic in (None, pair.topic)
        and language in (None, pair.language)
    ]
    shown = chosen[:limit]
    if as_json:
        rows = [describe_pair(pair) for pair in shown]
        print_json({"base": base, "found": len(chosen), "pairs": rows})
        return
    if identity is not None and shown:
        for pair in shown:
            for name, value in describe_pair(pair).items():
                click.echo(f"{name:<12}{make_plain(_write(value))}")
            click.echo()
        return
    print_table(
        ("id", "", "topic", "question", "answer"),
        [
            (
                pair.id,
                pair.language,
                pair.topic,
                shorten(pair.question),
                shorten(pair.answer) or "— (a known gap)",
            )
            for pair in shown
        ],
    )
    if len(chosen) > limit:
        click.echo(f"{limit} of {len(chosen)} pairs; --limit shows more")
    elif not chosen:
        click.echo("no such pair")


def _write(value: Any) -> str:
    if value is None:
        return "— (a known gap)"
    if isinstance(value, list):
        parts = [
            f"{x['kind']}: {x.get('label', '')} {x['value']}" if isinstance(x, dict) else str(x)
            for x in value
        ]
        return "\n            ".join(" ".join(part.split()) for part in parts)
    return str(value).replace("\n", "\n            ")


@click.command("create")
@click.argument("base")
@click.option("--title", default="", help="As people read it.")
@store_option
def create_base(base: str, title: str) -> None:
    """Make the empty base BASE; `visavis kb import` does so by itself."""
    with open_store(make=True) as store:
        store.create(base, title)
    click.echo(f"made {base}")


@click.command("rename")
@click.argument("base")
@click.argument("new")
@click.option("--title", help="Another title, as people read it.")
@store_option
def rename_base(base: str, new: str, title: str | None) -> None:
    """Call BASE NEW; its history stays."""
    with open_store() as store:
        store.rename(base, new, title)
    click.echo(f"{base} is called {new}")


@click.command("delete")
@click.argument("base")
@click.option("--yes", is_flag=True, help="Do not ask.")
@store_option
def delete_base(base: str, yes: bool) -> None:
    """Delete BASE with its history, for good: this cannot be undone."""
    with open_store() as store:
        held = len(store.load(base).pairs)
        if not yes:
            click.confirm(
                f"Delete the base {base!r} with {held} pairs and its history for good?", abort=True
            )
        store.delete(base)
    click.echo(f"deleted {base}")


@click.command("export")
@click.argument("base")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--language", type=click.Choice(["zh", "en"]), help="Only pairs in it.")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@store_option
def export_base(base: str, file: Path, language: str | None, overwrite: bool) -> None:
    """Write the pairs of BASE to FILE, which ends in .jsonl, .json, .csv, .xlsx or .md.

    `visavis kb import` reads each of them back. Documents and synonyms are not in it.
    """
    from visavis.knowledge.exporting import write_pairs

    with open_store() as store:
        pairs = [pair for pair in store.load(base).pairs if language in (None, pair.language)]
    write_pairs(pairs, file, overwrite=overwrite)
    click.echo(f"wrote {len(pairs)} pairs to {file}")


@click.command("versions")
@click.argument("base")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most; the newest come first.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@store_option
def list_versions(base: str, limit: int, as_json: bool) -> None:
    """List the changes of BASE, the newest first."""
    with open_store() as store:
        found = store.versions(base, limit)
    if as_json:
        print_json([_describe(version) for version in found])
        return
    numbers = ("version", "added", "changed", "removed")
    print_table(
        ("version", "when", "author", "added", "changed", "removed", "note"),
        [
            (
                version.number,
                version.when.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
                version.author,
                version.added,
                version.changed,
                version.removed,
                version.note,
            )
            for version in found
        ],
        numbers,
    )


def _describe(version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "when": version.when.isoformat(timespec="seconds"),
        "author": version.author,
        "note": version.note,
        "added": version.added,
        "changed": version.changed,
        "removed": version.removed,
        "undoes": version.undoes,
    }


@click.command("undo")
@click.argument("base")
@store_option
def undo_change(base: str) -> None:
    """Take back the newest change of BASE; again, and it goes further back."""
    with open_store() as store:
        tell_version(base, store.undo(base, author()))


@click.command("restore")
@click.argument("base")
@click.argument("number", type=click.IntRange(0))
@store_option
def restore_version(base: str, number: int) -> None:
    """Make BASE as it was at the version NUMBER; 0 is the empty base."""
    with open_store() as store:
        tell_version(base, store.restore(base, number, author()))


def tell_version(base: str, version: Version | None) -> None:
    """Say what a change came to."""
    if version is None:
        click.echo(f"{base}: nothing differs")
        return
    click.echo(
        f"{base}: version {version.number}, {version.note}: {version.added} added,"
        f" {version.changed} changed, {version.removed} removed"
    )
