from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from visavis.training.data.sync_augmentation import (
    SyncAugmentation,
    augment_mel,
    augment_mouths,
    to_windows,
)
from visavis.training.data.sync_clips import MARGIN

NOTHING = SyncAugmentation(
    flip=0, shift=0, scale=0, turn=0, light=0, saturation=0, sharpness=0, codec=0, noise=0, hide=0,
    gain_db=0, tilt_db=0, hiss=0, stretch=0, masks=(0, 0),
)  # fmt: skip


@pytest.fixture
def mouths() -> torch.Tensor:
    """Smooth pictures, each window another."""
    torch.manual_seed(0)
    coarse = torch.rand(6, 5 * 3, 8, 12)
    fine = torch.nn.functional.interpolate(coarse, (48 + MARGIN, 96), mode="bicubic")
    return (fine.clamp(0, 1) * 255).byte().unflatten(1, (5, 3)).permute(0, 1, 3, 4, 2)


@pytest.fixture
def mel() -> torch.Tensor:
    torch.manual_seed(1)
    return (torch.rand(4, 7, 80, 16) * 6 - 3.5).clamp(-4, 4)


def test_windows_are_the_lower_half_frame_by_frame(mouths: torch.Tensor) -> None:
    windows = to_windows(mouths)
    assert windows.shape == (6, 15, 48, 96)
    torch.testing.assert_close(windows[2, 3 * 4 + 1], mouths[2, 4, MARGIN:, :, 1].float() / 255)


def test_nothing_does_nothing(mouths: torch.Tensor, mel: torch.Tensor) -> None:
    windows = augment_mouths(mouths, NOTHING, 0)
    torch.testing.assert_close(windows, to_windows(mouths), atol=1e-5, rtol=0)
    torch.testing.assert_close(augment_mel(mel, NOTHING, 0), mel, atol=2e-3, rtol=0)


def test_same_seed_same_result_whatever_came_before(
    mouths: torch.Tensor, mel: torch.Tensor
) -> None:
    kind = SyncAugmentation()
    first = augment_mouths(mouths, kind, 7), augment_mel(mel, kind, 7)
    torch.rand(5)
    assert torch.equal(augment_mouths(mouths, kind, 7), first[0])
    assert torch.equal(augment_mel(mel, kind, 7), first[1])
    assert not torch.equal(augment_mouths(mouths, kind, 8), first[0])
    assert not torch.equal(augment_mel(mel, kind, 8), first[1])


def test_input_is_not_touched_and_ranges_are_kept(mouths: torch.Tensor, mel: torch.Tensor) -> None:
    before = mouths.clone(), mel.clone()
    strong = SyncAugmentation(light=0.9, noise=0.3, gain_db=40)
    windows, sounds = augment_mouths(mouths, strong, 1), augment_mel(mel, strong, 1)
    assert torch.equal(mouths, before[0])
    assert torch.equal(mel, before[1])
    assert 0 <= windows.min() < windows.max() <= 1
    assert -4 <= sounds.min() < sounds.max() <= 4
    assert torch.isfinite(windows).all()
    assert sounds.shape == mel.shape


@pytest.mark.parametrize(
    "change",
    [{"flip": 1.0}, {"shift": 0.05}, {"scale": 0.1}, {"turn": 9.0}, {"light": 0.4},
     {"saturation": 0.9}, {"sharpness": 1.0}, {"codec": 1.0}, {"hide": 1.0}],
)  # fmt: skip
def test_all_frames_of_a_window_are_treated_alike(change: dict[str, float]) -> None:
    # One picture five times: if it stays one, nothing has moved within a window.
    torch.manual_seed(2)
    picture = (torch.rand(8, 1, 48 + MARGIN, 96, 3) * 255).byte().expand(-1, 5, -1, -1, -1)
    windows = augment_mouths(picture, replace(NOTHING, **change), 3).unflatten(1, (5, 3))
    torch.testing.assert_close(windows, windows[:, :1].expand_as(windows), atol=1e-5, rtol=0)
    plain = augment_mouths(picture, NOTHING, 3).unflatten(1, (5, 3))
    # Some windows are, and not all in the same way.
    changed = (windows - plain).abs().amax((1, 2, 3, 4)) > 0.01
    assert changed.sum() >= 2


def test_a_mirror_is_a_mirror(mouths: torch.Tensor) -> None:
    mirrored = augment_mouths(mouths, replace(NOTHING, flip=1.0), 0)
    plain = augment_mouths(mouths, NOTHING, 0)
    torch.testing.assert_close(mirrored, plain.flip(3), atol=1e-4, rtol=0)


def test_shift_is_in_pixels_of_the_width() -> None:
    dot = torch.zeros(64, 5, 48 + MARGIN, 96, 3, dtype=torch.uint8)
    dot[:, :, 24 + MARGIN, 48] = 255
    moved = augment_mouths(dot, replace(NOTHING, shift=0.04), 5)[:, 0]
    columns = (moved.sum(1) * torch.arange(96)).sum(1) / moved.sum((1, 2))
    rows = (moved.sum(2) * torch.arange(48)).sum(1) / moved.sum((1, 2))
    assert 2 < (columns - 48).abs().max() <= 0.04 * 96 + 0.1
    assert 2 < (rows - 24).abs().max() <= 0.04 * 96 + 0.1


def test_gain_and_tilt_are_in_decibels(mel: torch.Tensor) -> None:
    quiet = mel * 0.3 - 1
    louder = augment_mel(quiet, replace(NOTHING, gain_db=6.0), 4) - quiet
    # Of one clip the same everywhere, of each clip another; 6 dB are 0.48.
    assert louder.flatten(1).std(1).max() < 0.01
    gains = louder.mean((1, 2, 3))
    assert gains.unique().numel() == 4
    assert 0.1 < gains.abs().max() <= 0.48 + 0.01
    tilted = augment_mel(quiet, replace(NOTHING, tilt_db=6.0), 4) - quiet
    assert tilted[:, :, 0].sign().ne(tilted[:, :, -1].sign()).all()


def test_hiss_fills_what_is_quiet_and_spares_what_is_loud() -> None:
    mel = torch.full((8, 3, 80, 16), -3.0)
    mel[:, :, 20:40] = 2.0
    noisy = augment_mel(mel, replace(NOTHING, hiss=1.0), 2)
    assert (noisy[:, :, 60:] - mel[:, :, 60:]).mean() > 0.2
    assert (noisy[:, :, 20:40] - mel[:, :, 20:40]).abs().max() < 0.1


def test_stretch_moves_bands_in_proportion() -> None:
    mel = torch.arange(80.0).view(1, 1, 80, 1).expand(32, 2, 80, 16) / 20 - 2
    moved = augment_mel(mel, replace(NOTHING, stretch=0.06), 6)
    ratio = (moved + 2)[:, 0, 50, 0] / (mel + 2)[:, 0, 50, 0]
    assert 0.94 <= ratio.min() < 0.97 < 1.03 < ratio.max() <= 1.06


def test_masks_silence_bands_and_rows(mel: torch.Tensor) -> None:
    masked = augment_mel(mel, replace(NOTHING, masks=(8, 2)), 1) <= -3.999
    bands, rows = masked.all(3), masked.all(2)
    assert 0 < bands.sum(2).max() <= 8
    assert 0 < rows.sum(2).max() <= 2
    assert masked.flatten(2).any(2).float().mean() < 1
