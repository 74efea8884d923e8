"""Measure the sample knowledge base: right and wrong answers, refusals, time and memory.

The baseline is the nearest stored question by plain sentence vectors, without aliases, spelling or the
other language.

python benchmarks/question_answering.py             figures on the reporting half
python benchmarks/question_answering.py --fit       fit weights and thresholds on the tuning half
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

from visavis.knowledge.base import Base, load_samples
from visavis.knowledge.evaluate import calibrate, evaluate, load_sample_cases, tabulate
from visavis.knowledge.search import DEFAULT_FUSION, KnowledgeIndex
from visavis.models.sentence_encoder.predictor import SentenceEncoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true", help="fit on the tuning half, without gaps")
    arguments = parser.parse_args()
    before = resident_mb()
    encoder, seconds = SentenceEncoder(), time.perf_counter()
    encoder.encode(["load"])
    print(
        f"encoder: loaded in {time.perf_counter() - seconds:.1f} s, {resident_mb() - before:.0f} MB"
    )
    bases = load_samples()
    if arguments.fit:
        index = KnowledgeIndex([without_gaps(base) for base in bases], encoder)
        for language in index.languages:
            fitted = calibrate(index, load_sample_cases(language, "tune"), language)
            print(language, json.dumps(asdict(fitted)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first time", "from the cache"):
            seconds = time.perf_counter()
            index = KnowledgeIndex(bases, encoder, cache=Path(folder))
            print(f"index, {name}: {time.perf_counter() - seconds:.2f} s")
    cases = [case for language in index.languages for case in load_sample_cases(language, "report")]
    show(index, cases, "reporting half")
    bare = KnowledgeIndex([without_gaps(base) for base in bases], encoder)
    show(bare, cases, "reporting half, base without its gaps")
    for base in bases:
        (language,) = base.languages
        plain = replace(DEFAULT_FUSION[language], centroid=0, nearest=1, answer=0, lexical=0)
        questions = [replace(pair, aliases=()) for pair in without_gaps(base).pairs]
        nearest = KnowledgeIndex(
            [replace(base, pairs=tuple(questions))], encoder, fusion={language: plain}
        )
        figures = evaluate(nearest, [case for case in cases if case.language == language])
        print(f"baseline, {language}: recall@1 {figures.recall_1:.3f}, @3 {figures.recall_3:.3f}")
    times = []
    for case in cases:
        seconds = time.perf_counter()
        index.search(case.text, case.language)
        times.append((time.perf_counter() - seconds) * 1000)
    times.sort()
    print(
        f"a query: median {statistics.median(times):.1f} ms,"
        f" 95th percentile {times[int(0.95 * len(times))]:.1f} ms; {resident_mb():.0f} MB in all"
    )


def without_gaps(base: Base) -> Base:
    return replace(base, pairs=tuple(pair for pair in base.pairs if not pair.is_gap))


def show(index: KnowledgeIndex, cases: list, title: str) -> None:
    print(f"\n{title}")
    print("| | cases | recall@1 | recall@3 | right | wrong | refused | (hinted) | false answers |")
    print("|---|---|---|---|---|---|---|---|---|")
    for language, rows in tabulate(index, cases).items():
        for kind, row in rows.items():
            rates = [
                "" if row[name] != row[name] else f"{row[name]:.3f}"
                for name in (
                    "recall_1", "recall_3", "answered", "wrong", "false_refusals", "hinted",
                    "false_answers",
                )
            ]  # fmt: skip
            number = int(row["inside"] + row["outside"])
            print(f"| {language} {kind} | {number} | {' | '.join(rates)} |")


def resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
