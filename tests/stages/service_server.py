"""Stand-ins for speech servers: their documented APIs over real HTTP on a loopback port."""

from __future__ import annotations

import email.parser
import email.policy
import io
import json
import select
import socket
import struct
import threading
import time
import urllib.parse
import wave
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from chat_server import Answer, Step


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        """Fields that are no files."""
        return {k: v.decode() for k, v in self._fields() if isinstance(v, bytes)}

    @property
    def files(self) -> dict[str, tuple[str, bytes]]:
        """Name to (file name, bytes)."""
        return {k: v for k, v in self._fields() if isinstance(v, tuple)}

    def _fields(self) -> list[tuple[str, Any]]:
        kind = self.headers.get("content-type", "")
        if kind.startswith("application/x-www-form-urlencoded"):
            return [(k, v.encode()) for k, v in urllib.parse.parse_qsl(self.body.decode())]
        parser = email.parser.BytesParser(policy=email.policy.HTTP)
        message = parser.parsebytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + self.body)
        found: list[tuple[str, Any]] = []
        for part in message.iter_parts():
            name = part.get_param("name", header="content-disposition")
            data = part.get_payload(decode=True)
            found.append((str(name), (part.get_filename(), data) if part.get_filename() else data))
        return found


@dataclass
class ServiceServer:
    """Answers as a function or a list says; the last answer of a list is for all that follow."""

    script: Callable[[Request], Answer] | list[Answer]
    requests: list[Request] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def choose(self, request: Request) -> Answer:
        with self.lock:
            self.requests.append(request)
            count = len(self.requests)
        self.asked.set()
        if callable(self.script):
            return self.script(request)
        return self.script[min(count, len(self.script)) - 1]

    @contextmanager
    def run(self) -> Iterator[ServiceServer]:
        http = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self))
        self.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, args=(0.004,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.stopping.set()
            http.shutdown()
            http.server_close()
            thread.join()


def _make_handler(server: ServiceServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(parts.query))
            headers = {k.lower(): v for k, v in self.headers.items()}
            answer = server.choose(Request(self.command, parts.path, query, headers, body))
            self.close_connection = True
            try:
                if answer.steps[:1] == ("cut",):
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if answer.steps[:1] == ("hang",):
                    self._wait(60.0)
                    return
                self.send_response(answer.status)
                self.send_header("content-type", answer.kind)
                self.send_header("transfer-encoding", "chunked")
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                for step in answer.steps:
                    if not self._take(step):
                        return
                self.wfile.write(b"0\r\n\r\n")
            except (BrokenPipeError, ConnectionResetError):
                server.hung_up.set()

        def _take(self, step: Step) -> bool:
            if isinstance(step, bytes):
                if step:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(step), step))
                    self.wfile.flush()
                return True
            if step == "cut":
                self.connection.shutdown(socket.SHUT_RDWR)
                return False
            seconds = 60.0 if step == "hang" else float(step)
            return self._wait(seconds) and step != "hang"

        def _wait(self, seconds: float) -> bool:
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0 and not server.stopping.is_set():
                ready, _, _ = select.select([self.connection], [], [], min(left, 0.02))
                if ready and not self.connection.recv(1, socket.MSG_PEEK):
                    server.hung_up.set()
                    return False
            return not server.stopping.is_set()

        def log_message(self, *arguments: Any) -> None:
            pass

    return Handler


def tone(text: str, rate: int = 24_000, seconds: float | None = None) -> np.ndarray:
    """What the stand-ins say: int16, the pitch and length by the text."""
    length = round((0.3 + 0.03 * len(text) if seconds is None else seconds) * rate)
    pitch = 150 + zlib.crc32(text.encode()) % 200
    wave_form: np.ndarray = 12_000 * np.sin(2 * np.pi * pitch * np.arange(length) / rate)
    return np.rint(wave_form).astype("<i2")


def pcm(text: str, rate: int = 24_000, seconds: float | None = None) -> bytes:
    return tone(text, rate, seconds).tobytes()


def wav(samples: np.ndarray, rate: int = 24_000, length: int | None = None) -> bytes:
    """A WAV file of int16 samples (n,) or (n, channels); ``length`` is what its header says."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(samples.shape[1] if samples.ndim == 2 else 1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.tobytes())
    data = bytearray(buffer.getvalue())
    if length is not None:
        data[40:44] = struct.pack("<I", length)
    return bytes(data)


def sound(*steps: Step, kind: str = "audio/pcm", **headers: str) -> Answer:
    return Answer(tuple(steps), kind=kind, headers=headers)


def split(data: bytes, size: int, pause: float = 0.0) -> tuple[Step, ...]:
    """Send in pieces of a size, odd ones too."""
    steps: list[Step] = []
    for start in range(0, len(data), size):
        steps += [data[start : start + size], *([pause] if pause else [])]
    return tuple(steps)


def problem(status: int, body: Any, **headers: str) -> Answer:
    """An error as JSON."""
    return Answer((json.dumps(body).encode(),), status, "application/json", headers)
