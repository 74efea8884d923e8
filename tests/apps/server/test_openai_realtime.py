"""The realtime events by the official client, with the picture watched at the same time."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from api_client import USER, serve_api
from websockets.asyncio.client import connect

from visavis.apps.assemble import Cast
from visavis.apps.server.house import House
from visavis.apps.server.sound_files import to_pcm
from visavis.apps.server.warming import warm_up
from visavis.media.audio import read_audio

MANUAL: Any = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
QUESTION: Any = {
    "type": "message", "role": "user", "content": [{"type": "input_text", "text": "How?"}]
}  # fmt: skip
NOISE = (np.random.default_rng(0).normal(0, 3_000, 24_000)).astype("<i2").tobytes()


@pytest.fixture
async def place(tmp_path: Path, cast: Cast) -> AsyncIterator[tuple[str, House]]:
    async with serve_api(tmp_path, cast) as served:
        yield served


def open_client(address: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"http://{address}/v1", api_key=USER)


async def read_until(connection: Any, kind: str) -> list[Any]:
    events = []
    async with asyncio.timeout(30):
        while True:
            events.append(await connection.recv())
            if events[-1].type == kind:
                return events


async def test_a_written_question_is_answered_in_sound(place: tuple[str, House]) -> None:
    address, house = place
    async with open_client(address).realtime.connect(model="visavis") as connection:
        created = await connection.recv()
        assert created.type == "session.created"
        told: Any = created.session
        session = house.sessions.get(told.visavis["session"])
        assert session is not None
        assert told.visavis["links"]["whep"].endswith(f"{session.id}/whep")
        await connection.conversation.item.create(item=QUESTION)
        await connection.response.create()
        events = await read_until(connection, "response.done")
        kinds = [event.type for event in events]
        assert "error" not in kinds
        order = [
            "conversation.item.added", "response.created", "response.output_item.added",
            "response.content_part.added", "response.output_audio_transcript.delta",
            "response.output_audio.done", "response.output_audio_transcript.done",
            "response.content_part.done", "response.output_item.done", "response.done",
        ]  # fmt: skip
        places = [kinds.index(kind) for kind in order]
        assert places == sorted(places), kinds
        sound = b"".join(
            base64.b64decode(e.delta) for e in events if e.type == "response.output_audio.delta"
        )
        assert len(sound) / 2 / 24_000 > 1.0
        assert np.abs(np.frombuffer(sound, "<i2")).max() > 1_000
        last_sound = max(i for i, k in enumerate(kinds) if k == "response.output_audio.delta")
        assert last_sound < kinds.index("response.output_audio.done")
        done = events[-1].response
        assert done.status == "completed"
        said = "".join(
            e.delta for e in events if e.type == "response.output_audio_transcript.delta"
        )
        assert done.output[0].content[0].transcript == said
        assert said.startswith("Bring your identity card.")
    async with asyncio.timeout(10):
        while len(house.sessions):  # noqa: ASYNC110  # it ends when its client has left
            await asyncio.sleep(0.02)


async def test_committed_sound_is_understood_and_answered(place: tuple[str, House]) -> None:
    async with open_client(place[0]).realtime.connect(model="visavis") as connection:
        await connection.session.update(session=MANUAL)
        await read_until(connection, "session.updated")
        for start in range(0, len(NOISE), 9_600):
            piece = base64.b64encode(NOISE[start : start + 9_600]).decode()
            await connection.input_audio_buffer.append(audio=piece)
        await connection.input_audio_buffer.commit()
        events = await read_until(
            connection, "conversation.item.input_audio_transcription.completed"
        )
        assert events[-1].transcript == "如何补办身份证?"
        assert "input_audio_buffer.committed" in [e.type for e in events]
        await connection.response.create()
        events = await read_until(connection, "response.done")
        assert events[-1].response.status == "completed"


async def test_cancel(place: tuple[str, House]) -> None:
    async with open_client(place[0]).realtime.connect(model="visavis") as connection:
        await connection.conversation.item.create(item=QUESTION)
        await connection.response.create()
        await read_until(connection, "response.output_audio.delta")
        await connection.response.cancel()
        events = await read_until(connection, "response.done")
        assert events[-1].response.status == "cancelled"
        item = events[-1].response.output[0].id
        await connection.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=40)
        await read_until(connection, "conversation.item.truncated")


async def test_the_picture_can_be_watched_beside_it(place: tuple[str, House]) -> None:
    address, _ = place
    async with open_client(address).realtime.connect(model="visavis") as connection:
        created: Any = await connection.recv()
        links = created.session.visavis["links"]
        async with connect(f"ws://{address}{links['media']}?token={USER}") as media:
            async with asyncio.timeout(20):
                first = json.loads(await media.recv())
                assert "mp4" in first["mime"]
                assert isinstance(await media.recv(), bytes)


async def test_names_of_the_first_version(place: tuple[str, House]) -> None:
    headers = {"OpenAI-Beta": "realtime=v1"}
    async with connect(
        f"ws://{place[0]}/v1/realtime?token={USER}", additional_headers=headers
    ) as socket:
        await socket.send(json.dumps({"type": "conversation.item.create", "item": QUESTION}))
        await socket.send(json.dumps({"type": "response.create"}))
        kinds = set()
        async with asyncio.timeout(30):
            async for message in socket:
                kinds.add(json.loads(message)["type"])
                if "response.done" in kinds:
                    break
        assert {"response.audio.delta", "response.audio_transcript.delta"} < kinds


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"type": "make.coffee"}, "EventUnusable"),
        ({"type": 5}, "EventUnusable"),
        ({}, "EventUnusable"),
        ({"type": "session.update"}, "EventUnusable"),
        ({"type": "session.update", "session": {"voice": "nobody"}}, "UnknownVoice"),
        ({"type": "session.update", "session": {"input_audio_format": "g711"}}, "EventUnusable"),
        ({"type": "input_audio_buffer.append"}, "EventUnusable"),
        ({"type": "input_audio_buffer.append", "audio": "%%%"}, "EventUnusable"),
        ({"type": "input_audio_buffer.append", "audio": "YQ=="}, "EventUnusable"),
        ({"type": "response.create"}, "EventUnusable"),
        ({"type": "conversation.item.create"}, "EventUnusable"),
        (
            {"type": "conversation.item.create", "item": {**QUESTION, "role": "assistant"}},
            "EventUnusable",
        ),
        (
            {"type": "conversation.item.create", "item": {**QUESTION, "content": [5]}},
            "EventUnusable",
        ),
        ({"type": "conversation.item.truncate", "item_id": "x"}, "EventUnusable"),
    ],
)
async def test_what_is_not_understood_is_told(
    place: tuple[str, House], event: dict[str, Any], code: str
) -> None:
    async with connect(f"ws://{place[0]}/v1/realtime?token={USER}") as socket:
        await socket.recv()
        await socket.send(json.dumps({**event, "event_id": "mine"}))
        async with asyncio.timeout(10):
            told = json.loads(await socket.recv())
        assert told["type"] == "error", told
        assert (told["error"]["code"], told["error"]["event_id"]) == (code, "mine")


@pytest.mark.parametrize("message", ["no json", "[1]", "5", "[" * 100_000, b"\x00\x01"])
async def test_messages_that_are_no_events(place: tuple[str, House], message: str | bytes) -> None:
    async with connect(f"ws://{place[0]}/v1/realtime?token={USER}") as socket:
        await socket.recv()
        await socket.send(message)
        await socket.send(json.dumps({"type": "input_audio_buffer.clear"}))
        async with asyncio.timeout(10):
            kinds = [json.loads(await socket.recv())["type"] for _ in range(2)]
        assert kinds == ["error", "input_audio_buffer.cleared"]


async def test_the_server_ends_the_session(place: tuple[str, House]) -> None:
    address, house = place
    async with connect(f"ws://{address}/v1/realtime?token={USER}") as socket:
        created = json.loads(await socket.recv())
        session = house.sessions.get(created["session"]["id"])
        assert session is not None
        await session.close()
        async with asyncio.timeout(10):
            await socket.wait_closed()
        assert socket.close_code == 1001


@pytest.mark.assets
@pytest.mark.slow
async def test_the_server_finds_the_turn_in_speech(tmp_path: Path) -> None:
    speech = read_audio(Path(__file__).parents[2] / "fixtures" / "speech_en.wav", 24_000)
    pause = np.zeros(24_000 * 20, np.float32)
    pcm = to_pcm(np.concatenate([pause[:12_000], speech.samples, pause]))
    async with (
        serve_api(tmp_path) as (address, house),
        open_client(address).realtime.connect(model="visavis") as connection,
    ):
        await warm_up(house)
        await connection.session.update(session={"type": "realtime"})
        await read_until(connection, "session.updated")

        async def talk() -> None:
            for start in range(0, len(pcm), 4_800):
                piece = base64.b64encode(pcm[start : start + 4_800]).decode()
                await connection.input_audio_buffer.append(audio=piece)
                await asyncio.sleep(0.1)

        talking = asyncio.create_task(talk())
        try:
            events = await read_until(connection, "response.output_audio.delta")
        finally:
            talking.cancel()
        kinds = [event.type for event in events]
        order = [
            "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed", "conversation.item.added", "response.created",
            "response.output_audio.delta",
        ]  # fmt: skip
        places = [kinds.index(kind) for kind in order]
        assert places == sorted(places), kinds
        heard = next(
            e for e in events if e.type == "conversation.item.input_audio_transcription.completed"
        )
        assert "vehicle inspection" in heard.transcript
        assert heard.item_id == events[places[0]].item_id
        await connection.response.cancel()
        events = await read_until(connection, "response.done")
        assert events[-1].response.status == "cancelled"
