from __future__ import annotations

import numpy as np
import pytest

from visavis.evaluation.psnr import MOST, psnr


def test_psnr_by_hand() -> None:
    black = np.zeros((4, 5, 3), np.uint8)
    assert psnr(black, black) == MOST
    assert psnr(black, black + np.uint8(255)) == pytest.approx(0)
    # A mean squared error of 16, whichever way the difference goes.
    assert psnr(black + np.uint8(4), black) == pytest.approx(10 * np.log10(255**2 / 16))
    assert psnr(black, black + np.uint8(4)) == psnr(black + np.uint8(4), black)
    half = black.copy()
    half[:2] = 10
    assert psnr(half, black) == pytest.approx(10 * np.log10(255**2 / 50))


def test_psnr_as_scikit_image_has_it() -> None:
    from skimage.metrics import peak_signal_noise_ratio

    rng = np.random.default_rng(5)
    one, other = rng.integers(0, 256, (2, 40, 50, 3), np.uint8)
    wanted = peak_signal_noise_ratio(one, other, data_range=255)
    assert psnr(one, other) == pytest.approx(wanted, abs=1e-9)
