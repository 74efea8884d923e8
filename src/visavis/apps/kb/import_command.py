"""`visavis kb import`: files of pairs or documents into a base."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from visavis.apps.kb.opening import author, find_base, find_store, open_store, store_option
from visavis.apps.kb.showing import print_json, show_progress
from visavis.apps.kb.stopping import stop_between_steps

if TYPE_CHECKING:
    from visavis.apps.kb.merging import Merge
    from visavis.apps.kb.reading import Read
    from visavis.knowledge.base import Pair
    from visavis.knowledge.store import BaseInfo, KnowledgeStore, StoredDocument

_LISTED = 20
"""Problems of a file that are printed; ``--json`` has all."""


@click.command("import")
@click.argument("base")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option(
    "--as",
    "kind",
    type=click.Choice(["pairs", "document"]),
    help="What the files hold; by their endings, .md being pairs and .txt a document.",
)
@click.option("--language", type=click.Choice(["zh", "en"]), help="Of all that the files hold.")
@click.option("--replace", is_flag=True, help="Take out pairs of the base that no file has (with --language, of that language).")  # fmt: skip
@click.option("--strict", is_flag=True, help="Write nothing where a single row is wrong.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--sample", is_flag=True, help="Mark the pairs as made up for demonstration.")
@click.option("--vectors/--no-vectors", default=True, help="Make the vectors at once, or leave it to whoever asks first.")  # fmt: skip
@click.option("--note", default="", help="What for; shown in the list of versions.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@store_option
def import_files(
    base: str,
    files: tuple[Path, ...],
    kind: Any,
    language: Any,
    replace: bool,
    strict: bool,
    dry_run: bool,
    sample: bool,
    vectors: bool,
    note: str,
    as_json: bool,
) -> None:
    """Put the pairs and documents of FILEs into BASE, which is made if need be.

    Pairs come from CSV, TSV, XLSX, JSON, JSON Lines and Markdown, documents from PDF, DOCX, HTML, TXT
    and Markdown. Rows that are wrong are left out and told, by their place in the file. A pair
    replaces the one with its id; without an id it is known by its question. All pairs together are
    one version of the base and each document is one, which comes in whole or not at all; `visavis kb
    undo` takes them back one by one. Once a store holds an answer, the shipped samples give none.
    """
    from visavis.apps.kb.merging import merge_pairs
    from visavis.apps.kb.reading import read_files
    from visavis.core.errors import InputError

    with show_progress("reading") as advance:
        read = read_files(
            files,
            kind=kind,
            language=language,
            sample=sample,
            told=lambda path, done, total: advance(done, total),
        )
    info, stored, papers = _look(base, any(one.pairs for one in read))
    tables = [one for one in read if one.pairs is not None]
    merge = merge_pairs(
        stored,
        [one.pairs for one in tables if one.pairs is not None],
        [one.path.name for one in tables],
        replacing=replace and bool(tables),
        language=language,
    )
    result = _describe(base, read, tables, merge, papers, dry_run)
    brings = any(one.document for one in read) or any(not pair.is_gap for pair in merge.put)
    result["ends_samples"] = brings and not _has_answers()
    refusal = _refuse(result, merge, strict, replace and bool(tables))
    if refusal or dry_run:
        _tell(result, as_json, "would come" if dry_run else "")
        if refusal:
            raise InputError(refusal)
        return
    note = note or "import of " + ", ".join(path.name for path in files)
    with open_store(make=True) as store:
        with stop_between_steps() as stopped:
            result["version"] = _write(store, base, info, merge, read, note[:500], stopped)
        _tell(result, as_json, "came")
        if vectors:
            _make_vectors(store, base, stopped)


def _look(
    name: str, with_pairs: bool
) -> tuple[BaseInfo | None, Sequence[Pair], dict[str, StoredDocument]]:
    """Read what the base holds now; a store that is not there is not made."""
    if not find_store()[1]:
        return None, (), {}
    with open_store() as store:
        info = find_base(store, name)
        if info is None:
            return None, (), {}
        pairs = store.load(name).pairs if with_pairs else ()
        return info, pairs, {document.id: document for document in store.documents(name)}


def _has_answers() -> bool:
    """Whether anything in the store is answered from; while nothing is, the samples are."""
    if not find_store()[1]:
        return False
    with open_store() as store:
        return any(info.pairs or store.documents(info.name) for info in store.bases())


def _describe(
    base: str,
    read: Sequence[Read],
    tables: Sequence[Read],
    merge: Merge,
    papers: dict[str, StoredDocument],
    dry_run: bool,
) -> dict[str, Any]:
    from visavis.apps.kb.reading import compare_document

    files: list[dict[str, Any]] = []
    added, changed, unchanged = merge.added, merge.changed, merge.unchanged
    for one in read:
        problems = list(one.problems)
        row: dict[str, Any] = {"file": str(one.path)}
        if one.pairs is not None:
            number = tables.index(one)
            problems += [problem for index, problem in merge.problems if index == number]
            twice = [
                *one.pairs.duplicates,
                *(d for index, d in merge.duplicates if index == number),
            ]
            row |= {
                "kind": "pairs",
                "encoding": one.pairs.encoding,
                "pairs": len(one.pairs.pairs),
                "duplicates": [
                    {"place": d.place, "first": d.first, "question": d.question} for d in twice
                ],
            }
        elif one.document is not None:
            document = one.document
            how = compare_document(document, papers.get(document.name))
            added += how == "added"
            unchanged += how == "unchanged"
            changed += how == "changed"
            row |= {
                "kind": document.kind,
                "title": document.title,
                "language": document.language,
                "passages": len(document.passages),
            }
        row["problems"] = [{"place": p.place, "what": p.what, "kind": p.kind} for p in problems]
        files.append(row)
    wrong = sum(problem["kind"] == "error" for row in files for problem in row["problems"])
    return {
        "base": base,
        "dry_run": dry_run,
        "added": added,
        "changed": changed,
        "unchanged": unchanged,
        "removed": len(merge.remove),
        "left_out": wrong,
        "version": None,
        "files": files,
    }


def _refuse(result: dict[str, Any], merge: Merge, strict: bool, replacing: bool) -> str:
    """Say why nothing may be written; empty where it may."""
    wrong = result["left_out"]
    empty = [row["file"] for row in result["files"] if row.get("pairs") == 0]
    if empty:
        return f"{empty[0]} gives no pair, so nothing was written; correct what was told above"
    if wrong and strict:
        return f"{wrong} rows are wrong and --strict was asked for, so nothing was written"
    if wrong and replacing:
        return (
            f"{wrong} rows are wrong, and with --replace their pairs would be taken out of the base,"
            " so nothing was written; correct them first"
        )
    return ""


def _write(
    store: KnowledgeStore,
    name: str,
    known: BaseInfo | None,
    merge: Merge,
    read: Sequence[Read],
    note: str,
    stopped: Callable[[], bool],
) -> int:
    """Write the pairs, then the documents; a base that was made for nothing goes again."""
    from visavis.apps.kb.reading import store_document

    if known is None:
        store.create(name)
    version = known.version if known is not None else 0
    try:
        if merge.put or merge.remove:
            with show_progress("writing") as advance:
                made = store.change(
                    name,
                    put=merge.put,
                    remove=merge.remove,
                    note=note,
                    author=author(),
                    expect_version=version,
                    progress=advance,
                    cancelled=stopped,
                )
            version = made.number if made is not None else version
        for one in read:
            if one.document is None:
                continue
            head, passages = store_document(one.document)
            made = store.put_document(
                name, head, passages, note=note, author=author(), cancelled=stopped
            )
            version = made.number if made is not None else version
    except Exception:
        if known is None and version == 0:
            store.delete(name)
        raise
    return version


def _make_vectors(store: KnowledgeStore, name: str, stopped: Callable[[], bool]) -> None:
    from visavis.apps.kb.encoding import make_vectors
    from visavis.core.errors import Error

    rest = "they are made when somebody asks, or by the next import"
    try:
        if stopped():
            raise KeyboardInterrupt
        with show_progress("making vectors") as advance:
            make_vectors(store, name, advance)
    except KeyboardInterrupt:
        click.echo(f"stopped: everything is in the base; some vectors are not, {rest}", err=True)
        sys.exit(130)
    except Error as error:
        click.echo(f"warning: everything is in the base, but not its vectors: {error}; {rest}", err=True)  # fmt: skip


def _tell(result: dict[str, Any], as_json: bool, verb: str) -> None:
    if as_json:
        print_json(result)
        return
    for row in result["files"]:
        if row["kind"] == "pairs":
            how = f", {row['encoding']}" if row["encoding"] else ""
            click.echo(f"{row['file']}: {row['pairs']} pairs{how}")
        else:
            click.echo(f"{row['file']}: {row['passages']} passages of {row['title']!r} ({row['kind']}, {row['language']})")  # fmt: skip
        lines = [
            f"{'' if p['kind'] == 'error' else 'note: '}{p['place']}: {p['what']}"
            for p in sorted(row["problems"], key=lambda p: str(p["kind"]))
        ]
        twice = [f"duplicate: {d['place']}: as {d['first']}" for d in row.get("duplicates", ())]
        for group in (lines, twice):
            for line in group[:_LISTED]:
                click.echo(f"  {line}")
            if len(group) > _LISTED:
                click.echo(f"  … and {len(group) - _LISTED} more; --json lists all")
    if not verb:
        return
    counts = ", ".join(f"{result[name]} {name}" for name in ("added", "changed", "unchanged", "removed"))  # fmt: skip
    told = f"nothing was written; to {result['base']} {verb}" if result["dry_run"] else result["base"]  # fmt: skip
    version = f" (version {result['version']})" if result["version"] is not None else ""
    click.echo(f"{told}: {counts}{version}")
    if result["ends_samples"]:
        what = "would be" if result["dry_run"] else "is"
        click.echo(f"note: this {what} the first content of the store; the shipped samples give no more answers", err=True)  # fmt: skip
    if result["left_out"]:
        click.echo(f"warning: {result['left_out']} rows are wrong and left out", err=True)
