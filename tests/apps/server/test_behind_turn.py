"""Sound and picture through a real TURN server, and what is said where it does not help."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aiortc import RTCConfiguration, RTCIceServer
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from live_house import TOKEN, serve
from live_standin import StandInSession
from rtc_viewer import Viewer
from turn_server import CREDENTIAL, USER, TurnServer, find_port, run_turn, why_not

from visavis.apps.server.settings import IceServer, ServerSettings
from visavis.apps.server.transports.ice import PATIENCE, IceServers


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TurnServer]:
    if reason := why_not():
        pytest.skip(reason)
    with run_turn(tmp_path_factory.mktemp("turn")) as running:
        yield running


def set_to(url: str, credential: str = CREDENTIAL) -> ServerSettings:
    server: Any = {"urls": [url], "username": USER, "credential": credential}
    return ServerSettings(ice_servers=(IceServer(**server),))


@asynccontextmanager
async def open_house(settings: ServerSettings) -> AsyncIterator[httpx.AsyncClient]:
    session = StandInSession(first=3)
    await session.start()
    async with serve({"s1": session}, settings) as address:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        base = f"http://{address}/api/v1"
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=20) as client:
            yield client
    await session.close()


async def connect(client: httpx.AsyncClient, viewer: Viewer) -> None:
    await viewer.connect(await ask(client, viewer))


async def ask(client: httpx.AsyncClient, viewer: Viewer) -> str:
    offer = await viewer.offer()
    answer = await client.post("/sessions/s1/webrtc", json={"sdp": offer, "type": "offer"})
    assert answer.status_code == 200, answer.text
    sdp: str = answer.json()["sdp"]
    return sdp


def wall_in(viewer: Viewer, port: int) -> None:
    """Let nothing through to the viewer but what comes from one port, as a firewall would."""
    for transceiver in viewer.connection.getTransceivers():
        for protocol in transceiver.sender.transport.transport._connection._protocols:
            take = protocol.datagram_received

            def let_in(data: Any, addr: Any, take: Any = take) -> None:
                if addr[1] == port:
                    take(data, addr)

            protocol.datagram_received = let_in


async def see_and_hear(viewer: Viewer) -> None:
    await viewer.wait_for(lambda: len(viewer.frames) > 60 and len(viewer.sounds) > 120, 20)
    await viewer.wait_for(lambda: any(loud > 0.15 for _, _, loud in viewer.sounds))
    assert any(level > 160 for _, _, level in viewer.frames)


def way(viewer: Viewer) -> tuple[str, str]:
    """Types of the candidates in use: the viewer's and the server's."""
    (transport,) = {t.sender.transport.transport for t in viewer.connection.getTransceivers()}
    (pair,) = transport._connection._nominated.values()
    return pair.local_candidate.type, pair.remote_candidate.type


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_who_may_only_use_a_relay_sees_and_hears(turn: TurnServer, transport: str) -> None:
    server = RTCIceServer([turn.url(transport)], USER, CREDENTIAL)
    viewer = Viewer(configuration=RTCConfiguration([server], RTCIceTransportPolicy.RELAY))
    async with open_house(ServerSettings(ice_servers=())) as client:
        await connect(client, viewer)
        await see_and_hear(viewer)
        offered = viewer.connection.localDescription.sdp
        assert set(re.findall(r" typ (\w+)", offered)) == {"relay"}
        assert way(viewer)[0] == "relay"
        await viewer.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_server_has_a_relay_of_its_own(turn: TurnServer, transport: str) -> None:
    viewer = Viewer()
    async with open_house(set_to(turn.url(transport))) as client:
        sdp = await ask(client, viewer)
        (port,) = set(re.findall(rf" {turn.host} (\d+) typ relay", sdp))
        wall_in(viewer, int(port))
        await viewer.connect(sdp)
        await see_and_hear(viewer)
        assert way(viewer)[1] == "relay"
        await viewer.close()


async def test_turn_over_tls_carries_sound_and_picture_where_its_certificate_is_trusted(
    turn: TurnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = turn.url("tls")
    (probe,) = await IceServers(set_to(url).ice_servers).probe()
    assert (probe.reachable, probe.code) == (False, "certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(turn.certificate))
    viewer = Viewer()
    async with open_house(set_to(url)) as client:
        sdp = await ask(client, viewer)
        (port,) = set(re.findall(rf" {turn.host} (\d+) typ relay", sdp))
        wall_in(viewer, int(port))
        await viewer.connect(sdp)
        await see_and_hear(viewer)
        assert way(viewer)[1] == "relay"
        await viewer.close()


async def test_one_connection_takes_one_relay_and_gives_it_back(turn: TurnServer) -> None:
    viewer = Viewer()
    async with open_house(set_to(turn.url())) as client:
        # The probe takes one too, for a moment.
        assert (await client.get("/connection-check")).json()["probes"][0]["reachable"]
        before = turn.count("ALLOCATE processed, success")
        await connect(client, viewer)
        await see_and_hear(viewer)
        assert turn.count("ALLOCATE processed, success") == before + 1
        await viewer.close()
    made = turn.count("ALLOCATE processed, success")
    await viewer.wait_for(lambda: turn.count("username=<visavis>, lifetime=0") == made)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_wrong_credential_is_told_and_hinders_nobody(
    turn: TurnServer, transport: str
) -> None:
    viewer = Viewer()
    async with open_house(set_to(turn.url(transport), "a-wrong-one")) as client:
        (probe,) = (await client.get("/connection-check")).json()["probes"]
        assert not probe["reachable"]
        assert "TURN refused" in probe["problem"]
        assert "credential is wrong (401" in probe["problem"]
        await connect(client, viewer)
        await see_and_hear(viewer)
        assert way(viewer) == ("host", "host")
        await viewer.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_turn_server_that_is_down_is_told_and_costs_a_second_at_most(
    turn: TurnServer, transport: str
) -> None:
    nobody = f"turn:{turn.host}:{find_port(turn.host)}?transport={transport}"
    viewer = Viewer()
    async with open_house(set_to(nobody)) as client:
        began = time.monotonic()
        await connect(client, viewer)
        await viewer.wait_for(lambda: viewer.frames and viewer.sounds)
        assert time.monotonic() - began < PATIENCE + 2
        await viewer.close()
        (probe,) = (await client.get("/connection-check")).json()["probes"]
        assert not probe["reachable"]
        assert "not reachable" in probe["problem"]
