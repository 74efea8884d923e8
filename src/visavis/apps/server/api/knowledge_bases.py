"""Bases as wholes: renamed, deleted, and the words that mean the same in them."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from visavis.apps.server.api.knowledge_editing import (
    WRITE_RESPONSES,
    BaseName,
    Expected,
    Note,
    Written,
    view_change,
)
from visavis.apps.server.errors import Conflict
from visavis.apps.server.house import House, HouseOf
from visavis.apps.server.librarian import find_version
from visavis.knowledge.store import KnowledgeStore, VersionConflict

ACCESS = "admin"

router = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"])

Word = Annotated[str, Field(min_length=1, max_length=100)]
Group = Annotated[list[Word], Field(min_length=2, max_length=100)]


class BaseChange(BaseModel):
    """What a base shall be called."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, max_length=64, description="Of a-z, 0-9, '.', '_' and '-'.")
    title: str | None = Field(None, max_length=500, description="As people read it.")


class Renamed(BaseModel):
    """What a base is called now."""

    name: str
    title: str
    copied_samples: bool


class Deleted(BaseModel):
    """What went with a base."""

    base: str
    pairs: int = Field(description="Known gaps too.")
    documents: int
    copied_samples: bool
    answers_from_samples: bool = Field(
        description="Whether no base with an answer is left, so that the samples are answered from."
    )


class SynonymGroups(BaseModel):
    """Groups of words that mean the same in a base; the first of each is what the others become."""

    model_config = ConfigDict(extra="forbid")

    groups: list[Group] = Field(max_length=10_000, examples=[[["residence permit", "living card"]]])


class KeptSynonyms(BaseModel):
    """The synonyms of a base as it is now."""

    version: int | None
    groups: list[list[str]]


@router.patch("/bases/{name}", summary="Rename a base", responses=WRITE_RESPONSES)
async def rename_base(house: HouseOf, name: BaseName, order: BaseChange) -> Renamed:
    """Give a base another name or title; its content and history stay."""

    def work() -> Renamed:
        new = order.name or name
        if new != name:
            _refuse_named(house, name)
        store, copied = _open(house, name)
        store.rename(name, new, order.title)
        title = next((info.title for info in store.bases() if info.name == new), "")
        return Renamed(name=new, title=title, copied_samples=copied)

    return await asyncio.to_thread(work)


@router.delete("/bases/{name}", summary="Delete a base", responses=WRITE_RESPONSES)
async def delete_base(house: HouseOf, name: BaseName, expect_version: Expected = None) -> Deleted:
    """Delete a base with its documents and its history, for good: this cannot be undone."""

    def work() -> Deleted:
        _refuse_named(house, name)
        store, copied = _open(house, name)
        version = find_version(store, name)
        if expect_version is not None and version != expect_version:
            raise VersionConflict(
                f"the base {name!r} is at version {version}, not {expect_version}: somebody changed"
                " it meanwhile; look at it again before you delete it"
            )
        gone = next(info for info in store.bases() if info.name == name)
        store.delete(name)
        left = any(info.pairs for info in store.bases())
        return Deleted(
            base=name,
            pairs=gone.pairs + gone.gaps,
            documents=gone.documents,
            copied_samples=copied,
            answers_from_samples=not left,
        )

    return await asyncio.to_thread(work)


@router.get("/bases/{name}/synonyms", summary="List synonyms", responses=WRITE_RESPONSES)
async def list_synonyms(house: HouseOf, name: BaseName) -> KeptSynonyms:
    """List the groups of words that mean the same in a base."""

    def look() -> KeptSynonyms:
        kept = house.librarian.read(house.cast.responder, name)
        return KeptSynonyms(
            version=kept.version, groups=[list(group) for group in kept.base.synonyms]
        )

    return await asyncio.to_thread(look)


@router.put("/bases/{name}/synonyms", summary="Set synonyms", responses=WRITE_RESPONSES)
async def set_synonyms(
    house: HouseOf,
    name: BaseName,
    order: SynonymGroups,
    expect_version: Expected = None,
    note: Note = "",
) -> Written:
    """Replace all groups of a base, as one version that `undo` takes back."""

    def work() -> Written:
        store, copied = _open(house, name)
        made = store.set_synonyms(
            name,
            [
                list(dict.fromkeys(" ".join(word.split()) for word in group))
                for group in order.groups
            ],
            note or "changed the synonyms",
            "operator",
            expect_version,
        )
        return view_change(store, name, made, copied=copied)

    return await asyncio.to_thread(work)


def _open(house: House, name: str) -> tuple[KnowledgeStore, bool]:
    """Open the store to change a base that is there; nothing is copied for one that is not."""
    house.librarian.read(house.cast.responder, name)
    return house.librarian.open_to_write(house.cast.responder)


def _refuse_named(house: House, name: str) -> None:
    """Refuse what would leave the server without a base that it was told to answer from.

    Raises:
        Conflict: The setting names the base.
    """
    knowledge = getattr(house.cast.responder, "knowledge", None)
    if knowledge is not None and name in knowledge.only:
        raise Conflict(
            f"VISAVIS_BASES names the base {name!r}, and without it the server would not start;"
            " change that setting first"
        )
