"""Writing entries: what differs is stored, remembered in the history, and its texts noted."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from visavis.core.errors import Cancelled
from visavis.knowledge.store.contents import Entry, find_texts, is_gap
from visavis.knowledge.store.tables import bases, changes, entries, texts, uses

BATCH = 1_000
"""Entries that are written at once; bounds the memory of an import."""
_LEARN = 4
"""How many times more entries must be written until PostgreSQL looks at its tables again: it does so by
itself only after the transaction, and chooses the wrong index until then."""

Progress = Callable[[int, int], None]
Cancel = Callable[[], bool]
_T = TypeVar("_T")
_Found = dict[tuple[str, str, str], tuple[int, str]]


@dataclass(slots=True)
class Tally:
    """How many pairs, documents and synonyms a version added, changed and removed."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    rows: int = 0

    def count(self, kind: str, before: object, after: object) -> None:
        """Count one entry that differs; passages count with their document."""
        self.rows += 1
        if kind == "passage":
            return
        if before is None:
            self.added += 1
        elif after is None:
            self.removed += 1
        else:
            self.changed += 1


def in_batches(items: Iterable[_T], size: int = BATCH) -> Iterator[list[_T]]:
    """Cut a stream into lists."""
    stream = iter(items)
    while batch := list(islice(stream, size)):
        yield batch


def write_entries(
    connection: Connection,
    base: int,
    version: int,
    wanted: Iterable[Entry],
    *,
    total: int = 0,
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
) -> Tally:
    """Make entries as they are wanted, and remember each difference under a version.

    Args:
        connection: In a transaction that writes.
        base: Id of the base.
        version: Number that the history gets.
        wanted: Each key at most once; read in batches.
        total: What ``progress`` is told; 0 if that is not known.
        progress: Told how many are done, after each batch.
        cancelled: Asked before each batch.

    Raises:
        Cancelled: It was.
    """
    position = int(
        connection.execute(select(bases.c.next_position).where(bases.c.id == base)).scalar_one()
    )
    first, done, tally = position, 0, Tally()
    learnt = BATCH
    for batch in in_batches(wanted):
        if cancelled is not None and cancelled():
            raise Cancelled("the change of the knowledge base was stopped; nothing was written")
        current = _find_current(connection, base, batch)
        before_rows: list[Entry] = []
        after_rows: list[Entry] = []
        history: list[dict[str, Any]] = []
        for entry in batch:
            old_place, old = current.get(entry.key, (None, None))
            place = entry.position
            if entry.content is None:
                place = None
            elif place is None and old_place is not None:
                place = old_place
            elif place is None:
                place, position = position, position + 1
            if (old_place, old) == (place, entry.content):
                continue
            tally.count(entry.kind, old, entry.content)
            history.append(
                {
                    "base": base,
                    "version": version,
                    "kind": entry.kind,
                    "id": entry.id,
                    "sub": entry.sub,
                    "before_position": old_place,
                    "before_content": old,
                    "after_position": place,
                    "after_content": entry.content,
                }
            )
            if old is not None:
                before_rows.append(entry)
            if entry.content is not None:
                after_rows.append(Entry(entry.kind, entry.id, entry.sub, entry.content, place))
        if history:
            connection.execute(insert(changes), history)
            _forget(connection, base, before_rows)
            _store(connection, base, after_rows)
        done += len(batch)
        if done >= learnt and connection.dialect.name == "postgresql":
            learnt = _LEARN * done
            for table in (entries, changes, uses, texts):
                connection.execute(text(f"ANALYZE {table.name}"))
        if progress is not None:
            progress(done, max(total, done))
    if position != first:
        connection.execute(update(bases).where(bases.c.id == base).values(next_position=position))
    return tally


def _find_current(connection: Connection, base: int, batch: Sequence[Entry]) -> _Found:
    found: _Found = {}
    for chosen in _choose(base, batch):
        rows = connection.execute(
            select(
                entries.c.kind,
                entries.c.id,
                entries.c.sub,
                entries.c.position,
                entries.c.content,
            ).where(*chosen)
        )
        found.update({(r.kind, r.id, r.sub): (r.position, r.content) for r in rows})
    return found


def _choose(base: int, batch: Sequence[Entry]) -> Iterator[Sequence[ColumnElement[bool]]]:
    """Yield conditions that choose the entries of a batch, a few columns' equality and one list.

    A list of whole keys would be compared row by row in PostgreSQL, which walks all of a base for it.
    """
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    passages: dict[str, list[str]] = defaultdict(list)
    for entry in batch:
        if entry.kind == "passage":
            passages[entry.id].append(entry.sub)
        else:
            pairs[entry.kind, entry.sub].append(entry.id)
    for (kind, sub), ids in pairs.items():
        same = (entries.c.base == base, entries.c.kind == kind, entries.c.sub == sub)
        yield *same, entries.c.id.in_(ids)
    for identity, subs in passages.items():
        same = (entries.c.base == base, entries.c.kind == "passage", entries.c.id == identity)
        yield *same, entries.c.sub.in_(subs)


def _forget(connection: Connection, base: int, gone: Sequence[Entry]) -> None:
    for chosen in _choose(base, gone):
        connection.execute(delete(entries).where(*chosen))
    pairs: dict[str, list[str]] = defaultdict(list)
    passages: dict[str, list[int]] = defaultdict(list)
    for entry in gone:
        if entry.kind == "pair":
            pairs[entry.sub].append(entry.id)
        elif entry.kind == "passage":
            passages[entry.id].append(int(entry.sub))
    for language, ids in pairs.items():
        connection.execute(
            delete(uses).where(
                uses.c.base == base,
                uses.c.kind.in_(["wording", "answer"]),
                uses.c.id.in_(ids),
                uses.c.language == language,
            )
        )
    for identity, numbers in passages.items():
        connection.execute(
            delete(uses).where(
                uses.c.base == base,
                uses.c.kind == "passage",
                uses.c.id == identity,
                uses.c.number.in_(numbers),
            )
        )


def _store(connection: Connection, base: int, new: Sequence[Entry]) -> None:
    if not new:
        return
    connection.execute(
        insert(entries),
        [
            {
                "base": base,
                "kind": entry.kind,
                "id": entry.id,
                "sub": entry.sub,
                "position": entry.position,
                "gap": is_gap(entry),
                "content": entry.content,
            }
            for entry in new
        ],
    )
    found = [(entry.id, *use) for entry in new for use in find_texts(entry)]
    if not found:
        return
    ids = note_texts(connection, {text for *_, text in found})
    connection.execute(
        insert(uses),
        [
            {
                "base": base,
                "kind": kind,
                "id": identity,
                "language": language,
                "number": number,
                "text": ids[text],
            }
            for identity, kind, language, number, text in found
        ],
    )


def text_key(text: str) -> bytes:
    """Return what a text is known by."""
    return hashlib.sha256(text.encode()).digest()


def note_texts(connection: Connection, wanted: Iterable[str]) -> dict[str, int]:
    """Keep texts, each once, and return their ids."""
    keys = {text_key(text): text for text in wanted}
    for batch in in_batches(keys.items()):
        rows = [{"key": key, "text": text} for key, text in batch]
        connection.execute(insert_new(connection, texts), rows)
    return find_text_ids(connection, keys)


def find_text_ids(connection: Connection, keys: dict[bytes, str]) -> dict[str, int]:
    """Return the ids of those texts (by their keys) that are kept."""
    found: dict[str, int] = {}
    for batch in in_batches(keys):
        rows = connection.execute(select(texts.c.key, texts.c.id).where(texts.c.key.in_(batch)))
        found.update((keys[bytes(row.key)], row.id) for row in rows)
    return found


def insert_new(connection: Connection, table: Table) -> Any:
    """Make an insert that passes over rows that are there."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def forget_unused_texts(connection: Connection) -> None:
    """Delete texts, with their vectors, that stand in no base."""
    in_use = select(uses.c.text).where(and_(uses.c.text == texts.c.id)).exists()
    connection.execute(delete(texts).where(~in_use))
