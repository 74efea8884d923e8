"""An exported lip generator, or expert, learns on from what it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from conformance.lip_generator import TINY, write_tiny_generator
from visavis.core.errors import ChecksumMismatch, InputError, MissingWeights
from visavis.models.common.graph_restore import settle_norms
from visavis.models.common.network_card import read_network_card, write_network_card
from visavis.models.syncnet.network import (
    SYNCNET_96,
    SYNCNET_96_SMALL,
    SyncNet,
    SyncNetConfig,
)
from visavis.models.wav2lip.export import export
from visavis.models.wav2lip.predictor import Wav2LipPredictor
from visavis.models.wav2lip.restore import restore


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_generator(tmp_path / "exported")


def examples(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 255, (count, 24, 24, 3), np.uint8)
    return faces, rng.uniform(-4, 4, (count, 80, 16)).astype(np.float32)


def as_tensors(faces: np.ndarray, mel: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    both = np.concatenate([faces, faces], 3).transpose(0, 3, 1, 2).astype(np.float32) / 255
    both[:, :3, 12:] = 0
    return torch.from_numpy(mel)[:, None], torch.from_numpy(both)


def draw(folder: Path, faces: np.ndarray, mel: np.ndarray) -> np.ndarray:
    predictor = Wav2LipPredictor(folder, runtime="onnxruntime")
    return predictor.render(predictor.encode(faces), mel)[:, predictor.top :].astype(float)


@torch.no_grad()
def draw_torch(network: torch.nn.Module, faces: np.ndarray, mel: np.ndarray) -> np.ndarray:
    drawn = network(*as_tensors(faces, mel)).permute(0, 2, 3, 1).numpy() * 255
    return np.asarray(drawn[:, 9:].round())


def test_it_draws_what_the_exported_one_draws(folder: Path) -> None:
    faces, mel = examples(4)
    wanted = draw(folder, faces, mel)
    assert wanted.std() > 10, "there is something to see"
    network = restore(folder, [TINY])
    assert np.abs(draw_torch(network, faces, mel) - wanted).max() <= 1


def test_exported_again_it_is_the_same(folder: Path, tmp_path: Path) -> None:
    faces, mel = examples(3)
    again = tmp_path / "again"
    export(restore(folder, [TINY]), again, "fp32")
    assert np.abs(draw(again, faces, mel) - draw(folder, faces, mel)).max() <= 1


def test_its_norms_see_training_as_they_see_use(folder: Path) -> None:
    faces, mel = examples(16)
    network = restore(folder, [TINY])
    before = draw_torch(network, faces, mel)
    untold = restore(folder, [TINY]).train()
    settle_norms(network, lambda: network(*as_tensors(faces, mel)))
    assert np.abs(draw_torch(network, faces, mel) - before).max() <= 1
    settled, unsettled = (
        np.abs(draw_torch(n, faces, mel) - before).mean() for n in (network.train(), untold)
    )
    assert settled < 1
    assert unsettled > 5 * settled


@pytest.mark.parametrize("config", [SYNCNET_96_SMALL, SYNCNET_96], ids=["small", "published"])
def test_an_expert_judges_as_the_exported_one_does(config: SyncNetConfig, tmp_path: Path) -> None:
    from visavis.models.syncnet import export as syncnet_export
    from visavis.models.syncnet import restore as syncnet_restore

    torch.manual_seed(0)
    expert = SyncNet(config)
    windows, mel = torch.rand(6, 15, 48, 96), torch.rand(6, 1, 80, 16) * 8 - 4
    with torch.no_grad():
        expert(windows, mel)
    syncnet_export.export(expert.eval(), tmp_path, "fp16")
    restored = syncnet_restore.restore(tmp_path)
    assert restored.config == config
    with torch.no_grad():
        wanted = torch.cat([expert.encode_face(windows), expert.encode_audio(mel)])
        found = torch.cat([restored.encode_face(windows), restored.encode_audio(mel)])
    assert float((wanted - found).abs().max()) < 5e-3


def test_what_cannot_learn_on_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingWeights):
        restore(tmp_path)
    with pytest.raises(ChecksumMismatch, match="other layers"):
        restore(folder)
    card = read_network_card(folder, "wav2lip")
    write_network_card(folder, {**card, "size": 96})
    with pytest.raises(ChecksumMismatch, match="other layers"):
        restore(folder)
    write_network_card(folder, {**card, "precision": "int8"})
    with pytest.raises(InputError, match="8 bits"):
        restore(folder, [TINY])
