from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from visavis.training.losses.sync import (
    Pairs,
    choice_accuracy,
    choice_cross_entropy,
    cosine_cross_entropy,
    find_pairs,
)
from visavis.training.plateau import PlateauGuard


def pairs(across: str = "none") -> Pairs:
    seen = torch.tensor([[3, 9], [3, 4]])
    heard = torch.tensor([[3, 9, 4, 6], [3, 4, 1, 2]])
    return find_pairs(
        seen, heard, torch.tensor([5, 8]), torch.tensor([0, 0]), nearest=2, across=across
    )  # type: ignore[arg-type]


def test_pairs_by_hand() -> None:
    found = pairs()
    assert found.positive.int().tolist() == [
        [1, 0, 0, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 1, 0, 0],
    ]
    # One frame off is neither.
    assert found.negative.int().tolist() == [
        [0, 1, 0, 1, 0, 0, 0, 0],
        [1, 0, 1, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1, 1],
    ]


def test_other_clips_are_negatives_where_wanted() -> None:
    assert pairs("all").negative[0].int().tolist() == [0, 1, 0, 1, 1, 1, 1, 1]
    assert pairs("person").negative.equal(pairs("all").negative)
    strangers = find_pairs(
        torch.tensor([[0], [0]]),
        torch.tensor([[0, 5], [0, 5]]),
        torch.tensor([0, 1]),
        torch.tensor([0, 1]),
        nearest=2,
        across="person",
    )
    assert strangers.negative[0].int().tolist() == [0, 1, 0, 0]


def test_the_same_clip_twice_in_a_batch_is_no_negative_of_itself() -> None:
    same = find_pairs(
        torch.tensor([[3], [3]]),
        torch.tensor([[3], [3]]),
        torch.tensor([7, 7]),
        torch.tensor([0, 0]),
        nearest=2,
        across="all",
    )
    assert same.positive.all()
    assert not same.negative.any()


def test_cosine_cross_entropy_by_hand() -> None:
    found = pairs()
    half = torch.full((4, 8), 0.5)
    assert float(cosine_cross_entropy(half, found)) == pytest.approx(math.log(2), abs=1e-4)
    perfect = found.positive.float()
    assert float(cosine_cross_entropy(perfect, found)) < 1e-3
    assert float(cosine_cross_entropy(1 - perfect, found)) > 4
    # Positives weigh as much as the many negatives.
    mixed = torch.where(found.positive, 0.25, 0.5)
    wanted = (math.log(4) + math.log(2)) / 2
    assert float(cosine_cross_entropy(mixed, found)) == pytest.approx(wanted, abs=1e-3)


def test_vectors_that_all_coincide_still_have_a_gradient() -> None:
    cosines = torch.ones(4, 8, requires_grad=True)
    cosine_cross_entropy(cosines, pairs()).backward()
    assert cosines.grad is not None
    assert torch.isfinite(cosines.grad).all()
    assert (cosines.grad[pairs().negative] > 0).all()


def test_choice_by_hand() -> None:
    found = pairs()
    # Rows choose among 3, 4, 2 and 3 sounds; columns with a positive among pictures.
    flat = torch.zeros(4, 8)
    rows = (math.log(3) + math.log(4) + math.log(2) + math.log(3)) / 4
    columns = (math.log(2) + math.log(2)) / 2  # sounds 4 and 5 have no picture against them
    wanted = (rows + columns) / 2
    assert float(choice_cross_entropy(flat, found, 10.0)) == pytest.approx(wanted, abs=1e-5)
    perfect = found.positive.float()
    assert float(choice_cross_entropy(perfect, found, 50.0)) < 1e-6


def test_choice_learns_its_scale() -> None:
    scale = torch.tensor(5.0, requires_grad=True)
    choice_cross_entropy(pairs().positive.float(), pairs(), scale).backward()
    assert scale.grad is not None
    assert float(scale.grad) < 0


def test_accuracy() -> None:
    found = pairs()
    cosines: Tensor = found.positive.float()
    assert float(choice_accuracy(cosines, found)) == 1
    cosines[0, 3] = 2
    assert float(choice_accuracy(cosines, found)) == 0.75


def test_plateau_is_said_once_and_only_in_a_row() -> None:
    guard = PlateauGuard(steps=3)
    said = [guard.check(loss) for loss in (0.69, 0.70, 0.5, 0.69, 0.68, 0.694, 0.69, 0.69)]
    assert [line is not None for line in said] == [False] * 5 + [True] + [False] * 2
    assert "larger" in str(said[5]) or "more windows" in str(said[5])
    assert PlateauGuard(1).check(0.6) is None
