"""Sampling a portrait, and the grid that says where."""

import cv2
import numpy as np
import pytest

from visavis.models.puppet.sampling import Portrait, View, lay_over
from visavis.models.puppet.warp import Grid

SIDE = 96
Y, X = np.mgrid[:SIDE, :SIDE].astype(np.float32)


def fine_picture(seed: int = 0) -> np.ndarray:
    """Detail as a photograph has it: less of it the finer it is."""
    rng = np.random.default_rng(seed)
    picture = sum(
        cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE, 3)), (0, 0), sigma) * sigma * weight
        for sigma, weight in ((0.7, 60), (2, 60), (8, 80))
    )
    return np.clip(picture + 128, 0, 255).astype(np.uint8)


def shift_ideally(picture: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """Shift by fractions of a pixel, by the phases of the picture's spectrum."""
    doubled = np.pad(picture.astype(float), ((0, SIDE), (0, SIDE), (0, 0)), mode="symmetric")
    f = np.fft.fftfreq(2 * SIDE)
    turn = np.exp(2j * np.pi * (f[None] * dx + f[:, None] * dy))[..., None]
    spectrum = np.fft.fft2(doubled, axes=(0, 1)) * turn
    return np.fft.ifft2(spectrum, axes=(0, 1)).real[:SIDE, :SIDE]


class TestPortrait:
    def test_unmoved_it_is_the_picture(self) -> None:
        picture = fine_picture()
        portrait = Portrait(picture, None)
        drawn = portrait.sample(np.stack([X, Y], -1) * portrait.factor)
        np.testing.assert_array_equal(drawn, picture)

    def test_it_is_nearer_to_the_ideal_than_bicubic_sampling(self) -> None:
        picture = fine_picture()
        portrait = Portrait(picture, None)
        ours, bicubic, sharpness = [], [], []
        inner = (slice(8, -8), slice(8, -8))
        for dx, dy in ((0.5, 0.5), (0.25, 0.0), (0.25, 0.5), (0.75, 0.25), (0.1, 0.9)):
            ideal = shift_ideally(picture, dx, dy)
            where = np.stack([X + dx, Y + dy], -1)
            a = portrait.sample(where * portrait.factor).astype(float)
            b = cv2.remap(picture, where, None, cv2.INTER_CUBIC).astype(float)
            ours.append(np.mean((a - ideal)[inner] ** 2))
            bicubic.append(np.mean((b - ideal)[inner] ** 2))
            sharpness.append(
                cv2.Laplacian(a, cv2.CV_64F)[inner].var()
                / cv2.Laplacian(b, cv2.CV_64F)[inner].var()
            )
        assert np.mean(ours) < np.mean(bicubic)
        assert 0.95 < np.mean(sharpness) < 1.15

    def test_the_matte_moves_along(self) -> None:
        matte = np.where(X + 2 * Y < SIDE, 255, 0).astype(np.uint8)
        portrait = Portrait(fine_picture(), matte)
        _, seen = portrait.sample_matted(np.stack([X + 3, Y - 2], -1) * portrait.factor)
        assert seen is not None
        expected = np.roll(matte, (2, -3), (0, 1))
        np.testing.assert_array_equal(seen[4:-4, 4:-4], expected[4:-4, 4:-4])

    def test_without_a_matte_all_of_it_is_seen(self) -> None:
        portrait = Portrait(fine_picture(), None)
        assert portrait.sample_matted(np.stack([X, Y], -1) * portrait.factor)[1] is None


def test_a_view_is_sampled_where_the_puppet_lies_in_it() -> None:
    picture = fine_picture()
    there = np.array([[1, 0, 5], [0, 1, -4]], np.float32)
    view = View(picture, there, np.zeros((478, 3), np.float32), np.zeros((478, 3), np.float32))
    drawn, matte = view.sample_matted(np.stack([X, Y], -1) * view.factor)
    assert matte is None
    np.testing.assert_array_equal(drawn[8:-8, 8:-8], np.roll(picture, (4, -5), (0, 1))[8:-8, 8:-8])


def test_a_person_is_laid_over_as_much_as_the_matte_says() -> None:
    person, background = fine_picture(1), fine_picture(2)
    matte = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
    matte[:8], matte[-8:] = 0, 255
    share = matte[..., None] / 255
    exact = person * share + background * (1 - share)
    laid = lay_over(person, background, matte)
    assert np.abs(laid - exact).max() <= 1.01
    np.testing.assert_array_equal(laid[:8], background[:8])
    np.testing.assert_array_equal(laid[-8:], person[-8:])


class TestGrid:
    @pytest.mark.parametrize("cell", [1, 2, 4, 8])
    @pytest.mark.parametrize("box", [(0, 0, 96, 64), (10, 6, 71, 49)])
    def test_what_is_linear_is_exact_at_every_pixel(
        self, cell: int, box: tuple[int, int, int, int]
    ) -> None:
        x0, y0, x1, y1 = box
        grid = Grid(box, cell)
        pixels = grid.to_pixels((grid.flat * 1.5 + 2).reshape(grid.gh, grid.gw, 2))
        expected = np.stack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)), -1) * 1.5 + 2
        np.testing.assert_allclose(pixels, expected, atol=1e-3)

    @pytest.mark.parametrize("cell", [1, 2, 4, 8])
    def test_what_moves_away_is_found_where_it_came_from(self, cell: int) -> None:
        grid = Grid((0, 0, 96, 96), cell)

        def push(at: np.ndarray) -> np.ndarray:
            return np.stack([4 * np.sin(at[..., 1] / 20), 3 * np.cos(at[..., 0] / 25)], -1)

        forward = push(grid.flat).reshape(grid.gh, grid.gw, 2).astype(np.float32)
        source = grid.invert(forward)
        arrived = (source + push(source)).reshape(-1, 2)
        inside = np.all((grid.flat > 8) & (grid.flat < 88), axis=1)
        np.testing.assert_allclose(arrived[inside], grid.flat[inside], atol=0.12)
