"""Documents of a base and their passages; they are changes of the base like any other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, and_, func, select

from visavis.core.errors import InputError
from visavis.knowledge.store.contents import (
    Entry,
    check_text,
    document_entry,
    passage_entry,
    read_document,
    read_passage,
)
from visavis.knowledge.store.entries import Cancel, Progress
from visavis.knowledge.store.records import (
    DocumentInfo,
    StoredDocument,
    StoredPassage,
    UnknownEntry,
    Version,
)
from visavis.knowledge.store.tables import changes, entries, versions
from visavis.knowledge.store.versions import VersionRows


class DocumentRows(VersionRows):
    """Documents as rows."""

    def put_document(
        self,
        name: str,
        document: StoredDocument,
        passages: Sequence[StoredPassage],
        *,
        note: str = "",
        author: str = "",
        expect_version: int | None = None,
        progress: Progress | None = None,
        cancelled: Cancel | None = None,
    ) -> Version | None:
        """Put a document into a base, in place of the one with its id.

        Returns:
            The version made; None where nothing differs.

        Raises:
            UnknownBase: There is no base of that name.
            InputError: A text cannot be kept, or a number stands twice.
            VersionConflict: The base is at another version.
            Cancelled: It was stopped.
            StoreUnavailable: The database is locked, full or away.
        """
        new: dict[str, Entry] = {}
        digest = hashlib.sha256()
        for passage in passages:
            entry = passage_entry(document, passage)
            if entry.sub in new:
                raise InputError(
                    f"document {document.id[:100]!r} has two passages of number {entry.sub}"
                )
            new[entry.sub] = entry
            raw = f"{entry.sub} {entry.content}".encode()
            digest.update(len(raw).to_bytes(8, "big") + raw)
        head = document_entry(document, digest.hexdigest())
        with self.writing() as connection:
            base = self._find(connection, name).id
            gone = [
                Entry("passage", document.id, sub, None)
                for sub in _passage_subs(connection, base, document.id)
                if sub not in new
            ]
            return self._write_version(
                connection,
                name,
                [head, *new.values(), *gone],
                note=note,
                author=author,
                expect_version=expect_version,
                total=1 + len(new) + len(gone),
                progress=progress,
                cancelled=cancelled,
            )

    def delete_document(
        self,
        name: str,
        identity: str,
        *,
        note: str = "",
        author: str = "",
        expect_version: int | None = None,
    ) -> Version:
        """Take a document and its passages out of a base.

        Raises:
            UnknownBase: There is no base of that name.
            UnknownEntry: It has no such document.
            VersionConflict: The base is at another version.
            StoreUnavailable: The database is locked, full or away.
        """
        with self.writing() as connection:
            base = self._find(connection, name).id
            _check_document(connection, base, name, identity)

            def wanted() -> Iterator[Entry]:
                yield Entry("document", identity, "", None)
                for sub in _passage_subs(connection, base, identity):
                    yield Entry("passage", identity, sub, None)

            made = self._write_version(
                connection,
                name,
                list(wanted()),
                note=note,
                author=author,
                expect_version=expect_version,
            )
        assert made is not None  # the document was there
        return made

    def documents(self, name: str) -> list[StoredDocument]:
        """List the documents of a base, in the order in which they came.

        Raises:
            UnknownBase: There is no base of that name.
            StoreUnavailable: The database is locked or away.
        """
        with self.reading() as connection:
            return _list_documents(connection, self._find(connection, name).id)

    def describe_documents(self, name: str) -> list[DocumentInfo]:
        """List the documents of a base as `documents` does, with what there is of each.

        Raises:
            UnknownBase: There is no base of that name.
            StoreUnavailable: The database is locked or away.
        """
        with self.reading() as connection:
            base = self._find(connection, name).id
            found = _list_documents(connection, base)
            counted = connection.execute(
                select(entries.c.id, func.count().label("n"))
                .where(entries.c.base == base, entries.c.kind == "passage")
                .group_by(entries.c.id)
            ).all()
            same = and_(changes.c.base == versions.c.base, changes.c.version == versions.c.number)
            dated = connection.execute(
                select(changes.c.id, func.max(versions.c.at).label("at"))
                .join(versions, same)
                .where(changes.c.base == base, changes.c.kind == "document")
                .group_by(changes.c.id)
            ).all()
        passages = {row.id: row.n for row in counted}
        moments = {row.id: row.at for row in dated}
        return [
            DocumentInfo(
                document,
                passages.get(document.id, 0),
                datetime.fromtimestamp(moments[document.id], UTC),
            )
            for document in found
        ]

    def passages(self, name: str, identity: str) -> list[StoredPassage]:
        """Read the passages of a document, by number.

        Raises:
            UnknownBase: There is no base of that name.
            UnknownEntry: It has no such document.
            StoreUnavailable: The database is locked or away.
        """
        with self.reading() as connection:
            base = self._find(connection, name).id
            _check_document(connection, base, name, identity)
            rows = connection.execute(
                select(entries.c.sub, entries.c.content).where(
                    entries.c.base == base, entries.c.kind == "passage", entries.c.id == identity
                )
            ).all()
        return sorted(
            (read_passage(row.sub, row.content) for row in rows), key=lambda passage: passage.number
        )


def _passage_subs(connection: Connection, base: int, identity: str) -> list[str]:
    return list(
        connection.execute(
            select(entries.c.sub).where(
                entries.c.base == base, entries.c.kind == "passage", entries.c.id == identity
            )
        ).scalars()
    )


def _list_documents(connection: Connection, base: int) -> list[StoredDocument]:
    rows = connection.execute(
        select(entries.c.id, entries.c.content)
        .where(entries.c.base == base, entries.c.kind == "document")
        .order_by(entries.c.position, entries.c.id)
    ).all()
    return [read_document(row.id, row.content) for row in rows]


def _check_document(connection: Connection, base: int, name: str, identity: str) -> None:
    query = select(entries.c.id).where(
        entries.c.base == base,
        entries.c.kind == "document",
        entries.c.id == check_text(identity, "the id of a document"),
    )
    if connection.execute(query).first() is None:
        raise UnknownEntry(f"the base {name!r} has no document {identity!r}")
