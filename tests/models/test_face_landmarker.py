import os
from pathlib import Path

import numpy as np
import pytest

from visavis.core.errors import MissingWeights
from visavis.models.common.units import ARKIT_UNITS, UNIT_INDEX
from visavis.models.face_landmarker.predictor import FaceLandmarker, align, pose_of

DATA = Path(os.environ.get("VISAVIS_DATA", Path(__file__).parents[3] / "shared" / "data"))
NOSE_TIP, CHIN, BROW = 1, 152, 10


def rotation(yaw, pitch, roll):
    """roll @ yaw @ pitch, with the signs of Face.pose."""
    y, p, r = np.radians([-yaw, -pitch, roll])
    turn_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    turn_p = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    turn_r = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return turn_r @ turn_y @ turn_p


@pytest.mark.parametrize("angles", [(0, 0, 0), (25, 0, 0), (0, -15, 0), (0, 0, 40), (12, 8, -30)])
def test_pose_is_read_back_from_a_turned_face(angles):
    generator = np.random.default_rng(0)
    face = generator.normal(size=(60, 3)).astype(np.float32)
    turned = (face @ rotation(*angles).T * 7 + [3, 4, 5]).astype(np.float32)
    found = align(face, turned, np.ones(60, np.float32))
    np.testing.assert_allclose(pose_of(found), angles, atol=1e-2)


def test_pose_signs():
    forward = np.array([0, 0, -1])  # towards the camera
    assert (rotation(20, 0, 0) @ forward)[0] > 0  # the nose goes right in the picture
    assert (rotation(0, 20, 0) @ forward)[1] < 0  # the nose goes up
    assert (rotation(0, 0, 20) @ [1, 0, 0])[1] > 0  # the subject's left eye sinks


def test_a_mirrored_target_does_not_give_a_reflection():
    face = np.random.default_rng(1).normal(size=(30, 3)).astype(np.float32)
    found = align(face, face * [-1, 1, 1], np.ones(30, np.float32))
    assert np.linalg.det(found) == pytest.approx(1, abs=1e-4)


def test_a_file_that_is_no_bundle_is_named(tmp_path):
    path = tmp_path / "face_landmarker.task"
    path.write_bytes(b"not a zip")
    with pytest.raises(MissingWeights, match="not a face landmarker bundle"):
        FaceLandmarker(path)


@pytest.fixture(scope="module")
def landmarker():
    return FaceLandmarker()


@pytest.fixture(scope="module")
def frames():
    path = DATA / "templates" / "man-1080x1920-20s.mp4"
    if not path.exists():
        pytest.skip(f"{path} is not there; set VISAVIS_DATA to the data folder")
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return [
            frame.to_ndarray(format="rgb24")
            for frame, _ in zip(container.decode(video=0), range(4), strict=False)
        ]


@pytest.mark.assets
def test_nothing_is_written_to_the_terminal(capfd):
    FaceLandmarker()
    assert capfd.readouterr() == ("", "")


@pytest.mark.assets
def test_the_canonical_face_is_complete(landmarker):
    canonical = landmarker.canonical
    assert canonical.vertices.shape == (468, 3)
    assert canonical.triangles.shape == (898, 3)
    assert set(np.unique(canonical.triangles)) == set(range(468))
    assert (canonical.weights > 0).sum() > 20
    assert canonical.vertices[NOSE_TIP, 2] < canonical.vertices[234, 2]  # the nose is closer
    assert canonical.vertices[BROW, 1] < canonical.vertices[CHIN, 1]


@pytest.mark.assets
def test_a_face_is_found_whole(landmarker, frames):
    face = landmarker.detect(frames[0])
    assert face.landmarks.shape == (478, 3)
    assert face.landmarks.dtype == np.float32
    assert face.score > 0.9
    x0, y0, x1, y1 = face.box
    assert 400 < x0 < x1 < 750
    assert 450 < y0 < y1 < 850
    assert face.landmarks[BROW, 1] < face.landmarks[NOSE_TIP, 1] < face.landmarks[CHIN, 1]
    assert (
        face.landmarks[473, 0] > face.landmarks[468, 0]
    )  # the subject's left iris is on the right
    assert face.landmarks[NOSE_TIP, 2] < face.landmarks[234, 2]
    assert face.blendshapes.shape == (len(ARKIT_UNITS),)
    assert face.blendshapes.min() >= 0
    assert face.blendshapes.max() <= 1
    assert face.blendshapes[UNIT_INDEX["tongueOut"]] == 0
    assert np.abs(face.pose).max() < 30
    np.testing.assert_allclose(face.rotation @ face.rotation.T, np.eye(3), atol=1e-4)


@pytest.mark.assets
def test_mirroring_the_picture_mirrors_the_face(landmarker, frames):
    image = frames[0]
    face, mirrored = landmarker.detect(image), landmarker.detect(image[:, ::-1].copy())
    assert mirrored.pose[0] == pytest.approx(-face.pose[0], abs=3)
    assert mirrored.pose[2] == pytest.approx(-face.pose[2], abs=3)
    assert mirrored.landmarks[NOSE_TIP, 0] == pytest.approx(
        image.shape[1] - 1 - face.landmarks[NOSE_TIP, 0], abs=5
    )


@pytest.mark.assets
def test_tracking_agrees_with_detecting(landmarker, frames):
    face = None
    for frame in frames:
        face = landmarker.track(frame, face)
    detected = landmarker.detect(frames[-1])
    size = detected.box[2] - detected.box[0]
    assert np.abs(face.landmarks - detected.landmarks)[:, :2].mean() < 0.015 * size


@pytest.mark.assets
def test_a_tilted_head_is_followed(landmarker, frames):
    cv2 = pytest.importorskip("cv2")
    image = frames[0]
    upright = landmarker.detect(image)
    centre = upright.landmarks[NOSE_TIP, :2]
    turn = cv2.getRotationMatrix2D([float(v) for v in centre], -30, 1)  # clockwise
    turned = landmarker.detect(cv2.warpAffine(image, turn, image.shape[1::-1]))
    assert turned.pose[2] - upright.pose[2] == pytest.approx(30, abs=4)
    expected = upright.landmarks[:, :2] @ turn[:, :2].T + turn[:, 2]
    size = upright.box[2] - upright.box[0]
    assert np.abs(turned.landmarks[:, :2] - expected).mean() < 0.03 * size


@pytest.mark.assets
def test_a_box_picks_the_face(landmarker, frames):
    image = frames[0]
    both = np.concatenate([image, image[:, ::-1]], 1)
    width = image.shape[1]
    box = landmarker.detect(image).box
    left = landmarker.detect(both, box)
    other = np.array([2 * width - box[2], box[1], 2 * width - box[0], box[3]], np.float32)
    right = landmarker.detect(both, other)
    assert left.landmarks[NOSE_TIP, 0] < width < right.landmarks[NOSE_TIP, 0]


@pytest.mark.assets
@pytest.mark.parametrize("shape", [(64, 64, 3), (1, 1, 3), (40, 900, 3)])
def test_no_face_is_none(landmarker, shape):
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    assert landmarker.detect(image) is None
    assert landmarker.track(image, None) is None


@pytest.mark.assets
def test_a_lost_face_is_given_up(landmarker, frames):
    face = landmarker.detect(frames[0])
    assert landmarker.track(np.zeros_like(frames[0]), face) is None
