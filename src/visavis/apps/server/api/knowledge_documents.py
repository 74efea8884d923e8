"""Documents of a base: listed, read passage by passage, taken out."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from visavis.apps.server.api.knowledge_editing import (
    WRITE_RESPONSES,
    BaseName,
    Expected,
    Note,
    Written,
    view_change,
)
from visavis.apps.server.house import House, HouseOf
from visavis.core.types import Language
from visavis.knowledge.store import DocumentInfo, KnowledgeStore

ACCESS = "admin"

router = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"])

DocumentId = Annotated[str, Path(max_length=500, examples=["handbook.pdf"])]


class DocumentView(BaseModel):
    """A document of a base, without its text."""

    id: str = Field(description="Unique in its base: the file's name.")
    title: str = Field(description="What an answer cites.")
    language: Language
    kind: str = Field(examples=["pdf"])
    source: str
    passages: int
    changed: datetime = Field(description="When it came or changed last.")


class DocumentList(BaseModel):
    """The documents of a base, in the order in which they came."""

    version: int | None
    total: int
    documents: list[DocumentView]


class PassageView(BaseModel):
    """A piece of a document that can be found and cited."""

    number: int = Field(description="From 0, in reading order.")
    text: str
    place: str = Field(examples=["page 3"])
    heading: str


class PassageList(BaseModel):
    """Some passages of a document."""

    total: int
    passages: list[PassageView]


@router.get("/bases/{name}/documents", summary="List documents", responses=WRITE_RESPONSES)
async def list_documents(
    house: HouseOf,
    name: BaseName,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> DocumentList:
    """List the documents of a base; a sample that is in no store has none."""

    def look() -> DocumentList:
        store = _find(house, name)
        found: list[DocumentInfo] = store.describe_documents(name) if store is not None else []
        version = None if store is None else house.librarian.read_stored(store, name).version
        return DocumentList(
            version=version,
            total=len(found),
            documents=[_view_document(one) for one in found[offset : offset + limit]],
        )

    return await asyncio.to_thread(look)


@router.get(
    "/bases/{name}/passages/{document:path}", summary="Read a document", responses=WRITE_RESPONSES
)
async def list_passages(
    house: HouseOf,
    name: BaseName,
    document: DocumentId,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> PassageList:
    """List the passages of a document, as they are found and cited."""

    def look() -> PassageList:
        store = _find(house, name)
        if store is None:
            return PassageList(total=0, passages=[])
        found = store.passages(name, document)
        return PassageList(
            total=len(found),
            passages=[
                PassageView(number=one.number, text=one.text, place=one.place, heading=one.heading)
                for one in found[offset : offset + limit]
            ],
        )

    return await asyncio.to_thread(look)


@router.delete(
    "/bases/{name}/documents/{document:path}",
    summary="Remove a document",
    responses=WRITE_RESPONSES,
)
async def remove_document(
    house: HouseOf,
    name: BaseName,
    document: DocumentId,
    expect_version: Expected = None,
    note: Note = "",
) -> Written:
    """Take a document and its passages out of a base; `undo` brings it back."""

    def work() -> Written:
        house.librarian.read(house.cast.responder, name)
        store, copied = house.librarian.open_to_write(house.cast.responder)
        made = store.delete_document(
            name,
            document,
            note=note or f"removed {document}"[:500],
            author="operator",
            expect_version=expect_version,
        )
        return view_change(store, name, made, copied=copied)

    return await asyncio.to_thread(work)


def _find(house: House, name: str) -> KnowledgeStore | None:
    """Return the store that has a base; None where it is a sample that is in none.

    Raises:
        UnknownBase: There is no such base.
        StoreUnavailable: The database is locked or away.
    """
    kept = house.librarian.read(house.cast.responder, name)
    return None if kept.version is None else house.librarian.find_store(house.cast.responder)


def _view_document(info: DocumentInfo) -> DocumentView:
    one = info.document
    return DocumentView(
        id=one.id,
        title=one.title,
        language=one.language,
        kind=one.kind,
        source=one.source,
        passages=info.passages,
        changed=info.changed,
    )
