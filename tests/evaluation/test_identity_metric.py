from __future__ import annotations

import cv2
import numpy as np
import pytest

from visavis.core.types import Floats, Picture
from visavis.evaluation.identity import SAME_PERSON, Csim, network
from visavis.models.sface.predictor import FaceIdentity
from visavis.stages.avatars import store

NOWHERE = np.full((478, 2), np.nan, np.float32)


class FirstPixel:
    """Sees the angle that a picture's first pixel tells, in degrees."""

    def embed(self, image: Picture, landmarks: Floats) -> Floats:
        angle = np.deg2rad(float(image[0, 0, 0]))
        return np.array([np.cos(angle), np.sin(angle)], np.float32)


def picture(angle: int) -> Picture:
    return np.full((2, 2, 3), angle, np.uint8)


def test_mean_of_cosines_by_hand() -> None:
    here = np.zeros((478, 2), np.float32)
    csim = Csim(FirstPixel())
    assert np.isnan(csim.value())
    assert csim.add(picture(10), here, picture(70), here) == pytest.approx(0.5)
    assert csim.add(picture(40), here, picture(40), here) == pytest.approx(1)
    assert csim.add(picture(0), here, picture(180), here) == pytest.approx(-1)
    # Frames without a face do not count, whichever side lacks it.
    assert np.isnan(csim.add(picture(0), NOWHERE, picture(0), here))
    assert np.isnan(csim.add(picture(0), here, picture(0), NOWHERE))
    assert (csim.frames, csim.left_out) == (3, 2)
    assert csim.value() == pytest.approx(0.5 / 3)


def test_a_source_stands_for_the_reference() -> None:
    here = np.zeros((478, 2), np.float32)
    csim = Csim(FirstPixel(), (picture(60), here))
    assert csim.add(picture(0), here) == pytest.approx(0.5)
    assert csim.add(picture(120), here) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="either"):
        csim.add(picture(0), here, picture(0), here)
    with pytest.raises(ValueError, match="either"):
        Csim(FirstPixel()).add(picture(0), here)
    with pytest.raises(ValueError, match="no face"):
        Csim(FirstPixel(), (picture(0), NOWHERE))


@pytest.fixture(scope="module")
def faces() -> dict[str, tuple[Picture, Floats]]:
    avatars = {name: store.load(name) for name in ("mei", "adam", "ruth")}
    return {
        name: (np.ascontiguousarray(a.frames[0][..., :3]), a.track.landmarks[0])
        for name, a in avatars.items()
    }


@pytest.mark.assets
def test_people_are_told_apart(faces: dict[str, tuple[Picture, Floats]]) -> None:
    identity = FaceIdentity()
    for name, other in (("mei", "adam"), ("adam", "ruth")):
        source = faces[name]
        csim = Csim(identity, source)
        assert csim.add(*source) == pytest.approx(1, abs=1e-5)
        # The same in another light, smaller, and blurred as codecs do.
        image, landmarks = source
        dim = (0.7 * image).astype(np.uint8)
        small = np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        soft = np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5))
        for changed, where in ((dim, landmarks), (small, landmarks / 2), (soft, landmarks)):
            assert csim.add(changed, where) > 0.8
        assert csim.value() > 0.9
        assert Csim(identity, source).add(*faces[other]) < SAME_PERSON


@pytest.mark.assets
def test_a_face_that_turns_into_another_is_noticed(
    faces: dict[str, tuple[Picture, Floats]],
) -> None:
    (mei, at), (ruth, there) = faces["mei"], faces["ruth"]
    # Ruth brought to where Mei's eyes and mouth are, and mixed in.
    turn, _ = cv2.estimateAffinePartial2D(there[[33, 263, 61, 291], :2], at[[33, 263, 61, 291], :2])
    ruth = np.asarray(cv2.warpAffine(ruth, turn, mei.shape[1::-1]))
    csim = Csim(FaceIdentity(), (mei, at))
    found = [
        csim.add(np.asarray(cv2.addWeighted(mei, 1 - s, ruth, s, 0)), at)
        for s in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert found == sorted(found, reverse=True)
    assert found[-1] < SAME_PERSON < found[1]


def test_network_is_named() -> None:
    assert network() == "SFace, SHA-256 fb143eea07838aa5"
