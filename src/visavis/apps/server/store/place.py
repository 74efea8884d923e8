"""The data folder of a store, and how its database is called."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from visavis.core.errors import ConfigError

DATABASE = "visavis.sqlite3"


def data_folder(chosen: Path | None = None) -> Path:
    """Give the server's data folder: the one chosen, else one in the user's own data.

    ``$VISAVIS_HOME/server``, else ``$XDG_DATA_HOME/visavis/server``. It need not exist.
    """
    if chosen is not None:
        return chosen.expanduser()
    own = os.environ.get("VISAVIS_HOME", "").strip()
    if own:
        return Path(own).expanduser() / "server"
    base = os.environ.get("XDG_DATA_HOME", "").strip()
    data = Path(base).expanduser() if base else Path.home() / ".local" / "share"
    return data / "visavis" / "server"


def make_folder(folder: Path) -> None:
    """Make the data folder, readable by its owner alone.

    Raises:
        ConfigError: It cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / f".{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"the data folder {folder} cannot be used: {error.strerror};"
            " set VISAVIS_SERVER_DATA to a folder that may be written to"
        ) from error


def folder_name(folder: Path) -> str:
    """Give the name that a data folder keeps for life: jobs belong to where their files are."""
    path = folder / "owner"
    with contextlib.suppress(FileExistsError), path.open("x") as file:
        file.write(secrets.token_hex(8))
    # Somebody else may have made it this moment and not yet written.
    return path.read_text().strip() or folder.name[:64]


def database_url(text: str, folder: Path) -> URL:
    """Read a database URL and settle its driver; empty means SQLite in the folder.

    Raises:
        ConfigError: It is not a URL of a database that the store can use.
    """
    if not text.strip():
        return URL.create("sqlite+aiosqlite", database=str(folder / DATABASE))
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        raise ConfigError(
            "VISAVIS_SERVER_DATABASE is not a URL;"
            " write postgresql://user:password@host/name, or leave it empty for SQLite"
        ) from None
    kind = url.drivername.partition("+")[0]
    if kind in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if kind == "sqlite" and url.database and url.database != ":memory:":
        return url.set(drivername="sqlite+aiosqlite")
    raise ConfigError(
        f"the store cannot use a database of kind {url.drivername!r};"
        " PostgreSQL (postgresql://…) and SQLite files (sqlite:///path) are supported"
    )
