"""FID's Inception without torch: the published file's own features, and nothing of it is run."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from visavis.core.errors import ChecksumMismatch, FileUnreadable, MissingWeights
from visavis.core.types import Floats, Picture
from visavis.models import runtime
from visavis.models.assets import locate
from visavis.models.inception.graph import FEATURES, PICTURES, write_graph
from visavis.models.inception.predictor import InceptionFeatures
from visavis.models.inception.torchscript import Layer, read_layers
from visavis.stages.avatars import store


@pytest.fixture(scope="module")
def features() -> InceptionFeatures:
    return InceptionFeatures(threads=1)


@pytest.fixture(scope="module")
def layers() -> dict[str, Layer]:
    return read_layers(locate("inception"))


def by_torch(pictures: list[Floats]) -> Floats:
    """What the published file itself gives of pictures of 299x299."""
    with warnings.catch_warnings():
        # PyTorch has another format by now.
        warnings.simplefilter("ignore", DeprecationWarning)
        network = torch.jit.load(str(locate("inception"))).eval()
    taken = torch.from_numpy((np.stack(pictures) - 128) / 128).permute(0, 3, 1, 2)
    with torch.no_grad():
        return np.asarray(network(taken).numpy())


def shrunk(picture: Picture) -> Floats:
    """299x299 as TensorFlow 1 did it, by hand: pixel i is what lies at i x side / 299."""
    found = picture.astype(np.float64)
    for axis in (0, 1):
        at = np.arange(299) * picture.shape[axis] / 299
        below = np.floor(at).astype(int)
        above = np.minimum(below + 1, picture.shape[axis] - 1)
        part = (at - below).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        found = (1 - part) * found.take(below, axis) + part * found.take(above, axis)
    return found.astype(np.float32)


@pytest.mark.assets
def test_features_are_those_of_the_published_file(features: InceptionFeatures) -> None:
    face = np.ascontiguousarray(store.load("mei").frames[0][60:600, 100:630, :3])
    noise = np.random.default_rng(0).integers(0, 256, (97, 131, 3), np.uint8)
    wanted = by_torch([shrunk(face), shrunk(noise)])
    found = np.concatenate([features.embed(face[None]), features.embed(noise[None])])
    assert found.shape == (2, 2048)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=5e-4)
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (found, wanted)]
    assert (unit[0] * unit[1]).sum(1).min() > 1 - 1e-6
    assert 3 < wanted.max() < 10
    # They are quite other pictures.
    assert float(unit[0][0] @ unit[0][1]) < 0.8


@pytest.mark.assets
def test_each_picture_keeps_its_place(features: InceptionFeatures) -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (9, 12, 10, 3), np.uint8)
    whole = features.embed(pictures)
    np.testing.assert_allclose(whole[[0, 8]], features.embed(pictures[[0, 8]]), atol=1e-4)
    assert np.abs(whole[0] - whole[8]).max() > 0.1
    assert features.embed(pictures[:0]).shape == (0, 2048)
    assert features.network == "Inception-v3 of FID, SHA-256 7ff4a85c3a6378f0"


@pytest.mark.assets
def test_openvino_gives_the_same(features: InceptionFeatures, layers: dict[str, Layer]) -> None:
    pictures = np.random.default_rng(2).integers(0, 256, (1, 40, 30, 3), np.uint8)
    network = runtime.load(write_graph(layers), runtime="openvino", threads=1, precision="fp32")
    found = network.run({PICTURES: pictures})[FEATURES]
    np.testing.assert_allclose(found, features.embed(pictures), atol=1e-3)


@pytest.mark.assets
def test_another_network_is_refused(layers: dict[str, Layer]) -> None:
    assert len(layers) == 94
    more = {**layers, "net.layers.fc": layers["net.layers.conv"]}
    with pytest.raises(ChecksumMismatch, match=r"has no layer net\.layers\.fc"):
        write_graph(more)
    less = {name: layer for name, layer in layers.items() if name != "net.layers.mixed_4.conv"}
    with pytest.raises(ChecksumMismatch, match=r"mixed_4\.conv .*is not there"):
        write_graph(less)


class Plain(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Conv2d(2, 3, (1, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


def save(path: Path, network: torch.nn.Module) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(network).save(str(path))
    return path


def test_layers_come_back(tmp_path: Path) -> None:
    network = Plain()
    (place, layer), *others = read_layers(save(tmp_path / "plain.pt", network)).items()
    assert place == "inner"
    assert not others
    assert np.array_equal(layer["weight"], network.inner.weight.detach().numpy())
    assert np.array_equal(layer["bias"], network.inner.bias.detach().numpy())


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "owned"

    class Evil:
        def __reduce__(self):
            return target.touch, ()

    path = tmp_path / "evil.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("evil/data.pkl", pickle.dumps(Evil()))
    with pytest.raises(ChecksumMismatch, match=r"getattr|pathlib"):
        read_layers(path)
    assert not target.exists()
    pickle.loads(pickle.dumps(Evil()))  # the attack is a real one
    assert target.exists()


def test_what_is_cut_short_or_something_else_is_refused(tmp_path: Path) -> None:
    whole = save(tmp_path / "plain.pt", Plain())
    with zipfile.ZipFile(whole) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    def write(changed: dict[str, bytes]) -> Path:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in changed.items():
                archive.writestr(name, content)
        path = tmp_path / "changed.pt"
        path.write_bytes(buffer.getvalue())
        return path

    assert read_layers(write(members)).keys() == {"inner"}
    numbers = next(n for n in members if "/data/" in n and len(members[n]) == 96)
    with pytest.raises(FileUnreadable, match="has not 24 numbers"):
        read_layers(write({**members, numbers: members[numbers][:-4]}))
    with pytest.raises(FileUnreadable, match="no module"):
        read_layers(write({"plain/data.pkl": pickle.dumps([1, 2], 2)}))
    path = tmp_path / "picture.pt"
    path.write_bytes(b"\x89PNG nothing of the kind")
    with pytest.raises(FileUnreadable, match="not a TorchScript file"):
        read_layers(path)
    with pytest.raises(FileUnreadable, match="no file"):
        read_layers(tmp_path / "absent.pt")
    with pytest.raises(ChecksumMismatch, match="is not there as it should be"):
        InceptionFeatures(whole)
    with pytest.raises(MissingWeights, match="visavis models pull inception"):
        InceptionFeatures(tmp_path / "absent.pt")
