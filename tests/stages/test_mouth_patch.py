"""A drawn mouth in its face: what was there comes back as it was, and no edge is seen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from visavis.core.types import Avatar, Picture
from visavis.media.blend import polygon_mask
from visavis.media.geometry import apply, invert
from visavis.media.lip_crop import Square, lip_boxes
from visavis.models.common import mesh
from visavis.models.puppet.renderer import Pose
from visavis.models.puppet.sampling import Overlay
from visavis.models.puppet.stand import Ground, Stand, follow_mouth, move_head
from visavis.stages.animators.mouth_patch import MouthPatch
from visavis.stages.animators.square_finish import AS_DRAWN, Finish, find_finish
from visavis.stages.avatars import store

SIZE = 384
SHUT = Pose(lips=1.0)


@pytest.fixture(scope="module", params=["mei", "adam", "ruth"])
def avatar(request: pytest.FixtureRequest) -> Avatar:
    return store.load(request.param)


@pytest.fixture(scope="module")
def stand(avatar: Avatar) -> Stand:
    return Stand(avatar, 512)


def square(avatar: Avatar, size: int = SIZE) -> tuple[Square, Picture]:
    there = Square.of(lip_boxes(avatar.track.landmarks)[0])
    return there, there.cut(avatar.frames[0], size)


def make_patch(
    avatar: Avatar, ground: Ground, finish: Finish = AS_DRAWN, size: int = SIZE
) -> MouthPatch:
    there, crop = square(avatar, size)
    return MouthPatch(ground, avatar.track.landmarks[0], there, crop, finish)


def psnr(a: Picture, b: Picture) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2)))


def change(ground: Ground, overlay: Overlay) -> np.ndarray:
    """How far each pixel of the ground is changed, grey levels (H, W)."""
    out = ground.pixels.astype(np.int16).copy()
    out[overlay.where] = overlay.pixels
    return np.abs(out - ground.pixels).max(-1)


def in_ground(ground: Ground, points: np.ndarray) -> np.ndarray:
    return points[:, :2] @ ground.from_avatar[:, :2].T + ground.from_avatar[:, 2]


def test_what_was_there_comes_back(avatar: Avatar, stand: Stand) -> None:
    ground = stand.ground(0)
    overlay = make_patch(avatar, ground).paint(square(avatar)[1], 1.0)
    assert psnr(overlay.pixels[..., :3], ground.pixels[overlay.where][..., :3]) > 45
    plain, painted = stand.render(0, SHUT), stand.render(0, SHUT, overlay)
    assert psnr(plain, painted) > 50
    assert np.array_equal(stand.render(0, SHUT), plain), "nothing stays painted"


def test_nothing_outside_the_lower_face_is_touched(avatar: Avatar, stand: Stand) -> None:
    ground = stand.ground(0)
    red = np.zeros((SIZE, SIZE, 3), np.uint8)
    red[..., 0] = 255
    touched = change(ground, make_patch(avatar, ground).paint(red, 1.0)) > 0
    marks = in_ground(ground, avatar.track.landmarks[0])
    height, width = touched.shape
    reach = np.argwhere(touched)
    nose = marks[mesh.NOSE_TIP, 1]
    assert reach[:, 0].min() > nose, "the nose is left alone"
    assert reach[:, 1].min() > marks[mesh.FACE_OVAL, 0].min(), "inside the outline"
    assert reach[:, 1].max() < marks[mesh.FACE_OVAL, 0].max()
    for number in (*mesh.LIPS, mesh.CHIN):
        x, y = marks[number].astype(int)
        assert touched[min(y, height - 1), min(x, width - 1)], f"landmark {number} is covered"


def steepest_on_the_rim(before: Picture, after: Picture, mask: np.ndarray) -> float:
    """Grey levels a pixel by which what was changed rises where the mouth's part ends."""
    away = cv2.GaussianBlur(after.astype(np.float32) - before, (0, 0), 4)
    rim = (mask > 0.02) & (mask < 0.98)
    rises = (np.abs(np.diff(away, axis=i))[rim[1:] if i == 0 else rim[:, 1:]] for i in (0, 1))
    return float(max(np.percentile(rise, 99) for rise in rises))


def test_other_colours_leave_no_edge(
    avatar: Avatar, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = stand.ground(0)
    _, crop = square(avatar)
    tinted = np.clip(crop * np.array([1.08, 0.97, 0.9]) + 6, 0, 255).astype(np.uint8)
    patch = make_patch(avatar, ground)
    matched = patch.paint(tinted, 1.0)
    monkeypatch.setattr(MouthPatch, "_match_colours", lambda _, face, top: face[top:])
    as_it_is = patch.paint(tinted, 1.0)
    before = ground.pixels[matched.where][..., :3]
    edges = [
        steepest_on_the_rim(before, o.pixels[..., :3], patch._mask) for o in (matched, as_it_is)
    ]
    assert edges[0] < 0.4 * edges[1], edges
    away = [np.abs(before.astype(int) - o.pixels[..., :3]).mean() for o in (matched, as_it_is)]
    assert away[0] < 0.3 * away[1], away


def test_the_line_where_the_hidden_half_begins_is_not_seen(avatar: Avatar, stand: Stand) -> None:
    ground = stand.ground(0)
    _, crop = square(avatar, 192)
    split = crop.astype(float)
    split[:96] += (3, -8, 5)
    split[96:] += (4, 5, -2)
    patch = make_patch(avatar, ground, size=192)
    before = patch.paint(crop, 1.0)
    after = patch.paint(np.clip(np.rint(split), 0, 255).astype(np.uint8), 1.0)
    away = after.pixels[..., :3].astype(float) - before.pixels[..., :3]
    # Nothing is left of up to 13 grey levels, close to the line on either side.
    for y in (90, 91, 100, 101):
        row = round(float(apply(patch._to_part, [[96, y]])[0, 1]))
        seen = row >= 0 and patch._mask[row] > 0.3
        if np.any(seen):
            assert np.abs(away[row][seen].mean(0)).max() < 1
    assert np.abs(away[patch._mask > 0.98]).mean() < 2


def test_a_share_of_nothing_is_the_ground(avatar: Avatar, stand: Stand) -> None:
    ground = stand.ground(0)
    noise = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), np.uint8)
    patch = make_patch(avatar, ground)
    assert change(ground, patch.paint(noise, 0.0)).max() == 0
    half, whole = (change(ground, patch.paint(noise, share)).mean() for share in (0.5, 1.0))
    assert 0.4 * whole < half < 0.6 * whole


def test_sharpness_is_measured(avatar: Avatar) -> None:
    there, crop = square(avatar)
    marks = avatar.track.landmarks[0]
    assert find_finish(crop, crop, marks, there) == AS_DRAWN
    soft = [find_finish(cv2.GaussianBlur(crop, (0, 0), s), crop, marks, there) for s in (0.7, 1)]
    assert 0.05 < soft[0].share < soft[1].share
    assert not any(finish.grid for finish in soft)
    noisy = crop + np.random.default_rng(0).normal(0, 9, crop.shape)
    assert find_finish(np.clip(noisy, 0, 255).astype(np.uint8), crop, marks, there) == AS_DRAWN


@pytest.mark.parametrize("where", ["all over", "on the lips"])
@pytest.mark.parametrize("across", [(1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("pixels", [2, 4])
def test_a_grid_is_found_and_taken_out(
    avatar: Avatar, pixels: int, across: tuple[int, int], where: str
) -> None:
    # A grid of four pixels is that of a generator of half the size, enlarged.
    size = 96 * pixels
    there, crop = square(avatar, size)
    marks = avatar.track.landmarks[0]
    soft = cv2.GaussianBlur(crop, (0, 0), 1.0)
    y, x = np.mgrid[:size, :size]
    # Weaker here than there, as a generator's is.
    strength = 1.5 + np.sin(x / 20)
    if where == "on the lips":
        lips = apply(there.to_crop(size), marks[mesh.LIPS_OUTER, :2])
        strength = strength * polygon_mask(lips, size, size, 2.0)
    grid = np.where((across[0] * x + across[1] * y) % pixels < pixels / 2, 1, -1) * strength
    drawn = np.clip(np.rint(soft + grid[..., None]), 0, 255).astype(np.uint8)
    finish = find_finish(drawn, crop, marks, there)
    assert finish.grid == pixels
    assert not find_finish(soft, crop, marks, there).grid
    # It does not count for detail: a soft picture is sharpened with it, too ...
    assert finish.share > 0.1
    # ... and nothing of it is left.
    inside = slice(8, -8), slice(8, -8)
    left = finish.clean(drawn).astype(float) - finish.clean(soft)
    assert np.abs(left[inside]).mean() < 0.5
    assert psnr(finish.clean(soft), soft) > 32


def test_nothing_finer_than_was_learnt_from_counts_for_detail(avatar: Avatar) -> None:
    there, crop = square(avatar, 384)
    marks = avatar.track.landmarks[0]
    grids = {d: find_finish(crop, crop, marks, there, d).grid for d in (0, 144, 192, 193, 384)}
    assert grids == {0: 0, 144: 4, 192: 4, 193: 0, 384: 0}


def test_squares_may_be_drawn_larger(avatar: Avatar, stand: Stand) -> None:
    ground = stand.ground(0)
    _, crop = square(avatar, 192)
    larger = cv2.resize(crop, (768, 768), interpolation=cv2.INTER_CUBIC)
    patch = make_patch(avatar, ground, size=192)
    same, bigger = patch.paint(crop, 1.0), patch.paint(larger, 1.0)
    assert same.where == bigger.where
    assert psnr(same.pixels, bigger.pixels) > 38


@pytest.mark.parametrize("size", [96, 2048])
def test_grounds_of_any_size(avatar: Avatar, size: int) -> None:
    image = cv2.resize(avatar.frames[0], (size, size), interpolation=cv2.INTER_AREA)
    scale = size / avatar.frames.shape[2]
    half = (scale - 1) / 2
    ground = Ground(image, np.array([[scale, 0, half], [0, scale, half]]))
    overlay = make_patch(avatar, ground).paint(square(avatar)[1], 1.0)
    assert psnr(overlay.pixels, image[overlay.where]) > 34
    assert overlay.pixels.shape[2] == 3


def test_a_mouth_outside_of_the_picture_changes_nothing(avatar: Avatar) -> None:
    image = avatar.frames[0]
    moved = avatar.track.landmarks[0] + np.float32([0, image.shape[0], 0])
    there = Square.of(lip_boxes(moved[None])[0])
    ground = Ground(image, np.eye(2, 3))
    crop = there.cut(image, 96)
    overlay = MouthPatch(ground, moved, there, crop).paint(255 - crop, 1.0)
    assert change(ground, overlay).max() == 0


def test_a_chin_at_the_border_of_the_picture(avatar: Avatar) -> None:
    chin = int(avatar.track.landmarks[0][mesh.CHIN, 1])
    image = np.ascontiguousarray(avatar.frames[0][: chin - 10])
    there = Square.of(lip_boxes(avatar.track.landmarks)[0])
    crop = there.cut(image, SIZE)
    ground = Ground(image, np.eye(2, 3))
    overlay = MouthPatch(ground, avatar.track.landmarks[0], there, crop).paint(crop, 1.0)
    assert psnr(overlay.pixels, image[overlay.where]) > 40


def turn(avatar: Avatar, yaw: float) -> np.ndarray:
    """Landmarks (478, 3) of an avatar that turns its head by so many degrees."""
    marks = avatar.track.landmarks[0].astype(np.float64)
    middle = marks.mean(0)
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    return ((marks - middle) @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]) + middle).astype(
        np.float32
    )


def test_of_what_is_drawn_beside_the_face_nothing_is_seen(avatar: Avatar) -> None:
    """A face is drawn as seen from the front; its outline on a face that is turned lies elsewhere."""
    image = avatar.frames[0]
    ground = Ground(image, np.eye(2, 3))
    there, crop = square(avatar)
    own = avatar.track.landmarks[0]
    narrow = apply(there.to_unit, own[:, :2])
    narrow[:, 0] = 0.5 + (narrow[:, 0] - 0.5) * 0.7
    whole = MouthPatch(ground, own, there, crop)
    part = MouthPatch(ground, own, there, crop, drawn=narrow.astype(np.float32))
    assert part.where == whole.where
    seen = (part._mask > 0).any(axis=0).sum() / (whole._mask > 0).any(axis=0).sum()
    assert 0.6 < seen < 0.85
    assert (part._mask <= whole._mask + 1e-6).all()


def test_where_a_chin_falls_to_it_is_seen_and_what_is_darker_is_not(avatar: Avatar) -> None:
    """On a video's frame, which is drawn as another frame is."""
    image = avatar.frames[0]
    ground = Ground(image, np.eye(2, 3))
    there, crop = square(avatar)
    own = avatar.track.landmarks[0]
    drawn = apply(there.to_unit, own[:, :2]).astype(np.float32)
    patch = MouthPatch(ground, own, there, crop, drawn=drawn)
    assert patch._fallen is not None
    beside = (patch._fallen > 0.5) & (patch._mask < 0.2)
    assert beside.any()
    # Darker, then lighter, on either side of the jaw; the face itself stays as it is.
    jaw = np.ascontiguousarray(np.repeat((patch._fallen > 0)[..., None], 3, 2).astype(np.float32))
    to_crop = invert(patch._to_part)
    there_too = cv2.warpAffine(jaw, to_crop, (SIZE, SIZE))
    seen = []
    for factor in (0.5, 1.5):
        changed = np.clip(
            crop * (1 + (factor - 1) * there_too) + (factor > 1) * 40 * there_too, 0, 255
        )
        overlay = patch.paint(changed.astype(np.uint8), 1.0)
        away = overlay.pixels.astype(int) - image[overlay.where]
        seen.append(float(np.abs(away[beside]).mean()))
    assert seen[0] < 3, seen
    assert seen[1] > 10, seen


@pytest.mark.parametrize("yaw", [-20, 20])
def test_a_turned_head_is_seen_from_the_front(avatar: Avatar, yaw: float) -> None:
    rest = avatar.track.landmarks[0].astype(np.float32)
    turned = turn(avatar, yaw)
    back = invert(follow_mouth(rest, move_head(rest, turned)))
    lips = mesh.LIPS_OUTER
    span = np.ptp(rest[lips, 0])
    assert np.abs(turned[lips, :2] - rest[lips, :2]).max() > 0.09 * span
    assert np.abs(apply(back, turned[lips, :2]) - rest[lips, :2]).mean() < 0.03 * span
