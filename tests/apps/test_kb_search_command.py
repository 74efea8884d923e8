"""`visavis kb search` and `evaluate`, and the settings that say where answers come from."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from kb_runner import SENTENCES, Kb, kb, write

from visavis.apps import cli
from visavis.apps.assemble import Cast
from visavis.apps.kb.nearest_question import NearestQuestion
from visavis.apps.settings import Settings, load_settings
from visavis.core import registry
from visavis.core.errors import ConfigError
from visavis.core.types import Message
from visavis.knowledge import live
from visavis.knowledge.base import Base, load_samples
from visavis.knowledge.evaluate import load_sample_cases
from visavis.stages import fakes

__all__ = ["kb", "write"]

Write = Callable[[str, str | bytes], Path]

PAIRS = (
    "id,question,answer,aliases\n"
    "passport,How do I renew my passport?,Book a visit online.,passport renewal|extend my passport\n"
    "fee,What does a library card cost?,It is free.,price of the library card\n"
    "parking,Where can I park my car?,Behind the hall.,is there a car park\n"
    "dog,How do I register my dog?,Bring its vaccination book.,dog licence\n"
)
MUSEUM = "question,answer\nWhen is the museum open?,At nine.\nWho paints the walls?,A painter.\n"


@pytest.fixture
def filled(kb: Kb, write: Write, monkeypatch: pytest.MonkeyPatch) -> Kb:
    # One encoder is enough here, whether or not others were pulled.
    monkeypatch.setattr(live, "load_second_encoders", dict)
    kb("import", "city", write("city.csv", PAIRS), "--no-vectors")
    kb("import", "museum", write("m.csv", MUSEUM), "--no-vectors")
    return kb


def test_search_answers_from_what_was_imported(filled: Kb) -> None:
    found = filled.load("search", "How can I renew my passport?", "-k", 2)
    assert found["outcome"] == "answer"
    assert found["said"] == "Book a visit online."
    best, second = found["candidates"]
    assert (best["base"], best["id"]) == ("city", "passport")
    assert best["confidence"] >= found["threshold"] > second["confidence"]
    told = filled("search", "How can I renew my passport?").stdout
    assert told.startswith("outcome   answer")
    assert "Book a visit online." in told

    refused = filled.load("search", "Who won the football match yesterday evening?")
    assert refused["outcome"] == "refusal"
    other = filled.load("search", "护照怎么换发")
    assert (other["language"], other["outcome"], other["candidates"]) == ("zh", "refusal", [])
    across = filled.load("search", "护照怎么换发", "--language", "en")
    assert across["candidates"][0]["id"] == "passport"


RULES = (
    "# House rules\n\n## Bicycles\n\n"
    "Bicycles may be locked to the green racks beside the north gate of the library.\n\n"
    "## Food\n\nFood and drink are allowed in the winter garden only.\n"
)
BICYCLE = "Where may bicycles be locked at the library?"


def test_search_shows_passages_of_documents_apart(filled: Kb, write: Write) -> None:
    assert filled.load("search", BICYCLE)["passages"] == []
    filled("import", "city", write("rules.md", RULES), "--as", "document", "--no-vectors")
    found = filled.load("search", BICYCLE, "-k", 2)
    assert found["outcome"] == "refusal"
    best = found["passages"][0]
    assert best["text"].startswith("Bicycles may be locked to the green racks")
    assert (best["document"], best["place"]) == ("House rules", "House rules › Bicycles")
    assert best["score"] >= found["passage_threshold"] > found["passages"][1]["score"]
    assert all("green racks" not in one["answer"] for one in found["candidates"])
    told = filled("search", BICYCLE).stdout
    pairs, documents = told.split("passages of documents; a persona")
    assert "green racks" not in pairs
    assert "House rules" in documents
    assert filled.load("search", BICYCLE, "--base", "museum")["passages"] == []


def test_ask_says_that_a_document_may_hold_the_answer(
    filled: Kb, write: Write, fake_stages: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    filled("import", "city", write("rules.md", RULES), "--as", "document", "--no-vectors")
    for name, value in {
        "RESPONDER": "faq", "ANIMATOR": "paint", "VOICE_ZH": "tone_low", "VOICE_EN": "tone_high",
        "KNOWLEDGE": str(filled.place), "MOOD": "no",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"VISAVIS_{name}", value)
    monkeypatch.setattr(Cast, "load_avatar", lambda self: fakes.make_avatar(size=64))

    def ask(question: str) -> str:
        words = ["ask", question, "-o", str(tmp_path / "a.mp4"), "--no-subtitles"]
        result = CliRunner().invoke(cli.main, words)
        assert result.exit_code == 0, result.output
        return result.stdout

    told = ask(BICYCLE)
    assert "a document may hold the answer: House rules · House rules › Bicycles;" in told
    assert "VISAVIS_PERSONA" in told
    assert "green racks" not in told, "what no model looked at is not said"
    assert "a document" not in ask("How do I renew my passport?")
    assert "a document" not in ask("Who won the football match yesterday evening?")


def test_search_keeps_to_the_bases_that_are_named_or_set(
    filled: Kb, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = "How do I renew my passport?"
    found = filled.load("search", question, "--base", "museum")
    assert {candidate["base"] for candidate in found["candidates"]} == {"museum"}
    monkeypatch.setenv("VISAVIS_BASES", "museum, ")
    found = filled.load("search", question)
    assert {candidate["base"] for candidate in found["candidates"]} == {"museum"}
    filled("search", question, "--base", "nothing", code=4)
    filled("search", " ", code=2)


def test_search_without_a_store_asks_the_samples(kb: Kb, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [base for base in load_samples() if base.name == "government_zh"]
    few = Base(samples[0].name, samples[0].pairs[:20])
    monkeypatch.setattr(live, "load_second_encoders", dict)
    monkeypatch.setattr(live, "load_samples", lambda: (few,))
    assert "there is no knowledge store" in kb("search", "居住证怎么办理？", code=4).stderr
    result = CliRunner().invoke(cli.main, ["kb", "search", "居住证怎么办理？", "--json"])
    found = json.loads(result.stdout)
    assert found["outcome"] == "answer"
    assert found["candidates"][0]["base"] == "government_zh"


QUESTIONS = [
    {"text": "How could I extend the passport?", "expect": ["passport"], "kind": "paraphrase"},
    {"text": "How do I register my dog?", "expect": ["dog"], "kind": "plain"},
    {"text": "where to leave my car", "expect": ["parking"]},
    {"text": "Where can I park my car?", "expect": ["fee"]},
    {"text": "how do I cook rice", "expect": [], "kind": "unrelated"},
    {"text": "???", "expect": [], "kind": "unrelated"},
]


@pytest.mark.parametrize("encoder", ["both", "use"])
def test_evaluate_counts_what_comes_back_and_draws_it(
    filled: Kb, write: Write, tmp_path: Path, encoder: str
) -> None:
    lines = "\n".join(json.dumps(question) for question in QUESTIONS)
    questions = write("questions.jsonl", lines)
    folder = tmp_path / "report"
    command = ["evaluate", "--base", "city", "--questions", questions, "--language", "en"]
    result = filled(*command, "--encoder", encoder, "-o", folder)
    assert "R@1" in result.stdout
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    every = report["figures"]["en"]["all"]
    assert (every["inside"], every["outside"]) == (4, 2)
    assert every["recall_1"] == 0.75, "the question of which a wrong answer was expected"
    assert every["false_answers"] == 0
    assert report["figures"]["en"]["plain"]["answered"] == 1
    assert report["figures"]["en"]["plain"]["false_answers"] is None
    worst = report["mistakes"][0]
    assert (worst["question"], worst["found"]) == ("Where can I park my car?", "parking")
    assert worst["expected_question"] == "What does a library card cost?"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert "Where can I park my car?" in page
    assert "src=" not in page, "the page stands alone"
    assert "http" not in page


def test_evaluate_refuses_what_would_count_falsely(filled: Kb, write: Write) -> None:
    assert "give --questions" in filled("evaluate", "--base", "city", code=2).stderr
    wrong = write("q.jsonl", '{"text": "a b", "expect": ["passprot"], "language": "en"}')
    result = filled("evaluate", "--base", "city", "--questions", wrong, code=2)
    assert "expects the pair 'passprot'" in result.stderr
    empty = write("e.jsonl", "\n")
    filled("evaluate", "--base", "city", "--questions", empty, code=2)
    good = write("g.jsonl", '{"text": "a b", "expect": [], "language": "en"}')
    filled("evaluate", "--base", "city", "--questions", good, "--encoder", "no-such", code=3)


@pytest.mark.assets
def test_the_papers_way_is_measured_with_any_encoder(filled: Kb, write: Write) -> None:
    lines = "\n".join(json.dumps(question) for question in QUESTIONS)
    questions = write("questions.jsonl", lines)
    command = ["evaluate", "--base", "city", "--questions", questions, "--language", "en"]
    report = filled.load(*command, "--encoder", "minilm-l6-int8")
    assert report["way"] == "by the nearest question of minilm-l6-int8 (means over tokens, cosine)"
    assert report["figures"]["en"]["all"]["recall_1"] == 0.75
    limits = report["languages"]["en"]
    assert (limits["threshold"], limits["hint"]) == (0.5, 0.05), "too few wordings to learn from"


def test_the_nearest_question_is_found_by_cosine_and_its_threshold_learnt() -> None:
    bases = [base for base in load_samples() if base.name == "government_en"]
    index = NearestQuestion(bases, SENTENCES())
    fusion = index.fusion["en"]
    assert 0 < fusion.hint < fusion.threshold < 1
    assert fusion.evidence[0] > 0, "nearer is surer"
    cases = load_sample_cases("en", "report")
    near = [case for case in cases if case.kind in ("plain", "paraphrase")][:60]
    outside = [case for case in cases if not case.expect]
    found = [index.search(case.text, "en", 3) for case in near]
    hit = sum(m[0].pair.id in case.expect for m, case in zip(found, near, strict=True))
    assert hit / len(near) > 0.6
    surest = [index.search(case.text, "en", 1)[0].confidence for case in outside]
    assert sum(c >= fusion.threshold for c in surest) / len(outside) < 0.2
    pair = bases[0].pairs[0]
    exact = index.search(pair.aliases[0], "en", 5)
    assert exact[0].pair.id == pair.id
    assert exact[0].score == pytest.approx(1, abs=1e-4)
    assert [m.score for m in exact] == sorted((m.score for m in exact), reverse=True)
    assert len({m.pair.id for m in exact}) == 5
    assert not any(m.pair.is_gap for m in exact)


def test_the_settings_name_the_store_and_its_bases() -> None:
    settings = load_settings({"VISAVIS_KNOWLEDGE": "/srv/kb.db", "VISAVIS_BASES": "city, museum,"})
    assert settings.knowledge == "/srv/kb.db"
    assert settings.base_names == ("city", "museum")
    assert Settings().base_names == ()


@pytest.mark.asyncio
async def test_the_cast_answers_from_the_store_that_is_set(filled: Kb) -> None:
    cast = Cast(Settings(knowledge=str(filled.place), bases="museum"))
    assert [base.name for base in cast.responder.bases] == ["museum"]  # type: ignore[attr-defined]
    said = [text async for text in cast.responder.reply([Message("user", "When is the museum open?")])]  # fmt: skip
    assert said == ["At nine."]
    with pytest.raises(ConfigError, match="no base 'park'"):
        _ = Cast(Settings(knowledge=str(filled.place), bases="park")).responder


def test_a_responder_without_bases_is_made_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    class Echo:
        def __init__(self) -> None:
            self.made = True

    monkeypatch.setattr(registry, "load", lambda kind, name: Echo)
    assert Cast(Settings(knowledge="x", bases="y")).responder.made  # type: ignore[attr-defined]
