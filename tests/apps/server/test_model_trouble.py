"""A model server that hangs, breaks off or sends garbage harms one answer: at the command line, over HTTP
and in a live session."""

from __future__ import annotations

import random
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from api_client import Api, open_api
from click.testing import CliRunner

from visavis.apps import cli
from visavis.apps.assemble import Cast
from visavis.apps.server.protocol import commands
from visavis.apps.settings import Settings
from visavis.knowledge import live
from visavis.knowledge.base import Pair
from visavis.knowledge.store import KnowledgeStore
from visavis.stages import fakes
from visavis.stages.responders import model_choice

STORED, OPEN = "How do I renew my passport?", "What is the tallest mountain of the earth?"
RENEW = "Book a visit online and bring your old passport."
TROUBLE: dict[str, bytes | None] = {
    "hangs": None,
    "garbage": random.Random(7).randbytes(50_000),
    "garbage in events": b"".join(
        b"data: " + random.Random(n).randbytes(40).replace(b"\n", b"") + b"\n\n" for n in range(50)
    ),
    "a page": b"<!DOCTYPE html><html><body>It works!</body></html>",
    "other JSON": b'data: {"choices": [{"delta": {"content": 5}}]}\n\ndata: []\n\ndata: null\n\n',
    "one line without end": b"data: " + b"x" * 30_000_000,
    "nothing": b"",
}


class _Handler(BaseHTTPRequestHandler):
    body: bytes | None = None
    stopping: threading.Event

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if self.body is None:
            self.stopping.wait(60)
            return
        try:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            self.wfile.write(self.body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # who asked had seen enough

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(params=TROUBLE)
def trouble(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Set up a persona whose model is in trouble."""
    stopping = threading.Event()
    handler = type("Handler", (_Handler,), {"body": TROUBLE[request.param], "stopping": stopping})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("VISAVIS_LLM_URL", f"http://127.0.0.1:{server.server_port}/v1")
    monkeypatch.setenv("VISAVIS_LLM_MODEL", "m")
    limits = replace(
        model_choice.GROUNDED_LIMITS, first_token_s=0.4, between_tokens_s=0.4, retries=0
    )
    monkeypatch.setattr(model_choice, "GROUNDED_LIMITS", limits)
    monkeypatch.setattr(live, "load_second_encoders", dict)
    (tmp_path / "guide.toml").write_text('name = "Ada"\nmode = "open"\n', "utf-8")
    with KnowledgeStore(tmp_path / "kb.db") as store:
        store.create("city")
        store.change("city", put=[Pair("renew", STORED, RENEW, "en")])
    for name, value in {
        "PERSONA": str(tmp_path / "guide.toml"), "KNOWLEDGE": str(tmp_path / "kb.db"),
        "ANIMATOR": "paint", "VOICE_ZH": "tone_low", "VOICE_EN": "tone_high", "MOOD": "no",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"VISAVIS_{name}", value)
    yield request.param
    stopping.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def api(trouble: str, cast: Cast, tmp_path: Path) -> AsyncIterator[Api]:
    settings = Settings(
        responder="persona", persona=str(tmp_path / "guide.toml"), recognizer="script",
        animator="paint", voice_zh="tone_low", voice_en="tone_high", size=128,
        knowledge=str(tmp_path / "kb.db"), mood=False,
    )  # fmt: skip
    async with open_api(tmp_path / "data", type(cast)(settings)) as opened:
        yield opened


def test_at_the_command_line(
    trouble: str, fake_stages: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cast, "load_avatar", lambda self: fakes.make_avatar(size=64))
    video = tmp_path / "a.mp4"
    words = ["-o", str(video), "--no-subtitles"]
    result = CliRunner().invoke(cli.main, ["ask", OPEN, *words])
    assert result.exit_code == 5, result.output
    assert "Traceback" not in result.output
    assert "unexpected" not in result.stderr
    assert len(result.output) < 5_000, "what the server sent is not said back at length"
    assert not video.exists()
    result = CliRunner().invoke(cli.main, ["ask", STORED, *words])
    assert result.exit_code == 0, result.output
    assert RENEW in result.stdout


async def test_over_http(trouble: str, api: Api) -> None:
    response = await api.post("/api/v1/answers", json={"question": OPEN})
    assert response.status_code >= 500, response.text
    assert response.json()["error"]["code"] == "StageError"
    assert len(response.text) < 2_000
    response = await api.post("/api/v1/answers", json={"question": STORED})
    assert response.json()["answer"] == RENEW


async def test_in_a_live_session(trouble: str, api: Api) -> None:
    session = await api.house.sessions.open()
    try:
        async with session.events() as reader:
            await session.handle(commands.Ask(text=OPEN))
            codes = []
            async for event in reader:
                if event.type == "error":
                    codes.append(event.code)
                if event.type == "turn.ended":
                    break
            assert codes == ["StageError"]
            await session.handle(commands.Ask(text=STORED))
            async for event in reader:
                assert event.type != "error", event
                if event.type == "answer.text":
                    assert event.text == RENEW
                    break
    finally:
        await session.close("left", "")
