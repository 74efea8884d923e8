"""Changes of a base as versions: made, listed, taken back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, func, insert, or_, select, update

from visavis.core.errors import InputError
from visavis.core.types import Language
from visavis.knowledge.base import Pair
from visavis.knowledge.store.bases import BaseRows
from visavis.knowledge.store.contents import (
    Entry,
    check_text,
    pair_entry,
    synonyms_entry,
)
from visavis.knowledge.store.entries import BATCH, Cancel, Progress, write_entries
from visavis.knowledge.store.records import UnknownEntry, Version, VersionConflict
from visavis.knowledge.store.tables import bases, changes, versions


class VersionRows(BaseRows):
    """Versions as rows."""

    def change(
        self,
        name: str,
        *,
        put: Sequence[Pair] = (),
        remove: Sequence[tuple[str, Language]] = (),
        note: str = "",
        author: str = "",
        expect_version: int | None = None,
        progress: Progress | None = None,
        cancelled: Cancel | None = None,
    ) -> Version | None:
        """Put pairs into a base and remove others, all or nothing.

        Args:
            name: Of the base.
            put: Each replaces the pair with its id and language, in its place, or comes to the end.
            remove: Ids and languages; those that are not there are passed over.
            note: What for.
            author: Who.
            expect_version: Number of the version that the caller knows; any if None.
            progress: Told pairs done and their total.
            cancelled: Asked now and then; nothing is written once it says yes.

        Returns:
            The version made; None where nothing differs.

        Raises:
            UnknownBase: There is no base of that name.
            InputError: A pair cannot be kept, or stands there twice.
            VersionConflict: The base is at another version.
            Cancelled: It was stopped.
            StoreUnavailable: The database is locked, full or away.
        """
        _check_once([*((pair.id, pair.language) for pair in put), *remove])

        def wanted() -> Iterator[Entry]:
            for pair in put:
                yield pair_entry(pair)
            for identity, language in remove:
                check_text(identity, "the id of a pair")
                yield Entry("pair", identity, check_text(language, "a language"), None)

        return self._make_version(
            name,
            wanted(),
            note=note,
            author=author,
            expect_version=expect_version,
            total=len(put) + len(remove),
            progress=progress,
            cancelled=cancelled,
        )

    def set_synonyms(
        self,
        name: str,
        groups: Sequence[Sequence[str]],
        note: str = "",
        author: str = "",
        expect_version: int | None = None,
    ) -> Version | None:
        """Replace the groups of words that mean the same in a base.

        Raises:
            UnknownBase: There is no base of that name.
            InputError: A group has fewer than two words, or one cannot be kept.
            VersionConflict: The base is at another version.
            StoreUnavailable: The database is locked, full or away.
        """
        entry = synonyms_entry(groups)
        return self._make_version(
            name, [entry], note=note, author=author, expect_version=expect_version
        )

    def versions(self, name: str, limit: int = 50) -> list[Version]:
        """List the newest versions of a base, newest first.

        Raises:
            UnknownBase: There is no base of that name.
            StoreUnavailable: The database is locked or away.
        """
        with self.reading() as connection:
            base = self._find(connection, name).id
            rows = connection.execute(
                select(versions)
                .where(versions.c.base == base)
                .order_by(versions.c.number.desc())
                .limit(limit)
            ).all()
        return [_read_version(row) for row in rows]

    def undo(self, name: str, author: str = "", expect_version: int | None = None) -> Version:
        """Take back the newest version that was not taken back yet, as a new version.

        Called again it goes further back. A change made in between is taken back first. What
        ``restore`` made is taken back like any change.

        Raises:
            UnknownBase: There is no base of that name.
            InputError: Nothing is left to take back.
            VersionConflict: The base is at another version.
            StoreUnavailable: The database is locked, full or away.
        """
        with self.writing() as connection:
            base = self._find(connection, name)
            number = connection.execute(
                select(func.max(versions.c.number)).where(
                    versions.c.base == base.id, versions.c.undoes.is_(None), ~versions.c.undone
                )
            ).scalar()
            if number is None:
                raise InputError(f"the base {name!r} has no change that could be taken back")
            key = (changes.c.kind, changes.c.id, changes.c.sub)
            taken = select(*key, changes.c.version).where(
                changes.c.base == base.id, changes.c.version == number
            )
            made = self._write_version(
                connection,
                name,
                _walk_before(connection, base.id, taken),
                note=f"undo of version {number}",
                author=author,
                expect_version=expect_version,
                undoes=number,
            )
            connection.execute(
                update(versions)
                .where(versions.c.base == base.id, versions.c.number == number)
                .values(undone=True)
            )
        assert made is not None  # every version has a change, and it still stood
        return made

    def restore(
        self, name: str, number: int, author: str = "", expect_version: int | None = None
    ) -> Version | None:
        """Make a base as it was at a version, as a new version.

        Args:
            name: Of the base.
            number: Of the version; 0 for the empty base.
            author: Who.
            expect_version: Number of the version that the caller knows; any if None.

        Returns:
            The version made; None where nothing differs.

        Raises:
            UnknownBase: There is no base of that name.
            UnknownEntry: It has no such version.
            VersionConflict: It is at another version.
            StoreUnavailable: The database is locked, full or away.
        """
        with self.writing() as connection:
            base = self._find(connection, name)
            if not 0 <= number <= base.version:
                raise UnknownEntry(
                    f"the base {name!r} has no version {number}; it has 0 to {base.version}"
                )
            # What an entry was at that version is what the first later change found.
            key = (changes.c.kind, changes.c.id, changes.c.sub)
            first = (
                select(*key, func.min(changes.c.version).label("version"))
                .where(
                    changes.c.base == base.id,
                    changes.c.version > number,
                    changes.c.version <= base.version,
                )
                .group_by(*key)
            )
            return self._write_version(
                connection,
                name,
                _walk_before(connection, base.id, first),
                note=f"restored version {number}",
                author=author,
                expect_version=expect_version,
            )

    def _make_version(self, name: str, wanted: Iterable[Entry], **options: Any) -> Version | None:
        with self.writing() as connection:
            return self._write_version(connection, name, wanted, **options)

    def _write_version(
        self,
        connection: Connection,
        name: str,
        wanted: Iterable[Entry],
        *,
        note: str,
        author: str,
        expect_version: int | None = None,
        undoes: int | None = None,
        total: int = 0,
        progress: Progress | None = None,
        cancelled: Cancel | None = None,
    ) -> Version | None:
        check_text(note, "the note")
        check_text(author, "the author")
        base = self._find(connection, name)
        if expect_version is not None and base.version != expect_version:
            raise VersionConflict(
                f"the base {name!r} is at version {base.version}, not {expect_version}: somebody"
                " changed it meanwhile; look at it again before you change it"
            )
        number = base.version + 1
        tally = write_entries(
            connection,
            base.id,
            number,
            wanted,
            total=total,
            progress=progress,
            cancelled=cancelled,
        )
        if not tally.rows:
            return None
        values = {
            "base": base.id,
            "number": number,
            "at": time.time(),
            "author": author,
            "note": note,
            "added": tally.added,
            "changed": tally.changed,
            "removed": tally.removed,
            "undoes": undoes,
            "undone": False,
        }
        connection.execute(insert(versions).values(values))
        connection.execute(
            update(bases).where(bases.c.id == base.id).values(version=number, changed=values["at"])
        )
        self._grow_revision(connection)
        row = connection.execute(
            select(versions).where(versions.c.base == base.id, versions.c.number == number)
        ).one()
        return _read_version(row)


def _check_once(keys: Sequence[tuple[str, str]]) -> None:
    seen: set[tuple[str, str]] = set()
    for key in keys:
        if key in seen:
            raise InputError(f"pair {key[0][:100]!r} ({key[1]}) stands twice in one change")
        seen.add(key)


def _walk_before(connection: Connection, base: int, chosen: Select[Any]) -> Iterator[Entry]:
    """Yield entries as they were before changes, in pages: other statements run in between.

    Args:
        connection: In a transaction.
        base: Id of the base.
        chosen: Kind, id, sub and version of these changes.
    """
    key = (changes.c.kind, changes.c.id, changes.c.sub)
    after: tuple[str, str, str] | None = None
    while True:
        page = chosen.order_by(*key).limit(BATCH)
        if after is not None:
            kind, identity, sub = after
            page = page.where(
                or_(
                    changes.c.kind > kind,
                    and_(changes.c.kind == kind, changes.c.id > identity),
                    and_(changes.c.kind == kind, changes.c.id == identity, changes.c.sub > sub),
                )
            )
        part = page.subquery()
        same = (changes.c[name] == part.c[name] for name in ("kind", "id", "sub", "version"))
        query = select(changes).join(part, and_(changes.c.base == base, *same)).order_by(*key)
        rows = connection.execute(query).all()
        for row in rows:
            yield Entry(row.kind, row.id, row.sub, row.before_content, row.before_position)
        if len(rows) < BATCH:
            return
        after = (rows[-1].kind, rows[-1].id, rows[-1].sub)


def _read_version(row: Any) -> Version:
    return Version(
        number=row.number,
        when=datetime.fromtimestamp(row.at, UTC),
        author=row.author,
        note=row.note,
        added=row.added,
        changed=row.changed,
        removed=row.removed,
        undoes=row.undoes,
    )
