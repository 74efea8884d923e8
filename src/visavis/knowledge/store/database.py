"""An open database: how it is connected, brought up to date, written to and read.

SQLite runs with WAL, so that readers and the one writer do not wait for each other. Writers take
turns in both databases: a change of a base is rare, may be long, and must not be lost or deadlock.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, select, text, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from visavis.core.errors import ConfigError, MissingExtra, StoreUnavailable
from visavis.knowledge.store import schema
from visavis.knowledge.store.place import find_url, prepare_file
from visavis.knowledge.store.tables import state

BUSY = 30.0
"""Seconds that a writer waits for another one; an import of 100,000 pairs holds the turn for about
this long."""
_LOCK = 0x7669736B62617365
"""Of PostgreSQL's advisory locks, the one that writers take."""
_MIN_PGVECTOR = (0, 7)
"""The first with halfvec."""


class Database:
    """The connection pool and its two kinds of transaction. Safe to use from several threads."""

    def __init__(self, place: str | Path) -> None:
        """Connect and bring the database up to date.

        Args:
            place: Path of an SQLite file, which is made with its folders, or ``postgresql://…``.

        Raises:
            ConfigError: It cannot be used, or is newer than the program; nothing in it was touched.
            StoreUnavailable: It does not answer, or refuses the user.
            MissingExtra: It is PostgreSQL, whose driver is not installed.
        """
        self.url: URL = find_url(place)
        if self.is_sqlite:
            prepare_file(Path(str(self.url.database)), BUSY)
        self._engine: Engine | None = _make_engine(self.url)
        try:
            if not self._is_current():
                with self._opening() as connection:
                    if not self.is_sqlite:
                        connection.execute(text(f"SET LOCAL lock_timeout = {int(BUSY * 1000)}"))
                        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
                        schema.check_known(schema.read_version(connection), self.where)
                        self._ensure_pgvector(connection)
                    schema.upgrade(connection, self.where)
        except BaseException:
            self.close()
            raise

    def _is_current(self) -> bool:
        """Whether nothing is to be made, which needs no lock: somebody may be writing for long."""
        try:
            with self.engine.connect() as connection:
                return schema.read_version(connection) == schema.NEWEST
        except SQLAlchemyError:
            return False  # whoever opens it to write is told why

    @classmethod
    def open(cls, place: str | Path) -> Self:
        """Open a store; see the class's constructor."""
        return cls(place)

    def close(self) -> None:
        """Close all connections; more than once does no harm."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of SQLite."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def where(self) -> str:
        """The database in words, without its password."""
        if self.is_sqlite:
            return str(self.url.database)
        # Passwords may stand among the options too.
        shown = {key: value for key, value in self.url.query.items() if key in ("host", "port")}
        plain = self.url.set(query=shown)
        return plain.render_as_string(hide_password=True).replace("+psycopg", "")

    @property
    def engine(self) -> Engine:
        """The open engine."""
        if self._engine is None:
            raise StoreUnavailable("the knowledge store is closed; open it first")
        return self._engine

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that writes, all or nothing; one writer at a time.

        Raises:
            StoreUnavailable: The database is locked, full or away. Nothing was written.
        """
        with self._plain_errors(), self.engine.connect() as connection:
            connection.execution_options(visavis_begin="IMMEDIATE")
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(text(f"SET LOCAL lock_timeout = {int(BUSY * 1000)}"))
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
                yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that sees one moment of the database.

        Raises:
            StoreUnavailable: The database is locked or away.
        """
        with self._plain_errors(), self.engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    def revision(self) -> int:
        """Return a number that grows with every change of any base. Cheap: meant to be polled.

        Raises:
            StoreUnavailable: The database is locked or away.
        """
        with self.reading() as connection:
            return int(connection.execute(select(state.c.revision)).scalar_one())

    @staticmethod
    def _grow_revision(connection: Connection) -> None:
        connection.execute(update(state).values(revision=state.c.revision + 1))

    @contextlib.contextmanager
    def _opening(self) -> Iterator[Connection]:
        try:
            with self.engine.connect() as connection:
                connection.execution_options(visavis_begin="IMMEDIATE")
                with connection.begin():
                    yield connection
        except (OperationalError, InterfaceError) as error:
            raise StoreUnavailable(
                f"the knowledge store {self.where} does not answer: {_reason(error)};"
                " check its address, user and password, and that it runs"
            ) from error
        except SQLAlchemyError as error:
            raise ConfigError(
                f"the knowledge store {self.where} cannot be used: {_reason(error)};"
                " check its address and the rights of its user"
            ) from error

    def _ensure_pgvector(self, connection: Connection) -> None:
        query = text("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        found = connection.execute(query).scalar()
        if found is None:
            try:
                with connection.begin_nested():
                    connection.execute(text("CREATE EXTENSION vector"))
            except SQLAlchemyError as error:
                raise ConfigError(
                    f"the database {self.where} lacks the extension pgvector, and it could not be"
                    f" made: {_reason(error)}; install pgvector on the server and let a superuser"
                    " run: CREATE EXTENSION vector"
                ) from error
            found = connection.execute(query).scalar_one()
        version = tuple(int(part) for part in str(found).split(".")[:2])
        if version < _MIN_PGVECTOR:
            raise ConfigError(
                f"the database {self.where} has pgvector {found}; the knowledge store needs 0.7 or"
                " newer: update it on the server and run ALTER EXTENSION vector UPDATE"
            )

    @contextlib.contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, ProgrammingError, DataError):
            raise
        except (InterfaceError, DatabaseError, PoolTimeout) as error:
            raise StoreUnavailable(
                f"the knowledge store cannot be used now: {_reason(error)}; nothing was written"
            ) from error


def _make_engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        try:
            return create_engine(
                url,
                pool_size=4,
                max_overflow=12,
                pool_timeout=BUSY,
                pool_pre_ping=True,
                # What is in a base may not be for the log.
                hide_parameters=True,
                connect_args={"connect_timeout": 10, "application_name": "visavis"},
            )
        except ModuleNotFoundError as error:
            raise MissingExtra(
                "the driver of PostgreSQL is not installed: pip install 'visavis[postgres]'"
            ) from error
    # The driver would begin transactions by itself, and not before a SELECT: a read that turns
    # into a write could then fail at once, however long it may wait. Ours begin when we say so.
    engine = create_engine(
        url,
        pool_size=4,
        max_overflow=12,
        pool_timeout=BUSY,
        hide_parameters=True,
        connect_args={"timeout": BUSY, "isolation_level": None, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        # A journal that grew with an import is cut down after it.
        for pragma in (
            "foreign_keys = ON",
            "synchronous = FULL",
            f"journal_size_limit = {64 << 20}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        how = connection.get_execution_options().get("visavis_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {how}")

    return engine


def _reason(error: SQLAlchemyError) -> str:
    """What the driver said, without the statement and its values."""
    origin = getattr(error, "orig", None) or error
    return " ".join(str(origin).split())[:300]
