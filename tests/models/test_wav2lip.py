from __future__ import annotations

import copy
import json
import threading
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from visavis.core.errors import (
    ChecksumMismatch,
    ConfigError,
    FileUnreadable,
    InputError,
    MissingWeights,
)
from visavis.core.types import Picture
from visavis.models.common.graph_export import fold
from visavis.models.common.graph_precision import halve_weights
from visavis.models.common.mel import SILENCE
from visavis.models.wav2lip.convert import PUBLISHED, convert
from visavis.models.wav2lip.export import Calibration, default_top, export, load_network
from visavis.models.wav2lip.network import (
    WAV2LIP_96,
    WAV2LIP_96_SMALL,
    WAV2LIP_192,
    WAV2LIP_192_SMALL,
    WAV2LIP_384,
    WAV2LIP_384_SMALL,
    Wav2Lip,
    Wav2LipConfig,
)
from visavis.models.wav2lip.predictor import Wav2LipPredictor
from visavis.models.wav2lip.restore import restore

CONFIGS = [WAV2LIP_96, WAV2LIP_192, WAV2LIP_384]
HALVED = [WAV2LIP_96_SMALL, WAV2LIP_192_SMALL, WAV2LIP_384_SMALL]
RUNTIMES = ["onnxruntime", "openvino"]

# Names and shapes of the published checkpoint.
PUBLISHED_SHAPES = {
    "face_encoder_blocks.0.0.conv_block.0.weight": (16, 6, 7, 7),
    "face_encoder_blocks.2.3.conv_block.0.weight": (64, 64, 3, 3),
    "face_encoder_blocks.6.1.conv_block.0.weight": (512, 512, 1, 1),
    "audio_encoder.10.conv_block.0.weight": (256, 256, 3, 3),
    "audio_encoder.12.conv_block.1.running_mean": (512,),
    "face_decoder_blocks.0.0.conv_block.0.weight": (512, 512, 1, 1),
    "face_decoder_blocks.1.0.conv_block.0.weight": (1024, 512, 3, 3),
    "face_decoder_blocks.3.0.conv_block.0.weight": (768, 384, 3, 3),
    "face_decoder_blocks.6.0.conv_block.0.weight": (160, 64, 3, 3),
    "face_decoder_blocks.6.2.conv_block.1.num_batches_tracked": (),
    "output_block.0.conv_block.0.weight": (32, 80, 3, 3),
    "output_block.1.weight": (3, 32, 1, 1),
    "output_block.1.bias": (3,),
}


def str_of(config: Wav2LipConfig) -> str:
    return f"{config.size}{'-small' if config in HALVED else ''}"


def narrow(config: Wav2LipConfig, by: int) -> Wav2LipConfig:
    def less(layers):
        return tuple((layer[0] // by, *layer[1:]) for layer in layers)

    return replace(
        config,
        face=tuple(map(less, config.face)),
        audio=less(config.audio),
        decoder=tuple(map(less, config.decoder)),
    )


def settled(config: Wav2LipConfig) -> Wav2Lip:
    """An untrained network whose norms know the usual size of what they see."""
    torch.manual_seed(0)
    network = Wav2Lip(config)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None
    nn.init.normal_(network.output_block[1].weight, 0, 0.5)
    with torch.no_grad():
        network(torch.randn(4, 1, 80, 16), torch.rand(4, 6, config.size, config.size))
    return network.eval()


def on_meta(config: Wav2LipConfig) -> Wav2Lip:
    with torch.device("meta"):
        return Wav2Lip(config).eval()


def flops(network: Wav2Lip) -> float:
    size = network.config.size
    mel = torch.empty(1, 1, 80, 16, device="meta")
    face = torch.empty(1, 6, size, size, device="meta")
    with FlopCounterMode(display=False) as counter:
        network(mel, face)
    return counter.get_total_flops()


SMALL = narrow(WAV2LIP_96, 4)


@pytest.fixture(scope="module")
def network() -> Wav2Lip:
    return settled(SMALL)


@pytest.fixture(scope="module")
def folder(network: Wav2Lip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wav2lip")
    export(network, folder, "fp32")
    return folder


@pytest.fixture(scope="module")
def examples() -> Calibration:
    """Blurred noise, which is more like pictures."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (2, 6, 12, 12, 3)).astype(np.uint8)
    frames, references = coarse.repeat(8, 2).repeat(8, 3)
    return Calibration(frames, references, rng.standard_normal((6, 80, 16)).astype(np.float32))


@pytest.fixture(scope="module")
def wanted(network: Wav2Lip, examples: Calibration) -> Picture:
    """What torch makes of the examples."""
    faces = torch.from_numpy(np.concatenate([one["face"] for one in examples.faces()]))
    with torch.no_grad():
        made = network(torch.from_numpy(examples.mel_windows)[:, None], faces)
    return (255 * made).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def psnr(a: Picture, b: Picture) -> float:
    return 10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2))


def test_sizes_are_those_of_the_papers() -> None:
    counts = [sum(p.numel() for p in on_meta(config).parameters()) for config in CONFIGS]
    assert counts == [36_298_035, 39_543_459, 39_545_907]
    assert flops(on_meta(WAV2LIP_384)) == pytest.approx(8.44e9, rel=1e-3)


def test_published_names_and_shapes() -> None:
    weights = on_meta(WAV2LIP_96).state_dict()
    found = {name: tuple(weights[name].shape) for name in PUBLISHED_SHAPES}
    assert found == PUBLISHED_SHAPES
    layers = 18 + 13 + 18 + 1
    assert len(weights) == 7 * layers + 2


def test_residuals_are_where_the_published_code_has_them() -> None:
    network = on_meta(WAV2LIP_96)
    face = [[layer.is_residual for layer in block] for block in network.face_encoder_blocks]
    assert [sum(block) for block in face] == [0, 2, 3, 2, 2, 1, 0]
    assert not any(block[0] for block in face)
    decoder = [
        [getattr(layer, "is_residual", False) for layer in block]
        for block in network.face_decoder_blocks
    ]
    assert decoder == [[False], [False, True], *[[False, True, True]] * 5]
    audio = [i for i, layer in enumerate(network.audio_encoder) if layer.is_residual]
    assert audio == [1, 2, 4, 5, 7, 8, 10]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: str(c.size))
def test_output_block_adds_nothing(config: Wav2LipConfig) -> None:
    # At 192 it keeps the shape by chance.
    assert not on_meta(config).output_block[0].is_residual


@pytest.mark.parametrize("config", CONFIGS + HALVED, ids=str_of)
def test_blocks_meet_at_the_same_size(config: Wav2LipConfig) -> None:
    network = on_meta(config)
    face = torch.empty(2, 6, config.size, config.size, device="meta")
    features = network.encode_face(face)
    assert tuple(tuple(f.shape[1:]) for f in features) == config.feature_shapes
    assert features[-1].shape == (2, 256 if config in HALVED else 512, 1, 1)
    audio = network.encode_audio(torch.empty(2, 1, 80, 16, device="meta"))
    assert audio.shape == features[-1].shape
    assert network.decode(audio, features).shape == (2, 3, config.size, config.size)


@pytest.mark.parametrize(
    ("larger", "smaller"),
    [
        (WAV2LIP_192_SMALL, WAV2LIP_96_SMALL),
        (WAV2LIP_384_SMALL, WAV2LIP_192_SMALL),
        (WAV2LIP_384, WAV2LIP_192),
        (WAV2LIP_96_SMALL, WAV2LIP_96_SMALL),
    ],
    ids=str_of,
)
def test_inner_blocks_of_a_generator_of_half_the_width_are_taken(
    larger: Wav2LipConfig, smaller: Wav2LipConfig
) -> None:
    torch.manual_seed(0)
    grown, start = Wav2Lip(larger).eval(), Wav2Lip(smaller).eval()
    grown.grow_from(start)
    mel = torch.randn(2, 1, 80, 16)
    heard = [network.encode_audio(mel) for network in (grown, start)]
    torch.testing.assert_close(*heard)
    if larger == smaller:
        face = torch.rand(2, 6, larger.size, larger.size)
        torch.testing.assert_close(grown(mel, face), start(mel, face))
        return
    # Where both have 48 x 48, what is made of it is the same, down and up again.
    inside = next(i for i, s in enumerate(smaller.feature_shapes) if s[1] == smaller.size // 4)
    x = torch.rand(2, *smaller.feature_shapes[inside])
    drawn = []
    for network in (grown, start):
        offset = len(network.face_encoder_blocks) - len(smaller.face)
        features = [x]
        for block in network.face_encoder_blocks[offset + inside + 1 :]:
            features.append(block(features[-1]))
        y = heard[0]
        for block, feature in zip(
            network.face_decoder_blocks[: len(features)], reversed(features), strict=True
        ):
            y = torch.cat([block(y), feature], 1)
        drawn.append(y)
    torch.testing.assert_close(*drawn)


def test_other_layers_cannot_be_grown_from() -> None:
    with pytest.raises(ConfigError, match="other layers"):
        Wav2Lip(WAV2LIP_192_SMALL).grow_from(Wav2Lip(WAV2LIP_96))


def test_appendix_has_the_channels_that_are_listed() -> None:
    listed = ["8@384", "16@192", "32@96", "64@48", "128@24", "256@12", "512@6", "512@3", "512@1"]
    assert [f"{c}@{h}" for c, h, _ in WAV2LIP_384.feature_shapes] == listed
    given = [block[-1][0] for block in WAV2LIP_384.decoder]
    assert given == [512, 512, 512, 256, 128, 64, 32, 16, 8]
    assert WAV2LIP_192.feature_shapes == ((16, 192, 192), *WAV2LIP_384.feature_shapes[2:])


def test_forward_is_encode_and_decode(network: Wav2Lip) -> None:
    mel, face = torch.randn(2, 1, 80, 16), torch.rand(2, 6, 96, 96)
    with torch.no_grad():
        whole = network(mel, face)
        parts = network.decode(network.encode_audio(mel), network.encode_face(face))
    assert torch.equal(whole, parts)
    assert 0 <= whole.min() < whole.max() <= 1
    assert whole.std() > 0.1


@pytest.mark.parametrize("by", [12, 24, 36, 45, 48])
def test_lower_part_alone_is_the_same(network: Wav2Lip, by: int) -> None:
    # In 64 bits, where rounding (which differs with the processor) is far below what a wrong row does.
    exact = copy.deepcopy(network).double()
    with torch.no_grad():
        audio = exact.encode_audio(torch.randn(1, 1, 80, 16, dtype=torch.float64))
        features = exact.encode_face(torch.rand(1, 6, 96, 96, dtype=torch.float64))
        rows = SMALL.first_rows(by)
        kept = [feature[:, :, row:] for feature, row in zip(features, rows, strict=True)]
        lower = exact.decode(audio, kept, by)
        whole = exact.decode(audio, features)
    torch.testing.assert_close(lower, whole[:, :, by:], atol=1e-9, rtol=0)
    assert sum(f.numel() for f in kept) < sum(f.numel() for f in features)


def test_lower_part_at_384_is_the_same() -> None:
    network = settled(narrow(WAV2LIP_384, 8)).double()
    top = default_top(384)
    rows = network.config.first_rows(top)
    with torch.no_grad():
        audio = network.encode_audio(torch.randn(1, 1, 80, 16, dtype=torch.float64))
        features = network.encode_face(torch.rand(1, 6, 384, 384, dtype=torch.float64))
        kept = [feature[:, :, row:] for feature, row in zip(features, rows, strict=True)]
        lower, whole = network.decode(audio, kept, top), network.decode(audio, features)
    assert lower.shape == (1, 3, 240, 384)
    torch.testing.assert_close(lower, whole[:, :, top:], atol=1e-9, rtol=0)


def test_gradients_reach_every_weight() -> None:
    torch.manual_seed(0)
    network = Wav2Lip(narrow(WAV2LIP_96, 8)).train()
    made = network(torch.randn(4, 1, 80, 16), torch.rand(4, 6, 96, 96))
    (made - torch.rand(4, 3, 96, 96)).abs().mean().backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        # A bias before a batch norm is taken away again.
        if not name.endswith("conv_block.0.bias"):
            assert weight.grad.abs().max() > 0, name


@pytest.mark.parametrize("residuals", [None, 32, 0])
def test_folding_changes_nothing(network: Wav2Lip, residuals: int | None) -> None:
    mel, face = torch.randn(2, 1, 80, 16), torch.rand(2, 6, 96, 96)
    folded = fold(network, residuals)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    with torch.no_grad():
        torch.testing.assert_close(folded(mel, face), network(mel, face), atol=5e-4, rtol=0)


def test_config_survives_a_checkpoint(network: Wav2Lip, tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    torch.save({"network": asdict(network.config), "weights": network.state_dict()}, path)
    loaded = load_network(path)
    assert loaded.config == network.config
    mel, face = torch.randn(1, 1, 80, 16), torch.rand(1, 6, 96, 96)
    assert torch.equal(loaded(mel, face), network(mel, face))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_predictor_gives_torchs_numbers(
    folder: Path, examples: Calibration, wanted: Picture, runtime: str
) -> None:
    predictor = Wav2LipPredictor(folder, runtime=runtime, precision="fp32")  # type: ignore[arg-type]
    assert (predictor.size, predictor.top, predictor.lead) == (96, 36, 2)
    features = predictor.encode(examples.frames, examples.references)
    made = predictor.render(features, examples.mel_windows)
    assert made.shape == (6, 96, 96, 3)
    assert made.dtype == np.uint8
    assert wanted.std() > 20
    assert np.abs(made[:, 36:].astype(int) - wanted[:, 36:]).max() <= 1
    assert np.array_equal(made[:, :36], examples.frames[:, :36])


def test_half_of_the_processors_bits_is_nearly_the_same(
    folder: Path, examples: Calibration, wanted: Picture
) -> None:
    predictor = Wav2LipPredictor(folder, runtime="openvino", precision="bf16")
    features = predictor.encode(examples.frames, examples.references)
    made = predictor.render(features, examples.mel_windows)
    # An untrained network of noise; a trained one keeps 56 dB.
    assert psnr(made[:, 36:], wanted[:, 36:]) > 28


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_halved_weights_and_features(
    network: Wav2Lip,
    folder: Path,
    examples: Calibration,
    wanted: Picture,
    tmp_path: Path,
    runtime: str,
) -> None:
    sizes = export(network, tmp_path, "fp16")
    assert all(size < 0.55 * (folder / name).stat().st_size for name, size in sizes.items())
    predictor = Wav2LipPredictor(tmp_path, runtime=runtime, precision="fp32")  # type: ignore[arg-type]
    features = predictor.encode(examples.frames, examples.references)
    assert {one.dtype for one in features[0].maps} == {np.dtype(np.float16)}
    made = predictor.render(features, examples.mel_windows)
    assert psnr(made[:, 36:], wanted[:, 36:]) > 50


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_eight_bits(
    network: Wav2Lip,
    folder: Path,
    examples: Calibration,
    wanted: Picture,
    tmp_path: Path,
    runtime: str,
) -> None:
    sizes = export(network, tmp_path, "int8", examples)
    assert sizes["decoder.onnx"] < 0.3 * (folder / "decoder.onnx").stat().st_size
    predictor = Wav2LipPredictor(tmp_path, runtime=runtime, precision="fp32")  # type: ignore[arg-type]
    whole = Wav2LipPredictor(folder)
    features = predictor.encode(examples.frames, examples.references)
    assert {one.dtype for one in features[0].maps} == {np.dtype(np.uint8)}
    assert features[0].nbytes < 0.3 * whole.encode(examples.frames[:1])[0].nbytes
    made = predictor.render(features, examples.mel_windows)
    # An untrained network of noise: a trained one keeps 45 dB.
    assert psnr(made[:, 36:], wanted[:, 36:]) > 22


def test_eight_bits_need_examples(network: Wav2Lip, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="calibration"):
        export(network, tmp_path, "int8")


def test_calibration_is_read_from_a_file(examples: Calibration, tmp_path: Path) -> None:
    np.savez(tmp_path / "examples.npz", **{n: getattr(examples, n) for n in examples.__slots__})
    read = Calibration.read(tmp_path / "examples.npz")
    assert np.array_equal(read.frames, examples.frames)
    (face,) = list(read.faces())[:1]
    assert face["face"].shape == (1, 6, 96, 96)
    assert (face["face"][0, :3, 48:] == 0).all()
    assert face["face"][0, :3, :48].any()
    assert face["face"][0, 3:, 48:].any()


def test_whole_picture_can_be_rendered(
    network: Wav2Lip, examples: Calibration, wanted: Picture, tmp_path: Path
) -> None:
    export(network, tmp_path, "fp32", top=0)
    predictor = Wav2LipPredictor(tmp_path, precision="fp32")
    features = predictor.encode(examples.frames, examples.references)
    made = predictor.render(features, examples.mel_windows)
    assert np.abs(made.astype(int) - wanted).max() <= 1
    with pytest.raises(ValueError, match="lower half"):
        export(network, tmp_path, "fp32", top=60)


def test_lower_half_of_the_frame_is_not_looked_at(folder: Path, examples: Calibration) -> None:
    predictor = Wav2LipPredictor(folder)
    other = examples.frames.copy()
    other[:, 48:] = 99
    mel = examples.mel_windows
    made = predictor.render(predictor.encode(examples.frames, examples.references), mel)
    same = predictor.render(predictor.encode(other, examples.references), mel)
    assert np.array_equal(made, same)
    other[:, 47] = 99
    seen = predictor.render(predictor.encode(other, examples.references), mel)
    assert not np.array_equal(made, seen)


def test_frames_are_their_own_reference_by_default(folder: Path, examples: Calibration) -> None:
    predictor = Wav2LipPredictor(folder)
    alone = predictor.encode(examples.frames[:1])[0]
    twice = predictor.encode(examples.frames[:1], examples.frames[:1])[0]
    other = predictor.encode(examples.frames[:1], examples.references[:1])[0]
    assert all(np.array_equal(a, b) for a, b in zip(alone.maps, twice.maps, strict=True))
    assert not np.array_equal(alone.maps[0], other.maps[0])


def test_frames_together_are_each_alone(folder: Path, examples: Calibration) -> None:
    predictor = Wav2LipPredictor(folder, precision="fp32")
    features = predictor.encode(examples.frames, examples.references)
    together = predictor.render(features, examples.mel_windows)
    for face, mel, made in zip(features, examples.mel_windows, together, strict=True):
        alone = predictor.render([face], mel[None])[0]
        assert np.abs(alone.astype(int) - made).max() <= 1
    assert not np.array_equal(
        together[0], predictor.render(features[:1], -examples.mel_windows[:1])[0]
    )
    assert predictor.render([], examples.mel_windows[:0]).shape == (0, 96, 96, 3)


def test_threads_do_not_mix(folder: Path, examples: Calibration) -> None:
    predictor = Wav2LipPredictor(folder, threads=1)
    features = predictor.encode(examples.frames, examples.references)
    wanted = [
        predictor.render([f], m[None]) for f, m in zip(features, examples.mel_windows, strict=True)
    ]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(10):
            made = predictor.render([features[index]], examples.mel_windows[index : index + 1])
            if not np.array_equal(made, wanted[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_wrong_inputs_are_named(folder: Path, examples: Calibration, tmp_path: Path) -> None:
    predictor = Wav2LipPredictor(folder)
    with pytest.raises(InputError, match="96 x 96"):
        predictor.encode(np.zeros((1, 192, 192, 3), np.uint8))
    with pytest.raises(InputError, match="as many references"):
        predictor.encode(examples.frames, examples.references[:2])
    with pytest.raises(InputError, match="1 faces and 6 windows"):
        predictor.render(predictor.encode(examples.frames[:1]), examples.mel_windows)
    with pytest.raises(MissingWeights, match=r"network\.json"):
        Wav2LipPredictor(tmp_path)
    (tmp_path / "network.json").write_text('{"network": "syncnet", "size": 96}')
    with pytest.raises(ChecksumMismatch, match="not of the network wav2lip"):
        Wav2LipPredictor(tmp_path)


def test_weights_too_large_for_16_bits_are_refused(tmp_path: Path) -> None:
    tensor = onnx.numpy_helper.from_array(np.full((16, 16), 1e5, np.float32), "w")
    value = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, (16, 16))
    node = onnx.helper.make_node("Identity", ["w"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [], [value], [tensor])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "large.onnx")
    with pytest.raises(ValueError, match="do not fit"):
        halve_weights(tmp_path / "large.onnx", tmp_path / "half.onnx")


def flipped(pictures: torch.Tensor) -> torch.Tensor:
    """Red, green, blue to blue, green, red in each three channels."""
    return pictures.unflatten(1, (-1, 3)).flip(2).flatten(1, 2)


@pytest.mark.parametrize("prefix", ["module.", ""])
def test_published_checkpoint_sees_and_shows_red_where_it_did_blue(
    network: Wav2Lip, tmp_path: Path, prefix: str
) -> None:
    weights = {prefix + name: weight for name, weight in network.state_dict().items()}
    torch.save(
        {"state_dict": weights, "optimizer": None, "global_step": 1}, tmp_path / "theirs.pth"
    )
    convert(tmp_path / "theirs.pth", tmp_path / "ours.pt", replace(SMALL, lead=PUBLISHED.lead))
    ours = load_network(tmp_path / "ours.pt")
    assert ours.config.lead == 1
    mel, face = torch.randn(2, 1, 80, 16), torch.rand(2, 6, 96, 96)
    with torch.no_grad():
        theirs = flipped(network(mel, flipped(face)))
        torch.testing.assert_close(ours(mel, face), theirs, atol=5e-4, rtol=0)
        assert not torch.allclose(ours(mel, face), network(mel, face), atol=1e-2)


def test_checkpoint_of_another_network_is_refused(network: Wav2Lip, tmp_path: Path) -> None:
    torch.save({"state_dict": network.state_dict()}, tmp_path / "narrow.pth")
    with pytest.raises(FileUnreadable, match="another network"):
        convert(tmp_path / "narrow.pth", tmp_path / "ours.pt")


def test_emphasis_goes_on_from_silence_and_leaves_silence_as_it_is(
    folder: Path, examples: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Wav2LipPredictor(folder, precision="fp32")
    features = predictor.encode(examples.frames, examples.references)
    silent = np.full_like(examples.mel_windows, SILENCE)
    hushed = predictor.render(features, silent)
    assert np.array_equal(predictor.render(features, silent, 2.0), hushed)
    plain = predictor.render(features, examples.mel_windows)
    assert np.array_equal(predictor.render(features, examples.mel_windows, 1.0), plain)
    none = predictor.render(features, examples.mel_windows, 0.0)
    assert np.abs(none.astype(int) - hushed).max() <= 1

    heard = []
    run = predictor._decoder.run
    monkeypatch.setattr(
        predictor._decoder, "run", lambda given: (heard.append(given["audio"]), run(given))[1]
    )
    for emphasis in (1.0, 2.0):
        predictor.render(features[:1], examples.mel_windows[:1], emphasis)
    predictor.render(features[:1], silent[:1])
    once, twice, silence = heard
    assert (twice >= 0).all()
    free = twice > 0
    assert free.any()
    assert twice[free] == pytest.approx((2 * once - silence)[free], abs=1e-4)
    assert ((2 * once - silence)[~free] <= 1e-4).all()


def test_light_and_detail_that_were_learnt_from_are_kept_with_the_weights(
    network: Wav2Lip, tmp_path: Path
) -> None:
    lit = copy.deepcopy(network)
    lit.config = replace(network.config, light=(168, 112, 99), detail=48)
    export(lit, tmp_path / "lit", "fp32")
    assert Wav2LipPredictor(tmp_path / "lit").light == (168, 112, 99)
    assert Wav2LipPredictor(tmp_path / "lit").detail == 48
    assert restore(tmp_path / "lit", [network.config]).config == lit.config
    export(network, tmp_path / "unknown", "fp32")
    assert Wav2LipPredictor(tmp_path / "unknown").light == ()
    # Those that were exported before said nothing of it.
    card = json.loads((tmp_path / "unknown" / "network.json").read_text())
    del card["light"], card["detail"]
    (tmp_path / "unknown" / "network.json").write_text(json.dumps(card))
    assert Wav2LipPredictor(tmp_path / "unknown").light == ()
    assert Wav2LipPredictor(tmp_path / "unknown").detail == 0
    assert restore(tmp_path / "unknown", [network.config]).config == network.config
