"""A stand-in for a chat server: OpenAI's chat API over real HTTP on a loopback port, by a script."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, TypeAlias

Step: TypeAlias = bytes | float | Literal["cut", "hang"]
"""Bytes that are sent, seconds that are waited, a connection broken at once, or silence for ever."""

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Answer:
    """What is sent to one request."""

    steps: tuple[Step, ...] = ()
    status: int = 200
    kind: str = "text/event-stream"
    headers: dict[str, str] = field(default_factory=dict)


def event(text: str | None = None, finish: str | None = None, **delta: Any) -> bytes:
    """One event of a stream."""
    if text is not None:
        delta["content"] = text
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    return b"data: " + json.dumps(chunk | {"choices": [choice]}).encode() + b"\n\n"


def streamed(*texts: str, finish: str = "stop", pause: float = 0.0) -> Answer:
    """A stream as it should be."""
    steps: list[Step] = [event("", role="assistant")]
    for text in texts:
        steps += [pause, event(text)] if pause else [event(text)]
    return Answer((*steps, event(finish=finish), DONE))


def whole(text: str, finish: str = "stop") -> Answer:
    """An answer that is not streamed."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": finish,
    }
    body = {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    return Answer((json.dumps(body).encode(),), kind="application/json")


def failed(status: int, message: str = "no", code: str | None = None, **more: Any) -> Answer:
    """An error as the API writes it; headers by ``headers``."""
    headers = more.pop("headers", {})
    body = {"error": {"message": message, "type": "error", "code": code, **more}}
    return Answer((json.dumps(body).encode(),), status, "application/json", headers)


class ChatServer:
    """Counts and keeps the requests, and answers by a script: the last answer is for all that follow."""

    def __init__(self, script: Callable[[dict[str, Any]], Answer] | list[Answer]) -> None:
        self._script = script
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.paths: list[str] = []
        self.asked = threading.Event()
        self.hung_up = threading.Event()
        """Set when a client closed a connection while it was being answered."""
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                answer = outer.choose(
                    json.loads(body), self.headers.get("authorization", ""), self.path
                )
                self.close_connection = True
                self.send_response(answer.status)
                self.send_header("content-type", answer.kind)
                self.send_header("transfer-encoding", "chunked")
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    for step in answer.steps:
                        if not self._take(step):
                            return
                    self.wfile.write(b"0\r\n\r\n")
                except (BrokenPipeError, ConnectionResetError):
                    outer.hung_up.set()

            def _take(self, step: Step) -> bool:
                if isinstance(step, bytes):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(step), step))
                    self.wfile.flush()
                    return True
                if step == "cut":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return False
                seconds = 60.0 if step == "hang" else float(step)
                return self._wait(seconds) and step != "hang"

            def _wait(self, seconds: float) -> bool:
                """Wait, and notice where the client hangs up meanwhile."""
                until = time.monotonic() + seconds
                while (left := until - time.monotonic()) > 0 and not outer.stopping.is_set():
                    ready, _, _ = select.select([self.connection], [], [], min(left, 0.02))
                    if ready and not self.connection.recv(1, socket.MSG_PEEK):
                        outer.hung_up.set()
                        return False
                return not outer.stopping.is_set()

            def log_message(self, *arguments: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def choose(self, request: dict[str, Any], key: str, path: str) -> Answer:
        """Note a request and choose its answer."""
        with self._lock:
            self.requests.append(request)
            self.keys.append(key)
            self.paths.append(path)
            self.asked.set()
            if callable(self._script):
                return self._script(request)
            return self._script[min(len(self.requests), len(self._script)) - 1]

    @contextmanager
    def run(self) -> Iterator[ChatServer]:
        """Serve within the block."""
        thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.stopping.set()
            self._http.shutdown()
            self._http.server_close()
            thread.join()
