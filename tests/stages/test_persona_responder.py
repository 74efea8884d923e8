from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import ChatServer, streamed

from visavis.core.errors import ConfigError
from visavis.core.types import Message
from visavis.knowledge.base import Pair
from visavis.knowledge.live import LiveKnowledge
from visavis.knowledge.passages import PassageSearch
from visavis.knowledge.store import KnowledgeStore, StoredDocument, StoredPassage
from visavis.stages.responders.persona_responder import PersonaResponder
from visavis.stages.responders.told import Told

POOL = "游泳馆每天早上六点开放，晚上九点半关门，周一下午清洗池水不开放。"
LIBRARY = "图书馆的自习室在三楼，共有两百个座位，需要提前一天预约。"


@pytest.fixture
def place(tmp_path: Path) -> str:
    path = tmp_path / "knowledge.db"
    with KnowledgeStore(path) as store:
        store.create("town")
        pair = Pair("card", "借书证怎么办？", "带身份证到一楼服务台办理。", "zh", source="办证须知")
        store.change("town", put=[pair])
        guide = StoredDocument("guide", "市民手册", "zh", "txt")
        store.put_document(
            "town",
            guide,
            [StoredPassage(0, POOL, "第2页", "体育"), StoredPassage(1, LIBRARY, "第3页", "文化")],
        )
    return str(path)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """Says what the pool's passage says, whatever it is asked."""
    with ChatServer([streamed("游泳馆每天早上六点开放，晚上九点半关门[1]。")]).run() as running:
        monkeypatch.setenv("VISAVIS_LLM_URL", running.url)
        monkeypatch.setenv("VISAVIS_LLM_MODEL", "m")
        yield running


async def ask(responder: PersonaResponder, question: str) -> tuple[str, Told]:
    told: list[Told] = []
    pieces = [piece async for piece in responder.reply([Message("user", question)], told.append)]
    (one,) = told
    return "".join(pieces), one


def make(place: str, tmp_path: Path) -> PersonaResponder:
    persona = tmp_path / "guide.toml"
    persona.write_text('name = "小导"\nmode = "grounded"\nbases = ["town"]\n', "utf-8")
    return PersonaResponder(persona=str(persona), store=place)


async def test_a_stored_answer_never_goes_through_the_model(
    place: str, tmp_path: Path, server: ChatServer
) -> None:
    text, told = await ask(make(place, tmp_path), "借书证怎么办？")
    assert text == "带身份证到一楼服务台办理。"
    assert told.origin == "stored"
    assert server.requests == []


async def test_a_document_is_answered_from_and_cited(
    place: str, tmp_path: Path, server: ChatServer
) -> None:
    text, told = await ask(make(place, tmp_path), "游泳馆每天几点开放，几点关门？")
    assert "早上六点" in text
    assert told.origin == "passages"
    assert told.citations[0].title == "市民手册"
    assert "第2页" in told.citations[0].place
    assert POOL in str(server.requests[0]["messages"])


async def test_what_nothing_holds_is_refused_without_asking_the_model(
    place: str, tmp_path: Path, server: ChatServer
) -> None:
    _, told = await ask(make(place, tmp_path), "量子力学的创始人是谁？")
    assert told.outcome == "refusal"
    assert server.requests == []


def test_passages_come_with_source_place_and_chance(place: str, tmp_path: Path) -> None:
    search = PassageSearch(LiveKnowledge(place=place))
    found = search("自习室要预约吗", "zh", 3)
    assert found[0].text == LIBRARY
    assert (found[0].source, found[0].place) == ("市民手册", "文化 · 第3页")
    assert all(0 <= one.score <= 1 for one in found)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert any(one.text == "带身份证到一楼服务台办理。" for one in found)


def test_the_greeting_can_be_spoken_ahead(place: str, tmp_path: Path, server: ChatServer) -> None:
    persona = tmp_path / "guide.toml"
    persona.write_text(
        'name = "小导"\nbases = ["town"]\n[greeting]\nzh = "您好。我是小导。"\n', "utf-8"
    )
    texts = list(PersonaResponder(persona=str(persona), store=place).foreseeable())
    assert texts[0] == ("您好。我是小导。", "zh")
    assert ("带身份证到一楼服务台办理。", "zh") in texts


def test_without_a_persona_or_a_model_it_says_what_to_set(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISAVIS_PERSONA", raising=False)
    monkeypatch.delenv("VISAVIS_LLM_URL", raising=False)
    monkeypatch.delenv("VISAVIS_LLM_MODEL", raising=False)
    with pytest.raises(ConfigError, match="VISAVIS_PERSONA"):
        PersonaResponder()
    with pytest.raises(ConfigError, match="VISAVIS_LLM_URL"):
        make(place, tmp_path)


async def test_a_base_of_documents_alone_is_not_mixed_with_the_samples(
    tmp_path: Path, server: ChatServer
) -> None:
    path = tmp_path / "papers.db"
    with KnowledgeStore(path) as store:
        store.create("town")
        store.put_document(
            "town",
            StoredDocument("guide", "市民手册", "zh", "txt"),
            [StoredPassage(0, POOL, "第2页", "体育")],
        )
    responder = make(str(path), tmp_path)
    text, told = await ask(responder, "游泳馆几点开门？")
    assert (told.outcome, "早上六点" in text) == ("answer", True)
    # The samples have an answer to this, and the bases of this persona have none.
    text, told = await ask(responder, "身份证丢了怎么补办？")
    assert told.outcome == "refusal"
    assert "派出所" not in text


def test_passages_are_found_by_words_where_vectors_tell_little(place: str) -> None:
    LiveKnowledge(place=place).prepare()  # makes the vectors
    search = PassageSearch(LiveKnowledge(place=place))
    best, other = search.search_documents("游泳馆晚上几点关门", "zh", 2)
    assert best.text == POOL
    assert best.score > 0.35 > other.score
    alone = PassageSearch(LiveKnowledge(place=place, second={}))
    assert alone.search_documents("游泳馆晚上几点关门", "zh", 1)[0].text == POOL
    assert len(alone.search_documents("游泳馆晚上几点关门", "zh", 9)) == 2
