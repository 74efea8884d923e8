"""Finding the texts of bases that are near a vector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select, true

from visavis.core.errors import InputError
from visavis.core.types import Floats, Language
from visavis.knowledge.store.contents import check_text
from visavis.knowledge.store.entries import in_batches
from visavis.knowledge.store.pgvector import PgKeeper
from visavis.knowledge.store.records import TEXT_KINDS, Near, TextKind
from visavis.knowledge.store.tables import bases, spaces, state, uses
from visavis.knowledge.store.vectors import (
    Hits,
    Scope,
    VectorKeeper,
    VectorRows,
    check_units,
)

MAX_NEAR = 1_000
_FIRST = 64
_STEP = 8
"""How many more texts are fetched where too few of them are in scope."""
_NARROW = 2_000
"""Texts in scope that are rather compared one by one."""
_NARROW_IN_DATABASE = 5_000
"""The same where the database compares, which needs not read them first."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is searched.

    Attributes:
        space: Of the encoder.
        dimension: Of its vectors.
        bases: Names by id.
        language: Any if None.
        kinds: Of texts.
        is_narrow: Whether few texts are in scope.
    """

    space: int
    dimension: int
    bases: Mapping[int, str]
    language: str | None
    kinds: Sequence[str]
    is_narrow: bool = False

    @property
    def scope(self) -> Scope:
        """Conditions on ``uses``."""
        chosen: list[ColumnElement[bool]] = [
            uses.c.base.in_(list(self.bases)),
            uses.c.kind.in_(list(self.kinds)),
        ]
        return chosen if self.language is None else [*chosen, uses.c.language == self.language]


class NearestRows(VectorRows):
    """Search among vectors."""

    def __init__(self, place: str | Path) -> None:
        """Open a store; see `Database`."""
        super().__init__(place)
        self._counted_at = -1
        self._narrow: dict[tuple[object, ...], bool] = {}

    def nearest(
        self,
        fingerprint: str,
        vector: Floats,
        k: int,
        *,
        bases: Sequence[str] | None = None,
        language: Language | None = None,
        kinds: Sequence[TextKind] = TEXT_KINDS,
    ) -> list[Near]:
        """Find the k texts in scope that are nearest to a vector, best first.

        Up to 5,000 vectors of an encoder are compared exactly; more are searched by an approximate
        index, which is made or brought up to date first if need be: call ``prepare`` before, where
        nobody is to wait for that. A scope of few texts, or one that the index finds too few of, is
        compared exactly. A text that stands in several places comes once for each.

        Args:
            fingerprint: Of the encoder; what it made no vectors of is not found.
            vector: float32 (d,).
            k: At most 1,000.
            bases: Names; all if None.
            language: Of the texts; any if None.
            kinds: Of the texts.

        Raises:
            UnknownBase: There is no base of one of the names.
            InputError: The vector is zero, not finite or of another d, or k or a kind is none.
            StoreUnavailable: The database is locked or away.
        """
        if not 1 <= k <= MAX_NEAR:
            raise InputError(f"k is {k}; it must be from 1 to {MAX_NEAR:,}")
        for kind in kinds:
            if kind not in TEXT_KINDS:
                raise InputError(f"there is no kind {kind!r}; there are {', '.join(TEXT_KINDS)}")
        unit = check_units(vector[None])[0]
        for _ in range(2):
            with self.reading() as connection:
                asked = self._look_around(connection, fingerprint, k, bases, language, kinds)
                if asked is None:
                    return []
                if len(unit) != asked.dimension:
                    raise InputError(
                        f"the vector has {len(unit)} numbers;"
                        f" those of this encoder have {asked.dimension}"
                    )
                if isinstance(self.keeper, PgKeeper):
                    found = _find_joined(connection, self.keeper, unit, asked, k)
                else:
                    found = _find_in_steps(connection, self.keeper, unit, asked, k)
            if found is not None:
                return found
            self.prepare(fingerprint)
        return []

    def _look_around(
        self,
        connection: Connection,
        fingerprint: str,
        k: int,
        names: Sequence[str] | None,
        language: str | None,
        kinds: Sequence[str],
    ) -> _Asked | None:
        """Read what a search needs to know, in one round trip; None where there is no vector."""
        check_text(fingerprint, "the fingerprint of an encoder")
        columns = (bases.c.id, bases.c.name, spaces.c.id.label("space"), spaces.c.dimension)
        more = self.keeper.set_up(4 * k) if isinstance(self.keeper, PgKeeper) else []
        rows = connection.execute(
            select(*columns, state.c.revision, *more)
            .select_from(state)
            .outerjoin(spaces, spaces.c.fingerprint == fingerprint)
            .outerjoin(bases, true())
        ).all()
        known = {row.name: int(row.id) for row in rows if row.id is not None}
        for name in names or ():
            if name not in known:
                self._find(connection, name)  # says which there are
        about = rows[0]
        if about.space is None:
            return None
        chosen = {known[name]: name for name in (known if names is None else names)}
        asked = _Asked(about.space, about.dimension, chosen, language, kinds)
        if about.revision != self._counted_at:
            self._counted_at, self._narrow = about.revision, {}
        # Counting may walk through every text, so that it is done once for a revision.
        remembered, key = self._narrow, (tuple(chosen), language, tuple(kinds))
        if key not in remembered:
            most = _NARROW if self.is_sqlite else _NARROW_IN_DATABASE
            few = select(uses.c.text).where(*asked.scope).limit(most + 1).subquery()
            count = connection.execute(select(func.count()).select_from(few)).scalar_one()
            remembered[key] = count <= most
        return replace(asked, is_narrow=remembered[key])


def _find_in_steps(
    connection: Connection, keeper: VectorKeeper, vector: Floats, asked: _Asked, k: int
) -> list[Near]:
    """Ask for near texts, and see which of them are in scope, until they are enough."""
    count = max(_FIRST, 4 * k)
    while not asked.is_narrow:
        hits = keeper.candidates(connection, asked.space, vector, count)
        found = _find_owners(connection, hits, asked)
        if len(found) >= k:
            return found[:k]
        if len(hits[0]) < count or count >= keeper.reach:
            break
        count = min(count * _STEP, keeper.reach)
    hits = keeper.exact(connection, asked.space, vector, asked.scope, k)
    return _find_owners(connection, hits, asked)[:k]


def _find_joined(
    connection: Connection, keeper: PgKeeper, vector: Floats, asked: _Asked, k: int
) -> list[Near] | None:
    """Let the database look at the scope while it searches; None where its index is not made."""
    known = keeper.look_up(connection, asked.space)
    if known == "none":
        return None
    rows: Sequence[Row[Any]] = ()
    if known == "index" and not asked.is_narrow:
        rows = keeper.find_near(connection, asked.space, vector, asked.scope, k)
        if len(rows) < k:
            connection.execute(select(*keeper.set_up(keeper.reach)))
            rows = keeper.find_near(connection, asked.space, vector, asked.scope, k)
    if len(rows) < k:
        rows = keeper.find_exactly(connection, asked.space, vector, asked.scope, k)
    return _sort(_read_near(row, asked, 1 - row.distance) for row in rows)


def _find_owners(connection: Connection, hits: Hits, asked: _Asked) -> list[Near]:
    """Turn texts into the places in scope where they stand, best first."""
    cosines = dict(zip(hits[0].tolist(), hits[1].tolist(), strict=True))
    found: list[Near] = []
    for batch in in_batches(cosines):
        # With the scope in it, SQLite would rather walk through all of a base.
        rows = connection.execute(select(uses).where(uses.c.text.in_(batch)))
        found.extend(
            _read_near(row, asked, cosines[row.text])
            for row in rows
            if row.base in asked.bases
            and row.kind in asked.kinds
            and asked.language in (None, row.language)
        )
    return _sort(found)


def _read_near(row: Row[Any], asked: _Asked, cosine: float) -> Near:
    name = asked.bases[row.base]
    return Near(name, row.id, row.language, row.kind, row.number, min(max(cosine, -1.0), 1.0))


def _sort(found: Iterable[Near]) -> list[Near]:
    return sorted(found, key=lambda n: (-n.cosine, n.base, n.id, n.language, n.kind, n.number))
