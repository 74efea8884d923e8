"""What speaks for a pair, and what a confidence learnt from it means."""

from __future__ import annotations

import numpy as np
import pytest

from visavis.knowledge.base import Pair
from visavis.knowledge.calibration import fit_logistic
from visavis.knowledge.evidence import EVIDENCE, Coverage, Evidence
from visavis.knowledge.fusion import WAYS

PAIRS = (
    Pair(
        id="pool",
        language="en",
        question="When does the swimming pool open?",
        aliases=("pool hours",),
        answer="At seven in summer.",
    ),
    Pair(
        id="library",
        language="en",
        question="When does the library open?",
        aliases=("library hours",),
        answer="At nine.",
    ),
)


def test_coverage_counts_rare_words_more() -> None:
    coverage = Coverage(PAIRS, str.lower, "en")
    asked = coverage.cut("when does the pool open in summer")
    own, told = coverage.measure(asked, 0)
    other, _ = coverage.measure(asked, 1)
    # Of seven words the pool has five, and its answer the two others; the library has four.
    assert 0 < other < own < told == pytest.approx(1)
    assert own < 5 / 7, "what it lacks is rarer than what it has"


def test_a_wording_that_is_held_out_covers_nothing() -> None:
    coverage = Coverage(PAIRS, str.lower, "en")
    asked = coverage.cut("pool hours")
    assert coverage.measure(asked, 0)[0] == pytest.approx(1)
    assert 0 < coverage.measure(asked, 0, without=1)[0] < 1, "the question holds 'pool'"
    assert coverage.measure(frozenset(), 0) == (0, 0)


def test_chinese_is_covered_by_characters_and_foreign_words_are_found() -> None:
    pairs = (Pair(id="card", language="zh", question="怎么办 ETC 卡？", answer="去窗口。"),)
    coverage = Coverage(pairs, str, "zh")
    assert "办e" not in coverage.cut("办 ETC 卡")
    assert not coverage.find_foreign(coverage.cut("ETC 卡多少钱"))
    assert coverage.find_foreign(coverage.cut("如何 renew 卡"))
    assert coverage.measure(coverage.cut("办卡"), 0)[0] > 0.5


def test_leads_are_over_the_best_of_the_others() -> None:
    values = np.zeros((3, len(WAYS)), np.float32)
    values[:, 0] = 0.9, 0.5, 0.7
    values[:, 1] = 0.1, 0.5, 0.2
    scores = values @ np.ones(len(WAYS), np.float32)  # 1.0, 1.0, 0.9
    scores[0] += 0.2
    evidence = Evidence(values, scores, lambda pair: (0.4 + 0.1 * pair, 0.6))
    named = dict(zip(EVIDENCE, evidence.gather(0), strict=True))
    assert named["score"] == pytest.approx(1.2)
    assert named["lead"] == pytest.approx(0.2)
    assert named["centroid"] == pytest.approx(0.9)
    assert named["centroid_lead"] == pytest.approx(0.2)
    assert named["nearest_lead"] == pytest.approx(-0.4)
    assert named["covered"] == pytest.approx(0.4)
    assert named["covered_lead"] == pytest.approx(-0.1), "against the rival by score"
    behind = dict(zip(EVIDENCE, evidence.gather(2), strict=True))
    assert behind["lead"] == pytest.approx(-0.3)
    assert behind["centroid_lead"] == pytest.approx(-0.2)


def test_a_pair_without_others_leads_nobody() -> None:
    values = np.full((1, len(WAYS)), 0.5, np.float32)
    gathered = Evidence(values, np.ones(1, np.float32), lambda pair: (1.0, 1.0)).gather(0)
    assert gathered.shape == (len(EVIDENCE),)
    leads = [value for name, value in zip(EVIDENCE, gathered, strict=True) if "lead" in name]
    assert not any(leads)


def test_a_fitted_confidence_is_the_share_of_right_ones() -> None:
    chance = np.random.default_rng(3)
    features = chance.normal(size=(20_000, 3)) * [1, 10, 0.1] + [0, 5, 0]
    true = 1 / (1 + np.exp(-(1.5 * features[:, 0] - 0.2 * features[:, 1] + 0.5)))
    outcome = chance.random(len(features)) < true
    weights, bias = fit_logistic(features, outcome)
    assert weights == pytest.approx([1.5, -0.2, 0], abs=0.3)
    assert bias == pytest.approx(0.5, abs=0.1)
    # Counting the wrong ones less lifts all, by the logarithm of how much less.
    _, lifted = fit_logistic(features, outcome, np.where(outcome, 1.0, 0.25))
    assert lifted - bias == pytest.approx(np.log(4), abs=0.1)
    strict, _ = fit_logistic(features, outcome, penalty=1e6)
    assert np.abs(strict * features.std(0)).max() < 0.05
