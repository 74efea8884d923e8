"""Pictures of nobody for the tests of this folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from visavis.core.types import Picture
from visavis.media.pack import load_avatar
from visavis.media.picture import read_picture
from visavis.stages.avatars import store

WriteVideo = Callable[..., Path]

FACES = Path(__file__).parent / "faces"


def face_of(name: str) -> Picture:
    """A shipped face at 512 x 512, or one of the test faces."""
    path = FACES / f"{name}.jpg"
    if path.exists():
        return read_picture(path)
    frame = load_avatar(store.find(name).path).frames[0]
    return np.asarray(cv2.resize(frame, (512, 512), interpolation=cv2.INTER_AREA), np.uint8)


def sway(image: Picture, x: float, y: float = 0.0, turn: float = 0.0) -> Picture:
    """The picture shifted by pixels and turned by degrees, with its border drawn out."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1.0)
    matrix[:, 2] += (x, y)
    return np.asarray(
        cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def swaying(image: Picture, count: int, period: float, size: int = 256) -> Iterator[Picture]:
    """Somebody who sways and comes back to the same place every ``period`` frames."""
    small = np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
    rng = np.random.default_rng(0)
    for i in range(count):
        angle = 2 * np.pi * i / period
        moved = sway(small, 5 * np.sin(angle), 2 * np.cos(2 * angle), 2 * np.sin(angle))
        noise = rng.normal(0, 1.5, moved.shape)
        yield np.clip(moved + noise, 0, 255).astype(np.uint8)
