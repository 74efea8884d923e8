"""Knowledge stores for tests: each test that takes ``kb_place`` or ``kb`` runs on both databases."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from kb_cluster import KbCluster, NoCluster, run_kb_cluster

from visavis.knowledge.store import KnowledgeStore


@pytest.fixture(scope="session")
def kb_cluster() -> Iterator[KbCluster]:
    with contextlib.ExitStack() as stack:
        try:
            cluster = stack.enter_context(run_kb_cluster())
        except NoCluster as error:
            pytest.skip(str(error))
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def kb_place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "data" / "kb.sqlite3")
    cluster: KbCluster = request.getfixturevalue("kb_cluster")
    return cluster.address(cluster.make_database())


@pytest.fixture
def kb(kb_place: str) -> Iterator[KnowledgeStore]:
    with KnowledgeStore.open(kb_place) as store:
        yield store
