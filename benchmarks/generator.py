"""A frame of the lip generator by size, runtime and precision; what fewer bits cost.

    python benchmarks/generator.py [--sizes 96 192 384] [--rounds 15] [--threads 2]
    python benchmarks/generator.py --checkpoint FILE.pt --examples FILE.npz

Needs the `train` extra. The baseline is ONNX Runtime in single precision. All variants of a size take
turns, so that whatever else the machine does meets them alike; times are medians. Untrained weights
take as long as trained ones; what fewer bits cost is told for a checkpoint alone, on the last quarter
of its examples (`frames` as they are, `references`, `mel_windows`), calibrated on the others.

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

from visavis.models.wav2lip.export import Calibration, default_top, export, load_network
from visavis.models.wav2lip.network import WAV2LIP_96, WAV2LIP_192, WAV2LIP_384, Wav2Lip
from visavis.models.wav2lip.predictor import Wav2LipPredictor

CONFIGS = {config.size: config for config in (WAV2LIP_96, WAV2LIP_192, WAV2LIP_384)}
VARIANTS = {
    "ONNX Runtime fp32": ("fp16", "onnxruntime", "fp32"),
    "ONNX Runtime int8": ("int8", "onnxruntime", "fp32"),
    "OpenVINO fp32": ("fp16", "openvino", "fp32"),
    "OpenVINO bf16": ("fp16", "openvino", "bf16"),
    "OpenVINO int8": ("int8", "openvino", "bf16"),
}
BASELINE = "ONNX Runtime fp32"


def untrained(size: int) -> Wav2Lip:
    torch.manual_seed(0)
    network = Wav2Lip(CONFIGS[size])
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


def measure_times(network: Wav2Lip, folder: Path, threads: int, rounds: int) -> None:
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
            f"{size:>4} {variant:<18} {whole:>7.1f} {cached:>7.1f} {lower:>7.1f}"
            f" {base / whole:>8.2f} {base / lower:>8.2f} {size_kept}",
            flush=True,
        )


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2))


def measure_quality(network: Wav2Lip, folder: Path, examples: Calibration) -> None:
    first = len(examples.frames) * 3 // 4
    seen, unseen = (
        Calibration(examples.frames[part], examples.references[part], examples.mel_windows[part])
        for part in (slice(None, first), slice(first, None))
    )
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
    print(f"\nlower halves of {len(truth)} pictures: dB to fp32, dB to the real picture, less by")
    print(f"{'fp32':<18} {'-':>6} {psnr(whole, truth):>6.2f}")
    for variant, how in VARIANTS.items():
        made = draw(*how)
        real = psnr(made, truth)
        print(
            f"{variant:<18} {psnr(made, whole):>6.2f} {real:>6.2f} {psnr(whole, truth) - real:>6.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=sorted(CONFIGS))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--examples", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as scratch:
        if given.checkpoint:
            examples = Calibration.read(given.examples)
            measure_quality(load_network(given.checkpoint), Path(scratch), examples)
            return
        print(f"ms a frame, {given.threads} threads, {given.rounds} rounds; MB kept of a frame")
        print(" size variant              whole  cached   lower  x whole  x lower     MB")
        for size in given.sizes:
            measure_times(untrained(size), Path(scratch) / str(size), given.threads, given.rounds)


if __name__ == "__main__":
    main()
