"""What a camera, a codec and a microphone may do to a mouth and to its sound, on torch tensors.

Each window of five frames is treated as one, so that nothing but the lips moves in it. Seeded: the
same seed does the same, whatever was done before.

Shapes: N windows, R rows and S columns of a mouth (see `sync_clips`), K clips with A windows of sound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from visavis.training.data.sync_clips import MARGIN

_BLOCK = 8
_DB = 0.08
"""What a decibel is on the mel's scale of -4 to 4 for 100 dB."""
_LOUDEST = 4.0


@dataclass(frozen=True)
class SyncAugmentation:
    """How much of everything; 0 or None switches it off.

    Attributes:
        flip: Probability of a mirror.
        shift: Of the crop, as a share of its width, either way.
        scale: Larger or smaller by so much.
        turn: Degrees.
        light: Brightness and contrast, either way, as a share.
        saturation: Either way, as a share.
        sharpness: Blur (-1 is the mean of 3x3 pixels) to sharpening, of half of the windows.
        codec: Probability of coarse 8x8 blocks, as of strong compression.
        noise: Largest standard deviation, of 1.
        hide: Probability that a rectangle is grey.
        gain_db: Of the sound, either way.
        tilt_db: From the lowest band to the highest, either way.
        hiss: Probability of steady noise, up to 10 dB above the mean of the quietest bands.
        stretch: Of the bands, either way, as a share: a longer or shorter throat.
        masks: Bands and rows that are silenced, one stretch of each, at most so many.
    """

    flip: float = 0.5
    shift: float = 0.04
    scale: float = 0.04
    turn: float = 4.0
    light: float = 0.25
    saturation: float = 0.35
    sharpness: float = 0.8
    codec: float = 0.3
    noise: float = 0.03
    hide: float = 0.2
    gain_db: float = 6.0
    tilt_db: float = 5.0
    hiss: float = 0.5
    stretch: float = 0.06
    masks: tuple[int, int] = (8, 2)


def to_windows(mouths: Tensor) -> Tensor:
    """Uint8 (N, 5, R, S, 3) to what the expert sees: float (N, 15, S/2, S) in [0, 1]."""
    pictures = mouths[:, :, MARGIN:].permute(0, 1, 4, 2, 3).flatten(1, 2)
    return pictures.float().div_(255)


def augment_mouths(mouths: Tensor, kind: SyncAugmentation, seed: int) -> Tensor:
    """Uint8 (N, 5, R, S, 3) to windows as `to_windows` gives, each as another camera saw it."""
    count, frames, _, width, _ = mouths.shape
    dice = _Dice(seed, count, mouths.device)
    x = mouths.permute(0, 1, 4, 2, 3).flatten(1, 2).float().div_(255)
    x = _move(x, kind, dice, width)
    x = _light(x.unflatten(1, (frames, 3)), kind, dice).flatten(1, 2)
    x = _sharpen(x, kind.sharpness, dice)
    if kind.codec:
        x = _compress(x, dice.share(kind.codec), dice.up_to(1.0))
    if kind.noise:
        level = dice.up_to(kind.noise)[:, None, None, None]
        x = x.addcmul_(dice.normal(x), level)
    x = x.clamp_(0, 1)
    return _hide(x, kind.hide, dice) if kind.hide else x


def augment_mel(mel: Tensor, kind: SyncAugmentation, seed: int) -> Tensor:
    """Mel windows (K, A, 80, 16), each clip as another throat in another room."""
    count, windows, bands, rows = mel.shape
    dice = _Dice(seed + 1, count, mel.device)
    ramp = torch.linspace(-0.5, 0.5, bands, device=mel.device)
    x = _stretch(mel, dice.both(kind.stretch)) if kind.stretch else mel
    gain = dice.both(kind.gain_db)[:, None] + dice.both(kind.tilt_db)[:, None] * ramp
    x = x + _DB * gain[:, None, :, None]
    # Noise adds to the power, which is a maximum, softly, of levels.
    floor = mel.flatten(1).quantile(0.2, dim=1) + dice.both(10.0) * _DB
    quiet = torch.where(dice.share(kind.hiss), floor, torch.full_like(floor, -2 * _LOUDEST))
    hiss = quiet[:, None, None, None] + 3 * _DB * dice.normal(x)
    per_neper = 10 / math.log(10) * _DB
    x = per_neper * torch.logaddexp(x / per_neper, hiss / per_neper)
    x = x.clamp(-_LOUDEST, _LOUDEST)
    for axis, (most, size) in enumerate(zip(kind.masks, (bands, rows), strict=True)):
        if most:
            x = _mask(x, most, size, 2 + axis, dice, count * windows)
    return x


class _Dice:
    """Random numbers for N windows.

    What happens to a window is drawn on the CPU, so that every device does the same; the noise of its
    pixels, which are many, where they are.
    """

    def __init__(self, seed: int, count: int, device: torch.device) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._count, self._device, self._seed = count, device, seed

    def normal(self, like: Tensor) -> Tensor:
        """Noise of one strength."""
        noise = torch.Generator(self._device).manual_seed(self._seed + 1)
        return torch.randn(like.shape, generator=noise, device=self._device)

    def uniform(self, count: int | None = None) -> Tensor:
        drawn = torch.rand(count or self._count, generator=self._generator)
        return drawn.to(self._device)

    def both(self, most: float) -> Tensor:
        return (2 * self.uniform() - 1) * most

    def up_to(self, most: float) -> Tensor:
        return self.uniform() * most

    def share(self, probability: float) -> Tensor:
        return self.uniform() < probability


def _move(x: Tensor, kind: SyncAugmentation, dice: _Dice, width: int) -> Tensor:
    """Mirror, turn, scale and shift pictures (N, C, R, S), and cut the margin off."""
    rows = x.shape[2]
    flip = torch.where(dice.share(kind.flip), -1.0, 1.0)
    angle, scale = dice.both(math.radians(kind.turn)), 1 + dice.both(kind.scale)
    right, down = dice.both(kind.shift) * width, dice.both(kind.shift) * width
    # From the pixels of the result to those of the source, about the middle of the lower half.
    across = torch.arange(width, device=x.device) - (width - 1) / 2
    below = torch.arange(rows - MARGIN, device=x.device) - (rows - MARGIN - 1) / 2
    v, u = torch.meshgrid(below, across, indexing="ij")
    cos, sin = (f(angle)[:, None, None] / scale[:, None, None] for f in (torch.cos, torch.sin))
    at_x = flip[:, None, None] * (cos * u - sin * v) + right[:, None, None]
    at_y = sin * u + cos * v + down[:, None, None] + MARGIN / 2
    grid = torch.stack([at_x * 2 / width, at_y * 2 / rows], -1)
    return functional.grid_sample(
        x, grid, mode="bilinear", padding_mode="border", align_corners=False
    )


def _light(x: Tensor, kind: SyncAugmentation, dice: _Dice) -> Tensor:
    """Brightness, contrast, saturation and a little colour of windows (N, 5, 3, H, W), in place."""
    saturation, contrast, brightness = (
        (1 + dice.both(most)).view(-1, 1, 1, 1, 1)
        for most in (kind.saturation, kind.light, kind.light)
    )
    tint = 1 + (2 * dice.uniform(3 * len(x)).view(-1, 1, 3, 1, 1) - 1) * kind.light / 3
    grey = x.mean(2, keepdim=True)
    middle = grey.mean((1, 3, 4), keepdim=True)
    # middle + contrast (grey + saturation (x - grey) - middle), brighter and tinted.
    gain = tint * brightness
    x.mul_(gain * contrast * saturation)
    for channel in range(3):
        part = (gain * contrast * (1 - saturation))[:, :, channel, :, :]
        x[:, :, channel].addcmul_(grey[:, :, 0], part)
    return x.add_(gain * (1 - contrast) * middle)


def _sharpen(x: Tensor, most: float, dice: _Dice) -> Tensor:
    """Blur or sharpen half of the windows (N, C, H, W), in place."""
    chosen = dice.share(0.5)
    amount = dice.both(most)[chosen].view(-1, 1, 1, 1)
    part = x[chosen]
    if len(part):
        box = functional.avg_pool2d(part, 3, 1, 1, count_include_pad=False)
        x[chosen] = part.lerp_(box, -amount)
    return x


def _compress(x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
    """Round the cosine transform of 8x8 blocks, more coarsely where it is finer, as JPEG does; in place."""
    height, width = x.shape[2:]
    if height % _BLOCK or width % _BLOCK or not bool(which.any()):
        return x
    chosen = x[which]
    cosines = _cosines().to(x)
    blocks = chosen.unflatten(2, (-1, _BLOCK)).unflatten(4, (-1, _BLOCK)).transpose(3, 4)
    level = cosines @ blocks @ cosines.T
    order = torch.arange(_BLOCK, device=x.device)
    step = (0.02 + 0.02 * (order[:, None] + order)) * strength[which].view(-1, 1, 1, 1, 1, 1)
    rounded = torch.where(step > 0, (level / step).round() * step, level)
    restored = cosines.T @ rounded @ cosines
    x[which] = restored.transpose(3, 4).flatten(4, 5).flatten(2, 3)
    return x


@lru_cache(maxsize=1)
def _cosines() -> Tensor:
    """Orthonormal cosine transform (8, 8)."""
    order = torch.arange(_BLOCK)
    matrix = torch.cos(math.pi / _BLOCK * (order + 0.5) * order[:, None]) * math.sqrt(2 / _BLOCK)
    matrix[0] /= math.sqrt(2)
    return matrix


def _hide(x: Tensor, probability: float, dice: _Dice) -> Tensor:
    """Cover a rectangle of at most a third of each side: a hand, a microphone, a caption; in place."""
    height, width = x.shape[2:]
    chosen = dice.share(probability)
    inside = chosen[:, None, None]
    for size, axis in ((height, 1), (width, 2)):
        place = torch.arange(size, device=x.device).view((1, -1, 1) if axis == 1 else (1, 1, -1))
        first = (dice.uniform() * 1.2 - 0.2)[:, None, None] * size
        length = dice.up_to(size / 3)[:, None, None]
        inside = inside & (place >= first) & (place < first + length)
    if bool(chosen.any()):
        x[chosen] = x[chosen].masked_fill_(inside[chosen][:, None], 0.5)
    return x


def _stretch(mel: Tensor, amount: Tensor) -> Tensor:
    """Move the bands of clips (K, A, 80, 16) up or down in proportion."""
    count, _, bands, _ = mel.shape
    at = torch.arange(bands, device=mel.device) * (1 + amount[:, None])
    low = at.floor().clamp(0, bands - 1)
    part = (at - low).clamp(0, 1)[:, None, :, None]
    low = low.long()
    high = (low + 1).clamp(max=bands - 1)
    clip = torch.arange(count, device=mel.device)[:, None]
    first = mel.transpose(1, 2)[clip, low].transpose(1, 2)
    second = mel.transpose(1, 2)[clip, high].transpose(1, 2)
    return first + part * (second - first)


def _mask(x: Tensor, most: int, size: int, axis: int, dice: _Dice, count: int) -> Tensor:
    """Silence up to ``most`` neighbours of an axis in half of the windows."""
    length = (dice.uniform(count) * 2 - 1).clamp(min=0) * (most + 1)
    first = dice.uniform(count) * (size - most)
    shape = [x.shape[0], x.shape[1], 1, 1]
    place_shape = [1, 1, 1, 1]
    place_shape[axis] = size
    place = torch.arange(size, device=x.device).view(place_shape)
    first, length = first.floor().view(shape), length.floor().view(shape)
    inside = (place >= first) & (place < first + length)
    return torch.where(inside, -_LOUDEST, x)
