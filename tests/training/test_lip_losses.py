"""The frozen expert, the critic and the perceptual losses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from visavis.core.errors import ConfigError, FileUnreadable
from visavis.models.syncnet.export import export, load_network
from visavis.models.syncnet.network import SYNCNET_96_SMALL, SyncNet
from visavis.training.checkpoint import save_checkpoint
from visavis.training.losses import lip_sync
from visavis.training.losses.lip_sync import FrozenExpert, fit_windows, load_expert
from visavis.training.losses.perceptual import PerceptualLoss, enlarge
from visavis.training.losses.quality_critic import CriticObjective, QualityCritic, fool
from visavis.training.task import Held


@pytest.fixture(scope="module")
def expert() -> FrozenExpert:
    torch.manual_seed(0)
    return FrozenExpert(SyncNet(SYNCNET_96_SMALL))


def test_expert_judges_and_does_not_learn(expert: FrozenExpert) -> None:
    frames = torch.rand(2, 5, 3, 48, 96, requires_grad=True)
    mel = torch.rand(2, 80, 16)
    before = {name: value.clone() for name, value in expert.state_dict().items()}
    parent = torch.nn.ModuleList([expert]).train()
    loss = parent[0](frames, mel)
    loss.backward()
    assert frames.grad is not None
    assert frames.grad.abs().max() > 0
    assert not expert.network.training
    assert all(p.grad is None for p in expert.parameters())
    for name, value in expert.state_dict().items():
        assert torch.equal(value, before[name]), name
    cosine = expert.network(frames.flatten(1, 2), mel[:, None]).detach()
    assert float(loss.detach()) == pytest.approx(
        float(-(1e-4 + 0.9998 * cosine).log().mean()), rel=1e-4
    )


def test_windows_are_fitted_to_the_expert(expert: FrozenExpert) -> None:
    frames = torch.rand(1, 5, 3, 96, 192)
    fitted = fit_windows(frames, 96)
    assert fitted.shape == (1, 15, 48, 96)
    # Areas, not single pixels: what is finer than the expert's pixels is averaged.
    assert fitted.std() < 0.7 * frames.std()
    assert fit_windows(frames, 192).equal(frames.flatten(1, 2))
    assert float(expert(frames, torch.rand(1, 80, 16))) > 0


def test_expert_is_read_from_a_checkpoint_or_an_export(
    expert: FrozenExpert, tmp_path: Path
) -> None:
    from dataclasses import asdict

    content = {"network": asdict(SYNCNET_96_SMALL), "weights": expert.network.state_dict()}
    save_checkpoint(tmp_path / "best.pt", content)
    frames, mel = torch.rand(1, 5, 3, 48, 96), torch.rand(1, 80, 16)
    wanted = expert.cosine(frames, mel)
    assert torch.equal(load_expert(tmp_path).cosine(frames, mel), wanted)
    assert torch.equal(load_expert(str(tmp_path / "best.pt")).cosine(frames, mel), wanted)
    export(load_network(tmp_path / "best.pt"), tmp_path / "exported", "fp32")
    exported = load_expert(tmp_path / "exported").cosine(frames, mel)
    torch.testing.assert_close(exported, wanted, atol=1e-4, rtol=0)


def test_what_is_no_expert_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lip_sync, "ASSET", "no-such-expert")
    with pytest.raises(ConfigError, match="train one"):
        load_expert("")
    with pytest.raises(FileUnreadable, match="no checkpoint"):
        load_expert(tmp_path)
    save_checkpoint(tmp_path / "best.pt", {"network": {"width": 3}, "weights": {}})
    with pytest.raises(ConfigError, match="not a checkpoint of a lip-sync expert"):
        load_expert(tmp_path)


@pytest.mark.parametrize("size", [48, 96, 192, 384])
def test_critic_sees_lower_halves_of_any_size(size: int) -> None:
    assert QualityCritic(size, width=4)(torch.rand(2, 3, size // 2, size)).shape == (2,)


def test_critic_and_who_fools_it_pull_opposite_ways() -> None:
    torch.manual_seed(1)
    critic = QualityCritic(96, width=4)
    objective = CriticObjective(critic)
    made = torch.rand(4, 3, 48, 96).requires_grad_()
    real = torch.rand(4, 3, 48, 96).round()
    optimizer = torch.optim.Adam(critic.parameters(), 3e-4)
    for _ in range(120):
        loss, parts = objective(Held({}), 0, (made, real))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert made.grad is None
    assert float(loss.detach()) < 0.2
    assert float(parts["critic_right"]) == 1
    assert float(fool(critic, made).detach()) > 1
    assert float(fool(critic, real).detach()) < 0.5


@pytest.mark.assets
@pytest.mark.parametrize("backbone", ["alexnet", "vgg16"])
def test_perceptual_loss_tells_blur_from_sharp(backbone: str) -> None:
    looks = PerceptualLoss(backbone)  # type: ignore[arg-type]
    torch.manual_seed(2)
    coarse = torch.rand(2, 3, 8, 16)
    real = torch.nn.functional.interpolate(coarse, (48, 96), mode="nearest")
    slightly, strongly = (
        torch.nn.functional.avg_pool2d(real, size, 1, size // 2) for size in (3, 9)
    )
    same = looks(real, real)
    assert float(same.lpips) == pytest.approx(0, abs=1e-6)
    assert float(same.features) == 0
    near, far = looks(slightly, real), looks(strongly, real)
    assert 0.01 < float(near.lpips) < float(far.lpips)
    assert 0 < float(near.features) < float(far.features)
    slightly.requires_grad_()
    (looks(slightly, real).lpips + looks(slightly, real).features).backward()
    assert slightly.grad is not None
    assert torch.isfinite(slightly.grad).all()
    assert slightly.grad.abs().max() > 0


def test_small_pictures_are_enlarged_in_proportion() -> None:
    assert enlarge(torch.rand(1, 3, 24, 48)).shape == (1, 3, 64, 128)
    assert enlarge(torch.rand(1, 3, 96, 192)).shape == (1, 3, 96, 192)
