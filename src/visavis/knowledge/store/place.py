"""Where a store is: the path of an SQLite file, or the URL of a PostgreSQL database."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from visavis.core.errors import ConfigError
from visavis.knowledge.store.schema import check_known

_SMALLEST = 512
"""Bytes of the smallest database; SQLite takes what is shorter than its header for empty."""


def find_url(place: str | Path) -> URL:
    """Read a place and settle its driver.

    Raises:
        ConfigError: It is neither a path nor the URL of a database that the store can use.
    """
    text = str(place).strip()
    if not text:
        raise ConfigError("the knowledge store has no place; name a file or postgresql://…")
    if "://" not in text:
        return URL.create("sqlite", database=str(Path(text).expanduser()))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The text is not shown: it may hold a password.
        raise ConfigError(
            "the place of the knowledge store is not a URL; write"
            " postgresql://user:password@host/name, or the path of a file for SQLite"
        ) from None
    kind = url.drivername.partition("+")[0]
    if kind in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if kind == "sqlite" and url.database and url.database != ":memory:":
        return URL.create("sqlite", database=str(Path(url.database).expanduser()))
    raise ConfigError(
        f"the knowledge store cannot use a database of kind {url.drivername!r};"
        " PostgreSQL (postgresql://…) and SQLite files (a path) are supported"
    )


def prepare_file(path: Path, timeout: float) -> None:
    """Look at an SQLite file before anything writes to it, or make it, for its owner alone.

    Args:
        path: Of the file; its folders are made.
        timeout: Seconds to wait for another process.

    Raises:
        ConfigError: It is no database, one of another program, newer, or must not be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            # Journals inherit the file's rights.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        _check_rights(path)
        with contextlib.closing(sqlite3.connect(path, timeout=timeout)) as plain:
            tables = {
                name
                for (name,) in plain.execute("SELECT name FROM sqlite_master WHERE type='table'")
            }
            if "kb_state" in tables:
                row = plain.execute("SELECT schema_version FROM kb_state").fetchone()
                check_known(int(row[0]) if row else 0, str(path))
            elif tables:
                raise ConfigError(
                    f"{path} is a database of something else (it has the table"
                    f" {min(tables)!r}); name another file for the knowledge store"
                )
            plain.execute("PRAGMA journal_mode = WAL")
    except OSError as error:
        raise ConfigError(
            f"the knowledge store {path} cannot be opened: {error.strerror};"
            " name a file in a folder that may be written to"
        ) from error
    except sqlite3.Error as error:
        raise ConfigError(
            f"{path} cannot be used as a knowledge store: {error};"
            " name another file, or put a copy of it back"
        ) from error


def _check_rights(path: Path) -> None:
    # Never by opening the file: closing it would drop the locks that SQLite holds in this process.
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file for the knowledge store")
    if 0 < path.stat().st_size < _SMALLEST:
        raise ConfigError(f"{path} is not a database; name another file for the knowledge store")
    effective = os.access in os.supports_effective_ids
    for place in (path, path.parent):
        if not os.access(place, os.R_OK | os.W_OK, effective_ids=effective):
            raise ConfigError(
                f"the knowledge store {path} cannot be used: {place} may not be written to;"
                " change its rights, or name another file"
            )
