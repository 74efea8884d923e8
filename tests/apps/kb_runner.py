"""`visavis kb` as a user runs it, with a store of the test's own and one encoder for all tests."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from visavis.apps import cli
from visavis.knowledge.store import KnowledgeStore
from visavis.models.sentence_encoder import predictor

SENTENCES = functools.cache(predictor.SentenceEncoder)
"""The real encoder, whose weights take a second or more to load."""


class Kb:
    """Runs commands on one store.

    Attributes:
        place: Of the store.
    """

    def __init__(self, place: Path) -> None:
        self.place = place

    def __call__(self, *args: object, code: int = 0, answer: str | None = None) -> Result:
        """Run a command and check its exit code."""
        words = ["kb", "--store", str(self.place), *map(str, args)]
        result = CliRunner().invoke(cli.main, words, input=answer)
        assert result.exit_code == code, result.output
        assert "unexpected" not in result.stderr, result.output
        return result

    def load(self, *args: object) -> Any:
        """Run a command with ``--json`` and parse what it prints."""
        return json.loads(self(*args, "--json").stdout)

    def questions(self, base: str) -> list[str]:
        """Return the questions of a base, in order."""
        with KnowledgeStore(self.place) as store:
            return [pair.question for pair in store.load(base).pairs]

    def bases(self) -> dict[str, int]:
        """Return the versions of the bases."""
        with KnowledgeStore(self.place) as store:
            return {info.name: info.version for info in store.bases()}


@pytest.fixture
def kb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kb:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("VISAVIS_KNOWLEDGE", raising=False)
    monkeypatch.delenv("VISAVIS_BASES", raising=False)
    monkeypatch.setattr(predictor, "SentenceEncoder", SENTENCES)
    return Kb(tmp_path / "kb.db")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file
