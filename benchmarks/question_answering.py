"""Measure the sample knowledge base: right and wrong answers, questions back, refusals, time and memory.

The baselines are the nearest stored question by plain sentence vectors, without other wordings, spelling or
the other language.

python benchmarks/question_answering.py             figures on the reporting part, and the baselines
python benchmarks/question_answering.py --without   also without the gaps, and with one encoder
python benchmarks/question_answering.py --fit       learn the weights that are shipped
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from visavis.core.types import Language
from visavis.knowledge.base import Base, load_samples
from visavis.knowledge.calibration import learn_weights
from visavis.knowledge.evaluate import Case, ask, load_sample_cases, tabulate
from visavis.knowledge.live import load_second_encoders
from visavis.knowledge.search import KnowledgeIndex
from visavis.knowledge.text import clean_question, reduce_question
from visavis.knowledge.vectors import Encoder
from visavis.models.sentence_encoder.predictor import SentenceEncoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--without", action="store_true")
    arguments = parser.parse_args()
    encoder, second = SentenceEncoder(), load_second_encoders()
    bases = load_samples()
    if arguments.fit:
        for helpers in ({}, second):
            fit(KnowledgeIndex(bases, encoder, second=helpers))
        return
    seconds = time.perf_counter()
    index = KnowledgeIndex(bases, encoder, second=second)
    print(f"indexed in {time.perf_counter() - seconds:.1f} s (less where vectors are cached)")
    cases = [case for language in index.languages for case in load_sample_cases(language, "report")]
    show(index, cases, "reporting part")
    if arguments.without:
        bare = [replace(base, pairs=tuple(p for p in base.pairs if not p.is_gap)) for base in bases]
        show(KnowledgeIndex(bare, encoder, second=second), cases, "without gaps")
        show(KnowledgeIndex(bases, encoder, second={}), cases, "with one encoder")
    for base in bases:
        (language,) = base.languages
        own = [c for c in cases if c.language == language and c.kind == "paraphrase"]
        for name, model in (("first", encoder), ("second", second.get(language))):
            if model is not None:
                print(f"baseline, {language}, {name} encoder:", compare_plainly(base, own, model))
    times = []
    for case in cases[::4]:
        seconds = time.perf_counter()
        index.search(case.text, case.language)
        times.append((time.perf_counter() - seconds) * 1000)
    times.sort()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"a question: median {statistics.median(times):.1f} ms, 95th percentile"
        f" {times[int(0.95 * len(times))]:.1f} ms; {resident:.0f} MB in all"
    )


def fit(index: KnowledgeIndex) -> None:
    for language, shelf in index._shelves.items():
        texts = [index._prepare(w) for pair in shelf.pairs for w in pair.wordings]
        learnt = learn_weights(shelf, index._coverage[language], texts, index.fusion[language])
        print(len(shelf.spaces), "encoders,", language, json.dumps(asdict(learnt)))


def compare_plainly(base: Base, cases: Sequence[Case], encoder: Encoder) -> str:
    pairs = [pair for pair in base.pairs if not pair.is_gap]
    stored = encoder.encode([prepare(pair.question) for pair in pairs])
    asked = encoder.encode([prepare(case.text) for case in cases])
    order = np.argsort(-(asked @ stored.T), axis=1)
    ranks = [
        [pairs[i].id in case.expect for i in row[:3]]
        for case, row in zip(cases, order, strict=True)
    ]
    first = np.mean([row[0] for row in ranks])
    return f"paraphrases, recall@1 {first:.3f}, @3 {np.mean([any(row) for row in ranks]):.3f}"


def prepare(text: str) -> str:
    return reduce_question(clean_question(text))


def show(index: KnowledgeIndex, cases: Sequence[Case], title: str) -> None:
    columns = (
        "recall_1", "recall_3", "mrr", "answered", "wrong", "asked", "misled", "false_refusals",
        "false_answers", "needless",
    )  # fmt: skip
    print(f"\n{title}\n| | cases | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 2) + "|")
    languages: Sequence[Language] = index.languages
    for language in languages:
        table = tabulate([ask(index, case) for case in cases if case.language == language])
        for kind, row in table[language].items():
            cells = [f"{row[c]:.3f}" if row[c] == row[c] else "" for c in columns]
            total = int(row["inside"] + row["outside"])
            print(f"| {language} {kind} | {total} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
