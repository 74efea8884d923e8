"""What the adapters say where their library is not installed."""

from __future__ import annotations

import importlib
import sys

import pytest

from visavis.core.errors import MissingExtra


@pytest.mark.parametrize(
    ("name", "library"),
    [("livekit", "livekit"), ("livekit", "livekit.agents"), ("pipecat", "pipecat")],
)
def test_a_missing_library_is_named_with_what_to_install(
    name: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for loaded in [m for m in sys.modules if m == library or m.startswith(f"{library}.")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"visavis.apps.adapters.{name}", raising=False)
    with pytest.raises(MissingExtra, match=rf"pip install 'visavis\[{name}\]'"):
        importlib.import_module(f"visavis.apps.adapters.{name}")
