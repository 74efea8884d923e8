"""The shipped faces are what their recipe aims at."""

from pathlib import Path

import numpy as np
import pytest

from visavis.core.types import Picture
from visavis.models.yunet.predictor import FaceDetector
from visavis.stages.avatars import store
from visavis.stages.avatars.reading import Readers
from visavis.training.recipes.default_avatars import (
    RECIPES,
    RESOLUTIONS,
    STYLE,
    TARGETS,
    measure_face,
    retouch,
)

ALLOWED = {
    "gap": 0.1, "smile": 0.25, "yaw": 3.0, "pitch": 4.0, "roll": 2.0, "gaze": 0.15,
    "teeth": 0.05, "lids": 0.1, "jaw": 0.05,
}  # fmt: skip


@pytest.mark.assets
@pytest.mark.parametrize("name", sorted(RECIPES))
def test_frontal_shut_and_looking_at_the_camera(name: str, readers: Readers) -> None:
    face = readers.landmarker.detect(store.load(name).frames[0])
    assert face is not None
    for (key, target), value in zip(TARGETS.items(), measure_face(face), strict=True):
        assert abs(value - target) <= ALLOWED[key] or (key == "lids" and value < target), key


@pytest.mark.assets
@pytest.mark.parametrize("name", sorted(RECIPES))
def test_nobody_else_is_in_the_picture(name: str) -> None:
    assert len(FaceDetector(min_score=0.3).detect(store.load(name).frames[0])) == 1


def test_styles_are_kept_for_each_face() -> None:
    with np.load(Path(store.__file__).parent / "defaults" / "styles.npz") as styles:
        assert sorted(styles) == sorted(RECIPES)
        for name in RECIPES:
            assert styles[name].shape == (RESOLUTIONS, STYLE)
            assert styles[name].dtype == np.float32
            assert np.isfinite(styles[name]).all()


def test_retouching_fills_circles_from_around_and_leaves_the_rest() -> None:
    image: Picture = np.full((100, 100, 3), 120, np.uint8)
    image[45:55, 45:55] = 255
    mended = retouch(image, ((49, 49, 9),))
    assert np.abs(mended.astype(int) - 120).max() <= 2
    assert np.array_equal(retouch(image, ()), image)
