"""What a recipe gives the loop: something that learns, its batches, and how it is judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from torch import Tensor, nn

from visavis.core.types import Picture

Batch: TypeAlias = Mapping[str, Any]
"""Tensors by name on the CPU, and plain values; whole numbers stay as they are."""
Precision: TypeAlias = Literal["32-true", "bf16-mixed"]
Device: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class LoopConfig:
    """How long, how fast and how exactly.

    Attributes:
        steps: In all; 0 for as many as fit into the time limit, which is settled after the first ones.
        learning_rate: At its highest, after ``warmup`` steps; it falls to nothing as a cosine.
        warmup: Steps.
        weight_decay: Of AdamW; of matrices and kernels only.
        betas: Of AdamW.
        clip_norm: Largest norm of the gradient; 0 for no limit.
        mean_decay: Of the running mean of the weights, which is what is kept in the end.
        accumulate: Batches in a step.
        precision: ``32-true`` or ``bf16-mixed``.
        channels_last: Whether pictures lie in memory with their channels together.
        device: ``auto`` takes a GPU if there is one.
        log_every: Steps between lines of the loss curve.
        checkpoint_s: Seconds between checkpoints.
        evaluate_s: Seconds between evaluations; 0 for none by time.
        evaluate_every: Steps between evaluations; 0 for none by steps.
        board: Whether TensorBoard's files are written.
        seed: Of the initial weights, and of what is random in a step.
    """

    steps: int
    learning_rate: float = 2e-3
    warmup: int = 50
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 1.0
    mean_decay: float = 0.995
    accumulate: int = 1
    precision: Precision = "32-true"
    channels_last: bool = False
    device: Device = "auto"
    log_every: int = 10
    checkpoint_s: float = 60.0
    evaluate_s: float = 0.0
    evaluate_every: int = 0
    board: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of each step's batches this process makes: number ``rank`` of ``world``."""

    rank: int = 0
    world: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What an evaluation found.

    Attributes:
        figures: For the curve.
        score: What the best checkpoint is chosen by; higher is better.
        summary: A line for whoever watches.
        pictures: Samples.
    """

    figures: Mapping[str, float]
    score: float
    summary: str
    pictures: Mapping[str, Picture] = field(default_factory=dict)


class Held:
    """A batch on the device.

    Mixed precision rounds the tensors that are given to a module in dicts, tuples and dataclasses;
    those in here it does not find.
    """

    __slots__ = ("batch",)

    def __init__(self, batch: Batch) -> None:
        self.batch = batch


class Objective(Protocol):
    """``forward`` of what learns, an ``nn.Module``."""

    def __call__(self, held: Held, step: int) -> tuple[Tensor, Mapping[str, Tensor], Any]:
        """Loss, its parts by name, and what was made, for the critic (None where there is none)."""


class Task:
    """A recipe's side of training; what most need not say has a default.

    Attributes:
        objective: A module whose ``forward`` is an `Objective`.
        network: The part of it that is wanted; its running mean is kept and judged.
        critic: A second module that learns against the first; its ``forward`` takes the `Held` batch, the
            step and what was made, and gives a loss and its parts. Its learning rate is the first's.
        frozen: Names of parts of the objective that do not learn and are not saved.
        samples: What one batch of one process holds, for the throughput, and what they are called.
    """

    objective: nn.Module
    network: nn.Module
    critic: nn.Module | None = None
    frozen: tuple[str, ...] = ()
    samples: tuple[int, str] = (1, "batches")

    def content(self) -> Mapping[str, Any]:
        """Plain values to save with the weights, such as the network's sizes."""
        return {}

    def batches(self, first: int, share: Share) -> Iterator[Batch]:
        """Yield batches number ``first * world + rank`` and every ``world``-th after it.

        A batch is a function of its number alone, so that training goes on where it was.
        """
        raise NotImplementedError

    def evaluate(self, network: nn.Module, step: int) -> Evaluation | None:
        """Judge the running mean; None where nothing is to be judged."""
        return None

    def heed(self, figures: Mapping[str, float]) -> None:
        """Learn what an evaluation found; called in every process."""

    def watch(self, parts: Mapping[str, float]) -> str | None:
        """See each step's losses; return what the user should be told."""
        return None
