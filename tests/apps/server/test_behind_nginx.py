"""The server behind nginx with TLS, set up as docs/live/deploy.md says."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from aioice.ice import get_host_addresses
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from visavis.apps.live_benchmark import start_server
from visavis.apps.server.auth import WRONG_LIMIT
from visavis.apps.server.certificate import write_certificate

pytestmark = [pytest.mark.assets, pytest.mark.timeout(240)]

DOCUMENT = Path(__file__).parents[3] / "docs" / "live" / "deploy.md"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
TOKEN, ADMIN = "user-token", "admin-token"
LONG = "The office is open from Monday to Friday. Please bring your passport and a photo. " * 2


@dataclass
class Front:
    """Where nginx listens and where the server does."""

    host: str
    port: int
    behind: str
    trust: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}"

    def client(self, token: str = TOKEN) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, verify=self.trust, headers=headers, timeout=60)


def _adapt(text: str, pattern: str, new: str) -> str:
    text, count = re.subn(pattern, new, text)
    assert count == 1, f"{DOCUMENT} has not one {pattern}"
    return text


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    if NGINX is None:
        pytest.skip("nginx is not installed (apt-get install nginx-light)")
    addresses = get_host_addresses(use_ipv4=True, use_ipv6=False)
    if not addresses:
        pytest.skip("this machine has no address besides loopback to come from")
    host, folder = addresses[0], tmp_path_factory.mktemp("nginx")
    certificate, key = folder / "front.crt", folder / "front.key"
    write_certificate(certificate, key, host)
    environment = {"VISAVIS_SERVER_TOKEN": TOKEN, "VISAVIS_SERVER_ADMIN_TOKEN": ADMIN}
    with start_server(2, environment=environment) as (behind, _, _), socket.socket() as probe:
        probe.bind((host, 0))
        port = probe.getsockname()[1]
        probe.close()
        said = re.search(r"```nginx\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
        assert said is not None
        site = _adapt(said[1], r"listen 443 ssl;", f"listen {host}:{port} ssl;")
        site = _adapt(site, r"server_name [^;]+;", f"server_name {host};")
        site = _adapt(site, r"(ssl_certificate +)[^;]+;", rf"\g<1>{certificate};")
        site = _adapt(site, r"(ssl_certificate_key +)[^;]+;", rf"\g<1>{key};")
        site = _adapt(site, r"proxy_pass [^;]+;", f"proxy_pass {behind};")
        kept = "".join(
            f"{kind}_temp_path {folder / kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
        )
        config = folder / "nginx.conf"
        user = "user root;\n" if os.geteuid() == 0 else ""
        config.write_text(
            f"{user}daemon off;\npid {folder / 'pid'};\nerror_log {folder / 'error.log'};\n"
            f"events {{}}\nhttp {{\naccess_log off;\n{kept}{site}}}\n"
        )
        process = subprocess.Popen([NGINX, "-c", str(config), "-p", str(folder)])
        try:
            until = time.monotonic() + 20
            while True:
                assert process.poll() is None, "nginx refuses the documented settings"
                try:
                    socket.create_connection((host, port), 1).close()
                    break
                except OSError:
                    assert time.monotonic() < until, "nginx does not listen"
                    time.sleep(0.05)
            trust = ssl.create_default_context(cafile=certificate)
            yield Front(host, port, behind, trust)
        finally:
            process.terminate()
            process.wait(20)


def test_the_page_and_its_cookie(front: Front) -> None:
    with front.client("") as client:
        assert client.get("/").status_code == 200
        head = client.head("/")
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) > 500
        entered = client.get(f"/?token={TOKEN}")
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        cookie = entered.headers["set-cookie"].lower()
        for word in ("secure", "httponly", "samesite=strict"):
            assert word in cookie
        assert client.get("/api/v1/voices").status_code == 200, "the cookie opens the API"


def test_a_monitor_may_ask_for_heads_alone(front: Front) -> None:
    with front.client("") as client:
        assert client.head("/healthz").status_code == 200
        assert client.head("/readyz").status_code == 200


def test_events_and_media_come_through(front: Front) -> None:
    with front.client() as client:
        session = client.post("/api/v1/sessions", json={"language": "en"}).json()["id"]
        base = f"wss://{front.host}:{front.port}/api/v1/sessions/{session}"
        with connect(
            f"{base}/events?token={TOKEN}", ssl=front.trust, origin=front.url
        ) as events, connect(f"{base}/media?token={TOKEN}", ssl=front.trust) as media:  # fmt: skip
            assert json.loads(events.recv(10))["type"] == "session.started"
            assert json.loads(media.recv(20))["mime"].startswith("video/mp4")
            began, fragments = time.monotonic(), 0
            while fragments < 26:  # two frames each: two seconds
                fragments += isinstance(media.recv(10), bytes)
            assert time.monotonic() - began > 1.2, "fragments came in heaps"
            events.send(json.dumps({"type": "ping", "sent": 1.0}))
            until = time.monotonic() + 10
            while json.loads(events.recv(10))["type"] != "pong":
                assert time.monotonic() < until
        client.delete(f"/api/v1/sessions/{session}")


def test_a_page_of_another_origin_is_kept_out(front: Front) -> None:
    with front.client("") as client:
        cookie = client.get(f"/?token={TOKEN}").headers["set-cookie"].partition(";")[0]
    address = f"wss://{front.host}:{front.port}/api/v1/connection-check/echo"
    headers = {"Cookie": cookie}
    with connect(address, ssl=front.trust, origin=front.url, additional_headers=headers) as own:
        own.send("there?")
        assert own.recv(5) == "there?"
    with pytest.raises(InvalidStatus) as refused:
        connect(address, ssl=front.trust, origin="https://evil.test", additional_headers=headers)
    assert refused.value.response.status_code == 403


def test_a_large_upload_comes_through(front: Front, tmp_path: Path) -> None:
    from PIL import Image

    face = tmp_path / "face.jpg"
    Image.new("RGB", (640, 640), "grey").save(face)
    with face.open("ab") as file:
        file.truncate(150_000_000)  # what follows the picture is no part of it
    with front.client() as client, face.open("rb") as file:
        answer = client.post("/api/v1/avatar-checks", files={"file": ("face.jpg", file)})
    # It was read: the answer is of its picture, not of its size.
    assert answer.status_code == 200, answer.text
    assert "face" in answer.text


def test_speech_comes_while_it_is_made(front: Front) -> None:
    order = {"model": "tts-1", "voice": "alloy", "input": LONG, "response_format": "pcm"}
    with front.client() as client:
        began, came = time.monotonic(), []
        with client.stream("POST", "/v1/audio/speech", json=order) as answer:
            assert answer.status_code == 200, answer.read()
            for piece in answer.iter_raw():
                came.append((time.monotonic() - began, len(piece)))
    assert sum(size for _, size in came) > 48_000 * 5
    assert came[0][0] < 0.7 * came[-1][0], "nginx held the sound back"


def test_figures_need_the_operators_token_through_the_proxy(front: Front) -> None:
    assert httpx.get(f"{front.behind}/metrics").status_code == 200
    with front.client("") as client:
        assert client.get("/metrics").status_code == 401
        # Nobody talks a proxy out of it.
        for headers in ({"X-Forwarded-For": "127.0.0.1"}, {"X-Real-IP": "127.0.0.1"}):
            assert client.get("/metrics", headers=headers).status_code == 401
    with front.client(TOKEN) as client:
        assert client.get("/metrics").status_code == 403
    with front.client(ADMIN) as client:
        assert "visavis_sessions" in client.get("/metrics").text
    for header in ("Forwarded", "Via", "X-Real-IP", "X-Forwarded-Proto"):
        assert httpx.get(f"{front.behind}/metrics", headers={header: "x"}).status_code == 401


def test_who_guesses_waits_by_the_address_that_nginx_saw(front: Front) -> None:
    said = []
    with front.client("guess") as client:
        for n in range(WRONG_LIMIT + 1):
            # An address made up for each guess does not help.
            headers = {"X-Forwarded-For": f"203.0.113.{n}"}
            said.append(client.get("/api/v1/voices", headers=headers).status_code)
        assert said == [401] * WRONG_LIMIT + [429]
        told = client.get("/api/v1/voices").json()["error"]["message"]
        assert front.host in told
    # Others are let in: this one comes from loopback.
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{front.behind}/api/v1/voices", headers=headers).status_code == 200
