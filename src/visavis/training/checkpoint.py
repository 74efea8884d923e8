"""Checkpoints: plain values and tensors, written beside and renamed, read without unpickling code."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from visavis.core.errors import FileUnreadable
from visavis.media.files import unwritable


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint so that an interruption, even of the machine, leaves the old one.

    Raises:
        OutputUnwritable: The disk is full, or the folder is gone.
    """
    import torch

    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            torch.save(dict(content), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        # Torch hides what the system said of a write that failed behind an error of its own.
        cause = error if isinstance(error, OSError) else error.__cause__ or error.__context__
        if not isinstance(cause, OSError):
            cause = OSError(str(error))
        raise unwritable(path, cause) from error


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
