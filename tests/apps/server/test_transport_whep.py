"""A standard player watches by WHEP; STUN and TURN are told and probed."""

import asyncio
import struct

import httpx
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from live_house import TOKEN, serve
from live_standin import StandInSession
from rtc_viewer import Viewer

from visavis.apps.server.settings import IceServer, ServerSettings
from visavis.apps.server.transports import ice
from visavis.apps.server.transports.ice import IceServers, make_links, probe_server
from visavis.apps.server.transports.webrtc import OfferUnusable
from visavis.apps.server.transports.whep import WATCHERS, read_candidates

SDP = {"Content-Type": "application/sdp"}
WHEP = "/api/v1/sessions/s1/whep"


@pytest.fixture
async def session():
    made = StandInSession()
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def http(session):
    # Nothing answers at that port: the server must not wait for it.
    turn = IceServer(urls=("turn:127.0.0.1:9",), username='a"b', credential="secret")
    settings = ServerSettings(ice_servers=(IceServer(urls=("stun:127.0.0.1:9",)), turn))
    async with serve({session.id: session}, settings) as address:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        url = f"http://{address}"
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
            yield client


async def test_a_standard_player_watches_and_leaves(session, http):
    viewer = Viewer()
    answer = await http.post(WHEP, content=await viewer.offer(), headers=SDP)
    assert answer.status_code == 201
    assert answer.headers["content-type"].startswith("application/sdp")
    assert answer.headers["accept-patch"] == "application/trickle-ice-sdpfrag"
    assert answer.headers["etag"]
    location = answer.headers["location"]
    assert location.startswith(WHEP + "/")
    assert 'rel="ice-server"' in answer.headers["link"]
    assert "a=setup:passive" in answer.text, "the player begins the handshake"
    await viewer.connect(answer.text)
    await viewer.wait_for(lambda: len(viewer.frames) > 20 and len(viewer.sounds) > 40)
    assert session.connections == 1
    gone = await http.delete(location)
    assert gone.status_code == 200
    assert session.connections == 0
    assert not session.viewers
    assert (await http.delete(location)).status_code == 404
    await viewer.close()


async def test_options_tell_what_may_be_posted_and_the_ice_servers(http):
    answer = await http.options(WHEP)
    assert answer.status_code == 204
    assert answer.headers["accept-post"] == "application/sdp"
    links = answer.headers.get_list("link")
    assert links[0] == '<stun:127.0.0.1:9>; rel="ice-server"'
    assert links[1] == (
        '<turn:127.0.0.1:9>; rel="ice-server"; username="a\\"b"; credential="secret";'
        ' credential-type="password"'
    )


async def test_candidates_may_trickle_in(session, http):
    viewer = Viewer()
    offer = await viewer.offer()
    lines = offer.splitlines()
    late = [x for x in lines if x.startswith(("a=candidate", "a=end-of-candidates"))]
    bare = "\r\n".join(x for x in lines if x not in late) + "\r\n"
    answer = await http.post(WHEP, content=bare, headers=SDP)
    location = answer.headers["location"]
    await viewer.connect(answer.text)
    mid = next(x for x in lines if x.startswith("a=mid:"))
    fragment = "\r\n".join([mid, *dict.fromkeys(late)]) + "\r\n"
    kind = {"Content-Type": "application/trickle-ice-sdpfrag"}
    told = await http.patch(location, content=fragment, headers=kind)
    assert told.status_code == 204
    await viewer.wait_for(lambda: len(viewer.frames) > 5)
    restart = await http.patch(location, content=fragment, headers=kind | {"If-Match": '"other"'})
    assert restart.status_code == 412
    assert (await http.patch(location, content=fragment, headers=SDP)).status_code == 415
    await http.delete(location)
    await viewer.close()


async def test_what_is_wrong_with_an_offer_is_told(http):
    assert (await http.post(WHEP, content="v=0", headers=SDP)).status_code == 422
    assert (await http.post(WHEP, json={})).status_code == 415
    assert (await http.post(WHEP, content="v" * 200_000, headers=SDP)).status_code == 413
    assert (
        await http.post(WHEP.replace("s1", "s2"), content="v=0", headers=SDP)
    ).status_code == 404
    bare = httpx.AsyncClient(base_url=http.base_url, trust_env=False)
    async with bare:
        assert (await bare.post(WHEP, content="v=0", headers=SDP)).status_code == 401
    answer = await http.post("/api/v1/sessions/s1/webrtc", json={"sdp": "v=0", "type": "offer"})
    assert answer.json()["error"]["code"] == "OfferUnusable"


async def test_the_place_of_a_connection_carries_the_token_that_came_in_the_query(http):
    async with httpx.AsyncClient(base_url=http.base_url, trust_env=False) as bare:
        viewer = Viewer()
        offer = await viewer.offer()
        answer = await bare.post(f"{WHEP}?token={TOKEN}", content=offer, headers=SDP)
        assert (await bare.delete(answer.headers["location"])).status_code == 200
        await viewer.close()


async def test_only_so_many_watch_one_session(http):
    viewers = [Viewer() for _ in range(WATCHERS + 1)]
    codes = []
    for viewer in viewers:
        answer = await http.post(WHEP, content=await viewer.offer(), headers=SDP)
        codes.append(answer.status_code)
    assert codes == [201] * WATCHERS + [503]
    assert "retry-after" in answer.headers
    for viewer in viewers:
        await viewer.close()


async def test_a_page_connects_by_json(session, http):
    viewer = Viewer()
    body = {"sdp": await viewer.offer(), "type": "offer"}
    answer = (await http.post("/api/v1/sessions/s1/webrtc", json=body)).json()
    assert answer["type"] == "answer"
    await viewer.connect(answer["sdp"])
    await viewer.wait_for(lambda: len(viewer.frames) > 3)
    await viewer.close()


async def test_a_trial_connection_says_again_what_it_is_told(http):
    peer = RTCPeerConnection(RTCConfiguration([]))
    channel, heard = peer.createDataChannel("check"), asyncio.Queue()
    channel.on("open", lambda: channel.send("there?"))
    channel.on("message", heard.put_nowait)
    await peer.setLocalDescription(await peer.createOffer())
    body = {"sdp": peer.localDescription.sdp, "type": "offer"}
    answer = (await http.post("/api/v1/connection-check/webrtc", json=body)).json()
    await peer.setRemoteDescription(RTCSessionDescription(**answer))
    assert await asyncio.wait_for(heard.get(), 5) == "there?"
    await peer.close()
    refused = await http.post("/api/v1/connection-check/webrtc", json={"sdp": "x"})
    assert refused.status_code == 422


async def test_the_check_tells_which_servers_answer(http):
    facts = (await http.get("/api/v1/connection-check")).json()
    assert [p["reachable"] for p in facts["probes"]] == [False, False]
    assert all(p["problem"] for p in facts["probes"])
    assert {p["code"] for p in facts["probes"]} <= {"unanswered", "no_listener"}
    assert facts["ice_servers"][1]["credential"] == "secret"


class Stun(asyncio.DatagramProtocol):
    """A STUN server (RFC 8489) of a dozen lines, which loses the first request."""

    def __init__(self):
        self.requests = 0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.requests += 1
        if self.requests == 1:
            return
        cookie = 0x2112A442
        host = int.from_bytes(bytes(map(int, addr[0].split("."))), "big") ^ cookie
        value = struct.pack(">BBHI", 0, 1, addr[1] ^ cookie >> 16, host)
        attribute = struct.pack(">HH", 0x20, len(value)) + value
        head = struct.pack(">HHI12s", 0x101, len(attribute), cookie, data[8:20])
        self.transport.sendto(head + attribute, addr)


async def test_a_stun_server_is_asked_for_the_address():
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(Stun, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    found = await probe_server(f"stun:127.0.0.1:{port}")
    assert found.reachable
    assert found.address.startswith("127.0.0.1:")
    assert server.requests == 2
    servers = (IceServer(urls=(f"stun:127.0.0.1:{port}",)), IceServer(urls=("stun:127.0.0.1:9",)))
    shared = IceServers(servers)
    configuration = await shared.configure()
    assert [s.urls for s in configuration.iceServers] == [[f"stun:127.0.0.1:{port}"]]
    asked = server.requests
    await shared.configure()
    assert server.requests == asked, "a probe is believed for a minute"
    transport.close()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("stun:", "probe_failed"),
        ("http://x", "probe_failed"),
        ("turns:127.0.0.1:9", "no_listener"),
        ("turn:127.0.0.1:9?transport=tcp", "no_listener"),
        ("stun:no.such.host.invalid", "no_host"),
    ],
)
async def test_a_server_that_is_not_there_is_told_in_words(url, code, monkeypatch):
    monkeypatch.setattr(ice, "PATIENCE", 0.5)
    found = await probe_server(url)
    assert not found.reachable
    assert found.problem
    assert "{" not in found.problem
    assert found.code == code
    assert found.seconds < 1


def test_a_fragment_is_read_by_its_media():
    line = "a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host"
    first, second, end = read_candidates(
        f"a=mid:1\r\n{line}\r\na=mid:2\r\n{line}\r\na=end-of-candidates"
    )
    assert (first.sdpMid, second.sdpMid, end) == ("1", "2", None)
    assert first.ip == "192.0.2.1"
    with pytest.raises(OfferUnusable, match="candidate"):
        read_candidates("a=candidate:broken")


def test_a_server_without_a_name_has_a_plain_link():
    assert make_links([IceServer(urls=("stun:x",))]) == ['<stun:x>; rel="ice-server"']
