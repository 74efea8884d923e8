from __future__ import annotations

import importlib
import math
import pickle
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.fft import dct

from visavis.apps.commands import evaluate
from visavis.core.errors import ChecksumMismatch, FileUnreadable, InputError, MissingExtra
from visavis.core.types import Segment, VideoFrame, Waveform
from visavis.media.audio import read_audio
from visavis.media.video import read_video
from visavis.media.video_writer import VideoWriter
from visavis.models.syncnet_v2 import checkpoint
from visavis.models.syncnet_v2.cepstrum import cepstrum
from visavis.models.syncnet_v2.checkpoint import load_network
from visavis.models.syncnet_v2.network import SyncNetV2
from visavis.models.syncnet_v2.predictor import SyncNetJudge, measure_distances

# Of the published checkpoint: the numbers in the names count poolings and ReLUs, too.
PUBLISHED = {
    "netcnnaud.0.weight": (64, 1, 3, 3),
    "netcnnaud.4.weight": (192, 64, 3, 3),
    "netcnnaud.8.weight": (384, 192, 3, 3),
    "netcnnaud.11.weight": (256, 384, 3, 3),
    "netcnnaud.14.weight": (256, 256, 3, 3),
    "netcnnaud.18.weight": (512, 256, 5, 4),
    "netcnnaud.19.running_var": (512,),
    "netfcaud.0.weight": (512, 512),
    "netfcaud.1.running_mean": (512,),
    "netfcaud.3.weight": (1024, 512),
    "netcnnlip.0.weight": (96, 3, 5, 7, 7),
    "netcnnlip.4.weight": (256, 96, 1, 5, 5),
    "netcnnlip.8.weight": (256, 256, 1, 3, 3),
    "netcnnlip.11.weight": (256, 256, 1, 3, 3),
    "netcnnlip.14.weight": (256, 256, 1, 3, 3),
    "netcnnlip.18.weight": (512, 256, 1, 6, 6),
    "netcnnlip.19.bias": (512,),
    "netfclip.0.weight": (512, 512),
    "netfclip.3.bias": (1024,),
}
SIZE = 96
BOX = np.array([20, 20, 76, 76], np.float32)
MARKS = np.array([[22, 24], [74, 24], [48, 74]], np.float32)


@pytest.fixture(scope="module")
def weights() -> OrderedDict[str, torch.Tensor]:
    """Untrained, as torch stored them when the published file was made: no counters."""
    torch.manual_seed(0)
    content = SyncNetV2().state_dict()
    return OrderedDict((k, w) for k, w in content.items() if "num_batches" not in k)


@pytest.fixture(scope="module")
def made(weights: OrderedDict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("syncnet") / "syncnet_v2.model"
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    return path


def judge_of(path: Path, boxes: list[np.ndarray] | None = None) -> SyncNetJudge:
    found = [BOX] if boxes is None else boxes
    return SyncNetJudge(path, lambda image: found, "nobody", sha256=None, device="cpu")


@pytest.fixture(scope="module")
def judge(made: Path) -> SyncNetJudge:
    return judge_of(made)


class Means:
    """Instead of the network: the mean brightness of five frames, the mean energy of 0.2 s."""

    @staticmethod
    def encode_face(windows: torch.Tensor) -> torch.Tensor:
        return windows.mean((1, 2, 3, 4))[:, None] - 85

    @staticmethod
    def encode_speech(rows: torch.Tensor) -> torch.Tensor:
        # Energy of 400 samples of `voice` at brightness 0: half of a sine's, of one half of the
        # spectrum, after pre-emphasis.
        gain = abs(1 - 0.97 * np.exp(-2j * np.pi * 500 / 16000))
        base = math.log(400 / 4 * (0.01 * 32768 * gain) ** 2)
        return (rows[:, 0, 0].mean(1) - base)[:, None] * 20 - 85


# The network and its checkpoint


def test_towers_give_vectors_of_1024(made: Path) -> None:
    network, _ = load_network(made, None)
    assert network.encode_face(torch.rand(2, 3, 5, 224, 224) * 255).shape == (2, 1024)
    assert network.encode_speech(torch.randn(3, 1, 13, 20)).shape == (3, 1024)
    # The heads take 512 values, so each tower must end in one place.
    assert network.netcnnlip(torch.rand(1, 3, 5, 224, 224)).shape == (1, 512, 1, 1, 1)
    assert network.netcnnaud(torch.rand(1, 1, 13, 20)).shape == (1, 512, 1, 1)


def test_names_and_shapes_are_the_published_ones(weights: dict[str, torch.Tensor]) -> None:
    assert {name: tuple(weights[name].shape) for name in PUBLISHED} == PUBLISHED
    # Two towers of six convolutions and two layers, each but the last with a norm of four.
    assert len(weights) == 2 * (6 * 6 + 6 + 2)


def test_a_checkpoint_of_the_published_layout_is_loaded_to_the_bit(
    made: Path, weights: dict[str, torch.Tensor]
) -> None:
    network, digest = load_network(made, None)
    loaded = network.state_dict()
    assert all(torch.equal(loaded[name], weight) for name, weight in weights.items())
    assert not network.training
    assert len(digest) == 64


def test_counters_of_newer_torch_and_names_of_several_gpus_are_taken(
    weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    full = {f"module.{name}": weight for name, weight in SyncNetV2().state_dict().items()}
    full |= {f"module.{name}": weight for name, weight in weights.items()}
    torch.save(full, tmp_path / "new.pth")
    loaded = load_network(tmp_path / "new.pth", None)[0].state_dict()
    assert torch.equal(loaded["netfclip.3.bias"], weights["netfclip.3.bias"])


def test_other_files_are_refused_by_their_hash(made: Path) -> None:
    with pytest.raises(ChecksumMismatch, match="is not the published"):
        load_network(made)
    with pytest.raises(ChecksumMismatch):
        SyncNetJudge(made, lambda image: [], "nobody")


def test_other_networks_are_refused(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"face_encoder.0.weight": torch.zeros(3)}, path)
    with pytest.raises(FileUnreadable, match=r"other\.pth is of another network.*netcnnaud"):
        load_network(path, None)
    less = {k: w for k, w in weights.items() if k != "netfclip.3.bias"}
    torch.save(less, path)
    with pytest.raises(FileUnreadable, match=r"netfclip\.3\.bias"):
        load_network(path, None)
    torch.save({**weights, "netfclip.3.bias": torch.zeros(256)}, path)
    with pytest.raises(FileUnreadable, match="1024"):
        load_network(path, None)


def test_what_is_no_checkpoint_is_refused_and_not_run(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match="there is no file"):
        load_network(tmp_path / "missing", None)
    with pytest.raises(FileUnreadable, match="cannot be read"):
        load_network(tmp_path, None)
    text = tmp_path / "text"
    text.write_text("no weights")
    with pytest.raises(FileUnreadable, match="no checkpoint"):
        load_network(text, None)
    done = tmp_path / "done"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (done,)  # type: ignore[return-value]

    evil = tmp_path / "evil"
    evil.write_bytes(pickle.dumps({"netfclip.3.bias": Evil()}, protocol=2))
    with pytest.raises(FileUnreadable, match="no checkpoint"):
        load_network(evil, None)
    assert not done.exists()


def test_without_torch_the_extra_is_named(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match="`train`"):
        judge_of(made)


def test_the_judge_says_what_it_is(
    judge: SyncNetJudge, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = load_network(made, None)[1]
    assert judge.network.startswith(f"unpublished weights of SyncNet v2 {digest[:16]}")
    assert "nobody in place of S3FD" in judge.network
    monkeypatch.setattr(checkpoint, "PUBLISHED_SHA256", digest)
    published = SyncNetJudge(made, lambda image: [], "nobody", device="cpu")
    assert published.network.startswith(f"SyncNet v2 {digest[:16]}")


# The sound


def chirp(count: int) -> np.ndarray:
    t = np.arange(count) / 16000
    tone = np.sin(2 * np.pi * (200 * t + 9000 * t * t))
    return 0.4 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 30 * t))


def test_cepstrum_is_that_of_python_speech_features() -> None:
    # mfcc(chirp in 16 bits, 16000) of its version 0.6, rows 0, 3 and 6.
    told = [
        [19.1461, 32.7303, 15.0978, -8.0503, -28.8759, -38.8727, -34.1925,
         -21.7122, -8.3010, -1.0596, 0.3617, -3.0941, -6.1638],
        [21.0057, 16.5551, -30.1743, -51.6053, -21.6270, 27.0003, 42.1694,
         12.7913, -20.4507, -24.4164, -4.9654, 8.4150, 6.1809],
        [21.9230, -0.5427, -45.6383, -15.5221, 39.2175, 22.2967, -33.4760,
         -31.8315, 15.5931, 23.7361, -9.1550, -21.6529, -3.1079],
    ]  # fmt: skip
    found = cepstrum(chirp(1360))
    assert found.shape == (7, 13)
    np.testing.assert_allclose(found[[0, 3, 6]], told, atol=6e-5)


def plain_cepstrum(samples: np.ndarray) -> np.ndarray:
    """Window by window, sample by sample where that is bearable."""
    x = np.clip(np.rint(samples * 32768), -32768, 32767)
    x = np.array([x[0]] + [x[k] - 0.97 * x[k - 1] for k in range(1, len(x))])
    rows, start = [], 0
    mel = [2595 * math.log10(1 + 8000 / 700) * k / 27 for k in range(28)]
    bins = [math.floor(513 * 700 * (10 ** (m / 2595) - 1) / 16000) for m in mel]
    while True:
        window = np.zeros(512)
        part = x[start : start + 400]
        window[: len(part)] = part
        power = np.abs(np.fft.fft(window)[:257]) ** 2 / 512
        bands = []
        for low, middle, high in zip(bins, bins[1:], bins[2:], strict=False):
            total = sum(power[i] * (i - low) / (middle - low) for i in range(low, middle))
            total += sum(power[i] * (high - i) / (high - middle) for i in range(middle, high))
            bands.append(math.log(total or np.finfo(float).eps))
        row = dct(bands, type=2, norm="ortho")[:13]
        row *= [1 + 11 * math.sin(math.pi * n / 22) for n in range(13)]
        row[0] = math.log(power.sum() or np.finfo(float).eps)
        rows.append(row)
        if start + 400 >= len(x):
            return np.array(rows)
        start += 160


@pytest.mark.parametrize("count", [1, 399, 400, 401, 560, 561, 3200])
def test_cepstrum_is_that_of_a_plain_loop(count: int) -> None:
    samples = np.random.default_rng(count).uniform(-1.1, 1.1, count)
    samples[count // 3 : count // 2] = 0
    np.testing.assert_allclose(cepstrum(samples), plain_cepstrum(samples), atol=1e-4)


def test_cepstrum_of_silence_is_finite_and_of_25_frames_has_99_rows() -> None:
    rows = cepstrum(np.zeros(16000, np.float32))
    assert rows.shape == (99, 13)
    np.testing.assert_allclose(rows[:, 0], math.log(np.finfo(float).eps), rtol=1e-6)
    with pytest.raises(InputError, match="no sound"):
        cepstrum(np.zeros(0, np.float32))


# The distances


def plain_distances(faces: np.ndarray, speech: np.ndarray) -> np.ndarray:
    count, means = len(faces), []
    for later in range(-15, 16):
        total = 0.0
        for k in range(count):
            there = 0 <= k + later < count
            other = speech[k + later] if there else np.zeros_like(faces[0])
            total += math.sqrt(((faces[k].astype(float) - other + 1e-6) ** 2).sum())
        means.append(total / count)
    return np.array(means)


@pytest.mark.parametrize("count", [1, 9, 40])
def test_distances_are_those_of_a_plain_loop(count: int) -> None:
    rng = np.random.default_rng(count)
    faces, speech = rng.normal(size=(2, count, 24)).astype(np.float32)
    found, told = measure_distances(faces, speech), plain_distances(faces, speech)
    np.testing.assert_allclose(found.distances, told, rtol=1e-5)
    assert found.distance == pytest.approx(told.min(), rel=1e-6)
    assert found.confidence == pytest.approx(np.median(told) - told.min(), rel=1e-5, abs=1e-9)
    assert found.offset == 15 - told.argmin()


@pytest.mark.parametrize("late", [-15, -4, 0, 1, 15])
def test_an_offset_put_in_is_found(late: int) -> None:
    rng = np.random.default_rng(3)
    series = rng.normal(size=(200, 64)).astype(np.float32)
    faces, speech = series[50:150], series[50 - late : 150 - late]
    found = measure_distances(faces, speech)
    assert found.lateness == late
    assert found.offset == -late
    # All that has a partner is at 0; what has none is measured from zero.
    alone = faces[100 - late :] if late > 0 else faces[:-late]
    told = np.linalg.norm(alone, axis=1).sum() / 100
    assert found.distance == pytest.approx(told, abs=1e-4)
    assert found.confidence > 5


def test_blocks_of_a_long_clip_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    faces, speech = np.random.default_rng(0).normal(size=(2, 50, 8)).astype(np.float32)
    whole = measure_distances(faces, speech).distances
    predictor = importlib.import_module("visavis.models.syncnet_v2.predictor")
    monkeypatch.setattr(predictor, "_BLOCK", 7)
    np.testing.assert_allclose(measure_distances(faces, speech).distances, whole, rtol=1e-6)


# All of it


def clip(bright: np.ndarray) -> list[np.ndarray]:
    return [np.full((SIZE, SIZE, 3), round(float(b)), np.uint8) for b in bright]


def voice(bright: np.ndarray) -> np.ndarray:
    amplitude = np.repeat(0.01 * np.exp(bright / 40), 640)
    return amplitude * np.sin(2 * np.pi * 500 * np.arange(len(amplitude)) / 16000)


@pytest.mark.parametrize(("late", "gone"), [(3, 0), (-2, 0), (0, 30)])
def test_windows_of_sound_and_picture_are_of_the_same_time(
    made: Path, late: int, gone: int
) -> None:
    """Brightness is loudness: with these for vectors, sound moved by hand is found where it is.

    And so where the face comes late into the picture.
    """
    judge = judge_of(made)
    judge._network = Means()
    noise = np.random.default_rng(5).normal(0, 40, 104)
    bright = np.clip(85 + np.convolve(noise, np.ones(5) / 5, "valid") * 2, 5, 165)
    marks = np.tile(MARKS, (100, 1, 1))
    marks[:gone] = np.nan
    found = judge.measure(lambda: clip(bright), marks, voice(np.roll(bright, late)))
    assert found.lateness == late
    # What is left is of the windows that have no partner, and of the loudest, which outweigh others.
    assert found.distance < 5
    assert found.confidence > 15


def test_row_k_is_of_the_frames_from_k_on(made: Path) -> None:
    judge = judge_of(made)
    judge._network = SimpleNamespace(encode_face=lambda x: x.mean((1, 3, 4)))
    crops = [np.full((224, 224, 3), k, np.uint8) for k in range(40)]
    told = np.arange(36)[:, None] + np.arange(5)
    # Vectors of this stand-in are of five numbers: what it saw of each frame.
    np.testing.assert_allclose(judge.embed_faces(iter(crops)), told, atol=1e-3)
    assert judge.embed_faces(crops[:4]).shape == (0, 1024)


def test_batches_make_no_difference(judge: SyncNetJudge) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(120, 13)).astype(np.float32)
    together = judge.embed_speech(rows, 20)
    assert together.shape == (20, 1024)
    alone = [judge.embed_speech(rows[4 * k :], 1)[0] for k in (0, 15, 16, 19)]
    np.testing.assert_allclose(together[[0, 15, 16, 19]], alone, rtol=1e-4, atol=1e-5)


def test_a_face_that_is_not_there_or_sound_that_is_too_short_is_told(made: Path) -> None:
    frames = clip(np.full(12, 100))
    marks = np.tile(MARKS, (12, 1, 1))
    with pytest.raises(InputError, match="sees this face in no frame"):
        judge_of(made, []).measure(lambda: frames, marks, np.zeros(12 * 640, np.float32))
    with pytest.raises(InputError, match="5 frames in common"):
        judge_of(made).measure(lambda: frames, marks, np.zeros(5 * 640 + 639, np.float32))


def test_a_video_is_measured_and_again_the_same(judge: SyncNetJudge, tmp_path: Path) -> None:
    path, count = tmp_path / "made.mp4", 9
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    frames = [VideoFrame(np.roll(noise, k, 0), k) for k in range(count)]
    sound = Waveform(chirp(count * 1920).astype(np.float32), 48000)
    with VideoWriter(path) as writer:
        writer.write(Segment(0, sound, tuple(frames)))

    def pictures() -> Iterator[np.ndarray]:
        return (frame.image for frame in read_video(path))

    marks, samples = np.tile(MARKS, (count, 1, 1)), read_audio(path, 16000).samples
    found = judge.measure(pictures, marks, samples[: count * 640])
    assert np.isfinite(found.distances).all()
    assert found.distances.shape == (31,)
    assert found.distance == found.distances.min()
    again = judge.measure(pictures, marks, samples[: count * 640])
    assert (again.distances == found.distances).all()
    assert found.distances.std() > 0


def test_the_command_refuses_other_weights(made: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    arguments = [str(tmp_path / "a.mp4"), "--syncnet", str(made), "-o", str(tmp_path / "report")]
    done = CliRunner().invoke(evaluate.command, arguments)
    assert isinstance(done.exception, ChecksumMismatch)
    assert not (tmp_path / "report").exists()
