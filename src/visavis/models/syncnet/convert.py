"""The published expert's checkpoint in our form.

Needs the ``train`` extra: ``python -m visavis.models.syncnet.convert CHECKPOINT TARGET``.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import torch

from visavis.models.common.published import load_exactly, read_published, swap_colours
from visavis.models.syncnet.network import SYNCNET_96, SyncNet, SyncNetConfig

_SEES = "face_encoder.0.conv_block.0.weight"


def convert(checkpoint: Path, target: Path, config: SyncNetConfig = SYNCNET_96) -> None:
    """Write a checkpoint of the published layout as ours: RGB, with its Config.

    Args:
        checkpoint: Names as in Wav2Lip's ``SyncNet_color``.
        target: ``network``, the Config as a dict, and ``weights``, as `export.py` reads them.
        config: What it is of.

    Raises:
        FileUnreadable: It is not such a checkpoint.
    """
    weights = read_published(checkpoint)
    network = SyncNet(config)
    load_exactly(network, weights, checkpoint)
    weights[_SEES] = swap_colours(weights[_SEES], 1)
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
