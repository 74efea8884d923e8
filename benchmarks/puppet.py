"""Frames of the puppet against one plain bicubic sampling of the same picture.

    python benchmarks/puppet.py [--frames 60]

One thread. The baseline is the least that any warp of the picture costs; real time is 40 ms.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")

import cv2
import numpy as np

from visavis.models.common.units import ARKIT_UNITS, UNIT_INDEX
from visavis.models.puppet.renderer import Pose
from visavis.models.puppet.stand import Stand
from visavis.stages.avatars import store


def median_ms(run, frames: int) -> float:
    times = []
    for i in range(frames):
        began = time.perf_counter()
        run(i)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def pose(i: int) -> Pose:
    units = np.zeros(len(ARKIT_UNITS), np.float32)
    units[UNIT_INDEX["jawOpen"]] = 0.25 + 0.2 * np.sin(i * 0.9)
    units[UNIT_INDEX["mouthSmileLeft"]] = units[UNIT_INDEX["mouthSmileRight"]] = 0.3
    return Pose(units=units, yaw=2 * np.sin(i * 0.1), pitch=np.cos(i * 0.13))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=60)
    frames = parser.parse_args().frames
    avatar = store.load(store.DEFAULT)
    print(
        f"{'pixels':>7} {'open s':>7} {'frame ms':>9} {'sampling ms':>12} {'ratio':>6} {'of 40 ms':>9}"
    )
    for size in (256, 512, 720):
        began = time.perf_counter()
        stand = Stand(avatar, size)
        opened = time.perf_counter() - began
        stand.render(0, pose(0))
        frame = median_ms(lambda i, stand=stand: stand.render(i, pose(i)), frames)
        picture = stand.still()
        y, x = np.mgrid[:size, :size].astype(np.float32)
        where = np.stack([x + 0.3, y + 0.7], -1)
        plain = median_ms(
            lambda _, p=picture, w=where: cv2.remap(
                p, w, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
            ),
            frames,
        )
        print(
            f"{size:>7} {opened:>7.2f} {frame:>9.1f} {plain:>12.1f} {frame / plain:>6.1f}"
            f" {frame / 40:>8.0%}"
        )


if __name__ == "__main__":
    main()
