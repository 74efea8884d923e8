import time

import numpy as np
import pytest

from visavis.core.errors import TextUnusable
from visavis.media.label import LABEL_TEXT, Label


def luminance(value):
    value = np.asarray(value) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("text", [*LABEL_TEXT.values(), "人工智能生成合成内容", "AI (demo) 2026"])
@pytest.mark.parametrize("grey", [0, 60, 128, 200, 255])
@pytest.mark.parametrize("size", [(256, 256), (512, 512), (720, 1280), (1920, 1080)])
def test_it_is_legible_on_any_background(text, grey, size):
    frame = np.full((*size, 3), grey, np.uint8)
    drawn = Label(text).draw(frame)
    rows, columns = np.nonzero((drawn != frame).any(axis=2))
    assert len(rows), "nothing was drawn"
    area = drawn[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, 0]
    letters, ground = np.percentile(area, 99.5), np.percentile(area, 30)
    contrast = (luminance(letters) + 0.05) / (luminance(ground) + 0.05)
    assert contrast > 4.5
    middle = area[
        area.shape[0] // 4 : -area.shape[0] // 4, area.shape[0] // 2 : -area.shape[0] // 2
    ]
    assert 0.1 < (middle > (letters + ground) / 2).mean() < 0.6  # letters, neither blot nor blank


@pytest.mark.parametrize("corner", ["top left", "top right", "bottom left", "bottom right"])
def test_it_stands_in_its_corner_inside_the_margins(corner):
    frame = np.full((480, 640, 3), 255, np.uint8)
    before = frame.copy()
    drawn = Label(corner=corner).draw(frame)
    np.testing.assert_array_equal(frame, before)
    rows, columns = np.nonzero((drawn != frame).any(axis=2))
    vertical, horizontal = corner.split()
    assert (rows.mean() < 240) == (vertical == "top")
    assert (columns.mean() < 320) == (horizontal == "left")
    assert rows.min() >= 12
    assert rows.max() < 468
    assert columns.min() >= 12
    assert columns.max() < 628
    assert (rows.max() - rows.min()) < 0.1 * 480
    assert (columns.max() - columns.min()) < 0.3 * 640


@pytest.mark.parametrize("size", [(64, 64), (40, 300), (300, 40), (16, 16), (33, 67)])
def test_small_frames_still_work(size):
    frame = np.full((*size, 3), 90, np.uint8)
    drawn = Label("AI generated").draw(frame)
    assert drawn.shape == frame.shape
    assert (drawn != frame).any()


def test_no_wrap_around_in_bright_noise():
    frame = np.random.default_rng(0).integers(250, 256, (512, 512, 3), np.uint8)
    drawn = Label().draw(frame)
    assert drawn[480:490, 400:480].min() > 60


@pytest.mark.parametrize("text", ["", "  ", "x" * 41, "émigré", "😀"])
def test_texts_that_cannot_be_shown_are_refused(text):
    with pytest.raises(TextUnusable, match="label"):
        Label(text)


def test_it_costs_almost_nothing():
    frame, label = np.zeros((720, 1280, 3), np.uint8), Label()
    label.draw(frame)
    took = []
    for _ in range(20):
        began = time.perf_counter()
        label.draw(frame)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.004
