"""The transports carry a real session of the whole server, with stages that are fakes."""

import asyncio
import json

import httpx
import pytest
import websockets
from live_house import TOKEN, run
from rtc_viewer import Viewer

from visavis.apps.server.app import create_app
from visavis.apps.server.settings import ServerSettings


@pytest.fixture
async def http(cast, tmp_path):
    settings = ServerSettings(token=TOKEN, data=tmp_path, sessions=2)
    app = create_app(settings, cast=cast)
    async with run(app) as address:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        url = f"http://{address}"
        async with httpx.AsyncClient(
            base_url=url, headers=headers, trust_env=False, timeout=60
        ) as client:
            client.app = app
            yield client


def connect(http, path):
    where = f"{http.base_url}".replace("http", "ws").rstrip("/")
    return websockets.connect(f"{where}{path}?token={TOKEN}", proxy=None)


async def test_an_answer_is_seen_and_heard_over_both_ways(http):
    opened = (await http.post("/api/v1/sessions", json={"language": "en"})).json()
    links = opened["links"]
    viewer = Viewer()
    body = {"sdp": await viewer.offer(), "type": "offer"}
    answer = await http.post(links["webrtc"], json=body)
    await viewer.connect(answer.json()["sdp"])
    async with connect(http, links["events"]) as events, connect(http, links["media"]) as media:
        assert json.loads(await events.recv())["type"] == "session.started"
        assert json.loads(await media.recv())["mime"].startswith("video/mp4")
        await viewer.wait_for(lambda: len(viewer.frames) > 10 and viewer.messages)
        assert viewer.frames[0][2] > 0
        await events.send(json.dumps({"type": "ask", "text": "How do I replace a card?"}))
        told = []
        while not told or told[-1]["type"] != "turn.ended":
            told.append(json.loads(await asyncio.wait_for(events.recv(), 30)))
        assert "sentence.started" in [e["type"] for e in told]
        await viewer.wait_for(lambda: max(loud for _, _, loud in viewer.sounds) > 0.05)
        size = 0
        for _ in range(20):
            size += len(await media.recv())
        assert size > 5_000
        kinds = [json.loads(m)["type"] for m in viewer.messages]
        assert kinds[0] == "session.started"
        assert "turn.ended" in kinds
        shown = (await http.get(f"/api/v1/sessions/{opened['id']}")).json()
        assert shown["connections"] == 3
        await http.delete(f"/api/v1/sessions/{opened['id']}")
        last = [json.loads(m) async for m in _until_closed(events)][-1]
        assert last["type"] == "session.ended"
        assert events.close_code == 4000
    await viewer.wait_for(lambda: json.loads(viewer.messages[-1])["type"] == "session.ended")
    await viewer.wait_for(lambda: len(http.app.state.peers) == 0)
    await viewer.close()


async def test_the_server_ends_with_players_still_there(cast, tmp_path):
    app = create_app(ServerSettings(token=TOKEN, data=tmp_path, sessions=2), cast=cast)
    viewer = Viewer()
    async with run(app) as address:
        async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as http:
            token = {"token": TOKEN}
            opened = (await http.post("/api/v1/sessions", json={}, params=token)).json()
            body = {"sdp": await viewer.offer(), "type": "offer"}
            answer = await http.post(opened["links"]["webrtc"], json=body, params=token)
        await viewer.connect(answer.json()["sdp"])
        await viewer.wait_for(lambda: len(viewer.frames) > 3)
    assert len(app.state.peers) == 0
    await viewer.close()


async def _until_closed(socket):
    try:
        while True:
            yield await asyncio.wait_for(socket.recv(), 10)
    except websockets.ConnectionClosed:
        return
