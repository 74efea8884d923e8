from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from visavis.models.audio2mouth import predictor
from visavis.models.audio2mouth.network import Config, MouthNet
from visavis.training.checkpoint import load_checkpoint
from visavis.training.data.mouth_clips import MouthClips, stack
from visavis.training.data.speech_corpus import Utterance
from visavis.training.loop import train
from visavis.training.recipes.audio2mouth import (
    MouthTask,
    TrainConfig,
    base,
    mouth_loss,
    smoke,
)


def run(config: TrainConfig, utterances: list[Utterance], out: Path) -> Path:
    return train(MouthTask(config, utterances), config.loop, out).checkpoint


def losses(folder: Path) -> list[float]:
    with (folder / "loss.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def test_predictor_gives_the_network_what_it_needs() -> None:
    config = Config()
    assert (config.left, config.right) == (predictor.LEFT, predictor.RIGHT)
    net = MouthNet(config).eval()
    out = net(torch.zeros(2, 4 * (config.left + config.right + 5), 80))
    assert out.shape == (2, 5, 13)
    assert sum(p.numel() for p in net.parameters()) < 1_000_000


def test_chunks_equal_the_whole() -> None:
    config = Config(width=16)
    net = MouthNet(config).eval()
    features = torch.randn(1, 4 * (config.left + config.right + 20), 80)
    whole = net(features)
    for first in range(0, 20, 4):
        part = net(features[:, 4 * first : 4 * (first + 4 + config.left + config.right)])
        torch.testing.assert_close(part, whole[:, first : first + 4])


def test_training_learns_and_can_be_interrupted(tmp_path: Path, bursts: Utterance) -> None:
    config = smoke()
    run(config, [bursts], tmp_path / "whole")
    curve = losses(tmp_path / "whole")
    assert curve[-1] < 0.8 * curve[0]

    # The learning rate's curve depends on the number of steps, so the halves keep it.
    class Stopped(Exception):
        pass

    seen = 0

    def stop(parts: Mapping[str, float]) -> None:
        nonlocal seen
        seen += 1
        if seen == 7:
            raise Stopped

    interrupted = MouthTask(config, [bursts])
    interrupted.watch = stop  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        train(interrupted, replace(config.loop, checkpoint_s=0.0), tmp_path / "halves")
    run(config, [bursts], tmp_path / "halves")
    assert losses(tmp_path / "halves") == curve
    first = load_checkpoint(tmp_path / "whole" / "last.pt")["weights"]
    second = load_checkpoint(tmp_path / "halves" / "last.pt")["weights"]
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-4, atol=1e-6)


def test_loss_falls_to_nothing_only_at_the_target(bursts: Utterance) -> None:
    config = base()
    clips = MouthClips([bursts], 25, 48, 4, 0)
    batch = tuple(torch.from_numpy(a) for a in stack([clips.make(1), clips.make(2)]))
    features, mouth, speaking = batch

    class Fixed(torch.nn.Module):
        def __init__(self, mouth: torch.Tensor) -> None:
            super().__init__()
            self.mouth = mouth

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            speech = torch.where(speaking > 0, 20.0, -20.0)
            return torch.cat([torch.logit(self.mouth, eps=1e-6), speech[..., None]], dim=-1)

    right, _ = mouth_loss(Fixed(mouth), (features, mouth, speaking), config)
    wrong, _ = mouth_loss(Fixed(mouth.roll(5, dims=1)), (features, mouth, speaking), config)
    assert right < 1e-3
    assert wrong > 0.02


def test_exported_network_gives_the_same_numbers(tmp_path: Path, bursts: Utterance) -> None:
    pytest.importorskip("onnx")
    import onnxruntime

    from visavis.models.audio2mouth.export import TOLERANCE, export

    config = smoke()
    checkpoint = run(config, [bursts], tmp_path)
    assert export(checkpoint, tmp_path / "net.onnx") < TOLERANCE
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    rows = 4 * (config.network.left + config.network.right + 3)
    (found,) = session.run(None, {"features": np.zeros((1, rows, 80), np.float32)})
    assert found.shape == (1, 3, 13)
