"""Finding the texts of bases that are near a vector."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from visavis.core.errors import InputError
from visavis.core.types import Floats, Language
from visavis.knowledge.store.entries import in_batches
from visavis.knowledge.store.records import TEXT_KINDS, Near, TextKind
from visavis.knowledge.store.tables import bases, uses
from visavis.knowledge.store.vectors import Hits, Scope, VectorRows, check_units, find_space

MAX_NEAR = 1_000
_FIRST = 64
_STEP = 8
"""How many more texts are fetched where too few of them are in scope."""
_NARROW = 2_000
"""Texts in scope that are rather compared one by one."""


class NearestRows(VectorRows):
    """Search among vectors."""

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
        index, which is brought up to date first if need be: call ``prepare`` before, where nobody is
        to wait for that. A scope of few texts, or one that the index finds
        too few of, is compared exactly. A text that stands in several places comes once for each.

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
        with self.reading() as connection:
            scope = self._scope(connection, bases, language, kinds)
            space = find_space(connection, fingerprint)
        if space is None:
            return []
        if len(unit) != space[1]:
            raise InputError(
                f"the vector has {len(unit)} numbers; those of this encoder have {space[1]}"
            )
        if not self.is_sqlite:
            self.prepare(fingerprint)
        with self.reading() as connection:
            count = max(_FIRST, 4 * k)
            # Without names, counting would walk through every text.
            narrow = bases is not None and _is_narrow(connection, scope)
            while not narrow:
                hits = self.keeper.candidates(connection, space[0], unit, count)
                found = _find_owners(connection, hits, scope)
                if len(found) >= k:
                    return found[:k]
                if len(hits[0]) < count or count >= self.keeper.reach:
                    break
                count = min(count * _STEP, self.keeper.reach)
            hits = self.keeper.exact(connection, space[0], unit, scope, k)
            return _find_owners(connection, hits, scope)[:k]


def _is_narrow(connection: Connection, scope: Scope) -> bool:
    few = select(uses.c.text).where(*scope).limit(_NARROW + 1).subquery()
    return connection.execute(select(func.count()).select_from(few)).scalar_one() <= _NARROW


def _find_owners(connection: Connection, hits: Hits, scope: Scope) -> list[Near]:
    """Turn texts into the places in scope where they stand, best first."""
    cosines = dict(zip(hits[0].tolist(), hits[1].clip(-1, 1).tolist(), strict=True))
    found: list[Near] = []
    for batch in in_batches(cosines):
        rows = connection.execute(
            select(uses, bases.c.name)
            .join(bases, bases.c.id == uses.c.base)
            .where(uses.c.text.in_(batch), *scope)
        )
        found.extend(
            Near(row.name, row.id, row.language, row.kind, row.number, cosines[row.text])
            for row in rows
        )
    return sorted(found, key=lambda n: (-n.cosine, n.base, n.id, n.language, n.kind, n.number))
