"""Files that are to go into a base: pairs or documents, read before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from visavis.core.errors import FileUnreadable, InputError
from visavis.core.types import Language
from visavis.knowledge.documents import Document, read_document
from visavis.knowledge.documents.reading import ENDINGS as DOCUMENT_ENDINGS
from visavis.knowledge.importing.pairs import ENDINGS as PAIR_ENDINGS
from visavis.knowledge.importing.pairs import Imported, read_pairs
from visavis.knowledge.importing.rows import Problem
from visavis.knowledge.store import StoredDocument, StoredPassage

Kind: TypeAlias = Literal["pairs", "document"]

_LONGEST = 500
"""Characters of a heading or a place that a store keeps."""


@dataclass(frozen=True, slots=True)
class Read:
    """A file that was read: its pairs, or its document."""

    path: Path
    pairs: Imported | None = None
    document: Document | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was left out and why, and notes."""
        found = self.pairs or self.document
        return found.problems if found is not None else ()


def tell_kind(path: Path, chosen: Kind | None = None) -> Kind:
    """Tell by its ending what a file holds; Markdown holds pairs and ``.txt`` is a document.

    Raises:
        FileUnreadable: It ends as neither does.
    """
    if chosen is not None:
        return chosen
    ending = path.suffix.lower()
    if ending in PAIR_ENDINGS and ending != ".txt":
        return "pairs"
    if ending in DOCUMENT_ENDINGS:
        return "document"
    known = ", ".join(dict.fromkeys([*PAIR_ENDINGS, *DOCUMENT_ENDINGS]))
    raise FileUnreadable(f"{path} is of no known kind; give one of {known}, or say --as")


def read_files(
    paths: Sequence[Path],
    *,
    kind: Kind | None,
    language: Language | None,
    sample: bool,
    told: Callable[[Path, int, int], None],
) -> list[Read]:
    """Read all files.

    Args:
        paths: Of the files.
        kind: What they hold, whatever their endings say.
        language: Of all that they hold.
        sample: Whether pairs are made up for demonstration.
        told: Given the file, and its rows or parts done and their total, 0 if that is not known.

    Raises:
        FileUnreadable: One cannot be read at all.
        InputError: Two documents have one name.
    """
    kinds = [tell_kind(path, kind) for path in paths]
    names = [path.name for path, one in zip(paths, kinds, strict=True) if one == "document"]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"two documents are called {twice!r}, and by its name a document is known in a base;"
            " rename one"
        )
    found: list[Read] = []
    for path, one in zip(paths, kinds, strict=True):
        if one == "pairs":
            imported = read_pairs(
                path,
                language=language,
                sample=sample,
                progress=lambda rows, path=path: told(path, rows, 0),  # type: ignore[misc]
            )
            found.append(Read(path, pairs=imported))
        else:
            document = read_document(
                path,
                language=language,
                progress=lambda done, whole, path=path: told(path, done, whole),  # type: ignore[misc]
            )
            found.append(Read(path, document=document))
    return found


def compare_document(
    document: Document, before: StoredDocument | None
) -> Literal["added", "changed", "unchanged"]:
    """Tell what putting a document into a base does to the one of its name there."""
    if before is None:
        return "added"
    then = (before.digest, before.language, before.title)
    now = (document.digest, document.language, document.title)
    return "unchanged" if then == now else "changed"


def store_document(document: Document) -> tuple[StoredDocument, list[StoredPassage]]:
    """Put a document into the form that a store takes."""
    head = StoredDocument(
        id=document.name,
        title=document.title,
        language=document.language,
        kind=document.kind,
        digest=document.digest,
    )
    passages = [
        StoredPassage(
            passage.number, passage.text, passage.place[:_LONGEST], passage.heading[:_LONGEST]
        )
        for passage in document.passages
    ]
    return head, passages
