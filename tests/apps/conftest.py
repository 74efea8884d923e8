"""A cast of fakes, so that the apps are tested without model files."""

from typing import Any

import pytest

from visavis.apps.assemble import Cast
from visavis.apps.settings import Settings
from visavis.core import registry
from visavis.core.types import Avatar
from visavis.stages import fakes

ANSWER = "Bring your identity card. 请带身份证。It takes ten days."


class FakeAnimator(fakes.PaintingAnimator):
    def __init__(self, *, size: int = 64, seed: int = 0) -> None:
        super().__init__(seed=seed)


class FakeSynthesizer(fakes.ToneSynthesizer):
    """As a registered stage: its voices name the stage that they belong to."""


class FakeRecognizer(fakes.ScriptedRecognizer):
    def __init__(self) -> None:
        super().__init__("如何补办身份证?")


class FakeResponder(fakes.EchoResponder):
    def __init__(self) -> None:
        super().__init__(ANSWER)


STAGES: dict[tuple[str, str], type[Any]] = {
    ("animators", "paint"): FakeAnimator,
    ("synthesizers", "tone"): FakeSynthesizer,
    ("recognizers", "script"): FakeRecognizer,
    ("responders", "echo"): FakeResponder,
}


class FakeCast(Cast):
    def load_avatar(self) -> Avatar:
        return fakes.make_avatar(size=64)


@pytest.fixture
def fake_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    real_load, real_names = registry.load, registry.names

    def load(kind: registry.Kind, name: str) -> type[Any]:
        return STAGES.get((kind, name)) or real_load(kind, name)

    def names(kind: registry.Kind) -> list[str]:
        return [n for k, n in STAGES if k == kind] or real_names(kind)

    monkeypatch.setattr(registry, "load", load)
    monkeypatch.setattr(registry, "names", names)


@pytest.fixture
def cast(fake_stages: None) -> Cast:
    settings = Settings(
        recognizer="script",
        responder="echo",
        animator="paint",
        voice_zh="tone_low",
        voice_en="tone_high",
        size=128,
    )
    return FakeCast(settings)
