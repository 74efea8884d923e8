"""What a visitor does with the page, sees and hears: for tests against the real server."""

import asyncio
import base64
import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import av
import numpy as np

from visavis.core.types import Floats, Transcript, Waveform
from visavis.media.audio import read_audio, write_wav
from visavis.media.resampling import resample
from visavis.models.face_landmarker.predictor import FaceLandmarker
from visavis.stages.recognizers.whisper import WhisperRecognizer

MICROPHONE_RATE = 48_000
LAPTOP, PHONE, KIOSK = (1440, 900), (390, 844), (1080, 1920)
WINDOW = (800, 640)
"""As large as is needed: a browser without a GPU paints every pixel by hand."""

WATCH = (Path(__file__).parent / "talk_watch.js").read_text()


class RealServer:
    """`visavis serve` in a process of its own."""

    def __init__(self, link: str) -> None:
        self.link = link
        self.address = re.search(r"//([^/]+)/", link)[1]
        self.token = link.partition("token=")[2]

    def call(self, method: str, path: str):
        """Call the API as the operator."""
        return json.loads(self.read(path, method) or "null")

    def read(self, path: str, method: str = "GET") -> bytes:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(
            f"http://{self.address}{path}", method=method,
            headers={"Authorization": f"Bearer {self.token}"},
        )  # fmt: skip
        with opener.open(request, timeout=60) as answer:
            return answer.read()

    @property
    def sessions(self):
        return {s["id"]: s for s in self.call("GET", "/api/v1/sessions")["sessions"]}


@contextlib.contextmanager
def serve(folder: Path, sessions: int):
    command = [sys.executable, "-c", "from visavis.apps.cli import main; main()", "serve"]
    options = ["--port", "0", "--sessions", str(sessions), "--data", str(folder)]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        # Browser and server need all of a small machine.
        env={**os.environ, "VISAVIS_SERVER_PREPARE_SPEECH": "false"},
    ) as process:  # fmt: skip
        said = []
        try:
            for line in process.stdout:
                said.append(line)
                if found := re.search(r"http://\S+token=\S+", line):
                    break
            else:
                raise AssertionError("the server did not get ready: " + "".join(said))
            # What else it prints must not fill the pipe.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield RealServer(found[0])
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


class Line:
    """The TCP line between a browser and the server, which can be cut."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.partition(":")
        self._port = int(port)
        self._ends = set()
        self._is_cut = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(20)

    def cut(self):
        """Break every connection off, and take no more."""
        self._loop.call_soon_threadsafe(self._cut, True)

    def mend(self):
        self._loop.call_soon_threadsafe(self._cut, False)

    def _cut(self, is_cut):
        self._is_cut = is_cut
        for writer in list(self._ends) if is_cut else ():
            writer.transport.abort()

    async def _run(self):
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._done.wait()
        server.close()
        while self._ends:
            self._cut(True)
            await asyncio.sleep(0.01)

    async def _join(self, reader, writer):
        if self._is_cut:
            writer.transport.abort()
            return
        there_reader, there = await asyncio.open_connection(self._host, self._port)
        self._ends |= {writer, there}
        await asyncio.gather(_copy(reader, there), _copy(there_reader, writer))
        self._ends -= {writer, there}
        for end in (writer, there):
            end.transport.abort()


async def _copy(reader, writer):
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Voice:
    """Speaks into the microphone file, which Chromium reads anew each time that it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.say(Waveform(np.zeros(MICROPHONE_RATE, np.float32), MICROPHONE_RATE))

    def say(self, speech: Waveform, before: float = 1.5, after: float = 30.0) -> None:
        """Put a speech there, with silence around it (seconds)."""
        sound = resample(speech, MICROPHONE_RATE).samples
        quiet = [np.zeros(round(s * MICROPHONE_RATE), np.float32) for s in (before, after)]
        whole = np.concatenate([quiet[0], sound, quiet[1]]).astype(np.float32)
        write_wav(self.path, Waveform(whole, MICROPHONE_RATE))

    @property
    def flags(self) -> list[str]:
        return [
            "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={self.path}%noloop",
        ]  # fmt: skip


def speak(folder: Path, text: str, voice: str) -> Waveform:
    """Have one of our own voices say something."""
    path = folder / f"{abs(hash((text, voice)))}.wav"
    if not path.exists():
        command = [sys.executable, "-c", "from visavis.apps.cli import main; main()", "speak"]
        subprocess.run([*command, "--voice", voice, "-o", str(path), text], check=True)
    return read_audio(path)


class Sound:
    """What came out of the page: `wall` is the page's time, in seconds, of each sample."""

    def __init__(self, told) -> None:
        self.rate = told["rate"]
        pcm = np.frombuffer(base64.b64decode(told["pcm"]), "<i2") / np.float32(32767)
        wall, at, count, out = np.array(told["parts"]).reshape(-1, 4).T
        count = count.astype(int)
        # A part cannot come before it ends; the one that came quickest tells the two clocks apart.
        begin = at + np.min(wall - at - count / self.rate)
        begin = np.clip(begin, wall - 1, None)
        self.samples: Floats = (pcm * np.repeat(out, count)).astype(np.float32)
        self.wall = np.concatenate(
            [b + np.arange(n) / self.rate for b, n in zip(begin, count, strict=True)]
        )

    def loudness(self, start: float, end: float) -> float:
        """Root mean square between two moments of the page's time."""
        part = self.samples[(self.wall >= start) & (self.wall < end)]
        return float(np.sqrt(np.mean(part**2))) if len(part) else 0.0

    def _without_gaps(self) -> np.ndarray:
        """What to keep so that a machine that came to a halt does not tear words apart."""
        block = self.rate // 100
        count = len(self.samples) // block
        levels = np.sqrt(np.mean(self.samples[: count * block].reshape(count, block) ** 2, 1))
        keep, run = np.ones(len(self.samples), bool), 0
        for i, level in enumerate(levels):
            run = run + 1 if level < 3e-4 else 0
            # A pause of a tenth of a second is left of each longer one.
            keep[i * block : (i + 1) * block] = run <= 10
        return keep

    def recognise(self, language) -> tuple[str, list[tuple[str, float]]]:
        """What is said, and its words with the page's time of each."""
        kept = self._without_gaps()
        wall = self.wall[kept]
        sound = resample(Waveform(self.samples[kept], self.rate), 16_000)

        async def hear() -> list[Transcript]:
            async def parts():
                yield sound

            return [t async for t in WhisperRecognizer(language).transcribe(parts())]

        found = asyncio.run(hear())
        words = [
            (w.text, float(wall[min(round(w.start * self.rate), len(wall) - 1)]))
            for t in found for w in t.words
        ]  # fmt: skip
        return " ".join(t.text for t in found), words


class Face:
    """Measures faces of pictures that the page showed."""

    def __init__(self) -> None:
        self._landmarker = FaceLandmarker(threads=2)

    def gaps(self, film) -> np.ndarray:
        """Rows of (page's time, height of the mouth's opening as a share of the face's)."""
        rows, face = [], None
        for shot in film:
            face = self._landmarker.track(decode_jpeg(shot["picture"]), face)
            assert face is not None, "no face in the picture that is shown"
            y = face.landmarks[:, :2]
            rows.append(
                (shot["wall"], np.linalg.norm(y[13] - y[14]) / np.linalg.norm(y[10] - y[152]))
            )
        return np.array(rows)


def decode_jpeg(text: str) -> np.ndarray:
    decoder = av.CodecContext.create("mjpeg", "r")
    return decoder.decode(av.Packet(base64.b64decode(text)))[0].to_ndarray(format="rgb24")


class Visitor:
    """Somebody who uses the page."""

    def __init__(self, page, name: str = "") -> None:
        self.page, self.name = page, name

    def open(self, link: str, language: str = "en") -> None:
        self.resize(WINDOW)
        self.page.call("Page.enable")
        self.page.call(
            "Page.addScriptToEvaluateOnNewDocument",
            source=f"{WATCH}\nlocalStorage.setItem('visavis.language', '{language}')",
        )
        self.page.open(link)

    def resize(self, size) -> None:
        self.page.call(
            "Emulation.setDeviceMetricsOverride",
            width=size[0], height=size[1], deviceScaleFactor=1, mobile=size[0] < 500,
        )  # fmt: skip

    def start(self) -> None:
        self.click(".go")
        self.wait("document.querySelector('video')?.currentTime > 0", 90)
        self.wait("told.length > 0")

    def run(self, body: str):
        return self.page.run(body)

    def wait(self, test: str, seconds: float = 60):
        """Wait until an expression of the page is true; returns what it is."""
        until = time.monotonic() + seconds
        while not (found := self.page.run(f"return {test}")):
            if time.monotonic() > until:
                state = self.page.run(
                    "return [states, told.slice(-6), document.querySelector('main')?.innerText]"
                )
                raise AssertionError(f"not within {seconds} s: {test}\n{state}")
            time.sleep(0.05)
        return found

    def click(self, selector: str) -> None:
        self.page.click(selector)

    def hold_space(self, down: bool) -> None:
        self.page.call(
            "Input.dispatchKeyEvent", type="keyDown" if down else "keyUp",
            key=" ", code="Space", windowsVirtualKeyCode=32, text=" " if down else "",
        )  # fmt: skip

    def hold_space_until_heard(self) -> None:
        """Hold it, and press again as a person would where a busy page missed it."""
        for _ in range(6):
            self.hold_space(True)
            until = time.monotonic() + 8
            while time.monotonic() < until:
                if self.run("return window.opened > 0"):
                    return
                time.sleep(0.1)
            self.hold_space(False)
        self.wait("window.opened > 0", 1)

    def type(self, question: str) -> None:
        self.click("#question")
        self.page.call("Input.insertText", text=question)
        for kind in ("keyDown", "keyUp"):
            self.page.call(
                "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter",
                windowsVirtualKeyCode=13, text="\r" if kind == "keyDown" else "",
            )  # fmt: skip

    def events(self, kind: str, turn: int | None = None):
        """Events of a kind that came, oldest first."""
        found = self.page.run(f"return told.filter(e => e.type === '{kind}')")
        return [e for e in found if turn in (None, e["turn"])]

    def wait_for(self, kind: str, seconds: float = 90, **fields):
        test = " && ".join([f"e.type === '{kind}'", *(f"e.{k} === {json.dumps(v)}" for k, v in fields.items())])  # fmt: skip
        self.wait(f"told.some(e => {test})", seconds)
        return self.page.run(f"return told.find(e => {test})")

    def text(self, selector: str) -> str:
        return self.page.run(f"return document.querySelector('{selector}')?.innerText ?? ''")

    def now(self) -> float:
        """The page's time."""
        return self.page.run("return performance.now() / 1000")

    def film(self):
        """The pictures that `watch` took; ends it."""
        return self.page.run("const f = film; window.film = null; return f")

    def heard(self) -> Sound:
        return Sound(self.page.run("return heard()"))

    def keep(self, name: str) -> None:
        if folder := os.environ.get("VISAVIS_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            shot = self.page.call("Page.captureScreenshot", format="png")
            (Path(folder) / f"talk-{name}.png").write_bytes(base64.b64decode(shot["data"]))

    def keep_both(self, name: str) -> None:
        """Keep what is seen on a laptop and on a phone."""
        self._keep_at(name, laptop=LAPTOP, phone=PHONE)

    def keep_all(self, name: str) -> None:
        """Keep what is seen on a kiosk that stands upright, on a laptop and on a phone."""
        self._keep_at(name, kiosk=KIOSK, laptop=LAPTOP, phone=PHONE)

    def _keep_at(self, name: str, **sizes: tuple[int, int]) -> None:
        if "VISAVIS_SCREENSHOTS" in os.environ:
            for where, size in sizes.items():
                self.resize(size)
                time.sleep(0.7)
                self.keep(f"{name}-{where}")
            self.resize(WINDOW)


_FIGURES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def with_figures(text: str) -> str:
    """English in which figures that a recogniser wrote as words or one by one stand together.

    Heard from the same sound: "12345", "one, two, three, four, five", "1, 2, 3, 4, 5",
    "1-2-3-4-5".
    """
    for figure, word in enumerate(_FIGURES):
        text = re.sub(rf"\b{word}\b", str(figure), text, flags=re.IGNORECASE)
    return re.sub(r"(?<=\d)[\s,.\-\u2010-\u2015]+(?=\d)", "", text)


def error_rate(heard: str, said: str) -> float:
    """Edit distance of the letters and figures, as a share of what was said."""
    a, b = ([c for c in text.lower() if c.isalnum()] for text in (heard, said))
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        new = [i]
        for j, y in enumerate(b, 1):
            new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (x != y)))
        row = new
    return row[-1] / len(b)
