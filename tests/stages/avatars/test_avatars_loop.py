"""Loops of made-up motion, where the right answer is known."""

import numpy as np
import pytest

from visavis.core.types import Floats
from visavis.stages.avatars.loop import DISSOLVE, Loop, find_loop, smooth_round

COUNT = 478


def face_at(x: Floats, seed: int = 0) -> Floats:
    """Landmarks (T, 478, 3) of a face 100 pixels wide that is moved to the right by ``x``."""
    rng = np.random.default_rng(seed)
    face = rng.uniform(0, 100, (COUNT, 3)).astype(np.float32)
    face[:2, 0] = 0, 100
    marks = np.repeat(face[None], len(x), 0)
    marks[..., 0] += np.asarray(x, np.float32)[:, None]
    return marks


def stripes_at(x: Floats) -> np.ndarray:
    """Grey pictures (T, 24, 32) that move along with ``x``."""
    places = np.arange(32)[None, :] - np.asarray(x)[:, None] * 0.32
    row = 128 + 100 * np.sin(places / 5)
    return np.repeat(row[:, None].astype(np.uint8), 24, axis=1)


def find(x: Floats, longest: int = 250, quiet: Floats | None = None) -> Loop:
    zeros = np.zeros(len(x), np.float32)
    return find_loop(face_at(x), stripes_at(x), zeros if quiet is None else quiet, longest)


def positions(loop: Loop, x: Floats) -> Floats:
    return np.array([(1 - s) * x[a] + s * x[b] for a, b, s in loop.steps()])


def test_periodic_motion_is_looped_by_whole_periods() -> None:
    x = 20 * np.sin(2 * np.pi * np.arange(200) / 60)
    loop = find(x)
    assert loop.kind == "forward"
    assert len(loop) % 60 == 0
    assert loop.start >= DISSOLVE
    assert loop.end <= 200
    path = positions(loop, x)
    usual = np.abs(np.diff(path)).max()
    assert abs(path[-1] - path[0]) <= usual + 1e-6


def test_motion_that_never_returns_goes_back_and_forth() -> None:
    x = np.arange(120) * 0.7
    loop = find(x)
    assert loop.kind == "back and forth"
    path = positions(loop, x)
    assert len(path) == len(loop)
    assert np.abs(np.diff(np.append(path, path[0]))).max() == pytest.approx(0.7)


def test_back_and_forth_turns_at_rest() -> None:
    # Rests at frames 10 to 20 and 80 to 90, and never shows the same twice.
    speed = np.ones(120)
    speed[10:20] = speed[80:90] = 0.01
    x = np.cumsum(speed)
    loop = find(x)
    assert loop.kind == "back and forth"
    assert 9 <= loop.start <= 20
    assert 80 <= loop.end - 1 <= 91


@pytest.mark.parametrize("longest", [60, 100, 130])
def test_loop_is_not_longer_than_asked(longest: int) -> None:
    periodic = 20 * np.sin(2 * np.pi * np.arange(300) / 55)
    straight = np.arange(300) * 0.5
    assert len(find(periodic, longest)) <= longest
    assert len(find(straight, longest)) <= longest


def test_quiet_part_is_preferred() -> None:
    x = 20 * np.sin(2 * np.pi * np.arange(300) / 60)
    quiet = np.ones(300, np.float32)
    quiet[170:] = 0
    loop = find(x, 70, quiet)
    assert loop.kind == "forward"
    assert loop.start >= 165


def test_same_shape_before_another_background_is_no_match() -> None:
    x = 20 * np.sin(2 * np.pi * np.arange(150) / 60)
    drift = np.arange(150, dtype=np.float32)
    grey = np.clip(stripes_at(x) * 0.4 + drift[:, None, None], 0, 255).astype(np.uint8)
    loop = find_loop(face_at(x), grey, np.zeros(150, np.float32), 250)
    assert loop.kind == "back and forth"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_frames_are_a_still(count: int) -> None:
    loop = find(np.zeros(count))
    assert loop.kind == "still"
    assert len(loop) == 1
    assert len(list(loop.steps())) == 1


def test_dissolve_begins_and_ends_softly() -> None:
    loop = Loop("forward", 20, 90, 8)
    steps = list(loop.steps())
    assert len(steps) == 70
    assert loop.sources == (12, 90)
    shares = [s for _, _, s in steps]
    assert shares[:62] == [0.0] * 62
    assert shares[62:] == pytest.approx([k / 9 for k in range(1, 9)])
    assert steps[-1][:2] == (89, 19)


def test_smoothing_goes_round_and_keeps_the_mean() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 3)).astype(np.float32)
    smooth = smooth_round(values, 1.5)
    assert smooth.mean(0) == pytest.approx(values.mean(0), abs=1e-5)
    assert smooth.std() < 0.7 * values.std()
    rolled = smooth_round(np.roll(values, 7, 0), 1.5)
    assert np.roll(smooth, 7, 0) == pytest.approx(rolled, abs=1e-5)
    assert np.array_equal(smooth_round(values[:2], 1.5), values[:2])
