"""WebRTC keeps to a range of UDP ports: real sockets, real connections, a real server."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from click.testing import CliRunner

from visavis.apps.cli import main
from visavis.apps.live_benchmark import start_server
from visavis.apps.server.settings import ServerSettings, load_server_settings
from visavis.apps.server.transports.check import Trials
from visavis.apps.server.transports.ice import IceServers
from visavis.apps.server.transports.ports import PortRangeLoop, make_loop
from visavis.core.errors import ConfigError

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def find_range(count: int, start: int = 20_000) -> range:
    """Find ports that nobody uses now; not where the system takes those of others."""
    for first in range(start, 32_000, count):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    one = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    one.bind(("", port))
            except OSError:
                continue
            return range(first, first + count)
    raise AssertionError("no ports are free")


def run_in(ports: range | None) -> Iterator[Run]:
    with asyncio.Runner(loop_factory=lambda: make_loop(ports)) as runner:
        yield runner.run


@pytest.fixture
def ports() -> range:
    return find_range(20)


@pytest.fixture
def run(ports: range) -> Iterator[Run]:
    yield from run_in(ports)


def candidate_ports(sdp: str) -> list[int]:
    """Ports of the host candidates of a description."""
    found = re.findall(r"a=candidate:\S+ \d \S+ \d+ \S+ (\d+) typ host", sdp)
    assert found, sdp
    return [int(port) for port in found]


async def offer_channel(peer: RTCPeerConnection) -> tuple[str, asyncio.Queue[str]]:
    heard: asyncio.Queue[str] = asyncio.Queue()
    channel = peer.createDataChannel("check")
    channel.on("open", lambda: channel.send("there?"))
    channel.on("message", heard.put_nowait)
    await peer.setLocalDescription(await peer.createOffer())
    return peer.localDescription.sdp, heard


@asynccontextmanager
async def trying() -> AsyncIterator[tuple[Trials, Callable[[], RTCPeerConnection]]]:
    trials, made = Trials(IceServers(())), []

    def make() -> RTCPeerConnection:
        made.append(RTCPeerConnection(RTCConfiguration([])))
        return made[-1]

    try:
        yield trials, make
    finally:
        for peer in made:
            await peer.close()
        await trials.close()


def test_connections_come_about_within_the_range_and_give_it_back(run: Run, ports: range) -> None:
    async def connect() -> list[int]:
        taken: list[int] = []
        async with trying() as (trials, make):
            for _ in range(3):
                peer = make()
                offer, heard = await offer_channel(peer)
                answer = await trials.answer(offer)
                taken += [*candidate_ports(offer), *candidate_ports(answer)]
                await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
                assert await asyncio.wait_for(heard.get(), 10) == "there?"
        return taken

    taken = run(connect())
    assert len(taken) >= 6
    assert set(taken) <= set(ports)
    for port in taken:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind(("", port))


async def take(loop: PortRangeLoop, **options: Any) -> tuple[asyncio.DatagramTransport, int]:
    address = ("127.0.0.1", 0)
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=address, **options
    )
    return transport, transport.get_extra_info("sockname")[1]


def test_each_port_is_taken_once_and_others_ports_are_left_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ports = find_range(4)

    async def fill() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, PortRangeLoop)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", ports[1]))
            held = [await take(loop) for _ in range(3)]
            assert {port for _, port in held} == {ports[0], ports[2], ports[3]}
            assert not caplog.records
            with pytest.raises(OSError, match="are taken") as caught:
                await take(loop)
            assert caught.value.errno == errno.EADDRINUSE
            assert "VISAVIS_SERVER_ICE_PORTS" in caplog.text
        # What was given back, and what another program left, may be had.
        held[0][0].close()
        await asyncio.sleep(0.01)
        held += [await take(loop), await take(loop)]
        assert {port for _, port in held[1:]} == set(ports)
        for transport, _ in held:
            transport.close()
        await asyncio.sleep(0.01)

    for run in run_in(ports):
        run(fill())


def test_only_sockets_with_any_port_are_meant(run: Run, ports: range) -> None:
    async def look() -> None:
        loop = asyncio.get_running_loop()
        (chosen,) = find_range(1, ports.stop)
        kinds: list[dict[str, Any]] = [
            {"local_addr": ("127.0.0.1", chosen)},
            {"remote_addr": ("127.0.0.1", 9)},
            {"local_addr": ("127.0.0.1", 0), "remote_addr": ("127.0.0.1", 9)},
        ]
        for options in kinds:
            transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, **options)
            assert transport.get_extra_info("sockname")[1] not in ports
            transport.close()
        with pytest.raises(OSError, match="assign"):
            await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, local_addr=("192.0.2.1", 0)
            )
        await asyncio.sleep(0.01)

    run(look())


def test_without_a_range_the_loop_is_the_systems() -> None:
    async def look() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    for run in run_in(None):
        assert not isinstance(run(look()), PortRangeLoop)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("", None), ("40000-40100", range(40000, 40101)), (" 40000 - 40001 ", range(40000, 40002))],
)
def test_the_setting_is_a_range(given: str, wanted: range | None) -> None:
    assert ServerSettings(ice_ports=given).media_ports == wanted


@pytest.mark.parametrize("given", ["40000", "40100-40000", "80-90", "60000-70000", "a-b", "1024-"])
def test_what_is_no_range_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"VISAVIS_SERVER_ICE_PORTS.*40000-40199"):
        load_server_settings(ice_ports=given)
    monkeypatch.setenv("VISAVIS_SERVER_ICE_PORTS", given)
    result = CliRunner().invoke(main, ["serve", "--port", "0"])
    assert result.exit_code == 4
    assert "Traceback" not in result.output


@pytest.mark.assets
@pytest.mark.slow
async def test_the_server_answers_with_ports_of_its_range(tmp_path: Path, ports: range) -> None:
    setting = {"VISAVIS_SERVER_ICE_PORTS": f"{ports[0]}-{ports[-1]}"}
    with start_server(1, environment=setting, data=tmp_path) as (address, token, pid):
        assert pid != os.getpid()
        headers = {"Authorization": f"Bearer {token}"}
        peer = RTCPeerConnection(RTCConfiguration([]))
        try:
            offer, heard = await offer_channel(peer)
            async with httpx.AsyncClient(base_url=address, headers=headers) as client:
                body = {"sdp": offer, "type": "offer"}
                answer = (await client.post("/api/v1/connection-check/webrtc", json=body)).json()
            assert set(candidate_ports(answer["sdp"])) <= set(ports)
            await peer.setRemoteDescription(RTCSessionDescription(**answer))
            assert await asyncio.wait_for(heard.get(), 10) == "there?"
        finally:
            await peer.close()
