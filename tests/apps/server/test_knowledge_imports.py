"""Files go into bases over HTTP, looked at first: whole app, real store, real faq responder."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from api_client import ADMIN, AS_USER, Api, error_of, open_api, serve_api

from visavis.apps.assemble import Cast
from visavis.apps.server import imports
from visavis.knowledge.base import Pair
from visavis.knowledge.store import KnowledgeStore
from visavis.models.sentence_encoder.predictor import SentenceEncoder
from visavis.stages.responders.faq import FaqResponder

KNOWLEDGE = "/api/v1/knowledge"
OFFICE = f"{KNOWLEDGE}/bases/office"
PAIRS = (
    Pair("opening", "When does the office open?", "At nine in the morning.", "en", "visits"),
    Pair("fee", "开一张证明要多少钱？", "十元。", "zh", "fees", ("证明收费多少",)),
)
LEAFLET = (
    "# The swimming pool\n\nThe pool on Lake Street opens at six in the morning from May to September."
    "\n\nChildren under seven swim free of charge if a grown-up comes along.\n"
)


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.fixture
def responder(
    tmp_path: Path, encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaqResponder]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    path = str(tmp_path / "knowledge.db")
    with KnowledgeStore(path) as store:
        store.create("office", "The office")
        store.change("office", put=PAIRS)
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


def table(*rows: tuple[str, ...], encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([("問題" if encoding == "big5" else "问题", "答案"), *rows])
    return text.getvalue().encode(encoding)


def many(count: int) -> bytes:
    return table(*((f"What is in room {n}?", f"Number {n}.") for n in range(count)))


async def fetch(api: Api, path: str) -> Any:
    response = await api.get(path)
    assert response.status_code == 200, response.text
    return response.json()


async def begin(
    api: Api, name: str, content: bytes, base: str = "office", **options: str
) -> dict[str, Any]:
    response = await api.post(
        f"{KNOWLEDGE}/bases/{base}/imports", files={"file": (name, content)}, data=options
    )
    assert response.status_code == 202, response.text
    begun: dict[str, Any] = response.json()
    assert begun["file"], begun
    return begun


async def settle(api: Api, id: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            found: dict[str, Any] = await fetch(api, f"{KNOWLEDGE}/imports/{id}")
            if found["state"] not in ("waiting", "reading", "writing"):
                return found
            await asyncio.sleep(0.02)


async def look(api: Api, name: str, content: bytes, **options: str) -> dict[str, Any]:
    return await settle(api, (await begin(api, name, content, **options))["id"])


async def until(api: Api, id: str, holds: Callable[[dict[str, Any]], Any]) -> None:
    async with asyncio.timeout(30):
        while True:
            if holds(await fetch(api, f"{KNOWLEDGE}/imports/{id}")):
                return
            await asyncio.sleep(0.005)


async def write(api: Api, id: str, version: int | None = None) -> dict[str, Any]:
    expected = "" if version is None else f"?expect_version={version}"
    response = await api.post(f"{KNOWLEDGE}/imports/{id}/write{expected}")
    assert response.status_code == 202, response.text
    return await settle(api, id)


def list_files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


async def names(api: Api) -> list[str]:
    return [base["name"] for base in (await fetch(api, f"{KNOWLEDGE}/store"))["bases"]]


async def test_a_file_is_looked_at_then_written_answered_from_and_undone(api: Api) -> None:
    content = table(
        ("狗怎么上户口？", "请办养犬证。"), ("开一张证明要多少钱", "二十元。"), ("没有答案？", ""),
        encoding="gb18030",
    )  # fmt: skip
    seen = await look(api, "问答.csv", content)
    report = seen["report"]
    assert (seen["state"], report["dry_run"], report["encoding"]) == ("ready", True, "GB18030")
    assert (report["added"], report["changed"], report["errors"], report["version"]) == (1, 1, 1, 1)
    assert report["problems"][0]["place"] == "row 4"
    assert (await fetch(api, f"{OFFICE}/entries"))["version"] == 1, "looking writes nothing"

    done = await write(api, seen["id"], 1)
    assert (done["state"], done["report"]["version"]) == ("done", 2)
    await until(api, seen["id"], lambda found: found["searched"])
    answer = (await api.post("/api/v1/answers", json={"question": "狗怎么上户口"})).json()
    assert answer["answer"] == "请办养犬证。"
    (newest, *_) = (await fetch(api, f"{OFFICE}/versions"))["versions"]
    assert (newest["note"], newest["author"]) == ("import of 问答.csv", "operator")
    undone = await api.post(f"{OFFICE}/undo?expect_version=2")
    assert undone.status_code == 200
    kept = (await fetch(api, f"{OFFICE}/entries"))["pairs"]
    assert [pair["answer"] for pair in kept] == [pair.answer for pair in PAIRS]
    again = await api.post(f"{KNOWLEDGE}/imports/{seen['id']}/write")
    assert error_of(again) == (409, "Conflict"), "what is written is not written twice"


async def test_a_base_is_made_for_a_file_only_when_it_is_written(api: Api) -> None:
    missing = await look(api, "a.csv", table(("Who?", "Me.")), base="pets")
    assert (missing["state"], missing["problem"]["code"]) == ("failed", "UnknownBase")
    seen = await look(api, "a.csv", table(("Who are you?", "Me.")), base="pets", create="true")
    assert (seen["report"]["new_base"], seen["report"]["added"]) == (True, 1)
    assert await names(api) == ["office"]
    done = await write(api, seen["id"], 0)
    assert (done["state"], done["report"]["new_base"], done["report"]["version"]) == (
        "done",
        True,
        1,
    )
    assert await names(api) == ["office", "pets"]


async def test_a_base_made_for_a_file_goes_again_where_the_file_does_not_come_in(
    api: Api, responder: FaqResponder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = responder.knowledge.store
    assert store is not None

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no space")

    seen = await look(api, "a.csv", table(("Who are you?", "Me.")), base="pets", create="true")
    monkeypatch.setattr(store, "change", fail)
    failed = await write(api, seen["id"])
    assert (failed["state"], failed["problem"]["code"]) == ("ready", "Unexpected")
    assert await names(api) == ["office"]
    monkeypatch.undo()
    assert (await write(api, seen["id"]))["state"] == "done", "it can be tried again"


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("gb18030", "GB18030"), ("big5", "Big5"), ("utf-16", "UTF-16"), ("utf-8-sig", "UTF-8")],
)
async def test_encodings_are_found_out(api: Api, encoding: str, name: str) -> None:
    rows = [
        ("身份證丟了要怎麼補辦？", "請帶戶口名簿到三號窗口辦理。"),
        ("幾點開門？", "早上九點開門。"),
    ]
    if encoding == "gb18030":
        rows = [
            ("身份证丢了要怎么补办？", "请带户口本到三号窗口办理。"),
            ("几点开门？", "早上九点开门。"),
        ]
    seen = await look(api, "表 格.csv", table(*rows, encoding=encoding))
    assert seen["report"]["encoding"].startswith(name)
    assert (await write(api, seen["id"]))["report"]["added"] == 2
    found = await fetch(api, f"{OFFICE}/entries?q={quote(rows[0][1])}")
    assert [pair["question"] for pair in found["pairs"]] == [rows[0][0]]


def bomb(part: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("[Content_Types].xml", part):
            archive.writestr(name, "<x/>")
        with archive.open("xl/worksheets/sheet1.xml", "w") as sheet:
            for _ in range(520):
                sheet.write(bytes(1 << 20))
    return packed.getvalue()


async def test_broken_and_hostile_files_are_told_and_change_nothing(api: Api) -> None:
    packed = bomb("xl/workbook.xml")
    assert len(packed) < 4 << 20
    cases = [
        ("a.xlsx", b"PK\x03\x04 broken"), ("old.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9),
        ("bomb.xlsx", packed), ("a.json", b"{"), ("a.pdf", b"%PDF-1.7 broken"), ("a.csv", b"MZ\x00\x90\x03" * 99),
        ("a.docx", b"PK\x03\x04 broken"), ("scan.pdf", b"no pdf at all"), ("blank.txt", b" \n\n"),
    ]  # fmt: skip
    for name, content in cases:
        seen = await look(api, name, content)
        assert (seen["state"], seen["problem"]["code"]) == ("failed", "FileUnreadable"), seen
        assert name in seen["problem"]["message"]
        assert tempfile.gettempdir() not in json.dumps(seen)
    for name, content, code in (
        ("a.exe", b"MZ", "RequestInvalid"),
        ("a.csv", b"", "FileUnreadable"),
    ):
        response = await api.post(f"{OFFICE}/imports", files={"file": (name, content)})
        assert error_of(response)[1] == code
    assert error_of(await api.post(f"{OFFICE}/imports", json={}))[0] == 422
    nothing = await look(api, "a.csv", b"question,answer\n")
    assert (nothing["state"], nothing["report"]["read"]) == ("ready", 0)
    refused = await api.post(f"{KNOWLEDGE}/imports/{nothing['id']}/write")
    assert error_of(refused) == (409, "Conflict")
    assert (await fetch(api, f"{OFFICE}/entries"))["version"] == 1


async def test_three_hundred_megabytes_are_refused_before_they_are_sent(
    tmp_path: Path, cast: Cast, responder: FaqResponder
) -> None:
    cast._responder = responder
    async with serve_api(tmp_path / "data", cast) as (address, house):
        host, _, port = address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"POST {OFFICE}/imports HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {ADMIN}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 300000000\r\n\r\n".encode()
        )
        async with asyncio.timeout(10):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            body = await reader.read(200)
        writer.close()
        assert head.startswith("HTTP/1.1 413 ")
        assert b"200 MB" in body
        assert house.imports.list() == []


@pytest.mark.parametrize(
    "name",
    ["..", "../x", "..%2fx", "%2e%2e%2fetc", ".hidden", "Über", "a b", "x" * 65, "a\u202eb", "-a"],
)
async def test_no_base_is_called_like_a_path(api: Api, tmp_path: Path, name: str) -> None:
    before = list_files(tmp_path)
    response = await api.post(
        f"{KNOWLEDGE}/bases/{name}/imports", files={"file": ("a.csv", table(("Who?", "Me.")))},
        data={"create": "true"},
    )  # fmt: skip
    assert response.status_code in (404, 405, 422), response.text
    assert await names(api) == ["office"]
    assert list_files(tmp_path) == before


async def test_odd_file_names_stay_names(api: Api) -> None:
    for sent, kept in (
        ("../../etc/passwd.txt", "passwd.txt"), ("C:\\Users\\x\\leaflet.txt", "leaflet.txt"),
        ("泳池 <b>说明</b>\u202e.txt", "b>\u202e.txt".replace("\u202e", "")), ("🏊" * 90 + ".txt", None),
    ):  # fmt: skip
        seen = await look(api, sent, LEAFLET.encode())
        assert seen["state"] == "ready", seen
        done = await write(api, seen["id"])
        assert done["state"] == "done"
        if kept is not None:
            listed = (await fetch(api, f"{OFFICE}/documents"))["documents"]
            assert listed[-1]["id"] == kept


async def test_somebody_elses_change_is_told_and_not_overwritten(api: Api) -> None:
    seen = await look(api, "a.csv", table(("Who are you?", "Me.")))
    other = {"question": "Who are you?", "answer": "The office."}
    assert (await api.post(f"{OFFICE}/pairs", json=other)).status_code == 201
    late = await write(api, seen["id"], seen["report"]["version"])
    assert (late["state"], late["problem"]["code"]) == ("ready", "VersionConflict")
    assert (late["report"]["version"], late["report"]["added"], late["report"]["changed"]) == (
        2,
        0,
        1,
    )
    done = await write(api, seen["id"], 2)
    assert (done["state"], done["problem"], done["report"]["version"]) == ("done", None, 3)


async def test_two_writers_at_once_both_hold(api: Api) -> None:
    one = await look(api, "a.csv", table(("Who are you?", "Me.")), base="pets", create="true")
    two = await look(api, "b.csv", table(("Where are you?", "Here.")), base="pets", create="true")
    done = await asyncio.gather(write(api, one["id"]), write(api, two["id"]))
    assert [found["state"] for found in done] == ["done", "done"]
    found = await fetch(api, f"{KNOWLEDGE}/bases/pets/entries")
    assert (found["total"], found["version"]) == (2, 2)


async def test_reading_and_writing_are_stopped_in_the_middle(api: Api) -> None:
    content = many(12_000)
    begun = await begin(api, "many.csv", content)
    await until(api, begun["id"], lambda found: found["done"])
    stopped = await api.delete(f"{KNOWLEDGE}/imports/{begun['id']}")
    assert stopped.json()["state"] == "cancelled"
    gone = await api.get(f"{KNOWLEDGE}/imports/{begun['id']}")
    assert error_of(gone) == (404, "NotFound")

    seen = await look(api, "many.csv", content, base="rooms", create="true")
    assert seen["report"]["added"] == 12_000
    await api.post(f"{KNOWLEDGE}/imports/{seen['id']}/write")

    def is_half_written(found: dict[str, Any]) -> bool:
        assert found["state"] in ("waiting", "writing"), found
        return 0 < found["done"] < found["total"] == 12_000

    await until(api, seen["id"], is_half_written)
    stopped = await api.delete(f"{KNOWLEDGE}/imports/{seen['id']}")
    assert stopped.json()["state"] == "cancelled"
    assert await names(api) == ["office"], "the base that was made for it is gone again"
    assert (await fetch(api, f"{OFFICE}/entries"))["version"] == 1


async def test_few_are_held_and_few_work(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [(await look(api, f"{n}.csv", table(("Who?", "Me."))))["id"] for n in range(5)]
    held = (await fetch(api, f"{KNOWLEDGE}/imports"))["imports"]
    assert [one["id"] for one in held] == ids[:1:-1]
    monkeypatch.setattr(imports, "WORKING_LIMIT", 0)
    busy = await api.post(f"{OFFICE}/imports", files={"file": ("a.csv", b"q,a\nx,y")})
    assert error_of(busy) == (503, "Busy")
    monkeypatch.setattr(imports, "HELD_SECONDS", 0.0)
    assert (await fetch(api, f"{KNOWLEDGE}/imports"))["imports"] == []


async def test_wrong_rows_stop_what_would_remove_their_pairs(api: Api) -> None:
    content = table(("When does the office open?", "At ten."), ("开一张证明要多少钱？", ""))
    seen = await look(api, "a.csv", content, replace="true")
    assert (seen["report"]["removed"], seen["report"]["errors"]) == (1, 1)
    refused = await write(api, seen["id"])
    assert (refused["state"], refused["problem"]["code"]) == ("ready", "Conflict")
    assert (await fetch(api, f"{OFFICE}/entries"))["version"] == 1


async def test_a_document_is_listed_read_found_removed_and_brought_back(api: Api) -> None:
    question = {"question": "When does the swimming pool open?"}
    assert (await api.post(f"{KNOWLEDGE}/trial", json=question)).json()["passages"] == []
    seen = await look(api, "pool.md", LEAFLET.encode(), kind="document")
    report = seen["report"]
    assert (report["kind"], report["title"], report["language"]) == (
        "document",
        "The swimming pool",
        "en",
    )
    assert report["read"] >= 1
    done = await write(api, seen["id"], 1)
    assert done["report"]["version"] == 2
    await until(api, seen["id"], lambda found: found["searched"])
    listed = await fetch(api, f"{OFFICE}/documents")
    assert (listed["version"], listed["total"]) == (2, 1)
    (document,) = listed["documents"]
    assert (document["id"], document["passages"], document["kind"]) == (
        "pool.md",
        report["read"],
        "markdown",
    )
    versions = (await fetch(api, f"{OFFICE}/versions"))["versions"]
    assert document["changed"] == versions[0]["when"]
    read = await fetch(api, f"{OFFICE}/passages/pool.md")
    assert "six in the morning" in " ".join(one["text"] for one in read["passages"])

    tried = await api.post(f"{KNOWLEDGE}/trial", json=question)
    (passage, *_) = tried.json()["passages"]
    assert "Lake Street" in passage["text"]
    assert (passage["source"], 0 < passage["score"] < 1) == ("The swimming pool", True)
    assert tried.json()["settled"]

    again = await look(api, "pool.md", LEAFLET.encode(), kind="document")
    assert (again["report"]["unchanged"], again["report"]["added"]) == (1, 0)
    gone = await api.delete(f"{OFFICE}/documents/pool.md?expect_version=2")
    assert gone.json()["version"] == 3
    assert (await fetch(api, f"{OFFICE}/documents"))["total"] == 0
    for path in (f"{OFFICE}/passages/pool.md", f"{OFFICE}/passages/a/b"):
        assert error_of(await api.get(path)) == (404, "UnknownEntry")
    assert error_of(await api.delete(f"{OFFICE}/documents/pool.md")) == (404, "UnknownEntry")
    await api.post(f"{OFFICE}/undo")
    assert (await fetch(api, f"{OFFICE}/documents"))["total"] == 1


async def test_only_the_operator_imports(api: Api) -> None:
    id = "0" * 32
    for method, path in (
        ("POST", f"{OFFICE}/imports"), ("GET", f"{KNOWLEDGE}/imports"), ("GET", f"{KNOWLEDGE}/imports/{id}"),
        ("POST", f"{KNOWLEDGE}/imports/{id}/write"), ("DELETE", f"{KNOWLEDGE}/imports/{id}"),
        ("GET", f"{OFFICE}/documents"), ("GET", f"{OFFICE}/passages/x"), ("DELETE", f"{OFFICE}/documents/x"),
    ):  # fmt: skip
        response = await api.client.request(method, path, headers=AS_USER)
        assert error_of(response) == (403, "Refused"), (method, path)
