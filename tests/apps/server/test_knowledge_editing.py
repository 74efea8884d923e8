"""The operator edits bases over HTTP, on the whole app with a real store and the real faq responder."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from api_client import ADMIN, AS_USER, Api, error_of, open_api

from visavis.apps.assemble import Cast
from visavis.apps.server import librarian
from visavis.apps.server.protocol import commands
from visavis.apps.server.store import TurnRecord
from visavis.apps.server.store.similar import question_key
from visavis.knowledge import live
from visavis.knowledge.base import Attachment, Base, Pair
from visavis.knowledge.store import KnowledgeStore
from visavis.models.sentence_encoder.predictor import SentenceEncoder
from visavis.stages.responders.faq import FaqResponder

BASES = "/api/v1/knowledge/bases"
OFFICE = f"{BASES}/office"
PAIRS = (
    Pair("opening", "When does the office open?", "At nine in the morning.", "en", "visits"),
    Pair("parking", "Where can I park my car?", "Behind the building.", "en", "visits"),
    Pair("fee", "How much does a certificate cost?", "It costs ten yuan.", "en", "fees"),
    Pair("fee", "开一张证明要多少钱？", "十元。", "zh", "fees", ("证明收费多少",)),
    Pair("lost", "身份证丢了怎么办？", "请到派出所挂失。", "zh", "cards"),
)
PHONE = {"kind": "phone", "value": "12345", "label": "热线"}
DOG: dict[str, Any] = {
    "question": "狗怎么上户口？",
    "answer": "狗不上户口，请到派出所办养犬证。",
    "attachments": [PHONE, {"kind": "office", "value": "三号窗口"}],
}


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.fixture
def place(tmp_path: Path) -> str:
    path = str(tmp_path / "knowledge.db")
    with KnowledgeStore(path) as store:
        store.create("office", "The office")
        store.change("office", put=PAIRS)
    return path


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))


@pytest.fixture
def responder(place: str, encoder: SentenceEncoder) -> Iterator[FaqResponder]:
    made = FaqResponder(store=place, encoder=encoder, second={})
    yield made
    assert made.knowledge.store is not None
    made.knowledge.store.close()


@asynccontextmanager
async def visit(folder: Path, cast: Cast, **options: Any) -> AsyncIterator[Api]:
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with open_api(folder / "data", cast, headers=headers, **options) as api:
        yield api


@pytest.fixture
async def api(tmp_path: Path, cast: Cast, responder: FaqResponder) -> AsyncIterator[Api]:
    cast._responder = responder
    async with visit(tmp_path, cast) as opened:
        yield opened


async def fetch(api: Api, path: str) -> Any:
    response = await api.get(path)
    assert response.status_code == 200, response.text
    return response.json()


async def ask(api: Api, question: str) -> Any:
    return (await api.post("/api/v1/answers", json={"question": question})).json()


async def send(api: Api, method: str, path: str, status: int = 200, **options: Any) -> Any:
    response = await api.client.request(method, path, **options)
    assert response.status_code == status, response.text
    return response.json()


async def test_only_the_operator_edits(api: Api) -> None:
    before = await fetch(api, f"{OFFICE}/entries")
    routes = [
        ("GET", "/api/v1/knowledge/store"), ("POST", BASES), ("GET", f"{OFFICE}/entries"),
        ("POST", f"{OFFICE}/pairs"), ("PUT", f"{OFFICE}/pairs/fee?language=en"),
        ("DELETE", f"{OFFICE}/pairs/fee?language=en"), ("GET", f"{OFFICE}/versions"),
        ("POST", f"{OFFICE}/undo"), ("POST", f"{OFFICE}/restore"), ("POST", f"{OFFICE}/import"),
        ("GET", f"{OFFICE}/export"), ("POST", f"/api/v1/admin/gaps/{'0' * 32}/answer"),
    ]  # fmt: skip
    for method, path in routes:
        response = await api.client.request(method, path, headers=AS_USER)
        assert error_of(response) == (403, "Refused"), (method, path)
    assert await fetch(api, f"{OFFICE}/entries") == before


async def test_an_unanswered_question_is_answered_in_one_step(api: Api, cast: Cast) -> None:
    """Asked aloud and refused; listed; answered; asked again and answered from the new pair."""
    session = await api.house.sessions.open()

    async def hear(question: str) -> Any:
        async with session.events() as reader, asyncio.timeout(20):
            await session.handle(commands.Ask(text=question))
            told = None
            async for event in reader:
                if event.type == "answer.sources":
                    told = event
                    await session.handle(commands.Interrupt())
                if event.type == "turn.ended" and told is not None:
                    return told

    assert (await hear("狗怎么上户口")).outcome != "answer"
    assert (await hear("狗如何上户口？")).outcome != "answer"
    gap: dict[str, Any] = {}
    async with asyncio.timeout(20):
        while len(gap.get("keys", ())) < 2:
            await asyncio.sleep(0.1)
            gap = next(iter((await fetch(api, "/api/v1/admin/unanswered"))["gaps"]), {})
    made = await send(
        api, "POST", f"/api/v1/admin/gaps/{gap['keys'][0]}/answer", 201,
        json={**DOG, "base": "office", "aliases": gap["wordings"], "keys": gap["keys"][1:]},
    )  # fmt: skip
    assert (made["marked"], made["problem"], made["searched"]) == (True, "", True)
    assert (made["version"], made["pair"]["language"]) == (2, "zh")
    assert made["pair"]["id"].startswith("q-")
    assert (await fetch(api, "/api/v1/admin/unanswered"))["gaps"] == []
    (done,) = (await fetch(api, "/api/v1/admin/unanswered?verdict=done"))["gaps"]
    assert done["count"] == 2
    told = await hear("狗怎么上户口")
    assert told.outcome == "answer"
    shown = [(one.kind, one.value, one.label) for one in told.sources[0].attachments]
    assert shown == [("phone", "12345", "热线"), ("office", "三号窗口", "")]
    again = await ask(api, "狗如何上户口？")
    assert again["answer"] == DOG["answer"]
    assert again["sources"][0]["attachments"][0] == PHONE
    await session.close()


async def test_the_pair_stays_where_the_verdict_cannot_be_written(api: Api, tmp_path: Path) -> None:
    turn = TurnRecord("s", 1, time.time(), question=DOG["question"], outcome="refusal")
    await api.house.store.write([turn])
    with closing(sqlite3.connect(tmp_path / "data" / "visavis.sqlite3")) as other:
        other.execute("ALTER TABLE reviews RENAME TO elsewhere")
    path = f"/api/v1/admin/gaps/{question_key(DOG['question'])}/answer"
    made = await send(api, "POST", path, 201, json={**DOG, "base": "office"})
    assert made["marked"] is False
    assert made["problem"]
    assert (await ask(api, DOG["question"]))["answer"] == DOG["answer"]


async def test_a_refused_answer_marks_nothing(api: Api) -> None:
    turn = TurnRecord("s", 1, time.time(), question=DOG["question"], outcome="refusal")
    await api.house.store.write([turn])
    path = f"/api/v1/admin/gaps/{question_key(DOG['question'])}/answer"
    for body, status in (
        ({**DOG, "base": "nowhere"}, 404), ({**DOG, "base": "office", "answer": " "}, 422),
        ({**DOG, "base": "office", "question": PAIRS[4].question}, 409),
        ({**DOG, "base": "office", "question": "？！"}, 422),
        ({**DOG, "base": "office", "keys": ["x"]}, 422),
    ):  # fmt: skip
        assert error_of(await api.post(path, json=body))[0] == status
    assert len((await fetch(api, "/api/v1/admin/unanswered"))["gaps"]) == 1
    assert (await fetch(api, f"{OFFICE}/entries"))["version"] == 1


async def test_pairs_are_added_changed_and_removed(api: Api) -> None:
    body = {
        "id": "toilet", "question": "Where is the toilet?", "answer": "On the first floor.",
        "aliases": ["bathroom location"], "topic": "visits", "source": "Sign at the door",
        "emotion": "happy", "intensity": 0.5, "valid_from": "2026-01-01", "valid_to": "2999-12-31",
        "attachments": [{"kind": "link", "value": "https://example.org/map", "label": "Map"}],
    }  # fmt: skip
    made = await send(api, "POST", f"{OFFICE}/pairs", 201, json=body)
    expected = {**body, "base": "office", "language": "en", "sample": False}
    assert made["pair"] == expected
    assert (await ask(api, "Where is the toilet?"))["answer"] == "On the first floor."
    taken = await api.post(f"{OFFICE}/pairs", json={**body, "question": "Is there a toilet here?"})
    assert error_of(taken) == (409, "Conflict")
    del body["id"]
    assert error_of(await api.post(f"{OFFICE}/pairs", json=body)) == (409, "Conflict")

    changed = {**body, "answer": "In the cellar.", "attachments": []}
    path = f"{OFFICE}/pairs/toilet?language=en"
    made = await send(api, "PUT", path, json=changed)
    assert (made["version"], made["changed"], made["searched"]) == (3, True, True)
    assert (await ask(api, "Where is the toilet?"))["answer"] == "In the cellar."
    again = await send(api, "PUT", path, json=changed)
    assert (again["version"], again["changed"]) == (3, False)
    found = await fetch(api, f"{OFFICE}/entries?q=CELLAR toilet")
    assert [pair["id"] for pair in found["pairs"]] == ["toilet"]
    assert (found["total"], found["version"]) == (1, 3)

    gone = await send(api, "DELETE", path)
    assert gone["version"] == 4
    assert error_of(await api.delete(path)) == (404, "UnknownEntry")
    assert error_of(await api.client.put(path, json=changed)) == (404, "UnknownEntry")
    missing = f"{OFFICE}/pairs/fee?language=fr"
    assert error_of(await api.delete(missing))[0] == 422
    # The other language of the same id stays.
    await send(api, "DELETE", f"{OFFICE}/pairs/fee?language=en")
    found = await fetch(api, f"{OFFICE}/entries?topic=fees")
    assert [pair["language"] for pair in found["pairs"]] == ["zh"]


WRONG: tuple[dict[str, Any], ...] = (
    {"answer": ""}, {"question": ""}, {"question": "x" * 501}, {"answer": "x" * 4_001},
    {"language": "fr"}, {"id": "Not An Id"}, {"emotion": "bored"}, {"intensity": 2},
    {"valid_from": "1/2/2026"}, {"valid_from": "2026-02-01", "valid_to": "2026-01-01"},
    {"attachments": [{"kind": "link", "value": "javascript:alert(1)"}]},
    {"attachments": [{"kind": "fax", "value": "1"}]}, {"attachments": [PHONE] * 11},
    {"colour": "red"}, {"answer": 5}, {"question": "half \ud83d"},
)  # fmt: skip


async def test_what_cannot_be_kept_is_refused(api: Api) -> None:
    for wrong in WRONG:
        content = json.dumps({**DOG, **wrong})
        headers = {"Content-Type": "application/json"}
        response = await api.post(f"{OFFICE}/pairs", content=content, headers=headers)
        assert error_of(response)[0] == 422, wrong
    assert (await fetch(api, f"{OFFICE}/entries"))["version"] == 1


async def test_a_known_gap_is_refused_and_not_answered_with_a_neighbour(api: Api) -> None:
    made = await send(
        api, "POST", f"{OFFICE}/pairs", 201,
        json={"question": "身份证可以借给别人吗？", "answer": None},
    )  # fmt: skip
    assert made["pair"]["answer"] == ""
    assert (await ask(api, "身份证可以借给别人吗"))["outcome"] != "answer"
    (base,) = (await fetch(api, "/api/v1/knowledge/store"))["bases"]
    assert (base["pairs"], base["gaps"], base["version"], base["answering"]) == (5, 1, 2, True)
    assert base["title"] == "The office"


async def test_an_expected_version_that_is_gone_is_a_conflict(api: Api) -> None:
    path = f"{OFFICE}/pairs"
    await send(api, "POST", f"{path}?expect_version=1", 201, json=DOG)
    late = {"question": "Is there a lift?", "answer": "Yes."}
    tries: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", f"{path}?expect_version=1", {"json": late}),
        ("PUT", f"{path}/fee?language=en&expect_version=1", {"json": late}),
        ("DELETE", f"{path}/fee?language=en&expect_version=1", {}),
        ("POST", f"{OFFICE}/undo?expect_version=1", {}),
        ("POST", f"{OFFICE}/restore?expect_version=1", {"json": {"version": 0}}),
        ("POST", f"{OFFICE}/import?expect_version=1", {"files": {"file": ("a.csv", b"q,a\nx,y")}}),
    ]
    for method, where, options in tries:
        response = await api.client.request(method, where, **options)
        assert error_of(response) == (409, "VersionConflict"), (method, where, response.text)
        assert "version 2" in response.json()["error"]["message"]
    assert (await fetch(api, f"{OFFICE}/versions"))["version"] == 2


async def test_versions_are_taken_back_and_restored(api: Api) -> None:
    await send(api, "DELETE", f"{OFFICE}/pairs/lost?language=zh&note=too old")
    await send(api, "POST", f"{OFFICE}/pairs", 201, json=DOG)
    undone = await send(api, "POST", f"{OFFICE}/undo")
    assert (undone["version"], undone["changed"]) == (4, True)
    listed = await fetch(api, f"{OFFICE}/versions?limit=3")
    assert [one["number"] for one in listed["versions"]] == [4, 3, 2]
    assert listed["versions"][0]["undoes"] == 3
    assert (listed["versions"][2]["note"], listed["versions"][2]["author"]) == (
        "too old", "operator",
    )  # fmt: skip
    await send(api, "POST", f"{OFFICE}/restore", json={"version": 1})
    shown = await fetch(api, f"{OFFICE}/entries")
    assert {pair["id"] for pair in shown["pairs"]} == {pair.id for pair in PAIRS}
    assert error_of(await api.post(f"{OFFICE}/restore", json={"version": 99})) == (
        404, "UnknownEntry",
    )  # fmt: skip
    assert error_of(await api.get(f"{BASES}/nowhere/versions")) == (404, "UnknownBase")


async def test_a_base_is_made_and_used(api: Api) -> None:
    made = await send(api, "POST", BASES, 201, json={"name": "pets", "title": "宠物"})
    assert made == {"base": "pets", "version": 0, "changed": True, "copied_samples": False}
    assert error_of(await api.post(BASES, json={"name": "pets"}))[0] == 422
    assert error_of(await api.post(BASES, json={"name": "../x"}))[0] == 422
    await send(api, "POST", f"{BASES}/pets/pairs", 201, json=DOG)
    assert (await ask(api, DOG["question"]))["outcome"] == "answer"
    assert [base["name"] for base in (await fetch(api, BASES))["bases"]] == ["office", "pets"]
    empty = await api.get(f"{BASES}/nowhere/export")
    assert error_of(empty) == (404, "UnknownBase")


def table(*rows: tuple[str, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([("编号", "问题", "答案", "电话"), *rows])
    return text.getvalue().encode("gb18030")


async def test_a_file_is_tried_and_then_imported(api: Api) -> None:
    content = table(
        ("", "狗怎么上户口？", "请办养犬证。", "热线|12345"),
        ("", "身份证丢了怎么办", "请立即挂失。", ""),
        ("fee", "开一张证明要多少钱？", "十元。", ""),
        ("", "没有答案的问题是什么？", "", ""),
        ("", "狗怎么上户口", "请办养犬证。", ""),
    )
    file = {"file": ("问答.csv", content)}
    tried = await send(api, "POST", f"{OFFICE}/import", files=file, data={"dry_run": "true"})
    counts = {"read": 3, "added": 1, "changed": 2, "unchanged": 0, "removed": 0}
    assert {name: tried[name] for name in counts} == counts
    assert (tried["encoding"], tried["errors"], tried["version"]) == ("GB18030", 1, 1)
    assert tried["problems"][0]["place"] == "row 5"
    assert [one["question"] for one in tried["duplicates"]] == ["狗怎么上户口"]
    assert (await fetch(api, f"{OFFICE}/entries"))["version"] == 1

    told = await send(api, "POST", f"{OFFICE}/import", files=file, data={"note": "new rules"})
    assert {name: told[name] for name in counts} == counts
    assert (told["version"], told["dry_run"]) == (2, False)
    pairs = {p["id"]: p for p in (await fetch(api, f"{OFFICE}/entries?language=zh"))["pairs"]}
    # What asks the same is the same pair, whatever its id.
    assert pairs["lost"]["answer"] == "请立即挂失。"
    assert len(pairs) == 3
    again = await send(api, "POST", f"{OFFICE}/import", files=file)
    assert (again["unchanged"], again["version"]) == (3, 2)
    only = await send(
        api, "POST", f"{OFFICE}/import", files=file, data={"replace": "true", "dry_run": "true"}
    )
    assert only["removed"] == 3


async def test_a_file_that_cannot_be_read(api: Api) -> None:
    for name, content, status in (
        ("a.xlsx", b"PK\x03\x04 broken", 400), ("a.exe", b"MZ", 422), ("a.json", b"{", 400),
        ("a.csv", b"", 400),
    ):  # fmt: skip
        response = await api.post(f"{OFFICE}/import", files={"file": (name, content)})
        assert error_of(response)[0] == status
        assert tempfile.gettempdir() not in response.text
        assert name in response.text
    assert (await fetch(api, f"{OFFICE}/entries"))["version"] == 1


async def test_a_file_with_nothing_in_it_empties_no_base(api: Api) -> None:
    file = {"file": ("a.csv", b"question,answer\n")}
    told = await send(api, "POST", f"{OFFICE}/import", files=file, data={"replace": "true"})
    assert (told["removed"], told["changed"], told["version"]) == (0, 0, 1)
    assert error_of(await api.post(f"{OFFICE}/import", json={}))[0] == 422


async def test_an_exported_base_is_imported_unchanged(api: Api) -> None:
    await send(api, "POST", f"{OFFICE}/pairs", 201, json=DOG)
    for kind in ("jsonl", "json", "csv", "xlsx", "md"):
        response = await api.get(f"{OFFICE}/export?format={kind}")
        assert response.status_code == 200
        assert f'filename="office.{kind}"' in response.headers["content-disposition"]
        file = {"file": (f"office.{kind}", response.content)}
        told = await send(api, "POST", f"{OFFICE}/import", files=file, data={"replace": "true"})
        assert (told["unchanged"], told["removed"], told["problems"]) == (6, 0, []), kind
        assert told["version"] == 2


def is_there(place: str) -> bool:
    return os.path.exists(place)


SAMPLES = (
    Base("tiny_zh", tuple(pair for pair in PAIRS if pair.language == "zh")),
    Base("tiny_en", tuple(pair for pair in PAIRS if pair.language == "en")),
)


@pytest.fixture
def samples(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (live, librarian):
        monkeypatch.setattr(module, "load_samples", lambda: SAMPLES)
    monkeypatch.setattr(live, "load_second_encoders", dict)


async def test_the_first_change_copies_the_samples_so_that_nothing_disappears(
    tmp_path: Path, cast: Cast, encoder: SentenceEncoder, samples: None
) -> None:
    cast._responder = made = FaqResponder(encoder=encoder, second={}, cache=tmp_path / "cache")
    async with visit(tmp_path, cast) as api:
        found = await fetch(api, "/api/v1/knowledge/store")
        assert (found["stored"], found["problem"]) == (False, "")
        assert [(base["name"], base["version"]) for base in found["bases"]] == [
            ("tiny_zh", None), ("tiny_en", None),
        ]  # fmt: skip
        where = found["where"]
        assert not is_there(where), "looking makes nothing"
        undo = await api.post(f"{BASES}/tiny_zh/undo")
        assert error_of(undo) == (409, "Conflict")
        assert not is_there(where)

        told = await send(api, "POST", f"{BASES}/tiny_zh/pairs", 201, json=DOG)
        assert told["copied_samples"]
        assert told["version"] == 2
        assert is_there(where)
        more = {"question": "Is there a lift?", "answer": "Yes."}
        told = await send(api, "POST", f"{BASES}/tiny_en/pairs", 201, json=more)
        assert not told["copied_samples"]
        async with asyncio.timeout(20):
            while made.knowledge.store is None:  # noqa: ASYNC110  # another thread sets it
                await asyncio.sleep(0.05)
            while (await ask(api, more["question"]))["outcome"] != "answer":  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        for pair in (*PAIRS, Pair("", DOG["question"], DOG["answer"], "zh")):
            assert (await ask(api, pair.question))["answer"] == pair.answer
        found = await fetch(api, "/api/v1/knowledge/store")
        assert (found["stored"], found["where"]) == (True, where)
        assert [base["version"] for base in found["bases"]] == [2, 2]
    assert made.knowledge.store is not None
    made.knowledge.store.close()


async def test_an_empty_store_is_filled_with_the_samples_first(
    tmp_path: Path, cast: Cast, encoder: SentenceEncoder, samples: None
) -> None:
    place = tmp_path / "empty.db"
    cast._responder = made = FaqResponder(store=str(place), encoder=encoder, second={})
    async with visit(tmp_path, cast) as api:
        told = await send(api, "POST", BASES, 201, json={"name": "pets"})
        assert told["copied_samples"]
        found = await fetch(api, "/api/v1/knowledge/store")
        assert [base["name"] for base in found["bases"]] == ["pets", "tiny_en", "tiny_zh"]
    assert made.knowledge.store is not None
    made.knowledge.store.close()


async def test_what_cannot_be_edited_says_why(
    tmp_path: Path, cast: Cast, encoder: SentenceEncoder
) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text('{"id": "a", "language": "en", "question": "Who?", "answer": "Me."}\n')
    for responder in (None, FaqResponder([path], encoder=encoder, second={})):
        cast._responder = responder
        async with visit(tmp_path, cast) as api:
            found = await fetch(api, "/api/v1/knowledge/store")
            assert found["problem"]
            assert [base["name"] for base in found["bases"]] == (["own"] if responder else [])
            refused = await api.post(f"{BASES}/own/pairs", json=DOG)
            assert error_of(refused) == (409, "Conflict")


async def test_a_store_that_is_away_is_told(
    api: Api, responder: FaqResponder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await ask(api, PAIRS[0].question))["outcome"] == "answer"
    assert responder.knowledge.store is not None
    responder.knowledge.store.close()
    response = await api.post(f"{OFFICE}/pairs", json=DOG)
    assert error_of(response) == (503, "StoreUnavailable")
    assert response.headers["retry-after"]
    # What was read before is answered from all the same.
    assert (await ask(api, PAIRS[0].question))["outcome"] == "answer"


async def test_two_at_once_both_hold(api: Api, responder: FaqResponder) -> None:
    async def add(number: int) -> int:
        body = {"question": f"What happens in room {number}?", "answer": f"Number {number}."}
        response = await api.post(f"{OFFICE}/pairs", json=body)
        return response.status_code

    assert await asyncio.gather(*(add(number) for number in range(4))) == [201] * 4
    twice = {"question": "Is there a lift?", "answer": "Yes."}
    both = await asyncio.gather(*(api.post(f"{OFFICE}/pairs", json=twice) for _ in range(3)))
    assert sorted(response.status_code for response in both) == [201, 409, 409]
    store = responder.knowledge.store
    assert store is not None
    assert len(store.load("office").pairs) == len(PAIRS) + 5


def test_attachments_reach_the_operator(responder: FaqResponder) -> None:
    pair = librarian.make_pair({**DOG, "language": "", "id": ""})
    assert pair.attachments == (
        Attachment("phone", "12345", "热线"), Attachment("office", "三号窗口"),
    )  # fmt: skip
