"""Where a store under test is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from postgres_cluster import Cluster

from visavis.apps.server.store import Store


@dataclass(frozen=True)
class Place:
    """An empty folder and an empty database; SQLite where there is no cluster."""

    folder: Path
    url: str = ""
    cluster: Cluster | None = None

    @property
    def is_sqlite(self) -> bool:
        return self.cluster is None

    def make_store(self, **options: object) -> Store:
        return Store(self.folder, url=self.url, **options)  # type: ignore[arg-type]
