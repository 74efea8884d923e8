"""Stand-ins for GPT-SoVITS, CosyVoice, IndexTTS and OpenAI's speech API, as their sources have them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from chat_server import Answer
from service_server import Request, pcm, problem, sound, split, tone, wav

FORM_MISSING = {"detail": [{"type": "missing", "loc": ["body", "x"], "msg": "Field required"}]}


class Sovits:
    """``api_v2.py``: one pair of weights at a time, errors with status 400."""

    rate = 32_000

    def __init__(self, pause: float = 0.0) -> None:
        self.weights = {"gpt": "base.ckpt", "sovits": "base.pth"}
        self.spoken_with: list[tuple[str, str]] = []
        self.pause = pause

    def __call__(self, request: Request) -> Answer:
        if request.path in ("/set_gpt_weights", "/set_sovits_weights"):
            path = request.query.get("weights_path", "")
            if "missing" in path:
                body = {"message": "change gpt weight failed", "Exception": f"no file {path}"}
                return problem(400, body)
            self.weights[request.path.split("_")[1]] = path
            return problem(200, {"message": "success"})
        if request.path != "/tts" or request.method != "POST":
            return problem(404, {"detail": "Not Found"})
        order = request.json
        for name in ("ref_audio_path", "text", "text_lang", "prompt_lang"):
            if not order.get(name):
                return problem(400, {"message": f"{name} is required"})
        for name in ("text_lang", "prompt_lang"):
            if order[name] not in ("zh", "en", "auto", "all_zh"):
                return problem(400, {"message": f"{name}: {order[name]} is not supported"})
        if order["media_type"] not in ("wav", "raw", "ogg", "aac"):
            return problem(400, {"message": "media_type is not supported"})
        if order["streaming_mode"] not in (0, 1, 2, 3):
            return problem(400, {"message": "the value of streaming_mode must be 0, 1, 2, 3"})
        self.spoken_with.append((self.weights["gpt"], self.weights["sovits"]))
        data = pcm(order["text"], self.rate)
        kind = f"audio/{order['media_type']}"
        if order["media_type"] == "raw":
            return sound(*split(data, 4_001, self.pause), kind=kind)
        if order["streaming_mode"]:
            # Its streaming header is of a file without frames.
            return sound(
                wav(tone("", self.rate, 0.0), self.rate), *split(data, 4_001, self.pause), kind=kind
            )
        return sound(wav(tone(order["text"], self.rate), self.rate), kind=kind)


class Cosyvoice:
    """``runtime/python/fastapi/server.py``: forms in, raw int16 out, no header that says its rate."""

    def __init__(self, rate: int = 24_000, recording: bytes = b"") -> None:
        self.rate = rate
        self.recording = recording

    def __call__(self, request: Request) -> Answer:
        needs = {
            "/inference_sft": ("tts_text", "spk_id"),
            "/inference_zero_shot": ("tts_text", "prompt_text", "prompt_wav"),
            "/inference_cross_lingual": ("tts_text", "prompt_wav"),
            "/inference_instruct": ("tts_text", "spk_id", "instruct_text"),
            "/inference_instruct2": ("tts_text", "instruct_text", "prompt_wav"),
        }.get(request.path)
        if needs is None:
            return problem(404, {"detail": "Not Found"})
        form, files = request.form, request.files
        if any(name not in form and name not in files for name in needs):
            return problem(422, FORM_MISSING)
        if "prompt_wav" in needs and files["prompt_wav"][1] != self.recording:
            return problem(500, {"detail": "Error opening the recording"})
        data = pcm(form["tts_text"], self.rate)
        return Answer(split(data, 3_333), kind="application/octet-stream")


class IndexTts:
    """``api_server.py`` (v1) and ``api_server_v2.py``, errors with status 500 and a traceback."""

    def __call__(self, request: Request) -> Answer:
        order = request.json
        try:
            if request.path not in ("/tts_url", "/tts_stream"):
                return problem(404, {"detail": "Not Found"})
            if "audio_paths" in order:
                return sound(wav(tone(order["text"], 24_000), 24_000), kind="audio/wav")
            path = order["spk_audio_path"]
            if "nowhere" in path:
                raise FileNotFoundError(path)
            if order.get("emo_control_method") == 2 and sum(order["emo_vec"]) > 1.5:
                return problem(500, {"status": "error", "error": "情感向量之和不能超过1.5"})
        except (KeyError, FileNotFoundError) as error:
            trace = (
                f"Traceback (most recent call last):\n  File x\n{type(error).__name__}: {error}\n"
            )
            return problem(500, {"status": "error", "error": trace})
        samples = tone(order["text"], 22_050)
        if request.path == "/tts_stream":
            head = wav(samples[:0], 22_050, 0xFFFFFFFF)
            return sound(head, *split(samples.tobytes(), 5_001), kind="audio/wav")
        return sound(wav(samples, 22_050), kind="audio/wav")


def openai_speech(key: str = "", pause: float = 0.0) -> Callable[[Request], Answer]:
    """OpenAI's ``/v1/audio/speech``: raw sound at 24 kHz, or a WAV stream of unknown length."""

    def answer(request: Request) -> Answer:
        def refuse(status: int, message: str, **more: Any) -> Answer:
            return problem(status, {"error": {"message": message, "type": "error", **more}})

        if request.path != "/v1/audio/speech":
            return refuse(404, f"Invalid URL (POST {request.path})")
        if key and request.headers.get("authorization") != f"Bearer {key}":
            return refuse(401, f"Incorrect API key: {request.headers.get('authorization')}")
        order = request.json
        for name in ("model", "input", "voice"):
            if not order.get(name):
                return refuse(400, f"Missing required parameter: '{name}'", param=name)
        if not 0.25 <= order.get("speed", 1.0) <= 4.0:
            return refuse(400, "speed must be between 0.25 and 4.0")
        data = pcm(order["input"])
        steps = split(data, 4_801, pause)
        if order["response_format"] == "wav":
            head = bytearray(wav(tone("", seconds=0.0)))
            head[4:8] = head[40:44] = struct.pack("<I", 0xFFFFFFFF)
            return sound(bytes(head), *steps, kind="audio/wav")
        return sound(*steps)

    return answer
