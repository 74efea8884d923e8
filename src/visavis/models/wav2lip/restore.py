"""An exported lip generator as a torch network again, so that it can learn on.

Needs the ``train`` extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from visavis.core.errors import InputError
from visavis.models.common.graph_restore import restore_first_that_fits
from visavis.models.common.network_card import read_network_card
from visavis.models.wav2lip.network import (
    WAV2LIP_96,
    WAV2LIP_96_SMALL,
    WAV2LIP_192,
    WAV2LIP_192_SMALL,
    WAV2LIP_384,
    WAV2LIP_384_SMALL,
    Wav2Lip,
    Wav2LipConfig,
)

CONFIGS = (
    WAV2LIP_96,
    WAV2LIP_192,
    WAV2LIP_384,
    WAV2LIP_96_SMALL,
    WAV2LIP_192_SMALL,
    WAV2LIP_384_SMALL,
)
_GRAPHS = ("face_encoder.onnx", "audio_encoder.onnx", "decoder.onnx")


def restore(folder: Path, configs: Sequence[Wav2LipConfig] = CONFIGS) -> Wav2Lip:
    """Read the weights of an exported generator.

    Args:
        folder: As `visavis.models.wav2lip.export.export` wrote it, not in 8 bits.
        configs: Sizes that it may have.

    Returns:
        The network, in evaluation mode; call `visavis.models.common.graph_restore.settle_norms`
        before it learns.

    Raises:
        InputError: It computes in 8 bits.
        MissingWeights: The folder holds no generator.
        ChecksumMismatch: Its files are not those of such a network.
    """
    card = read_network_card(folder, "wav2lip")
    if card.get("precision") == "int8":
        raise InputError(f"the lip generator in {folder} computes in 8 bits and cannot learn on")
    said = {
        "lead": int(card["lead"]),
        "light": tuple(card.get("light", ())),
        "detail": int(card.get("detail", 0)),
    }
    fitting = (c for c in configs if c.size == card["size"])
    networks = (Wav2Lip(replace(config, **said)) for config in fitting)
    return restore_first_that_fits(networks, [folder / name for name in _GRAPHS])
