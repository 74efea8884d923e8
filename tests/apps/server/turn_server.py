"""A TURN server of one's own: coturn on an address of this machine, never a service of the system."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aioice.ice import get_host_addresses

from visavis.apps.server.certificate import write_certificate

DOCUMENT = Path(__file__).parents[3] / "docs" / "live" / "deploy.md"
USER, CREDENTIAL = "visavis", "a-long-one"


def why_not() -> str:
    """Why there can be none here; empty where it can."""
    if shutil.which("turnserver") is None:
        return "coturn is not installed (apt-get install coturn)"
    if not get_host_addresses(use_ipv4=True, use_ipv6=False):
        return "this machine has no address besides loopback, which relays do not serve"
    return ""


@dataclass
class TurnServer:
    host: str
    port: int
    tls_port: int
    log: Path
    certificate: Path

    def url(self, transport: str = "udp") -> str:
        if transport == "tls":
            return f"turns:{self.host}:{self.tls_port}?transport=tcp"
        return f"turn:{self.host}:{self.port}?transport={transport}"

    def count(self, what: str) -> int:
        return self.log.read_text(encoding="utf-8", errors="replace").count(what)


def find_port(host: str) -> int:
    """A port that nobody has, neither of UDP nor of TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind((host, 0))
            try:
                udp.bind((host, tcp.getsockname()[1]))
            except OSError:
                continue
            return int(tcp.getsockname()[1])


@contextmanager
def run_turn(folder: Path) -> Iterator[TurnServer]:
    """Run one with the settings that docs/live/deploy.md gives, and a certificate that nobody trusts."""
    host = get_host_addresses(use_ipv4=True, use_ipv6=False)[0]
    certificate, key = folder / "turn.crt", folder / "turn.key"
    write_certificate(certificate, key, host)
    ports = find_port(host), find_port(host)
    server = TurnServer(host, *ports, folder / "turn.log", certificate)
    config = folder / "turnserver.conf"
    own = {
        "listening-port": str(server.port), "realm": "turn.test", "user": f"{USER}:{CREDENTIAL}",
        "listening-ip": host, "relay-ip": host, "allowed-peer-ip": host,
        "userdb": str(folder / "turndb"), "pidfile": str(folder / "turn.pid"),
        "log-file": str(server.log), "simple-log": "", "verbose": "", "no-dtls": "",
        "tls-listening-port": str(server.tls_port), "cert": str(certificate), "pkey": str(key),
    }  # fmt: skip
    said = re.search(r"```ini\n# /etc/turnserver.conf\n(.*?)```", DOCUMENT.read_text("utf-8"), re.S)
    assert said is not None
    kept = [line for line in said[1].splitlines() if line.partition("=")[0] not in own]
    kept += [f"{name}={value}" if value else name for name, value in own.items()]
    config.write_text("\n".join(kept) + "\n")
    process = subprocess.Popen(
        ["turnserver", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 20
        while True:
            assert process.poll() is None, f"coturn ended: {server.log.read_text()[-500:]}"
            try:
                for port in ports:
                    socket.create_connection((host, port), 1).close()
                break
            except OSError:
                assert time.monotonic() < until, "coturn does not listen"
                time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
