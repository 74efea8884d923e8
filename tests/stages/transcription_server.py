"""A stand-in for OpenAI's transcription API: whole, streamed, and as vLLM streams."""

from __future__ import annotations

import io
import json
import wave
from typing import Any, Literal

import numpy as np
from chat_server import Answer, Step
from service_server import Request, problem


def event(row: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(row, ensure_ascii=False).encode() + b"\n\n"


class Transcriptions:
    """Hears ``texts``, one for each file; the last one is for all that follow.

    Args:
        texts: What is heard.
        style: ``json`` passes ``stream`` over, as whisper-1 does; ``strict`` refuses it; the others
            stream as OpenAI and vLLM do.
        key: That is asked for; empty for none.
        pause: Seconds before each event.
    """

    def __init__(
        self,
        *texts: str,
        style: Literal["json", "strict", "openai", "vllm"] = "openai",
        key: str = "",
        pause: float = 0.0,
    ) -> None:
        self.texts = texts
        self.style = style
        self.key = key
        self.pause = pause
        self.seconds: list[float] = []

    def __call__(self, request: Request) -> Answer:
        def refuse(status: int, message: str) -> Answer:
            return problem(status, {"error": {"message": message, "type": "invalid_request_error"}})

        if request.path != "/v1/audio/transcriptions":
            return refuse(404, "Not Found")
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return refuse(401, "Incorrect API key")
        form, files = request.form, request.files
        if "file" not in files or not form.get("model"):
            return refuse(400, "Missing required parameter")
        if self.style == "strict" and "stream" in form:
            return refuse(422, "Extra inputs are not permitted: stream")
        with wave.open(io.BytesIO(files["file"][1])) as sound:
            assert (sound.getnchannels(), sound.getframerate()) == (1, 16_000)
            samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
        self.seconds.append(len(samples) / 16_000)
        assert np.abs(samples.astype(int)).max() > 300
        text = self.texts[min(len(self.seconds), len(self.texts)) - 1]
        if self.style in ("json", "strict") or form.get("stream") != "true":
            return Answer((json.dumps({"text": text}).encode(),), kind="application/json")
        parts = [text[:3], text[3:6], text[6:]]
        steps: list[Step] = []
        for part in parts:
            if self.style == "openai":
                row: dict[str, Any] = {"type": "transcript.text.delta", "delta": part}
            else:
                row = {"object": "transcription.chunk", "choices": [{"delta": {"content": part}}]}
            whole = event(row)
            # Events do not come in pieces of their own.
            steps += [self.pause, whole[:9], whole[9:]] if self.pause else [whole[:9], whole[9:]]
        if self.style == "openai":
            steps.append(event({"type": "transcript.text.done", "text": text}))
        else:
            steps.append(b"data: [DONE]\n\n")
        return Answer(tuple(steps))
