from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from visavis.core.types import Floats, Picture
from visavis.evaluation.fid import Doubles, FeatureStatistics, Fid, compare, frechet_distance


def vectors(seed: int, count: int, size: int, shift: float = 0) -> Floats:
    """Vectors with correlated parts."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(size, size)) / np.sqrt(size)
    return (shift + rng.normal(size=(count, size)) @ mixing).astype(np.float32)


def statistics(rows: Floats) -> FeatureStatistics:
    found = FeatureStatistics(rows.shape[1])
    found.add(rows)
    return found


def by_scipy(one: Floats, other: Floats) -> float:
    """As the authors' script has it: the root of the product, by Schur's method."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(s @ t)
    apart = a.mean(0) - b.mean(0)
    return float(np.real(apart @ apart + np.trace(s + t - 2 * root)))


@pytest.mark.parametrize("shift", [0, 0.5, 3])
def test_it_is_what_scipy_gives(shift: float) -> None:
    one, other = vectors(0, 300, 32), vectors(1, 500, 32, shift)
    wanted = by_scipy(one, other)
    figure = compare(statistics(one), statistics(other))
    assert figure.distance == pytest.approx(wanted, rel=1e-9)
    assert compare(statistics(other), statistics(one)).distance == pytest.approx(wanted, rel=1e-9)
    assert wanted > 1
    assert (figure.real, figure.made, figure.has_full_rank) == (300, 500, True)


def test_diagonal_gaussians_by_hand() -> None:
    a, b = np.array([4.0, 9, 0, 25]), np.array([1.0, 9, 16, 0])
    m, n = np.array([0.0, 1, 2, 3]), np.array([2.0, 1, 2, 0])
    wanted = 13 + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    assert frechet_distance(m, np.diag(a), n, np.diag(b)) == pytest.approx(wanted)
    # The distance does not see how both lie.
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    turned = [turn @ np.diag(x) @ turn.T for x in (a, b)]
    assert frechet_distance(turn @ m, turned[0], turn @ n, turned[1]) == pytest.approx(wanted)


@pytest.mark.parametrize(("count", "size"), [(500, 64), (20, 512), (2, 64)])
def test_the_same_set_is_at_nothing(count: int, size: int) -> None:
    rows = 30 * vectors(2, count, size, 5)
    found = compare(statistics(rows), statistics(rows[::-1]))
    assert found.distance == pytest.approx(0, abs=1e-6)
    assert found.has_full_rank == (count > size)
    moved = compare(statistics(rows), statistics(rows + np.float32(2)))
    assert moved.distance == pytest.approx(4 * size, rel=1e-6)


def test_sets_of_one_source_come_nearer_with_their_size() -> None:
    rows = vectors(3, 8000, 24)
    found = [
        compare(statistics(rows[:n]), statistics(rows[4000 : 4000 + n])).distance
        for n in (20, 200, 4000)
    ]
    assert found == sorted(found, reverse=True)
    assert found[0] > 5 * found[1] > 25 * found[2]


@pytest.mark.parametrize("pieces", [1, 7, 12, 300, 700])
def test_statistics_come_out_the_same_in_pieces(pieces: int) -> None:
    # Large means beside small spreads, which sums of squares would lose.
    rows = (vectors(4, 700, 12) * 0.25 + 4096).astype(np.float32)
    found = FeatureStatistics(12)
    for start in range(0, len(rows), pieces):
        found.add(rows[start : start + pieces])
    assert found.count == 700
    np.testing.assert_allclose(found.mean, rows.astype(np.float64).mean(0), rtol=1e-14)
    wanted = np.cov(rows.astype(np.float64), rowvar=False)
    np.testing.assert_allclose(found.covariance, wanted, rtol=1e-9, atol=1e-12)


def test_parts_are_merged() -> None:
    rows = vectors(5, 90, 6, 2)
    wanted = np.cov(rows.astype(np.float64), rowvar=False)
    # Parts that are and that are not longer than their vectors.
    for cut in (0, 3, 25, 87, 90):
        one, other = statistics(rows[:cut]), statistics(rows[cut:])
        one.merge(other)
        one.merge(FeatureStatistics(6))
        assert (one.count, other.count) == (90, 90 - cut)
        np.testing.assert_allclose(one.mean, rows.astype(np.float64).mean(0))
        np.testing.assert_allclose(one.covariance, wanted, rtol=1e-10, atol=1e-12)
    few, many = statistics(rows[:2]), statistics(rows[:4])
    few.merge(statistics(rows[2:4]))
    np.testing.assert_allclose(few.root @ few.root.T, many.covariance, atol=1e-12)


def test_few_and_many_are_measured_alike() -> None:
    # Few are kept as they are, many as sums; as Gaussians they are the same.
    rows, other = vectors(8, 40, 48), vectors(9, 200, 48, 1)
    few, many = statistics(rows), statistics(np.concatenate([rows] * 3))
    wanted = frechet_distance(few.mean, many.covariance, other.mean(0), np.cov(other.T))
    found = compare(many, statistics(other)).distance
    assert found == pytest.approx(wanted, rel=1e-6)
    by_rows = frechet_distance(few.mean, few.covariance, other.mean(0), np.cov(other.T))
    assert compare(few, statistics(other)).distance == pytest.approx(by_rows, rel=1e-6)
    # One less in the divisor is all that differs.
    assert found == pytest.approx(by_rows, rel=0.02)
    assert found > 10


class MeanColour:
    network = "mean colour"
    dimensions = 3

    def embed(self, pictures: Picture) -> Floats:
        return pictures.mean((1, 2)).astype(np.float32)


def flat(colour: Doubles) -> Picture:
    return np.full((4, 4, 3), colour.round(), np.uint8)


def test_pictures_are_counted_to_their_sets() -> None:
    rng = np.random.default_rng(6)
    real, made = rng.normal(90, 9, (60, 3)), rng.normal(110, 4, (50, 3))
    fid = Fid(MeanColour())
    assert np.isnan(fid.value())
    for one, other in zip(made, real[:50], strict=True):
        fid.add(flat(one), flat(other))
    for one in real[50:]:
        fid.add_real(flat(one))
    wanted = by_scipy(real.round().astype(np.float32), made.round().astype(np.float32))
    assert fid.value() == pytest.approx(wanted, rel=1e-6)
    figure = fid.figure()
    assert (figure.real, figure.made, figure.dimensions) == (60, 50, 3)
    assert fid.network == "mean colour"
    assert wanted > 3 * 20**2


def test_what_cannot_be_measured() -> None:
    rows = vectors(7, 5, 4)
    one = compare(statistics(rows), statistics(rows[:1]))
    assert np.isnan(one.distance)
    assert one.made == 1
    assert not one.has_full_rank
    assert np.isnan(FeatureStatistics(4).covariance).all()
    with pytest.raises(ValueError, match="vectors of 4 were expected"):
        FeatureStatistics(4).add(vectors(0, 3, 5))
