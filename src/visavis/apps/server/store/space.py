"""How much room the database takes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import text

from visavis.apps.server.store.database import Database


async def measure_space(database: Database) -> int:
    """Give the bytes that the database takes on disk, journals included."""
    if database.is_sqlite:
        return await asyncio.to_thread(_measure_file, Path(str(database.url.database)))
    async with database.reading() as connection:
        size = await connection.execute(text("SELECT pg_database_size(current_database())"))
        return int(size.scalar_one())


def _measure_file(path: Path) -> int:
    files = (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm"))
    return sum(file.stat().st_size for file in files if file.exists())
