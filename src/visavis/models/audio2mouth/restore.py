"""An exported mouth network as a torch network again, so that it can learn on.

Needs the ``train`` extra.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch

from visavis.core.errors import ChecksumMismatch
from visavis.models.audio2mouth.network import Config, MouthNet

_PREFIX, _HEAD = "net.", "head.weight"


def restore(path: Path, config: Config | None = None) -> MouthNet:
    """Read the weights of an exported network.

    Args:
        path: As `visavis.models.audio2mouth.export.export` wrote it.
        config: Its sizes; by default those of the shipped one.

    Returns:
        The network, in evaluation mode.

    Raises:
        ChecksumMismatch: The file cannot be read, or holds another network.
    """
    network = MouthNet(config or Config())
    try:
        stored = {
            tensor.name.removeprefix(_PREFIX): np.array(onnx.numpy_helper.to_array(tensor))
            for tensor in onnx.load(str(path)).graph.initializer
        }
        # The exporter turns the last layer's matrix and drops its name.
        (nameless,) = [name for name in stored if name.startswith("onnx::")]
        stored[_HEAD] = np.ascontiguousarray(stored.pop(nameless).T)
        network.load_state_dict({name: torch.from_numpy(w) for name, w in stored.items()})
    except Exception as error:  # protobuf's own exceptions share no base
        raise ChecksumMismatch(f"{path} holds no such mouth network: {error}") from error
    return network.eval()
