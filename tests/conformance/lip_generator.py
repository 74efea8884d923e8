"""A lip generator of a few pixels with random weights, to see that all around it works."""

from __future__ import annotations

from pathlib import Path

import torch

from visavis.models.wav2lip.network import WAV2LIP_96, Wav2Lip, Wav2LipConfig

TINY = Wav2LipConfig(
    size=24,
    face=(
        ((4, 7, 1, 3),),
        ((8, 3, 2, 1), (8, 3, 1, 1)),
        ((8, 3, 2, 1),),
        ((16, 3, 2, 1),),
        ((16, 3, 1, 0),),
    ),
    audio=tuple((max(4, c // 8), *rest) for c, *rest in WAV2LIP_96.audio),  # type: ignore[misc]
    decoder=(
        ((16, 1, 1, 0),),
        ((16, 3, 1, 0),),
        ((8, 3, 2, 1), (8, 3, 1, 1)),
        ((8, 3, 2, 1),),
        ((4, 3, 2, 1),),
    ),
    output=8,
)


def write_tiny_generator(folder: Path, seed: int = 0) -> Path:
    """Write a generator of 24 pixels as ``visavis.models.wav2lip.export`` writes any, in a second."""
    from visavis.models.wav2lip.export import export

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on a busy machine two would wait for each other most of the time
    try:
        torch.manual_seed(seed)
        network = Wav2Lip(TINY)
        with torch.no_grad():
            # Norms that have seen data, else nothing would come through so many layers.
            for _ in range(20):
                network(4 * torch.rand(8, 1, 80, 16) - 4, torch.rand(8, 6, 24, 24))
            network.output_block[1].weight *= 8
        export(network, folder, "fp32")
    finally:
        torch.set_num_threads(threads)
    return folder
