"""Every registered synthesizer, with its real model."""

import pytest

from conformance.synthesizer_suite import SynthesizerSuite
from visavis.core import registry
from visavis.core.protocols import Synthesizer

pytestmark = pytest.mark.assets


@pytest.fixture(scope="module", params=registry.names("synthesizers"))
def synthesizer(request: pytest.FixtureRequest) -> Synthesizer:
    made: Synthesizer = registry.load("synthesizers", request.param)()
    return made


class TestSynthesizers(SynthesizerSuite):
    pass
