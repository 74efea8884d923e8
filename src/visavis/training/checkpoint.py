"""Checkpoints: plain values and tensors, written beside and renamed, read without unpickling code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint so that an interruption leaves the old one."""
    import torch

    part = path.with_name(path.name + ".part")
    torch.save(dict(content), part)
    part.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU."""
    import torch

    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content
