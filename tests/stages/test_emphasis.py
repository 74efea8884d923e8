"""How far an avatar's mouth opens is tried on the avatar itself."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from visavis.core.types import Avatar, Floats, Picture
from visavis.media.lip_crop import crop_square, lip_boxes
from visavis.models.common.units import ARKIT_UNITS, UNIT_INDEX
from visavis.models.puppet.renderer import Pose
from visavis.models.puppet.stand import Stand
from visavis.stages.animators.emphasis import MOST, _trial, _try, find_emphasis
from visavis.stages.animators.wav2lip import Wav2LipAnimator
from visavis.stages.avatars import store

pytestmark = pytest.mark.assets


@pytest.fixture(scope="module")
def portrait() -> Avatar:
    return store.load("mei")


@dataclass
class PuppetFaces:
    """Opens the jaw of a portrait by so much for each wide sound, times the emphasis."""

    stand: Stand
    box: Floats
    share: float
    key: str
    reference: int = 0
    asked: list[float] = field(default_factory=list)

    def draw(self, frame: int, window: Floats, emphasis: float = 1.0) -> Picture:
        self.asked.append(emphasis)
        wide, _ = _trial()[0]
        opens = any(np.array_equal(window, one) for one in wide)
        units = np.zeros(len(ARKIT_UNITS), np.float32)
        units[UNIT_INDEX["jawOpen"]] = 0.3 * min(1.0, self.share * emphasis) * opens
        return crop_square(self.stand.render(0, Pose(units=units)), self.box, 192)


@pytest.fixture(scope="module")
def stand(portrait: Avatar) -> Stand:
    return Stand(portrait, 512)


def make_faces(stand: Stand, portrait: Avatar, share: float, key: str) -> PuppetFaces:
    scale = 512 / portrait.frames.shape[2]
    return PuppetFaces(stand, lip_boxes(portrait.track.landmarks)[0] * scale, share, key)


def test_a_mouth_that_opens_is_left_alone(stand: Stand, portrait: Avatar) -> None:
    faces = make_faces(stand, portrait, 1.0, "opens")
    assert find_emphasis(faces) == 1.0  # type: ignore[arg-type]
    assert set(faces.asked) == {1.0}


def test_one_that_opens_too_little_is_helped_and_asked_once(stand: Stand, portrait: Avatar) -> None:
    windows, wanted = _trial()
    faces = make_faces(stand, portrait, 0.2, "little")
    before = _try(faces, windows, 1.0)  # type: ignore[arg-type]
    assert before < 0.9 * wanted, "or nothing is tested"
    emphasis = find_emphasis(faces)  # type: ignore[arg-type]
    assert 1 < emphasis <= MOST
    after = _try(faces, windows, emphasis)  # type: ignore[arg-type]
    assert abs(after - wanted) < abs(before - wanted)
    del faces.asked[:]
    assert find_emphasis(faces) == emphasis  # type: ignore[arg-type]
    assert not faces.asked


def test_what_shows_no_face_or_does_not_move_is_left_alone(stand: Stand, portrait: Avatar) -> None:
    class Noise(PuppetFaces):
        def draw(self, frame: int, window: Floats, emphasis: float = 1.0) -> Picture:
            return np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)

    noise = Noise(stand, np.zeros(4, np.float32), 1.0, "noise")
    assert find_emphasis(noise) == 1.0  # type: ignore[arg-type]
    still = make_faces(stand, portrait, 0.0, "still")
    assert find_emphasis(still) == 1.0  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("size", ["192", "384"])
@pytest.mark.parametrize("name", ["mei", "adam", "ruth"])
def test_default_faces_open_their_mouths_with_what_is_shipped(size: str, name: str) -> None:
    avatar = store.load(name)
    opened = Wav2LipAnimator(size=512, weights=size).open(avatar)
    windows, wanted = _trial()
    opening = _try(opened._faces, windows, opened._emphasis)
    assert 0.5 * wanted < opening < 2 * wanted
