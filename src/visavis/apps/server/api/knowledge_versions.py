"""Changes of a base: listed, and taken back."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from visavis.apps.server.api.knowledge_editing import (
    WRITE_RESPONSES,
    BaseName,
    Expected,
    Written,
    view_change,
)
from visavis.apps.server.errors import Conflict
from visavis.apps.server.house import House, HouseOf
from visavis.knowledge.store import KnowledgeStore, Version

ACCESS = "admin"

router = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"])


class RestoreOrder(BaseModel):
    """Which version a base shall be as."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=0, description="0 for the empty base.")


class VersionView(BaseModel):
    """One change of a base."""

    number: int
    when: datetime
    author: str
    note: str
    added: int
    changed: int
    removed: int
    undoes: int | None = Field(description="Version that it took back.")


class VersionList(BaseModel):
    """Newest first."""

    version: int = Field(description="Of the base now.")
    versions: list[VersionView]


@router.get("/bases/{name}/versions", summary="List versions", responses=WRITE_RESPONSES)
async def list_versions(
    house: HouseOf, name: BaseName, limit: Annotated[int, Query(ge=1, le=1_000)] = 50
) -> VersionList:
    """List the changes of a base, newest first; a sample that is in no store has none."""

    def look() -> VersionList:
        store = house.librarian.find_store(house.cast.responder)
        if store is None or not house.librarian.holds_content(house.cast.responder):
            house.librarian.read(house.cast.responder, name)
            return VersionList(version=0, versions=[])
        found = store.versions(name, limit)
        return VersionList(
            version=found[0].number if found else 0, versions=[_view_version(one) for one in found]
        )

    return await asyncio.to_thread(look)


@router.post("/bases/{name}/undo", summary="Undo", responses=WRITE_RESPONSES)
async def undo(house: HouseOf, name: BaseName, expect_version: Expected = None) -> Written:
    """Take back the newest change that was not taken back yet; called again it goes further back."""

    def work() -> Written:
        store = _open_history(house, name)
        made = store.undo(name, "operator", expect_version)
        return view_change(store, name, made, copied=False)

    return await asyncio.to_thread(work)


@router.post("/bases/{name}/restore", summary="Restore a version", responses=WRITE_RESPONSES)
async def restore(
    house: HouseOf, name: BaseName, order: RestoreOrder, expect_version: Expected = None
) -> Written:
    """Make a base as it was at a version, as a new version."""

    def work() -> Written:
        store = _open_history(house, name)
        made = store.restore(name, order.version, "operator", expect_version)
        return view_change(store, name, made, copied=False)

    return await asyncio.to_thread(work)


def _open_history(house: House, name: str) -> KnowledgeStore:
    """Return the store, if it holds a history: copying the samples is no change to take back."""
    if not house.librarian.holds_content(house.cast.responder):
        raise Conflict(f"the base {name[:64]!r} has no change that could be taken back")
    return house.librarian.open_to_write(house.cast.responder)[0]


def _view_version(version: Version) -> VersionView:
    return VersionView(
        number=version.number,
        when=version.when,
        author=version.author,
        note=version.note,
        added=version.added,
        changed=version.changed,
        removed=version.removed,
        undoes=version.undoes,
    )
