"""The generator's recipe, really trained for a minute on clips that are made."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from tests.training.made_clips import MadeClips
from torch import nn

from visavis.core.errors import ConfigError
from visavis.media.lip_crop import light_of
from visavis.media.picture import read_picture
from visavis.models.common.network_card import read_network_card
from visavis.models.wav2lip.export import load_network
from visavis.training import lip_training
from visavis.training.checkpoint import load_checkpoint
from visavis.training.data.lip_augmentation import to_pictures
from visavis.training.lip_judge import COMPARED
from visavis.training.lip_training import LipObjective, LipTask, LipTrainConfig, draw, join_face
from visavis.training.loop import LAST, train
from visavis.training.losses import lip_sync
from visavis.training.recipes.catalogue import find_recipe
from visavis.training.recipes.wav2lip import (
    export_recipe,
    run,
    tiny_wav2lip,
    wav2lip_96,
    wav2lip_96_small,
    wav2lip_192,
    wav2lip_192_gpu,
    wav2lip_192_small,
    wav2lip_384,
)
from visavis.training.task import Held, Share

GOLDEN = (0.0780, 0.0283, 0.0274, 0.0246)
"""Mean absolute error of each quarter of the tiny recipe's curve."""


def curve(folder: Path, column: str) -> list[float]:
    with (folder / "loss.csv").open() as file:
        return [float(row[column]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def trained(made_clips: MadeClips, tiny_expert: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny_wav2lip")
    run(replace(tiny_wav2lip(), expert=str(tiny_expert)), made_clips, folder, tell=print)
    return folder


@pytest.mark.slow
@pytest.mark.assets
def test_tiny_recipe_follows_the_golden_curve_and_its_lips_fit_the_sound(trained: Path) -> None:
    losses = np.array(curve(trained, "l1"))
    quarters = [float(np.mean(part)) for part in np.split(losses, 4)]
    assert quarters == pytest.approx(GOLDEN, rel=0.2)
    figures = load_checkpoint(trained / LAST)["figures"]
    # Of a person that it never saw, with this person's sound and with another clip's.
    assert figures["sync_own"] > 0.8
    assert figures["sync_crossed"] > 0.8
    assert figures["crossed_in_time"] == 1
    assert figures["mouth_psnr"] > 20
    assert figures["l1"] < 0.03
    assert 0 < figures["lpips"] < 0.5
    with (trained / "evaluation.csv").open() as file:
        steps = [row["step"] for row in csv.DictReader(file)]
    assert steps == ["80", "160"]


@pytest.mark.slow
@pytest.mark.assets
def test_samples_are_pictures_and_a_video_with_sound(trained: Path) -> None:
    sheet = read_picture(trained / "samples" / "step_000160.png", largest_side=4000)
    assert sheet.shape[1] == 6 * COMPARED
    with av.open(str(trained / "samples" / "step_000160.mp4")) as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (768, 384)
        frames = sum(1 for _ in video.decode(video=0))
        # Three clips, with two sounds each.
        assert frames == 6 * 31
    with av.open(str(trained / "samples" / "step_000160.mp4")) as video:
        loud = max(float(np.abs(f.to_ndarray()).max()) for f in video.decode(audio=0))
        assert loud > 0.05


@pytest.mark.slow
@pytest.mark.assets
def test_what_is_kept_can_be_exported(trained: Path, made_clips: MadeClips, tmp_path: Path) -> None:
    network = load_network(trained / LAST)
    assert replace(network.config, light=(), detail=0) == tiny_wav2lip().network
    find_recipe("tiny-wav2lip").export(trained / LAST, tmp_path / "exported")
    learnt = [made_clips.frames(clip, [0])[0] for clip in made_clips.clips if clip.split == "train"]
    card = read_network_card(tmp_path / "exported", "wav2lip")
    assert card["light"] == pytest.approx(light_of(np.stack(learnt)), abs=0.6)
    assert card["detail"] == learnt[0].shape[1]
    names = {path.name for path in (tmp_path / "exported").iterdir()}
    assert {"face_encoder.onnx", "audio_encoder.onnx", "decoder.onnx", "network.json"} <= names


def small(config: LipTrainConfig, **changes: object) -> LipTrainConfig:
    loop = replace(config.loop, steps=4, warmup=1, log_every=2, evaluate_every=0, evaluate_s=0)
    plain = {"sync_weight": 0.0, "ear_weight": 0.0, "lpips_weight": 0.0, "batch": 2, **changes}
    return replace(config, loop=replace(loop, board=False, device="cpu"), **plain)  # type: ignore[arg-type]


def test_going_on_gives_the_same_curve_with_a_critic(tmp_path: Path) -> None:
    store = MadeClips(train=6, val=0)
    config = small(tiny_wav2lip(), critic_weight=0.05)
    whole = run(config, store, tmp_path / "whole", tell=print)
    stop = replace(config, loop=replace(config.loop, checkpoint_s=0))
    task = LipTask(stop, store, tmp_path / "parts")
    seen = []

    class Stopped(Exception):
        pass

    def watch(parts) -> None:
        seen.append(parts)
        if len(seen) == 3:
            raise Stopped

    task.watch = watch  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        train(task, stop.loop, tmp_path / "parts")
    assert {"l1", "fool", "critic", "critic_right"} <= set(seen[0])
    parts = run(config, store, tmp_path / "parts", tell=print)
    for column in ("loss", "l1", "fool", "critic"):
        found, wanted = curve(tmp_path / "parts", column), curve(tmp_path / "whole", column)
        assert found == pytest.approx(wanted, rel=1e-3)
    first, second = (load_checkpoint(o.checkpoint) for o in (whole, parts))
    for name, value in first["critic"].items():
        torch.testing.assert_close(second["critic"][name], value, rtol=1e-3, atol=1e-5)


def test_sync_is_switched_on_by_what_an_evaluation_finds(tiny_expert: Path, tmp_path: Path) -> None:
    store = MadeClips(train=4, val=0)
    config = small(tiny_wav2lip(), sync_weight=0.03, expert=str(tiny_expert))
    task = LipTask(config, store, tmp_path)
    batch = Held(next(task.batches(0, Share())))
    assert "sync" not in task.objective(batch, 0)[1]
    task.heed({"sync_loss": 0.9})
    assert "sync" not in task.objective(batch, 0)[1]
    task.heed({"sync_loss": 0.7})
    loss, parts, _ = task.objective(batch, 0)
    wanted = parts["l1"] + 0.03 * parts["sync"]
    torch.testing.assert_close(loss, wanted)
    # It stays on, and a checkpoint knows.
    task.heed({"sync_loss": 0.9})
    assert task.objective.state_dict()["sync_on"]
    assert not any(
        name.startswith("expert.") and not name.startswith(task.frozen)
        for name in task.objective.state_dict()
    )
    always = LipTask(replace(config, sync_start="always"), store, tmp_path)
    assert "sync" in always.objective(batch, 0)[1]


def test_ear_learns_what_the_expert_hears(tiny_expert: Path, tmp_path: Path) -> None:
    config = small(tiny_wav2lip(), ear_weight=0.5, expert=str(tiny_expert))
    loop = replace(config.loop, steps=30, learning_rate=3e-3)
    store = MadeClips(train=6, val=0)
    outcome = run(replace(config, loop=loop, batch=6), store, tmp_path, tell=print)
    ear = curve(tmp_path, "ear")
    assert ear[-1] < 0.6 * ear[0]
    assert "sync" not in (tmp_path / "loss.csv").read_text().splitlines()[0]
    # What told it is thrown away.
    wanted = LipTask(small(tiny_wav2lip()), store, tmp_path).network.state_dict()
    assert set(load_checkpoint(outcome.checkpoint)["weights"]) == set(wanted)


def test_ear_is_the_experts_to_begin_with(tmp_path: Path) -> None:
    """The one that comes with visavis, whose norms were folded away."""
    config = small(wav2lip_96_small())
    task = LipTask(config, MadeClips(train=8, val=0, size=96), tmp_path)
    expert = lip_sync.load_expert("").network
    mel = torch.from_numpy(next(task.batches(0, Share()))["mel"].numpy()).flatten(0, 1)[:, None]
    with torch.no_grad():
        heard = task.network.eval().encode_audio(mel).flatten(1)
        wanted = expert.encode_audio(mel)
        torch.testing.assert_close(
            nn.functional.normalize(heard, dim=1), wanted, atol=1e-3, rtol=1e-2
        )
        # While it learns, norms divide by what a batch shows: near it.
        near = nn.functional.normalize(task.network.train().encode_audio(mel).flatten(1), dim=1)
    assert (near * wanted).sum(1).mean() > 0.9


@pytest.fixture
def few_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outer layers are fitted on less than for real."""
    monkeypatch.setattr(lip_training, "_EXAMPLES", 24)
    monkeypatch.setattr(lip_training, "_WINDOWS", 16)


@pytest.mark.usefixtures("few_windows")
def test_generator_grows_from_one_of_half_the_width(tmp_path: Path) -> None:
    store = MadeClips(train=4, val=0, size=96)
    first = run(small(wav2lip_96_small()), store, tmp_path / "96", tell=print)
    config = small(wav2lip_192_small(), start=str(first.checkpoint), growing_steps=1)
    task = LipTask(config, store, tmp_path / "192")
    begun = load_network(first.checkpoint).face_decoder_blocks[2].state_dict()
    for name, value in task.network.face_decoder_blocks[2].state_dict().items():
        # Norms expect what they see, and change nothing by it.
        if value.ndim > 1:
            torch.testing.assert_close(value, begun[name])
    # What goes on does not need it any more.
    run(config, store, tmp_path / "192", tell=print)
    first.checkpoint.unlink()
    run(config, store, tmp_path / "192", tell=print)


@pytest.mark.usefixtures("few_windows")
def test_what_has_grown_begins_as_what_the_smaller_one_was(tmp_path: Path) -> None:
    whole = small(tiny_wav2lip())
    network = whole.network
    face = (((8, 7, 1, 3),), *network.face[2:])
    half = replace(network, size=24, face=face, decoder=network.decoder[:-1])
    loop = replace(whole.loop, steps=40, learning_rate=4e-3)
    store = MadeClips(train=4, val=0)
    learnt = replace(whole, network=half, top=8, loop=loop)
    first = run(learnt, store, tmp_path / "24", tell=print).checkpoint
    grown = replace(whole, start=str(first), growing_steps=30)
    task = LipTask(grown, store, tmp_path / "48")
    batch = task._make(9)
    pictures, references = (
        to_pictures(batch["frames"])[:, 0],
        to_pictures(batch["references"])[:, 0],
    )
    large, mel = join_face(pictures, references), batch["mel"][:, 0, None]
    with torch.no_grad():
        given = task.network.eval()(mel, large)
        wanted = load_network(first)(mel, nn.functional.avg_pool2d(large, 2))
    apart = (nn.functional.avg_pool2d(given, 2) - wanted)[:, :, 12:-2, 2:-2]
    assert apart.abs().mean() < 0.02
    assert float(apart.square().mean() / wanted[:, :, 12:-2, 2:-2].var()) < 0.1

    # The same width goes on with the same function, and what was exported will do as well as the checkpoint.
    exported = tmp_path / "exported"
    export_recipe(first, exported)
    same = LipTask(replace(learnt, start=str(exported)), store, tmp_path / "same")
    with torch.no_grad():
        again = same.network.eval()(mel, nn.functional.avg_pool2d(large, 2))
    torch.testing.assert_close(again, wanted, atol=5e-3, rtol=0)


def test_still_norms_learn_nothing_new(tmp_path: Path) -> None:
    store = MadeClips(train=4, val=0)
    first = run(small(tiny_wav2lip()), store, tmp_path / "first", tell=print).checkpoint
    config = small(tiny_wav2lip(), start=str(first), still_norms=True)
    begun = LipTask(config, store, tmp_path / "task").network.state_dict()
    learnt = load_network(run(config, store, tmp_path / "still", tell=print).checkpoint)
    means = [name for name in begun if name.endswith(("running_mean", "running_var"))]
    assert means
    for name, value in learnt.state_dict().items():
        if name in means:
            torch.testing.assert_close(value, begun[name], rtol=0, atol=0)
    kernel = "output_block.0.conv_block.0.weight"
    assert not torch.equal(learnt.state_dict()[kernel], begun[kernel])


def test_ear_of_other_layers_is_refused(tiny_expert: Path, tmp_path: Path) -> None:
    config = small(tiny_wav2lip(), hears_as_expert=True, expert=str(tiny_expert))
    with pytest.raises(ConfigError, match="other layers"):
        LipTask(config, MadeClips(train=4, val=0), tmp_path)


def test_without_an_expert_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lip_sync, "ASSET", "no-such-expert")
    with pytest.raises(ConfigError, match="train one"):
        LipTask(small(tiny_wav2lip(), sync_weight=0.03), MadeClips(train=2, val=0), tmp_path)


@pytest.mark.parametrize(
    "recipe", [wav2lip_96, wav2lip_192, wav2lip_384, wav2lip_192_gpu, wav2lip_192_small]
)
def test_recipes_fit_their_networks(recipe, tmp_path: Path) -> None:
    config = small(recipe(), batch=1)
    store = MadeClips(train=2, val=0, size=192)
    task = LipTask(config, store, tmp_path)
    batch = next(task.batches(0, Share()))
    loss, _, (made, real) = task.objective(Held(batch), 0)
    size = config.network.size
    assert made.shape == real.shape == (5, 3, size // 2, size)
    assert torch.isfinite(loss)


def test_rows_that_are_drawn_are_those_of_the_whole() -> None:
    torch.manual_seed(0)
    config = tiny_wav2lip()
    task_network = LipTask(small(config), MadeClips(train=2, val=0), Path()).network.eval()
    mel, face = torch.rand(2, 1, 80, 16), torch.rand(2, 6, 48, 48)
    with torch.no_grad():
        whole = task_network(mel, face)
        part = draw(task_network, task_network.encode_audio(mel), face, config.top)
    torch.testing.assert_close(part, whole[:, :, config.top :], atol=1e-5, rtol=1e-4)


def test_lower_half_of_the_frame_is_hidden_and_of_the_reference_not() -> None:
    frames, references = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    face = join_face(frames, references)
    assert face[:, :3, 4:].abs().max() == 0
    assert torch.equal(face[:, :3, :4], frames[:, :, :4])
    assert torch.equal(face[:, 3:], references)


def test_objective_does_not_hold_the_critics_weights() -> None:
    store = MadeClips(train=2, val=0)
    task = LipTask(small(tiny_wav2lip(), critic_weight=0.05), store, Path())
    assert isinstance(task.objective, LipObjective)
    assert not any("critic" in name for name in task.objective.state_dict())
