"""Every registered responder, with its real model and base."""

import pytest

from conformance.responder_suite import ResponderSuite
from visavis.core import registry
from visavis.core.protocols import Responder

pytestmark = pytest.mark.assets


@pytest.fixture(scope="module", params=registry.names("responders"))
def responder(request: pytest.FixtureRequest) -> Responder:
    made: Responder = registry.load("responders", request.param)()
    return made


class TestResponders(ResponderSuite):
    pass
