"""`visavis serve` as a process: its link, its refusals, its end, and a kill -9 in the middle."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from visavis.apps.cli import exit_code, main
from visavis.apps.server.auth import Gate
from visavis.apps.server.certificate import write_certificate
from visavis.apps.server.running import describe_exposure, find_certificate, make_link, open_socket
from visavis.apps.server.settings import ServerSettings
from visavis.core.errors import ConfigError, MissingExtra

VISAVIS = Path(sys.executable).with_name("visavis")


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the server; gives the process and its address at once, before it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "VISAVIS_SERVER_TOKEN": "tok",
        "VISAVIS_SERVER_SPEECH_SHELF_MB": "0",
    }
    arguments = [str(VISAVIS), "serve", "--port", str(port), "--sessions", "1", "--data",
                 str(folder), *options]  # fmt: skip
    with subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        try:
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def wait_for(client: httpx.Client, path: str, patience: float = 120.0) -> httpx.Response:
    end = time.monotonic() + patience
    while True:
        try:
            response = client.get(path)
            if response.is_success:
                return response
        except httpx.TransportError:
            pass
        assert time.monotonic() < end, f"{path} does not answer"
        time.sleep(0.1)


def drain(socket: ClientConnection) -> ConnectionClosed:
    """Read to the end of a WebSocket, and give how it ended."""
    try:
        while True:
            socket.recv(20)
    except ConnectionClosed as closed:
        return closed


def workers_in(folder: Path) -> list[int]:
    """Processes that work in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").resolve().is_relative_to(folder):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.assets
@pytest.mark.slow
def test_a_render_outlives_a_kill_of_the_server(tmp_path: Path) -> None:
    headers = {"Authorization": "Bearer tok"}
    with serving(tmp_path) as (process, address):
        with httpx.Client(base_url=address, headers=headers) as client:
            wait_for(client, "/healthz")
            order = {"text": "One. Two. Three. Four.", "size": 128}
            job = client.post("/api/v1/renders", json=order).json()
            path = f"/api/v1/renders/{job['id']}"
            end = time.monotonic() + 60
            while not workers_in(tmp_path):
                assert time.monotonic() < end
                time.sleep(0.05)
        process.kill()
        process.wait()
        end = time.monotonic() + 30
        while workers_in(tmp_path):
            assert time.monotonic() < end, "the work goes on without its server"
            time.sleep(0.05)
    with (
        serving(tmp_path) as (process, address),
        httpx.Client(base_url=address, headers=headers) as client,
    ):
        wait_for(client, "/healthz")
        end = time.monotonic() + 200
        while (told := client.get(path).json())["state"] in ("queued", "running"):
            assert time.monotonic() < end, told
            time.sleep(0.2)
        assert told["state"] == "done", told
        assert client.get(told["files"]["mp4"]).content[4:8] == b"ftyp"
        wait_for(client, "/readyz")
        assert process.stdout is not None
        assert process.stdout.readline() == f"ready: {address}/?token=tok\n"
        url = f"ws{address.removeprefix('http')}/v1/realtime?token=tok"
        with connect(url) as talking:
            assert "session.created" in str(talking.recv(30))
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            closed = drain(talking)
        assert closed.rcvd is not None, "the listener was hung up on without a word"
        assert process.wait(20) == 0
        assert time.monotonic() - began < 10


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["serve", "--port", str(port), "--data", str(tmp_path)])
    assert result.exit_code == 4
    assert f"port {port} is taken" in result.output
    assert "--port 0" in result.output
    assert "Traceback" not in result.output


def test_who_starts_it_is_told_that_sound_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {}
    for audio in ("no", "yes"):
        monkeypatch.setenv("VISAVIS_SERVER_AUDIO", audio)
        monkeypatch.setenv("VISAVIS_SERVER_RECORDS", "all")
        command = ["serve", "--host", "192.0.2.1", "--data", str(tmp_path)]
        said[audio] = CliRunner().invoke(main, command).output
    assert "sound of questions is kept for 90 days, 500 MB at most" in said["yes"]
    assert "sound" not in said["no"]
    monkeypatch.delenv("VISAVIS_SERVER_RECORDS")
    result = CliRunner().invoke(main, ["serve", "--data", str(tmp_path)])
    assert result.exit_code == 4
    assert "only together with VISAVIS_SERVER_RECORDS=all" in result.output


@pytest.mark.parametrize("host", ["nobody.invalid", "192.0.2.1", "x" * 300])
def test_an_address_that_is_not_here(host: str) -> None:
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1"):
        open_socket(host, 0)


def test_port_0_is_any_free_one() -> None:
    with open_socket("127.0.0.1", 0) as one, open_socket("127.0.0.1", 0) as two:
        assert one.getsockname()[1] != two.getsockname()[1]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("visavis.apps.server.running")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = CliRunner().invoke(main, ["serve"])
    assert result.exit_code == exit_code(MissingExtra()) == 4
    assert "visavis[live]" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tls-certificate", "x.pem"], "both"),
        (["--tls-certificate", "x.pem", "--tls-key", "y.pem"], "PEM"),
    ],
)
def test_certificates_that_cannot_be_used(
    tmp_path: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "y.pem").write_text("no key")
    result = CliRunner().invoke(main, ["serve", "--port", "0", *arguments])
    assert result.exit_code == 4
    assert said in result.output


def test_a_certificate_of_our_own(tmp_path: Path) -> None:
    settings = ServerSettings(data=tmp_path)
    made = find_certificate(settings, self_signed=True)
    assert made is not None
    assert made.key.stat().st_mode & 0o077 == 0
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(made.certificate, made.key)
    before = made.certificate.read_bytes()
    assert find_certificate(settings, self_signed=True) == made
    assert made.certificate.read_bytes() == before, "browsers would ask again after each start"
    write_certificate(made.certificate, made.key, "kiosk.example")
    assert made.certificate.read_bytes() != before


def test_the_link() -> None:
    gate = Gate("tok")
    assert make_link("127.0.0.1", 80, gate, secure=False) == "http://127.0.0.1:80/?token=tok"
    assert make_link("0.0.0.0", 80, gate, secure=True) == "https://127.0.0.1:80/?token=tok"
    assert make_link("::1", 80, Gate("t", public=True), secure=False) == "http://[::1]:80/"


@pytest.mark.parametrize(
    ("host", "secure", "warned"),
    [("127.0.0.1", False, False), ("localhost", False, False), ("::1", False, False),
     ("0.0.0.0", False, True), ("0.0.0.0", True, False), ("192.168.1.5", False, True)],
)  # fmt: skip
def test_who_lets_others_in_hears_about_the_microphone(
    host: str, secure: bool, warned: bool
) -> None:
    said = describe_exposure(ServerSettings(host=host), secure=secure)
    assert bool(said) == warned
    assert "microphone" in (said or "microphone")


def test_settings_that_are_out_of_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAVIS_SERVER_JOBS", "many")
    result = CliRunner().invoke(main, ["serve"])
    assert result.exit_code == 4
    assert "VISAVIS_SERVER_JOBS" in result.output


def test_the_token_is_new_at_each_start() -> None:
    one, two = (Gate.from_settings(ServerSettings()) for _ in range(2))
    assert one.token != two.token
    assert re.fullmatch(r"[\w-]{32}", one.token)
