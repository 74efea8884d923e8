"""The outer layers of a larger generator, fitted to those of a smaller one."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from visavis.models.wav2lip.network import Wav2Lip, Wav2LipConfig
from visavis.training.growing import fit_outer
from visavis.training.recipes.wav2lip import tiny_wav2lip

FRAMES, TRIED = 40, 8


def halved(config: Wav2LipConfig) -> Wav2LipConfig:
    """The same without its outermost blocks."""
    face = (((8, 7, 1, 3),), *config.face[2:])
    return replace(config, size=config.size // 2, face=face, decoder=config.decoder[:-1])


def doubled(config: Wav2LipConfig) -> Wav2LipConfig:
    """The same with one more block at either end."""
    inner = ((8, 3, 2, 1), (8, 3, 1, 1), (8, 3, 1, 1))
    face = (config.face[0], inner, *config.face[1:])
    decoder = (*config.decoder, ((8, 3, 2, 1), (8, 3, 1, 1), (8, 3, 1, 1)))
    return replace(config, size=2 * config.size, face=face, decoder=decoder)


def make_faces(size: int) -> tuple[Tensor, Tensor]:
    """Smooth pictures, the first without its lower half, and sound."""
    chance = torch.Generator().manual_seed(3)
    coarse = torch.rand(FRAMES, 6, 8, 8, generator=chance)
    face = nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1)
    face[:, :3, size // 2 :] = 0
    return face, torch.randn(FRAMES, 1, 80, 16, generator=chance)


def differ(given: Tensor, wanted: Tensor) -> float:
    """Mean squared difference, as a share of the colours' variance."""
    return float((given - wanted).square().mean() / wanted.var((0, 2, 3)).mean())


def make_small(config: Wav2LipConfig) -> Wav2Lip:
    """That of half the width; it draws something."""
    torch.manual_seed(0)
    network = Wav2Lip(halved(config)).eval()
    with torch.no_grad():
        network.output_block[1].weight.mul_(5)
    return network


@pytest.mark.parametrize("times", [2, 4])
def test_what_has_grown_sees_and_draws_as_the_smaller_one_did(times: int) -> None:
    middle = tiny_wav2lip().network
    small = make_small(middle)
    large = Wav2Lip(middle if times == 2 else doubled(middle))
    large.grow_from(small)
    size = large.config.size
    face, mel = make_faces(size)
    before = copy.deepcopy(large)
    fitted = fit_outer(large, small, face, mel, top=size // 3, windows=16, steps=40)
    assert fitted.seen < 0.25 * times
    assert fitted.drawn < 0.25 * times

    assert large.training
    large.eval()
    with torch.no_grad():
        unseen, sound = face[-TRIED:], mel[-TRIED:]
        wanted = small(sound, nn.functional.avg_pool2d(unseen, times))
        given = nn.functional.avg_pool2d(large(sound, unseen), times)
        beside = nn.functional.avg_pool2d(before.eval()(sound, unseen), times)
    rows = (..., slice(size // times // 3, None), slice(None))
    assert differ(given[rows], wanted[rows]) < 0.3 * times
    assert differ(beside[rows], wanted[rows]) > 2 * differ(given[rows], wanted[rows])
    # Nothing is left that the next to learn would add to.
    assert all(p.requires_grad and p.grad is None for p in large.parameters())


def test_only_the_outer_layers_change_and_always_to_the_same() -> None:
    config = tiny_wav2lip().network
    small = make_small(config)
    first = Wav2Lip(config)
    first.grow_from(small)
    second = copy.deepcopy(first)
    begun = copy.deepcopy(first.state_dict())
    face, mel = make_faces(config.size)
    fits = [
        fit_outer(network, small, face, mel, top=16, windows=8, steps=4)
        for network in (first, second)
    ]
    assert fits[0] == fits[1]
    changed = {
        name for name, value in first.state_dict().items() if not torch.equal(value, begun[name])
    }
    last = len(config.decoder) - 1
    outer = ("face_encoder_blocks.0.", "face_encoder_blocks.1.", "output_block.")
    assert changed
    assert all(name.startswith((*outer, f"face_decoder_blocks.{last}.")) for name in changed)
    for name, value in second.state_dict().items():
        torch.testing.assert_close(value, first.state_dict()[name], rtol=0, atol=0)
