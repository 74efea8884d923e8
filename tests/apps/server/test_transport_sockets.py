"""Events, media and connection-check sockets of a real server."""

import asyncio
import io
import json
import socket as socketlib
import time

import av
import httpx
import numpy as np
import pytest
import websockets
from live_house import TOKEN, serve
from live_standin import StandInSession

from visavis.apps.server.transports import intake


@pytest.fixture
async def session():
    made = StandInSession(first=1010, size=256)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def address(session):
    async with serve({session.id: session}) as where:
        yield where


def connect(address, path, **options):
    query = "&" if "?" in path else "?"
    url = f"ws://{address}/api/v1/{path}{query}token={TOKEN}"
    return websockets.connect(url, proxy=None, **options)


async def test_events_come_as_json_and_commands_go_up(session, address):
    async with connect(address, "sessions/s1/events") as socket:
        first = json.loads(await socket.recv())
        assert (first["type"], first["v"]) == ("session.started", 1)
        assert session.connections == 1
        await socket.send('{"type": "ask", "text": "how?"}')
        await socket.send('{"type": "say", "text": "this is told as an event"}')
        assert json.loads(await socket.recv())["message"] == "this is told as an event"
        assert [c.type for c in session.commands] == ["ask", "say"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("nonsense", "JSON"),
        ('{"type": "dance"}', "dance"),
        ('{"type": "ask"}', "text"),
        ('{"type": "ask", "text": "x", "more": 1}', "more"),
        ('{"type": "playback", "at": -1}', "greater"),
        (b"\x00\x01", "binary"),
        ("", "JSON"),
        ('{"type": "ask", "text": "' + "字" * 200_000 + '"}', "longer"),
    ],
)
async def test_a_bad_command_is_answered_and_does_nothing(session, address, message, said):
    async with connect(address, "sessions/s1/events") as socket:
        await socket.recv()
        await socket.send(message)
        answer = json.loads(await socket.recv())
        assert (answer["type"], answer["code"]) == ("error", "InputError")
        assert said in answer["message"]
        assert not session.commands
        await socket.send('{"type": "interrupt"}')
        await asyncio.sleep(0.1)
        assert [c.type for c in session.commands] == ["interrupt"]


async def test_a_flood_of_commands_is_held_back(session, address):
    async with connect(address, "sessions/s1/events") as socket:
        await socket.recv()
        for _ in range(200):
            await socket.send('{"type": "interrupt"}')
        answer = json.loads(await socket.recv())
        assert answer["retryable"], "a full bucket is no reason to give up"
        assert "a second" in answer["message"]
        await asyncio.sleep(0.3)
        assert intake.BURST <= len(session.commands) <= intake.BURST + intake.RATE


async def test_who_comes_back_is_told_the_start_again(session, address):
    for _ in range(2):
        async with connect(address, "sessions/s1/events") as socket:
            assert json.loads(await socket.recv())["type"] == "session.started"
    await asyncio.sleep(0.1)
    assert session.connections == 0
    assert not session.listeners


async def test_the_end_of_the_session_ends_the_socket(session, address):
    async with connect(address, "sessions/s1/events") as socket:
        await socket.recv()
        await session.close("idle", "nobody spoke")
        assert json.loads(await socket.recv())["type"] == "session.ended"
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd.code == 4000


@pytest.mark.parametrize("path", ["sessions/s1/events", "sessions/s1/media"])
async def test_strangers_and_unknown_sessions_are_turned_away(session, address, path):
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(f"ws://{address}/api/v1/{path}", proxy=None)
    assert refused.value.response.status_code == 401
    with pytest.raises(websockets.InvalidStatus) as refused:
        await connect(address, path.replace("s1", "s2"))
    assert refused.value.response.status_code == 404


async def test_a_token_may_come_as_a_subprotocol(session, address):
    async with websockets.connect(
        f"ws://{address}/api/v1/sessions/s1/events",
        subprotocols=["visavis", f"visavis.token.{TOKEN}"],
        proxy=None,
    ) as socket:
        assert socket.subprotocol == "visavis"
        await socket.recv()


async def drain(socket):
    while True:
        await asyncio.wait_for(socket.recv(), 5)


async def play(socket, seconds):
    """Read media; returns the announcements, and for each what was sent after it."""
    said, parts, rest, until = [], [], b"", time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            message = await asyncio.wait_for(socket.recv(), left)
        except TimeoutError:
            break
        if isinstance(message, str):
            said.append(json.loads(message))
            parts.append(b"")
        elif parts:
            parts[-1] += message
        else:
            rest += message
    return said, parts or [rest]


def decode(data):
    """Times of pictures and their brightness; of samples and their loudness."""
    with av.open(io.BytesIO(data)) as container:
        pictures = [
            (float(f.pts * f.time_base), float(f.to_ndarray(format="gray").mean()))
            for f in container.decode(video=0)
        ]
    times, levels = [], []
    with av.open(io.BytesIO(data)) as container:
        for frame in container.decode(audio=0):
            pcm = frame.to_ndarray().astype(np.float32).mean(axis=0)
            times.append(
                float(frame.pts * frame.time_base) + np.arange(len(pcm)) / frame.sample_rate
            )
            levels.append(np.abs(pcm))
    return pictures, np.concatenate(times), np.concatenate(levels)


@pytest.mark.parametrize("audio", ["opus", "aac"])
async def test_fragments_decode_with_the_times_of_the_stream_clock(session, address, audio):
    async with connect(address, f"sessions/s1/media?audio={audio}") as socket:
        (start,), (data,) = await play(socket, 5)
    assert start["mime"].startswith('video/mp4; codecs="avc1.42c0')
    assert ("opus" if audio == "opus" else "mp4a.40.2") in start["mime"]
    assert start["start"] >= 1010 / 25
    pictures, times, levels = decode(data)
    assert pictures[0][0] == pytest.approx(start["start"], abs=1e-6)
    assert np.allclose(np.diff([t for t, _ in pictures]), 0.04)
    assert times[0] == pytest.approx(start["start"], abs=0.03)
    assert np.abs(np.diff(times) - np.median(np.diff(times))).max() < 1e-6, "the sound has gaps"
    flashes = [t for t, level in pictures if level > 160]
    assert len(flashes) >= 2
    for flash in flashes:
        assert round(flash * 25) % 50 == 0
        near = (np.abs(times - flash) < 0.3) & (levels > 0.3)
        assert times[near].min() == pytest.approx(flash, abs=0.003)
        assert times[near].max() == pytest.approx(flash + 0.04, abs=0.005)


async def test_fragments_come_soon(session, address):
    async with connect(address, "sessions/s1/media?audio=opus") as socket:
        start = json.loads(await socket.recv())
        await socket.recv()
        late = []
        for n in range(40):
            await socket.recv()
            last = round(start["start"] * 25) + 2 * n + 1
            late.append(time.monotonic() - session.sent_at[last])
    assert np.median(late) < 0.04


async def test_a_few_lost_ticks_leave_no_gap(session, address):
    async with connect(address, "sessions/s1/media?audio=opus") as socket:
        here = session.index
        session.skip = {here + 25, here + 26, here + 27, here + 40}
        _, (data,) = await play(socket, 4)
    pictures, times, levels = decode(data)
    steps = np.diff([t for t, _ in pictures])
    assert (steps > 0.05).sum() == 2
    assert np.diff(times).max() < 0.001
    for flash in [t for t, level in pictures if level > 160]:
        near = (np.abs(times - flash) < 0.3) & (levels > 0.3)
        assert times[near].min() == pytest.approx(flash, abs=0.003)


async def test_who_says_to_be_behind_skips_to_a_keyframe(session, address):
    async with connect(address, "sessions/s1/media?audio=opus") as socket:
        (start,), _ = await play(socket, 0.5)
        await socket.send(json.dumps({"received": start["start"]}))
        said, _ = await play(socket, 4)
        assert not said
        assert await play(socket, 0.5) == ([], [b""]), "it goes on sending what cannot be taken"
        await socket.send(json.dumps({"received": session.index / 25}))
        again = await play(socket, 1.5)
    assert len(again[0]) == 1
    assert again[0][0]["start"] > start["start"] + 4
    pictures, _, _ = decode(again[1][0])
    assert pictures[0][0] == pytest.approx(again[0][0]["start"], abs=1e-6)


async def test_who_does_not_read_costs_no_memory(session, address):
    noise = np.random.default_rng(0).integers(0, 255, (50, 256, 256, 3), np.uint8)
    make = session.make_tick
    session.make_tick = lambda i: make(i)._replace(image=noise[i % 50])
    narrow = socketlib.socket()
    narrow.setsockopt(socketlib.SOL_SOCKET, socketlib.SO_RCVBUF, 32_768)
    narrow.connect(("127.0.0.1", int(address.partition(":")[2])))
    async with connect(address, "sessions/s1/media", max_queue=1, sock=narrow) as socket:
        await socket.recv()
        socket.transport.pause_reading()
        await asyncio.sleep(6)
        viewer = next(iter(session.viewers))
        assert len(viewer._items) <= 12
        socket.transport.resume_reading()
        said, _ = await play(socket, 3)
        assert viewer.dropped > 50
        assert len(said) == 1, "it does not begin anew"
        socket.transport.abort()
    await asyncio.sleep(0.3)
    assert session.connections == 0
    assert not session.viewers


async def test_a_new_size_begins_a_new_stream(session, address):
    async with connect(address, "sessions/s1/media?audio=opus") as socket:
        _, _ = await play(socket, 0.5)
        session.width, session.height = 320, 192
        (start,), (data,) = await play(socket, 1.0)
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(video=0))
    assert (frames[0].width, frames[0].height) == (320, 192)
    assert float(frames[0].pts * frames[0].time_base) == pytest.approx(start["start"], abs=1e-6)


async def test_the_microphone_goes_up_as_pcm(session, address):
    tone = (np.sin(np.arange(1600) / 10) * 16000).astype("<i2")
    async with connect(address, "sessions/s1/media?rate=16000") as socket:
        await socket.send(tone.tobytes())
        await socket.send(b"odd")
        await socket.send("not json")
        await socket.send(json.dumps({"received": "soon"}))
        await socket.send(tone.tobytes())
        await asyncio.sleep(0.3)
    assert [(w.sample_rate, w.offset, len(w.samples)) for w in session.heard] == [
        (16000, 0, 1600), (16000, 1600, 1600),
    ]  # fmt: skip
    assert np.allclose(session.heard[0].samples, tone / 32768, atol=1e-6)


@pytest.mark.parametrize("query", ["rate=7", "rate=x", "audio=mp3"])
async def test_a_wrong_option_is_refused(session, address, query):
    with pytest.raises(websockets.InvalidStatus):
        await connect(address, f"sessions/s1/media?{query}")


async def test_the_end_of_the_session_ends_the_player(session, address):
    async with connect(address, "sessions/s1/media") as socket:
        await socket.recv()
        await session.close()
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await drain(socket)
        assert closed.value.rcvd.code == 4000
    assert not session.viewers


async def test_the_connection_check_answers(session, address):
    async with connect(address, "connection-check/echo") as socket:
        await socket.send("there?")
        assert await socket.recv() == "there?"
        await socket.send(b"\x01\x02")
        assert await socket.recv() == b"\x01\x02"
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as http:
        assert (await http.get("/api/v1/connection-check")).status_code == 401
        answer = await http.get("/api/v1/connection-check", params={"token": TOKEN})
        assert answer.json() == {
            "ice_servers": [], "probes": [], "client": "127.0.0.1", "secure": False, "webrtc": True,
        }  # fmt: skip
