"""The bases of a store: their list, and a base as a whole."""

from __future__ import annotations

import hashlib
import re
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import get_args

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from visavis.core.errors import InputError
from visavis.core.types import Language
from visavis.knowledge.base import Base, Pair
from visavis.knowledge.store.contents import check_text, read_pair, read_synonyms
from visavis.knowledge.store.database import Database
from visavis.knowledge.store.entries import forget_unused_texts
from visavis.knowledge.store.records import BaseInfo, UnknownBase, UnknownEntry
from visavis.knowledge.store.tables import bases, entries

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FETCHED = 2_000
_LANGUAGES: tuple[Language, ...] = get_args(Language)


class BaseRows(Database):
    """Bases as rows."""

    def bases(self) -> list[BaseInfo]:
        """List the bases, by name.

        Raises:
            StoreUnavailable: The database is locked or away.
        """
        counted = (
            select(
                entries.c.base,
                entries.c.kind,
                entries.c.sub,
                entries.c.gap,
                func.count().label("n"),
            )
            .where(entries.c.kind == "pair")
            .group_by(entries.c.base, entries.c.kind, entries.c.sub, entries.c.gap)
        )
        documents = select(entries.c.base, entries.c.content).where(entries.c.kind == "document")
        pairs: dict[int, int] = defaultdict(int)
        gaps: dict[int, int] = defaultdict(int)
        papers: dict[int, int] = defaultdict(int)
        languages: dict[int, set[str]] = defaultdict(set)
        with self.reading() as connection:
            rows = connection.execute(select(bases)).all()
            for row in connection.execute(counted):
                if row.gap:
                    gaps[row.base] += row.n
                else:
                    pairs[row.base] += row.n
                    languages[row.base].add(row.sub)
            for row in connection.execute(documents):
                papers[row.base] += 1
                languages[row.base].add("zh" if '"language":"zh"' in row.content else "en")
        return [
            BaseInfo(
                name=row.name,
                title=row.title,
                languages=tuple(x for x in _LANGUAGES if x in languages[row.id]),
                pairs=pairs[row.id],
                gaps=gaps[row.id],
                documents=papers[row.id],
                version=row.version,
                changed=datetime.fromtimestamp(row.changed, UTC),
            )
            for row in sorted(rows, key=lambda row: str(row.name))
        ]

    def create(self, name: str, title: str = "") -> None:
        """Make an empty base.

        Args:
            name: Of a-z, 0-9, '.', '_' and '-', at most 64 characters.
            title: As people read it.

        Raises:
            InputError: The name cannot be used or is taken.
            StoreUnavailable: The database is locked, full or away.
        """
        _check_name(name)
        check_text(title, "the title")
        with self.writing() as connection:
            _check_free(connection, name)
            connection.execute(
                insert(bases).values(
                    name=name, title=title, version=0, next_position=1, changed=time.time()
                )
            )
            self._grow_revision(connection)

    def rename(self, name: str, new: str, title: str | None = None) -> None:
        """Give a base another name, and another title if one is given.

        Raises:
            UnknownBase: There is none of that name.
            InputError: The new name cannot be used or is taken.
            StoreUnavailable: The database is locked, full or away.
        """
        _check_name(new)
        if title is not None:
            check_text(title, "the title")
        with self.writing() as connection:
            row = self._find(connection, name)
            if new != name:
                _check_free(connection, new)
            connection.execute(
                update(bases)
                .where(bases.c.id == row.id)
                .values(name=new, title=row.title if title is None else title, changed=time.time())
            )
            self._grow_revision(connection)

    def delete(self, name: str) -> None:
        """Delete a base with its history and the vectors of its texts, for good.

        Raises:
            UnknownBase: There is none of that name.
            StoreUnavailable: The database is locked, full or away.
        """
        with self.writing() as connection:
            row = self._find(connection, name)
            connection.execute(delete(bases).where(bases.c.id == row.id))
            forget_unused_texts(connection)
            self._grow_revision(connection)

    def load(self, name: str) -> Base:
        """Read the pairs of a base, in order, and its synonyms.

        Its digest is one of the content: equal contents have equal digests, whatever their history.

        Raises:
            UnknownBase: There is none of that name.
            StoreUnavailable: The database is locked or away.
        """
        digest = hashlib.sha256()
        pairs: list[Pair] = []
        synonyms: tuple[tuple[str, ...], ...] = ()
        with self.reading() as connection:
            row = self._find(connection, name)
            query = (
                select(entries.c.kind, entries.c.id, entries.c.sub, entries.c.content)
                .where(entries.c.base == row.id, entries.c.kind.in_(["pair", "synonyms"]))
                .order_by(entries.c.kind, entries.c.position, entries.c.id, entries.c.sub)
                .execution_options(yield_per=_FETCHED)
            )
            for found in connection.execute(query):
                raws = [str(part).encode() for part in found]
                digest.update(b"".join(len(raw).to_bytes(8, "big") + raw for raw in raws))
                if found.kind == "pair":
                    pairs.append(read_pair(found.id, found.sub, found.content))
                else:
                    synonyms = read_synonyms(found.content)
        return Base(name, tuple(pairs), digest.hexdigest(), synonyms)

    def get(self, name: str, identity: str, language: Language) -> Pair:
        """Read one pair.

        Raises:
            UnknownBase: There is no base of that name.
            UnknownEntry: It has no such pair.
            StoreUnavailable: The database is locked or away.
        """
        with self.reading() as connection:
            row = self._find(connection, name)
            content = connection.execute(
                select(entries.c.content).where(
                    entries.c.base == row.id,
                    entries.c.kind == "pair",
                    entries.c.id == check_text(identity, "the id of a pair"),
                    entries.c.sub == language,
                )
            ).scalar()
        if content is None:
            raise UnknownEntry(f"the base {name!r} has no pair {identity!r} in {language!r}")
        return read_pair(identity, language, content)

    @staticmethod
    def _find(connection: Connection, name: str) -> Row[tuple[int, str, str, int, int, float]]:
        check_text(name, "the name of a base", 10_000)
        row = connection.execute(select(bases).where(bases.c.name == name)).one_or_none()
        if row is None:
            known = sorted(connection.execute(select(bases.c.name)).scalars())
            raise UnknownBase(
                f"there is no base {name[:100]!r}; there are {', '.join(known[:20]) or 'none'}"
            )
        return row

    def _find_ids(self, connection: Connection, names: Iterable[str]) -> list[int]:
        return [int(self._find(connection, name).id) for name in names]


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"a base cannot be called {str(name)[:100]!r}; use a-z, 0-9, '.', '_' and '-', beginning"
            " with a letter or digit, at most 64 characters"
        )


def _check_free(connection: Connection, name: str) -> None:
    if connection.execute(select(bases.c.id).where(bases.c.name == name)).first() is not None:
        raise InputError(f"there is a base {name!r} already; choose another name")
