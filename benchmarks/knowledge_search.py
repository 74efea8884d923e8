"""Measure searching 100,000 pairs: importing, indexing, opening, and a question's time.

Pairs are made of the sample base's questions with numbers, places and things exchanged, so that they are
texts that differ, of ordinary length. The baseline is comparing the question's vector with every one.

python benchmarks/knowledge_search.py [--pairs 100000] [--store PATH|postgresql://…] [--keep]
"""

from __future__ import annotations

import argparse
import itertools
import random
import resource
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from visavis.knowledge.base import Pair, load_samples
from visavis.knowledge.evaluate import load_sample_cases
from visavis.knowledge.live import LiveKnowledge
from visavis.knowledge.store import KnowledgeStore
from visavis.models.sentence_encoder.predictor import SentenceEncoder

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
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.store or str(Path(folder) / "knowledge.db")
        with KnowledgeStore(place) as store:
            measure(store, place, arguments.pairs)
            if arguments.store and not arguments.keep:
                store.delete("many")


def measure(store: KnowledgeStore, place: str, count: int) -> None:
    pairs = make_pairs(count)
    if "many" not in [info.name for info in store.bases()]:
        store.create("many")
    seconds = time.perf_counter()
    store.change("many", put=pairs)
    print(f"{count:,} pairs put in {time.perf_counter() - seconds:.1f} s")
    encoder = SentenceEncoder()
    seconds, done = time.perf_counter(), 0
    for texts in store.missing_texts(encoder.fingerprint):
        store.put_vectors(encoder.fingerprint, texts, encoder.encode(texts))
        done += len(texts)
    print(f"{done:,} vectors made and put in {time.perf_counter() - seconds:.1f} s")
    seconds = time.perf_counter()
    store.prepare(encoder.fingerprint)
    print(f"index of vectors in {time.perf_counter() - seconds:.1f} s")
    seconds = time.perf_counter()
    live = LiveKnowledge(place=place, encoder=encoder, second={})
    index = live.prepare()
    print(f"opened in {time.perf_counter() - seconds:.1f} s; {resident_mb():.0f} MB at the most")
    cases = [c for c in load_sample_cases("zh", "report") if c.kind == "paraphrase"][:300]
    for case in cases[:5]:
        index.search(case.text, "zh")
    times, plain, agree = [], [], 0
    shelf = index._shelves["zh"]
    vectors = shelf.spaces[0].wordings.astype(np.float32)
    for case in cases:
        seconds = time.perf_counter()
        index.search(case.text, "zh")
        times.append(1000 * (time.perf_counter() - seconds))
        vector = encoder.encode([case.text])[0]
        seconds = time.perf_counter()
        (vectors @ vector).argmax()
        plain.append(1000 * (time.perf_counter() - seconds))
    exact = replace_exact(index)
    for case in cases[:50]:
        agree += index.search(case.text, "zh")[0].pair == exact(case.text)
    times.sort()
    print(
        f"a question: median {statistics.median(times):.1f} ms, 95th percentile"
        f" {times[int(0.95 * len(times))]:.1f} ms; all vectors compared, and nothing else:"
        f" median {statistics.median(plain):.1f} ms; the same first pair as comparing all in"
        f" {agree} of 50"
    )


def replace_exact(index):
    from visavis.knowledge import shelf as shelves

    shelf = index._shelves["zh"]
    fusion = index.fusion["zh"]

    def search(question: str) -> Pair:
        known = shelves.EXACT
        shelves.EXACT = len(shelf.pairs)
        try:
            similarities, chosen = shelf.compare(index._prepare(question))
        finally:
            shelves.EXACT = known
        return shelf.pairs[chosen[int(similarities.fuse(fusion).argmax())]]

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
