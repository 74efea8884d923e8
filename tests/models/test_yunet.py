import os
from pathlib import Path

import numpy as np
import pytest

from visavis.core.errors import MissingWeights
from visavis.models.yunet.predictor import Detection, FaceDetector, _merge

DATA = Path(os.environ.get("VISAVIS_DATA", Path(__file__).parents[3] / "shared" / "data"))


def at(x, y, size, score):
    box = np.array([x, y, x + size, y + size], np.float32)
    return Detection(box, score, np.zeros((5, 2), np.float32))


def test_one_face_seen_at_two_sizes_is_one_face():
    kept = _merge([at(10, 10, 100, 0.8), at(12, 9, 98, 0.9), at(300, 10, 40, 0.95)])
    assert [face.score for face in kept] == [0.9, 0.95]  # the largest first


def test_a_file_that_is_no_network_is_named(tmp_path):
    path = tmp_path / "yunet.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(MissingWeights, match="cannot be read as YuNet"):
        FaceDetector(path)


@pytest.fixture(scope="module")
def detector():
    return FaceDetector()


@pytest.fixture(scope="module")
def image():
    path = DATA / "templates" / "man-1080x1920-20s.mp4"
    if not path.exists():
        pytest.skip(f"{path} is not there; set VISAVIS_DATA to the data folder")
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


@pytest.mark.assets
def test_one_face(detector, image):
    (face,) = detector.detect(image)
    x0, y0, x1, y1 = face.box
    assert 400 < x0 < x1 < 750
    assert 450 < y0 < y1 < 850
    assert face.score > 0.8
    right_eye, left_eye, nose, right_mouth, left_mouth = face.keypoints
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < left_mouth[0]
    assert right_eye[1] < nose[1] < right_mouth[1]


@pytest.mark.assets
@pytest.mark.parametrize("width", [48, 200, 3000])
def test_near_and_far_faces_are_found(detector, image, width):
    cv2 = pytest.importorskip("cv2")
    x0, y0, x1, y1 = detector.detect(image)[0].box.astype(int)
    crop = image[y0 - 60 : y1 + 60, x0 - 60 : x1 + 60]
    scale = width / (x1 - x0)
    crop = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.full((max(1500, crop.shape[0]), max(1500, crop.shape[1]), 3), 120, np.uint8)
    canvas[: crop.shape[0], : crop.shape[1]] = crop
    (face,) = detector.detect(canvas)
    assert face.box[2] - face.box[0] == pytest.approx(width, rel=0.25)
    assert face.box[0] == pytest.approx(60 * scale, abs=0.2 * width)


@pytest.mark.assets
def test_two_faces_are_sorted_by_size(detector, image):
    cv2 = pytest.importorskip("cv2")
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    both = np.full((image.shape[0], image.shape[1] + half.shape[1], 3), 90, np.uint8)
    both[: half.shape[0], : half.shape[1]] = half
    both[:, half.shape[1] :] = image
    large, small = detector.detect(both)
    assert large.size > 1.6 * small.size
    assert small.box[0] < half.shape[1] < large.box[0]


@pytest.mark.assets
@pytest.mark.parametrize("shape", [(1, 1, 3), (20, 700, 3), (256, 256, 3)])
def test_no_face(detector, shape):
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    assert detector.detect(image) == []
