from __future__ import annotations

import numpy as np
import pytest

from visavis.evaluation.rater_agreement import Level, krippendorff_alpha

_ = np.nan
# Krippendorff (2011), section C to E: four observers, twelve units.
FOUR = np.array([
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
])  # fmt: skip


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_published_example(level: Level, published: float) -> None:
    assert krippendorff_alpha(FOUR, level) == pytest.approx(published, abs=5e-4)


def test_published_examples_of_two_observers() -> None:
    binary = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]
    assert krippendorff_alpha(binary, "nominal") == pytest.approx(0.095, abs=5e-4)
    named = [[ord(c) for c in "aabbdcccedda"], [ord(c) for c in "babbbcccEddd".lower()]]
    assert krippendorff_alpha(named, "nominal") == pytest.approx(0.692, abs=5e-4)


def test_whole_agreement_chance_and_contradiction() -> None:
    same = np.tile([1, 2, 3, 4, 5, 3], (3, 1))
    assert krippendorff_alpha(same, "ordinal") == pytest.approx(1)
    rng = np.random.default_rng(0)
    assert abs(krippendorff_alpha(rng.integers(1, 6, (8, 600)), "interval")) < 0.05
    assert krippendorff_alpha([[1, 5, 1, 5], [5, 1, 5, 1]], "interval") < -0.5


def test_order_of_raters_and_units_does_not_matter() -> None:
    shuffled = FOUR[[2, 0, 3, 1]][:, ::-1]
    whole = krippendorff_alpha(FOUR, "ordinal")
    assert krippendorff_alpha(shuffled, "ordinal") == pytest.approx(whole)
    # A unit that one person rated says nothing about agreement.
    lonely = np.concatenate([FOUR, [[_], [5], [_], [_]]], axis=1)
    assert krippendorff_alpha(lonely, "ordinal") == pytest.approx(whole)


def test_only_the_order_matters_to_ordinal() -> None:
    stretched = np.where(np.isnan(FOUR), np.nan, FOUR**3)
    assert krippendorff_alpha(stretched, "ordinal") == pytest.approx(
        krippendorff_alpha(FOUR, "ordinal")
    )
    assert krippendorff_alpha(stretched, "interval") != pytest.approx(
        krippendorff_alpha(FOUR, "interval"), abs=1e-3
    )


@pytest.mark.parametrize("ratings", [[[3, 3], [3, 3]], [[1, _], [_, 2]], np.zeros((0, 0))])
def test_nothing_to_say(ratings: object) -> None:
    assert np.isnan(krippendorff_alpha(np.asarray(ratings, float), "nominal"))
