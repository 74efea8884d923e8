from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from visavis.core.errors import ChecksumMismatch, MissingWeights
from visavis.core.types import EMOTIONS, Floats, Picture
from visavis.models import assets
from visavis.models.face_emotion.convert import CLASSES, SIDE, convert, read_weights
from visavis.models.face_emotion.predictor import MANIFEST, WEIGHTS, FaceEmotion, cut_face
from visavis.stages.avatars import store


@pytest.fixture(scope="module")
def folder() -> Path:
    return assets.locate("face-emotion")


@pytest.fixture(scope="module")
def network() -> FaceEmotion:
    return FaceEmotion(threads=1)


def portrait(name: str) -> tuple[Picture, Floats]:
    avatar = store.load(name)
    return avatar.frames[0], avatar.track.landmarks[0]


def test_numbers_of_the_original(network: FaceEmotion) -> None:
    # Two pictures by formula, and what @vladmandic/face-api 1.7.15 itself answers for them.
    y, x, c = np.mgrid[:SIDE, :SIDE, :3]
    ramps = ((x * 3 + y * 5 + c * 40) % 256).astype(np.uint8)
    waves = (127.5 + 127.5 * np.sin(x / 9 + c) * np.cos(y / 13)).astype(np.uint8)
    wanted = [
        [0.338084, 0.012213, 0.028860, 0.021727, 0.058627, 0.000341, 0.540146],
        [0.001401, 0.004150, 0.001985, 0.415481, 0.000032, 0.005200, 0.571751],
    ]
    found = network.classify_crops(np.stack([ramps, waves]))
    np.testing.assert_allclose(found, wanted, atol=2e-4)


def test_classes_are_the_projects() -> None:
    assert set(CLASSES) == set(EMOTIONS) - {"contempt"}
    assert FaceEmotion.classes == CLASSES


def test_portraits_show_what_one_sees(network: FaceEmotion) -> None:
    for name, emotion in (("mei", "neutral"), ("ruth", "happy")):
        judged = network.classify(*portrait(name))
        assert judged.shape == (len(CLASSES),)
        assert judged.sum() == pytest.approx(1, abs=1e-4)
        assert CLASSES[int(judged.argmax())] == emotion
        assert judged.max() > 0.8


def test_the_face_is_cut_from_brows_to_chin() -> None:
    picture = np.full((400, 300, 3), 200, np.uint8)
    landmarks = np.full((478, 3), 150, np.float32)
    # A face 100 wide and 200 high: the box is 120 by 240, the square 240.
    landmarks[234, :2], landmarks[454, :2] = (100, 150), (200, 150)
    landmarks[152, :2], landmarks[105, :2] = (150, 300), (150, 100)
    face = cut_face(picture, landmarks)
    assert face.shape == (SIDE, SIDE, 3)
    columns = np.flatnonzero(face[SIDE // 2, :, 0])
    assert (columns[0], columns[-1]) == (28, SIDE - 29)
    assert (face[:, SIDE // 2] == 200).all()
    # What the camera did not see is not made up: mouths and brows stay where they are.
    marked = picture.copy()
    marked[298:303, 148:153] = 0
    rows = np.flatnonzero(cut_face(marked, landmarks)[:, SIDE // 2, 0] < 100)
    assert rows.mean() == pytest.approx((300 - 80) / 240 * SIDE, abs=1)


def test_weights_are_read_by_scale_and_least() -> None:
    manifest = [
        {
            "weights": [
                {
                    "name": "a", "shape": [2, 2], "dtype": "float32",
                    "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.0},
                },
                {"name": "b", "shape": [1], "dtype": "float32"},
            ]
        }
    ]  # fmt: skip
    numbers = bytes([0, 1, 2, 255]) + np.float32(7).tobytes()
    values = read_weights(json.dumps(manifest).encode(), numbers)
    np.testing.assert_allclose(values["a"], [[-1, -0.5], [0, 126.5]])
    assert values["b"].tolist() == [7]


def test_other_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    manifest, weights = (folder / MANIFEST).read_bytes(), (folder / WEIGHTS).read_bytes()
    with pytest.raises(ChecksumMismatch, match="face expression"):
        convert(manifest, weights[:-4])
    with pytest.raises(ChecksumMismatch, match="face expression"):
        convert(manifest, weights + b"1234")
    with pytest.raises(ChecksumMismatch, match="face expression"):
        convert(b"[]", b"")
    with pytest.raises(ChecksumMismatch, match="face expression"):
        convert(b"no manifest", weights)
    with pytest.raises(MissingWeights, match="lacks"):
        FaceEmotion(tmp_path)
