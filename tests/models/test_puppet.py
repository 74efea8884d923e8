"""The puppet, looked at by the face landmarker: what was asked for is what is seen."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from visavis.core.types import EMOTIONS, Avatar, Emotion, Floats
from visavis.models.common import mesh
from visavis.models.common.units import ARKIT_UNITS, UNIT_INDEX
from visavis.models.face_landmarker.predictor import Face, FaceLandmarker
from visavis.models.puppet.emotions import emotion_units
from visavis.models.puppet.motion import Motion
from visavis.models.puppet.renderer import Pose
from visavis.models.puppet.stand import Stand
from visavis.stages.avatars import store

SIZE = 384


@pytest.fixture(scope="module", params=["mei", "adam", "ruth"])
def avatar(request: pytest.FixtureRequest) -> Avatar:
    return store.load(request.param)


@pytest.fixture(scope="module")
def stand(avatar: Avatar) -> Stand:
    return Stand(avatar, SIZE)


@pytest.fixture(scope="module")
def landmarker() -> FaceLandmarker:
    return FaceLandmarker()


def units(**weights: float) -> Floats:
    out = np.zeros(len(ARKIT_UNITS), np.float32)
    for name, value in weights.items():
        for unit in (name,) if name in UNIT_INDEX else (name + "Left", name + "Right"):
            out[UNIT_INDEX[unit]] = value
    return out


def seen(stand: Stand, landmarker: FaceLandmarker, pose: Pose) -> Face:
    face = landmarker.detect(stand.render(0, pose))
    assert face is not None
    return face


def lip_gap(face: Face) -> float:
    """Distance of the inner lips, of the distance between the eyes."""
    eyes = np.linalg.norm(face.landmarks[468, :2] - face.landmarks[473, :2])
    return float(np.linalg.norm(face.landmarks[13, :2] - face.landmarks[14, :2]) / eyes)


def test_at_rest_it_is_the_portrait(stand: Stand) -> None:
    drawn, portrait = stand.render(0, Pose()).astype(int), stand.still().astype(int)
    # Only the half-transparent rim of the hair may differ, by what is painted behind it.
    assert np.abs(drawn - portrait).mean() < 0.6
    assert np.abs(drawn - portrait)[SIZE // 4 : -SIZE // 4, SIZE // 3 : -SIZE // 3].max() <= 3


@pytest.mark.assets
def test_the_jaw_opens_as_far_as_it_is_asked_to(stand: Stand, landmarker: FaceLandmarker) -> None:
    gaps = [
        lip_gap(seen(stand, landmarker, Pose(units=units(jawOpen=jaw))))
        for jaw in (0.0, 0.15, 0.3, 0.5, 0.7)
    ]
    assert gaps[0] < 0.03, "the mouth is shut at rest"
    assert all(b > a + 0.02 for a, b in itertools.pairwise(gaps)), gaps
    assert gaps[-1] > 0.25


@pytest.mark.assets
def test_lips_meet_for_m_b_p(stand: Stand, landmarker: FaceLandmarker) -> None:
    pose = Pose(units=units(jawOpen=0.12, mouthClose=0.12, mouthPress=0.4, mouthRollLower=0.2))
    assert lip_gap(seen(stand, landmarker, pose)) < 0.03


@pytest.mark.assets
def test_eyes_shut_in_a_blink(stand: Stand, landmarker: FaceLandmarker) -> None:
    def opening(face: Face) -> float:
        up, low = mesh.EYE_LEFT_UPPER, mesh.EYE_LEFT_LOWER
        wide = np.linalg.norm(face.landmarks[up[0], :2] - face.landmarks[up[-1], :2])
        gap = np.linalg.norm(face.landmarks[up[1:-1], :2] - face.landmarks[low[1:-1], :2], axis=1)
        return float(gap.mean() / wide)

    rest = opening(seen(stand, landmarker, Pose()))
    shut = opening(seen(stand, landmarker, Pose(units=units(eyeBlink=1.0))))
    assert shut < 0.5 * rest


@pytest.mark.assets
@pytest.mark.parametrize(("axis", "name"), [(0, "yaw"), (1, "pitch"), (2, "roll")])
def test_the_head_turns_as_it_is_asked_to(
    stand: Stand, landmarker: FaceLandmarker, axis: int, name: str
) -> None:
    turned = [
        seen(stand, landmarker, Pose(**{name: degrees})).pose[axis] for degrees in (-6.0, 0.0, 6.0)
    ]
    assert turned[0] < turned[1] - 1.5
    assert turned[2] > turned[1] + 1.5
    assert turned[2] - turned[0] < 20


def brow_height(face: Face) -> float:
    """How far the inner brows stand above the line of the eyes."""
    eyes = face.landmarks[[33, 133, 362, 263], :2]
    return float(eyes[:, 1].mean() - face.landmarks[[55, 285, 107, 336], 1].mean())


def corner_drop(face: Face) -> float:
    """How far the corners of the mouth lie below the middle of the lips."""
    return float(face.landmarks[[61, 291], 1].mean() - face.landmarks[[13, 14], 1].mean())


def corner_tilt(face: Face) -> float:
    """How far the left corner of the mouth lies above the right one."""
    return float(face.landmarks[61, 1] - face.landmarks[291, 1])


@pytest.mark.assets
@pytest.mark.parametrize(
    ("emotion", "measure", "sign"),
    [
        ("happy", corner_drop, -1),
        ("surprised", brow_height, 1),
        ("angry", brow_height, -1),
        ("sad", brow_height, 1),
        ("sad", corner_drop, 1),
        ("fear", brow_height, 1),
        ("disgusted", brow_height, -1),
        ("contempt", corner_tilt, 1),
    ],
)
def test_an_emotion_is_read_back(
    stand: Stand,
    landmarker: FaceLandmarker,
    emotion: Emotion,
    measure: Callable[[Face], float],
    sign: int,
) -> None:
    rest = seen(stand, landmarker, Pose())
    felt = seen(stand, landmarker, Pose(units=emotion_units(emotion, 1.0), lips=1.0))
    eyes = np.linalg.norm(rest.landmarks[468, :2] - rest.landmarks[473, :2])
    assert sign * (measure(felt) - measure(rest)) > 0.02 * eyes
    assert lip_gap(felt) < 0.05, "the mouth stays shut"


def test_the_background_stays_where_it_is(avatar: Avatar, stand: Stand) -> None:
    assert avatar.mattes is not None
    matte = Stand(avatar, SIZE).still()  # the same scaling as the frames
    import cv2

    person = cv2.resize(avatar.mattes[0], matte.shape[1::-1], interpolation=cv2.INTER_AREA)
    clear = cv2.dilate(person, np.ones((41, 41), np.uint8)) < 5
    assert clear.mean() > 0.02, "there is background to look at"
    moved = stand.render(0, Pose(yaw=6, pitch=-4, roll=3, shift=(0.01, 0.01)))
    away = np.abs(moved.astype(int) - stand.render(0, Pose()).astype(int))[clear]
    assert away.max() <= 2


def test_every_emotion_has_its_own_face() -> None:
    faces = [emotion_units(e, 1.0) for e in EMOTIONS]
    for i, a in enumerate(faces):
        for b in faces[i + 1 :]:
            assert np.abs(a - b).sum() > 0.5


class TestMotion:
    def track(self, seconds: int, seed: int = 5) -> np.ndarray:
        motion = Motion(seed)
        return np.array([
            (h.yaw, h.pitch, h.roll, h.blink, h.gaze[0])
            for h in (motion.at(i, 0.5) for i in range(seconds * 25))
        ])  # fmt: skip

    def test_a_frame_depends_on_its_number_alone(self) -> None:
        forwards, backwards = Motion(3), Motion(3)
        numbers = list(range(0, 2000, 37))
        later = {i: backwards.at(i) for i in reversed(numbers)}
        assert all(forwards.at(i) == later[i] for i in numbers)

    def test_it_does_not_repeat(self) -> None:
        track = self.track(120)
        for column in (0, 1, 2):
            values = track[:, column] - track[:, column].mean()
            full = np.correlate(values, values, "full")[len(values) - 1 :]
            later = full[75:1500] / (full[0] * np.linspace(1, 0.5, 1425))
            assert later.max() < 0.75, "no lag beyond three seconds looks like the start"

    def test_it_blinks_as_people_do(self) -> None:
        blink = self.track(300)[:, 3]
        starts = np.flatnonzero((blink[1:] > 0.3) & (blink[:-1] <= 0.3)) / 25
        assert 8 <= len(starts) / 5 <= 30, "blinks a minute"
        gaps = np.diff(starts)
        assert gaps.std() / gaps.mean() > 0.3, "not in time"
        assert blink.max() == 1.0

    def test_it_moves_a_little_and_without_jumps(self) -> None:
        track = self.track(120)
        assert 1.0 < np.abs(track[:, 0]).max() < 8
        assert np.abs(np.diff(track[:, :3], axis=0)).max() < 0.6, "degrees a frame"

    def test_still_is_still(self) -> None:
        motion = Motion(1, "still")
        heads = [motion.at(i, 1.0) for i in range(250)]
        assert all(h.yaw == h.pitch == h.roll == 0 for h in heads)
