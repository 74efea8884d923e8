import time

import numpy as np
import pytest

from visavis.media.blend import feather_mask, match_colour, paste_back, polygon_mask
from visavis.media.geometry import crop_map, warp


def textured(height, width, seed=0):
    rng = np.random.default_rng(seed)
    small = rng.integers(40, 215, (height // 16 + 2, width // 16 + 2, 3), np.uint8)
    return warp(small, [[16, 0, 0], [0, 16, 0]], width, height)


TILTED = np.array([[0.9, 0.25, -60], [-0.25, 0.9, 30]])


@pytest.mark.parametrize("shape", ["ellipse", "rectangle"])
@pytest.mark.parametrize("size", [(64, 64), (96, 128), (33, 21)])
def test_masks_are_one_inside_and_zero_at_the_edge(shape, size):
    mask = feather_mask(size[1], size[0], 0.2, shape)
    assert mask.shape == size
    assert mask.dtype == np.float32
    assert (mask[size[0] // 2, size[1] // 2], mask.min() >= 0, mask.max()) == (1, True, 1)
    edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert edge.max() < 0.1
    steps = np.abs(np.diff(mask, axis=0)).max()
    assert steps < 1.6 / (0.2 * min(size)) + 0.02


def test_ellipse_rim_has_the_same_width_all_round():
    mask = feather_mask(200, 100, 0.2)
    across = (mask[50] > 0) & (mask[50] < 1)
    down = (mask[:, 100] > 0) & (mask[:, 100] < 1)
    assert abs(int(across.sum()) - int(down.sum())) <= 8


def test_polygon_mask_lies_within_the_polygon():
    mask = polygon_mask([[10, 10], [50, 12], [45, 40], [8, 38]], 64, 48, 6)
    assert mask[25, 28] == 1
    assert mask[5, 5] == mask[45, 60] == 0
    assert 0 < mask[13, 28] < 1
    everything = polygon_mask([[-9, -9], [90, -9], [90, 90], [-9, 90]], 64, 48, 6)
    assert everything[0].max() < 0.2  # no seam where the face leaves the crop


def test_only_the_region_changes_and_only_where_the_mask_says():
    frame = textured(300, 400)
    crop = np.full((256, 256, 3), (250, 10, 10), np.uint8)
    mask = feather_mask(256, 256, 0.3)
    before = frame.copy()
    pasted = paste_back(frame, crop, TILTED, mask)
    np.testing.assert_array_equal(frame, before)
    seen = warp(np.pad(mask, 0), np.linalg.inv([*TILTED, [0, 0, 1]])[:2], 400, 300, "constant")
    np.testing.assert_array_equal(pasted[seen == 0], frame[seen == 0])
    full = pasted[seen > 0.999]
    assert len(full) > 1000
    assert np.abs(full.astype(int) - [250, 10, 10]).max() <= 1
    assert paste_back(frame, crop, TILTED, mask, out=frame) is frame
    np.testing.assert_array_equal(frame, pasted)


def test_pasting_what_was_cropped_changes_nothing_visible():
    frame = textured(300, 400)
    crop = warp(frame, TILTED, 256, 256)
    pasted = paste_back(frame, crop, TILTED, feather_mask(256, 256, 0.1))
    difference = np.abs(pasted.astype(int) - frame)
    assert difference.max() <= 12
    assert difference.mean() < 0.5


@pytest.mark.parametrize(("x", "y"), [(-100, -90), (350, 250), (-500, 0), (900, 900)])
def test_crops_that_leave_the_frame(x, y):
    frame = textured(300, 400)
    crop = np.zeros((128, 128, 3), np.uint8)
    pasted = paste_back(
        frame, crop, crop_map([x, y, x + 128, y + 128], 128, 128), np.ones((128, 128), np.float32)
    )
    inside = np.zeros((300, 400), bool)
    inside[max(0, y) : max(0, y + 128), max(0, x) : max(0, x + 128)] = True
    assert (pasted[inside] == 0).all()
    np.testing.assert_array_equal(pasted[~inside], frame[~inside])


def test_colours_are_matched_under_the_mask():
    reference = textured(128, 128)
    tinted = np.clip(reference * np.array([0.8, 1.0, 1.15]) + [12, -8, 0], 0, 255).astype(np.uint8)
    mask = feather_mask(128, 128, 0.2)
    matched = match_colour(tinted, reference, mask)
    before = np.abs(tinted.astype(float) - reference)[mask > 0.5].mean()
    after = np.abs(matched.astype(float) - reference)[mask > 0.5].mean()
    assert after < before / 3
    np.testing.assert_array_equal(match_colour(tinted, reference, strength=0), tinted)
    assert np.abs(match_colour(reference, reference).astype(int) - reference).max() <= 1


def test_flat_colours_do_not_explode():
    grey = np.full((64, 64, 3), 120, np.uint8)
    matched = match_colour(grey, textured(64, 64))
    assert matched.std(axis=(0, 1)).max() < 1
    nothing = np.zeros((64, 64), np.float32)
    np.testing.assert_array_equal(match_colour(grey, textured(64, 64), nothing), grey)


def test_pasting_is_fast_enough_for_live_video():
    frame, crop = textured(1080, 1920), textured(384, 384, 1)
    mask = feather_mask(384, 384, 0.2)
    to_crop = crop_map([700, 300, 1212, 812], 384, 384)
    took = []
    for _ in range(10):
        began = time.perf_counter()
        paste_back(frame, crop, to_crop, mask, out=frame)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.015, f"{min(took) * 1000:.1f} ms for 512x512"
