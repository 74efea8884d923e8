"""Bases as their operator keeps them: their list, and pairs put in, changed and taken out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from visavis.apps.server.api.knowledge import AttachmentView, PairView, view_pair
from visavis.apps.server.errors import Conflict, ErrorBody
from visavis.apps.server.house import House, HouseOf
from visavis.apps.server.intake import most_bytes
from visavis.apps.server.librarian import (
    find_same,
    find_version,
    make_pair,
    wait_until_searched,
)
from visavis.core.types import Emotion, Language
from visavis.knowledge.base import MAX_ANSWER, MAX_ATTACHMENTS, MAX_QUESTION, Base, Pair
from visavis.knowledge.live import default_place
from visavis.knowledge.store import KnowledgeStore, UnknownEntry, Version

ACCESS = "admin"

WRITE_RESPONSES: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorBody, "description": "There is no such base, pair or version."},
    409: {"model": ErrorBody, "description": "The base is at another version, or not to change."},
}

router = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"])

BaseName = Annotated[str, Path(max_length=64, examples=["government_en"])]
PairId = Annotated[str, Path(max_length=100, examples=["passport-fee"])]
Expected = Annotated[
    int | None,
    Query(ge=0, description="Version that the change is meant for; 409 if the base has another."),
]
Note = Annotated[str, Query(max_length=500, description="What the change is for.")]


class KeptBase(BaseModel):
    """A base as its operator sees it."""

    name: str
    title: str
    languages: list[Language]
    pairs: int = Field(description="Questions that have an answer.")
    gaps: int = Field(description="Questions that are known to have none.")
    documents: int
    version: int | None = Field(description="Null for a shipped sample that is in no store.")
    changed: datetime | None
    answering: bool = Field(description="Whether answers come from it.")


class Keeping(BaseModel):
    """Where the bases are and which there are."""

    where: str = Field(description="Of the store, without password; where it would be made.")
    stored: bool = Field(
        description=(
            "False while the shipped samples are answered from. The first change copies them into"
            " the store."
        )
    )
    problem: str = Field(description="Why nothing can be changed, in words; empty if it can.")
    bases: list[KeptBase]
    largest_table: int = Field(description="Bytes of a file of pairs that is imported.")
    largest_document: int = Field(description="Bytes of a document that is imported.")


class KeptPairs(BaseModel):
    """Some pairs of a base as it is now, searched or not yet."""

    version: int | None
    total: int = Field(description="How many fit.")
    topics: list[str] = Field(description="Of the whole base.")
    pairs: list[PairView]


class PairDraft(BaseModel):
    """A question and its answer, to be put into a base."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(max_length=MAX_QUESTION)
    answer: str | None = Field(
        max_length=MAX_ANSWER, description="Null for a question that is known to have none."
    )
    topic: str = Field("", max_length=100)
    aliases: list[Annotated[str, Field(max_length=MAX_QUESTION)]] = Field(
        default_factory=list, max_length=200, description="Other ways to ask it."
    )
    source: str = Field("", max_length=MAX_QUESTION, description="What the answer cites.")
    sample: bool = False
    emotion: Emotion = "neutral"
    intensity: float = Field(0.3, ge=0, le=1)
    valid_from: date | None = None
    valid_to: date | None = None
    attachments: list[AttachmentView] = Field(default_factory=list, max_length=MAX_ATTACHMENTS)


class NewPair(PairDraft):
    """A pair that is not there yet."""

    id: str = Field("", max_length=100, description="Made of the question if empty.")
    language: Language | None = Field(None, description="Found in the question if null.")


class NewBase(BaseModel):
    """A base to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=64, description="Of a-z, 0-9, '.', '_' and '-'.")
    title: str = Field("", max_length=500, description="As people read it.")


class Written(BaseModel):
    """What a change came to."""

    base: str
    version: int = Field(description="Of the base after it.")
    changed: bool = Field(description="False where nothing differed.")
    copied_samples: bool = Field(
        description="Whether the shipped samples were copied into a new store before it."
    )


class PairWritten(Written):
    """What became of a pair."""

    pair: PairView
    searched: bool = Field(description="Answers come from it already; else a moment later.")


@router.get("/store", summary="Show the kept bases")
async def show_store(house: HouseOf) -> Keeping:
    """List the bases as their operator keeps them, those that are not answered from too."""

    def look() -> Keeping:
        responder: Any = house.cast.responder
        librarian = house.librarian
        store = librarian.find_store(responder)
        stored = librarian.holds_content(responder)
        chosen = responder.knowledge.only if store is not None else ()
        found = [
            KeptBase(
                name=info.name,
                title=info.title,
                languages=list(info.languages),
                pairs=info.pairs,
                gaps=info.gaps,
                documents=info.documents,
                version=info.version,
                changed=info.changed,
                # One that was made this moment counts, though its index is not there yet.
                answering=not chosen or info.name in chosen,
            )
            for info in (store.bases() if store is not None else ())
        ]
        if not stored:
            there = {base.name for base in found}
            found += [
                _view_sample(base)
                for base in getattr(responder, "bases", ())
                if base.name not in there
            ]
        return Keeping(
            where=store.where if store is not None else str(default_place()),
            stored=stored,
            problem=librarian.why_not(responder),
            bases=found,
            largest_table=table,
            largest_document=document,
        )

    table, document = most_bytes(house.settings.max_upload_mb * 1_000_000)
    return await asyncio.to_thread(look)


@router.post("/bases", status_code=201, summary="Make a base", responses=WRITE_RESPONSES)
async def create_base(house: HouseOf, order: NewBase) -> Written:
    """Make an empty base."""

    def work() -> bool:
        store, copied = house.librarian.open_to_write(house.cast.responder)
        store.create(order.name, order.title)
        return copied

    copied = await asyncio.to_thread(work)
    return Written(base=order.name, version=0, changed=True, copied_samples=copied)


@router.get("/bases/{name}/entries", summary="Look pairs up", responses=WRITE_RESPONSES)
async def list_entries(
    house: HouseOf,
    name: BaseName,
    q: Annotated[str, Query(max_length=MAX_QUESTION, description="Part of any text.")] = "",
    topic: str = "",
    language: Language | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> KeptPairs:
    """List the pairs of a base as it is now, all or those with a text, a topic, a language."""

    def look() -> KeptPairs:
        kept = house.librarian.read(house.cast.responder, name)
        wanted = q.casefold().split()
        found = [
            pair
            for pair in kept.base.pairs
            if (not topic or pair.topic == topic)
            and (language is None or pair.language == language)
            and (not wanted or _holds_all(pair, wanted))
        ]
        return KeptPairs(
            version=kept.version,
            total=len(found),
            topics=sorted({pair.topic for pair in kept.base.pairs if pair.topic}),
            pairs=[view_pair(pair, name) for pair in found[offset : offset + limit]],
        )

    return await asyncio.to_thread(look)


@router.post(
    "/bases/{name}/pairs", status_code=201, summary="Add a pair", responses=WRITE_RESPONSES
)
async def add_pair(
    house: HouseOf, name: BaseName, order: NewPair, expect_version: Expected = None, note: Note = ""
) -> PairWritten:
    """Put a new pair into a base; 409 if it has the id or the question already."""
    return await put_new_pair(house, name, order, expect_version, note)


@router.put("/bases/{name}/pairs/{id}", summary="Change a pair", responses=WRITE_RESPONSES)
async def change_pair(
    house: HouseOf,
    name: BaseName,
    id: PairId,
    language: Language,
    order: PairDraft,
    expect_version: Expected = None,
    note: Note = "",
) -> PairWritten:
    """Replace the whole content of a pair."""
    pair = _read_draft(order, id=id, language=language)

    def make(base: Base) -> Mapping[str, Any]:
        if not any(_is(one, id, language) for one in base.pairs):
            raise UnknownEntry(f"the base {name!r} has no pair {id!r} in {language!r}")
        return {"put": [pair], "note": note or f"changed {id}"}

    return await _write_pair(house, name, pair, make, expect_version)


@router.delete("/bases/{name}/pairs/{id}", summary="Remove a pair", responses=WRITE_RESPONSES)
async def remove_pair(
    house: HouseOf,
    name: BaseName,
    id: PairId,
    language: Language,
    expect_version: Expected = None,
    note: Note = "",
) -> Written:
    """Take a pair out of a base; `undo` brings it back."""

    def make(base: Base) -> Mapping[str, Any]:
        if not any(_is(one, id, language) for one in base.pairs):
            raise UnknownEntry(f"the base {name!r} has no pair {id!r} in {language!r}")
        return {"remove": [(id, language)], "note": note or f"removed {id}"}

    def work() -> Written:
        store, copied = house.librarian.open_to_write(house.cast.responder)
        made = house.librarian.change(store, name, make, expect_version=expect_version)
        return view_change(store, name, made, copied=copied)

    return await asyncio.to_thread(work)


async def put_new_pair(
    house: House, name: str, order: NewPair, expect_version: int | None, note: str
) -> PairWritten:
    """Put a new pair into a base.

    Raises:
        Conflict: The base has the id or the question already.
        UnknownBase: There is no such base.
        InputError: A field cannot be used.
        VersionConflict: The base is at another version.
        StoreUnavailable: The database is locked, full or away.
    """
    pair = _read_draft(order, id=order.id, language=order.language)

    def make(base: Base) -> Mapping[str, Any]:
        same = find_same(base.pairs, pair.language, pair.question)
        if same is not None:
            raise Conflict(
                f"the base {name!r} has this question already, as {same.id!r}; change that pair"
            )
        if any(_is(one, pair.id, pair.language) for one in base.pairs):
            raise Conflict(f"the base {name!r} has a pair {pair.id!r}; choose another id")
        return {"put": [pair], "note": note or f"added {pair.id}"}

    return await _write_pair(house, name, pair, make, expect_version)


def view_change(store: KnowledgeStore, name: str, made: Version | None, *, copied: bool) -> Written:
    """Tell what a change came to."""
    number = made.number if made is not None else find_version(store, name)
    return Written(base=name, version=number, changed=made is not None, copied_samples=copied)


async def _write_pair(
    house: House, name: str, pair: Pair, make: Any, expect_version: int | None
) -> PairWritten:
    def work() -> Written:
        store, copied = house.librarian.open_to_write(house.cast.responder)
        made = house.librarian.change(store, name, make, expect_version=expect_version)
        return view_change(store, name, made, copied=copied)

    written = await asyncio.to_thread(work)
    searched = await wait_until_searched(
        house.cast.responder, name, lambda base: pair in base.pairs
    )
    return PairWritten(**written.model_dump(), pair=view_pair(pair, name), searched=searched)


def _read_draft(order: PairDraft, *, id: str, language: Language | None) -> Pair:
    return make_pair({**order.model_dump(mode="json"), "id": id, "language": language or ""})


def _is(pair: Pair, id: str, language: Language) -> bool:
    return pair.id == id and pair.language == language


def _holds_all(pair: Pair, wanted: list[str]) -> bool:
    texts = (pair.id, *pair.wordings, pair.answer, pair.topic, pair.source)
    text = "\n".join(texts).casefold()
    return all(word in text for word in wanted)


def _view_sample(base: Base) -> KeptBase:
    gaps = sum(pair.is_gap for pair in base.pairs)
    return KeptBase(
        name=base.name,
        title="",
        languages=list(base.languages),
        pairs=len(base.pairs) - gaps,
        gaps=gaps,
        documents=0,
        version=None,
        changed=None,
        answering=True,
    )
