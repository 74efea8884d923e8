"""A file that is to go into a base: what it would change there, and changing it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from visavis.apps.kb.merging import Merge, merge_pairs
from visavis.apps.kb.reading import Kind, Read, compare_document, read_files, store_document
from visavis.apps.server.errors import Conflict, RequestInvalid
from visavis.apps.server.librarian import Kept, Librarian, find_version
from visavis.core.errors import InputError
from visavis.core.types import Language
from visavis.knowledge.base import Base
from visavis.knowledge.documents.reading import ENDINGS as DOCUMENT_ENDINGS
from visavis.knowledge.documents.reading import MAX_FILE_BYTES as MAX_DOCUMENT_BYTES
from visavis.knowledge.importing.encodings import MAX_FILE_BYTES as MAX_TABLE_BYTES
from visavis.knowledge.importing.pairs import ENDINGS as PAIR_ENDINGS
from visavis.knowledge.importing.rows import Problem
from visavis.knowledge.store import UnknownBase

if TYPE_CHECKING:
    from visavis.knowledge.store import KnowledgeStore

ENDINGS = tuple(dict.fromkeys([*PAIR_ENDINGS, *DOCUMENT_ENDINGS]))
"""Of files that are taken."""

_LISTED = 200
"""Problems and duplicates that are listed; the others are counted."""
_NAME_BYTES = 200
"""Of a file's name on disk; most systems take 255."""


class ImportOptions(BaseModel):
    """How a file is taken."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind | None = Field(
        None, description="What the file holds; by its ending, .md being pairs, .txt a document."
    )
    replace: bool = Field(False, description="Remove the pairs that are not in the file.")
    language: Language | None = Field(
        None, description="Of all that it holds; by default as the file says, or found in the text."
    )
    sample: bool = Field(False, description="Mark all pairs as made up for demonstration.")
    create: bool = Field(False, description="Make the base where there is none of its name.")


class ProblemView(BaseModel):
    """Something about a file that its owner should know."""

    place: str = Field(examples=["row 12"])
    what: str
    kind: Literal["error", "note"] = Field(
        description="`error` where something was left out for it."
    )


class DuplicateView(BaseModel):
    """A row that was left out as it says what an earlier one, or the base, says."""

    place: str
    first: str
    question: str


class ImportReport(BaseModel):
    """What a file gave and what became of it."""

    base: str
    dry_run: bool
    kind: Kind = Field(description="Of the file.")
    version: int | None = Field(description="Of the base now; null for a sample in no store.")
    new_base: bool = Field(description="Whether the base is made for it.")
    copied_samples: bool
    encoding: str = Field(description="Found, such as GB18030; empty for what is no plain table.")
    title: str = Field(description="Of a document.")
    language: Language | None = Field(description="Of a document.")
    read: int = Field(description="Pairs or passages that the file gave.")
    added: int = Field(description="Pairs; of a document, the one document.")
    changed: int
    unchanged: int
    removed: int
    errors: int = Field(description="Problems for which something was left out.")
    problems: list[ProblemView] = Field(description="The first 200, errors first.")
    duplicate_rows: int
    duplicates: list[DuplicateView] = Field(description="The first 200.")


def check_ending(shown: str) -> None:
    """Refuse a file that ends as none that is taken.

    Raises:
        RequestInvalid: It is of no known kind.
    """
    if PurePosixPath(shown).suffix.lower() not in ENDINGS:
        raise RequestInvalid(f"{shown} is of no known kind; send one of {', '.join(ENDINGS)}")


def most_bytes(upload: int) -> tuple[int, int]:
    """Return the largest table and the largest document that are taken.

    Args:
        upload: Bytes of any upload.
    """
    return min(upload, MAX_TABLE_BYTES), min(upload, MAX_DOCUMENT_BYTES)


def name_file(shown: str) -> str:
    """Return a name that a file may have on disk: a document is known in its base by it."""
    path = PurePosixPath(shown)
    suffix = path.suffix
    stem = path.stem.encode()[: _NAME_BYTES - len(suffix.encode())]
    return stem.decode(errors="ignore") + suffix


def read_file(path: Path, options: ImportOptions, told: Callable[[int, int], None]) -> Read:
    """Read a file of pairs or a document.

    Args:
        path: The file, under its own name.
        options: What it is taken for.
        told: Given rows or parts done and their total, 0 if that is not known.

    Raises:
        FileUnreadable: It cannot be read at all.
    """
    (found,) = read_files(
        [path],
        kind=options.kind,
        language=options.language,
        sample=options.sample,
        told=lambda _, done, total: told(done, total),
    )
    return found


def look(
    librarian: Librarian, responder: Any, name: str, read: Read, options: ImportOptions
) -> ImportReport:
    """Tell what a file would change in a base.

    Raises:
        UnknownBase: There is none of that name, and none is to be made.
        StoreUnavailable: The database is locked or away.
    """
    new = False
    try:
        kept = librarian.read(responder, name)
    except UnknownBase:
        if not options.create:
            raise
        kept, new = Kept(Base(name, ()), 0), True
    if read.pairs is not None:
        merge = _merge(kept.base, read, options)
    else:
        store = librarian.find_store(responder)
        stored = kept.version is not None and store is not None and not new
        merge = _count_document(store if stored else None, name, read)
    return _report(name, read, merge, kept.version, dry_run=True, new=new, copied=False)


def write(
    librarian: Librarian,
    responder: Any,
    name: str,
    read: Read,
    options: ImportOptions,
    *,
    note: str = "",
    expect_version: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ImportReport:
    """Put what a file gave into a base; all of it or nothing.

    Raises:
        UnknownBase: There is none of that name, and none is to be made.
        VersionConflict: The base is at another version.
        Conflict: Rows are wrong whose pairs would be removed, or the base is not to be changed.
        Cancelled: It was stopped; nothing was written.
        StoreUnavailable: The database is locked, full or away.
    """
    store, copied = librarian.open_to_write(responder)
    new = options.create and _make_base(store, name)
    note = note or "imported a file"
    try:
        if read.document is not None:
            head, passages = store_document(read.document)
            merge = _count_document(store, name, read)
            made = store.put_document(
                name,
                head,
                passages,
                note=note,
                author="operator",
                expect_version=expect_version,
                progress=progress,
                cancelled=cancelled,
            )
        else:
            merge = Merge()

            def make(base: Base) -> Mapping[str, Any]:
                nonlocal merge
                merge = _merge(base, read, options)
                _refuse_loss(read, merge, options)
                watched = {"progress": progress, "cancelled": cancelled}
                return {"put": merge.put, "remove": merge.remove, "note": note, **watched}

            made = librarian.change(store, name, make, expect_version=expect_version)
    except BaseException:
        if new:
            with contextlib.suppress(Exception):  # what went wrong first is what is told
                if find_version(store, name) == 0:
                    store.delete(name)
        raise
    version = made.number if made is not None else find_version(store, name)
    return _report(name, read, merge, version, dry_run=False, new=new, copied=copied)


def _make_base(store: KnowledgeStore, name: str) -> bool:
    """Make a base where there is none of that name, and say whether it was."""
    if any(info.name == name for info in store.bases()):
        return False
    try:
        store.create(name)
    except InputError:
        if any(info.name == name for info in store.bases()):
            return False  # somebody else made it this moment
        raise
    return True


def _merge(base: Base, read: Read, options: ImportOptions) -> Merge:
    assert read.pairs is not None
    # A file that gave nothing empties no base: it was the wrong file.
    return merge_pairs(
        base.pairs,
        [read.pairs],
        [read.path.name],
        replacing=options.replace and bool(read.pairs.pairs),
        language=options.language,
    )


def _count_document(store: KnowledgeStore | None, name: str, read: Read) -> Merge:
    assert read.document is not None
    stored = {one.id: one for one in store.documents(name)} if store is not None else {}
    how = compare_document(read.document, stored.get(read.document.name))
    return Merge(added=how == "added", changed=how == "changed", unchanged=how == "unchanged")


def _refuse_loss(read: Read, merge: Merge, options: ImportOptions) -> None:
    problems = _list_problems(read, merge)
    wrong = sum(problem.kind == "error" for problem in problems)
    if options.replace and wrong and merge.remove:
        raise Conflict(
            f"{wrong} rows are wrong, and as pairs that are not in the file are removed, theirs"
            " would be lost, so nothing was written; correct them first"
        )


def _list_problems(read: Read, merge: Merge) -> Sequence[Problem]:
    return [*read.problems, *(problem for _, problem in merge.problems)]


def _report(
    name: str,
    read: Read,
    merge: Merge,
    version: int | None,
    *,
    dry_run: bool,
    new: bool,
    copied: bool,
) -> ImportReport:
    problems = _list_problems(read, merge)
    errors = [problem for problem in problems if problem.kind == "error"]
    notes = [problem for problem in problems if problem.kind == "note"]
    duplicates = [duplicate for _, duplicate in merge.duplicates]
    pairs, document = read.pairs, read.document
    if pairs is not None:
        duplicates = [*pairs.duplicates, *duplicates]
    return ImportReport(
        base=name,
        dry_run=dry_run,
        kind="document" if pairs is None else "pairs",
        version=version,
        new_base=new,
        copied_samples=copied,
        encoding=pairs.encoding if pairs is not None else "",
        title=document.title if document is not None else "",
        language=document.language if document is not None else None,
        read=len(pairs.pairs) if pairs is not None else len(document.passages if document else ()),
        added=merge.added,
        changed=merge.changed,
        unchanged=merge.unchanged,
        removed=len(merge.remove),
        errors=len(errors),
        problems=[
            ProblemView(place=one.place, what=one.what, kind=one.kind)
            for one in (*errors, *notes)[:_LISTED]
        ],
        duplicate_rows=len(duplicates),
        duplicates=[
            DuplicateView(place=one.place, first=one.first, question=one.question)
            for one in duplicates[:_LISTED]
        ],
    )
