"""Every registered animator, with its real model and the first avatar shipped."""

import pytest

from conformance.animator_suite import AnimatorSuite
from visavis.core import registry
from visavis.core.protocols import Animator
from visavis.core.types import Avatar

pytestmark = pytest.mark.assets


@pytest.fixture(scope="module", params=registry.names("animators"))
def animator(request: pytest.FixtureRequest) -> Animator:
    # Small pictures: what is held here does not depend on the size.
    made: Animator = registry.load("animators", request.param)(size=192, seed=3)
    return made


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    from visavis.stages.avatars import store

    return store.load(store.DEFAULT)


class TestAnimators(AnimatorSuite):
    tolerance = 0.5
    seconds = 0.84

    @pytest.fixture
    def twin(self, request: pytest.FixtureRequest, animator: Animator) -> Animator:
        made: Animator = type(animator)(size=192, seed=3)  # type: ignore[call-arg]
        return made
