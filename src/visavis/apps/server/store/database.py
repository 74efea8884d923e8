"""An open database: how it is connected, brought up to date, written to and read.

SQLite runs with WAL, so that readers and the one writer do not wait for each other, and with
``synchronous = FULL``: a job that was accepted survives a power cut, and since the recorder
writes in batches this costs one flush to disk a batch, on a thread that no session waits for.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from visavis.apps.server.store.place import database_url, folder_name, make_folder
from visavis.core.errors import ConfigError, StoreUnavailable

_LOG = logging.getLogger(__name__)

BUSY = 5.0
"""Seconds that a writer waits for another one (SQLite)."""
OPENING = 60.0
"""Seconds that a process waits while another one brings the database up to date."""
_LOCK = 0x7669736176697301
"""Of PostgreSQL's advisory locks, the one under which migrations run."""
_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """The connection pool and its two kinds of transaction."""

    def __init__(self, folder: Path, *, url: str = "") -> None:
        """Settle where it is; nothing is opened yet.

        Args:
            folder: The server's data folder; made when the store is opened.
            url: ``postgresql://…`` or ``sqlite:///…``; empty for SQLite in the folder.

        Raises:
            ConfigError: The URL cannot be used.
        """
        self.folder = folder
        self.url: URL = database_url(url, folder)
        self.owner = ""
        self._engine: AsyncEngine | None = None

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of SQLite."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def where(self) -> str:
        """The database in words, without its password."""
        if self.is_sqlite:
            return str(self.url.database)
        return self.url.render_as_string(hide_password=True).replace("+psycopg", "")

    @property
    def engine(self) -> AsyncEngine:
        """The open engine."""
        if self._engine is None:
            raise StoreUnavailable("the store is closed; open it first")
        return self._engine

    async def connect(self) -> None:
        """Make the folder, connect, and bring the database up to date.

        Raises:
            ConfigError: The folder or database cannot be used, or it is newer than the program; in
                that case nothing in it was touched.
            StoreUnavailable: It does not answer.
        """
        if self._engine is not None:
            return
        make_folder(self.folder)
        self.owner = folder_name(self.folder)
        if self.is_sqlite:
            self._prepare_file(Path(str(self.url.database)))
        self._engine = _make_engine(self.url)
        try:
            async with self._opening() as connection:
                await connection.run_sync(self._upgrade)
        except BaseException:
            await self.disconnect()
            raise

    async def disconnect(self) -> None:
        """Close all connections."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that writes; it is committed at the end, all or nothing.

        Raises:
            StoreUnavailable: The database is locked, full or away. Nothing was written.
        """
        with self._plain_errors():
            async with self.engine.connect() as connection:
                await connection.execution_options(visavis_begin="IMMEDIATE")
                async with connection.begin():
                    yield connection

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that reads.

        Raises:
            StoreUnavailable: The database is locked or away.
        """
        with self._plain_errors():
            async with self.engine.connect() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def _opening(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self.engine.connect() as connection:
                if self.is_sqlite:
                    await connection.execution_options(visavis_begin="EXCLUSIVE")
                async with connection.begin():
                    yield connection
        except (OperationalError, InterfaceError) as error:
            raise StoreUnavailable(
                f"the database {self.where} does not answer ({_reason(error)});"
                " check VISAVIS_SERVER_DATABASE and that it runs"
            ) from error
        except SQLAlchemyError as error:
            raise ConfigError(
                f"the database {self.where} cannot be used ({_reason(error)});"
                " is it one of this program? Else name another with VISAVIS_SERVER_DATABASE"
            ) from error

    @contextlib.contextmanager
    def _plain_errors(self) -> Any:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            raise StoreUnavailable(f"the store cannot be used now: {_reason(error)}") from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise StoreUnavailable(f"the store went away: {_reason(error)}") from error
            raise

    def _prepare_file(self, path: Path) -> None:
        """Look at the file before anything writes to it, and give a new one its lasting traits.

        Raises:
            ConfigError: It is no database, or newer than the program.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with contextlib.suppress(FileExistsError):
                # What users ask is nobody else's business; journals inherit the file's rights.
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            with contextlib.closing(sqlite3.connect(path, timeout=OPENING)) as plain:
                found = _read_version(plain)
                if found is not None:
                    self._check_known(found)
                else:
                    # Only before the first table: lets purged pages be given back.
                    plain.execute("PRAGMA auto_vacuum = INCREMENTAL")
                plain.execute("PRAGMA journal_mode = WAL")
        except OSError as error:
            raise ConfigError(
                f"the database {path} cannot be opened: {error.strerror};"
                " set VISAVIS_SERVER_DATA to a folder that may be written to"
            ) from error
        except sqlite3.DatabaseError as error:
            raise ConfigError(
                f"{path} cannot be used as a database: {error};"
                " move it away to begin anew, or put a copy of it back"
            ) from error

    def _upgrade(self, connection: Connection) -> None:
        if not self.is_sqlite:
            connection.execute(
                text(f"SET LOCAL lock_timeout = {int(OPENING * 1000)}"),
            )
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        found = MigrationContext.configure(connection).get_current_revision()
        if found is not None:
            self._check_known(found)
        config = _alembic()
        newest = ScriptDirectory.from_config(config).get_current_head()
        if found == newest:
            return
        _LOG.info("bringing the database from %s to %s", found or "nothing", newest)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    def _check_known(self, revision: str) -> None:
        known = {
            script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions()
        }
        if revision not in known:
            raise ConfigError(
                f"the database {self.where} was written by a newer visavis (its form is"
                f" {revision}, this program knows up to {max(known)}); nothing was changed:"
                " update the program, or name another database"
            )


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _read_version(plain: sqlite3.Connection) -> str | None:
    known = plain.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
    if known is None:
        return None
    row = plain.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _make_engine(url: URL) -> AsyncEngine:
    if url.get_backend_name() != "sqlite":
        return create_async_engine(
            url,
            pool_size=4,
            max_overflow=4,
            pool_timeout=10,
            pool_pre_ping=True,
            # Errors are logged, and questions are nobody's business there.
            hide_parameters=True,
            connect_args={"connect_timeout": 10, "application_name": "visavis"},
        )
    # The driver would begin transactions by itself, and not before a SELECT: a read that turns
    # into a write could then fail at once, however long it may wait. Ours begin when we say so.
    engine = create_async_engine(
        url,
        pool_size=4,
        max_overflow=4,
        hide_parameters=True,
        connect_args={"timeout": BUSY, "isolation_level": None},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        for pragma in ("foreign_keys = ON", "synchronous = FULL", "secure_delete = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        how = connection.get_execution_options().get("visavis_begin", "DEFERRED")
        if how == "EXCLUSIVE":
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(OPENING * 1000)}")
        connection.exec_driver_sql(f"BEGIN {how}")
        if how == "EXCLUSIVE":
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(BUSY * 1000)}")

    return engine


def _reason(error: SQLAlchemyError) -> str:
    """What the driver said, without the statement and its values."""
    origin = getattr(error, "orig", None) or error
    return " ".join(str(origin).split())[:300]
