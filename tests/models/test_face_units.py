import os
from pathlib import Path

import numpy as np
import pytest

from visavis.core.errors import MissingWeights
from visavis.models.common import mesh
from visavis.models.common.units import ARKIT_UNITS, UNIT_INDEX
from visavis.models.puppet import face_units

DATA = Path(os.environ.get("VISAVIS_DATA", Path(__file__).parents[3] / "shared" / "data"))
CHIN, RIGHT_CORNER, LEFT_CORNER = 152, 61, 291
LEFT, RIGHT, UP, DOWN = (0, 1), (0, -1), (1, -1), (1, 1)  # axis and sign, in the picture: the
# subject's left is where x grows

units = face_units.load()
neutral = units.neutral


def field(*names):
    return sum(units.fields[UNIT_INDEX[name]] for name in names)


def both(name):
    return field(name + "Left", name + "Right")


def gap(points, upper=mesh.LIPS_INNER_UPPER, lower=mesh.LIPS_INNER_LOWER):
    return (points[lower] - points[upper])[1:-1, 1]


def person(scale=120.0, turn=0.0):
    """The neutral face as pixels of a picture, its head turned by some radians."""
    around = np.array(
        [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    )
    return (neutral @ around.T * scale + [300, 280, 0]).astype(np.float32), around


def test_the_frame_is_that_of_the_irises():
    right, left = neutral[mesh.IRIS_RIGHT[0]], neutral[mesh.IRIS_LEFT[0]]
    np.testing.assert_allclose(right + left, 0, atol=1e-5)
    assert np.linalg.norm(left - right) == pytest.approx(1, abs=1e-5)
    assert neutral[mesh.NOSE_TIP, 2] < neutral[mesh.FACE_OVAL, 2].min()  # z grows away
    assert neutral[CHIN, 1] > neutral[mesh.FOREHEAD, 1]


def test_the_face_and_every_unit_are_symmetric():
    np.testing.assert_allclose(neutral[mesh.MIRROR] * [-1, 1, 1], neutral, atol=1e-5)
    for name in ARKIT_UNITS:
        other = name.replace("Left", "?").replace("Right", "Left").replace("?", "Right")
        np.testing.assert_allclose(
            field(name)[mesh.MIRROR] * [-1, 1, 1], field(other), atol=2e-4, err_msg=name
        )


@pytest.mark.parametrize(
    ("name", "landmark", "direction"),
    [
        ("jawOpen", CHIN, DOWN), ("jawLeft", CHIN, LEFT), ("jawRight", CHIN, RIGHT),
        ("mouthSmileLeft", LEFT_CORNER, UP), ("mouthSmileLeft", LEFT_CORNER, LEFT),
        ("mouthFrownRight", RIGHT_CORNER, DOWN), ("mouthStretchRight", RIGHT_CORNER, RIGHT),
        ("mouthDimpleLeft", LEFT_CORNER, LEFT), ("mouthPucker", LEFT_CORNER, RIGHT),
        ("mouthFunnel", RIGHT_CORNER, LEFT), ("mouthLeft", RIGHT_CORNER, LEFT),
        ("mouthRight", LEFT_CORNER, RIGHT), ("mouthRollUpper", 0, DOWN),
        ("mouthRollLower", 17, UP), ("mouthShrugLower", 17, UP), ("mouthShrugUpper", 0, UP),
        ("mouthUpperUpLeft", 310, UP), ("mouthLowerDownRight", 88, DOWN),
        ("eyeBlinkLeft", 386, DOWN), ("eyeBlinkRight", 159, DOWN), ("eyeWideLeft", 386, UP),
        ("eyeSquintRight", 145, UP), ("eyeLookUpLeft", 473, UP), ("eyeLookDownRight", 468, DOWN),
        ("eyeLookInLeft", 473, RIGHT), ("eyeLookOutLeft", 473, LEFT),
        ("eyeLookInRight", 468, LEFT), ("eyeLookOutRight", 468, RIGHT),
        ("browDownLeft", 296, DOWN), ("browInnerUp", 107, UP), ("browOuterUpRight", 63, UP),
        ("cheekSquintLeft", 411, UP), ("noseSneerRight", 64, UP),
    ],
)  # fmt: skip
def test_units_move_what_they_name(name, landmark, direction):
    axis, sign = direction
    assert sign * field(name)[landmark, axis] > 0.01


WHOLE = {"jawLeft", "mouthLeft"}
"""Units that move all of the jaw or mouth to one side."""


@pytest.mark.parametrize(
    "name", [name for name in ARKIT_UNITS if name.endswith("Left") and name not in WHOLE]
)
def test_left_units_move_the_left_of_the_subject(name):
    moved = np.linalg.norm(field(name), axis=1)
    left, right = moved[neutral[:, 0] > 0.2].max(), moved[neutral[:, 0] < -0.2].max()
    assert left > 2 * right


def test_every_unit_but_the_tongue_is_seen():
    largest = np.linalg.norm(units.fields, axis=2).max(1)
    assert [name for name, size in zip(ARKIT_UNITS, largest, strict=True) if size < 0.03] == [
        "tongueOut"
    ]
    assert np.isfinite(units.fields).all()


def test_the_mouth_opens_and_is_kept_shut():
    assert gap(neutral + field("jawOpen")).max() > 0.4
    assert np.abs(gap(neutral + field("jawOpen", "mouthClose"))).max() < 0.05
    assert np.abs(gap(neutral + both("mouthPress"))).max() < 0.05
    for roll in ("mouthRollUpper", "mouthRollLower"):
        assert gap(neutral + field(roll)).max() < 0.04


def test_the_funnel_is_round():
    opening = gap(neutral + field("mouthFunnel"))
    assert opening.argmax() == 4
    assert (np.diff(opening[:5]) > 0).all()
    assert opening[2] > 0.5 * opening[4]  # a diamond has a third


def test_units_do_not_fold_the_skin():
    def areas(points):
        a, b, c = (points[mesh.TRIANGLES[:, i], :2] for i in range(3))
        (bx, by), (cx, cy) = (b - a).T, (c - a).T
        return bx * cy - by * cx

    landmarks, _ = person(1.0)
    fitted = units.fit(landmarks)
    rest = areas(landmarks)
    for name in ARKIT_UNITS:
        if name == "mouthClose":  # only ever meets jawOpen
            continue
        folded = (np.sign(areas(landmarks + fitted[UNIT_INDEX[name]])) != np.sign(rest)) & (
            np.abs(rest) > 1e-4
        )
        assert folded.sum() <= 4, f"{name} folds {mesh.TRIANGLES[folded].tolist()}"


@pytest.mark.parametrize("turn", [0.0, 0.3, -0.5])
def test_fields_turn_and_scale_with_the_face(turn):
    landmarks, around = person(90, turn)
    fitted = units.fit(landmarks)
    for name in ("jawOpen", "mouthSmileLeft", "browInnerUp", "eyeLookUpRight"):
        expected = field(name) @ around.T * 90
        np.testing.assert_allclose(fitted[UNIT_INDEX[name]], expected, atol=0.05, err_msg=name)


def test_a_wider_mouth_smiles_wider():
    landmarks, _ = person()
    wide = landmarks.copy()
    below = np.clip((neutral[:, 1] - 0.6) / 0.3, 0, 1)  # from under the nose on
    wide[:, 0] = 300 + (landmarks[:, 0] - 300) * (1 + 0.4 * below)
    i = UNIT_INDEX["mouthSmileLeft"]
    ratio = units.fit(wide)[i, LEFT_CORNER, 0] / units.fit(landmarks)[i, LEFT_CORNER, 0]
    assert 1.1 < ratio < 1.45


@pytest.mark.parametrize("opening", [0.4, 1.0, 1.7])
@pytest.mark.parametrize("turn", [0.0, 0.25])
def test_lids_meet_in_a_blink_whatever_the_eye(opening, turn):
    landmarks, _ = person(turn=turn)
    for upper, lower in (
        (mesh.EYE_LEFT_UPPER, mesh.EYE_LEFT_LOWER), (mesh.EYE_RIGHT_UPPER, mesh.EYE_RIGHT_LOWER),
    ):  # fmt: skip
        middle = (landmarks[upper] + landmarks[lower]) / 2
        for rim in (upper, lower):
            landmarks[rim] = middle + opening * (landmarks[rim] - middle)
    blink = np.zeros(52, np.float32)
    blink[[UNIT_INDEX["eyeBlinkLeft"], UNIT_INDEX["eyeBlinkRight"]]] = 1
    shut = landmarks + units.displace(blink, landmarks)
    for upper, lower in (
        (mesh.EYE_LEFT_UPPER, mesh.EYE_LEFT_LOWER), (mesh.EYE_RIGHT_UPPER, mesh.EYE_RIGHT_LOWER),
    ):  # fmt: skip
        np.testing.assert_allclose(shut[upper][1:-1], shut[lower][1:-1], atol=1e-3)
    half = landmarks + units.displace(blink / 2, landmarks)
    assert (gap(half, mesh.EYE_LEFT_UPPER, mesh.EYE_LEFT_LOWER) > 0).all()


@pytest.mark.parametrize("parted", [0.0, 6.0])
def test_lips_meet_when_the_mouth_is_closed_over_an_open_jaw(parted):
    landmarks, _ = person()
    landmarks[mesh.LIPS_INNER_LOWER[1:-1], 1] += parted
    landmarks[mesh.LIPS_LOWER_INSIDE[1:-1], 1] += parted
    weights = np.zeros(52, np.float32)
    weights[[UNIT_INDEX["jawOpen"], UNIT_INDEX["mouthClose"]]] = 1
    np.testing.assert_allclose(gap(landmarks + units.displace(weights, landmarks)), 0, atol=1e-3)
    np.testing.assert_allclose(gap(landmarks + units.shut(landmarks)), 0, atol=1e-3)


def test_displacement_is_linear():
    landmarks, _ = person()
    weights = np.random.default_rng(0).uniform(0, 1, 52).astype(np.float32)
    one, three = units.displace(weights, landmarks), units.displace(3 * weights, landmarks)
    np.testing.assert_allclose(three, 3 * one, rtol=1e-3, atol=1e-2)
    assert np.abs(units.displace(np.zeros(52, np.float32), landmarks)).max() == 0


def test_teeth_and_tongue_lie_behind_the_lips():
    mouth = face_units.load_mouth()
    lip_line = neutral[13, 1]
    upper, lower, tongue = (mouth[name] for name in ("upper_teeth", "lower_teeth", "tongue"))
    assert 0 < lip_line - upper.vertices[:, 1].max() < 0.06  # the incisors end above the lip line
    assert upper.vertices[:, 2].min() > neutral[13, 2]
    assert np.abs(upper.fields).max() == 0
    jaw = lower.fields[UNIT_INDEX["jawOpen"]]
    front, back = lower.vertices[:, 2].argmin(), lower.vertices[:, 2].argmax()
    assert jaw[front, 1] > 2 * jaw[back, 1] > 0  # the jaw turns about its joint
    assert jaw[front, 1] == pytest.approx(field("jawOpen")[14, 1], rel=0.3)
    assert tongue.fields[UNIT_INDEX["tongueOut"]][:, 2].min() < -0.2
    for part in mouth.values():
        assert part.triangles.max() == len(part.vertices) - 1


def test_a_broken_file_is_named(tmp_path, monkeypatch):
    path = tmp_path / "units.npz"
    path.write_bytes(b"PK\x03\x04 cut short")
    monkeypatch.setattr(face_units, "PATH", path)
    with pytest.raises(MissingWeights, match="cannot be read"):
        face_units.load.__wrapped__()


@pytest.mark.assets
def test_real_jaws_move_as_the_unit_says():
    clips = sorted((DATA / "lrc_ar" / "val").glob("*/*.mp4"))[:6]
    if not clips:
        pytest.skip(f"{DATA / 'lrc_ar'} is not there; set VISAVIS_DATA to the data folder")
    av = pytest.importorskip("av")
    from visavis.models.face_landmarker.predictor import FaceLandmarker

    landmarker, likeness = FaceLandmarker(), []
    jaw = UNIT_INDEX["jawOpen"]
    for clip in clips:
        faces, face = [], None
        with av.open(str(clip)) as container:
            for frame in container.decode(video=0):
                face = landmarker.track(frame.to_ndarray(format="rgb24"), face)
                faces.append(face)
        opening = [face.blendshapes[jaw] for face in faces]
        shut, wide = (
            faces[int(np.argmin(opening))].landmarks,
            faces[int(np.argmax(opening))].landmarks,
        )
        steady = face_units.STEADY
        moved = wide - wide[steady].mean(0) - (shut - shut[steady].mean(0))
        expected = units.fit(shut)[jaw]
        lower = np.concatenate([mesh.LIPS, mesh.JAW[5:-5]])
        a, b = moved[lower, 1], expected[lower, 1]
        likeness.append(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
    assert np.median(likeness) > 0.8
