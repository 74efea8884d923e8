"""Pairs from a file into a base, and a base as a file."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask

from visavis.apps.kb.merging import Merge, merge_pairs
from visavis.apps.server.api.knowledge_editing import WRITE_RESPONSES, BaseName, Expected
from visavis.apps.server.errors import Conflict, RequestInvalid
from visavis.apps.server.house import House, HouseOf
from visavis.apps.server.librarian import find_version
from visavis.apps.server.uploads import Upload, describe_order, read_order, save_upload
from visavis.core.errors import Error
from visavis.core.types import Language
from visavis.knowledge.base import Base
from visavis.knowledge.exporting.pairs import write_pairs
from visavis.knowledge.importing.pairs import ENDINGS, Imported, read_pairs

ACCESS = "admin"

router = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"])

_LISTED = 200
"""Problems and duplicates that are listed; the others are counted."""

Format = Literal["jsonl", "csv", "xlsx", "json", "md"]
_TYPES: dict[Format, str] = {
    "jsonl": "application/jsonl; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
}


class ImportOrder(BaseModel):
    """How a file of pairs is taken."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = Field(False, description="Only tell what would be.")
    replace: bool = Field(False, description="Remove the pairs that are not in the file.")
    language: Language | None = Field(
        None, description="Of all pairs; by default as the file says, or found in the question."
    )
    sample: bool = Field(False, description="Mark all pairs as made up for demonstration.")
    note: str = Field("", max_length=500, description="What the change is for.")


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
    version: int | None = Field(description="Of the base now; null for a sample in no store.")
    copied_samples: bool
    encoding: str = Field(description="Found, such as GB18030; empty for a workbook.")
    read: int = Field(description="Pairs that the file gave.")
    added: int
    changed: int
    unchanged: int
    removed: int
    errors: int = Field(description="Problems for which something was left out.")
    problems: list[ProblemView] = Field(description="The first 200, errors first.")
    duplicate_rows: int
    duplicates: list[DuplicateView] = Field(description="The first 200.")


@router.post(
    "/bases/{name}/import",
    summary="Import pairs",
    responses=WRITE_RESPONSES,
    openapi_extra=describe_order(
        ImportOrder,
        {"dry_run": True},
        f"Pairs, at most 64 MB; its name ends in one of {', '.join(ENDINGS)}.",
    ),
)
async def import_pairs(
    house: HouseOf, request: Request, name: BaseName, expect_version: Expected = None
) -> ImportReport:
    """Put the pairs of a file (a form with `file`) into a base; wrong rows are left out and told."""
    async with read_order(request, ImportOrder) as (order, upload):
        if upload is None:
            raise RequestInvalid("there is no file; send a form with the pairs in the field 'file'")
        with TemporaryDirectory(prefix="visavis-", ignore_cleanup_errors=True) as folder:
            saved = await save_upload(upload, Path(folder), "pairs")
            ending = PurePosixPath(saved.shown).suffix.lower()
            if ending not in ENDINGS:
                raise RequestInvalid(
                    f"{saved.shown} is of no known kind; send one of {', '.join(ENDINGS)}"
                )
            kept = Upload(saved.path.rename(saved.path.with_suffix(ending)), saved.shown)
            try:
                return await asyncio.to_thread(
                    _import, house, name, kept.path, order, expect_version
                )
            except Error as error:
                raise kept.rename(error) from error.__cause__


@router.get(
    "/bases/{name}/export",
    summary="Export a base",
    responses=WRITE_RESPONSES,
    response_class=FileResponse,
)
async def export_base(house: HouseOf, name: BaseName, format: Format = "jsonl") -> FileResponse:
    """Give all pairs of a base as a file, from which importing makes the same pairs."""

    def write() -> Path:
        kept = house.librarian.read(house.cast.responder, name)
        if not kept.base.pairs:
            raise Conflict(f"the base {name!r} has no pair to export; add one first")
        folder = Path(mkdtemp(prefix="visavis-"))
        try:
            write_pairs(kept.base.pairs, folder / f"{name}.{format}")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return folder / f"{name}.{format}"

    path = await asyncio.to_thread(write)
    tidy = BackgroundTask(shutil.rmtree, path.parent, ignore_errors=True)
    return FileResponse(path, media_type=_TYPES[format], filename=path.name, background=tidy)


def _import(
    house: House, name: str, path: Path, order: ImportOrder, expect_version: int | None
) -> ImportReport:
    librarian, responder = house.librarian, house.cast.responder
    found = read_pairs(path, language=order.language, sample=order.sample)
    # A file that gave nothing empties no base: it was the wrong file.
    replacing = order.replace and bool(found.pairs)
    if order.dry_run:
        kept = librarian.read(responder, name)
        merge = merge_pairs(kept.base.pairs, [found], [path.name], replacing=replacing)
        return _report(name, order, found, merge, kept.version, copied=False)
    merge = Merge()

    def make(base: Base) -> Mapping[str, Any]:
        nonlocal merge
        merge = merge_pairs(base.pairs, [found], [path.name], replacing=replacing)
        note = order.note or "imported a file"
        return {"put": merge.put, "remove": merge.remove, "note": note}

    store, copied = librarian.open_to_write(responder)
    made = librarian.change(store, name, make, expect_version=expect_version)
    version = made.number if made is not None else find_version(store, name)
    return _report(name, order, found, merge, version, copied=copied)


def _report(
    name: str,
    order: ImportOrder,
    found: Imported,
    merge: Merge,
    version: int | None,
    *,
    copied: bool,
) -> ImportReport:
    problems = [*found.problems, *(problem for _, problem in merge.problems)]
    duplicates = [*found.duplicates, *(duplicate for _, duplicate in merge.duplicates)]
    errors = [problem for problem in problems if problem.kind == "error"]
    notes = [problem for problem in problems if problem.kind == "note"]
    return ImportReport(
        base=name,
        dry_run=order.dry_run,
        version=version,
        copied_samples=copied,
        encoding=found.encoding,
        read=len(found.pairs),
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
