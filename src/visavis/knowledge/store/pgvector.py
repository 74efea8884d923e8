"""Vectors in PostgreSQL: pgvector's halves, and for each space an HNSW index of its own.

The column has no fixed dimension; an index is partial (one space) and of an expression (its
dimension). Few vectors are compared one by one, so a small store needs no index.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Text, cast, literal, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.types import UserDefinedType

from visavis.core.errors import Cancelled
from visavis.core.types import Floats
from visavis.knowledge.store.database import Database
from visavis.knowledge.store.entries import Cancel, Progress, in_batches
from visavis.knowledge.store.tables import uses, vectors
from visavis.knowledge.store.vectors import Hits, Scope, read_halves

logger = logging.getLogger(__name__)

EXACT = 5_000
"""Vectors that are compared one by one."""
_LOCK = 0x7669736B62696478
"""Of PostgreSQL's advisory locks, the one under which an index is built."""
_MEMORY = "512MB"
"""For building an index: a graph that does not fit is built several times slower."""
_PLAIN = "SET LOCAL jit = off"
"""Compiling takes longer than these queries."""


class _Halfvec(UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "halfvec"


class PgKeeper:
    """Keeps vectors as halfvec."""

    reach = 1_000
    """The largest ``hnsw.ef_search``."""

    def __init__(self, database: Database) -> None:
        """Settle what indexes are built with.

        Args:
            database: Where the vectors are.
        """
        self._database = database
        self._indexed: dict[int, int] = {}

    def write(self, connection: Connection, space: int, ids: Sequence[int], rows: Floats) -> None:
        """Keep the vectors (n, d) of n texts; those that are there stay."""
        values = [
            {"space": space, "text": number, "vector": _write_vector(row)}
            for number, row in zip(ids, rows, strict=True)
        ]
        connection.execute(
            text(
                "INSERT INTO kb_vectors (space, text, vector)"
                " VALUES (:space, :text, CAST(:vector AS halfvec)) ON CONFLICT DO NOTHING"
            ),
            values,
        )

    def read(self, connection: Connection, space: int, ids: Sequence[int]) -> dict[int, Floats]:
        """Return the vectors that are there, by text."""
        found: dict[int, Floats] = {}
        query = text(
            "SELECT text, halfvec_send(vector) AS raw FROM kb_vectors"
            " WHERE space = :space AND text = ANY(:ids)"
        )
        for batch in in_batches(ids):
            for row in connection.execute(query, {"space": space, "ids": batch}):
                # Two numbers of 16 bits, the dimension and a spare one, come first.
                found[row.text] = read_halves(row.raw[4:], ">f2")[0]
        return found

    def prepare(
        self, space: int, dimension: int, progress: Progress | None, cancelled: Cancel | None
    ) -> None:
        """Make the index of a space, where so many vectors need one; it is kept up by itself."""
        if space in self._indexed:
            return
        with self._database.reading() as connection:
            if _is_indexed(connection, space):
                self._indexed[space] = dimension
                return
            few = text(
                "SELECT count(*) FROM (SELECT 1 FROM kb_vectors WHERE space = :s LIMIT :n) t"
            )
            count = connection.execute(few, {"s": space, "n": EXACT + 1}).scalar_one()
            if count <= EXACT:
                return
            every = text("SELECT count(*) FROM kb_vectors WHERE space = :s")
            total = int(connection.execute(every, {"s": space}).scalar_one())
        if cancelled is not None and cancelled():
            raise Cancelled("the index was not built")
        if progress is not None:
            progress(0, total)
        logger.info("building an index of %d vectors in %s", total, self._database.where)
        try:
            self._build(space, dimension, parallel=True)
        except OperationalError as error:
            # Workers share memory, of which a container may give too little.
            logger.info("building the index without parallel workers: %s", error.orig)
            self._build(space, dimension, parallel=False)
        self._indexed[space] = dimension
        if progress is not None:
            progress(total, total)

    def candidates(self, connection: Connection, space: int, vector: Floats, count: int) -> Hits:
        """Return about the nearest texts; fewer than ``count`` only where there are no more."""
        size = len(vector)
        connection.execute(text(_PLAIN))
        if space in self._indexed:
            # Only the index gives rows in order without a sort.
            for setting in (
                f"hnsw.ef_search = {min(max(count, 128), self.reach)}",
                "enable_sort = off",
                "enable_seqscan = off",
            ):
                connection.execute(text(f"SET LOCAL {setting}"))
        distance = f"vector::halfvec({size}) <=> CAST(:q AS halfvec({size}))"
        # The space stands in the text: a parameter would not match the index's condition.
        query = text(
            f"SELECT text, {distance} AS distance FROM kb_vectors WHERE space = {space:d}"
            f" ORDER BY {distance} LIMIT :n".replace("::", r"\:\:")
        )
        rows = connection.execute(query, {"q": _write_vector(vector), "n": count}).all()
        for setting in ("enable_sort", "enable_seqscan"):
            connection.execute(text(f"SET LOCAL {setting} = DEFAULT"))
        return _read_hits(rows)

    def exact(
        self, connection: Connection, space: int, vector: Floats, scope: Scope, count: int
    ) -> Hits:
        """Return exactly the nearest texts among those of a scope."""
        connection.execute(text(_PLAIN))
        chosen = select(uses.c.text).where(*scope).distinct().cte("chosen")
        query = cast(literal(_write_vector(vector), Text), _Halfvec())
        distance = vectors.c.vector.op("<=>")(query).label("distance")
        rows = connection.execute(
            select(vectors.c.text, distance)
            .join(chosen, chosen.c.text == vectors.c.text)
            .where(vectors.c.space == space)
            .order_by(distance)
            .limit(count)
        ).all()
        return _read_hits(rows)

    def drop(self, space: int) -> None:
        """Forget a space; its index goes too."""
        self._indexed.pop(space, None)
        with self._database.writing() as connection:
            connection.execute(text(f"DROP INDEX IF EXISTS kb_near_{space:d}"))

    def close(self) -> None:
        """Let go of what is remembered."""
        self._indexed.clear()

    def _build(self, space: int, dimension: int, *, parallel: bool) -> None:
        with self._database.engine.connect() as connection, connection.begin():
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            connection.execute(text(f"SET LOCAL maintenance_work_mem = '{_MEMORY}'"))
            if not parallel:
                connection.execute(text("SET LOCAL max_parallel_maintenance_workers = 0"))
            connection.execute(
                text(
                    f"CREATE INDEX IF NOT EXISTS kb_near_{space:d} ON kb_vectors USING hnsw"
                    f" ((vector\\:\\:halfvec({dimension:d})) halfvec_cosine_ops)"
                    f" WHERE space = {space:d}"
                )
            )


def _is_indexed(connection: Connection, space: int) -> bool:
    found = connection.execute(text("SELECT to_regclass(:name)"), {"name": f"kb_near_{space:d}"})
    return found.scalar() is not None


def _write_vector(row: Floats) -> str:
    # Five digits name a half exactly.
    return "[" + ",".join(f"{x:.5g}" for x in row.astype(np.float16).tolist()) + "]"


def _read_hits(rows: Sequence[Any]) -> Hits:
    ids = np.array([row.text for row in rows], np.int64)
    return ids, np.array([1 - row.distance for row in rows], np.float32)
