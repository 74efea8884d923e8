"""A frame of the lip generator by size, runtime and precision; what fewer bits cost.

    python benchmarks/generator.py [--weights 96 192 384-full ...] [--rounds 15] [--threads 2]
    python benchmarks/generator.py --weights 192 --clips CLIPS

Needs the `train` extra. WEIGHTS are the width of those that come with visavis, an exported folder or a
checkpoint; `96-full`, `192-full` and `384-full` are untrained ones of the published sizes, which take
as long as trained ones. The baseline is ONNX Runtime in single precision. All variants take turns, so
that whatever else the machine does meets them alike; times are medians.

What fewer bits cost is told with CLIPS, which `visavis prepare` made: ranges are set on frames of those that
are trained on, and errors are of people unseen.

whole      face encoder, sound, every row of the picture
cached     sound and every row, from features that are kept
lower      sound and the rows from 3/8 of the height on, from features that are kept: what is shown
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from visavis.models.assets import locate
from visavis.models.common.mel import mel_windows
from visavis.models.wav2lip.export import Calibration, default_top, export, load_network
from visavis.models.wav2lip.network import (
    WAV2LIP_96,
    WAV2LIP_192,
    WAV2LIP_384,
    Wav2Lip,
    Wav2LipConfig,
)
from visavis.models.wav2lip.predictor import Wav2LipPredictor
from visavis.models.wav2lip.restore import restore
from visavis.training.data.clip_store import ClipStore
from visavis.training.data.lip_batches import read_crops

FULL = {f"{config.size}-full": config for config in (WAV2LIP_96, WAV2LIP_192, WAV2LIP_384)}
VARIANTS = {
    "ONNX Runtime fp32": ("fp16", "onnxruntime", "fp32"),
    "ONNX Runtime int8": ("int8", "onnxruntime", "fp32"),
    "OpenVINO fp32": ("fp16", "openvino", "fp32"),
    "OpenVINO bf16": ("fp16", "openvino", "bf16"),
    "OpenVINO int8": ("int8", "openvino", "bf16"),
}
BASELINE = "ONNX Runtime fp32"
CALIBRATED_ON, MEASURED_ON, FRAMES_OF_EACH = 24, 24, 4


def take(name: str) -> Wav2Lip:
    if name in FULL:
        return untrained(FULL[name])
    if name.isdigit():
        return restore(locate(f"wav2lip-{name}"))
    path = Path(name)
    return restore(path) if path.is_dir() else load_network(path)


def untrained(config: Wav2LipConfig) -> Wav2Lip:
    size = config.size
    torch.manual_seed(0)
    network = Wav2Lip(config)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None
    with torch.no_grad():
        network(torch.randn(2, 1, 80, 16), torch.rand(2, 6, size, size))
    return network.eval()


def noise(size: int) -> Calibration:
    rng = np.random.default_rng(0)
    frames, references = rng.integers(0, 256, (2, 3, size, size, 3), dtype=np.uint8)
    return Calibration(frames, references, rng.standard_normal((3, 80, 16)).astype(np.float32))


def export_all(network: Wav2Lip, folder: Path, examples: Calibration) -> None:
    for precision in ("fp16", "int8"):
        for name, top in (("all", 0), ("lower", None)):
            export(network, folder / precision / name, precision, examples, top)


def torch_runs(network: Wav2Lip, examples: Calibration) -> dict[str, object]:
    mel = torch.from_numpy(examples.mel_windows[:1, None])
    face = torch.from_numpy(next(examples.faces())["face"])
    top = default_top(network.config.size)
    with torch.inference_mode():
        features = network.encode_face(face)
    rows = network.config.first_rows(top)
    kept = [feature[:, :, row:].clone() for feature, row in zip(features, rows, strict=True)]

    def run(function):
        def timed() -> None:
            with torch.inference_mode():
                function()

        return timed

    return {
        "whole": run(lambda: network(mel, face)),
        "cached": run(lambda: network.decode(network.encode_audio(mel), features)),
        "lower": run(lambda: network.decode(network.encode_audio(mel), kept, top)),
    }


def graph_runs(folder: Path, variant: str, threads: int, examples: Calibration):
    precision, runtime, computed = VARIANTS[variant]
    every, lower = (
        Wav2LipPredictor(
            folder / precision / name, runtime=runtime, threads=threads, precision=computed
        )
        for name in ("all", "lower")
    )
    pair = examples.frames[:1], examples.references[:1]
    mel = examples.mel_windows[:1]
    features, kept = every.encode(*pair), lower.encode(*pair)
    runs = {
        "whole": lambda: every.render(every.encode(*pair), mel),
        "cached": lambda: every.render(features, mel),
        "lower": lambda: lower.render(kept, mel),
    }
    return runs, kept[0].nbytes


def measure_times(name: str, network: Wav2Lip, folder: Path, threads: int, rounds: int) -> None:
    size = network.config.size
    examples = noise(size)
    export_all(network, folder, examples)
    runs = {"torch": torch_runs(network, examples)}
    kept = {}
    for variant in VARIANTS:
        runs[variant], kept[variant] = graph_runs(folder, variant, threads, examples)
    times = {(v, kind): [] for v, kinds in runs.items() for kind in kinds}
    for turn in range(rounds + 2):
        for (variant, kind), taken in times.items():
            began = time.perf_counter()
            runs[variant][kind]()
            if turn >= 2:
                taken.append(1000 * (time.perf_counter() - began))
    median = {key: statistics.median(taken) for key, taken in times.items()}
    base = median[BASELINE, "whole"]
    for variant in runs:
        whole, cached, lower = (median[variant, kind] for kind in ("whole", "cached", "lower"))
        size_kept = f"{kept[variant] / 1e6:6.2f}" if variant in kept else "     -"
        print(
            f"{name[-9:]:>9} {variant:<18} {whole:>7.1f} {cached:>7.1f} {lower:>7.1f}"
            f" {base / whole:>8.2f} {base / lower:>8.2f} {size_kept}",
            flush=True,
        )


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2))


def examples_of(store: ClipStore, split: str, count: int, network: Wav2Lip) -> Calibration:
    """A few frames of each of some clips, evenly taken; the first frame is the reference."""
    size, lead = network.config.size, network.config.lead
    clips = [clip for clip in store.clips if clip.split == split and clip.frames > 12]
    frames, references, sounds = [], [], []
    for clip in clips[:: max(1, len(clips) // count)][:count]:
        at = np.linspace(6, clip.frames - 3, FRAMES_OF_EACH).round().astype(int)
        crops = read_crops(store, clip, [0, *at], size)
        frames.append(crops[1:])
        references.append(crops[:1].repeat(len(at), 0))
        sounds.append(mel_windows(store.mel(clip), at + clip.offset - lead))
    return Calibration(*(np.concatenate(parts) for parts in (frames, references, sounds)))


def measure_quality(network: Wav2Lip, folder: Path, store: ClipStore) -> None:
    seen = examples_of(store, "train", CALIBRATED_ON, network)
    unseen = examples_of(store, "val", MEASURED_ON, network)
    export(network, folder / "fp32", "fp32")
    export(network, folder / "fp16", "fp16")
    export(network, folder / "int8", "int8", seen)
    half = network.config.size // 2
    truth = unseen.frames[:, half:]

    def draw(precision: str, runtime: str, computed: str) -> np.ndarray:
        predictor = Wav2LipPredictor(folder / precision, runtime=runtime, precision=computed)
        features = predictor.encode(unseen.frames, unseen.references)
        return predictor.render(features, unseen.mel_windows)[:, half:]

    whole = draw("fp32", "onnxruntime", "fp32")
    print(f"lower halves of {len(truth)} pictures: dB to fp32, dB to the real picture, less by")
    print(f"{'fp32':<18} {'-':>6} {psnr(whole, truth):>6.2f}")
    for variant, how in VARIANTS.items():
        made = draw(*how)
        real = psnr(made, truth)
        print(
            f"{variant:<18} {psnr(made, whole):>6.2f} {real:>6.2f} {psnr(whole, truth) - real:>6.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", nargs="+", default=["96", "192", "384", *FULL])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clips", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as scratch:
        if given.clips:
            store = ClipStore(given.clips)
            for name in given.weights:
                print(name)
                measure_quality(take(name), Path(scratch) / Path(name).name, store)
            return
        print(f"ms a frame, {given.threads} threads, {given.rounds} rounds; MB kept of a frame")
        print("  weights variant              whole  cached   lower  x whole  x lower     MB")
        for name in given.weights:
            folder = Path(scratch) / Path(name).name
            measure_times(name, take(name).eval(), folder, given.threads, given.rounds)


if __name__ == "__main__":
    main()
