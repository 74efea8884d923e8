"""Every registered responder, with its real model and base."""

import pytest

from conformance.responder_suite import ResponderSuite
from visavis.core import registry
from visavis.core.protocols import Responder

pytestmark = pytest.mark.assets


# What asks a server conforms with one: test_language_model_conforms.
@pytest.fixture(
    scope="module", params=[n for n in registry.names("responders") if n != "language-model"]
)
def responder(request: pytest.FixtureRequest) -> Responder:
    made: Responder = registry.load("responders", request.param)()
    return made


class TestResponders(ResponderSuite):
    pass
