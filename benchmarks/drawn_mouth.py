"""A frame of the animator wav2lip, part by part, against a frame of the puppet alone.

    python benchmarks/drawn_mouth.py [--sizes 192 384] [--pixels 512 720] [--frames 40] [--weights DIR]

Untrained weights take as long as trained ones, so that they are made here unless a folder is named.
Parts take turns, so that whatever else the machine does meets them alike; times are medians. Real
time is 40 ms. Needs the `train` extra unless weights are named.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")

import numpy as np

from visavis.models.puppet.renderer import Pose
from visavis.stages.animators.wav2lip import Wav2LipAnimator, Wav2LipPerformance
from visavis.stages.animators.wav2lip_speech import Heard
from visavis.stages.avatars import store


def make_weights(size: int, folder: Path) -> Path:
    from visavis.models.wav2lip.export import export
    from visavis.models.wav2lip.network import Wav2Lip
    from visavis.models.wav2lip.restore import CONFIGS

    config = next(config for config in CONFIGS if config.size == size)
    export(Wav2Lip(config).eval(), folder / str(size), "fp16")
    return folder / str(size)


def measure(performance: Wav2LipPerformance, frames: int) -> dict[str, float]:
    """Median milliseconds of each part."""
    rng = np.random.default_rng(0)
    faces, stand = performance._faces, performance._stand
    count = len(faces.squares)
    times: dict[str, list[float]] = {}

    def clock(part: str, run):
        began = time.perf_counter()
        result = run()
        times.setdefault(part, []).append(1000 * (time.perf_counter() - began))
        return result

    for i in range(frames + 2):
        heard = Heard(rng.standard_normal((80, 16)).astype(np.float32), 1.0)
        frame = i % count
        pose = Pose(yaw=2 * np.sin(i * 0.1), lips=1.0)
        faces.encoded(frame)
        clock("generator", lambda f=frame, h=heard: performance._say(f, h))
        square = performance._say(frame, heard)
        patch = clock("place", lambda f=frame: performance._patch_of(f))
        overlay = clock("paint", lambda p=patch, s=square: p.paint(s, 1.0))
        clock("move", lambda n=i, p=pose, o=overlay: stand.render(n, p, o))
        clock("puppet alone", lambda n=i, p=pose: stand.render(n, p))
    return {part: statistics.median(values[2:]) for part, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[192, 384])
    parser.add_argument("--pixels", type=int, nargs="+", default=[512])
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--weights", type=Path, help="Folder with one folder for each size.")
    parser.add_argument("--avatar", default=store.DEFAULT)
    given = parser.parse_args()
    avatar = store.load(given.avatar)
    parts = ("generator", "place", "paint", "move", "puppet alone")
    print(f"{'square':>7}{'pixels':>8}" + "".join(f"{p:>14}" for p in parts) + f"{'whole':>8}")
    with tempfile.TemporaryDirectory() as scratch:
        for size in given.sizes:
            folder = (
                given.weights / str(size) if given.weights else make_weights(size, Path(scratch))
            )
            for pixels in given.pixels:
                animator = Wav2LipAnimator(size=pixels, weights=folder)
                performance = animator.open(avatar)
                found = measure(performance, given.frames)
                whole = sum(found[part] for part in parts[:4])
                print(
                    f"{size:>7}{pixels:>8}"
                    + "".join(f"{found[p]:>11.1f} ms" for p in parts)
                    + f"{whole:>8.1f}"
                )
                print(f"{'':>15}{performance._predictor.description}")
                performance.close()


if __name__ == "__main__":
    main()
