"""Measure the knowledge store: import, opening, index, search, on SQLite and PostgreSQL.

Each pair has a question and an answer, each with a vector around one of many centres, as sentences
lie around subjects. The baseline is comparing a question with every vector in memory.

python benchmarks/knowledge_store.py                                   SQLite in a temporary folder
python benchmarks/knowledge_store.py --place postgresql://…/empty      a database with pgvector
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from visavis.core.types import Floats
from visavis.knowledge.base import Pair
from visavis.knowledge.store import KnowledgeStore

FINGERPRINT = "benchmark"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--place", help="an empty store; SQLite in a temporary folder by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.place or str(Path(folder) / "kb.sqlite3")
        measure(place, arguments.pairs, arguments.dimension, arguments.queries)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        if size:
            print(f"files: {size / 1e6:.0f} MB")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this program, its own vectors included: {peak:.0f} MB")


def measure(place: str, count: int, dimension: int, queries: int) -> None:
    pairs = [
        Pair(f"p{n}", f"question number {n}", f"answer number {n}, " + "of some length " * 8, "en")
        for n in range(count)
    ]
    rows = cluster(2 * count, dimension)
    store = KnowledgeStore.open(place)
    store.create("large")
    store.create("small")
    began = time.perf_counter()
    store.change("large", put=pairs[:-100])
    store.change("small", put=pairs[-100:])
    report("import of the pairs", began)

    began, start, texts = time.perf_counter(), 0, []
    for part in store.missing_texts(FINGERPRINT, batch=5_000):
        store.put_vectors(FINGERPRINT, part, rows[start : start + len(part)])
        start += len(part)
        texts.extend(part)
    report(f"keeping {start} vectors", began)
    began = time.perf_counter()
    store.prepare(FINGERPRINT)
    report("building the index", began)
    store.close()

    random = np.random.default_rng(1)
    asked = rows[random.integers(0, start, queries)]
    asked = unit(asked + 0.3 * unit(random.normal(size=asked.shape).astype(np.float32)))
    began = time.perf_counter()
    store = KnowledgeStore.open(place)
    report("opening", began)
    began = time.perf_counter()
    store.nearest(FINGERPRINT, asked[0], 10)
    report("first search", began)
    began = time.perf_counter()
    store.load("large")
    report("loading all pairs", began)

    place_of = {text: number for number, text in enumerate(texts)}
    owner = {
        (pair.id, kind): place_of[text]
        for pair in pairs
        for kind, text in (("wording", pair.question), ("answer", pair.answer))
    }
    seconds, brute, right = [], [], 0
    for query in asked:
        began = time.perf_counter()
        near = store.nearest(FINGERPRINT, query, 10)
        seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
        best = np.argpartition(-(rows @ query), 9)[:10]
        brute.append(time.perf_counter() - began)
        right += len({owner[n.id, n.kind] for n in near} & set(best.tolist()))
    tell("search, 10 of all", seconds)
    tell("baseline, every vector in memory", brute)
    print(f"recall of the 10: {right / (10 * queries):.3f}")
    for name, scope in (
        ("search, 10 wordings", {"kinds": ["wording"]}),
        ("search, 10 in a base of 100 pairs", {"bases": ["small"]}),
    ):
        seconds = []
        for query in asked:
            began = time.perf_counter()
            store.nearest(FINGERPRINT, query, 10, **scope)
            seconds.append(time.perf_counter() - began)
        tell(name, seconds)
    began = time.perf_counter()
    store.undo("large")
    report("taking the import back", began)
    store.close()


def cluster(count: int, dimension: int) -> Floats:
    random = np.random.default_rng(0)
    centres = unit(random.normal(size=(max(count // 20, 1), dimension)).astype(np.float32))
    rows = np.empty((count, dimension), np.float32)
    for start in range(0, count, 10_000):
        part = centres[random.integers(0, len(centres), min(10_000, count - start))]
        noise = unit(random.normal(size=part.shape).astype(np.float32))
        rows[start : start + len(part)] = unit(part + 0.8 * noise)
    return rows


def unit(rows: Floats) -> Floats:
    out: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return out


def report(what: str, began: float) -> None:
    print(f"{what}: {time.perf_counter() - began:.2f} s", flush=True)


def tell(what: str, seconds: list[float]) -> None:
    p50, p95 = np.percentile(seconds, [50, 95]) * 1e3
    print(f"{what}: p50 {p50:.1f} ms, p95 {p95:.1f} ms", flush=True)


if __name__ == "__main__":
    main()
