"""Fits the outer layers of a generator to those of one of half the width, before all of it learns.

Source: Chen et al., "Net2Net" (ICLR 2016): what is grown begins as what the smaller one is. Karras et
al., "Progressive Growing of GANs" (ICLR 2018), for what is coarse first. Here no layer can be copied or
widened, as the larger one has fewer channels outside; so it is fitted, on small windows of many faces
and by L-BFGS (Nocedal, "Updating quasi-Newton matrices with limited storage", 1980), which such chains
of layers need: by steps along the gradient they came no nearer than a seventh of the variance.

What the smaller one's first layer computes before its ReLU is linear, and so can be what the outer
layers of the larger one compute, if their values never reach zero. They are fitted as a chain of
convolutions alone, and given biases afterwards that lift all that is seen above it.

Shapes: N frames, S the width of the larger generator's square crop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from visavis.models.common.convolutions import ConvNorm, DeconvNorm
from visavis.models.common.mel import BANDS, SILENCE, WINDOW_ROWS
from visavis.models.wav2lip.network import Wav2Lip

_WIDTH = 64
"""Pixels of a window, at the larger one's size."""
_HALO = 6
"""Of its edges, at the smaller one's, what does not count: there the window ends, not the face."""
_NOISE = 0.02
_SPARE = 0.25
"""Of the range that is seen, what is left below it before a ReLU."""
_AT_ONCE = 8
_MOST_EMPHASIS = 3.0
"""As far as an avatar goes."""
_GRAIN = 0.04
"""Of the range of pictures, at most."""
_FINE = 4.0
"""How much more the steps between neighbouring pixels count than the pixels."""
_TRIED = 8
"""Frames on which what came out is measured, and not fitted."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """How near the outer layers come, on frames that they were not fitted on.

    Attributes:
        seen: Mean squared difference from what the smaller one's first block gives, as a share of the
            variance of its channels.
        drawn: Likewise of pictures, as a share of the variance of the smaller one's colours.
    """

    seen: float
    drawn: float


def fit_outer(
    network: Wav2Lip,
    smaller: Wav2Lip,
    face: Tensor,
    mel: Tensor,
    *,
    top: int,
    windows: int,
    steps: int,
) -> Fitted:
    """Let a generator's outer layers see and draw what the smaller one's do; nothing else changes.

    Args:
        network: The larger one, with the inner blocks of the smaller (`Wav2Lip.grow_from`).
        smaller: Of half the width, or of a quarter.
        face: (N, 6, S, S) as `Wav2Lip.encode_face` takes it, of more than eight people.
        mel: (N, 1, 80, 16).
        top: First row that is drawn.
        windows: Of the faces, to fit on.
        steps: Of L-BFGS for what is seen, and twice as many for what is drawn.
    """
    outer = len(network.face_encoder_blocks) - len(smaller.face_encoder_blocks)
    was_training = network.training
    network.eval()
    smaller.eval()
    pool = 2**outer
    chance = torch.Generator().manual_seed(0)
    learnt, tried = face[:-_TRIED], face[-_TRIED:]
    first = smaller.face_encoder_blocks[0]
    seeing = [layer for block in network.face_encoder_blocks[: outer + 1] for layer in block]
    with torch.enable_grad():
        cut = _cut((learnt,), (1,), pool, windows, 0, chance)
        _fit_seeing(seeing, first[0], cut, pool, steps, chance)
    with torch.no_grad():
        given = _chain(network.face_encoder_blocks[: outer + 1], tried)
        wanted = first(functional.avg_pool2d(tried, pool))
        seen = _share(given, wanted)
    planes = _see_and_draw(network, smaller, face, mel, outer)
    cut = _cut(
        [plane[:-_TRIED] for plane in planes],
        [plane.shape[-1] / face.shape[-1] for plane in planes],
        pool,
        windows,
        top,
        chance,
    )
    with torch.enable_grad():
        _fit_drawing(network, cut, outer, 2 * steps)
    with torch.no_grad():
        given = _draw(network, [plane[-_TRIED:] for plane in planes[:-1]], outer)[:, :, top:]
        wanted = planes[-1][-_TRIED:, :, top:]
        drawn = _share(given, wanted)
    # What learns next would add its own gradients to what is there, of norms as well.
    network.zero_grad()
    network.train(was_training)
    return Fitted(seen, drawn)


def _fit_seeing(
    layers: Sequence[ConvNorm],
    first: ConvNorm,
    cut: _Windows,
    pool: int,
    steps: int,
    chance: torch.Generator,
) -> None:
    """Fit a chain of convolutions to one of the smaller generator, lift it above zero, and fit it again.

    The windows are given grain, for there are sharper faces than those that are learnt from.
    At a face's edge nothing is padded with what lies outside but nothing, which is not what it was before
    it was lifted: that is what the second time is for.
    """
    (faces,) = cut.planes
    grain = torch.randn(faces.shape, generator=chance) * _GRAIN
    faces = faces + grain * torch.linspace(0, 1, len(faces)).view(-1, 1, 1, 1)
    centre = faces.mean()
    with torch.no_grad():
        whole = first.conv_block(functional.avg_pool2d(faces, pool))
        wanted = _inside(whole)
    kernels = [_pass_on(layer, 6).requires_grad_() for layer in layers]
    bias = wanted.mean((0, 2, 3)).requires_grad_()

    def see(x: Tensor) -> list[Tensor]:
        found = []
        for layer, kernel in zip(layers, kernels, strict=True):
            conv = layer.conv_block[0]
            y = functional.conv2d(x, kernel, None, conv.stride, conv.padding)
            x = y + x if layer.is_residual else y
            found.append(x)
        return found

    def linear() -> Tensor:
        return _inside(see(faces - centre)[-1]) + bias[:, None, None]

    _minimize(lambda: _part(linear(), wanted), [*kernels, bias], steps // 2)
    _minimize(lambda: _part(linear().relu(), wanted.relu()), [*kernels, bias], steps)
    with torch.no_grad():
        lift = centre.expand(faces.shape[1])
        chain = see(faces - centre)
        for place, (layer, kernel) in enumerate(zip(layers, kernels, strict=True)):
            least, most = chain[place].amin((0, 2, 3)), chain[place].amax((0, 2, 3))
            wanted_lift = bias if place == len(layers) - 1 else -least + _SPARE * (most - least)
            passed = kernel.sum((2, 3)) @ lift + (lift if layer.is_residual else 0)
            conv = layer.conv_block[0]
            conv.weight.copy_(kernel)
            conv.bias.copy_(wanted_lift - passed)
            _do_nothing(layer.conv_block[1])
            lift = wanted_lift
    whole = whole.relu()
    counted = cut.mask(whole.shape[-1])

    def lifted() -> Tensor:
        return _part(_chain(layers, faces), whole, counted)

    _minimize(lifted, [p for layer in layers for p in layer.conv_block[0].parameters()], steps)


def _fit_drawing(network: Wav2Lip, cut: _Windows, outer: int, steps: int) -> None:
    """Fit what is drawn around the smaller generator's features, by its ReLUs and all."""
    learning: list[Tensor] = []
    even = []
    for layer in _drawing(network, outer):
        if isinstance(layer, (ConvNorm, DeconvNorm)):
            conv = layer.conv_block[0]
            _do_nothing(layer.conv_block[1])
            if isinstance(layer, DeconvNorm):
                parametrize.register_parametrization(conv, "weight", _Even())
                even.append(conv)
            learning += list(conv.parameters())
        else:
            learning += list(layer.parameters())
    *given, wanted = cut.planes
    counted = cut.mask(wanted.shape[-1])

    def apart() -> Tensor:
        drawn = _draw(network, given, outer)
        return _part(drawn, wanted, counted) + _FINE * _part_finely(drawn, wanted, counted)

    _minimize(apart, learning, steps)
    for conv in even:
        parametrize.remove_parametrizations(conv, "weight")


class _Even(nn.Module):
    """A transposed convolution of stride 2 that mixes channels and enlarges linearly, and nothing else.

    Source: Odena et al., "Deconvolution and Checkerboard Artifacts" (Distill, 2016). Kernels that are fitted
    freely give neighbouring pixels the same for faces like those that they were fitted on alone; in another
    light they draw a grid.
    """

    def forward(self, mixed: Tensor) -> Tensor:
        """(C, C') -> (C, C', 3, 3)."""
        linear = mixed.new_tensor([0.5, 1.0, 0.5])
        return mixed[:, :, None, None] * torch.outer(linear, linear)

    def right_inverse(self, kernel: Tensor) -> Tensor:
        """(C, C', 3, 3) -> (C, C'): what a kernel has in its middle."""
        return kernel[:, :, 1, 1].clone()


def _draw(network: Wav2Lip, planes: Sequence[Tensor], outer: int) -> Tensor:
    """The smaller one's last features, and those of the outer encoder blocks, to pictures."""
    x, *skips = planes
    inner = len(network.face_decoder_blocks) - outer
    for block, skip in zip(network.face_decoder_blocks[inner:], skips, strict=True):
        x = torch.cat([block(x), skip], 1)
    picture: Tensor = network.output_block(x)
    return picture


@torch.no_grad()
def _see_and_draw(
    network: Wav2Lip, smaller: Wav2Lip, face: Tensor, mel: Tensor, outer: int
) -> list[Tensor]:
    """What `_draw` takes, and the picture that it should give, of all frames."""
    parts = []
    for at in range(0, len(face), _AT_ONCE):
        part, sound = face[at : at + _AT_ONCE], mel[at : at + _AT_ONCE]
        features = smaller.encode_face(functional.avg_pool2d(part, 2**outer))
        x = _emphasize(smaller, smaller.encode_audio(sound))
        for block, skip in zip(smaller.face_decoder_blocks, reversed(features), strict=True):
            x = torch.cat([block(x), skip], 1)
        skips = []
        for block in network.face_encoder_blocks[:outer]:
            part = block(part)
            skips.append(part)
        parts.append((x, *reversed(skips), _enlarge(smaller.output_block(x), 2**outer)))
    return [torch.cat(planes) for planes in zip(*parts, strict=True)]


def _emphasize(smaller: Wav2Lip, heard: Tensor) -> Tensor:
    """Vectors of sound, (n, C, 1, 1), as an avatar hears them: further from silence, each its own way.

    See `visavis.models.wav2lip.predictor.Wav2LipPredictor.render`: the first is as it is, the last furthest.
    """
    silence = heard.new_full((1, 1, BANDS, WINDOW_ROWS), SILENCE)
    hush = smaller.encode_audio(silence)
    emphasis = torch.linspace(1, _MOST_EMPHASIS, len(heard)).view(-1, 1, 1, 1)
    return (hush + emphasis * (heard - hush)).relu()


def _enlarge(picture: Tensor, times: int) -> Tensor:
    """Enlarge so that the mean of each square of pixels is again what it was, but for what alternates.

    Pixels that are by turns lighter and darker are no part of a face: deconvolutions draw them, most where
    the mouth is told to move much, and at twice the size they would be seen.
    """
    notch = picture.new_tensor([-1, 4, 10, 4, -1]) / 16
    kernel = torch.outer(notch, notch).expand(picture.shape[1], 1, -1, -1)
    padded = functional.pad(picture, (2, 2, 2, 2), mode="replicate")
    picture = functional.conv2d(padded, kernel, groups=picture.shape[1])

    def up(x: Tensor) -> Tensor:
        return functional.interpolate(x, scale_factor=times, mode="bicubic", align_corners=False)

    enlarged = up(picture)
    for _ in range(4):
        enlarged = enlarged + up(picture - functional.avg_pool2d(enlarged, times))
    return enlarged.clamp(0, 1)


def _drawing(network: Wav2Lip, outer: int) -> list[nn.Module]:
    inner = len(network.face_decoder_blocks) - outer
    blocks = [*network.face_decoder_blocks[inner:], network.output_block]
    return [layer for block in blocks for layer in block]


def _pass_on(layer: ConvNorm, channels: int) -> Tensor:
    """Kernels to begin with: the picture's channels as they are; halved, with what differs beside."""
    weight = layer.conv_block[0].weight
    kernel = (
        torch.randn(weight.shape, generator=torch.Generator().manual_seed(len(weight))) * _NOISE
    )
    if layer.is_residual:
        return kernel
    if layer.conv_block[0].stride == (1, 1):
        middle = weight.shape[-1] // 2
        for channel in range(channels):
            kernel[channel, channel, middle, middle] += 1
        return kernel
    signs = torch.tensor([[[1.0, 1], [1, 1]], [[1, -1], [1, -1]], [[1, 1], [-1, -1]]])
    for out in range(min(len(weight), 3 * channels)):
        kernel[out, out % channels, 1:, 1:] += signs[out // channels] / 4
    return kernel


@dataclass(frozen=True, slots=True)
class _Windows:
    """The same windows of several planes.

    Attributes:
        planes: Each (n, C, W, W), W the window's width at the plane's scale.
        inner: Of each window, which sides are none of the face's: above, below, left, right.
    """

    planes: Sequence[Tensor]
    inner: Tensor

    def mask(self, width: int) -> Tensor:
        """What counts, (n, 1, W, W): all but what is near a side where the face goes on."""
        halo = _HALO * width // (_WIDTH // 2)
        mask = torch.ones(len(self.inner), 1, width, width)
        if not halo:
            return mask
        sides = (
            mask[:, :, :halo],
            mask[:, :, -halo:],
            mask[:, :, :, :halo],
            mask[:, :, :, -halo:],
        )
        for side, inner in zip(sides, self.inner.T, strict=True):
            side[inner] = 0
        return mask


def _cut(
    planes: Sequence[Tensor],
    scales: Sequence[float],
    pool: int,
    count: int,
    top: int,
    chance: torch.Generator,
) -> _Windows:
    """Cut planes that are of one size but for their scale; many windows lie at a face's edge."""
    size = round(planes[0].shape[-1] / scales[0])
    width = min(_WIDTH, size)
    first, last = min(top, size - width), size - width

    def place(least: int) -> Tensor:
        drawn = torch.randint(least - width // 2, last + width // 2 + 1, (count,), generator=chance)
        return drawn.clamp(least, last) // pool * pool

    frames = torch.randint(len(planes[0]), (count,), generator=chance).tolist()
    rows, columns = place(first), place(0)
    found = []
    for plane, scale in zip(planes, scales, strict=True):
        w = round(width * scale)
        parts = []
        for frame, row, column in zip(frames, rows.tolist(), columns.tolist(), strict=True):
            y, x = round(row * scale), round(column * scale)
            parts.append(plane[frame, :, y : y + w, x : x + w])
        found.append(torch.stack(parts))
    inner = torch.stack([rows > 0, rows + width < size, columns > 0, columns + width < size], 1)
    return _Windows(found, inner)


def _minimize(loss: Callable[[], Tensor], parameters: Sequence[Tensor], steps: int) -> None:
    optimizer = torch.optim.LBFGS(
        list(parameters),
        max_iter=steps,
        max_eval=2 * steps,
        history_size=50,
        line_search_fn="strong_wolfe",
        tolerance_change=0,
        tolerance_grad=0,
    )

    def closure() -> float:
        optimizer.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    optimizer.step(closure)


def _part(given: Tensor, wanted: Tensor, counted: Tensor | float = 1.0) -> Tensor:
    return ((given - wanted).square() * counted).mean() / wanted.var()


def _part_finely(given: Tensor, wanted: Tensor, counted: Tensor) -> Tensor:
    """How far the steps from a pixel to the next ones are from what they should be."""
    apart = given - wanted
    across = (apart[..., 1:] - apart[..., :-1]).square() * counted[..., 1:]
    down = (apart[..., 1:, :] - apart[..., :-1, :]).square() * counted[..., 1:, :]
    return (across.mean() + down.mean()) / wanted.var()


def _share(given: Tensor, wanted: Tensor) -> float:
    return float((given - wanted).square().mean() / wanted.var((0, 2, 3)).mean())


def _inside(x: Tensor) -> Tensor:
    return x[:, :, _HALO:-_HALO, _HALO:-_HALO]


def _chain(blocks: Sequence[nn.Module] | nn.ModuleList, x: Tensor) -> Tensor:
    for block in blocks:
        x = block(x)
    return x


def _do_nothing(norm: nn.BatchNorm2d) -> None:
    """Let a norm give what it is given, in evaluation mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        norm.weight.fill_(1)
        norm.bias.zero_()
