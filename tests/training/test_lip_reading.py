"""Lips read off by landmarks: the shipped faces, whose lips are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from tests.training.talkers import speech, talk

from visavis.core.types import Picture
from visavis.evaluation.lip_shape import find_landmarks
from visavis.models.face_landmarker.predictor import FaceLandmarker
from visavis.training.lip_reading import read_lips
from visavis.training.lip_samples import Sample

pytestmark = pytest.mark.assets
SECONDS = 1.6


@pytest.fixture(scope="module")
def landmarker() -> FaceLandmarker:
    return FaceLandmarker()


def crops(name: str, start: float) -> Picture:
    """A face that fills the picture, saying what is said from ``start`` on."""
    frames = np.stack(talk(name, speech(), SECONDS, start=start))
    points = FaceLandmarker().detect(frames[0]).landmarks[:, :2]  # type: ignore[union-attr]
    (x0, y0), (x1, y1) = points.min(0).astype(int) - 8, points.max(0).astype(int) + 8
    side = max(x1 - x0, y1 - y0)
    cut = frames[:, max(0, y0) : y0 + side, max(0, x0) : x0 + side]
    return np.stack([cv2.resize(frame, (192, 192)) for frame in cut])


def sample(real: Picture, own: Picture, crossed: Picture, other: Picture) -> Sample:
    silence = np.zeros(16_000, np.float32)
    return Sample(real, own, crossed, silence, silence, other)


def test_right_lips_late_lips_and_shut_lips(landmarker: FaceLandmarker) -> None:
    real, other = crops("mei", 0.2), crops("mei", 1.0)
    late = np.concatenate([real[:1].repeat(3, 0), real[:-3]])
    shut = real[:1].repeat(len(real), 0)
    right = read_lips([sample(real, real.copy(), other.copy(), other)], landmarker)
    assert right["m_lmd"] < 0.2
    assert right["opening_own"] > 0.98
    assert right["opening_crossed"] > 0.98
    assert right["opening_by_chance"] < 0.7
    assert right["delay_own"] == 0
    assert right["range_own"] == pytest.approx(1, abs=0.05)
    assert right["range_crossed"] == pytest.approx(1, abs=0.05)
    assert right["faces_lost"] == 0
    wrong = read_lips([sample(real, late, real.copy(), other)], landmarker)
    assert wrong["delay_own"] == 3
    assert wrong["opening_own"] < right["opening_own"] - 0.2
    assert wrong["opening_crossed"] == pytest.approx(right["opening_by_chance"], abs=0.1)
    still = read_lips([sample(real, shut, shut, other)], landmarker)
    assert np.isnan(still["opening_own"]) or still["range_own"] < 0.1
    assert still["m_lmd"] > right["m_lmd"] + 0.3


def test_no_face_is_said(landmarker: FaceLandmarker) -> None:
    grey = np.full((12, 192, 192, 3), 128, np.uint8)
    assert np.isnan(find_landmarks(grey, landmarker)).all()
    found = read_lips([sample(grey, grey, grey, grey)], landmarker)
    assert found["faces_lost"] == 1
    assert np.isnan(found["m_lmd"])
    assert np.isnan(found["opening_own"])
