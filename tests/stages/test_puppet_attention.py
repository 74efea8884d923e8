"""The face that is spoken to: it nods, its eyes stay, and it comes and goes without a jump."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from visavis.core.types import Avatar, Picture
from visavis.models.common.units import ARKIT_UNITS
from visavis.models.face_landmarker.predictor import Face, FaceLandmarker
from visavis.models.puppet.motion import Motion
from visavis.models.puppet.renderer import Pose
from visavis.stages.animators.expression import Expression
from visavis.stages.animators.puppet import PuppetAnimator, PuppetPerformance
from visavis.stages.avatars import store

SECOND = 25
MINUTE = range(60 * SECOND)
BEFORE, LISTENING, AFTER = 2 * SECOND, 12 * SECOND, 4 * SECOND
EASE = 13
"""Frames that the attention takes to come or to go."""
STEP = 1.0
"""Degrees a frame that the head may nod: 25 a second, at which people nod without haste."""
SIZE = 192
MOUTH = [i for i, n in enumerate(ARKIT_UNITS) if n.startswith(("mouth", "jaw", "tongue"))]


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return store.load(store.DEFAULT)


def find_nods(poses: list[Pose]) -> list[int]:
    """Frames in which the head is at the bottom of a nod: a dip of a degree within 0.7 s."""
    pitches, found = [pose.pitch for pose in poses], []
    for i in range(9, len(pitches) - 9):
        around = pitches[i - 9 : i + 10]
        depth = min(max(around[:9]), max(around[10:])) - pitches[i]
        if pitches[i] == min(around) and depth > 1.0:
            found.append(i)
    return found


def poses_of(motion: Motion, frames: range, listening: range) -> list[Pose]:
    """Poses of an idle face that listens in some of the frames."""
    expression, poses = Expression(motion), []
    for i in frames:
        expression.listening = i in listening
        poses.append(expression.idle(i))
    return poses


def max_step(poses: list[Pose]) -> float:
    """The largest step of the pitch from one picture to the next, in degrees."""
    return max(abs(b.pitch - a.pitch) for a, b in itertools.pairwise(poses))


def glance(pose: Pose) -> tuple[float, float]:
    """Where the eyes look beside the viewer: the gaze less what the turned head asks of them."""
    return pose.gaze[0] + pose.yaw / 26, pose.gaze[1] - pose.pitch / 30


@pytest.fixture(scope="module", params=[0, 1, 7])
def motion(request: pytest.FixtureRequest) -> Motion:
    return Motion(request.param)


@pytest.fixture(scope="module")
def heeding(motion: Motion) -> list[Pose]:
    return poses_of(motion, MINUTE, MINUTE)


@pytest.fixture(scope="module")
def alone(motion: Motion) -> list[Pose]:
    return poses_of(motion, MINUTE, range(0))


class TestPose:
    def test_a_listener_nods_every_few_seconds_and_nobody_else_does(
        self, heeding: list[Pose], alone: list[Pose]
    ) -> None:
        nods = find_nods(heeding)
        assert 12 <= len(nods) <= 40
        gaps = np.diff([0, *nods, MINUTE.stop])
        assert gaps.max() < 7 * SECOND
        assert gaps.std() > 0.2 * gaps.mean(), "not in time"
        assert not find_nods(alone)

    def test_a_listener_leans_in(self, heeding: list[Pose], alone: list[Pose]) -> None:
        both = list(zip(heeding, alone, strict=True))[EASE:]
        assert all(0.39 < a.pitch - h.pitch < 3.5 for h, a in both)
        assert all((h.yaw, h.roll, h.shift) == (a.yaw, a.roll, a.shift) for h, a in both)

    def test_the_eyes_stay_with_the_viewer(self, heeding: list[Pose], alone: list[Pose]) -> None:
        kept, free = (np.array([glance(p) for p in poses[EASE:]]) for poses in (heeding, alone))
        assert np.abs(kept).max() < 0.13
        assert 0 < kept.std() < 0.4 * free.std()
        assert np.abs(free).max() > 0.2, "alone it looks about"

    def test_lips_are_together(self, heeding: list[Pose]) -> None:
        assert all(p.lips == 1 and not p.units[MOUTH].any() for p in heeding)

    def test_whenever_it_begins_or_ends_the_head_does_not_jump(self, motion: Motion) -> None:
        for switch in range(EASE, 6 * SECOND, 4):
            around = range(switch - EASE, switch + EASE + 2)
            assert max_step(poses_of(motion, around, range(switch, MINUTE.stop))) < STEP
            assert max_step(poses_of(motion, around, range(switch))) < STEP

    def test_a_nod_is_no_jerk(self, heeding: list[Pose], alone: list[Pose]) -> None:
        assert 3 * max_step(alone) < max_step(heeding) < STEP


@dataclass(frozen=True)
class Told:
    """A face that listens for a while, and its twin who never does."""

    listening: list[Picture]
    alone: list[Picture]
    poses: list[Pose]
    """Of the face that listens."""


@pytest.fixture(scope="module")
def told(avatar: Avatar) -> Told:
    poses: list[Pose] = []

    def play(performance: PuppetPerformance, attentive: bool) -> list[Picture]:
        pictures = []
        for i in range(BEFORE + LISTENING + AFTER):
            if attentive and i in (BEFORE, BEFORE + LISTENING):
                performance.attend(i == BEFORE)
            pictures.append(performance.idle().image)
        performance.close()
        return pictures

    with pytest.MonkeyPatch.context() as patch:
        idle = Expression.idle

        def watch(expression: Expression, frame: int) -> Pose:
            poses.append(idle(expression, frame))
            return poses[-1]

        patch.setattr(Expression, "idle", watch)
        animator = PuppetAnimator(size=SIZE)
        listening = play(animator.open(avatar), True)
        made = list(poses)
        return Told(listening, play(animator.open(avatar), False), made)


def differ(one: Picture, other: Picture) -> float:
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


class TestPictures:
    def test_what_attention_brought_goes_and_nothing_of_it_stays(self, told: Told) -> None:
        apart = [differ(a, b) for a, b in zip(told.listening, told.alone, strict=True)]
        assert not any(apart[:BEFORE])
        assert min(apart[BEFORE + EASE : BEFORE + LISTENING]) > 0.2
        assert not any(apart[BEFORE + LISTENING + EASE :]), "idle again, to the pixel"

    def test_it_comes_and_goes_in_no_larger_steps_than_a_nod(self, told: Told) -> None:
        steps = [differ(a, b) for a, b in itertools.pairwise(told.listening)]
        ordinary = max(steps[BEFORE + EASE : BEFORE + LISTENING - 1])
        assert max(steps[BEFORE - 1 : BEFORE + EASE]) <= ordinary
        assert max(steps[BEFORE + LISTENING - 1 :]) <= ordinary
        assert ordinary < 4.0, "grey levels"

    @pytest.mark.assets
    def test_who_looks_at_it_sees_it_nod_with_its_mouth_shut(self, told: Told) -> None:
        landmarker = FaceLandmarker()

        def drop(number: int) -> float:
            """How much lower the head is than its twin's, in degrees as the pictures show it."""
            heeds, idles = (landmarker.detect(p[number]) for p in (told.listening, told.alone))
            assert heeds is not None
            assert idles is not None
            assert lip_gap(heeds) < 0.03
            return float(idles.pose[1] - heeds.pose[1])

        nods = find_nods(told.poses)
        assert len(nods) >= 3
        between = [(a + b) // 2 for a, b in itertools.pairwise(nods)]
        assert min(drop(i) for i in nods) > 1.0
        assert all(0 < drop(i) < 0.8 for i in between)


def lip_gap(face: Face) -> float:
    """Distance of the inner lips, of the distance between the eyes."""
    eyes = np.linalg.norm(face.landmarks[468, :2] - face.landmarks[473, :2])
    return float(np.linalg.norm(face.landmarks[13, :2] - face.landmarks[14, :2]) / eyes)
