"""The loop, on a network that is so small that only the loop is tested."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from visavis.core.errors import ConfigError, FileUnreadable, OutputUnwritable, StageError
from visavis.training.checkpoint import load_checkpoint
from visavis.training.loop import LAST, Outcome, learning_rate_at, train
from visavis.training.prefetch import make_ahead
from visavis.training.task import Batch, Evaluation, Held, LoopConfig, Share, Task

CONFIG = LoopConfig(
    steps=24, learning_rate=0.05, warmup=3, mean_decay=0.9, log_every=4, checkpoint_s=1e9,
    device="cpu", board=False,
)  # fmt: skip


class Line(nn.Module):
    """A line with dropout, so that what is random in a step is seen in the curve."""

    def __init__(self, inputs: int, drop: float) -> None:
        super().__init__()
        self.network = nn.Linear(inputs, 1)
        self.drop = nn.Dropout(drop)

    def forward(self, held: Held, step: int) -> tuple[Tensor, Mapping[str, Tensor], Tensor]:
        shown = self.network(self.drop(held.batch["x"]))
        loss = (shown - held.batch["y"]).square().mean()
        return loss, {"error": loss.sqrt()}, shown


class Doubter(nn.Module):
    """A critic: a line's loss on what the objective made."""

    def __init__(self) -> None:
        super().__init__()
        self.judge = nn.Linear(1, 1)

    def forward(self, held: Held, step: int, shown: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        return (self.judge(shown.detach()) - held.batch["y"]).square().mean(), {}


class LineTask(Task):
    def __init__(
        self,
        inputs: int = 4,
        drop: float = 0.2,
        scores: tuple[float, ...] = (),
        pause: float = 0.0,
        critic: bool = False,
    ) -> None:
        torch.manual_seed(3)
        self.objective = Line(inputs, drop)
        self.network = self.objective.network
        self.critic = Doubter() if critic else None
        self.samples = (8, "rows")
        self.made: list[int] = []
        self.heeded: list[Mapping[str, float]] = []
        self._inputs, self._pause, self._scores = inputs, pause, list(scores)

    def content(self) -> Mapping[str, object]:
        return {"inputs": self._inputs}

    def batches(self, first: int, share: Share) -> Iterator[Batch]:
        return make_ahead(self._make, first * share.world + share.rank, share.world)

    def evaluate(self, network: nn.Module, step: int) -> Evaluation | None:
        if not self._scores:
            return None
        score = self._scores.pop(0)
        return Evaluation({"score": score}, score, f"score {score}")

    def heed(self, figures: Mapping[str, float]) -> None:
        self.heeded.append(figures)

    def _make(self, number: int) -> Batch:
        time.sleep(self._pause)
        self.made.append(number)
        x = torch.randn(8, self._inputs, generator=torch.Generator().manual_seed(number))
        return {"x": x, "y": x.sum(1, keepdim=True)}


def rows(folder: Path, name: str = "loss.csv") -> list[list[str]]:
    with (folder / name).open() as file:
        return list(csv.reader(file))


def weights(outcome: Outcome) -> Tensor:
    return load_checkpoint(outcome.checkpoint)["weights"]["weight"]


def test_learns_and_keeps_the_mean(tmp_path: Path) -> None:
    said: list[str] = []
    outcome = train(LineTask(drop=0), replace(CONFIG, steps=300), tmp_path, tell=said.append)
    assert (outcome.step, outcome.ended) == (300, "done")
    torch.testing.assert_close(weights(outcome), torch.ones(1, 4), atol=0.05, rtol=0)
    assert any("rows/s, waiting for data" in line for line in said)
    assert "bound by" in said[-1]
    stored = load_checkpoint(outcome.checkpoint)
    assert stored["inputs"] == 4
    assert outcome.best == outcome.checkpoint


def test_goes_on_to_the_same_curve_and_weights(tmp_path: Path) -> None:
    whole = train(LineTask(), CONFIG, tmp_path / "whole")
    # Stopped in the middle of a line of the curve, and once more.
    for steps in (10, 13):
        stop = _StopsAt(steps)
        task = LineTask()
        task.watch = stop  # type: ignore[method-assign]
        with pytest.raises(_StopsAt.Stopped):
            train(task, replace(CONFIG, checkpoint_s=0), tmp_path / "parts")
    parts = train(LineTask(), CONFIG, tmp_path / "parts")
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")
    assert torch.equal(weights(parts), weights(whole))


class _StopsAt:
    """Raises after so many steps of one call."""

    class Stopped(Exception):
        pass

    def __init__(self, steps: int) -> None:
        self._left = steps

    def __call__(self, parts: Mapping[str, float]) -> None:
        self._left -= 1
        if self._left < 0:
            raise self.Stopped


SCRIPT = """
    import sys
    from dataclasses import replace
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from test_training_loop import CONFIG, LineTask
    from visavis.training.loop import train
    out = train(
        LineTask(pause={pause}),
        replace(CONFIG, checkpoint_s=0, accumulate={accumulate}),
        Path({folder!r}),
        tell=lambda line: print(line, flush=True),
    )
    print("ended", out.ended, flush=True)
"""


def start(
    tmp_path: Path, folder: Path, *before: str, pause: float = 0.0, accumulate: int = 1
) -> subprocess.Popen[str]:
    script = tmp_path / "script.py"
    values = {"tests": str(Path(__file__).parent), "folder": str(folder)}
    script.write_text(textwrap.dedent(SCRIPT).format(**values, pause=pause, accumulate=accumulate))
    command = [sys.executable, *before, str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"it never said {words!r}")


@pytest.mark.slow
def test_killed_without_warning_it_goes_on_to_the_same_curve(tmp_path: Path) -> None:
    whole = train(LineTask(), CONFIG, tmp_path / "whole")
    with start(tmp_path, tmp_path / "killed", pause=0.1) as process:
        wait_for(process, "step 12/")
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert 11 <= load_checkpoint(tmp_path / "killed" / LAST)["step"] < 24
    went_on = train(LineTask(), CONFIG, tmp_path / "killed")
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    torch.testing.assert_close(weights(went_on), weights(whole), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_sigterm_saves_and_ends(tmp_path: Path) -> None:
    with start(tmp_path, tmp_path / "asked", pause=0.2) as process:
        wait_for(process, "step 4/")
        process.terminate()
        wait_for(process, "ended asked")
    assert process.returncode == 0
    assert 4 <= load_checkpoint(tmp_path / "asked" / LAST)["step"] < 24


@pytest.mark.slow
def test_two_processes_learn_what_one_does_with_twice_the_batch(tmp_path: Path) -> None:
    # Without dropout, whose random numbers are each process's own.
    config = replace(CONFIG, accumulate=2)
    one = train(LineTask(drop=0), config, tmp_path / "one")
    folder = tmp_path / "two"
    script = SCRIPT.replace("LineTask(pause", "LineTask(drop=0, pause")
    (tmp_path / "script.py").write_text(
        textwrap.dedent(script).format(
            tests=str(Path(__file__).parent), folder=str(folder), pause=0, accumulate=1
        )
    )
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
        str(tmp_path / "script.py"),
    ]  # fmt: skip
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=200)
    stored = load_checkpoint(folder / LAST)
    assert stored["step"] == 24
    torch.testing.assert_close(stored["weights"]["weight"], weights(one), rtol=0, atol=1e-5)


def test_accumulated_batches_are_those_of_a_larger_one(tmp_path: Path) -> None:
    task = LineTask(drop=0)
    train(task, replace(CONFIG, steps=3, accumulate=2), tmp_path)
    assert sorted(task.made)[:6] == [0, 1, 2, 3, 4, 5]


def test_best_is_kept_by_score(tmp_path: Path) -> None:
    task = LineTask(scores=(0.2, 0.9, 0.5))
    outcome = train(task, replace(CONFIG, evaluate_every=8), tmp_path)
    assert load_checkpoint(outcome.best)["step"] == 16
    assert load_checkpoint(outcome.best)["figures"] == {"score": 0.9}
    assert outcome.figures == {"score": 0.5}
    assert [row[0] for row in rows(tmp_path, "evaluation.csv")] == ["step", "8", "16", "24"]
    assert {"score": 0.9} in task.heeded


def test_best_is_remembered_after_going_on(tmp_path: Path) -> None:
    train(LineTask(scores=(0.9,)), replace(CONFIG, steps=8), tmp_path)
    task = LineTask(scores=(0.5,))
    outcome = train(task, CONFIG, tmp_path)
    assert load_checkpoint(outcome.best)["step"] == 8
    # What was found before is told again: a recipe may have switched something on by it.
    assert task.heeded[0] == {"score": 0.9}


def test_time_limit_settles_the_steps(tmp_path: Path) -> None:
    said: list[str] = []
    began = time.monotonic()
    task = LineTask(pause=0.02, scores=(0.1,) * 9)
    outcome = train(task, replace(CONFIG, steps=0), tmp_path, tell=said.append, time_limit=3)
    assert time.monotonic() - began < 5
    assert outcome.step > 50
    assert any("steps fit into the time" in line for line in said)
    planned = load_checkpoint(outcome.checkpoint)["steps"]
    assert planned * 0.7 < outcome.step <= planned


def test_time_limit_ends_before_the_steps_do(tmp_path: Path) -> None:
    task = LineTask(pause=0.02)
    outcome = train(task, replace(CONFIG, steps=100_000), tmp_path, time_limit=1.5)
    assert outcome.ended == "time"
    again = train(LineTask(), replace(CONFIG, steps=outcome.step + 2), tmp_path)
    assert (again.step, again.ended) == (outcome.step + 2, "done")


def test_nothing_says_when_it_ends(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither"):
        train(LineTask(), replace(CONFIG, steps=0), tmp_path)


def test_a_loss_that_is_no_number_stops(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="lower learning rate"):
        train(LineTask(drop=0), replace(CONFIG, learning_rate=1e25, clip_norm=0), tmp_path)


def test_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    train(LineTask(), replace(CONFIG, steps=2), tmp_path)
    with pytest.raises(ConfigError, match="another network"):
        train(LineTask(inputs=5), CONFIG, tmp_path)
    (tmp_path / LAST).write_bytes(b"cut")
    with pytest.raises(FileUnreadable, match="not a checkpoint"):
        train(LineTask(), CONFIG, tmp_path)


def test_a_critic_learns_beside_and_goes_on(tmp_path: Path) -> None:
    train(LineTask(critic=True), CONFIG, tmp_path / "whole")
    task = LineTask(critic=True)
    before = {name: value.clone() for name, value in task.critic.state_dict().items()}
    outcome = train(task, replace(CONFIG, steps=200), tmp_path / "longer")
    after = load_checkpoint(outcome.checkpoint)["critic"]
    assert not torch.equal(after["judge.weight"], before["judge.weight"])
    header, *curve = rows(tmp_path / "longer")
    doubts = [float(row[header.index("critic")]) for row in curve]
    assert sum(doubts[-5:]) < 0.7 * sum(doubts[5:10])
    task = LineTask(critic=True)
    task.watch = _StopsAt(9)  # type: ignore[method-assign]
    with pytest.raises(_StopsAt.Stopped):
        train(task, replace(CONFIG, checkpoint_s=0), tmp_path / "parts")
    train(LineTask(critic=True), CONFIG, tmp_path / "parts")
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")


def test_bfloat16_does_not_round_the_batch(tmp_path: Path) -> None:
    seen: list[torch.dtype] = []

    class Looks(Line):
        def forward(self, held: Held, step: int) -> tuple[Tensor, Mapping[str, Tensor], Tensor]:
            seen.append(held.batch["x"].dtype)
            loss, parts, shown = super().forward(held, step)
            seen.append(shown.dtype)
            return loss, parts, shown

    task = LineTask()
    task.objective = Looks(4, 0.0)
    task.network = task.objective.network
    train(task, replace(CONFIG, steps=1, precision="bf16-mixed"), tmp_path)
    assert seen == [torch.float32, torch.bfloat16]


def test_tensorboard_is_written(tmp_path: Path) -> None:
    train(LineTask(scores=(1.0,)), replace(CONFIG, board=True), tmp_path)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [e.step for e in events.Scalars("loss/error")] == [4, 8, 12, 16, 20, 24]
    assert events.Scalars("evaluation/score")[0].value == 1.0


def test_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate_at(step, CONFIG) for step in range(25)]
    assert rates[0] < rates[1] < rates[2] == pytest.approx(0.05)
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert max(rates) == pytest.approx(0.05)
    # While the number of steps is not settled, it stays.
    assert learning_rate_at(1000, replace(CONFIG, steps=0)) == 0.05


@pytest.mark.slow
def test_a_full_disk_is_told_and_the_old_checkpoint_stays(tmp_path: Path) -> None:
    import resource

    train(LineTask(), replace(CONFIG, steps=2), tmp_path)
    before = (tmp_path / LAST).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputUnwritable, match=r"larg|written"):
            train(LineTask(), CONFIG, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (tmp_path / LAST).read_bytes() == before
    assert not list(tmp_path.glob("*.part"))
