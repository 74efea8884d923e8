"""Checkpoints of Wav2Lip's published layout, whose networks see colours as blue, green, red.

Needs the ``train`` extra.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from visavis.core.errors import FileUnreadable

Weights: TypeAlias = dict[str, Tensor]

_PARALLEL = "module."


def read_published(path: Path) -> Weights:
    """Read the weights of a checkpoint without running what is in it.

    They lie under ``state_dict``, or are all there is; names may begin with ``module.``, as
    networks trained on several GPUs have it.

    Raises:
        FileUnreadable: It is missing, or not such a checkpoint.
    """
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise FileUnreadable(f"there is no file {path}") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise FileUnreadable(
            f"{path} is no checkpoint of plain weights: {' '.join(str(error).split())[:200]}"
        ) from error
    weights = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(weights, Mapping) or not all(isinstance(w, Tensor) for w in weights.values()):
        raise FileUnreadable(f"{path} holds no weights by name; a state_dict was expected")
    return {name.removeprefix(_PARALLEL): weight for name, weight in weights.items()}


def load_exactly(network: nn.Module, weights: Weights, path: Path) -> None:
    """Put weights into a network; all must be there, and no others.

    Raises:
        FileUnreadable: Names or shapes differ.
    """
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        problem = " ".join(str(error).split())[:300]
        raise FileUnreadable(f"{path} is of another network: {problem}") from error


def swap_colours(weight: Tensor, axis: int) -> Tensor:
    """Turn blue, green, red into red, green, blue in each three channels of an axis."""
    swapped = weight.unflatten(axis, (-1, 3)).flip(axis + 1).flatten(axis, axis + 1)
    return swapped.contiguous()
