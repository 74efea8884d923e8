"""Every registered animator, with its real model and the first avatar shipped."""

from typing import Any

import pytest

from conformance.animator_suite import AnimatorSuite
from conformance.lip_generator import write_tiny_generator
from visavis.core import registry
from visavis.core.protocols import Animator
from visavis.core.types import Avatar

pytestmark = pytest.mark.assets


@pytest.fixture(scope="module", params=registry.names("animators"))
def options(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Name and options of an animator. Small pictures: what is held here does not depend on the size."""
    chosen = {"name": request.param, "size": 192, "seed": 3}
    if request.param == "wav2lip":  # which has no default weights
        chosen["weights"] = write_tiny_generator(tmp_path_factory.mktemp("lips"))
    return chosen


def make(name: str, **options: Any) -> Animator:
    made: Animator = registry.load("animators", name)(**options)
    return made


@pytest.fixture(scope="module")
def animator(options: dict[str, Any]) -> Animator:
    return make(**options)


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    from visavis.stages.avatars import store

    return store.load(store.DEFAULT)


class TestAnimators(AnimatorSuite):
    tolerance = 0.5
    seconds = 0.84

    @pytest.fixture
    def twin(self, options: dict[str, Any]) -> Animator:
        return make(**options)
