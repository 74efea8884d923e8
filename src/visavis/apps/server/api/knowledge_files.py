"""A file into a base in one step, and a base as a file."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from pydantic import Field
from starlette.background import BackgroundTask

from visavis.apps.server.api.knowledge_editing import WRITE_RESPONSES, BaseName, Expected
from visavis.apps.server.errors import Conflict, RequestInvalid
from visavis.apps.server.house import House, HouseOf
from visavis.apps.server.intake import (
    ENDINGS,
    ImportOptions,
    ImportReport,
    check_ending,
    look,
    name_file,
    read_file,
    write,
)
from visavis.apps.server.uploads import Upload, describe_order, read_order, save_upload
from visavis.core.errors import Error
from visavis.knowledge.exporting.pairs import write_pairs

ACCESS = "admin"

router = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"])

Format = Literal["jsonl", "csv", "xlsx", "json", "md"]
_TYPES: dict[Format, str] = {
    "jsonl": "application/jsonl; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
}


class ImportOrder(ImportOptions):
    """How a file is taken, all in one step."""

    dry_run: bool = Field(False, description="Only tell what would be.")
    note: str = Field("", max_length=500, description="What the change is for.")


@router.post(
    "/bases/{name}/import",
    summary="Import a file",
    responses=WRITE_RESPONSES,
    openapi_extra=describe_order(
        ImportOrder,
        {"dry_run": True},
        f"Pairs or a document; its name ends in one of {', '.join(ENDINGS)}.",
    ),
)
async def import_pairs(
    house: HouseOf, request: Request, name: BaseName, expect_version: Expected = None
) -> ImportReport:
    """Put the pairs of a file (a form with `file`), or a document, into a base in one step.

    Wrong rows are left out and told. To see it first and to watch it, use `imports`.
    """
    async with read_order(request, ImportOrder) as (order, upload):
        if upload is None:
            raise RequestInvalid("there is no file; send a form with it in the field 'file'")
        with TemporaryDirectory(prefix="visavis-", ignore_cleanup_errors=True) as folder:
            saved = await save_upload(upload, Path(folder))
            check_ending(saved.shown)
            path = saved.path.rename(Path(folder) / name_file(saved.shown))
            kept = Upload(path, saved.shown)
            try:
                return await asyncio.to_thread(_import, house, name, path, order, expect_version)
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
    read = read_file(path, order, lambda done, total: None)
    if order.dry_run:
        return look(librarian, responder, name, read, order)
    return write(
        librarian, responder, name, read, order, note=order.note, expect_version=expect_version
    )
