from __future__ import annotations

import pickle
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from visavis.core.errors import ChecksumMismatch, FileUnreadable, InputError, MissingWeights
from visavis.core.types import Floats, Picture
from visavis.models.common.convolutions import ConvNorm
from visavis.models.common.graph_export import export_graph, fold
from visavis.models.common.mel import log_mel, mel_windows
from visavis.models.syncnet.convert import convert
from visavis.models.syncnet.export import Calibration, export, load_network
from visavis.models.syncnet.network import (
    SYNCNET_96,
    SYNCNET_96_SMALL,
    SYNCNET_192,
    SYNCNET_384,
    SyncNet,
    SyncNetConfig,
)
from visavis.models.syncnet.predictor import SEARCHED, SyncExpert, measure_sync

CONFIGS = {"96": SYNCNET_96, "small": SYNCNET_96_SMALL, "192": SYNCNET_192, "384": SYNCNET_384}

# Names and shapes of the published checkpoint, from each end of both encoders.
PUBLISHED = {
    "face_encoder.0.conv_block.0.weight": (32, 15, 7, 7),
    "face_encoder.0.conv_block.0.bias": (32,),
    "face_encoder.0.conv_block.1.running_var": (32,),
    "face_encoder.1.conv_block.0.weight": (64, 32, 5, 5),
    "face_encoder.7.conv_block.0.weight": (128, 128, 3, 3),
    "face_encoder.16.conv_block.0.weight": (512, 512, 1, 1),
    "audio_encoder.0.conv_block.0.weight": (32, 1, 3, 3),
    "audio_encoder.11.conv_block.0.weight": (256, 256, 3, 3),
    "audio_encoder.13.conv_block.1.num_batches_tracked": (),
}


def narrow(config: SyncNetConfig, by: int) -> SyncNetConfig:
    def less(layers):
        return tuple((layer[0] // by, *layer[1:]) for layer in layers)

    return replace(config, face=less(config.face), audio=less(config.audio))


def settled(config: SyncNetConfig) -> SyncNet:
    """An untrained network whose norms know the usual size of what they see."""
    torch.manual_seed(0)
    network = SyncNet(config)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None
    with torch.no_grad():
        network(torch.rand(8, 15, config.size // 2, config.size), torch.randn(8, 1, 80, 16))
    return network.eval()


@pytest.fixture(scope="module")
def network() -> SyncNet:
    return settled(narrow(SYNCNET_96, 8))


@pytest.fixture(scope="module")
def folder(network: SyncNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("syncnet")
    export(network, folder, "fp32")
    return folder


@pytest.fixture(scope="module")
def frames() -> Picture:
    return np.random.default_rng(0).integers(0, 256, (25, 96, 96, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def mel() -> Floats:
    return log_mel(np.random.default_rng(1).standard_normal(16_000).astype(np.float32) * 0.1)


def on_meta(config: SyncNetConfig) -> SyncNet:
    with torch.device("meta"):
        return SyncNet(config).eval()


@pytest.mark.parametrize("name", CONFIGS)
def test_layers_close_at_one_pixel(name: str) -> None:
    config = CONFIGS[name]
    network = on_meta(config)
    windows = torch.empty(2, 15, config.size // 2, config.size, device="meta")
    mel = torch.empty(2, 1, 80, 16, device="meta")
    assert network.face_encoder(windows).shape == (2, config.embedding, 1, 1)
    assert network.audio_encoder(mel).shape == (2, config.embedding, 1, 1)
    assert network(windows, mel).shape == (2,)


def test_appendix_has_the_sizes_that_are_listed() -> None:
    network = on_meta(SYNCNET_384)
    x = torch.empty(1, 15, 192, 384, device="meta")
    seen = []
    for layer in network.face_encoder:
        x = layer(x)
        if not seen or seen[-1] != tuple(x.shape[2:]):
            seen.append(tuple(x.shape[2:]))
    wanted = [
        (192, 384),
        (190, 191),
        (95, 96),
        (48, 48),
        (24, 24),
        (12, 12),
        (6, 6),
        (3, 3),
        (1, 1),
    ]
    assert seen == wanted


def test_published_names_and_shapes() -> None:
    weights = on_meta(SYNCNET_96).state_dict()
    assert {name: tuple(weights[name].shape) for name in PUBLISHED} == PUBLISHED
    assert len(weights) == 7 * (17 + 14)
    assert sum(p.numel() for p in on_meta(SYNCNET_96).parameters()) == 16_435_072


def test_small_one_has_half_the_channels() -> None:
    assert SYNCNET_96_SMALL.embedding == 256
    assert [a[0] / b[0] for a, b in zip(SYNCNET_96.face, SYNCNET_96_SMALL.face, strict=True)] == [
        2
    ] * len(SYNCNET_96.face)


def test_residuals_are_where_the_published_code_has_them() -> None:
    network = on_meta(SYNCNET_96)
    face = [i for i, layer in enumerate(network.face_encoder) if layer.is_residual]
    audio = [i for i, layer in enumerate(network.audio_encoder) if layer.is_residual]
    assert face == [2, 3, 5, 6, 7, 9, 10, 12, 13]
    assert audio == [1, 2, 4, 5, 7, 8, 10, 11]


def test_a_layer_is_what_it_says() -> None:
    torch.manual_seed(0)
    layer = ConvNorm(4, (4, 3, 1, 1)).eval()
    conv, norm = layer.conv_block
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    x = torch.randn(1, 4, 5, 5)
    with torch.no_grad():
        y = nn.functional.conv2d(x, conv.weight, conv.bias, padding=1)
        y = (y - norm.running_mean[:, None, None]) / torch.sqrt(norm.running_var + 1e-5)[
            :, None, None
        ]
        torch.testing.assert_close(layer(x), torch.relu(y + x), atol=1e-5, rtol=1e-5)


def test_vectors_have_length_one_and_cosines_lie_in_0_to_1(network: SyncNet) -> None:
    windows, mel = torch.rand(6, 15, 48, 96), torch.randn(6, 1, 80, 16)
    with torch.no_grad():
        faces, speech, cosine = (
            network.encode_face(windows), network.encode_audio(mel), network(windows, mel)
        )  # fmt: skip
    for vectors in (faces, speech):
        assert vectors.shape == (6, 64)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(6))
        assert vectors.min() >= 0
    assert cosine.min() >= 0
    assert cosine.max() <= 1
    torch.testing.assert_close(cosine, (faces * speech).sum(1))


def test_vectors_of_nothing_are_no_trouble(network: SyncNet) -> None:
    dead = SyncNet(network.config)
    for norm in (dead.face_encoder[-1].conv_block[1], dead.audio_encoder[-1].conv_block[1]):
        nn.init.constant_(norm.bias, -1000)
    cosine = dead.eval()(torch.rand(2, 15, 48, 96), torch.randn(2, 1, 80, 16))
    assert cosine.tolist() == [0, 0]


def test_gradients_reach_every_weight() -> None:
    torch.manual_seed(0)
    network = SyncNet(narrow(SYNCNET_96, 8)).train()
    cosine = network(torch.rand(4, 15, 48, 96), torch.randn(4, 1, 80, 16))
    nn.functional.binary_cross_entropy(cosine, torch.tensor([1.0, 0, 1, 0])).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all()
        # A bias before a batch norm is taken away again.
        if not name.endswith("conv_block.0.bias"):
            assert weight.grad.abs().max() > 0, name


def test_half_precision_gives_cosines_in_full(network: SyncNet) -> None:
    windows, mel = torch.rand(2, 15, 48, 96), torch.randn(2, 1, 80, 16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        cosine = network(windows, mel)
    assert cosine.dtype == torch.float32
    torch.testing.assert_close(cosine, network(windows, mel), atol=0.02, rtol=0)


@pytest.mark.parametrize("residuals", [None, 32, 0])
def test_folding_changes_nothing(network: SyncNet, residuals: int | None) -> None:
    folded = fold(network, residuals)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    windows, mel = torch.rand(3, 15, 48, 96), torch.randn(3, 1, 80, 16)
    with torch.no_grad():
        torch.testing.assert_close(folded(windows, mel), network(windows, mel), atol=1e-5, rtol=0)
    assert any(isinstance(m, nn.BatchNorm2d) for m in network.modules())


def test_config_survives_a_checkpoint(network: SyncNet, tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    torch.save({"network": asdict(network.config), "weights": network.state_dict()}, path)
    loaded = load_network(path)
    assert loaded.config == network.config
    windows, mel = torch.rand(1, 15, 48, 96), torch.randn(1, 1, 80, 16)
    assert torch.equal(loaded(windows, mel), network(windows, mel))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_predictor_gives_torchs_numbers(
    network: SyncNet, folder: Path, frames: Picture, mel: Floats, runtime: str
) -> None:
    expert = SyncExpert(folder, runtime=runtime)  # type: ignore[arg-type]
    assert expert.size == 96
    faces, speech = expert.embed_faces(frames), expert.embed_speech(mel)
    assert faces.shape == speech.shape == (21, 64)
    lower = torch.from_numpy(frames[:, 48:].transpose(0, 3, 1, 2) / np.float32(255))
    windows = torch.stack([lower[k : k + 5].flatten(0, 1) for k in range(21)])
    mels = torch.from_numpy(mel_windows(mel, np.arange(21)))[:, None]
    with torch.no_grad():
        np.testing.assert_allclose(faces, network.encode_face(windows), atol=1e-4)
        np.testing.assert_allclose(speech, network.encode_audio(mels), atol=1e-4)


def test_exporting_leaves_a_training_as_it_was(tmp_path: Path) -> None:
    network = SyncNet(narrow(SYNCNET_96, 16)).train()
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    export(network, tmp_path)
    assert torch.equal(torch.rand(3), wanted)
    assert network.training
    assert all(torch.equal(before[name], w) for name, w in network.state_dict().items())


def test_upper_half_is_not_looked_at(folder: Path, frames: Picture) -> None:
    expert = SyncExpert(folder)
    other = frames.copy()
    other[:, :48] = 7
    assert np.array_equal(expert.embed_faces(frames), expert.embed_faces(other))
    other[:, 48] = 7
    assert not np.array_equal(expert.embed_faces(frames), expert.embed_faces(other))


def test_halved_weights_change_little(
    network: SyncNet, folder: Path, frames: Picture, mel: Floats, tmp_path: Path
) -> None:
    sizes = export(network, tmp_path, "fp16")
    full = {name: (folder / name).stat().st_size for name in sizes}
    assert all(sizes[name] < 0.62 * full[name] for name in sizes)
    for runtime in ("onnxruntime", "openvino"):
        half, whole = (SyncExpert(f, runtime=runtime) for f in (tmp_path, folder))  # type: ignore[arg-type]
        for a, b in [
            (half.embed_faces(frames), whole.embed_faces(frames)),
            (half.embed_speech(mel), whole.embed_speech(mel)),
        ]:
            assert np.abs(a - b).max() < 5e-3


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_eight_bits_change_little(
    network: SyncNet, folder: Path, frames: Picture, mel: Floats, tmp_path: Path, runtime: str
) -> None:
    windows = np.stack([frames[k : k + 5] for k in range(21)])
    export(network, tmp_path, "int8", Calibration(windows, mel_windows(mel, np.arange(21))))
    assert (tmp_path / "face_encoder.onnx").stat().st_size < 0.5 * (
        folder / "face_encoder.onnx"
    ).stat().st_size
    small = SyncExpert(tmp_path, runtime=runtime)  # type: ignore[arg-type]
    whole = SyncExpert(folder)
    assert (small.embed_faces(frames) * whole.embed_faces(frames)).sum(1).min() > 0.93
    assert (small.embed_speech(mel) * whole.embed_speech(mel)).sum(1).min() > 0.93


def test_eight_bits_need_examples(network: SyncNet, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="calibration"):
        export(network, tmp_path, "int8")


def test_a_graph_that_differs_is_not_kept(tmp_path: Path) -> None:
    class Fickle(nn.Module):
        """Traced with the first number that comes."""

        count = 0.0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.count += 1
            return x + self.count

    with pytest.raises(ValueError, match="differs from torch"):
        export_graph(Fickle(), lambda n: {"x": torch.rand(n, 2)}, ["y"], tmp_path / "fickle.onnx")
    assert not list(tmp_path.iterdir())


@given(st.integers(0, 60))
def test_sound_of_so_many_frames_has_four_windows_less(count: int) -> None:

    rows = np.arange(1 + 640 * count // 200, dtype=np.float32)[:, None] + np.zeros(80, np.float32)
    expert = object.__new__(SyncExpert)
    seen: list[Floats] = []

    class Audio:
        inputs = outputs = (type("Spec", (), {"name": "mel", "shape": (None, 1)})(),)

        def run(self, given: dict[str, Floats]) -> dict[str, Floats]:
            seen.append(given["mel"])
            return {"speech": np.zeros((len(given["mel"]), 1), np.float32)}

    expert._audio = Audio()  # type: ignore[assignment]
    assert len(expert.embed_speech(rows)) == max(0, count - 4)
    for k, window in enumerate(np.concatenate(seen) if seen else []):
        assert window[0, 0].tolist() == list(range(16 * k // 5, 16 * k // 5 + 16))


def test_few_frames_have_no_window(folder: Path, frames: Picture) -> None:
    expert = SyncExpert(folder)
    assert expert.embed_faces(frames[:4]).shape == (0, 64)
    assert expert.embed_faces(frames[:5]).shape == (1, 64)
    assert expert.embed_speech(np.zeros((15, 80), np.float32)).shape == (0, 64)


def test_pictures_of_another_size_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="96 x 96"):
        SyncExpert(folder).embed_faces(np.zeros((5, 192, 192, 3), np.uint8))


def test_folder_without_networks_is_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(MissingWeights, match=r"network\.json"):
        SyncExpert(tmp_path)
    (tmp_path / "network.json").write_text('{"network": "wav2lip", "size": 96}')
    with pytest.raises(ChecksumMismatch, match="not of the network syncnet"):
        SyncExpert(tmp_path)
    (tmp_path / "network.json").write_text("{")
    with pytest.raises(ChecksumMismatch, match="cannot be read"):
        SyncExpert(tmp_path)
    (tmp_path / "network.json").write_text((folder / "network.json").read_text())
    with pytest.raises(MissingWeights, match=r"face_encoder\.onnx"):
        SyncExpert(tmp_path)


def unit(rows: np.ndarray) -> Floats:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("late", [-10, -4, 0, 1, 10])
def test_offset_is_how_late_the_sound_is(late: int) -> None:
    content = unit(np.abs(np.random.default_rng(0).standard_normal((60, 32))))
    faces = content[20:50]
    # What belongs to face k is heard at k + late.
    speech = content[20 - late : 50 - late]
    measure = measure_sync(faces, speech)
    assert measure.offset == late
    assert measure.distance == pytest.approx(0, abs=1e-3)
    assert measure.confidence > 0.3


def test_measures_are_what_can_be_worked_out() -> None:
    # Orthogonal vectors are the square root of 2 apart, equal ones 0: at one offset of 31 all match.
    faces = np.eye(40, dtype=np.float32)
    measure = measure_sync(faces, faces)
    assert measure.offset == 0
    assert measure.distance == pytest.approx(0, abs=1e-6)
    assert measure.confidence == pytest.approx(2**0.5)
    assert measure.distances.shape == (2 * SEARCHED + 1,)
    assert measure.distances[SEARCHED - 3] == pytest.approx(2**0.5)
    # Where every fourth window matches, the mean is three quarters of that.
    speech = faces[::-1].copy()
    speech[::4] = faces[::4]
    assert measure_sync(faces, speech).distances[SEARCHED] == pytest.approx(0.75 * 2**0.5, abs=1e-3)


def test_short_clips_are_tried_at_fewer_offsets() -> None:
    vectors = np.eye(12, dtype=np.float32)
    measure = measure_sync(vectors, vectors)
    assert np.isfinite(measure.distances).sum() == 2 * 4 + 1  # 12 - 4 windows in common are 8
    with pytest.raises(InputError, match=r"0\.48 s"):
        measure_sync(vectors[:7], vectors[:7])


def test_expert_measures_a_clip(folder: Path, frames: Picture, mel: Floats) -> None:
    expert = SyncExpert(folder)
    measure = expert.measure(frames, mel)
    assert expert.offset(frames, mel) == measure.offset
    assert expert.confidence(frames, mel) == measure.confidence >= 0


def published(network: nn.Module, path: Path, parallel: bool = True) -> None:
    prefix = "module." if parallel else ""
    weights = {prefix + name: weight for name, weight in network.state_dict().items()}
    torch.save(
        {"state_dict": weights, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]},
         "global_step": 730_000, "global_epoch": 57}, path,
    )  # fmt: skip


@pytest.mark.parametrize("parallel", [True, False])
def test_published_checkpoint_sees_red_where_it_saw_blue(tmp_path: Path, parallel: bool) -> None:
    config = narrow(SYNCNET_96, 8)
    theirs = settled(config)
    published(theirs, tmp_path / "lipsync_expert.pth", parallel)
    convert(tmp_path / "lipsync_expert.pth", tmp_path / "ours.pt", config)
    ours = load_network(tmp_path / "ours.pt")
    rgb, mel = torch.rand(3, 15, 48, 96), torch.randn(3, 1, 80, 16)
    bgr = rgb.reshape(3, 5, 3, 48, 96).flip(2).reshape(3, 15, 48, 96)
    with torch.no_grad():
        torch.testing.assert_close(ours.encode_face(rgb), theirs.encode_face(bgr))
        torch.testing.assert_close(ours.encode_audio(mel), theirs.encode_audio(mel))
        assert not torch.allclose(ours.encode_face(bgr), theirs.encode_face(bgr), atol=1e-3)


def test_other_files_are_no_checkpoints(network: SyncNet, tmp_path: Path) -> None:
    target = tmp_path / "ours.pt"
    with pytest.raises(FileUnreadable, match="there is no file"):
        convert(tmp_path / "absent.pth", target)
    (tmp_path / "text.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(FileUnreadable, match="no checkpoint of plain weights"):
        convert(tmp_path / "text.pth", target)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(FileUnreadable, match="no weights by name"):
        convert(tmp_path / "list.pth", target)
    published(network, tmp_path / "narrow.pth")
    with pytest.raises(FileUnreadable, match="another network"):
        convert(tmp_path / "narrow.pth", target)
    assert not target.exists()


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "it_ran"

    class Trap:
        def __reduce__(self):
            return Path.touch, (trace,)

    (tmp_path / "trap.pth").write_bytes(pickle.dumps({"state_dict": Trap()}, 2))
    torch.save({"state_dict": Trap()}, tmp_path / "trap_new.pth")
    for name in ("trap.pth", "trap_new.pth"):
        with pytest.raises(FileUnreadable):
            convert(tmp_path / name, tmp_path / "ours.pt")
    assert not trace.exists()
