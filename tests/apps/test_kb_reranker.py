"""`visavis kb search` and `evaluate` with a cross-encoder, and the setting that names one."""

import json
from pathlib import Path

import pytest
from kb_runner import Kb, kb, write
from tests.models.made_cross_encoder import write_cross_encoder

from visavis.apps.assemble import Cast
from visavis.apps.settings import Settings, load_settings
from visavis.core.errors import MissingWeights
from visavis.knowledge import live
from visavis.knowledge.reranking import RerankedIndex

__all__ = ["kb", "write"]

THINGS = ("glorp", "frond", "drast", "crang")
ASKED = ("zimbat", "mukta", "ovilo", "teppu")
"""What only the made cross-encoder knows to be the same."""


@pytest.fixture
def filled(kb: Kb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kb:
    monkeypatch.setattr(live, "load_second_encoders", dict)
    monkeypatch.delenv("VISAVIS_RERANKER", raising=False)
    rows = "".join(f"{thing},How do I renew my {thing}?,Ask at desk {n}.\n" for n, thing in enumerate(THINGS))  # fmt: skip
    table = tmp_path / "town.csv"
    table.write_text("id,question,answer\n" + rows, "utf-8")
    kb("import", "town", table, "--no-vectors")
    return kb


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    meanings = [f"{one} {other}" for one, other in zip(THINGS, ASKED, strict=True)]
    return write_cross_encoder(tmp_path / "reranker", meanings, weight=8)


def first(found: dict[str, list[dict[str, str]]]) -> str:
    return found["candidates"][0]["id"]


def test_search_orders_by_it(
    filled: Kb, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    question = "I have to renew this teppu"
    assert first(filled.load("search", question)) != "crang"
    assert first(filled.load("search", question, "--reranker", folder)) == "crang"
    monkeypatch.setenv("VISAVIS_RERANKER", str(folder))
    assert first(filled.load("search", question)) == "crang"
    (tmp_path / "empty").mkdir()
    result = filled("search", question, "--reranker", tmp_path / "empty", code=3)
    assert "no model.onnx" in result.stderr
    assert "text-classification" in result.stderr


def test_evaluate_measures_it(filled: Kb, folder: Path, tmp_path: Path) -> None:
    questions = tmp_path / "questions.jsonl"
    rows = [
        json.dumps({"text": f"I have to renew this {word}", "expect": [thing], "language": "en"})
        for word, thing in zip(ASKED, THINGS, strict=True)
    ]
    questions.write_text("\n".join(rows), "utf-8")
    command = ["evaluate", "--base", "town", "--questions", questions, "--encoder", "use"]
    plain = filled.load(*command)
    ordered = filled.load(*command, "--reranker", folder)
    assert plain["figures"]["en"]["all"]["recall_1"] < 1
    assert ordered["figures"]["en"]["all"]["recall_1"] == 1
    assert ordered["way"] == f"{plain['way']}, ordered anew by {folder}"
    result = filled(*command[:-1], "minilm-l6-int8", "--reranker", folder, code=2)
    assert "--reranker goes with --encoder use or both only" in result.stderr


def test_the_setting_reaches_what_answers(filled: Kb, folder: Path) -> None:
    settings = load_settings({"VISAVIS_KNOWLEDGE": str(filled.place), "VISAVIS_RERANKER": str(folder)})  # fmt: skip
    assert settings.reranker == str(folder)
    assert Settings().reranker == ""
    responder = Cast(settings).responder
    index = responder.prepare()  # type: ignore[attr-defined]
    assert isinstance(index, RerankedIndex)
    assert [m.pair.id for m in index.search("renew this ovilo", "en", 1)] == ["drast"]
    with pytest.raises(MissingWeights, match=r"no model\.onnx"):
        _ = Cast(Settings(reranker=str(filled.place.parent))).responder
