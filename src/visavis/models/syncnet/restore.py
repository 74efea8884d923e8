"""An exported lip-sync expert as a torch network again, so that a generator can learn from it.

Needs the ``train`` extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from visavis.core.errors import InputError
from visavis.models.common.graph_restore import restore_first_that_fits
from visavis.models.common.network_card import read_network_card
from visavis.models.syncnet.network import (
    SYNCNET_96,
    SYNCNET_96_SMALL,
    SYNCNET_192,
    SYNCNET_384,
    SyncNet,
    SyncNetConfig,
)

CONFIGS = (SYNCNET_96, SYNCNET_96_SMALL, SYNCNET_192, SYNCNET_384)
_GRAPHS = ("face_encoder.onnx", "audio_encoder.onnx")


def restore(folder: Path, configs: Sequence[SyncNetConfig] = CONFIGS) -> SyncNet:
    """Read the weights of an exported expert.

    Args:
        folder: As `visavis.models.syncnet.export.export` wrote it, not in 8 bits.
        configs: Sizes that it may have.

    Returns:
        The network, in evaluation mode.

    Raises:
        InputError: It computes in 8 bits.
        MissingWeights: The folder holds no expert.
        ChecksumMismatch: Its files are not those of such a network.
    """
    card = read_network_card(folder, "syncnet")
    if card.get("precision") == "int8":
        raise InputError(f"the lip-sync expert in {folder} computes in 8 bits and teaches nobody")
    networks = (SyncNet(config) for config in configs if config.size == card["size"])
    return restore_first_that_fits(networks, [folder / name for name in _GRAPHS])
