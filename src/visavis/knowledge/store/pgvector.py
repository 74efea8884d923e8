"""Vectors in PostgreSQL: pgvector's halves, and for each space an HNSW index of its own.

The column has no fixed dimension; an index is partial (one space) and of an expression (its
dimension). Few vectors are compared one by one, so a small store needs no index.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    cast,
    func,
    literal,
    literal_column,
    select,
    text,
)
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
_CONSTRUCTION = 128
"""Vectors that are kept in view while the index is built (``ef_construction``)."""
_LEAST = 256
"""The same for a search, at least (``hnsw.ef_search``): of 200,000 sentences' vectors 98 % of the
nearest 60 are found; half of either number loses twice as many."""


class _Halfvec(UserDefinedType[str]):
    cache_ok = True

    def __init__(self, dimension: int = 0) -> None:
        self.dimension = dimension

    def get_col_spec(self, **_: Any) -> str:
        return f"halfvec({self.dimension})" if self.dimension else "halfvec"


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
        self._indexed: set[int] = set()

    def write(self, connection: Connection, space: int, ids: Sequence[int], rows: Floats) -> None:
        """Keep the vectors (n, d) of n texts; those that are there stay."""
        # One writer at a time: what is not there now will not be there in a moment.
        known = text("SELECT text FROM kb_vectors WHERE space = :space AND text = ANY(:ids)")
        there = set(connection.execute(known, {"space": space, "ids": list(ids)}).scalars())
        new = [(number, row) for number, row in zip(ids, rows, strict=True) if number not in there]
        if not new:
            return
        packed = _pack_rows(space, [number for number, _ in new], np.stack([row for _, row in new]))
        driver = connection.connection.driver_connection
        assert driver is not None
        statement = "COPY kb_vectors (space, text, vector) FROM STDIN (FORMAT BINARY)"
        try:
            with driver.cursor() as cursor, cursor.copy(statement) as copy:
                copy.write(packed)
        except connection.dialect.loaded_dbapi.Error as error:
            raise OperationalError(statement, None, error) from error

    def read(self, connection: Connection, space: int, ids: Sequence[int]) -> dict[int, Floats]:
        """Return the vectors that are there, by text."""
        found: dict[int, Floats] = {}
        query = text(
            "SELECT text, halfvec_send(vector) AS raw FROM kb_vectors"
            " WHERE space = :space AND text = ANY(:ids)"
        )
        for batch in in_batches(ids):
            part = connection.execute(query, {"space": space, "ids": batch}).all()
            if part:
                # Two numbers of 16 bits, the dimension and a spare one, come first.
                raw = b"".join(row.raw[4:] for row in part)
                rows = read_halves(raw, ">f2", len(part[0].raw) // 2 - 2)
                found.update(zip((row.text for row in part), rows, strict=True))
        return found

    def prepare(
        self, space: int, dimension: int, progress: Progress | None, cancelled: Cancel | None
    ) -> None:
        """Make the index of a space, where so many vectors need one; it is kept up by itself."""
        with self._database.reading() as connection:
            if self.look_up(connection, space) != "none":
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
        if progress is not None:
            progress(total, total)

    def look_up(self, connection: Connection, space: int) -> Literal["index", "few", "none"]:
        """Tell how a space is searched: by its index, or one by one as its vectors are few.

        Returns:
            "none" where an index is needed that ``prepare`` has not made yet.
        """
        if space in self._indexed:
            return "index"
        found = connection.execute(
            text(
                "SELECT to_regclass(:name) IS NOT NULL AS indexed,"
                " (SELECT count(*) FROM"
                " (SELECT 1 FROM kb_vectors WHERE space = :space LIMIT :most) AS part) AS vectors"
            ),
            {"name": f"kb_near_{space:d}", "space": space, "most": EXACT + 1},
        ).one()
        if found.indexed:
            self._indexed.add(space)
            return "index"
        return "few" if found.vectors <= EXACT else "none"

    def set_up(self, effort: int) -> list[ColumnElement[str]]:
        """Return columns that prepare a transaction for ``find_near``, in any query before it.

        Args:
            effort: Vectors that are kept in view, and the most that are found; at most ``reach``.
        """
        # Compiling takes longer than these queries.
        settings = {"jit": "off", "hnsw.ef_search": str(min(max(effort, _LEAST), self.reach))}
        return [func.set_config(*setting, True) for setting in settings.items()]

    def find_near(
        self, connection: Connection, space: int, vector: Floats, scope: Scope, count: int
    ) -> Sequence[Row[Any]]:
        """Search the index for the nearest uses of a scope; ``set_up`` comes before.

        Returns:
            Rows of ``uses`` with their ``distance``, nearest first. Fewer than ``count`` where the
            scope has no more, or where most of what is in view is out of it.
        """
        query = _order_uses(space, _by_index(vector), scope, count)
        return connection.execute(query).all()

    def find_exactly(
        self, connection: Connection, space: int, vector: Floats, scope: Scope, count: int
    ) -> Sequence[Row[Any]]:
        """Compare all uses of a scope; rows as of ``find_near``."""
        query = _order_uses(space, _one_by_one(vector), scope, count)
        return connection.execute(query).all()

    def candidates(self, connection: Connection, space: int, vector: Floats, count: int) -> Hits:
        """Return about the nearest texts that are in use."""
        connection.execute(select(*self.set_up(count)))
        return _read_hits(self.find_near(connection, space, vector, (), count))

    def exact(
        self, connection: Connection, space: int, vector: Floats, scope: Scope, count: int
    ) -> Hits:
        """Return exactly the nearest texts among those of a scope."""
        return _read_hits(self.find_exactly(connection, space, vector, scope, count))

    def drop(self, space: int) -> None:
        """Forget a space; its index goes too."""
        self._indexed.discard(space)
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
                    f" WITH (ef_construction = {_CONSTRUCTION})"
                    f" WHERE space = {space:d}"
                )
            )


def _by_index(vector: Floats) -> ColumnElement[Any]:
    """The distance as the index has it, whose vectors have a dimension."""
    kind = _Halfvec(len(vector))
    return cast(vectors.c.vector, kind).op("<=>")(cast(_literal(vector), kind))


def _one_by_one(vector: Floats) -> ColumnElement[Any]:
    """The same in a form that no index has."""
    return vectors.c.vector.op("<=>")(cast(_literal(vector), _Halfvec()))


def _order_uses(space: int, distance: ColumnElement[Any], scope: Scope, count: int) -> Select[Any]:
    named = distance.label("distance")
    # Space and count stand in the statement: of parameters the planner would not know that the
    # index has that space, nor that it need not be read to the end.
    return (
        select(uses, named)
        .join(vectors, vectors.c.text == uses.c.text)
        .where(vectors.c.space == literal_column(f"{space:d}"), *scope)
        .order_by(named, *uses.primary_key)
        .limit(literal_column(f"{count:d}"))
    )


def _literal(vector: Floats) -> ColumnElement[str]:
    # Five digits name a half exactly.
    numbers = ",".join(f"{x:.5g}" for x in vector.astype(np.float16).tolist())
    return literal(f"[{numbers}]", Text)


def _pack_rows(space: int, ids: Sequence[int], rows: Floats) -> bytes:
    """Write rows of space, text and vector (n, d) as PostgreSQL's binary COPY reads them."""
    count, size = rows.shape
    fields = np.zeros(
        count,
        [
            ("fields", ">i2"),
            ("space_bytes", ">i4"),
            ("space", ">i8"),
            ("text_bytes", ">i4"),
            ("text", ">i8"),
            ("vector_bytes", ">i4"),
            ("dimension", ">i2"),
            ("spare", ">i2"),
            ("halves", ">f2", (size,)),
        ],
    )
    fields["fields"] = 3
    fields["space_bytes"] = fields["text_bytes"] = 8
    fields["space"], fields["text"] = space, ids
    fields["vector_bytes"] = 4 + 2 * size
    fields["dimension"], fields["halves"] = size, rows
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + fields.tobytes() + b"\xff\xff"


def _read_hits(rows: Sequence[Any]) -> Hits:
    ids = np.array([row.text for row in rows], np.int64)
    return ids, np.array([1 - row.distance for row in rows], np.float32)
