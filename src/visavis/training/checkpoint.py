"""Checkpoints: plain values and tensors, written beside and renamed, read without unpickling code."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from visavis.core.errors import FileUnreadable


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint so that an interruption, even of the machine, leaves the old one."""
    import torch

    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        torch.save(dict(content), file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        FileUnreadable: It is missing, cut short, or not a checkpoint.
    """
    import torch

    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise FileUnreadable(f"there is no checkpoint {path}") from error
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise FileUnreadable(
            f"{path} is not a checkpoint that can be read ({error}); name another, or begin anew in"
            " an empty folder"
        ) from error
    return content
