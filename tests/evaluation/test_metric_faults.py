"""Each fault is planted into a clean clip; its metric must notice, and no unrelated one.

The clip: a packaged portrait whose lower lip is moved down and whose mouth is drawn behind it, for the
metrics of pictures (100 frames), and the landmarks and pose of a longer stretch for those of series
(20 s, which blinks and loops need). Noise is added last, as a camera and a codec do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest

from visavis.core.types import Floats, Picture
from visavis.evaluation.blinks import measure_blinks
from visavis.evaluation.face_regions import mouth_hole, mouth_region
from visavis.evaluation.flicker import Flicker
from visavis.evaluation.freezing import Freezing
from visavis.evaluation.head_motion import head_motion
from visavis.evaluation.mouth_sharpness import MouthSharpness
from visavis.evaluation.opening_range import mouth_shut_in_speech, opening_range
from visavis.evaluation.silence_motion import silence_motion
from visavis.media.geometry import apply, estimate_similarity, warp
from visavis.models.common import mesh
from visavis.models.puppet.motion import Motion
from visavis.stages.avatars import store

SHOWN, FRAMES = 100, 500
SPAN = 92.0
"""Pixels between the outer corners of the eyes in the aligned face."""
BLINK = np.array([0.3, 0.8, 0.9, 0.7, 0.35])
BLINKS = (30, 98, 140, 239, 265, 300, 410, 470)

TOLERANCES = {
    "blink_rate": 0.1, "blink_regularity": 0.15, "silence_motion": 0.25, "silence_opening": 0.25,
    "opening": 0.1, "shut": 0.02, "rim_flicker": 0.2, "mouth_flicker": 0.2, "sharpness": 0.2,
    "periodicity": 0.15, "head_range": 0.1, "frozen": 0.005, "repeated": 0.005,
}  # fmt: skip
"""What an unrelated fault may change: shares and correlations by so much, the others by so large a
part of them."""
ABSOLUTE = {"shut", "periodicity", "frozen", "repeated", "blink_regularity", "silence_motion"}


@dataclass(frozen=True)
class Clip:
    """``faces`` aligned and ``marks`` on them (SHOWN); the rest (FRAMES)."""

    faces: Picture
    marks: Floats
    landmarks: Floats
    pose: Floats
    speaking: np.ndarray
    opening: np.ndarray
    lids: np.ndarray


@pytest.fixture(scope="module")
def portrait() -> tuple[Picture, Floats]:
    avatar = store.load("mei")
    landmarks = avatar.track.landmarks[0][:, :2]
    place = estimate_similarity(landmarks[[33, 263]], np.array([[82, 92], [82 + SPAN, 92]]))
    return warp(avatar.frames[0], place, 256, 256), apply(place, landmarks).astype(np.float32)


@pytest.fixture(scope="module")
def clean(portrait: tuple[Picture, Floats]) -> Clip:
    face, marks = portrait
    frames = np.arange(FRAMES)
    speaking = (frames % 250 < 150) & (frames % 250 >= 10)
    ramp = np.convolve(speaking, np.ones(5) / 5, "same")
    opening = ramp * (6 + 3 * np.sin(frames / 2.1) + 2.5 * np.sin(frames / 5.3 + 1))
    motion = Motion(5, "lively")
    heads = [motion.at(frame) for frame in range(FRAMES)]
    pose = np.array([[h.yaw, h.pitch, h.roll] for h in heads])
    lids = blink(BLINKS)
    return Clip(
        np.stack([draw(face, marks, opening[frame]) for frame in range(SHOWN)]),
        np.stack([open_mouth(marks, opening[frame]) for frame in range(SHOWN)]).astype(np.float32),
        place_heads(marks, opening, lids, pose),
        pose.astype(np.float32),
        speaking,
        opening,
        lids,
    )


def blink(deepest: tuple[int, ...]) -> np.ndarray:
    """How far the lids are down in each frame."""
    lids = np.zeros(FRAMES)
    for frame in deepest:
        lids[frame - 2 : frame + 3] = BLINK
    return lids


def fall(marks: Floats, points: np.ndarray, opening: float) -> np.ndarray:
    """Pixels by which points below the line between the lips go down; opening in percent."""
    middle = marks[mesh.LIPS_INNER].mean(axis=0)
    half = (marks[291, 0] - marks[61, 0]) / 2
    across = np.cos(np.pi / 2 * np.clip((points[..., 0] - middle[0]) / (1.2 * half), -1, 1)) ** 2
    down = np.clip(1 - (points[..., 1] - middle[1]) / 50, 0, 1)
    return np.asarray(opening / 100 * SPAN * across * down * (points[..., 1] >= middle[1]))


def open_mouth(marks: Floats, opening: float) -> np.ndarray:
    moved = marks.copy()
    lower = np.setdiff1d(mesh.LIPS_INNER_LOWER, mesh.LIPS_INNER_UPPER)
    line = marks[mesh.LIPS_INNER].mean(axis=0)[1]
    below = np.flatnonzero(marks[:, 1] > line + 1)
    moved[below, 1] += fall(marks, marks[below], opening)
    on_line = np.column_stack([marks[lower, 0], np.full(len(lower), line)])
    moved[lower, 1] = marks[lower, 1] + fall(marks, on_line, opening)
    return moved


def draw(face: Picture, marks: Floats, opening: float) -> Picture:
    """The lower lip goes down, and dark and teeth come into view."""
    rows, columns = np.mgrid[:256, :256].astype(np.float32)
    source: np.ndarray = rows
    for _ in range(2):  # where a pixel comes from is where it falls from
        source = rows - fall(marks, np.stack([columns, source], 2), opening).astype(np.float32)
    line = marks[mesh.LIPS_INNER].mean(axis=0)[1]
    below = rows > line
    source = np.where(below, source, rows)
    drawn = np.asarray(cv2.remap(face, columns, source, cv2.INTER_LINEAR), np.uint8)
    hole = mouth_hole(open_mouth(marks, opening).astype(np.float32))
    teeth = np.where(np.abs(columns % 9 - 4.5) < 4, 205, 170) * (rows < line + 3)
    drawn[hole] = np.maximum(teeth, 60)[hole][:, None] * np.array([1, 0.85, 0.8])
    return drawn


def place_heads(marks: Floats, opening: np.ndarray, lids: np.ndarray, pose: Floats) -> Floats:
    """Landmarks in the whole picture, with the landmarker's unrest."""
    rng = np.random.default_rng(2)
    placed = np.empty((len(opening), mesh.LANDMARKS, 2), np.float32)
    for frame, (wide, down, angles) in enumerate(zip(opening, lids, pose, strict=True)):
        points = open_mouth(marks, wide)
        for upper, lower in (
            (mesh.EYE_RIGHT_UPPER, mesh.EYE_RIGHT_LOWER),
            (mesh.EYE_LEFT_UPPER, mesh.EYE_LEFT_LOWER),
        ):
            points[upper] += down * (points[lower] - points[upper])
        turn = np.deg2rad(angles[2])
        rotation = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
        placed[frame] = apply(np.column_stack([rotation, angles[:2]]), points)
    return placed + rng.normal(0, 0.1, placed.shape).astype(np.float32)


def measure(clip: Clip) -> dict[str, float]:
    rng = np.random.default_rng(3)
    flicker, sharpness, freezing = Flicker(), MouthSharpness(), Freezing()
    shown = None
    for frame, (clean_face, marks) in enumerate(zip(clip.faces, clip.marks, strict=True)):
        # What is frozen is frozen with its noise.
        if shown is None or not is_frozen(clip, frame):
            noise = rng.normal(0, 1.2, clean_face.shape)
            shown = np.clip(np.rint(clean_face + noise), 0, 255).astype(np.uint8)
        flicker.add(shown, marks)
        sharpness.add(shown, marks)
        freezing.add(whole(shown, clip.pose[frame]))
    seam, still = flicker.value(), freezing.value()
    blinks = measure_blinks(clip.landmarks)
    silence = silence_motion(clip.landmarks, clip.speaking)
    head = head_motion(clip.pose)
    return {
        "blink_rate": blinks.rate,
        "blink_regularity": blinks.regularity,
        "silence_motion": silence.motion,
        "silence_opening": silence.opening,
        "opening": opening_range(clip.landmarks, clip.speaking).range,
        "shut": mouth_shut_in_speech(clip.landmarks, clip.speaking),
        "rim_flicker": seam.rim_ratio,
        "mouth_flicker": seam.mouth_ratio,
        "sharpness": sharpness.value().ratio,
        "periodicity": head.periodicity,
        "head_range": float(np.linalg.norm(head.range)),
        "frozen": still.frozen_share,
        "repeated": still.repeated_share,
    }


def is_frozen(clip: Clip, frame: int) -> bool:
    same_place = np.array_equal(clip.pose[frame], clip.pose[frame - 1])
    return same_place and np.array_equal(clip.faces[frame], clip.faces[frame - 1])


def whole(face: Picture, angles: Floats) -> Picture:
    """The face somewhere in a small picture."""
    place = np.array([[0.7, 0, 5 + 6 * angles[0]], [0, 0.7, 5 + 6 * angles[1]]])
    return warp(face, place, 192, 192)


@pytest.fixture(scope="module")
def usual(clean: Clip) -> dict[str, float]:
    return measure(clean)


def check(clip: Clip, usual: dict[str, float], related: set[str]) -> dict[str, float]:
    """Nothing but the related figures has changed; give all of them."""
    found = measure(clip)
    for name in set(usual) - related:
        room = TOLERANCES[name] * (1 if name in ABSOLUTE else abs(usual[name]))
        assert found[name] == pytest.approx(usual[name], abs=room), name
    return found


def test_the_clean_clip_has_no_fault(usual: dict[str, float]) -> None:
    assert not np.isnan(list(usual.values())).any()
    assert 15 < usual["blink_rate"] < 30
    assert usual["blink_regularity"] > 0.4
    assert usual["silence_motion"] < 0.5
    assert usual["silence_opening"] < 1
    assert 5 < usual["opening"] < 15
    assert usual["shut"] == 0
    assert 0.8 < usual["rim_flicker"] < 2
    assert usual["periodicity"] < 0.5
    assert (usual["frozen"], usual["repeated"]) == (0, 0)


def test_blurred_mouth(clean: Clip, usual: dict[str, float]) -> None:
    soft = [
        np.where(mouth_region(marks)[..., None], cv2.GaussianBlur(face, (0, 0), 2), face)
        for face, marks in zip(clean.faces, clean.marks, strict=True)
    ]
    # Blur dims what comes and goes between the lips.
    found = check(replace(clean, faces=np.stack(soft)), usual, {"sharpness", "mouth_flicker"})
    assert found["sharpness"] < 0.5 * usual["sharpness"]


def test_freeze(clean: Clip, usual: dict[str, float]) -> None:
    order = np.r_[:50, [50] * 25, 75:FRAMES]
    frozen = replace(
        clean,
        faces=clean.faces[order[:SHOWN]],
        marks=clean.marks[order[:SHOWN]],
        pose=clean.pose[order],
        landmarks=clean.landmarks[order],
    )
    # A picture that stands still for a quarter of the time has less of everything that moves; and
    # its mouth does not open while somebody is heard.
    found = check(frozen, usual, {"frozen", "rim_flicker", "mouth_flicker", "shut"})
    assert found["frozen"] == pytest.approx(24 / 99)
    assert found["rim_flicker"] == pytest.approx(usual["rim_flicker"], rel=0.3)


def test_loop(clean: Clip, usual: dict[str, float]) -> None:
    order = np.arange(FRAMES) % 60
    loop = replace(
        clean,
        faces=clean.faces[order[:SHOWN]],
        marks=clean.marks[order[:SHOWN]],
        pose=clean.pose[order],
    )
    related = {"repeated", "periodicity", "head_range"}
    found = check(loop, usual, related | {"mouth_flicker"})
    assert found["repeated"] == pytest.approx(40 / 100)
    assert found["periodicity"] > 0.9


def test_mouth_shut_in_speech(
    clean: Clip, usual: dict[str, float], portrait: tuple[Picture, Floats]
) -> None:
    face, marks = portrait
    shut = replace(
        clean,
        faces=np.stack([face] * SHOWN),
        marks=np.stack([marks] * SHOWN).astype(np.float32),
        landmarks=place_heads(marks, np.zeros(FRAMES), clean.lids, clean.pose),
    )
    # A mouth that is shut shows nothing of its inside, sharp or flickering, nor moves its rim.
    inside = {"sharpness", "mouth_flicker", "rim_flicker", "silence_opening"}
    found = check(shut, usual, inside | {"shut", "opening"})
    assert found["shut"] == 1
    assert found["opening"] < 0.1 * usual["opening"]
    assert np.isnan(found["mouth_flicker"])


def test_mouth_moving_in_silence(
    clean: Clip, usual: dict[str, float], portrait: tuple[Picture, Floats]
) -> None:
    frames = np.arange(FRAMES)
    opening = 6 + 5 * np.sin(frames / 2.1)
    restless = place_heads(portrait[1], opening, clean.lids, clean.pose)
    landmarks = np.where(clean.speaking[:, None, None], clean.landmarks, restless)
    found = check(replace(clean, landmarks=landmarks), usual, {"silence_motion", "silence_opening"})
    assert found["silence_motion"] > 2 * usual["silence_motion"]
    assert found["silence_opening"] > usual["silence_opening"] + 2


def test_flicker_at_the_seam(clean: Clip, usual: dict[str, float]) -> None:
    faces = clean.faces.copy()
    for frame in range(0, SHOWN, 2):
        mouth = mouth_region(clean.marks[frame]).astype(np.uint8)
        seam = cv2.dilate(mouth, np.ones((17, 17))) - cv2.dilate(mouth, np.ones((9, 9)))
        faces[frame] = np.clip(faces[frame] + 8 * seam[..., None].astype(int), 0, 255)
    found = check(replace(clean, faces=faces), usual, {"rim_flicker"})
    assert found["rim_flicker"] > 1.4 * usual["rim_flicker"]


def test_flicker_inside_the_mouth(clean: Clip, usual: dict[str, float]) -> None:
    faces = clean.faces.copy()
    for frame in range(0, SHOWN, 2):
        hole = mouth_hole(clean.marks[frame])
        faces[frame][hole] = np.clip(faces[frame][hole].astype(int) + 25, 0, 255)
    found = check(replace(clean, faces=faces), usual, {"mouth_flicker"})
    assert found["mouth_flicker"] > 1.5 * usual["mouth_flicker"]


@pytest.mark.parametrize("deepest", [tuple(range(40, 480, 60)), ()])
def test_blinks_like_clockwork_or_none(
    deepest: tuple[int, ...], clean: Clip, usual: dict[str, float], portrait: tuple[Picture, Floats]
) -> None:
    landmarks = place_heads(portrait[1], clean.opening, blink(deepest), clean.pose)
    found = check(replace(clean, landmarks=landmarks), usual, {"blink_regularity", "blink_rate"})
    if deepest:
        assert found["blink_regularity"] < 0.05
        assert found["blink_rate"] == pytest.approx(usual["blink_rate"], rel=0.1)
    else:
        assert found["blink_rate"] == 0
