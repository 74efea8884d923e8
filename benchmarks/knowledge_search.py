"""Measure searching 100,000 pairs: importing, indexing, opening, and a question's time.

Pairs are made of the sample base's questions with numbers, places and things exchanged, so that they are
texts that differ, of ordinary length. Questions are asked one after another, by two at once, and while
another process imports. Baselines: comparing the question's vector with every one, in memory and in the
store.

python benchmarks/knowledge_search.py [--pairs 100000] [--store PATH|postgresql://…] [--keep]
    [--vectors-from PATH|postgresql://…]

Most of the time goes into making 200,000 vectors; they can be copied from a store that was kept.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from visavis.core.types import Floats
from visavis.knowledge import shelf as shelves
from visavis.knowledge.base import Pair, load_samples
from visavis.knowledge.evaluate import load_sample_cases
from visavis.knowledge.live import LiveKnowledge
from visavis.knowledge.search import KnowledgeIndex
from visavis.knowledge.store import KnowledgeStore, Near
from visavis.knowledge.store.tables import uses
from visavis.knowledge.store.vectors import find_space
from visavis.models.sentence_encoder.predictor import SentenceEncoder

BASE = "many"
IMPORTED = "imported"
MORE = 2_000
NEW = "新城分中心"
"""Stands before each question that is imported meanwhile."""
NEIGHBOURS = 60
"""As many as a search asks the store for."""
PLACES = [
    "东城",
    "西城",
    "南山",
    "北湖",
    "江口",
    "河源",
    "海门",
    "桥头",
    "新港",
    "石岭",
    "青田",
    "白云",
    "金沙",
    "银川",
    "龙泉",
    "凤鸣",
    "松江",
    "竹溪",
]
STREETS = [
    "人民路",
    "建设路",
    "解放路",
    "中山路",
    "和平街",
    "文化街",
    "学府路",
    "滨江路",
    "工业园",
    "科技园",
    "老城区",
    "开发区",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--store", default="")
    parser.add_argument("--keep", action="store_true", help="leave the base in the store")
    parser.add_argument(
        "--vectors-from", default="", metavar="PLACE", help="copy vectors from another store"
    )
    parser.add_argument("--only-import", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only_import:
        import_more(arguments.store, arguments.only_import)
        return
    with tempfile.TemporaryDirectory() as folder:
        # The vectors' cache of the user's own bases is none of ours.
        os.environ["XDG_CACHE_HOME"] = folder
        place = arguments.store or str(Path(folder) / "knowledge.db")
        try:
            fill(place, arguments.pairs, arguments.vectors_from)
            ask(place)
        finally:
            if arguments.store and not arguments.keep:
                with KnowledgeStore(place) as store:
                    store.delete(BASE)


def fill(place: str, count: int, vectors_from: str) -> None:
    """Put pairs and vectors into a store, but for those that are there, and index them."""
    encoder = SentenceEncoder()
    with KnowledgeStore(place) as store:
        print(f"the store is {store.where}")
        if BASE not in [info.name for info in store.bases()]:
            store.create(BASE)
        began = time.perf_counter()
        store.change(BASE, put=make_pairs(count))
        report(f"{count:,} pairs put", began)
        began, copied, made = time.perf_counter(), 0, 0
        with contextlib.ExitStack() as stack:
            other = stack.enter_context(KnowledgeStore(vectors_from)) if vectors_from else None
            for texts in store.missing_texts(encoder.fingerprint):
                known = {} if other is None else other.vectors(encoder.fingerprint, texts)
                lacking = [text for text in texts if text not in known]
                known.update(zip(lacking, encoder.encode(lacking), strict=True))
                store.put_vectors(
                    encoder.fingerprint, texts, np.stack([known[text] for text in texts])
                )
                made += len(lacking)
                copied += len(texts) - len(lacking)
        report(f"{made:,} vectors made and {copied:,} COPIED from another store, and put", began)
        began = time.perf_counter()
        store.prepare(encoder.fingerprint)
        report("index of vectors made, or found", began)


def ask(place: str) -> None:
    """Ask the base of a store, alone, by two at once, and during an import."""
    encoder = SentenceEncoder()
    for what in ("opened the first time", "opened again"):
        began = time.perf_counter()
        live = LiveKnowledge(place=place, encoder=encoder, second={})
        index = live.prepare()
        report(f"{what}, {resident_mb():.0f} MB at the most until now", began)
    cases = [c for c in load_sample_cases("zh", "report") if c.kind == "paraphrase"][:300]
    questions = [case.text for case in cases]
    for question in questions[:10]:
        live.prepare().search(question, "zh")

    store = live.store
    assert store is not None
    shelf = index._shelves["zh"]
    rows = np.asarray(shelf.spaces[0].wordings, np.float32)
    vectors = encoder.encode(questions)
    # In turns, so that what else the machine does falls on all of them.
    times: dict[str, list[float]] = {name: [] for name in ("all", "vector", "near", "memory")}
    cpu = 0.0
    for question, vector in zip(questions, vectors, strict=True):
        began = time.process_time()
        with timed(times["all"]):
            live.prepare().search(question, "zh")
        cpu += time.process_time() - began
        with timed(times["vector"]):
            encoder.encode([question])
        with timed(times["near"]):
            find_near(store, encoder, vector)
        with timed(times["memory"]):
            (rows @ vector).argmax()
    del rows
    tell("a question", times["all"])
    print(f"  of which this process was at work {1e3 * cpu / len(questions):.1f} ms on average")
    tell("  its vector (made twice)", times["vector"])
    tell("  the store's search of 60 neighbours", times["near"])
    tell("baseline: all questions' vectors in memory compared, and nothing else", times["memory"])
    check_neighbours(store, encoder, vectors[:100])
    exact = replace_exact(index)
    same = sum(index.search(q, "zh")[0].pair == exact(q) for q in questions[:50])
    print(f"the same first pair as comparing all pairs in every way: {same} of 50")

    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(lambda some: time_questions(live, some), (questions, questions)))
    tell("a question, of two askers at once", halves[0] + halves[1])

    began = time.perf_counter()
    command = [sys.executable, __file__, "--store", place, "--only-import", str(MORE)]
    importing = subprocess.Popen(command)
    meanwhile: list[float] = []
    for question in itertools.cycle(questions):
        if importing.poll() is not None:
            break
        meanwhile += time_questions(live, [question])
        time.sleep(0.1)
    report(f"{MORE:,} pairs imported by another process, vectors and all", began)
    tell("a question, during that", meanwhile)
    remaking: list[float] = []
    began = time.perf_counter()
    for question in itertools.cycle(questions):
        remaking += time_questions(live, [question])
        time.sleep(0.1)
        if IMPORTED in {match.base for match in live.prepare().search(f"{NEW}，{question}", "zh")}:
            break
        if time.perf_counter() - began > 600:
            print("what was imported was not found after 10 minutes")
            break
    report("after the import, until what it brought is found", began)
    tell("a question, during that", remaking)
    with KnowledgeStore(place) as other:
        other.delete(IMPORTED)


def check_neighbours(store: KnowledgeStore, encoder: SentenceEncoder, vectors: Floats) -> None:
    """Compare what the index finds with what comparing every vector in the store finds."""
    scope = (uses.c.kind.in_(["wording", "answer"]), uses.c.language == "zh")
    seconds: list[float] = []
    found = first = 0
    for vector in vectors:
        near = [one.cosine for one in find_near(store, encoder, vector)]
        with store.reading() as connection:
            space = find_space(connection, encoder.fingerprint)
            assert space is not None
            with timed(seconds):
                _, cosines = store.keeper.exact(connection, space[0], vector, scope, NEIGHBOURS)
        # By cosine and not by name: of texts that are equally near either is right.
        found += int(np.sum(np.array(near) >= cosines[-1] - 1e-4))
        first += near[0] >= cosines[0] - 1e-4
    tell("baseline: comparing every vector in the store", seconds)
    print(
        f"the index finds {found / (NEIGHBOURS * len(vectors)):.1%} of the {NEIGHBOURS} nearest, and"
        f" the nearest one in {first} of {len(vectors)}"
    )


def find_near(store: KnowledgeStore, encoder: SentenceEncoder, vector: Floats) -> list[Near]:
    return store.nearest(
        encoder.fingerprint, vector, NEIGHBOURS, language="zh", kinds=("wording", "answer")
    )


def time_questions(live: LiveKnowledge, questions: Sequence[str]) -> list[float]:
    seconds: list[float] = []
    for question in questions:
        with timed(seconds):
            live.prepare().search(question, "zh")
    return seconds


def import_more(place: str, count: int) -> None:
    """What `visavis kb import` does, in a process of its own."""
    encoder = SentenceEncoder()
    pairs = [
        replace(pair, id=f"new-{pair.id}", question=f"{NEW}，{pair.question}", answer=f"{NEW}：{pair.answer}")
        for pair in make_pairs(count)
    ]  # fmt: skip
    with KnowledgeStore(place) as store:
        store.create(IMPORTED)
        store.change(IMPORTED, put=pairs)
        for texts in store.missing_texts(encoder.fingerprint, [IMPORTED]):
            store.put_vectors(encoder.fingerprint, texts, encoder.encode(texts))


@contextlib.contextmanager
def timed(seconds: list[float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - began)


def report(what: str, began: float) -> None:
    print(
        f"{what}: {time.perf_counter() - began:.1f} s (load {os.getloadavg()[0]:.1f})", flush=True
    )


def tell(what: str, seconds: Sequence[float]) -> None:
    if not seconds:
        print(f"{what}: none was asked")
        return
    median, late = 1e3 * np.percentile(seconds, [50, 95])
    print(
        f"{what}: median {median:.1f} ms, 95th percentile {late:.1f} ms"
        f" ({len(seconds)} of them, load {os.getloadavg()[0]:.1f})",
        flush=True,
    )


def replace_exact(index: KnowledgeIndex) -> Callable[[str], Pair]:
    """Make a search that compares every pair in every way."""
    shelf = index._shelves["zh"]
    fusion = index.fusion["zh"]

    def search(question: str) -> Pair:
        known = shelves.EXACT
        shelves.EXACT = len(shelf.pairs)
        try:
            similarities, chosen = shelf.compare(index._prepare(question))
        finally:
            shelves.EXACT = known
        best: Pair = shelf.pairs[chosen[int(similarities.fuse(fusion).argmax())]]
        return best

    return search


def make_pairs(count: int) -> list[Pair]:
    chooser = random.Random(5)
    base = next(base for base in load_samples() if base.languages == ("zh",))
    known = [pair for pair in base.pairs if not pair.is_gap]
    made = []
    for number, pair in enumerate(itertools.islice(itertools.cycle(known), count)):
        where = f"{chooser.choice(PLACES)}{chooser.choice(STREETS)}{number}号"
        made.append(
            replace(
                pair,
                id=f"{pair.id}-{number}",
                question=f"{where}，{chooser.choice(pair.wordings)}",
                aliases=(),
                answer=f"{where}：{pair.answer}",
            )
        )
    return made


def resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
