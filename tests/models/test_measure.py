import os
from pathlib import Path

import numpy as np
import pytest

from visavis.models.common import mesh
from visavis.models.common.units import ARKIT_UNITS, UNIT_INDEX
from visavis.models.puppet import face_units
from visavis.models.puppet.measure import find_rest, measure_units

DATA = Path(os.environ.get("VISAVIS_DATA", Path(__file__).parents[3] / "shared" / "data"))
units = face_units.load()


def acted(frames):
    """Landmarks (T, 478, 3) of a face at rest, then with each frame's units, head turning along."""
    rest = (units.neutral * 150 + [400, 300, 0]).astype(np.float32)
    fields = units.fit(rest)
    track = [rest]
    for i, frame in enumerate(frames):
        moved = rest + sum(weight * fields[UNIT_INDEX[name]] for name, weight in frame.items())
        turn = 0.05 * (i + 1)
        around = np.array(
            [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
        )
        track.append((moved - rest[1]) @ around.T * (1 + 0.02 * i) + rest[1] + [5 * i, -3 * i, 0])
    return np.stack(track).astype(np.float32)


@pytest.mark.parametrize(
    "frame",
    [
        {"jawOpen": 0.5},
        {"mouthSmileLeft": 0.6, "mouthSmileRight": 0.6},
        {"mouthPucker": 0.8, "jawOpen": 0.15},
        {"jawOpen": 0.3, "mouthClose": 0.3},
        {"browInnerUp": 0.7, "eyeWideLeft": 0.6, "eyeWideRight": 0.6},
        {"eyeLookOutLeft": 0.6, "eyeLookInRight": 0.6},
    ],
    ids=lambda frame: "+".join(frame),
)
def test_what_was_acted_is_read_back(frame):
    landmarks = acted([frame])
    blendshapes = np.zeros((2, 52), np.float32)
    for name, weight in frame.items():
        blendshapes[1, UNIT_INDEX[name]] = 0.8 * weight  # the landmarker sees less
    rest, read = measure_units(units, landmarks, blendshapes, rest=0)
    assert np.abs(rest).max() < 1e-3
    for name, weight in frame.items():
        assert read[UNIT_INDEX[name]] == pytest.approx(weight, abs=0.2)
    fields = units.fit(landmarks[0])
    wanted = sum(weight * fields[UNIT_INDEX[name]] for name, weight in frame.items())
    error = np.linalg.norm((np.tensordot(read, fields, 1) - wanted)[:, :2], axis=1).max()
    assert error < 0.15 * np.linalg.norm(wanted[:, :2], axis=1).max()


def test_weights_stay_in_range_whatever_the_landmarks():
    noise = np.random.default_rng(0).normal(0, 20, (5, 478, 3))
    landmarks = (units.neutral * 150 + noise).astype(np.float32)
    blendshapes = np.random.default_rng(1).uniform(0, 1, (5, 52)).astype(np.float32)
    weights = measure_units(units, landmarks, blendshapes)
    assert weights.shape == (5, len(ARKIT_UNITS))
    assert weights.dtype == np.float32
    assert weights.min() >= 0
    assert weights.max() <= 1


def test_a_blink_is_believed_where_landmarks_do_not_show_it():
    landmarks = acted([{}])
    blendshapes = np.zeros((2, 52), np.float32)
    blendshapes[1, UNIT_INDEX["eyeBlinkLeft"]] = 0.75
    weights = measure_units(units, landmarks, blendshapes, rest=0)
    assert weights[1, UNIT_INDEX["eyeBlinkLeft"]] == 1
    assert weights[1, UNIT_INDEX["eyeBlinkRight"]] < 0.05


def test_rest_is_the_frame_with_mouth_shut_and_eyes_open():
    landmarks = acted([{"jawOpen": 0.4}, {}, {"jawOpen": 0.1}])
    blendshapes = np.zeros((4, 52), np.float32)
    blendshapes[0, [UNIT_INDEX["eyeBlinkLeft"], UNIT_INDEX["eyeBlinkRight"]]] = 0.9
    assert find_rest(landmarks, blendshapes) == 2


@pytest.mark.assets
def test_real_lips_are_followed_closer_than_by_the_blendshapes():
    clips = sorted((DATA / "lrc_ar" / "val").glob("*/*.mp4"))[:5]
    if not clips:
        pytest.skip(f"{DATA / 'lrc_ar'} is not there; set VISAVIS_DATA to the data folder")
    av = pytest.importorskip("av")
    from visavis.models.face_landmarker.predictor import FaceLandmarker

    landmarker = FaceLandmarker()
    errors = []
    for clip in clips:
        faces, face = [], None
        with av.open(str(clip)) as container:
            for frame in container.decode(video=0):
                face = landmarker.track(frame.to_ndarray(format="rgb24"), face)
                faces.append(face)
        landmarks = np.stack([face.landmarks for face in faces])
        blendshapes = np.stack([face.blendshapes for face in faces])
        rest = find_rest(landmarks, blendshapes)
        fields = units.fit(landmarks[rest])
        eyes = np.linalg.norm(landmarks[rest, 468] - landmarks[rest, 473])

        def gaps(points):
            return (points[:, mesh.LIPS_INNER_LOWER] - points[:, mesh.LIPS_INNER_UPPER])[:, 3:8, 1]

        real = gaps(landmarks).mean(1) / eyes
        for weights in (
            measure_units(units, landmarks, blendshapes),
            np.clip(blendshapes - blendshapes[rest], 0, 1),
        ):
            drawn = landmarks[rest] + np.tensordot(weights, fields, 1)
            errors.append(np.abs(gaps(drawn).mean(1) / eyes - real).mean())
    measured, given = np.array(errors).reshape(-1, 2).mean(0)
    assert measured < 0.03
    assert measured < 0.6 * given
