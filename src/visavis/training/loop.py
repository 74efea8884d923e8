"""The training loop that all recipes share: seeded, resumable, with a checkpoint every minute.

Needs the ``train`` extra. It runs on one CPU, on one GPU, or on many by ``torchrun``, through
lightning-fabric. A step's batches and all that is random in it are functions of its number, and the
checkpoint holds the weights, their running mean, the optimizers and the step: training that was
killed goes on to the same curve.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import nn

from visavis.core.errors import ConfigError, StageError
from visavis.training.checkpoint import load_checkpoint, save_checkpoint
from visavis.training.devices import make_fabric
from visavis.training.journal import Journal
from visavis.training.pace import Pace, as_clock
from visavis.training.running_mean import RunningMean
from visavis.training.stopping import Asked, asked_to_stop
from visavis.training.task import Batch, Held, LoopConfig, Share, Task

_log = logging.getLogger(__name__)

Ending: TypeAlias = Literal["done", "time", "asked"]
LAST, BEST = "last.pt", "best.pt"
_PLAN_AFTER = 30
"""Steps after which it is known how many fit into the time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How training ended.

    Attributes:
        checkpoint: With the running mean of the weights as ``weights``.
        best: The checkpoint with the highest score, or the last where nothing was judged.
        step: Where it stands.
        ended: ``done``, out of ``time``, or ``asked`` to stop (SIGTERM or SIGINT).
        figures: Of the last evaluation.
        signal: The number of the signal that asked, or 0.
    """

    checkpoint: Path
    best: Path
    step: int
    ended: Ending
    figures: Mapping[str, float]
    signal: int = 0


def train(
    task: Task,
    config: LoopConfig,
    folder: Path,
    *,
    tell: Callable[[str], None] = _log.info,
    time_limit: float = 0.0,
) -> Outcome:
    """Train until the steps are done, time is up, or the process is asked to stop.

    Args:
        task: What learns. Its weights are replaced by the checkpoint's if there is one.
        config: How.
        folder: For ``last.pt``, ``best.pt``, ``loss.csv``, ``evaluation.csv`` and TensorBoard.
        tell: Takes lines for whoever watches.
        time_limit: Seconds, with the last evaluation; 0 for none.

    Raises:
        ConfigError: Neither steps nor a time limit are given, or the checkpoint is of another network.
        StageError: The loss is not a number any more.
    """
    if not config.steps and not time_limit:
        raise ConfigError("neither a number of steps nor a time limit says when training ends")
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(task, config, folder, tell, time_limit)
    try:
        with asked_to_stop() as asked:
            return run.go(asked)
    finally:
        run.journal.close()


def learning_rate_at(step: int, config: LoopConfig, steps: int | None = None) -> float:
    """Rise in a line, fall as a cosine; ``steps`` where the config's is 0."""
    total = steps or config.steps
    if step < config.warmup or not total:
        return config.learning_rate * min(1.0, (step + 1) / max(config.warmup, 1))
    done = (step - config.warmup) / max(total - config.warmup, 1)
    return config.learning_rate * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)))


class _Run:
    """One training from its checkpoint on."""

    def __init__(
        self,
        task: Task,
        config: LoopConfig,
        folder: Path,
        tell: Callable[[str], None],
        time_limit: float,
    ) -> None:
        self._task, self._config, self._folder, self._limit = task, config, folder, time_limit
        self._began = time.monotonic()
        self._fabric = make_fabric(config)
        if config.channels_last:
            task.objective.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._objective, self._optimizer = self._set_up(task.objective)
        self._critic, self._critic_optimizer = (
            self._set_up(task.critic) if task.critic is not None else (None, None)
        )
        self._mean = RunningMean(task.network, config.mean_decay)
        self._step, self._steps = 0, config.steps
        self._best, self._judged_at, self._judging_took = -math.inf, -1, 0.0
        self._figures: dict[str, float] = {}
        self._sums: dict[str, float] = {}
        self._summed = 0
        self._pace = Pace()
        if (folder / LAST).exists():
            self._restore(load_checkpoint(folder / LAST))
        alone = self._fabric.is_global_zero
        self.journal = Journal(
            folder if alone else None, self._step, tell if alone else _log.debug, config.board
        )

    def go(self, asked: Asked) -> Outcome:
        """Train to the end."""
        config, world = self._config, self._fabric.world_size
        self.journal.say(
            f"{'going on at' if self._step else 'beginning at'} step {self._step} on"
            f" {world if world > 1 else 'one'} {self._fabric.device.type}, {config.precision}"
        )
        ended: Ending = "done"
        share = Share(self._fabric.global_rank, world)
        batches = (
            iter(())
            if self._is_done()
            else self._task.batches(self._step * config.accumulate, share)
        )
        saved = judged = time.monotonic()
        self._objective.train()
        try:
            while not self._is_done():
                self._make_step(batches)
                if self._step % config.log_every == 0:
                    self._log_losses()
                if not self._steps and self._step >= _PLAN_AFTER:
                    self._plan()
                now = time.monotonic()
                stop, judge, save = self._decide(asked, now - judged, now - saved)
                if stop:
                    ended = stop
                    break
                if judge:
                    self._judge()
                    judged = time.monotonic()
                if judge or save:
                    self._save()
                    saved = time.monotonic()
        finally:
            close = getattr(batches, "close", None)
            if close is not None:
                close()
        if ended != "asked" and self._judged_at != self._step:
            self._judge()
        self._save()
        self.journal.say(f"{self._pace.describe_bound()}; stands at step {self._step}")
        best = self._folder / (BEST if (self._folder / BEST).exists() else LAST)
        last = self._folder / LAST
        return Outcome(last, best, self._step, ended, self._figures, asked.number)

    def _set_up(self, module: nn.Module) -> tuple[Any, Any]:
        learning = [p for p in module.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in learning if p.ndim > 1]},
            {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
        ]
        config = self._config
        optimizer = torch.optim.AdamW(
            [g for g in groups if g["params"]],
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
        )
        wrapped, optimizers = self._fabric.setup(module, optimizer)
        return wrapped, optimizers

    def _is_done(self) -> bool:
        return bool(self._steps) and self._step >= self._steps

    def _make_step(self, batches: Iterator[Batch]) -> None:
        config = self._config
        for optimizer in (self._optimizer, self._critic_optimizer):
            for group in optimizer.param_groups if optimizer is not None else ():
                group["lr"] = learning_rate_at(self._step, config, self._steps)
        # Whatever is random in a step is a function of its number, and of the process.
        torch.manual_seed(config.seed + 7919 * (self._step + 1) + self._fabric.global_rank)
        parts: dict[str, float] = {}
        made: list[tuple[Batch, Any]] = []
        if self._task.critic is not None:
            self._task.critic.requires_grad_(False)
        for turn in range(config.accumulate):
            with self._pace.waiting():
                batch = next(batches)
            with self._pace.working():
                batch = self._fabric.to_device(batch)
                waits = turn < config.accumulate - 1
                with self._fabric.no_backward_sync(self._objective, enabled=waits):
                    total, found, shown = self._objective(Held(batch), self._step)
                    self._fabric.backward(total / config.accumulate)
                _add(parts, {"loss": total, **found}, config.accumulate)
                if self._critic is not None:
                    made.append((batch, shown))
        with self._pace.working():
            if not math.isfinite(parts["loss"]):
                raise StageError(
                    f"the loss is {parts['loss']} at step {self._step}; go on from the checkpoint with"
                    " a lower learning rate (--set loop.learning_rate=…) or in 32-true precision"
                )
            self._advance(self._objective, self._optimizer)
            if self._critic is not None:
                self._teach_critic(made, parts)
            self._mean.follow(self._task.network, self._step)
        self._step += 1
        self._pace.steps += 1
        self._summed += 1
        for name, value in parts.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        if said := self._task.watch(parts):
            self.journal.say(said)

    def _teach_critic(self, made: list[tuple[Batch, Any]], parts: dict[str, float]) -> None:
        assert self._task.critic is not None
        # While the objective learnt, the critic only judged.
        self._task.critic.requires_grad_(True)
        for turn, (batch, shown) in enumerate(made):
            waits = turn < len(made) - 1
            with self._fabric.no_backward_sync(self._critic, enabled=waits):
                total, found = self._critic(Held(batch), self._step, shown)
                self._fabric.backward(total / len(made))
            _add(parts, {"critic": total, **found}, len(made))
        self._advance(self._critic, self._critic_optimizer)

    def _advance(self, module: Any, optimizer: Any) -> None:
        if self._config.clip_norm:
            self._fabric.clip_gradients(
                module, optimizer, max_norm=self._config.clip_norm, error_if_nonfinite=False
            )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def _decide(
        self, asked: Asked, since_judged: float, since_saved: float
    ) -> tuple[Ending | None, bool, bool]:
        """Whether to stop, to evaluate, to save; the first process decides for all."""
        config = self._config
        stop: Ending | None = None
        if asked.is_set():
            stop = "asked"
        elif self._limit:
            # The last evaluation and the checkpoint must fit in.
            left = self._limit - (time.monotonic() - self._began) - 1.2 * self._judging_took
            if left < 2 * self._pace.per_step + 0.01 * self._limit:
                stop = "time"
        decision = (
            stop,
            bool(config.evaluate_s and since_judged > config.evaluate_s)
            or bool(config.evaluate_every and self._step % config.evaluate_every == 0),
            since_saved > config.checkpoint_s,
        )
        return self._fabric.broadcast(decision) if self._fabric.world_size > 1 else decision

    def _plan(self) -> None:
        """Settle how many steps fit into the time, from the pace of the first."""
        self._judge()
        left = 0.97 * (self._limit - (time.monotonic() - self._began)) - self._judging_took
        if self._config.evaluate_s:
            left -= left / (self._config.evaluate_s + self._judging_took) * self._judging_took
        pace = self._pace.overall
        self._steps = self._step + max(1, int(left / pace))
        if self._fabric.world_size > 1:
            self._steps = self._fabric.broadcast(self._steps)
        self.journal.say(f"{pace:.2f} s a step: {self._steps} steps fit into the time")

    def _log_losses(self) -> None:
        pace = self._pace
        row = {name: value / self._summed for name, value in self._sums.items()}
        values = " ".join(f"{name} {value:.4f}" for name, value in row.items())
        row["learning_rate"] = learning_rate_at(self._step - 1, self._config, self._steps)
        self.journal.add("loss", self._step, row)
        number, what = self._task.samples
        rate = number * self._config.accumulate * self._fabric.world_size / pace.per_step
        left = as_clock((self._steps - self._step) * pace.per_step) if self._steps else "?"
        self.journal.say(
            f"step {self._step}/{self._steps or '?'}: {values} | {rate:.1f} {what}/s, waiting for"
            f" data {pace.share_waited:.0%}, {left} left"
        )
        self._sums, self._summed = {}, 0
        pace.turn()

    def _judge(self) -> None:
        """Evaluate the running mean; the first process does, and tells the others."""
        began = time.monotonic()
        self._judged_at = self._step
        figures: dict[str, float] = {}
        if self._fabric.is_global_zero:
            found = self._task.evaluate(self._mean.network, self._step)
            if found is not None:
                figures = dict(found.figures)
                self.journal.add("evaluation", self._step, figures)
                self.journal.add_pictures(self._step, found.pictures)
                is_best = found.score > self._best
                self.journal.say(f"at step {self._step}: {found.summary}{' (best)' * is_best}")
                if is_best:
                    self._best = found.score
                    save_checkpoint(self._folder / BEST, self._content(figures))
        self._judging_took = time.monotonic() - began
        if self._fabric.world_size > 1:
            figures = self._fabric.broadcast(figures)
        self._figures = figures or self._figures
        self._task.heed(figures)
        self._objective.train()

    def _content(self, figures: Mapping[str, float]) -> dict[str, Any]:
        return {
            **self._task.content(),
            "weights": self._mean.network.state_dict(),
            "step": self._step,
            "figures": dict(figures),
        }

    def _save(self) -> None:
        self.journal.flush()
        if not self._fabric.is_global_zero:
            return
        objective = {
            name: value
            for name, value in self._task.objective.state_dict().items()
            if not name.startswith(self._task.frozen)
        }
        state: dict[str, Any] = {
            **self._content(self._figures),
            "objective": objective,
            "optimizer": self._optimizer.state_dict(),
            "steps": self._steps,
            "best": self._best,
            "sums": dict(self._sums),
            "summed": self._summed,
        }
        if self._task.critic is not None:
            state["critic"] = self._task.critic.state_dict()
            state["critic_optimizer"] = self._critic_optimizer.state_dict()
        save_checkpoint(self._folder / LAST, state)

    def _restore(self, state: Mapping[str, Any]) -> None:
        try:
            missing, unknown = self._task.objective.load_state_dict(
                state["objective"], strict=False
            )
            missing = [m for m in missing if not m.startswith(self._task.frozen)]
            if missing or unknown:
                raise KeyError(", ".join([*missing, *unknown][:3]))
            self._mean.network.load_state_dict(state["weights"])
            self._optimizer.load_state_dict(state["optimizer"])
            if self._task.critic is not None:
                self._task.critic.load_state_dict(state["critic"])
                self._critic_optimizer.load_state_dict(state["critic_optimizer"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"{self._folder / LAST} was trained with another network or recipe ({error});"
                " take its settings, or begin in an empty folder"
            ) from error
        self._step, self._best = state["step"], state["best"]
        self._steps = self._config.steps or state["steps"]
        self._figures = dict(state["figures"])
        self._sums, self._summed = dict(state["sums"]), state["summed"]
        if self._figures:
            self._task.heed(self._figures)


def _add(sums: dict[str, float], parts: Mapping[str, Any], turns: int) -> None:
    for name, value in parts.items():
        sums[name] = sums.get(name, 0.0) + float(value.detach()) / turns
