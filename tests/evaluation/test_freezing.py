from __future__ import annotations

import numpy as np
import pytest

from visavis.core.types import Picture
from visavis.evaluation import freezing
from visavis.evaluation.freezing import Freezing, FreezingFigures
from visavis.media.geometry import warp

FRAMES = 100


@pytest.fixture(scope="module")
def moving() -> Picture:
    """A drawn picture that drifts, turns and never comes back, with a camera's noise, (100, 128, 96, 3)."""
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(40, 220, (16, 12, 3)), np.ones((12, 12, 1))).astype(np.uint8)
    frames = []
    for t in range(FRAMES):
        a = 0.1 * np.sin(t / 17)
        place = np.array(
            [
                [np.cos(a), -np.sin(a), 9 * np.sin(t / 11) - 0.3 * t],
                [np.sin(a), np.cos(a), 7 * np.cos(t / 7)],
            ]
        )
        frame = warp(picture, place, 96, 128).astype(np.float64)
        frames.append(
            np.clip(np.rint(frame + rng.normal(0, 2, frame.shape)), 0, 255).astype(np.uint8)
        )
    return np.stack(frames)


def coded(frames: Picture) -> Picture:
    """What a codec leaves of pictures: no two showings of one have the same errors."""
    rng = np.random.default_rng(1)
    errors = np.kron(rng.normal(0, 0.1, (len(frames), 16, 12, 1)), np.ones((1, 8, 8, 1)))
    errors = errors + rng.uniform(-0.5, 0.5, (*frames.shape[:3], 1))
    return np.clip(np.rint(frames + errors), 0, 255).astype(np.uint8)


def measure(frames: Picture) -> FreezingFigures:
    watch = Freezing()
    for frame in frames:
        watch.add(frame)
    return watch.value()


def test_living_pictures_neither_freeze_nor_repeat(moving: Picture) -> None:
    assert measure(moving) == FreezingFigures(0, 0, 0, 0, FRAMES)


def test_a_freeze_is_measured(moving: Picture) -> None:
    frozen = moving.copy()
    frozen[40:65] = moving[39]
    figures = measure(coded(frozen))
    assert figures.frozen_share == pytest.approx(25 / 99)
    assert figures.longest_freeze_s == pytest.approx(1)
    # A picture that stands still shows nothing again.
    assert figures.repeated_share == 0


def test_a_new_group_of_pictures_does_not_end_a_freeze(moving: Picture) -> None:
    frozen = moving.copy()
    frozen[40:65] = moving[39]
    frozen[50:65] = np.clip(frozen[50:65].astype(int) + 2, 0, 255)
    assert measure(frozen).longest_freeze_s == pytest.approx(1)
    frozen[50:65] = np.clip(frozen[50:65].astype(int) + 4, 0, 255)
    assert measure(frozen).longest_freeze_s == pytest.approx(14 / 25)


def test_a_loop_is_measured(moving: Picture) -> None:
    loop = coded(np.concatenate([moving[:40], moving[:40], moving[:20]]))
    figures = measure(loop)
    assert figures.repeated_share == pytest.approx(60 / 100)
    assert figures.repeats == 1
    assert figures.frozen_share == 0
    # Two stretches that come again, with something new between.
    twice = np.concatenate([moving[:60], moving[10:40], moving[60:80], moving[20:50]])
    figures = measure(coded(twice))
    assert figures.repeats == 2
    assert figures.repeated_share == pytest.approx(60 / 140)


def test_a_swing_is_measured(moving: Picture) -> None:
    swing = coded(np.concatenate([moving[:50], moving[48::-1]]))
    figures = measure(swing)
    assert figures.repeated_share == pytest.approx(49 / 99)
    assert figures.repeats == 1


def test_less_than_a_second_is_no_repetition(moving: Picture) -> None:
    short = np.concatenate([moving[:60], moving[10:34], moving[60:]])
    assert measure(short).repeated_share == 0
    second = np.concatenate([moving[:60], moving[10:35], moving[60:]])
    assert measure(second).repeated_share == pytest.approx(25 / 125)


def test_what_was_shown_long_ago_is_forgotten(
    moving: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = np.concatenate([moving[:60], moving[:40]])
    assert measure(loop).repeated_share == pytest.approx(40 / 100)
    monkeypatch.setattr(freezing, "REMEMBERED", 60)
    assert measure(loop).repeated_share == pytest.approx(40 / 100)
    monkeypatch.setattr(freezing, "REMEMBERED", 50)
    assert measure(loop).repeated_share == 0


def test_nothing_to_compare_is_nan(moving: Picture) -> None:
    nothing = Freezing().value()
    assert np.isnan([nothing.frozen_share, nothing.repeated_share]).all()
    assert np.isnan(measure(moving[:1]).frozen_share)
