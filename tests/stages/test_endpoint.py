"""Which chat server is asked, and what is said where none can be."""

import builtins
import sys
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from visavis.core.errors import ConfigError, MissingExtra
from visavis.stages.responders.chat_errors import read_retry_after
from visavis.stages.responders.endpoint import find_endpoint
from visavis.stages.responders.language_model import LanguageModelResponder

KEY = "sk-very-secret-123"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "MODEL", "KEY", "KEY_FILE"):
        monkeypatch.delenv(f"VISAVIS_LLM_{name}", raising=False)


def test_nothing_set_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match=r"VISAVIS_LLM_URL.*http://localhost:11434/v1"):
        LanguageModelResponder()
    with pytest.raises(ConfigError, match="VISAVIS_LLM_MODEL is not"):
        LanguageModelResponder("http://localhost:1")


@pytest.mark.parametrize(
    "url", ["localhost:11434", "ftp://a/v1", "http://", "http://a:b:c", "http://u:p@a"]
)
def test_addresses_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ConfigError, match="VISAVIS_LLM_URL"):
        find_endpoint(url, "m")


def test_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VISAVIS_LLM_URL", "http://host:1/v1/chat/completions")
    monkeypatch.setenv("VISAVIS_LLM_MODEL", "qwen")
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("VISAVIS_LLM_KEY_FILE", str(tmp_path / "key"))
    endpoint = find_endpoint()
    assert (endpoint.url, endpoint.model, endpoint.key) == ("http://host:1/v1", "qwen", KEY)
    assert find_endpoint("http://other").url == "http://other/v1"
    monkeypatch.setenv("VISAVIS_LLM_KEY", "another")
    assert find_endpoint().key == "another"
    assert KEY not in repr(endpoint)
    assert "another" not in repr(LanguageModelResponder())
    monkeypatch.delenv("VISAVIS_LLM_KEY")
    monkeypatch.setenv("VISAVIS_LLM_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="VISAVIS_LLM_KEY_FILE names cannot be read"):
        find_endpoint()
    with pytest.raises(ConfigError, match="characters that no key has") as caught:
        find_endpoint(key="two words")
    assert "two words" not in str(caught.value)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = builtins.__import__

    def refuse(name: str, *arguments: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "openai":
            raise ModuleNotFoundError("no", name="openai")
        return taken(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.delitem(sys.modules, "openai", raising=False)
    with pytest.raises(MissingExtra, match=r'pip install "visavis\[llm\]"'):
        LanguageModelResponder("http://localhost:1", "m")


def test_retry_after_as_number_and_as_date() -> None:
    assert read_retry_after({"retry-after": "1.5"}) == 1.5
    assert read_retry_after({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert read_retry_after({"retry-after": formatdate(1_000, usegmt=True)}, now=990) == 10
    assert read_retry_after({"retry-after": formatdate(1_000, usegmt=True)}, now=2_000) == 0
    for odd in ({}, {"retry-after": "soon"}, {"retry-after": "nan"}, {"retry-after": "inf"}):
        assert read_retry_after(odd) is None
    assert read_retry_after({"retry-after": "-3"}) == 0
