"""The enhancer `span`, by itself and under a drawn mouth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from conformance.picture_suites import EnhancerSuite
from visavis.core import registry
from visavis.core.errors import MissingWeights
from visavis.core.types import Floats, Picture
from visavis.models.wav2lip.predictor import FaceFeatures
from visavis.stages.animators.puppet import PuppetAnimator
from visavis.stages.animators.wav2lip import Wav2LipAnimator, Wav2LipPerformance
from visavis.stages.animators.wav2lip_faces import AvatarFaces, FaceShelf
from visavis.stages.animators.wav2lip_speech import SILENT
from visavis.stages.avatars import store
from visavis.stages.enhancers.span import SpanEnhancer


@pytest.mark.assets
class TestSpan(EnhancerSuite):
    @pytest.fixture
    def enhancer(self) -> SpanEnhancer:
        return SpanEnhancer()


def test_it_is_registered() -> None:
    assert registry.load("enhancers", "span") is SpanEnhancer
    assert ("span", "visavis", "SPAN x4") in [
        (name, package, doc.partition(":")[0])
        for name, package, doc in registry.describe("enhancers")
    ]


@pytest.mark.assets
def test_sessions_share_the_network() -> None:
    assert SpanEnhancer()._upscaler._network is SpanEnhancer()._upscaler._network


def test_without_weights_a_face_is_not_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "lips").mkdir()
    (tmp_path / "lips" / "network.json").write_text("{}")
    monkeypatch.setenv("VISAVIS_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    animator = Wav2LipAnimator(weights=tmp_path / "lips", enhancer="span")
    with pytest.raises(MissingWeights, match="visavis models pull span"):
        animator.open(store.load(store.DEFAULT))


class SoftGenerator:
    """Draws the face as it is, blurred: what a generator would at best."""

    size, lead, light, detail = 96, 0, (), 0

    def encode(self, frames: Picture, references: Picture | None = None) -> list[FaceFeatures]:
        return [FaceFeatures((frame,), frame[:0]) for frame in frames]

    def render(
        self, features: list[FaceFeatures], mel_windows: Floats, emphasis: float = 1.0
    ) -> Picture:
        return np.stack([cv2.GaussianBlur(f.maps[0], (0, 0), 0.8) for f in features])


@pytest.mark.assets
def test_a_soft_mouth_comes_nearer_to_the_face() -> None:
    avatar = store.load("adam")
    generator = SoftGenerator()
    faces = AvatarFaces(avatar, generator, "soft", FaceShelf(0))  # type: ignore[arg-type]
    stand, expression = PuppetAnimator(size=512, liveliness="still").set_up(avatar)

    def away_from_the_face(enhancer: SpanEnhancer | None) -> float:
        """Mean square, in grey levels, where the mouth is drawn."""
        performance = Wav2LipPerformance(
            stand,
            expression,
            generator,  # type: ignore[arg-type]
            faces,
            enhancer,
        )
        patch = performance._patch_of(0)
        overlay = patch.paint(performance._say(0, SILENT), 1.0)
        own = stand.ground(0).pixels[overlay.where]
        away = ((overlay.pixels.astype(float) - own) ** 2)[..., :3].mean(-1)
        return float((away * patch._mask).sum() / patch._mask.sum())

    assert away_from_the_face(SpanEnhancer()) < 0.94 * away_from_the_face(None)
