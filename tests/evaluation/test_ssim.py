from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from visavis.core.types import Picture
from visavis.evaluation.ssim import Ssim, ssim

C1, C2 = 2.55**2, 7.65**2


def picture(seed: int, height: int = 48, width: int = 61) -> Picture:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 6, width // 6, 3), np.uint8)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC))


def by_others(one: Picture, other: Picture) -> float:
    return float(
        structural_similarity(
            one, other, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            data_range=255, channel_axis=-1 if one.ndim == 3 else None,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p,
        lambda p: cv2.GaussianBlur(p, (0, 0), 2),
        lambda p: np.clip(p.astype(int) + 40, 0, 255).astype(np.uint8),
        lambda p: 255 - p,
        lambda p: np.roll(p, 3, 1),
        lambda p: picture(9),
        lambda p: np.zeros_like(p),
    ],
)
def test_it_is_what_scikit_image_gives(change) -> None:
    one = picture(0)
    other = change(one)
    assert ssim(one, other) == pytest.approx(by_others(one, other), abs=1e-9)
    assert ssim(one, other) == pytest.approx(ssim(other, one), abs=1e-12)
    grey, other_grey = one[..., 1], np.ascontiguousarray(other[..., 1])
    assert ssim(grey, other_grey) == pytest.approx(by_others(grey, other_grey), abs=1e-9)


def test_flat_pictures_by_hand() -> None:
    black, white = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)
    assert ssim(black, black) == 1
    assert ssim(black, white) == pytest.approx(C1 / (255**2 + C1))
    assert ssim(white - np.uint8(5), white) == pytest.approx(
        (2 * 250 * 255 + C1) / (250**2 + 255**2 + C1)
    )


def test_one_window_by_hand() -> None:
    # As many pixels as a window: one sum over all of them.
    one, other = picture(1)[:11, :11, :1], picture(2)[:11, :11, :1]
    line = np.exp(-((np.arange(11) - 5) ** 2) / 4.5)
    weights = np.outer(line, line)[..., None] / line.sum() ** 2
    a, b = one.astype(float), other.astype(float)
    x, y = (weights * a).sum(), (weights * b).sum()
    vx, vy = (weights * (a - x) ** 2).sum(), (weights * (b - y) ** 2).sum()
    cov = (weights * (a - x) * (b - y)).sum()
    wanted = (2 * x * y + C1) * (2 * cov + C2) / (x * x + y * y + C1) / (vx + vy + C2)
    assert ssim(one, other) == pytest.approx(wanted)
    assert wanted < 0.5


def test_blur_costs_more_the_more_there_is() -> None:
    one = picture(3)
    found = [ssim(one, np.asarray(cv2.GaussianBlur(one, (0, 0), s))) for s in (0.5, 1, 2, 4)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.95 > 0.5 > found[-1]


def test_frames_are_averaged() -> None:
    figure = Ssim()
    assert np.isnan(figure.value())
    one, other = picture(4), picture(5)
    assert figure.add(one, one) == 1
    assert figure.add(other, one) == ssim(one, other)
    assert np.isnan(figure.add(one[:10], one[:10]))
    assert figure.frames == 2
    assert figure.value() == pytest.approx((1 + ssim(one, other)) / 2)
    with pytest.raises(ValueError, match="cannot be compared"):
        figure.add(one, one[1:])
