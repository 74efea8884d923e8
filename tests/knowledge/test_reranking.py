"""An index whose matches a cross-encoder orders anew; the made one knows words that nobody else does."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from tests.models.made_cross_encoder import write_cross_encoder

from visavis.core.errors import LanguageUnsupported, MissingWeights, StageError, TextUnusable
from visavis.knowledge.base import Base, Pair
from visavis.knowledge.live import LiveKnowledge, load_reranker
from visavis.knowledge.reranker import Candidates, Reranking, gather_candidates
from visavis.knowledge.reranker_calibration import _choose_pairs
from visavis.knowledge.reranking import RerankedIndex
from visavis.knowledge.search import KnowledgeIndex, Match
from visavis.models.cross_encoder.predictor import CrossEncoder
from visavis.models.sentence_encoder.predictor import SentenceEncoder
from visavis.stages.responders.faq import FaqResponder

TOPICS = ("renew", "cancel", "translate", "repair", "borrow", "insure", "export", "paint")
THINGS = (
    "glorp zimbat kwell", "frond mukta plish", "drast ovilo bynth", "crang teppu wisk",
    "sneft halor jond", "blick yamro quost", "thrup denka vorl", "plomb risti gax", "skarn ulopi fwem",
)  # fmt: skip
"""Three invented words for each: two are stored, the third is asked with."""
LACKING = ("chort emalu drib", "grisp nototo kelv")
MEANINGS = (*TOPICS, *THINGS, *LACKING)


def make_pair(topic: str, words: str, answer: str = "At the counter.") -> Pair:
    one, other, _ = words.split()
    return Pair(
        f"{topic}-{one}",
        f"How do I {topic} my {one}?",
        answer,
        "en",
        aliases=(f"Where can somebody {topic} the {other}?",),
    )


def ask_for(topic: str, words: str) -> str:
    return f"I have to {topic} this {words.split()[2]}"


def make_base(gap: str = "") -> Base:
    pairs = [make_pair(topic, words) for topic in TOPICS for words in THINGS]
    gaps = [make_pair(topic, gap, "") for topic in TOPICS if gap]
    return Base("made", (*pairs, *gaps))


QUESTIONS = [
    (ask_for(topic, words), f"{topic}-{words.split()[0]}")
    for number, topic in enumerate(TOPICS)
    for words in THINGS[number % 3 :: 3]
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cross_encoder(tmp_path_factory.mktemp("cross") / "made", MEANINGS, weight=4)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def plain(encoder: SentenceEncoder, cache: Path) -> KnowledgeIndex:
    return KnowledgeIndex([make_base()], encoder, cache=cache)


@pytest.fixture(scope="module")
def reranked(encoder: SentenceEncoder, cache: Path, folder: Path) -> RerankedIndex:
    return RerankedIndex([make_base()], encoder, reranker=CrossEncoder(folder), cache=cache)


def test_what_only_the_reranker_knows_is_found(
    plain: KnowledgeIndex, reranked: RerankedIndex
) -> None:
    found = [plain.search(text, "en", 10) for text, _ in QUESTIONS]
    again = [reranked.search(text, "en", 10) for text, _ in QUESTIONS]
    wanted = [identity for _, identity in QUESTIONS]
    right = [matches[0].pair.id for matches in found]
    assert sum(a == b for a, b in zip(right, wanted, strict=True)) < len(wanted) / 2
    assert [matches[0].pair.id for matches in again] == wanted
    for before, after in zip(found, again, strict=True):
        assert {m.pair.id for m in before} == {m.pair.id for m in after}
        scores = [m.score for m in after]
        assert scores == sorted(scores, reverse=True)
        confidences = [m.confidence for m in after]
        assert confidences == sorted(confidences, reverse=True)
        assert {m.base for m in after} == {"made"}


def test_the_confidence_that_is_learnt_knows_it_too(
    plain: KnowledgeIndex, reranked: RerankedIndex
) -> None:
    limits = reranked.fusion["en"]
    before = [plain.search(text, "en", 1)[0].confidence for text, _ in QUESTIONS]
    after = [reranked.search(text, "en", 1)[0].confidence for text, _ in QUESTIONS]
    assert np.mean(before) < 0.5
    assert np.mean(after) > 0.9
    assert min(after) >= limits.threshold
    assert 0 < limits.hint <= limits.threshold < 1
    for topic in TOPICS:
        for words in LACKING:
            best = reranked.search(ask_for(topic, words), "en", 1)[0]
            assert best.confidence < limits.threshold, best


def test_stored_words_need_no_reranker(reranked: RerankedIndex) -> None:
    for pair in make_base().pairs[::7]:
        for text in pair.wordings:
            best = reranked.search(text, "en", 1)[0]
            assert best.pair.id == pair.id
            assert best.confidence >= 0.99


def test_a_known_gap_is_a_rival(encoder: SentenceEncoder, cache: Path, folder: Path) -> None:
    index = RerankedIndex(
        [make_base(gap=LACKING[0])], encoder, reranker=CrossEncoder(folder), cache=cache
    )
    for topic in TOPICS:
        question = ask_for(topic, LACKING[0])
        matches = index.search(question, "en", 10)
        assert not any(match.pair.is_gap for match in matches)
        assert matches[0].confidence < index.fusion["en"].hint
        candidates = gather_candidates(index, KnowledgeIndex.search(index, question, "en", 10), question, "en")  # fmt: skip
        assert f"{topic}-chort" in {gap.id for gap in candidates.gaps}
        right = index.search(ask_for(topic, THINGS[1]), "en", 1)[0]
        assert right.pair.id == f"{topic}-frond"
        assert right.confidence >= index.fusion["en"].threshold


def test_more_than_is_reranked_can_be_had(plain: KnowledgeIndex, reranked: RerankedIndex) -> None:
    text, wanted = QUESTIONS[5]
    matches = reranked.search(text, "en", 30)
    assert len(matches) == 30
    assert matches[0].pair.id == wanted
    assert [m.pair.id for m in matches[10:]] == [
        m.pair.id for m in plain.search(text, "en", 30)[10:]
    ]
    scores = [m.score for m in matches]
    assert scores == sorted(scores, reverse=True)
    assert [m.pair.id for m in reranked.search(text, "en", 2)] == [m.pair.id for m in matches[:2]]


def test_what_was_learnt_is_kept_until_something_changes(
    encoder: SentenceEncoder, folder: Path, cache: Path, reranked: RerankedIndex
) -> None:
    learnt = reranked.fusion["en"]

    def make(base: Base) -> tuple[RerankedIndex, int]:
        told: list[tuple[int, int]] = []
        index = RerankedIndex(
            [base],
            encoder,
            reranker=CrossEncoder(folder),
            cache=cache,
            told=lambda done, total: told.append((done, total)),
        )
        assert told in ([], [(n, 72) for n in range(1, 73)])
        return index, len(told)

    base = make_base()
    again, asked = make(base)
    assert (again.fusion["en"], asked) == (learnt, 0)
    changed = replace(base.pairs[0], answer="At another counter.")
    _, asked = make(replace(base, pairs=(changed, *base.pairs[1:])))
    assert asked == 72
    for path in cache.glob("reranking-*.json"):
        path.write_text('{"en": {"weight": NaN}}', "utf-8")
    again, asked = make(base)
    assert (again.fusion["en"], asked) == (learnt, 72)


def test_a_reranker_that_tells_nothing_is_left_out(
    encoder: SentenceEncoder,
    cache: Path,
    plain: KnowledgeIndex,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = CrossEncoder(write_cross_encoder(tmp_path / "dull", ["unrelated"]))
    with caplog.at_level(logging.WARNING):
        index = RerankedIndex([make_base()], encoder, reranker=model, cache=cache)
    assert "tells nothing in en" in caplog.text
    assert index.fusion == plain.fusion
    for text, _ in QUESTIONS:
        assert index.search(text, "en", 5) == plain.search(text, "en", 5)


SMALL = Base("small", tuple(make_pair("renew", words) for words in THINGS[:4]))


def test_a_small_base_keeps_the_confidence_of_the_index(
    encoder: SentenceEncoder, tmp_path: Path, folder: Path
) -> None:
    plain = KnowledgeIndex([SMALL], encoder, cache=tmp_path)
    index = RerankedIndex([SMALL], encoder, reranker=CrossEncoder(folder), cache=tmp_path)
    assert index.fusion == plain.fusion
    moved = 0
    for words in THINGS[:4]:
        text, wanted = ask_for("renew", words), f"renew-{words.split()[0]}"
        before = {m.pair.id: m.confidence for m in plain.search(text, "en", 4)}
        after = index.search(text, "en", 4)
        assert after[0].pair.id == wanted
        assert after[0].confidence == before[wanted]
        moved += next(iter(before)) != wanted
    assert moved


def test_one_pair_and_none(encoder: SentenceEncoder, tmp_path: Path, folder: Path) -> None:
    model = CrossEncoder(folder)
    one = Base("one", SMALL.pairs[:1])
    index = RerankedIndex([one], encoder, reranker=model, cache=tmp_path)
    (match,) = index.search("Where is my kwell?", "en")
    assert match.pair == one.pairs[0]
    assert index.search("How do I renew my glorp?", "en")[0].confidence >= 0.99
    with pytest.raises(TextUnusable):
        index.search("?!", "en")
    with pytest.raises(LanguageUnsupported):
        index.search("护照", "zh")
    past = replace(one.pairs[0], valid_to=date(2020, 1, 1))
    index = RerankedIndex([Base("b", (past,))], encoder, reranker=model, cache=tmp_path)
    assert index.search("Where is my kwell?", "en") == []


def test_a_reranker_that_cannot_be_used_is_told_of_at_once(
    encoder: SentenceEncoder, tmp_path: Path
) -> None:
    with pytest.raises(MissingWeights, match=r"no model\.onnx"):
        load_reranker(str(tmp_path))
    with pytest.raises(MissingWeights, match=r"no model\.onnx"):
        FaqResponder(reranker=str(tmp_path))
    model = load_reranker(str(write_cross_encoder(tmp_path / "m", MEANINGS, shape="broken")))
    with pytest.raises(StageError, match="not numbers"):
        RerankedIndex([SMALL], encoder, reranker=model, cache=tmp_path)


def test_what_answers_takes_it(encoder: SentenceEncoder, tmp_path: Path, folder: Path) -> None:
    model = load_reranker(str(folder))
    live = LiveKnowledge([SMALL], encoder=encoder, second={}, reranker=model, cache=tmp_path)
    index = live.prepare()
    assert isinstance(index, RerankedIndex)
    for words in THINGS[:4]:
        (match,) = index.search(ask_for("renew", words), "en", 1)
        assert match.pair.id == f"renew-{words.split()[0]}"


def test_of_many_pairs_those_that_can_be_asked_for_stay() -> None:
    singles = [Pair(f"s{n}", f"What is number {n}?", "A number.", "en") for n in range(1_990)]
    several = [replace(pair, aliases=(f"Tell me {pair.id}",)) for pair in singles[::20]]
    past = replace(several[0], id="past", valid_to=date(2020, 1, 1))
    other = Base("zh", (Pair("s1", "一是什么？", "数字。", "zh"),))
    base = Base("b", (*(p for p in singles if p.id not in {s.id for s in several}), *several, past))
    chosen, kept = _choose_pairs([base, other])
    assert len(chosen.pairs) == 1_500
    assert {pair.id for pair in chosen.pairs if pair.aliases} == {pair.id for pair in several}
    assert kept == other


def found(*scores: float, gaps: Sequence[float] = (), sure: Sequence[float] = ()) -> Candidates:
    matches = tuple(
        Match(Pair(str(n), f"q{n}", "a" * 1_000, "en"), score, confidence)
        for n, (score, confidence) in enumerate(
            zip(scores, sure or [0.5] * len(scores), strict=True)
        )
    )
    rivals = tuple(Pair(f"gap{n}", f"g{n}", "", "en") for n in range(len(gaps)))
    return Candidates(matches, rivals, np.array([*scores, *gaps]))


def test_scores_join_by_the_weight_and_a_gap_takes_the_lead() -> None:
    candidates = found(20.0, 19.0, gaps=[18.0], sure=[0.8, 0.2])
    assert [len(text) for text in candidates.texts] == [403, 403, 2]
    logits = np.array([-1.0, 2.0, 3.0], np.float32)
    small = Reranking(weight=1.0)
    np.testing.assert_allclose(small.join(candidates, logits), [16.0, 18.0, 18.0])
    ordered = small.order(candidates, logits)
    assert [m.pair.id for m in ordered] == ["1", "0"]
    assert [m.score for m in ordered] == [18.0, 16.0]
    assert [m.confidence for m in ordered] == [0.2, 0.2], "no later one is surer"

    learnt = Reranking(0.5, (1.0, 0.25, 2.0), -0.5, 0.7, 0.2)
    # Joint scores 18, 18.5 and 18; log-odds of 0.2, its logit, its lead, and the bias.
    logit = math.log(0.25) + 0.25 * 2.0 + 2.0 * 0.5 - 0.5
    (first, second) = learnt.order(candidates, logits)
    assert first.pair.id == "1"
    assert first.confidence == pytest.approx(1 / (1 + math.exp(-logit)))
    assert second.confidence <= first.confidence
    (alone,) = learnt.order(found(20.0), np.array([3.0], np.float32))
    assert alone.confidence == pytest.approx(1 / (1 + math.exp(-(0.75 - 0.5))))
