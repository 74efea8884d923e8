"""Speech and transcriptions as OpenAI's API has them, so that its clients work unchanged."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Response, UploadFile
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from visavis.apps.assemble import DEFAULT_VOICES, clean_text
from visavis.apps.server.errors import (
    OPENAI_ERROR_RESPONSES,
    RequestInvalid,
    describe,
    find_status,
    shape_error,
)
from visavis.apps.server.hearing import join_texts, transcribe_file
from visavis.apps.server.house import House, HouseOf
from visavis.apps.server.sound_files import MEDIA_TYPES, SoundFormat
from visavis.apps.server.speech_stream import stream_speech
from visavis.apps.server.uploads import Upload, keep_upload
from visavis.core.errors import AudioSilent, Error
from visavis.core.types import Language, Transcript

ERROR_RESPONSES = OPENAI_ERROR_RESPONSES

router = APIRouter(prefix="/v1/audio", tags=["openai"])

VOICES: dict[str, dict[Language, str]] = {
    "alloy": {"en": "af_alloy", "zh": "zf_xiaobei"},
    "ash": {"en": "am_adam", "zh": "zm_yunjian"},
    "ballad": {"en": "bm_george", "zh": "zm_yunxi"},
    "cedar": {"en": "am_michael", "zh": "zm_yunyang"},
    "coral": {"en": "af_bella", "zh": "zf_xiaoyi"},
    "echo": {"en": "am_echo", "zh": "zm_yunxi"},
    "fable": {"en": "bm_fable", "zh": "zm_yunxia"},
    "marin": {"en": "af_heart", "zh": "zf_xiaohe"},
    "nova": {"en": "af_nova", "zh": "zf_xiaoyi"},
    "onyx": {"en": "am_onyx", "zh": "zm_yunjian"},
    "sage": {"en": "af_sarah", "zh": "zf_xiaohe"},
    "shimmer": {"en": "af_sky", "zh": "zf_xiaobei"},
    "verse": {"en": "am_puck", "zh": "zm_yunyang"},
}
"""OpenAI's names for voices, and which of ours speak for them."""


class VoiceId(BaseModel):
    """A voice by its id."""

    id: str = Field(min_length=1, max_length=100)


class SpeechOrder(BaseModel):
    """What is said; fields of OpenAI's that mean nothing here are passed over."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [{"model": "tts-1", "input": "Hello!", "voice": "nova"}],
        },
    )

    input: str = Field(max_length=1_000_000)
    model: str = Field(default="tts-1", max_length=200, description="Any; there is one.")
    voice: str | VoiceId = Field(
        default="",
        max_length=100,
        description="One of `/api/v1/voices`, or OpenAI's names; empty for the default.",
    )
    response_format: SoundFormat = "mp3"
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    stream_format: Literal["audio", "sse"] = "audio"


@router.post(
    "/speech",
    summary="Speak a text",
    response_class=StreamingResponse,
    responses={200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}}},
)
async def speak(house: HouseOf, order: SpeechOrder) -> StreamingResponse:
    """Send the sound while it is made; the first bytes come with the first piece of speech."""
    began = time.perf_counter()
    text = clean_text(order.input, house.cast.settings.max_characters)
    voice = order.voice if isinstance(order.voice, str) else order.voice.id
    sound = stream_speech(
        house,
        text,
        choose_voices(house, voice),
        format=order.response_format,
        speed=order.speed,
    )
    # What cannot be said is told before the first byte, as an error with its code.
    first = await anext(sound)
    house.metrics.first_byte.observe(time.perf_counter() - began)

    async def whole() -> AsyncIterator[bytes]:
        try:
            yield first
            async for piece in sound:
                yield piece
        finally:
            await sound.aclose()  # type: ignore[attr-defined]

    if order.stream_format == "sse":
        return StreamingResponse(_as_events(whole(), text), media_type="text/event-stream")
    return StreamingResponse(whole(), media_type=MEDIA_TYPES[order.response_format])


def choose_voices(house: House, voice: str) -> dict[Language, str]:
    """Choose a voice for each language from one of our names or of OpenAI's.

    Raises:
        UnknownVoice: It is neither.
    """
    settings = house.cast.settings
    defaults: dict[Language, str] = {
        "zh": settings.voice_zh or DEFAULT_VOICES["zh"],
        "en": settings.voice_en or DEFAULT_VOICES["en"],
    }
    if not voice:
        return defaults
    known = {found.name for found in house.cast.router.voices()}
    if voice in VOICES and voice not in known:
        # Where a voice is not installed, the default of its language speaks for it.
        return {k: name if name in known else defaults[k] for k, name in VOICES[voice].items()}
    found = house.cast.router.find(voice)
    return {k: found.name if k in found.languages else name for k, name in defaults.items()}


async def _as_events(sound: AsyncIterator[bytes], text: str) -> AsyncIterator[str]:
    async for piece in sound:
        audio = base64.b64encode(piece).decode()
        yield f"data: {json.dumps({'type': 'speech.audio.delta', 'audio': audio})}\n\n"
    usage = {"input_tokens": len(text), "output_tokens": 0, "total_tokens": len(text)}
    yield f"data: {json.dumps({'type': 'speech.audio.done', 'usage': usage})}\n\n"


@router.post("/transcriptions", summary="Transcribe a recording", response_model=None)
async def transcribe(
    house: HouseOf,
    file: Annotated[UploadFile, File(description="Any sound or video file.")],
    model: Annotated[str, Form(max_length=200, description="Any; there is one.")] = "whisper-1",
    language: Annotated[str, Form(max_length=10, description="zh, en, or empty.")] = "",
    prompt: Annotated[str, Form(max_length=2_000, description="Words likely to occur.")] = "",
    response_format: Annotated[
        Literal["json", "text", "srt", "vtt", "verbose_json"], Form()
    ] = "json",
    stream: Annotated[bool, Form(description="Send server-sent events.")] = False,
) -> Response:
    """Say what is said in a recording, in Chinese or English."""
    spoken = read_language(language)
    if stream:
        async with AsyncExitStack() as stack:
            # The form is closed before the first event goes out.
            kept = await stack.enter_async_context(keep_upload(file))
            events = _transcribe_streaming(house, kept, stack.pop_all(), spoken, prompt)
        return StreamingResponse(events, media_type="text/event-stream")
    async with keep_upload(file) as kept, house.desk:
        heard = [
            t
            async for t in transcribe_file(
                house.cast,
                kept.path,
                longest=house.cast.settings.max_seconds,
                language=spoken,
                hint=prompt,
            )
        ]
        if not heard:
            raise AudioSilent(f"no words were understood in {kept.path}; give clearer speech")
        if response_format in ("srt", "vtt"):
            return PlainTextResponse(_write_subtitles(heard, response_format))
    text = join_texts(heard)
    if response_format == "text":
        return PlainTextResponse(text + "\n")
    if response_format == "json":
        return JSONResponse({"text": text, "usage": _usage(heard)})
    return JSONResponse(_describe(heard, text))


def read_language(language: str) -> Language | Literal["auto"]:
    """Read a language as OpenAI's clients name it: ``zh``, ``zh-CN``, ``english``, or nothing.

    Raises:
        RequestInvalid: It is another.
    """
    plain = language.strip().lower().partition("-")[0]
    names: dict[str, Language | Literal["auto"]] = {
        "": "auto", "auto": "auto", "zh": "zh", "chinese": "zh", "en": "en", "english": "en",
    }  # fmt: skip
    if plain not in names:
        raise RequestInvalid(f"the language {language!r} is not understood here; use zh or en")
    return names[plain]


async def _transcribe_streaming(
    house: House,
    upload: Upload,
    keeping: AsyncExitStack,
    language: Language | Literal["auto"],
    hint: str,
) -> AsyncIterator[str]:
    heard: list[Transcript] = []
    try:
        async with keeping, house.desk:
            longest = house.cast.settings.max_seconds
            async for transcript in transcribe_file(
                house.cast, upload.path, longest=longest, language=language, hint=hint
            ):
                before = join_texts(heard)
                heard.append(transcript)
                delta = join_texts(heard)[len(before) :]
                yield _event({"type": "transcript.text.delta", "delta": delta})
    except Error as error:
        yield _event({"type": "error", **shape_error(describe(error), find_status(error), "/v1/")})
        return
    usage = _usage(heard)
    yield _event({"type": "transcript.text.done", "text": join_texts(heard), "usage": usage})


def _event(row: dict[str, Any]) -> str:
    return f"data: {json.dumps(row, ensure_ascii=False)}\n\n"


def _usage(heard: list[Transcript]) -> dict[str, Any]:
    return {"type": "duration", "seconds": round(heard[-1].end) if heard else 0}


def _write_subtitles(heard: list[Transcript], format: Literal["srt", "vtt"]) -> str:
    from visavis.media.subtitles import make_cues, write_srt, write_vtt

    cues = [cue for t in heard for cue in make_cues(t.text, t.start, t.end, t.words)]
    with TemporaryDirectory(prefix="visavis-") as folder:
        path = Path(folder) / f"subtitles.{format}"
        (write_srt if format == "srt" else write_vtt)(path, cues)
        return path.read_text("utf-8")


def _describe(heard: list[Transcript], text: str) -> dict[str, Any]:
    names = {"zh": "chinese", "en": "english"}
    return {
        "task": "transcribe",
        "language": names.get(heard[0].language or "", ""),
        "duration": round(heard[-1].end, 3),
        "text": text,
        "segments": [
            {
                "id": number,
                "seek": 0,
                "start": round(t.start, 3),
                "end": round(t.end, 3),
                "text": t.text,
                "tokens": [],
                "temperature": 0.0,
                "avg_logprob": 0.0,
                "compression_ratio": 1.0,
                "no_speech_prob": 0.0,
            }
            for number, t in enumerate(heard)
        ],
        "words": [
            {"word": w.text, "start": round(w.start, 3), "end": round(w.end, 3)}
            for t in heard
            for w in t.words
        ],
        "usage": _usage(heard),
    }
