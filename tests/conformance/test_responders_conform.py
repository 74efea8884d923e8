"""Every registered responder, with its real model and base."""

from pathlib import Path

import pytest

from conformance.responder_suite import ResponderSuite
from visavis.core import registry
from visavis.core.protocols import Responder

pytestmark = pytest.mark.assets


# What asks a server conforms with one: test_language_model_conforms.
@pytest.fixture(
    scope="module", params=[n for n in registry.names("responders") if n != "language-model"]
)
def responder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Responder:
    options = {}
    if request.param == "persona":
        path: Path = tmp_path_factory.mktemp("persona") / "clerk.toml"
        path.write_text('name = "clerk"\nmode = "faq-only"\n', "utf-8")
        options["persona"] = str(path)
    made: Responder = registry.load("responders", request.param)(**options)
    return made


class TestResponders(ResponderSuite):
    pass
