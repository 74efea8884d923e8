"""Vectors in SQLite: halves in the table; a few are compared one by one, many by a graph."""

from __future__ import annotations

import glob
import hashlib
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select

from visavis.core.errors import Cancelled
from visavis.core.types import Floats
from visavis.knowledge.store.database import Database
from visavis.knowledge.store.entries import Cancel, Progress, in_batches, insert_new
from visavis.knowledge.store.index_file import (
    Built,
    Graph,
    load_index,
    new_index,
    open_graph,
    save_index,
)
from visavis.knowledge.store.tables import spaces, uses, vectors
from visavis.knowledge.store.vectors import Hits, Ids, Scope, read_halves

logger = logging.getLogger(__name__)

EXACT = 5_000
"""Vectors that are compared one by one: at 512 numbers this takes a millisecond or two."""
_FETCHED = 4_096
_WORN = 0.8
"""A graph of which less than this share is still there is built anew."""


@dataclass(frozen=True, slots=True, eq=False)
class _Shelf:
    """What is in memory of a space.

    Attributes:
        dimension: Of its vectors.
        newest: Highest id of a vector that graph or rest have.
        graph: Of the older vectors; None where all are in the rest.
        ids: (m,) texts of the rest.
        rows: (m, d) vectors of the rest.
    """

    dimension: int
    newest: int
    graph: Graph | None
    ids: Ids
    rows: Floats


class FileKeeper:
    """Keeps vectors as float16 and a graph for each space in a file beside the database."""

    reach = 1_024

    def __init__(self, database: Database, path: Path) -> None:
        """Settle where the files are.

        Args:
            database: To read from where a graph is built.
            path: Of the database's file.
        """
        self._database = database
        self._path = path
        self._shelves: dict[int, _Shelf] = {}
        self._renewing = threading.Lock()

    def write(self, connection: Connection, space: int, ids: Sequence[int], rows: Floats) -> None:
        """Keep the vectors (n, d) of n texts; those that are there stay."""
        halves = rows.astype("<f2")
        values = [
            {"space": space, "text": text, "vector": half.tobytes()}
            for text, half in zip(ids, halves, strict=True)
        ]
        connection.execute(insert_new(connection, vectors), values)

    def read(self, connection: Connection, space: int, ids: Sequence[int]) -> dict[int, Floats]:
        """Return the vectors that are there, by text."""
        found: dict[int, Floats] = {}
        for batch in in_batches(ids):
            query = select(vectors.c.text, vectors.c.vector).where(
                vectors.c.space == space, vectors.c.text.in_(batch)
            )
            part = connection.execute(query).all()
            if part:
                rows = read_halves(
                    b"".join(row.vector for row in part), "<f2", len(part[0].vector) // 2
                )
                found.update(zip((row.text for row in part), rows, strict=True))
        return found

    def prepare(
        self, space: int, dimension: int, progress: Progress | None, cancelled: Cancel | None
    ) -> None:
        """Bring the graph up to date, where so many vectors need one."""
        with self._renewing, self._database.reading() as connection:
            self._renew(connection, space, dimension, progress, cancelled)

    def candidates(self, connection: Connection, space: int, vector: Floats, count: int) -> Hits:
        """Return about the nearest texts; fewer than ``count`` only where there are no more."""
        shelf = self._fresh(connection, space)
        parts = [(shelf.ids, shelf.rows @ vector)]
        if shelf.graph is not None:
            ids, cosines = shelf.graph.search(vector, count)
            rows = self.read(connection, space, ids.tolist())
            # A vector that is gone keeps its rough cosine: its text stands nowhere.
            exact = [
                rows[i] @ vector if i in rows else c
                for i, c in zip(ids.tolist(), cosines, strict=True)
            ]
            parts.append((ids, np.array(exact, np.float32)))
        return _best(parts, count)

    def exact(
        self, connection: Connection, space: int, vector: Floats, scope: Scope, count: int
    ) -> Hits:
        """Return exactly the nearest texts among those of a scope."""
        chosen = select(uses.c.text).where(*scope).distinct().subquery()
        query = (
            select(vectors.c.text, vectors.c.vector)
            .join(chosen, chosen.c.text == vectors.c.text)
            .where(vectors.c.space == space)
        )
        hits = (np.zeros(0, np.int64), np.zeros(0, np.float32))
        for _, ids, rows in _read_rows(connection, query, len(vector)):
            hits = _best([hits, (ids, rows @ vector)], count)
        return hits

    def drop(self, space: int) -> None:
        """Forget a space; its file goes too."""
        self._shelves.pop(space, None)
        for path in self._path.parent.glob(f"{glob.escape(self._path.name)}.{space}-*.usearch"):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of files."""
        self._shelves.clear()

    def _file(self, space: int, fingerprint: str) -> Path:
        digest = hashlib.sha256(fingerprint.encode()).hexdigest()[:16]
        return self._path.with_name(f"{self._path.name}.{space}-{digest}.usearch")

    def _fresh(self, connection: Connection, space: int) -> _Shelf:
        shelf = self._shelves.get(space)
        newest = _newest(connection, space)
        if shelf is not None and newest <= shelf.newest:
            return shelf
        # While another thread renews, what was there before answers.
        if not self._renewing.acquire(blocking=shelf is None):
            assert shelf is not None
            return shelf
        try:
            dimension = connection.execute(
                select(spaces.c.dimension).where(spaces.c.id == space)
            ).scalar_one()
            return self._renew(connection, space, dimension, None, None)
        finally:
            self._renewing.release()

    def _renew(
        self,
        connection: Connection,
        space: int,
        dimension: int,
        progress: Progress | None,
        cancelled: Cancel | None,
    ) -> _Shelf:
        """Take what is new into the rest, or into the graph where it is too much for the rest."""
        shelf = self._shelves.get(space) or _Shelf(
            dimension, 0, None, np.zeros(0, np.int64), np.zeros((0, dimension), np.float32)
        )
        newest = _newest(connection, space)
        if newest <= shelf.newest:
            return shelf
        if len(shelf.ids) + _count(connection, space, shelf.newest, newest) > EXACT:
            fingerprint = connection.execute(
                select(spaces.c.fingerprint).where(spaces.c.id == space)
            ).scalar_one()
            path = self._file(space, fingerprint)
            graph = open_graph(path, fingerprint, dimension)
            if graph is not None and not _fits(connection, space, graph.built):
                logger.info("the index %s is of an older state and is made again", path)
                graph = None
            start = graph.built.newest if graph else 0
            if _count(connection, space, start, newest) > EXACT:
                known = Built(fingerprint, dimension, start, 0, 0)
                graph = _grow(connection, space, path, known, newest, progress, cancelled)
                start = newest
            shelf = _Shelf(
                dimension,
                start,
                graph,
                np.zeros(0, np.int64),
                np.zeros((0, dimension), np.float32),
            )
        ids, rows = [shelf.ids], [shelf.rows]
        for _, more, found in _read_range(connection, space, dimension, shelf.newest, newest):
            ids.append(more)
            rows.append(found)
        shelf = _Shelf(dimension, newest, shelf.graph, np.concatenate(ids), np.concatenate(rows))
        self._shelves[space] = shelf
        return shelf


def _grow(
    connection: Connection,
    space: int,
    path: Path,
    known: Built,
    newest: int,
    progress: Progress | None,
    cancelled: Cancel | None,
) -> Graph:
    """Add vectors to the graph in the file, or to an empty one where ``known.newest`` is 0."""
    loaded = load_index(path, known.fingerprint, known.dimension) if known.newest else None
    if loaded is not None and loaded[1].newest >= known.newest:
        index, last = loaded[0], (loaded[1].newest, loaded[1].newest_text)
    else:
        index, last = new_index(known.dimension), (0, 0)
    start = last[0]
    total = _count(connection, space, start, newest)
    logger.info("adding %d vectors to the index %s", total, path)
    done = 0
    for numbers, ids, rows in _read_range(connection, space, known.dimension, start, newest):
        if cancelled is not None and cancelled():
            raise Cancelled("the index was not built to its end")
        # A vector that was deleted and made again has the same text, so the same key.
        there = index.contains(ids.astype(np.uint64))
        if np.any(there):
            ids, rows, numbers = ids[~there], rows[~there], numbers[~there]
        if len(ids):
            index.add(ids.astype(np.uint64), rows)
            last = (int(numbers[-1]), int(ids[-1]))
        done += len(ids)
        if progress is not None:
            progress(min(done, total), total)
    built = Built(known.fingerprint, known.dimension, last[0], last[1], len(index))
    if save_index(path, index, built):
        graph = open_graph(path, known.fingerprint, known.dimension)
        if graph is not None:
            return graph
    return Graph(index, built)


def _fits(connection: Connection, space: int, built: Built) -> bool:
    """Whether a graph is of this database, and most of it is still there."""
    text = connection.execute(
        select(vectors.c.text).where(vectors.c.id == built.newest, vectors.c.space == space)
    ).scalar()
    present = _count(connection, space, 0, built.newest)
    return text == built.newest_text and _WORN * built.count <= present <= built.count


def _newest(connection: Connection, space: int) -> int:
    query = select(func.max(vectors.c.id)).where(vectors.c.space == space)
    return int(connection.execute(query).scalar() or 0)


def _count(connection: Connection, space: int, after: int, upto: int) -> int:
    query = select(func.count()).where(
        vectors.c.space == space, vectors.c.id > after, vectors.c.id <= upto
    )
    return int(connection.execute(query).scalar_one())


def _read_range(
    connection: Connection, space: int, dimension: int, after: int, upto: int
) -> Iterator[tuple[Ids, Ids, Floats]]:
    query = (
        select(vectors.c.id, vectors.c.text, vectors.c.vector)
        .where(vectors.c.space == space, vectors.c.id > after, vectors.c.id <= upto)
        .order_by(vectors.c.id)
    )
    return _read_rows(connection, query, dimension)


def _read_rows(
    connection: Connection, query: Any, dimension: int
) -> Iterator[tuple[Ids, Ids, Floats]]:
    """Yield ids of vectors (the texts' where the query has none), of texts, and rows, in parts."""
    found = connection.execute(query, execution_options={"yield_per": _FETCHED})
    for part in found.partitions():
        ids = np.array([row[0] for row in part], np.int64)
        texts = np.array([row.text for row in part], np.int64)
        yield ids, texts, read_halves(b"".join(row.vector for row in part), "<f2", dimension)


def _best(parts: Sequence[tuple[Ids, Floats]], count: int) -> Hits:
    ids = np.concatenate([part[0] for part in parts])
    cosines = np.concatenate([part[1] for part in parts])
    if len(ids) > count:
        chosen = np.argpartition(-cosines, count - 1)[:count]
        ids, cosines = ids[chosen], cosines[chosen]
    order = np.argsort(-cosines, kind="stable")
    return ids[order], cosines[order].astype(np.float32)
