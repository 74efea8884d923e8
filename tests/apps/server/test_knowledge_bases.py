"""Bases are renamed, deleted, given synonyms and tried over HTTP: real store, real faq responder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from api_client import ADMIN, AS_USER, Api, error_of, open_api

from visavis.apps.assemble import Cast
from visavis.apps.server import librarian
from visavis.knowledge import live
from visavis.knowledge.base import Base, Pair
from visavis.knowledge.store import KnowledgeStore
from visavis.models.sentence_encoder.predictor import SentenceEncoder
from visavis.stages.responders.faq import FaqResponder

KNOWLEDGE = "/api/v1/knowledge"
OFFICE = f"{KNOWLEDGE}/bases/office"
PAIRS = (
    Pair("opening", "When does the office open?", "At nine in the morning.", "en", "visits"),
    Pair("parking", "Where can I park my car?", "Behind the building.", "en", "visits"),
    Pair("fee", "开一张证明要多少钱？", "十元。", "zh", "fees", ("证明收费多少",)),
)


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


def fill(path: str) -> None:
    with KnowledgeStore(path) as store:
        store.create("office", "The office")
        store.change("office", put=PAIRS)
        store.create("spare")
        store.change("spare", put=PAIRS[:1])


@pytest.fixture
def responder(
    tmp_path: Path, encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaqResponder]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    path = str(tmp_path / "knowledge.db")
    fill(path)
    made = FaqResponder(store=path, encoder=encoder, second={})
    yield made
    assert made.knowledge.store is not None
    made.knowledge.store.close()


@pytest.fixture
async def api(tmp_path: Path, cast: Cast, responder: FaqResponder) -> AsyncIterator[Api]:
    cast._responder = responder
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with open_api(tmp_path / "data", cast, headers=headers) as opened:
        yield opened


async def send(api: Api, method: str, path: str, status: int = 200, **options: Any) -> Any:
    response = await api.client.request(method, path, **options)
    assert response.status_code == status, response.text
    return response.json()


async def names(api: Api) -> list[str]:
    return [base["name"] for base in (await send(api, "GET", f"{KNOWLEDGE}/store"))["bases"]]


async def test_a_base_is_renamed_with_its_history(api: Api) -> None:
    told = await send(api, "PATCH", OFFICE, json={"name": "hall", "title": "Town hall"})
    assert told == {"name": "hall", "title": "Town hall", "copied_samples": False}
    assert await names(api) == ["hall", "spare"]
    assert (await send(api, "GET", f"{KNOWLEDGE}/bases/hall/versions"))["version"] == 1
    titled = await send(api, "PATCH", f"{KNOWLEDGE}/bases/hall", json={"title": "The hall"})
    assert (titled["name"], titled["title"]) == ("hall", "The hall")
    same = await send(api, "PATCH", f"{KNOWLEDGE}/bases/hall", json={"name": "town"})
    assert same["title"] == "The hall"
    for name, status in (("spare", 422), ("../x", 422), ("A", 422), ("", 200), ("x" * 65, 422)):
        response = await api.client.patch(f"{KNOWLEDGE}/bases/town", json={"name": name})
        assert response.status_code == status, response.text
    assert error_of(await api.client.patch(OFFICE, json={"name": "x"})) == (404, "UnknownBase")
    assert await names(api) == ["spare", "town"]


async def test_a_base_is_deleted_for_good(api: Api) -> None:
    late = await api.delete(f"{OFFICE}?expect_version=0")
    assert error_of(late) == (409, "VersionConflict")
    gone = await send(api, "DELETE", f"{OFFICE}?expect_version=1")
    assert (gone["pairs"], gone["documents"], gone["answers_from_samples"]) == (3, 0, False)
    assert await names(api) == ["spare"]
    assert error_of(await api.delete(OFFICE)) == (404, "UnknownBase")
    assert error_of(await api.post(f"{OFFICE}/undo")) == (404, "UnknownBase")
    last = await send(api, "DELETE", f"{KNOWLEDGE}/bases/spare")
    assert last["answers_from_samples"]


async def test_a_base_that_the_settings_name_is_kept(
    tmp_path: Path, cast: Cast, encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    path = str(tmp_path / "knowledge.db")
    fill(path)
    made = FaqResponder(store=path, only=["office"], encoder=encoder, second={})
    cast._responder = made
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with open_api(tmp_path / "data", cast, headers=headers) as api:
        assert error_of(await api.delete(OFFICE)) == (409, "Conflict")
        refused = await api.client.patch(OFFICE, json={"name": "hall"})
        assert error_of(refused) == (409, "Conflict")
        assert "VISAVIS_BASES" in refused.text
        await send(api, "PATCH", OFFICE, json={"title": "The hall"})
        await send(api, "DELETE", f"{KNOWLEDGE}/bases/spare")
        assert await names(api) == ["office"]
    assert made.knowledge.store is not None
    made.knowledge.store.close()


async def test_deleting_a_sample_keeps_the_others(
    tmp_path: Path, cast: Cast, encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    samples = (Base("tiny_zh", PAIRS[2:]), Base("tiny_en", PAIRS[:2]))
    for module in (live, librarian):
        monkeypatch.setattr(module, "load_samples", lambda: samples)
    monkeypatch.setattr(live, "load_second_encoders", dict)
    cast._responder = made = FaqResponder(encoder=encoder, second={}, cache=tmp_path / "cache")
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with open_api(tmp_path / "data", cast, headers=headers) as api:
        kept = await send(api, "GET", f"{KNOWLEDGE}/bases/tiny_zh/synonyms")
        assert kept == {"version": None, "groups": []}
        shown = await send(api, "GET", f"{KNOWLEDGE}/bases/tiny_zh/documents")
        assert (shown["version"], shown["total"]) == (None, 0)
        assert error_of(await api.delete(f"{KNOWLEDGE}/bases/nowhere"))[0] == 404
        assert not (await send(api, "GET", f"{KNOWLEDGE}/store"))["stored"], "nothing was copied"
        gone = await send(api, "DELETE", f"{KNOWLEDGE}/bases/tiny_zh")
        assert (gone["copied_samples"], gone["pairs"]) == (True, 1)
        assert await names(api) == ["tiny_en"]
    assert made.knowledge.store is not None
    made.knowledge.store.close()


async def test_synonyms_are_set_searched_with_and_taken_back(api: Api) -> None:
    path = f"{OFFICE}/synonyms"
    groups = [["证明", "条子"], ["car", "wheels", "car"]]
    told = await send(api, "PUT", f"{path}?expect_version=1", json={"groups": groups})
    assert (told["version"], told["changed"]) == (2, True)
    kept = await send(api, "GET", path)
    assert kept == {"version": 2, "groups": [["证明", "条子"], ["car", "wheels"]]}
    async with asyncio.timeout(30):
        while (await ask(api, "条子收费多少"))["confidence"] < 0.99:  # noqa: ASYNC110  # a server's
            await asyncio.sleep(0.2)
    late = await api.client.put(f"{path}?expect_version=1", json={"groups": []})
    assert error_of(late) == (409, "VersionConflict")
    for wrong in (
        [["one"]],
        [["same", "same"]],
        [["a", ""]],
        [["a", "b" * 101]],
        "x",
        [["a", "\x00"]],
    ):
        response = await api.client.put(path, json={"groups": wrong})
        assert error_of(response)[0] == 422, wrong
    await send(api, "POST", f"{OFFICE}/undo")
    assert (await send(api, "GET", path))["groups"] == []


async def ask(api: Api, question: str) -> Any:
    return await send(api, "POST", f"{KNOWLEDGE}/trial", json={"question": question})


async def test_a_trial_says_what_would_be_said_and_why(api: Api) -> None:
    found = await ask(api, "where can I park my car")
    assert (found["outcome"], found["said"]) == ("answer", "Behind the building.")
    assert found["confidence"] >= found["threshold"] > found["hint"] > 0
    confidences = [one["confidence"] for one in found["pairs"]]
    assert confidences == sorted(confidences, reverse=True)
    assert found["pairs"][0]["pair"]["id"] == "parking"
    assert found["pairs"][0]["pair"]["base"] in ("office", "spare")
    assert (found["passages"], found["writes"], found["language"]) == ([], False, "en")
    refused = await ask(api, "谁赢了昨天的足球比赛？")
    assert refused["outcome"] == "refusal"
    assert refused["confidence"] < refused["threshold"]
    assert refused["said"]
    for wrong, status in (("", 422), ("x" * 2_001, 422), ("？！", 422), (5, 422)):
        response = await api.post(f"{KNOWLEDGE}/trial", json={"question": wrong})
        assert error_of(response)[0] == status, wrong
    assert (await send(api, "GET", "/api/v1/admin/unanswered"))["gaps"] == [], "nothing is recorded"


async def test_only_the_operator_changes_bases(api: Api) -> None:
    for method, path in (
        ("PATCH", OFFICE), ("DELETE", OFFICE), ("GET", f"{OFFICE}/synonyms"), ("PUT", f"{OFFICE}/synonyms"),
        ("POST", f"{KNOWLEDGE}/trial"),
    ):  # fmt: skip
        response = await api.client.request(method, path, headers=AS_USER)
        assert error_of(response) == (403, "Refused"), (method, path)
    assert await names(api) == ["office", "spare"]
