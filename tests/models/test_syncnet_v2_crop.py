from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import medfilt

from visavis.core.errors import InputError, NoFaceFound
from visavis.models.syncnet_v2.face_crop import (
    JpegFiles,
    choose_box,
    crop_square,
    find_box,
    follow_face,
)

BOX = np.array([20, 20, 76, 76], np.float32)
MARKS = np.array([[22, 24], [74, 24], [48, 74]], np.float32)


def test_crop_is_the_published_one_by_hand() -> None:
    # Box (100, 60)-(180, 140): middle (140, 100), half-side 40. Across 140 -+ 56, down 60 to 172.
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    crop = crop_square(image, [140, 100, 40])
    # 112 pixels to 224: each pixel of the crop is 3/4 of the nearest and 1/4 of the next.
    cut = image[60:172, 84:196].astype(float)
    rows = np.repeat(cut, 2, 0)
    rows = 0.75 * rows[1:-1] + 0.25 * np.repeat(cut, 2, 0)[[k ^ 3 for k in _partners(112)]]
    both = np.repeat(rows, 2, 1)
    both = 0.75 * both[:, 1:-1] + 0.25 * np.repeat(rows, 2, 1)[:, [k ^ 3 for k in _partners(112)]]
    np.testing.assert_allclose(crop[1:-1, 1:-1].astype(float), both, atol=1.01)


def _partners(count: int) -> list[int]:
    """Of doubled pixel k the index, but for two bits, of the neighbour it leans on."""
    return [(k - 1 if k % 2 == 0 else k + 1) ^ 3 for k in range(1, 2 * count - 1)]


def test_grey_lies_beyond_the_borders() -> None:
    # Middle (10, 8), half-side 40: across -46 to 66, down -32 to 80, of a white 60 x 50.
    image = np.full((50, 60, 3), 255, np.uint8)
    crop = crop_square(image, [10, 8, 40])
    white = crop[..., 0] > 180
    assert (crop[~white] <= 186).all()
    assert np.flatnonzero(white.any(0))[[0, -1]].tolist() == [2 * 46, 2 * 106 - 1]
    assert np.flatnonzero(white.any(1))[[0, -1]].tolist() == [2 * 32, 2 * 82 - 1]
    assert crop[0, 0].tolist() == [110, 110, 110]


def test_edges_are_cut_to_whole_pixels_downwards() -> None:
    # The frame is thought wider by int(18.9) = 18 pixels: int(8.3 - 14.7 + 18) - 18 = -7 across,
    # int(30.6 - 10.5 + 18) - 18 = 20 down. A pixel is 224 / 29 and 224 / 29 wide.
    image = np.zeros((100, 100, 3), np.uint8)
    image[20] = 255
    image[:, 0] = 255
    crop = crop_square(image, [8.3, 30.6, 10.5])
    assert int(crop[100, :100, 0].argmax()) in range(round(7 * 224 / 29), round(8 * 224 / 29))
    assert (crop[:3, 120, 0] > 200).all()


def test_crop_far_outside_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be cut"):
        crop_square(np.zeros((50, 50, 3), np.uint8), [20.5, 20.5, 0.2])


def test_a_track_is_smoothed_as_scipy_does_and_gaps_are_bridged() -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([100, 80, 180, 190]) + rng.normal(0, 4, (60, 4))
    straight = boxes.copy()
    straight[10:20] = boxes[9] + (boxes[20] - boxes[9]) * np.arange(1, 11)[:, None] / 11
    boxes[10:20] = np.nan
    boxes[:3] = np.nan
    track = follow_face(boxes.astype(np.float32))
    assert track.first == 3
    assert len(track) == 57
    left, top, right, bottom = straight[3:].T
    told = [(left + right) / 2, (top + bottom) / 2, np.maximum(right - left, bottom - top) / 2]
    np.testing.assert_allclose(track.squares.T, [medfilt(t, 13) for t in told], atol=1e-4)


def test_a_long_gap_ends_a_track() -> None:
    boxes = np.tile(BOX, (100, 1))
    boxes[20:44] = np.nan
    assert len(follow_face(boxes)) == 100
    boxes[44] = np.nan
    track = follow_face(boxes)
    assert track.first == 45
    assert len(track) == 55
    with pytest.raises(InputError, match="6 frames"):
        follow_face(boxes[:6])
    with pytest.raises(NoFaceFound):
        follow_face(boxes[20:40])


def test_the_box_is_the_one_around_the_landmarks() -> None:
    other = BOX + 60
    assert (choose_box([other, BOX], MARKS) == BOX).all()
    assert np.isnan(choose_box([other], MARKS)).all()
    assert np.isnan(choose_box([], MARKS)).all()
    assert np.isnan(choose_box([BOX], np.full((3, 2), np.nan, np.float32))).all()


def test_large_pictures_are_shrunk_for_the_detector() -> None:
    seen: list[tuple[int, ...]] = []

    def detect(image: np.ndarray) -> list[np.ndarray]:
        seen.append(image.shape)
        return [BOX / 2]

    found = find_box(np.zeros((640, 1280, 3), np.uint8), MARKS, detect)
    np.testing.assert_allclose(found, BOX)
    find_box(np.zeros((640, 480, 3), np.uint8), MARKS, detect)
    assert seen == [(320, 640, 3), (640, 480, 3)]


def test_files_give_blue_green_red_and_lose_as_ffmpeg_lets_them() -> None:
    files = JpegFiles()
    red = np.zeros((224, 224, 3), np.uint8)
    red[..., 0] = 255
    blue, green, first = files.write_and_read(red)[100, 100].tolist()
    assert blue < 5
    assert green < 5
    assert first > 250
    small = np.random.default_rng(0).integers(60, 200, (28, 28, 3)).astype(np.float32)
    picture = np.kron(small.mean(2), np.ones((8, 8))).astype(np.uint8)[..., None].repeat(3, 2)
    files, losses = JpegFiles(), []
    for k in range(30):
        shown = np.roll(picture, k, 0)
        seen = files.write_and_read(shown)[..., ::-1]
        losses.append(((seen.astype(float) - shown) ** 2).mean())
    # 200 kbit/s are 1 kB a frame: it soon has to save.
    assert losses[-1] > 2 * losses[0]
    again = JpegFiles()
    assert (again.write_and_read(picture) == JpegFiles().write_and_read(picture)).all()
