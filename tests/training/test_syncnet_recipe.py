"""The expert's recipe, really trained for a few seconds on clips that are made."""

from __future__ import annotations

import csv
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.made_clips import MadeClips

from visavis.evaluation.sync import measure_sync
from visavis.models.common.units import UNIT_INDEX
from visavis.models.syncnet.network import SyncNet, SyncNetConfig
from visavis.training.checkpoint import load_checkpoint
from visavis.training.data.sync_clips import load_sync_clips
from visavis.training.loop import BEST, train
from visavis.training.recipes.syncnet import (
    run,
    syncnet_96,
    syncnet_96_small,
    syncnet_192,
    syncnet_384,
    tiny_syncnet,
)
from visavis.training.sync_judge import embed
from visavis.training.sync_training import SyncTask, SyncTrainConfig
from visavis.training.task import Held, Share

GOLDEN = (1.793, 0.706, 0.550, 0.484)
"""Mean loss of each quarter of the tiny recipe's curve."""


def curve(folder: Path, column: str = "loss") -> list[float]:
    with (folder / "loss.csv").open() as file:
        return [float(row[column]) for row in csv.DictReader(file)]


@pytest.mark.slow
def test_tiny_recipe_follows_the_golden_curve(tiny_expert: Path) -> None:
    losses = curve(tiny_expert)
    quarters = [float(np.mean(part)) for part in np.split(np.array(losses), 4)]
    # Other processors add in another order, and the curves part by some per cent.
    assert quarters == pytest.approx(GOLDEN, rel=0.12)
    assert "24 clips of 4 people, 648 windows" in (tiny_expert / "told.txt").read_text()
    stored = load_checkpoint(tiny_expert / BEST)
    # Of a person that it never saw.
    assert stored["figures"]["auc"] > 0.9
    assert stored["figures"]["found"] > 0.9
    assert stored["figures"]["clips"] == 6
    network = SyncNet(SyncNetConfig(**stored["network"]))
    network.load_state_dict(stored["weights"])
    assert stored["recipe"]["loop"]["steps"] == tiny_syncnet().loop.steps


def test_going_on_gives_the_same_curve(made_clips: MadeClips, tmp_path: Path) -> None:
    config = tiny_syncnet()
    config = replace(config, loop=replace(config.loop, steps=6, log_every=2, evaluate_every=0))
    clips = load_sync_clips(made_clips, "train", config.network.size)
    whole = train(SyncTask(config, clips, []), config.loop, tmp_path / "whole")
    half = replace(config.loop, steps=3)
    train(SyncTask(config, clips, []), half, tmp_path / "parts")
    parts = train(SyncTask(config, clips, []), config.loop, tmp_path / "parts")
    # The first half knew another end of the cosine, within the warm-up, where it does not count.
    assert config.loop.warmup >= 3
    assert curve(tmp_path / "parts") == pytest.approx(curve(tmp_path / "whole"), rel=1e-4)
    first, second = (load_checkpoint(o.checkpoint)["weights"] for o in (whole, parts))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-3, atol=1e-5)


def test_offset_of_a_late_sound_is_corrected_before_judging(tmp_path: Path) -> None:
    """With a network that hears how loud and sees how dark, which is all these clips need."""

    class Obvious(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.nothing = torch.nn.Parameter(torch.zeros(1))

        def encode_face(self, windows: torch.Tensor) -> torch.Tensor:
            dark = (1 - windows.unflatten(1, (5, 3))).mean((2, 3, 4))
            return torch.nn.functional.normalize((dark - dark.mean(0)).relu() + 1e-3, dim=1)

        def encode_audio(self, mel: torch.Tensor) -> torch.Tensor:
            loud = torch.nn.functional.adaptive_avg_pool1d(mel.exp().mean((1, 2))[:, None], 5)[:, 0]
            return torch.nn.functional.normalize((loud - loud.mean(0)).relu() + 1e-3, dim=1)

    late = MadeClips(train=0, val=6, late=4)
    loop = replace(tiny_syncnet().loop, precision="32-true")
    corrected = load_sync_clips(late, "val", 96)
    figures = [
        measure_sync(embed(Obvious(), clip, loop, as_recorded=raw) for clip in corrected)
        for raw in (False, True)
    ]
    assert figures[0].auc > figures[1].auc + 0.1


@pytest.mark.parametrize("recipe", [syncnet_96_small, syncnet_96, syncnet_192, syncnet_384])
def test_recipes_fit_their_networks(recipe: type[SyncTrainConfig]) -> None:
    config = recipe()
    small = replace(
        config, clips=2, windows=2, heard=4, loop=replace(config.loop, precision="32-true")
    )
    size = config.network.size
    clips = load_sync_clips(MadeClips(train=2, val=0, frames=16, size=size), "train", size)
    task = SyncTask(small, clips, [])
    batch = next(task.batches(0, Share()))
    loss, parts, _ = task.objective(Held(batch), 0)
    assert torch.isfinite(loss)
    assert float(parts["scale"].detach()) == pytest.approx(1 / config.temperature, rel=1e-3)
    # What the best checkpoint needs to be read again.
    assert SyncNetConfig(**asdict(config.network)) == config.network


def test_plateau_is_said(made_clips: MadeClips, tmp_path: Path) -> None:
    config = tiny_syncnet()
    loop = replace(config.loop, steps=4, learning_rate=0.0, evaluate_every=0)
    said: list[str] = []
    task = SyncTask(
        replace(config, loop=loop, plateau_steps=2),
        load_sync_clips(made_clips, "train", config.network.size),
        [],
    )
    # A network that says one half to everything.
    task.network.encode_face = lambda w: torch.tensor([[1.0, 0.0]]).expand(len(w), 2) + 0 * w.mean()
    task.network.encode_audio = lambda m: torch.tensor([[0.5, np.sqrt(0.75)]]).expand(len(m), 2)
    train(task, loop, tmp_path, tell=said.append)
    assert sum("0.693" in line for line in said) == 1


def test_sound_meets_landmarks_first_and_the_picture_follows(
    made_clips: MadeClips, tmp_path: Path
) -> None:
    config = replace(
        tiny_syncnet(),
        lips_steps=40,
        lips_weight=1.0,
        read_weight=1.0,
        hidden=64,
        lips_noise=(0.0, 0.0),
    )
    config = replace(config, loop=replace(config.loop, steps=90, evaluate_every=0))
    clips = load_sync_clips(made_clips, "train", config.network.size)
    task = SyncTask(config, clips, [])
    last = task.network.face_encoder[-1].conv_block[0].weight
    before = last.detach().clone()
    train(task, replace(config.loop, steps=40, weight_decay=0.0), tmp_path)
    # Pictures were only read, which ends before the last layer; the sound has met the landmarks.
    torch.testing.assert_close(last.detach(), before)
    lips, read = curve(tmp_path, "lips"), curve(tmp_path, "read")
    assert lips[-1] < 0.8 * lips[0]
    assert read[-1] < 0.8 * read[0]
    assert np.isnan(curve(tmp_path, "sync")).all()
    run(config, made_clips, tmp_path, tell=lambda line: None)
    follow, sync = (np.array(curve(tmp_path, part)[8:]) for part in ("follow", "sync"))
    assert np.isfinite(follow).all()
    assert np.isfinite(sync).all()
    assert follow[-1] < 0.7 * follow[0]
    assert sync[-1] < sync[0]
    stored = load_checkpoint(tmp_path / "last.pt")
    # What is kept is the expert alone.
    assert set(stored["weights"]) == set(task.network.state_dict())


def test_lips_belong_to_their_windows(made_clips: MadeClips) -> None:
    clips = load_sync_clips(made_clips, "train", 96)
    clip, made = clips[0], made_clips.clips[0]
    told = clip.lip_windows(clip.starts).reshape(len(clip.starts), 5, -1)
    opening = made_clips.blendshapes(made)[:, UNIT_INDEX["jawOpen"]]
    jaw = 84 + 2  # after 42 landmarks and two other units of the jaw
    for row, start in enumerate(clip.starts):
        seen = np.corrcoef(told[row, :, jaw], opening[start : start + 5])[0, 1]
        assert seen == pytest.approx(1.0, abs=1e-4) or np.ptp(opening[start : start + 5]) < 1e-6
    # Landmarks that never move and units that are never used say nothing.
    others = np.delete(told, jaw, axis=-1)
    assert np.abs(others).max() < 0.01
