"""Stores for tests: each test that takes ``place`` or ``store`` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from postgres_cluster import Cluster, run_cluster, why_not
from store_place import Place

from visavis.apps.server.store import Store


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with run_cluster() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    folder = tmp_path / "data"
    if request.param == "sqlite":
        return Place(folder, "", None)
    running: Cluster = request.getfixturevalue("cluster")
    return Place(folder, running.make_database(), running)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    opened = place.make_store()
    await opened.open()
    yield opened
    await opened.close()
