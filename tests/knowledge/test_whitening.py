import numpy as np
import pytest

from visavis.knowledge import whitening
from visavis.knowledge.whitening import take_runs, unit, whiten_wordings


def make_wordings(seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Questions that differ in one part of the space, each worded in ways that differ in another."""
    rng = np.random.default_rng(seed)
    items = np.repeat(np.arange(40), rng.integers(1, 9, 40))
    meaning = rng.normal(size=(40, 32)).astype(np.float32)
    manner = rng.normal(size=(len(items), 3)) @ rng.normal(size=(3, 32)) * 1.5
    return (meaning[items] + manner).astype(np.float32), items


def separation(rows: np.ndarray, items: np.ndarray) -> float:
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = rows @ rows.T
    same = items[:, None] == items[None]
    np.fill_diagonal(same, False)
    return float(cosine[same].mean() - cosine[items[:, None] != items[None]].mean())


def test_whitening_brings_wordings_together() -> None:
    vectors, items = make_wordings()
    after = separation(vectors @ whiten_wordings(vectors, items), items)
    assert after > separation(vectors, items) + 0.1


def test_it_is_the_square_root_of_the_inverse_of_the_scatter() -> None:
    vectors, items = make_wordings()
    spread = np.concatenate(
        [vectors[items == item] - vectors[items == item].mean(0) for item in range(40)]
    ).astype(np.float64)
    several = np.bincount(items)[items] > 1
    freedom = several.sum() - (np.bincount(items) > 1).sum()
    scatter = spread.T @ spread / freedom
    scatter += np.trace(scatter) / 32 * np.eye(32)
    found = whiten_wordings(vectors, items).astype(np.float64)
    np.testing.assert_allclose(found @ found.T, np.linalg.inv(scatter), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("block", [1, 7, 100])
def test_blocks_halves_and_another_order_change_little(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, items = make_wordings()
    whole = whiten_wordings(vectors, items)
    monkeypatch.setattr(whitening, "_BLOCK", block)
    np.testing.assert_allclose(whiten_wordings(vectors, items), whole, atol=1e-6)
    other = np.random.default_rng(0).permutation(len(items))
    np.testing.assert_allclose(whiten_wordings(vectors[other], items[other]), whole, atol=1e-6)
    halves = whiten_wordings(vectors.astype(np.float16), items)
    assert halves.dtype == np.float32
    np.testing.assert_allclose(halves, whole, atol=1e-3)


def test_single_wordings_leave_the_space_as_it_was() -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    np.testing.assert_array_equal(whiten_wordings(vectors, np.arange(5)), np.eye(8))
    np.testing.assert_array_equal(whiten_wordings(vectors[[0, 0]], np.array([0, 0])), np.eye(8))
    np.testing.assert_array_equal(whiten_wordings(vectors[:0], np.zeros(0, np.int64)), np.eye(8))


def test_rows_of_length_one() -> None:
    rows = unit(np.array([[3, 4], [0, 0], [1e-3, 0]], np.float32))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0], [1, 0]], atol=1e-6)


def test_runs_of_numbers() -> None:
    runs = take_runs(np.array([5, 0, 9]), np.array([2, 0, 3]))
    assert runs.tolist() == [5, 6, 9, 10, 11]
    assert take_runs(np.zeros(0, np.int64), np.zeros(0, np.int64)).tolist() == []
