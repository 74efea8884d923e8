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
