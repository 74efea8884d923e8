"""Vectors by content: of each text and encoder one, never made twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, delete, insert, select

from visavis.core.errors import InputError
from visavis.core.types import Floats
from visavis.knowledge.store.contents import MAX_PASSAGE, check_text
from visavis.knowledge.store.documents import DocumentRows
from visavis.knowledge.store.entries import (
    Cancel,
    Progress,
    find_text_ids,
    in_batches,
    note_texts,
    text_key,
)
from visavis.knowledge.store.tables import spaces, texts, uses, vectors

MAX_DIMENSION = 4_000
"""What pgvector can index as halves."""

Ids = npt.NDArray[np.int64]
Hits = tuple[Ids, Floats]
"""Ids of texts (n,) and their cosines (n,), best first."""
Scope = Sequence[ColumnElement[bool]]
"""Conditions on ``uses`` that all hold."""


class VectorKeeper(Protocol):
    """How one kind of database keeps vectors and finds near ones. Rows are float32 of length 1."""

    @property
    def reach(self) -> int:
        """The most candidates that may be asked for."""
        ...

    def write(self, connection: Connection, space: int, ids: Sequence[int], rows: Floats) -> None:
        """Keep the vectors (n, d) of n texts; those that are there stay."""
        ...

    def read(self, connection: Connection, space: int, ids: Sequence[int]) -> dict[int, Floats]:
        """Return the vectors that are there, by text."""
        ...

    def prepare(
        self, space: int, dimension: int, progress: Progress | None, cancelled: Cancel | None
    ) -> None:
        """Bring the index up to date, where so many vectors need one."""
        ...

    def candidates(self, connection: Connection, space: int, vector: Floats, count: int) -> Hits:
        """Return about the nearest texts; fewer than ``count`` only where there are no more."""
        ...

    def exact(
        self, connection: Connection, space: int, vector: Floats, scope: Scope, count: int
    ) -> Hits:
        """Return exactly the nearest texts among those of a scope."""
        ...

    def drop(self, space: int) -> None:
        """Forget what is kept outside the tables."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class VectorRows(DocumentRows):
    """Vectors as rows."""

    keeper: VectorKeeper

    def vectors(self, fingerprint: str, wanted: Sequence[str]) -> dict[str, Floats]:
        """Return the vectors of those texts that have one, float32 (d,) by text.

        They are of length 1, and were rounded to half precision when they were put.

        Raises:
            TextUnusable: A text cannot be kept.
            StoreUnavailable: The database is locked or away.
        """
        rows, there = self.vector_rows(fingerprint, wanted)
        return {wanted[i]: rows[i] for i in np.flatnonzero(there).tolist()}

    def vector_rows(
        self, fingerprint: str, wanted: Sequence[str]
    ) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Return the vectors of texts as rows of one array, which of many takes a third of the memory.

        Args:
            fingerprint: Of the encoder.
            wanted: n texts; one may stand there twice.

        Returns:
            float32 (n, d), as ``vectors`` says, zeros for a text that has none; and which ones have
            one, (n,). d is 0 where nothing is kept of the encoder.

        Raises:
            TextUnusable: A text cannot be kept.
            StoreUnavailable: The database is locked or away.
        """
        keys = {text_key(check_text(text, "a text", MAX_PASSAGE)): text for text in wanted}
        place_of = {text: place for place, text in enumerate(wanted)}
        there = np.zeros(len(wanted), bool)
        with self.reading() as connection:
            space = find_space(connection, fingerprint)
            if space is None:
                return np.zeros((len(wanted), 0), np.float32), there
            rows = np.zeros((len(wanted), space[1]), np.float32)
            for batch in in_batches(keys.items()):
                ids = find_text_ids(connection, dict(batch))
                kept = self.keeper.read(connection, space[0], list(ids.values()))
                for text, number in ids.items():
                    if number in kept:
                        place = place_of[text]
                        rows[place], there[place] = kept[number], True
        if len(place_of) < len(wanted):
            last = np.array([place_of[text] for text in wanted], np.int64)
            rows, there = rows[last], there[last]
        return rows, there

    def put_vectors(self, fingerprint: str, wanted: Sequence[str], rows: Floats) -> None:
        """Keep the vectors of texts. One that is there stays: it is of the same text and encoder.

        Args:
            fingerprint: Of the encoder.
            wanted: n texts.
            rows: float32 (n, d); only their directions are kept, in half precision.

        Raises:
            InputError: A text cannot be kept; or the vectors are not finite, are zero, do not fit the
                texts, or have another d than those of this fingerprint.
            StoreUnavailable: The database is locked, full or away.
        """
        check_text(fingerprint, "the fingerprint of an encoder", needed=True)
        for text in wanted:
            check_text(text, "a text", MAX_PASSAGE)
        units = _check_rows(rows, len(wanted))
        if not len(units):
            return
        row_of = {text: number for number, text in enumerate(wanted)}
        dimension = int(units.shape[1])
        with self.writing() as connection:
            space = find_space(connection, fingerprint)
            if space is None:
                connection.execute(
                    insert(spaces).values(fingerprint=fingerprint, dimension=dimension)
                )
                space = find_space(connection, fingerprint)
                assert space is not None
            if space[1] != dimension:
                raise InputError(
                    f"the vectors have {dimension} numbers; those of this encoder have {space[1]}"
                )
            for batch in in_batches(row_of):
                ids = note_texts(connection, batch)
                chosen = [row_of[text] for text in ids]
                self.keeper.write(connection, space[0], list(ids.values()), units[chosen])

    def missing_texts(
        self, fingerprint: str, names: Sequence[str] | None = None, batch: int = 1_000
    ) -> Iterator[list[str]]:
        """Yield the texts of bases that have no vector yet, in lists; put theirs as they come.

        Wordings come as `search` compares them, without courtesies; answers and passages as they are.

        Args:
            fingerprint: Of the encoder.
            names: Of bases; all if None.
            batch: Texts in a list.

        Raises:
            UnknownBase: There is no base of that name.
            StoreUnavailable: The database is locked or away.
        """
        last = 0
        while True:
            with self.reading() as connection:
                used = select(uses.c.text)
                if names is not None:
                    used = used.where(uses.c.base.in_(self._find_ids(connection, names)))
                query = select(texts.c.id, texts.c.text).where(
                    texts.c.id > last, texts.c.id.in_(used)
                )
                space = find_space(connection, fingerprint)
                if space is not None:
                    there = select(vectors.c.text).where(
                        vectors.c.space == space[0], vectors.c.text == texts.c.id
                    )
                    query = query.where(~there.exists())
                rows = connection.execute(query.order_by(texts.c.id).limit(batch)).all()
            if not rows:
                return
            last = rows[-1].id
            yield [row.text for row in rows]

    def count_missing(self, fingerprint: str, names: Sequence[str] | None = None) -> int:
        """Count what ``missing_texts`` would yield."""
        return sum(len(part) for part in self.missing_texts(fingerprint, names, 10_000))

    def fingerprints(self) -> list[str]:
        """List the encoders that vectors are kept of.

        Raises:
            StoreUnavailable: The database is locked or away.
        """
        with self.reading() as connection:
            return sorted(connection.execute(select(spaces.c.fingerprint)).scalars())

    def drop_vectors(self, fingerprint: str) -> None:
        """Delete all vectors of an encoder; nothing happens where there are none.

        Raises:
            StoreUnavailable: The database is locked, full or away.
        """
        with self.writing() as connection:
            space = find_space(connection, fingerprint)
            if space is not None:
                connection.execute(delete(spaces).where(spaces.c.id == space[0]))
        if space is not None:
            self.keeper.drop(space[0])

    def prepare(
        self,
        fingerprint: str,
        *,
        progress: Progress | None = None,
        cancelled: Cancel | None = None,
    ) -> None:
        """Bring the index of an encoder's vectors up to date, as ``nearest`` else does when asked.

        Args:
            fingerprint: Of the encoder.
            progress: Told vectors done and their total, where the database tells.
            cancelled: Asked now and then.

        Raises:
            Cancelled: It was stopped; the next call goes on or begins anew.
            StoreUnavailable: The database is locked, full or away.
        """
        with self.reading() as connection:
            space = find_space(connection, fingerprint)
        if space is not None:
            with self._plain_errors():
                self.keeper.prepare(*space, progress, cancelled)


def find_space(connection: Connection, fingerprint: str) -> tuple[int, int] | None:
    """Return id and dimension of an encoder's space; None where it has none."""
    row = connection.execute(
        select(spaces.c.id, spaces.c.dimension).where(
            spaces.c.fingerprint == check_text(fingerprint, "the fingerprint of an encoder")
        )
    ).one_or_none()
    return None if row is None else (int(row.id), int(row.dimension))


def _check_rows(rows: Floats, count: int) -> Floats:
    found = np.asarray(rows, np.float32)
    if found.ndim != 2 or len(found) != count:
        raise InputError(
            f"the vectors have the shape {found.shape}; for {count} texts give as many rows"
        )
    if count and not 1 <= found.shape[1] <= MAX_DIMENSION:
        raise InputError(f"vectors have 1 to {MAX_DIMENSION:,} numbers, not {found.shape[1]:,}")
    return check_units(found)


def check_units(rows: Floats) -> Floats:
    """Make rows of length 1.

    Raises:
        InputError: One is zero or not finite.
    """
    lengths = np.linalg.norm(rows.astype(np.float64), axis=-1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise InputError("a vector is zero or not finite; it has no direction to be compared by")
    units: Floats = (rows / lengths).astype(np.float32)
    return units


def read_halves(raw: bytes, kind: Literal["<f2", ">f2"], dimension: int = -1) -> Floats:
    """Read rows of halves as float32 (n, d) of length 1, which rounding had changed a little.

    Args:
        raw: The rows, one after another.
        kind: Which byte comes first.
        dimension: Of a row; of the only one if not given.
    """
    rows = (
        np.frombuffer(raw, kind).astype(np.float32).reshape(-1 if dimension > 0 else 1, dimension)
    )
    units: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return units
