from __future__ import annotations

import numpy as np
import pytest

from visavis.evaluation.sync import (
    EmbeddedClip,
    auc,
    confidence,
    find_offset,
    measure_sync,
    offset_curve,
)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clip(frames: int, noise: float, seed: int) -> EmbeddedClip:
    """Vectors that belong together but for noise."""
    rng = np.random.default_rng(seed)
    common = np.abs(rng.standard_normal((frames, 32)))
    faces = common + noise * np.abs(rng.standard_normal(common.shape))
    speech = common + noise * np.abs(rng.standard_normal(common.shape))
    return EmbeddedClip(unit(faces), unit(speech))


def test_auc_counts_pairs_by_hand() -> None:
    # Of six pairs, four are the right way round and one is a tie.
    assert auc([3, 1], [0, 1, 2]) == pytest.approx((3 + 1 + 0.5) / 6)
    assert auc([1.0], [0.0]) == 1.0
    assert auc([0.0], [1.0]) == 0.0
    assert auc([0.5] * 4, [0.5] * 7) == 0.5
    assert np.isnan(auc([], [1.0]))


def test_auc_of_noise_is_a_half() -> None:
    rng = np.random.default_rng(0)
    assert auc(rng.random(4000), rng.random(4000)) == pytest.approx(0.5, abs=0.02)


def test_perfect_expert() -> None:
    figures = measure_sync([clip(27, 0.0, seed) for seed in range(3)])
    assert (figures.auc, figures.auc_second, figures.auc_longest) == (1, 1, 1)
    assert (figures.found, figures.found_exactly) == (1, 1)
    assert figures.in_sync == pytest.approx(1)
    assert figures.off < 0.95
    assert figures.clips == 3
    assert figures.offsets_tried == 3 * 21
    # 27 windows less the 21 of a second; 27 less the farthest shift.
    assert figures.second_shift == 6
    assert figures.longest_rows == 15


def test_expert_that_knows_nothing() -> None:
    rng = np.random.default_rng(1)
    clips = [
        EmbeddedClip(*(unit(np.abs(rng.standard_normal((27, 32)))) for _ in range(2)))
        for _ in range(40)
    ]
    figures = measure_sync(clips)
    assert figures.auc == pytest.approx(0.5, abs=0.03)
    assert figures.auc_longest == pytest.approx(0.5, abs=0.12)
    # By chance about three of thirty-one offsets are within one frame.
    assert figures.found < 0.2


def test_constant_vectors_find_nothing() -> None:
    same = np.ones((27, 4), np.float32) / 2
    figures = measure_sync([EmbeddedClip(same, same)])
    assert figures.auc == 0.5
    # Every offset is as good: which one is taken must not depend on what was put in.
    assert figures.found <= 3 / 21


def test_averaging_helps() -> None:
    figures = measure_sync([clip(40, 1.5, seed) for seed in range(20)])
    assert 0.55 < figures.auc < figures.auc_longest
    assert figures.auc < figures.auc_second
    assert figures.second_shift == 12


def test_sound_moved_by_hand_loses_what_leaves_the_clip() -> None:
    whole = clip(27, 0.0, 4)
    late = np.full_like(whole.speech, np.nan)
    late[10:] = whole.speech[:17]
    curve = offset_curve(whole.faces, late)
    assert find_offset(curve) == 10
    # Of the fifteen windows in common at -12, ten are those that were lost.
    assert np.isnan(curve[15 - 12])
    assert not np.isnan(offset_curve(whole.faces, whole.speech)[15 - 12])


def test_sign_of_an_offset_is_positive_where_the_sound_is_late() -> None:
    whole = clip(40, 0.0, 5)
    curve = offset_curve(whole.faces[:30], whole.speech[3:33])
    assert find_offset(curve) == -3
    assert confidence(curve) > 0.1


def test_short_clips_are_left_out() -> None:
    figures = measure_sync([clip(12, 0.0, 6)])
    assert np.isnan(figures.auc_second)
    assert np.isnan(figures.auc_longest)
    assert figures.offsets_tried == 9  # offsets of up to four leave eight windows
    with pytest.raises(ValueError, match="too short"):
        find_offset(offset_curve(*(np.ones((4, 3), np.float32),) * 2))


def test_nothing_at_all() -> None:
    figures = measure_sync([])
    assert np.isnan(figures.auc)
    assert figures.clips == 0
