from __future__ import annotations

import numpy as np
import pytest

from visavis.core.types import Floats
from visavis.evaluation.head_motion import autocorrelation, head_motion
from visavis.models.puppet.motion import Motion

FRAMES = 250


def living(seed: int, frames: int = FRAMES) -> Floats:
    motion = Motion(seed, "lively")
    heads = [motion.at(frame) for frame in range(frames)]
    pose = np.array([[head.yaw, head.pitch, head.roll] for head in heads])
    unrest = np.random.default_rng(seed).normal(0, 0.05, pose.shape)
    return (pose + unrest).astype(np.float32)


def test_range_and_speed_by_hand() -> None:
    seconds = np.arange(FRAMES) / 25
    pose = np.zeros((FRAMES, 3), np.float32)
    pose[:, 0] = 3 * seconds  # 3 degrees a second
    pose[:, 1] = 7
    pose[:, 2] = np.abs(seconds - 5) * -2  # there and back at 2 degrees a second
    figures = head_motion(pose)
    assert figures.range == pytest.approx((0.9 * 3 * (FRAMES - 1) / 25, 0, 0.9 * 2 * 5), abs=0.1)
    assert figures.speed == pytest.approx((3, 0, 2), abs=0.05)
    assert figures.frames == FRAMES


def test_autocorrelation_by_hand() -> None:
    # Four full turns have no straight line in them, but for what their phase leaves.
    pose = np.cos(2 * np.pi * np.arange(200) / 50)[:, None]
    curve = autocorrelation(pose, 100)
    assert curve[0] == pytest.approx(1)
    assert curve[25] == pytest.approx(-1, abs=0.01)
    assert curve[50] == pytest.approx(1, abs=0.01)
    assert curve[100] == pytest.approx(1, abs=0.01)
    # Axes are weighed by how far they move.
    both = np.column_stack([pose[:, 0], np.cos(2 * np.pi * np.arange(200) / 25)])
    assert autocorrelation(both, 25)[25] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("length", [30, 61, 110])
def test_a_loop_is_found_at_its_length(length: int) -> None:
    once = living(3, length)
    loop = np.concatenate([once] * 9)[:FRAMES]
    figures = head_motion(
        loop + np.random.default_rng(0).normal(0, 0.05, loop.shape).astype(np.float32)
    )
    assert figures.periodicity > 0.8
    # The shortest repetition or a multiple of it: all of them are equally exact.
    frames = round(figures.period_s * 25)
    assert min(frames % length, -frames % length) <= 1


def test_living_heads_do_not_repeat() -> None:
    peaks = [head_motion(living(seed)).periodicity for seed in range(12)]
    assert np.median(peaks) < 0.2
    assert max(peaks) < 0.5


def test_frames_without_a_face_do_not_count() -> None:
    loop = np.concatenate([living(3, 61)] * 5)[:FRAMES]
    whole = head_motion(loop)
    lost = loop.copy()
    lost[np.random.default_rng(1).random(FRAMES) < 0.2] = np.nan
    figures = head_motion(lost)
    assert figures.frames < FRAMES
    assert figures.period_s == pytest.approx(whole.period_s, abs=0.04)
    assert figures.periodicity == pytest.approx(whole.periodicity, abs=0.05)
    assert figures.range == pytest.approx(whole.range, rel=0.15)
    assert figures.speed == pytest.approx(whole.speed, rel=0.25)


def test_what_cannot_be_told_is_nan() -> None:
    # A head that stands still has nothing to repeat.
    still = np.random.default_rng(0).normal(0, 0.1, (FRAMES, 3)).astype(np.float32)
    assert np.isnan(head_motion(still).periodicity)
    assert head_motion(still).range == pytest.approx((0.33, 0.33, 0.33), abs=0.06)
    # Two periods beyond a second do not fit into 50 frames.
    assert np.isnan(head_motion(living(1, 50) * 5).periodicity)
    assert not np.isnan(head_motion(living(1, 60) * 5).periodicity)
    nobody = head_motion(np.full((FRAMES, 3), np.nan, np.float32))
    assert nobody.frames == 0
    assert np.isnan([*nobody.range, *nobody.speed, nobody.periodicity]).all()
    # A line alone never comes back.
    line = np.arange(FRAMES, dtype=np.float32)[:, None] * np.ones(3, np.float32)
    assert np.isnan(head_motion(line).periodicity)
