"""The store as everybody uses it."""

from __future__ import annotations

from pathlib import Path

from visavis.knowledge.store.hnsw import FileKeeper
from visavis.knowledge.store.nearest import NearestRows
from visavis.knowledge.store.pgvector import PgKeeper


class KnowledgeStore(NearestRows):
    """Bases with their history, documents and vectors, in SQLite or in PostgreSQL with pgvector.

    Its calls wait for the database, so that async callers use threads, any number of them. Several
    processes may have one store open.
    """

    def __init__(self, place: str | Path) -> None:
        """Open a store.

        Args:
            place: Path of an SQLite file, which is made with its folders, or ``postgresql://…``.

        Raises:
            ConfigError: It cannot be used, or is newer than the program; nothing in it was touched.
            StoreUnavailable: It does not answer, or refuses the user.
            MissingExtra: It is PostgreSQL, whose driver is not installed.
        """
        super().__init__(place)
        if self.is_sqlite:
            self.keeper = FileKeeper(self, Path(str(self.url.database)))
        else:
            self.keeper = PgKeeper(self)

    def close(self) -> None:
        """Close all connections and files; more than once does no harm."""
        keeper = getattr(self, "keeper", None)
        if keeper is not None:
            keeper.close()
        super().close()
