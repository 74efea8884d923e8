"""Imports in two steps: a file is read and looked at, then written; each can be watched and stopped."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path as FilePath
from tempfile import mkdtemp
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from visavis.apps.server.api.knowledge_editing import WRITE_RESPONSES, Expected
from visavis.apps.server.errors import Conflict, ErrorDetail, RequestInvalid
from visavis.apps.server.house import House, HouseOf
from visavis.apps.server.imports import Import, State
from visavis.apps.server.intake import (
    ENDINGS,
    ImportOptions,
    ImportReport,
    check_ending,
    name_file,
)
from visavis.apps.server.uploads import Upload, describe_order, read_order, save_upload
from visavis.core.errors import Error

ACCESS = "admin"

router = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"])

ImportId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
NewName = Annotated[
    str,
    Path(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$",
        description="Of a-z, 0-9, '.', '_' and '-'.",
        examples=["government_en"],
    ),
]


class ImportView(BaseModel):
    """A file on its way into a base."""

    id: str
    base: str
    file: str
    options: ImportOptions
    state: State = Field(
        description=(
            "`waiting` for its turn, `reading`, `ready` to be written, `writing`, `done`, `failed`"
            " where the file cannot be read, `cancelled`"
        )
    )
    done: int = Field(description="Rows, parts or entries done.")
    total: int = Field(description="Of how many; 0 where that is not known.")
    report: ImportReport | None = Field(
        description="What it would change; what it changed once `done`."
    )
    problem: ErrorDetail | None = Field(
        description="Why it failed, or why it was not written when that was asked last."
    )
    searched: bool = Field(description="Answers come from all that was written.")


class ImportList(BaseModel):
    """What is held, newest first."""

    imports: list[ImportView]


@router.post(
    "/bases/{name}/imports",
    status_code=202,
    summary="Look at a file before it is imported",
    responses=WRITE_RESPONSES,
    openapi_extra=describe_order(
        ImportOptions,
        {"create": True},
        f"Pairs or a document; its name ends in one of {', '.join(ENDINGS)}.",
    ),
)
async def begin_import(house: HouseOf, request: Request, name: NewName) -> ImportView:
    """Read a file (a form with `file`) and tell what it would change; nothing is written yet."""
    if reason := await asyncio.to_thread(lambda: house.librarian.why_not(house.cast.responder)):
        raise Conflict(reason)
    house.imports.check_room()
    async with read_order(request, ImportOptions) as (options, upload):
        if upload is None:
            raise RequestInvalid("there is no file; send a form with it in the field 'file'")
        folder = FilePath(mkdtemp(prefix="visavis-"))
        try:
            saved = await save_upload(upload, folder)
            check_ending(saved.shown)
            path = saved.path.rename(folder / name_file(saved.shown))
            begun = house.imports.begin(house, name, Upload(path, saved.shown), options)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return view_import(begun)


@router.get("/imports", summary="List imports")
async def list_imports(house: HouseOf) -> ImportList:
    """List the imports that are held: those at work, and the last three others."""
    return ImportList(imports=[view_import(one) for one in house.imports.list()])


@router.get("/imports/{id}", summary="Look at an import", responses=WRITE_RESPONSES)
async def show_import(house: HouseOf, id: ImportId) -> ImportView:
    """Tell how far an import is and what it changes."""
    found = house.imports.get(id)
    searched = found.state == "done" and await asyncio.to_thread(_is_searched, house, found)
    return view_import(found, searched=searched)


@router.post(
    "/imports/{id}/write", status_code=202, summary="Write an import", responses=WRITE_RESPONSES
)
async def write_import(house: HouseOf, id: ImportId, expect_version: Expected = None) -> ImportView:
    """Begin to write what was looked at: all of it or nothing. It is `ready` again where it fails."""
    return view_import(house.imports.write(house, id, expect_version))


@router.delete("/imports/{id}", summary="Stop an import", responses=WRITE_RESPONSES)
async def stop_import(house: HouseOf, id: ImportId) -> ImportView:
    """Stop an import and forget it; `done` where it was written all the same."""
    return view_import(await house.imports.drop(id))


def view_import(held: Import, *, searched: bool = False) -> ImportView:
    """Show an import."""
    return ImportView(
        id=held.id,
        base=held.base,
        file=held.file,
        options=held.options,
        state=held.state,
        done=held.done,
        total=held.total,
        report=held.report,
        problem=held.problem,
        searched=searched,
    )


def _is_searched(house: House, held: Import) -> bool:
    """Whether answers come from what an import wrote; a database that is away says no."""
    responder: Any = house.cast.responder
    store = house.librarian.find_store(responder)
    if store is None or held.report is None:
        return False
    bases = responder.bases  # looking makes the index follow the store
    try:
        if held.report.kind == "document":
            fingerprint = responder.knowledge.encoder.fingerprint
            return store.count_missing(fingerprint, [held.base]) == 0
        digest = house.librarian.read_stored(store, held.base).base.digest
    except Error:
        return False
    return any(base.name == held.base and base.digest == digest for base in bases)
