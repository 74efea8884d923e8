"""The training loop that recipes share: seeded, resumable, with a checkpoint every minute.

Needs the ``train`` extra. A step's batch is a function of its number, and the checkpoint holds the
weights, their running mean, the optimizer and the step: training that was interrupted goes on where
it was.
"""

from __future__ import annotations

import csv
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from visavis.training.checkpoint import load_checkpoint, save_checkpoint

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast.

    Attributes:
        steps: In all.
        learning_rate: At its highest, after ``warmup`` steps; it falls to nothing as a cosine.
        warmup: Steps.
        weight_decay: Of AdamW.
        clip_norm: Largest norm of the gradient.
        mean_decay: Of the running mean of the weights, which is what is kept in the end.
        log_every: Steps between lines of the loss curve.
        checkpoint_s: Seconds between checkpoints.
        seed: Of the initial weights.
    """

    steps: int
    learning_rate: float = 2e-3
    warmup: int = 50
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    mean_decay: float = 0.995
    log_every: int = 10
    checkpoint_s: float = 60.0
    seed: int = 0


def learning_rate_at(step: int, config: LoopConfig) -> float:
    """Rise in a line, fall as a cosine."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(config.steps - config.warmup, 1)
    return config.learning_rate * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)))


def train(
    net: nn.Module,
    batches: Callable[[int], Iterable[Any]],
    loss: Callable[[nn.Module, Any], tuple[Tensor, Mapping[str, Tensor]]],
    config: LoopConfig,
    folder: Path,
    extra: Mapping[str, Any],
) -> Path:
    """Train, and return the checkpoint's path.

    Args:
        net: Its weights are replaced by the checkpoint's if there is one.
        batches: From the step to begin with to the batches of that step and the following.
        loss: Of a batch, and its parts by name, for the curve.
        config: How long and how fast.
        folder: For ``last.pt`` and ``loss.csv``.
        extra: Plain values to save with the weights, such as the network's sizes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "last.pt"
    mean = {name: value.detach().clone() for name, value in net.state_dict().items()}
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    step = 0
    if path.exists():
        stored = load_checkpoint(path)
        net.load_state_dict(stored["raw_weights"])
        optimizer.load_state_dict(stored["optimizer"])
        mean, step = stored["weights"], stored["step"]
        _log.info("going on at step %d", step)

    def save() -> None:
        save_checkpoint(
            path,
            {
                **extra,
                "weights": mean,
                "raw_weights": net.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
            },
        )

    net.train()
    saved = began = time.monotonic()
    sums: dict[str, float] = {}
    summed = 0
    for batch in batches(step) if step < config.steps else ():
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, config)
        total, parts = loss(net, batch)
        optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), config.clip_norm)
        optimizer.step()
        # The mean follows fast at first, else it would remember the initial weights.
        decay = min(config.mean_decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in net.state_dict().items():
                mean[name].lerp_(value, 1 - decay)
        step += 1
        for name, value in {"loss": total, **parts}.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        summed += 1
        if step % config.log_every == 0 or step == config.steps:
            row = {name: value / summed for name, value in sums.items()}
            _append(folder / "loss.csv", {"step": step, **row})
            _log.info("step %d, %.0f s: loss %.4f", step, time.monotonic() - began, row["loss"])
            sums, summed = {}, 0
        if time.monotonic() - saved > config.checkpoint_s:
            save()
            saved = time.monotonic()
        if step >= config.steps:
            break
    save()
    return path


def _append(path: Path, row: Mapping[str, float]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(row)
        writer.writerow([f"{value:.5g}" for value in row.values()])
