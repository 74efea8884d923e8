"""Where training runs: what torchrun set up, or one device of this machine."""

from __future__ import annotations

import os

import torch
from lightning_fabric import Fabric

from visavis.training.task import LoopConfig, Precision


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """The context in which a network is judged as it is trained."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed")


def make_fabric(config: LoopConfig) -> Fabric:
    """Processes and devices: what torchrun set up, or one."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
    fabric = Fabric(
        accelerator=config.device,
        devices=local,
        num_nodes=world // local,
        strategy="ddp" if world > 1 else "auto",
        precision=config.precision,
    )
    if world > 1:
        fabric.launch()
    return fabric
