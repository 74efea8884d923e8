"""Real connections over the loop of this machine: aiortc on both sides."""

import asyncio
import fractions
import gc
import itertools
import json
import threading
import time

import numpy as np
import pytest
from aiortc import RTCConfiguration
from aiortc.mediastreams import AudioStreamTrack
from aiortc.rtp import RTCP_PSFB_PLI, RtcpPsfbPacket
from av import AudioFrame
from live_standin import StandInSession
from rtc_viewer import Viewer

from visavis.apps.server.transports import webrtc
from visavis.apps.server.transports.webrtc import OfferUnusable, Peer
from visavis.media.resampling import resample

QUIET = RTCConfiguration([])


class Tone(AudioStreamTrack):
    """A microphone that hears 440 Hz, at a rate and with channels of its own."""

    def __init__(self, rate=48_000, layout="stereo"):
        super().__init__()
        self.rate, self.layout, self.sent = rate, layout, 0
        self.began = time.monotonic()

    async def recv(self):
        n = self.rate // 50
        await asyncio.sleep(max(0, self.began + self.sent / self.rate - time.monotonic()))
        t = (self.sent + np.arange(n)) / self.rate
        tone = (0.5 * np.sin(2 * np.pi * 440 * t) * 32767).astype(np.int16)
        data = np.repeat(tone, 2 if self.layout == "stereo" else 1)[None]
        frame = AudioFrame.from_ndarray(data, format="s16", layout=self.layout)
        frame.sample_rate, frame.pts = self.rate, self.sent
        frame.time_base = fractions.Fraction(1, self.rate)
        self.sent += n
        return frame


@pytest.fixture
async def session():
    made = StandInSession(first=3)
    await made.start()
    yield made
    await made.close()


async def connect(session, viewer):
    peer = Peer(session, QUIET)
    await viewer.connect(await peer.answer(await viewer.offer()))
    return peer


@pytest.mark.parametrize("codec", ["H264", "VP8"])
async def test_picture_and_sound_arrive_together(session, codec):
    viewer = Viewer(codec=codec)
    peer = await connect(session, viewer)
    await viewer.wait_for(lambda: len(viewer.frames) > 150 and len(viewer.reports["audio"]) > 3)
    assert next(c.name for c in viewer.connection.getTransceivers()[1]._codecs) == codec
    offsets = viewer.offsets()
    assert len(offsets) >= 2
    assert max(map(abs, offsets)) < 0.005, offsets
    # Every stamp is a count of ticks.
    stamps = np.diff([s for _, s, _ in viewer.frames])
    assert set(stamps % 3600) == {0}
    assert np.median(stamps) == 3600
    assert np.median(np.diff([s for _, s, loud in viewer.sounds if loud < 0.1])) == 960
    await viewer.close()
    await peer.close()


@pytest.mark.slow
async def test_they_are_together_after_half_a_minute_still(session):
    viewer = Viewer()
    peer = await connect(session, viewer)
    await asyncio.sleep(32)
    offsets = viewer.offsets()
    assert len(offsets) >= 13
    assert max(map(abs, offsets)) < 0.005, offsets
    assert abs(np.median(offsets[-5:]) - np.median(offsets[:5])) < 0.01
    await viewer.close()
    await peer.close()


async def test_a_lost_tick_leaves_a_hole_and_shifts_nothing(session):
    viewer = Viewer()
    peer = await connect(session, viewer)
    await viewer.wait_for(lambda: len(viewer.frames) > 30)
    here = session.index
    session.skip = {here + 20, here + 21, here + 22}
    await viewer.wait_for(lambda: len(viewer.frames) > 150 and len(viewer.reports["audio"]) > 3)
    assert 4 * 3600 in set(np.diff([s for _, s, _ in viewer.frames]))
    assert max(map(abs, viewer.offsets())) < 0.005
    await viewer.close()
    await peer.close()


@pytest.mark.parametrize(("rate", "layout"), [(48_000, "stereo"), (16_000, "mono")])
async def test_the_microphone_gets_through(session, rate, layout):
    viewer = Viewer(microphone=Tone(rate, layout))
    peer = await connect(session, viewer)
    await viewer.wait_for(lambda: sum(w.duration for w in session.heard) > 2)
    heard = session.heard[50:]
    assert {w.sample_rate for w in heard} == {48_000}
    samples = np.concatenate([w.samples for w in heard])
    assert samples.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(samples[:48_000]))
    assert np.argmax(spectrum) == pytest.approx(440, abs=2)
    # aiortc's own spreading of one channel over two takes 3 dB off.
    assert 0.34 < np.abs(samples).max() < 0.6
    for before, after in itertools.pairwise(heard):
        assert after.offset == before.offset + len(before.samples)
    assert len(resample(heard[0], 16_000).samples) == 320
    await viewer.close()
    await peer.close()


async def test_events_and_commands_go_through_the_data_channel(session):
    viewer = Viewer()
    peer = await connect(session, viewer)
    await viewer.wait_for(lambda: viewer.messages)
    assert json.loads(viewer.messages[0])["type"] == "session.started"
    viewer.channel.send(json.dumps({"type": "ask", "text": "你好"}))
    viewer.channel.send(json.dumps({"type": "ask"}))
    viewer.channel.send("nonsense")
    viewer.channel.send(json.dumps({"type": "interrupt"}))
    await viewer.wait_for(lambda: len(session.commands) == 2 and len(viewer.messages) == 3)
    assert [c.type for c in session.commands] == ["ask", "interrupt"]
    refused = [json.loads(m) for m in viewer.messages[1:]]
    assert {m["code"] for m in refused} == {"InputError"}
    assert "text" in refused[0]["message"]
    await session.close("idle")
    await viewer.wait_for(lambda: json.loads(viewer.messages[-1])["type"] == "session.ended")
    await asyncio.wait_for(peer.closed.wait(), 5)
    await viewer.close()


async def test_a_lost_picture_is_asked_for_and_sent(session):
    viewer = Viewer()
    peer = await connect(session, viewer)
    await viewer.wait_for(lambda: len(viewer.frames) > 20)
    keyframes = []
    encoder = peer._tracks._encoder
    encode = encoder.encode

    def watch(tick, early):
        coded = encode(tick, early)
        keyframes.append(coded.is_keyframe)
        return coded

    encoder.encode = watch
    receiver = viewer.connection.getTransceivers()[1].receiver
    ssrc = next(iter(receiver._RTCRtpReceiver__remote_streams))
    await asyncio.sleep(0.4)
    assert not any(keyframes)
    lost = RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=ssrc)
    for _ in range(5):  # a burst of wishes is one keyframe
        await receiver.transport._send_rtp(bytes(lost))
    await asyncio.sleep(0.4)
    assert keyframes.count(True) == 1
    await viewer.close()
    await peer.close()


async def test_two_watch_one_session(session):
    viewers = [Viewer(), Viewer()]
    peers = [await connect(session, v) for v in viewers]
    for viewer in viewers:
        await viewer.wait_for(lambda v=viewer: len(v.frames) > 10)
    assert session.connections == 2
    await viewers[0].close()
    await asyncio.wait_for(peers[0].closed.wait(), 5)
    assert session.connections == 1
    count = len(viewers[1].frames)
    await viewers[1].wait_for(lambda: len(viewers[1].frames) > count + 10)
    await viewers[1].close()
    await asyncio.wait_for(peers[1].closed.wait(), 5)
    assert session.connections == 0


async def test_closing_frees_everything(session):
    async def come_and_go():
        viewer = Viewer(microphone=Tone())
        peer = await connect(session, viewer)
        await viewer.wait_for(lambda: len(viewer.frames) > 3)
        await viewer.close()
        await asyncio.wait_for(peer.closed.wait(), 5)

    await come_and_go()
    await asyncio.sleep(0.2)
    gc.collect()
    tasks, threads = len(asyncio.all_tasks()), {t.name for t in threading.enumerate()}
    sockets = _open_files()
    for _ in range(3):
        await come_and_go()
    await asyncio.sleep(0.2)
    gc.collect()
    assert len(asyncio.all_tasks()) == tasks
    assert {t.name for t in threading.enumerate()} <= threads
    assert _open_files() == sockets
    assert not session.viewers
    assert not session.listeners
    assert session.connections == 0


async def test_who_vanishes_without_a_word_is_found(session, monkeypatch):
    monkeypatch.setattr(webrtc, "SILENCE_LIMIT", 2.0)
    viewer = Viewer()
    peer = await connect(session, viewer)
    await viewer.wait_for(lambda: len(viewer.frames) > 10)
    await asyncio.sleep(3)
    assert not peer.closed.is_set(), "a player that is there was taken for gone"

    async def swallow(data):
        pass

    for transceiver in viewer.connection.getTransceivers():  # pulled out, not closed
        transceiver.receiver.transport.transport._send = swallow
        transceiver.receiver.transport.transport._connection.send = swallow
    transports = {t.receiver.transport for t in viewer.connection.getTransceivers()}
    for transport in transports:
        transport.transport._connection.sendto = swallow
    await asyncio.wait_for(peer.closed.wait(), 8)
    assert session.connections == 0
    await viewer.close()


async def test_a_connection_that_never_comes_about_is_given_up(session, monkeypatch):
    monkeypatch.setattr(webrtc, "CONNECT_LIMIT", 0.5)
    viewer = Viewer()
    peer = Peer(session, QUIET)
    await peer.answer(await viewer.offer())
    await asyncio.wait_for(peer.closed.wait(), 5)
    assert session.most_connections == 0
    await viewer.close()


@pytest.mark.parametrize("offer", ["", "v=0", "nonsense\r\n" * 20, "x" * 200_000])
async def test_a_broken_offer_is_refused_in_words(session, offer):
    peer = Peer(session, QUIET)
    with pytest.raises(OfferUnusable, match="offer"):
        await peer.answer(offer)
    assert peer.closed.is_set()


async def test_an_offer_without_a_common_codec_is_refused(session):
    viewer = Viewer()
    offer = (await viewer.offer()).replace("H264/90000", "AV1/90000").replace("VP8/", "VP9/")
    with pytest.raises(OfferUnusable, match=r"H\.264 or VP8"):
        await Peer(session, QUIET).answer(offer)
    await viewer.close()


def _open_files():
    from pathlib import Path

    return sum(1 for link in Path("/proc/self/fd").iterdir() if _is_socket(link))


def _is_socket(link):
    try:
        return str(link.readlink()).startswith("socket")
    except OSError:
        return False
