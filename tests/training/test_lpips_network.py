from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from visavis.core.errors import ChecksumMismatch
from visavis.models.lpips.network import Features, Lpips, load_lpips, read_weights


@pytest.mark.assets
def test_weights_are_those_that_are_known() -> None:
    # The first numbers of torchvision's models.
    alexnet, vgg16 = (load_lpips(name) for name in ("alexnet", "vgg16"))
    first = alexnet.features.convolutions[0]
    wanted = torch.tensor([0.11864, 0.094069, 0.095435])
    torch.testing.assert_close(first.weight[0, 0, 0, :3], wanted, atol=1e-5, rtol=0)
    first = vgg16.features.convolutions[0]
    wanted = torch.tensor([[-0.55373, 0.14270, 0.52896], [-0.58312, 0.35655, 0.76566]])
    torch.testing.assert_close(first.weight[0, 0, :2], wanted, atol=1e-4, rtol=0)
    for metric in (alexnet, vgg16):
        assert all(float(head.weight.min()) >= 0 for head in metric.heads)
        assert not any(p.requires_grad for p in metric.parameters())


@pytest.mark.assets
@pytest.mark.parametrize("backbone", ["alexnet", "vgg16"])
def test_distance_grows_with_the_difference(backbone: str) -> None:
    metric = load_lpips(backbone)  # type: ignore[arg-type]
    torch.manual_seed(0)
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 9, 9), (96, 96), mode="bicubic")
    picture = picture.clamp(0, 1)
    noise = torch.randn_like(picture)
    distances = [
        float(metric(picture, (picture + s * noise).clamp(0, 1))) for s in (0, 0.02, 0.1, 0.3)
    ]
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert distances == sorted(distances)
    assert distances[-1] > 0.2
    other = picture.flip(3)
    assert float(metric(picture, other)) == pytest.approx(float(metric(other, picture)), abs=1e-6)


def test_a_batch_is_measured_picture_by_picture() -> None:
    torch.manual_seed(0)
    metric = Lpips().eval()
    one, other = torch.rand(3, 3, 64, 64), torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        whole = metric(one, other)
        parts = torch.cat([metric(one[i : i + 1], other[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(whole, parts, atol=1e-5, rtol=1e-4)


def test_features_are_taken_after_the_layers_of_the_paper() -> None:
    shapes = [tuple(f.shape[1:]) for f in Features("vgg16")(torch.rand(1, 3, 64, 64))]
    assert shapes == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8), (512, 4, 4)]
    shapes = [tuple(f.shape[1:]) for f in Features("alexnet")(torch.rand(1, 3, 64, 64))]
    assert shapes == [(64, 15, 15), (192, 7, 7), (384, 3, 3), (256, 3, 3), (256, 3, 3)]
    assert len(Features("vgg16")(torch.rand(1, 3, 32, 32), depth=3)) == 3


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (print, ("it ran",))

    path = tmp_path / "alexnet.ckpt"
    path.write_bytes(pickle.dumps({"AlexNet_0": Evil()}))
    with pytest.raises(ChecksumMismatch, match="no need of"):
        read_weights(path)
