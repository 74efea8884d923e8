from __future__ import annotations

import numpy as np
import pytest

from visavis.evaluation.opinion_scores import draw_sums, find_interval, measure_opinion

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def test_means_by_hand() -> None:
    found = measure_opinion([5, 4, 1, 2, 3], [0, 1, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 1, 1, 1], 3)
    np.testing.assert_allclose(found.mean, [4.5, 2, np.nan])
    np.testing.assert_allclose(found.deviation, [np.std([5, 4], ddof=1), 1, np.nan])
    np.testing.assert_array_equal(found.count, [2, 3, 0])
    assert found.difference[0, 1] == pytest.approx(2.5)
    assert found.low[0] <= 4.5 <= found.high[0]
    assert np.isnan([found.low[2], found.high[2], found.difference_low[0, 2]]).all()


def test_draws_are_of_raters_and_of_items() -> None:
    # Of two raters and two items a draw has each 0, 1 or 2 times: the count is always 4, and a row
    # counts by the product of its two.
    sums = draw_sums(np.c_[np.eye(4), np.ones(4)], [0, 0, 1, 1], [0, 1, 0, 1], draws=4000, seed=3)
    np.testing.assert_array_equal(sums[:, 4], 4)
    assert set(np.unique(sums[:, :4])) == {0, 1, 2, 4}
    # Rows of one rater are drawn together: (1, 1) | (2, 0) | (0, 2) times the items' draw.
    np.testing.assert_array_equal(sums[:, 0] * sums[:, 3], sums[:, 1] * sums[:, 2])
    np.testing.assert_allclose(sums[:, :4].mean(axis=0), 1, atol=0.07)


def _study(rng: np.random.Generator, people: int = 16, things: int = 16) -> Arrays:
    who, what = (x.ravel() for x in np.mgrid[:people, :things])
    strict, hard = rng.normal(0, 0.5, people), rng.normal(0, 0.5, things)
    scores = 3 + strict[who] + hard[what] + rng.normal(0, 0.5, len(who))
    return scores, who, what


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held, naive = [], []
    for _ in range(150):
        scores, who, what = _study(rng)
        found = measure_opinion(scores, who, what, np.zeros(len(who), int), 1, draws=300)
        held.append(found.low[0] <= 3 <= found.high[0])
        half = 1.96 * scores.std() / len(scores) ** 0.5
        naive.append(abs(scores.mean() - 3) <= half)
    assert 0.88 <= np.mean(held) <= 0.995
    # As if each rating were a person of its own: the fault that this is here to avoid.
    assert np.mean(naive) < 0.7


def test_a_difference_is_not_blurred_by_strict_raters() -> None:
    rng = np.random.default_rng(2)
    scores, who, what = _study(rng)
    better = scores + 0.3 + rng.normal(0, 0.1, len(scores))
    found = measure_opinion(
        np.r_[scores, better], np.r_[who, who], np.r_[what, what],
        np.repeat([0, 1], len(scores)), 2,
    )  # fmt: skip
    assert found.low[1] < found.high[0]  # the means' intervals overlap widely
    assert 0.25 < found.difference_low[1, 0] < 0.3 < found.difference_high[1, 0] < 0.35


def test_same_seed_same_interval_and_more_raters_narrower() -> None:
    scores, who, what = _study(np.random.default_rng(5), 40, 40)
    whole = [measure_opinion(scores, who, what, 0 * who, 1, seed=s, draws=200) for s in (1, 1, 2)]
    assert whole[0].low == whole[1].low != whole[2].low
    few = (who < 5) & (what < 5)
    part = measure_opinion(scores[few], who[few], what[few], 0 * who[few], 1, draws=200)
    assert part.high[0] - part.low[0] > 1.5 * (whole[0].high[0] - whole[0].low[0])


@pytest.mark.parametrize(("who", "what"), [([1, 1, 1], [0, 1, 2]), ([0, 1, 2], [4, 4, 4])])
def test_one_rater_or_one_item_has_no_interval(who: list[int], what: list[int]) -> None:
    found = measure_opinion([1, 2, 3], who, what, [0, 0, 0], 1)
    assert found.mean[0] == 2
    assert np.isnan(found.low[0])


def test_interval_of_known_draws() -> None:
    low, high = find_interval(np.arange(1001.0)[:, None])
    assert (low[0], high[0]) == pytest.approx((25, 975))
