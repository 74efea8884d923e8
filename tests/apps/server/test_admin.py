"""The operator's routes, on the whole app with real sessions of fake stages and a real store."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openpyxl
import pytest
from fastapi import FastAPI
from simulated_days import simulate
from store_place import Place

from visavis.apps.assemble import Cast
from visavis.apps.server.app import create_app
from visavis.apps.server.house import House
from visavis.apps.server.protocol import commands
from visavis.apps.server.settings import ServerSettings
from visavis.apps.server.store import FeedbackRecord, SessionRecord, TurnRecord
from visavis.apps.server.store.similar import question_key
from visavis.apps.speech_shelf import SpeechShelf, name_sentence
from visavis.core.types import Sentence, Speech, Waveform

ADMIN = "/api/v1/admin"
NOW = time.time()


@asynccontextmanager
async def visit(app: FastAPI, token: str = "boss") -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://visavis", headers=headers
    ) as client:
        yield client


@pytest.fixture
async def app(place: Place, cast: Cast) -> AsyncIterator[FastAPI]:
    settings = ServerSettings(
        data=place.folder, database=place.url, token="user", admin_token="boss", sessions=2,
        records="unanswered",
    )  # fmt: skip
    made = create_app(settings, cast=cast)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
def house(app: FastAPI) -> House:
    found: House = app.state.house
    return found


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with visit(app) as opened:
        yield opened


async def fetch(client: httpx.AsyncClient, path: str) -> Any:
    response = await client.get(ADMIN + path)
    assert response.status_code == 200, response.text
    return response.json()


ROUTES = [
    ("GET", "/overview"), ("GET", "/now"), ("GET", "/unanswered"), ("GET", "/unanswered.csv"),
    ("GET", "/feedback"), ("GET", "/sessions"), ("GET", "/jobs"), ("GET", "/export.jsonl"),
    ("GET", "/export/turns.csv"), ("POST", "/purge"), ("POST", "/unanswered/review"),
    ("POST", "/sessions/x/end"), ("DELETE", "/sessions/x"), ("GET", "/export.xlsx"),
    ("DELETE", "/sessions/x/turns/1"), ("GET", "/sessions/x/turns/1/audio"),
    ("POST", f"/gaps/{'0' * 32}/answer"),
]  # fmt: skip


async def test_only_the_operator_comes_in(app: FastAPI, house: House) -> None:
    described = app.openapi()["paths"]
    own = [method for path in described if path.startswith(ADMIN) for method in described[path]]
    assert len(own) == len(ROUTES), "a route is missing in ROUTES"
    await house.store.add_session(SessionRecord("x", NOW))
    for token, status in (("", 401), ("wrong", 401), ("user", 403)):
        async with visit(app, token) as client:
            for method, path in ROUTES:
                if token == "wrong" and path != "/overview":
                    continue  # ten wrong ones from one address, and it has to wait
                response = await client.request(method, ADMIN + path)
                assert response.status_code == status, (token, method, path)
    assert (await house.store.count())["sessions"] == 1


async def test_an_empty_server(client: httpx.AsyncClient) -> None:
    found = await fetch(client, "/overview?days=7&tz=Asia/Shanghai")
    assert found["problem"] == ""
    assert found["now"] == {"capacity": 2, "sessions": [], "frames": 0, "late": 0}
    assert len(found["statistics"]["days"]) == 7
    assert found["storage"]["rows"] == {"sessions": 0, "turns": 0, "feedback": 0}
    assert found["storage"]["records"] == "unanswered"
    assert "secret" not in found["storage"]["where"]
    assert (await fetch(client, "/unanswered"))["gaps"] == []
    assert (await fetch(client, "/feedback"))["feedback"] == []
    assert (await fetch(client, "/jobs")) == {"counts": {}, "jobs": []}


async def test_some_weeks(client: httpx.AsyncClient, house: House) -> None:
    await simulate(house.store, days=20, now=NOW)
    found = await fetch(client, "/overview?days=30&tz=Asia/Shanghai")
    days = found["statistics"]["days"]
    rows = found["storage"]["rows"]
    assert sum(day["sessions"] for day in days) == rows["sessions"] > 100
    assert sum(day["questions"] for day in days) == rows["turns"]
    assert sum(day["up"] + day["down"] for day in days) == rows["feedback"]
    assert 0.5 < found["statistics"]["latencies"]["first_sound"]["p50"] < 1.5
    assert found["storage"]["size"] > 50_000
    gaps = (await fetch(client, "/unanswered"))["gaps"]
    assert [len(gap["keys"]) for gap in gaps if "上户口" in gap["question"]] == [3]
    assert "13800138000" not in json.dumps(gaps)


async def test_a_session_is_seen_and_ended(client: httpx.AsyncClient, house: House) -> None:
    session = await house.sessions.open()
    async with session.events() as reader:
        found = await fetch(client, "/overview")
        (shown,) = found["now"]["sessions"]
        assert (shown["id"], shown["state"]) == (session.id, "idle")
        ended = await client.post(f"{ADMIN}/sessions/{session.id}/end")
        assert ended.status_code == 204
        async with asyncio.timeout(10):
            told = [event async for event in reader]
    assert told[-1].type == "session.ended"
    assert "operator" in told[-1].message
    assert (await fetch(client, "/now"))["sessions"] == []
    again = await client.post(f"{ADMIN}/sessions/{session.id}/end")
    assert again.status_code == 404


async def settle(house: House) -> None:
    async with asyncio.timeout(20):
        while house.recorder.state.waiting:  # noqa: ASYNC110  # nobody is told when it is written
            await asyncio.sleep(0.05)


async def test_feedback_comes_by_command_and_by_http(
    client: httpx.AsyncClient, app: FastAPI, house: House
) -> None:
    session = await house.sessions.open()
    await session.handle(commands.Feedback(turn=1, rating="up", comment="fine"))
    path = f"/api/v1/sessions/{session.id}/feedback"
    async with visit(app, "user") as user:
        body = {"turn": 2, "rating": "down", "comment": "call 13800138000"}
        assert (await user.post(path, json=body)).status_code == 204
        await session.close()
        await settle(house)
        # The session is over; what it was like may still be said.
        assert (await user.post(path, json={"turn": 3, "rating": "up"})).status_code == 204
        assert (await user.post(path, json={"turn": 0, "rating": "up"})).status_code == 422
        assert (await user.post(path, json={"turn": 1, "rating": "so so"})).status_code == 422
        gone = await user.post("/api/v1/sessions/nobody/feedback", json={"turn": 1, "rating": "up"})
        assert gone.status_code == 404
    async with visit(app, "") as nobody:
        assert (await nobody.post(path, json=body)).status_code == 401
    await settle(house)
    found = (await fetch(client, "/feedback"))["feedback"]
    assert {(f["given"]["turn"], f["given"]["rating"], f["given"]["comment"]) for f in found} == {
        (1, "up", "fine"), (2, "down", "call [phone]"), (3, "up", "")
    }  # fmt: skip
    assert len((await fetch(client, "/feedback?rating=down"))["feedback"]) == 1


def asked(number: int, question: str, **fields: Any) -> TurnRecord:
    return TurnRecord("s", number, NOW, question=question, outcome="refusal", **fields)


async def test_unanswered_questions_are_worked_off(client: httpx.AsyncClient, house: House) -> None:
    await house.store.write([asked(1, "狗怎么上户口"), asked(2, "港口在哪里")])
    review = {"keys": [question_key("狗怎么上户口")], "verdict": "done"}
    assert (await client.post(f"{ADMIN}/unanswered/review", json=review)).status_code == 204
    for verdict, question in (("open", "港口在哪里"), ("done", "狗怎么上户口")):
        found = await fetch(client, f"/unanswered?verdict={verdict}")
        assert [gap["question"] for gap in found["gaps"]] == [question]
    for wrong in ({"keys": [], "verdict": "done"}, {"keys": ["x"], "verdict": "done"},
                  {**review, "verdict": "perhaps"}):  # fmt: skip
        refused = await client.post(f"{ADMIN}/unanswered/review", json=wrong)
        assert refused.status_code == 422


async def test_csv_opens_in_a_spreadsheet_and_runs_nothing(
    client: httpx.AsyncClient, house: House
) -> None:
    evil = '=HYPERLINK("http://example.com","click")'
    await house.store.write([asked(1, evil), asked(2, '一行\n"两行", 三')])
    response = await client.get(f"{ADMIN}/unanswered.csv")
    assert response.headers["content-type"].startswith("text/csv")
    assert "attachment" in response.headers["content-disposition"]
    assert response.text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff"))))
    assert {row["question"] for row in rows} == {"'" + evil, '一行\n"两行", 三'}


async def test_everything_is_exported(client: httpx.AsyncClient, house: House) -> None:
    session = SessionRecord("s", NOW, "mei", "zh")
    await house.store.write([session, asked(1, "a"), FeedbackRecord("s", 1, "up", NOW, "好")])
    lines = (await client.get(f"{ADMIN}/export.jsonl")).text.splitlines()
    found = [json.loads(line) for line in lines]
    assert [one["table"] for one in found] == ["sessions", "turns", "feedback"]
    assert (found[1]["question"], found[2]["comment"]) == ("a", "好")
    for name, column in (("sessions", "avatar"), ("turns", "question"), ("feedback", "comment")):
        text = (await client.get(f"{ADMIN}/export/{name}.csv")).text.removeprefix("\ufeff")
        (row,) = csv.DictReader(io.StringIO(text))
        assert row[column] in ("mei", "a", "好")
    assert (await client.get(f"{ADMIN}/export/jobs.csv")).status_code == 422


async def test_a_workbook_has_all_and_runs_nothing(client: httpx.AsyncClient, house: House) -> None:
    evil = '=HYPERLINK("http://bad.example","x")'
    one = asked(1, evil, answer="答\x0b案", latencies={"first_sound": 1.5})
    await house.store.write([SessionRecord("s", NOW, "mei", "zh", ended=NOW + 9), one])
    await house.store.write([FeedbackRecord("s", 1, "up", NOW, "@好")])
    response = await client.get(f"{ADMIN}/export.xlsx")
    assert "visavis-records.xlsx" in response.headers["content-disposition"]
    book = openpyxl.load_workbook(io.BytesIO(response.content))
    assert book.sheetnames == ["sessions", "turns", "feedback"]
    tables = {
        sheet.title: [
            dict(zip((cell.value for cell in sheet[1]), row, strict=True))
            for row in sheet.iter_rows(min_row=2)
        ]
        for sheet in book
    }
    (turn,) = tables["turns"]
    assert (turn["question"].value, turn["question"].data_type) == (evil, "s")
    assert turn["answer"].value == "答 案"
    assert turn["first_sound"].value == 1.5
    assert "question_key" not in turn
    (session,) = tables["sessions"]
    seconds = session["ended"].value - session["created"].value
    assert seconds.total_seconds() == pytest.approx(9, abs=1)
    assert session["created"].value == datetime.fromtimestamp(NOW, UTC).replace(
        microsecond=0, tzinfo=None
    )
    assert tables["feedback"][0]["comment"].value == "@好"


async def test_records_are_deleted(client: httpx.AsyncClient, house: House) -> None:
    old = NOW - 40 * 86_400
    await house.store.write(
        [SessionRecord("old", old), SessionRecord("new", NOW), SessionRecord("one", NOW)]
    )
    await house.store.write([asked(1, "a"), asked(2, "b")])
    assert (await client.delete(f"{ADMIN}/sessions/s/turns/1")).status_code == 204
    assert (await client.delete(f"{ADMIN}/sessions/s/turns/1")).status_code == 404
    assert (await client.delete(f"{ADMIN}/sessions/s/turns/0")).status_code == 422
    assert [turn.question for turn in await house.store.list_turns()] == ["b"]
    assert (await client.delete(f"{ADMIN}/sessions/s")).status_code == 204
    assert (await client.delete(f"{ADMIN}/sessions/one")).status_code == 204
    assert (await client.delete(f"{ADMIN}/sessions/one")).status_code == 404
    response = await client.post(f"{ADMIN}/purge", json={"older_than_days": 30})
    assert response.json()["deleted"]["sessions"] == 1
    assert [one["id"] for one in (await fetch(client, "/sessions"))["past"]] == ["new"]
    assert (await client.post(f"{ADMIN}/purge", json={})).status_code == 422
    await client.post(f"{ADMIN}/purge", json={"older_than_days": 0})
    assert (await fetch(client, "/sessions"))["past"] == []


async def test_speech_on_disk_is_deleted_with_the_records(
    client: httpx.AsyncClient, house: House, tmp_path: Path
) -> None:
    house.cast.shelf = SpeechShelf(tmp_path / "speech", 1_000_000)
    sentence = Sentence(1, 0, "Hello.", "en")
    speech = Speech(1, sentence, Waveform(np.zeros(100, np.float32), 24_000), (), True)
    old, new = name_sentence(sentence, "a", "x"), name_sentence(sentence, "b", "x")
    for name in (old, new):
        assert house.cast.shelf.keep(name, [speech])
    os.utime(tmp_path / "speech" / f"{old}.npz", (NOW - 40 * 86_400,) * 2)
    response = await client.post(f"{ADMIN}/purge", json={"older_than_days": 30})
    assert response.json()["deleted"]["speech"] == 1
    assert not house.cast.shelf.has(old)
    assert house.cast.shelf.has(new)
    await client.post(f"{ADMIN}/purge", json={"older_than_days": 0})
    assert house.cast.shelf.measure() == (0, 0)


@pytest.mark.parametrize("query", ["days=0", "days=400", "tz=Mars/Olympus"])
async def test_what_cannot_be_counted_is_refused(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"{ADMIN}/overview?{query}")
    assert response.status_code == 422
    assert response.json()["error"]["message"]


async def test_a_database_in_trouble_is_seen_and_what_lives_is_too(
    client: httpx.AsyncClient, house: House, place: Place
) -> None:
    session = await house.sessions.open()
    await settle(house)
    if place.cluster is None:
        with closing(sqlite3.connect(place.folder / "visavis.sqlite3")) as other:
            other.execute("ALTER TABLE turns RENAME TO elsewhere")
    else:
        await asyncio.to_thread(place.cluster.stop, "immediate")
    try:
        await session.handle(commands.Feedback(turn=1, rating="up"))
        found = await fetch(client, "/overview?days=9")
        assert found["problem"]
        assert found["statistics"] is None
        assert [one["id"] for one in found["now"]["sessions"]] == [session.id]
        assert (await client.get(f"{ADMIN}/unanswered")).status_code == 503
        await session.close()
    finally:
        if place.cluster is None:
            with closing(sqlite3.connect(place.folder / "visavis.sqlite3")) as other:
                other.execute("ALTER TABLE elsewhere RENAME TO turns")
        else:
            await asyncio.to_thread(place.cluster.start)
