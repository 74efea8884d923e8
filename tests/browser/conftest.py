import contextlib
import functools
import http.server
import itertools
import json
import re
import shutil
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-proxy-server", "--disable-dev-shm-usage", "--mute-audio",
    "--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0",
]  # fmt: skip


class RangeHandler(http.server.SimpleHTTPRequestHandler):
    """A file server that answers Range requests, as every real one does; seeking needs them."""

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        wanted = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(wanted[1]) if wanted else 0
        last = min(int(wanted[2]) if wanted and wanted[2] else len(data) - 1, len(data) - 1)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # a browser drops what it has enough of
            self.wfile.write(data[first : last + 1])

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A folder and its address."""
    folder = tmp_path_factory.mktemp("served")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(RangeHandler, directory=folder)
    )
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


LOOK_FOR = """
const e = document.querySelector(%s);
if (!e?.checkVisibility({visibilityProperty: true})) return null;
e.scrollIntoView({block: 'nearest'});
const r = e.getBoundingClientRect();
return [r.x + r.width / 2, r.y + r.height / 2];
"""


class Page:
    """A tab of Chromium, driven by the DevTools protocol."""

    def __init__(self, socket, session=""):
        self._socket = socket
        self._session = {"sessionId": session} if session else {}
        self._numbers = itertools.count(1)

    def call(self, method, **params):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params, **self._session}
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def open(self, url):
        self.call("Page.enable")
        self.call("Page.navigate", url=url)
        while self.run("return document.readyState") != "complete":
            time.sleep(0.05)

    def run(self, body):
        """Run the body of an async function and return what it returns."""
        result = self.call(
            "Runtime.evaluate",
            expression=f"(async () => {{ {body} }})()",
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def click(self, selector, seconds=60):
        """Press what is seen and keeps its place, as a person would."""
        until = time.monotonic() + seconds
        before, place = None, None
        while place is None or place != before:
            assert time.monotonic() < until, f"{selector} is not to be seen, or does not rest"
            time.sleep(0.05)
            before, place = place, self.run(LOOK_FOR % json.dumps(selector))
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind, x=place[0], y=place[1], button="left", clickCount=1,
            )  # fmt: skip


@pytest.fixture(scope="module")
def browser_flags():
    """More flags for Chromium; a module that needs some has a fixture of this name."""
    return []


@pytest.fixture(scope="module")
def browser(tmp_path_factory, browser_flags):
    """The debugging address of a running Chromium."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    profile = tmp_path_factory.mktemp("profile")
    process = subprocess.Popen(
        [CHROMIUM, *FLAGS, *browser_flags, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port_file = profile / "DevToolsActivePort"
        until = time.monotonic() + 60
        while not (port_file.exists() and port_file.read_text().count("\n")):
            assert process.poll() is None, f"Chromium ended with {process.returncode}"
            assert time.monotonic() < until, "Chromium did not start within a minute"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port_file.read_text().splitlines()[0]}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def page(browser):
    client = pytest.importorskip("websockets.sync.client", reason="pip install -e '.[dev]'")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(f"{browser}/json/new?about:blank", method="PUT")
    with opener.open(request, timeout=30) as answer:
        target = json.load(answer)
    socket = client.connect(target["webSocketDebuggerUrl"], max_size=None, proxy=None)
    with socket:
        yield Page(socket)
    with opener.open(f"{browser}/json/close/{target['id']}", timeout=30):
        pass


@pytest.fixture
def stranger(browser):
    """A tab that shares nothing with `page`, as if another browser had opened it."""
    client = pytest.importorskip("websockets.sync.client", reason="pip install -e '.[dev]'")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{browser}/json/version", timeout=30) as answer:
        address = json.load(answer)["webSocketDebuggerUrl"]
    with client.connect(address, max_size=None, proxy=None) as socket:
        whole = Page(socket)
        context = whole.call("Target.createBrowserContext")["browserContextId"]
        target = whole.call(
            "Target.createTarget", url="about:blank", browserContextId=context, newWindow=True
        )["targetId"]
        attached = whole.call("Target.attachToTarget", targetId=target, flatten=True)
        yield Page(socket, attached["sessionId"])
        whole.call("Target.disposeBrowserContext", browserContextId=context)
