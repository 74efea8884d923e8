"""The published generator's checkpoint in our form.

Needs the ``train`` extra: ``python -m visavis.models.wav2lip.convert CHECKPOINT TARGET``.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import torch

from visavis.models.common.published import load_exactly, read_published, swap_colours
from visavis.models.wav2lip.network import WAV2LIP_96, Wav2Lip, Wav2LipConfig

PUBLISHED = replace(WAV2LIP_96, lead=1)
"""Its training cut the sound of a frame one frame before it."""

_SEES = "face_encoder_blocks.0.0.conv_block.0.weight"
_SHOWS = ("output_block.1.weight", "output_block.1.bias")


def convert(checkpoint: Path, target: Path, config: Wav2LipConfig = PUBLISHED) -> None:
    """Write a checkpoint of the published layout as ours: RGB, with its Config.

    Args:
        checkpoint: Names as in Wav2Lip's ``Wav2Lip``.
        target: ``network``, the Config as a dict, and ``weights``, as `export.py` reads them.
        config: What it is of.

    Raises:
        FileUnreadable: It is not such a checkpoint.
    """
    weights = read_published(checkpoint)
    network = Wav2Lip(config)
    load_exactly(network, weights, checkpoint)
    weights[_SEES] = swap_colours(weights[_SEES], 1)
    for name in _SHOWS:
        weights[name] = swap_colours(weights[name], 0)
    network.load_state_dict(weights)
    torch.save({"network": asdict(config), "weights": network.state_dict()}, target)


def main() -> None:
    """Read the command line and convert."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("target", type=Path)
    given = parser.parse_args()
    convert(given.checkpoint, given.target)


if __name__ == "__main__":
    main()
