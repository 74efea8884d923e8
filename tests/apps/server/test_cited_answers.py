"""What an answer from documents rests on is told at the command line and over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from api_client import open_api
from click.testing import CliRunner

from visavis.apps import cli
from visavis.apps.assemble import Cast
from visavis.apps.settings import Settings
from visavis.knowledge import live
from visavis.knowledge.base import Pair
from visavis.knowledge.store import KnowledgeStore, StoredDocument, StoredPassage
from visavis.stages import fakes

POOL = "游泳馆每天早上六点开放，晚上九点半关门，周一下午清洗池水不开放。"
ASKED = "游泳馆每天几点开放，几点关门？"


class _Model(BaseHTTPRequestHandler):
    """Says what the passage says, whatever it is asked."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        delta = {"content": "游泳馆每天早上六点开放，晚上九点半关门[1]。"}
        chunk = json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]})
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(f"data: {chunk}\n\ndata: [DONE]\n\n".encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def settings(
    tmp_path: Path, fake_stages: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    thread = Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(live, "load_second_encoders", dict)
    monkeypatch.setenv("VISAVIS_LLM_URL", f"http://127.0.0.1:{server.server_port}/v1")
    monkeypatch.setenv("VISAVIS_LLM_MODEL", "m")
    with KnowledgeStore(tmp_path / "kb.db") as store:
        store.create("town")
        pair = Pair("card", "借书证怎么办？", "带身份证到一楼服务台办理。", "zh", source="办证须知")
        store.change("town", put=[pair])
        guide = StoredDocument("guide", "市民手册", "zh", "txt")
        store.put_document("town", guide, [StoredPassage(0, POOL, "第2页", "体育")])
    (tmp_path / "guide.toml").write_text('name = "小导"\nmode = "grounded"\n', "utf-8")
    yield Settings(
        responder="persona", persona=str(tmp_path / "guide.toml"), animator="paint",
        voice_zh="tone_low", voice_en="tone_high", size=128, knowledge=str(tmp_path / "kb.db"),
        mood=False,
    )  # fmt: skip
    server.shutdown()
    thread.join()
    server.server_close()


def test_ask_names_the_document_and_the_page(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("persona", "animator", "voice_zh", "voice_en", "knowledge"):
        monkeypatch.setenv(f"VISAVIS_{name.upper()}", getattr(settings, name))
    monkeypatch.setattr(Cast, "load_avatar", lambda self: fakes.make_avatar(size=64))
    words = ["-o", str(tmp_path / "a.mp4"), "--no-subtitles", "--json"]

    def ask(question: str) -> dict[str, object]:
        result = CliRunner().invoke(cli.main, ["ask", question, *words])
        assert result.exit_code == 0, result.output
        found: dict[str, object] = json.loads(result.stdout)
        return found

    found = ask(ASKED)
    assert "九点半关门" in str(found["answer"])
    assert found["outcome"] == "answer"
    assert found["source"] == "市民手册, 体育 · 第2页"
    assert 0 < float(str(found["confidence"])) <= 1
    stored = ask("借书证怎么办？")
    assert (stored["outcome"], stored["source"]) == ("answer", "办证须知")
    refused = ask("量子力学的创始人是谁？")
    assert (refused["outcome"], refused["source"]) == ("refusal", "")


async def test_http_names_them_too(settings: Settings, cast: Cast, tmp_path: Path) -> None:
    async with open_api(tmp_path / "data", type(cast)(settings)) as api:
        told = (await api.post("/api/v1/answers", json={"question": ASKED})).json()
        assert "九点半关门" in told["answer"]
        assert told["outcome"] == "answer"
        (source,) = told["sources"]
        assert (source["title"], source["question"]) == ("市民手册", "体育 · 第2页")
        stored = {"question": "借书证怎么办？"}
        told = (await api.post("/api/v1/answers", json=stored)).json()
        assert told["sources"][0]["title"] == "办证须知"
