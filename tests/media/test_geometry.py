import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.media import geometry as g


def similarity(scale, degrees, x, y):
    c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return np.array([[c, -s, x], [s, c, y]])


POINTS = np.random.default_rng(0).uniform(0, 200, (20, 2))


@settings(deadline=None)
@given(st.floats(0.05, 20), st.floats(-179, 179), st.floats(-1000, 1000), st.floats(-1000, 1000))
def test_similarity_is_found_again(scale, degrees, x, y):
    wanted = similarity(scale, degrees, x, y)
    found = g.estimate_similarity(POINTS, g.apply(wanted, POINTS))
    np.testing.assert_allclose(found, wanted, atol=1e-7 * max(1, abs(x), abs(y), scale))
    assert g.scale_of(found) == pytest.approx(scale)
    assert g.rotation_of(found) == pytest.approx(degrees, abs=1e-6)
    np.testing.assert_allclose(g.compose(found, g.invert(found)), [[1, 0, 0], [0, 1, 0]], atol=1e-6)


def test_similarity_never_mirrors():
    found = g.estimate_similarity(POINTS, POINTS * [-1, 1])
    assert np.linalg.det(found[:, :2]) > 0


def test_noise_averages_out_and_weights_count():
    wanted = similarity(1.5, 20, 10, -5)
    noisy = g.apply(wanted, POINTS)
    noisy[0] += 500
    weights = np.ones(len(POINTS))
    assert np.abs(g.estimate_similarity(POINTS, noisy) - wanted).max() > 1
    weights[0] = 0
    np.testing.assert_allclose(g.estimate_similarity(POINTS, noisy, weights), wanted, atol=1e-9)
    np.testing.assert_allclose(g.estimate_affine(POINTS, noisy, weights), wanted, atol=1e-9)


def test_affine_is_found_again():
    wanted = np.array([[1.2, 0.3, 5], [-0.1, 0.7, -8]])
    np.testing.assert_allclose(
        g.estimate_affine(POINTS, g.apply(wanted, POINTS)), wanted, atol=1e-9
    )


def test_points_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match="the same"):
        g.estimate_similarity(np.ones((5, 2)), np.ones((5, 2)))
    line = np.column_stack([np.arange(5.0), np.arange(5.0)])
    with pytest.raises(ValueError, match="one line"):
        g.estimate_affine(line, line)
    with pytest.raises(ValueError, match="flattens"):
        g.invert([[0, 0, 1], [0, 0, 1]])
    with pytest.raises(ValueError, match="arrays"):
        g.estimate_similarity(np.ones((5, 2)), np.ones((4, 2)))


def test_crop_map_takes_exactly_the_pixels_of_the_box():
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    crop = g.warp(image, g.crop_map([10, 20, 50, 40], 40, 20), 40, 20)
    np.testing.assert_array_equal(crop, image[20:40, 10:50])
    with pytest.raises(ValueError, match="empty"):
        g.crop_map([10, 10, 10, 20], 4, 4)


def test_shrinking_averages_and_stays_in_place():
    image = np.random.default_rng(0).integers(0, 255, (512, 512), np.uint8)
    crop = g.warp(image, g.crop_map([0, 0, 512, 512], 64, 64), 64, 64)
    blocks = image.reshape(64, 8, 64, 8).mean(axis=(1, 3))
    assert np.abs(crop.astype(float) - blocks).max() < 2
    # Every second column black: skipping pixels would make it black or white.
    stripes = np.zeros((400, 400), np.float32)
    stripes[:, ::2] = 1
    turned = g.warp(stripes, similarity(0.25, 10, 0, 0), 60, 60)
    assert np.abs(turned[10:50, 20:50] - 0.5).max() < 0.1
    dot = np.zeros((400, 400), np.float32)
    dot[196:205, 296:305] = 1
    matrix = similarity(0.3, 17, 12, 5)
    small = g.warp(dot, matrix, 120, 120)
    y, x = np.mgrid[0:120, 0:120]
    found = np.array([(small * x).sum(), (small * y).sum()]) / small.sum()
    np.testing.assert_allclose(found, g.apply(matrix, [300, 200]), atol=0.1)


def test_borders():
    image = np.full((10, 10, 3), 200, np.uint8)
    shifted = np.array([[1, 0, 20], [0, 1, 0]])
    assert g.warp(image, shifted, 10, 10, "replicate").min() == 200
    assert g.warp(image, shifted, 10, 10, "constant").max() == 0
    ramp = np.tile(np.arange(10, dtype=np.float32) * 10, (10, 1))
    mirrored = g.warp(ramp, [[1, 0, 3], [0, 1, 0]], 10, 10, "reflect")
    np.testing.assert_allclose(mirrored[0, :3], [30, 20, 10])


def test_boxes():
    np.testing.assert_array_equal(g.box_around([[3, 8], [1, 9], [2, 4]]), [1, 4, 3, 9])
    np.testing.assert_array_equal(g.square_box([0, 0, 10, 20]), [-5, 0, 15, 20])
    np.testing.assert_array_equal(g.expand_box([0, 0, 10, 20], 2), [-5, -10, 15, 30])
    np.testing.assert_array_equal(g.expand_box([0, 0, 10, 20], 1, (0, 0.1)), [0, 2, 10, 22])
    np.testing.assert_array_equal(g.clip_box([[-5, 2, 30, 50]], 20, 40), [[0, 2, 20, 40]])
    assert g.square_box(np.zeros((7, 4))).shape == (7, 4)


def test_smoothing_keeps_steady_motion_and_removes_jitter():
    steady = np.linspace(0, 100, 60)[:, None] * np.array([1, -2, 3, 4])
    np.testing.assert_allclose(g.smooth_over_time(steady, 3), steady, atol=1e-9)
    jitter = np.random.default_rng(0).normal(0, 2, (500, 4))
    assert g.smooth_over_time(jitter, 3).std() < 0.7
    np.testing.assert_array_equal(g.smooth_over_time(jitter, 0), jitter)
    assert g.smooth_over_time(jitter[:1], 5).shape == (1, 4)
    assert g.smooth_over_time(jitter[:3], 5).shape == (3, 4)
    step = np.concatenate([np.zeros(50), np.ones(50)])[:, None]
    assert g.smooth_over_time(step, 2)[50, 0] == pytest.approx(0.6, abs=0.05)  # no delay


def test_warp_matches_opencv_where_it_does_not_shrink():
    image = np.random.default_rng(0).integers(0, 255, (50, 50, 3), np.uint8)
    matrix = similarity(1.3, 30, 5, -4)
    np.testing.assert_array_equal(
        g.warp(image, matrix, 60, 60),
        cv2.warpAffine(image, matrix, (60, 60), borderMode=cv2.BORDER_REPLICATE),
    )
