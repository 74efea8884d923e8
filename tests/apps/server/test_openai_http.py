"""Speech, transcriptions and chat by the official client, against a real server."""

from __future__ import annotations

import io
import threading
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import openai
import pytest
from api_client import USER, make_wav, open_api, serve_api

from visavis.apps.assemble import Cast
from visavis.apps.server.api.openai import count_tokens
from visavis.apps.server.sound_files import SoundFormat, Tempo, open_encoder
from visavis.core.types import Floats

RATE = 24_000
TEXT = "Hello there. 您好。Good bye."


@pytest.fixture
async def client(tmp_path: Path, cast: Cast) -> AsyncIterator[openai.AsyncOpenAI]:
    async with serve_api(tmp_path, cast) as (place, _):
        url = f"http://{place}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key=USER, max_retries=0) as made:
            yield made


def seconds_of(data: bytes, format: str) -> float:
    if format == "pcm":
        return len(data) / 2 / RATE
    with av.open(io.BytesIO(data)) as container:
        return sum(f.samples / f.sample_rate for f in container.decode(audio=0))


class TestSpeech:
    @pytest.mark.parametrize("format", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
    async def test_formats(self, client: openai.AsyncOpenAI, format: Any) -> None:
        made = await client.audio.speech.create(
            model="tts-1", voice="tone_low", input=TEXT, response_format=format
        )
        pcm = await client.audio.speech.create(
            model="tts-1", voice="tone_low", input=TEXT, response_format="pcm"
        )
        assert seconds_of(made.content, format) == pytest.approx(
            seconds_of(pcm.content, "pcm"), abs=0.12
        )
        assert np.abs(np.frombuffer(pcm.content, "<i2")).max() > 1_000

    @pytest.mark.parametrize("speed", [0.25, 0.5, 1.5, 4.0])
    async def test_speed(self, client: openai.AsyncOpenAI, speed: float) -> None:
        lengths = []
        for chosen in (1.0, speed):
            made = await client.audio.speech.create(
                model="m", voice="alloy", input=TEXT, response_format="pcm", speed=chosen
            )
            lengths.append(seconds_of(made.content, "pcm"))
        assert lengths[1] == pytest.approx(lengths[0] / speed, rel=0.05, abs=0.05)

    async def test_it_comes_piece_by_piece(self, client: openai.AsyncOpenAI) -> None:
        long = "One sentence after the other. " * 40
        async with client.audio.speech.with_streaming_response.create(
            model="m", voice="nova", input=long, response_format="pcm"
        ) as response:
            pieces = [len(piece) async for piece in response.iter_bytes()]
        assert len(pieces) > 10

    async def test_leaving_in_the_middle_leaves_nothing_behind(
        self, tmp_path: Path, cast: Cast
    ) -> None:
        async with serve_api(tmp_path, cast) as (place, house):
            url = f"http://{place}/v1"
            async with openai.AsyncOpenAI(base_url=url, api_key=USER) as client:
                for _ in range(3):
                    async with client.audio.speech.with_streaming_response.create(
                        model="m", voice="nova", input="A sentence. " * 1_000, response_format="wav"
                    ) as response:
                        async for _piece in response.iter_bytes(1_000):
                            break
                made = await client.audio.speech.create(
                    model="m", voice="nova", input="Still there?", response_format="pcm"
                )
            assert made.content
            assert not house.desk.locked()
        assert not [t for t in threading.enumerate() if t.name == "visavis-speaking"]

    @pytest.mark.parametrize(
        ("fields", "status", "code"),
        [
            ({"voice": "nobody"}, 404, "UnknownVoice"),
            ({"input": ""}, 422, "TextUnusable"),
            ({"input": "\x00\x01"}, 422, "TextUnusable"),
            ({"input": "a" * 30_000}, 422, "TextUnusable"),
            ({"input": 5}, 422, "RequestInvalid"),
            ({"speed": 9}, 422, "RequestInvalid"),
            ({"response_format": "midi"}, 422, "RequestInvalid"),
        ],
    )
    async def test_errors(
        self, client: openai.AsyncOpenAI, fields: dict[str, Any], status: int, code: str
    ) -> None:
        order: Any = {"model": "m", "voice": "nova", "input": "Hello."} | fields
        with pytest.raises(openai.APIStatusError) as caught:
            await client.audio.speech.create(**order)
        assert caught.value.status_code == status
        assert caught.value.code == code
        assert caught.value.type == "invalid_request_error"

    async def test_a_wrong_key(self, client: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="wrong").models.list()


class TestTranscriptions:
    async def test_json_text_and_verbose(self, client: openai.AsyncOpenAI) -> None:
        sound = ("问题.wav", make_wav())
        told = await client.audio.transcriptions.create(model="whisper-1", file=sound)
        assert told.text == "如何补办身份证?"
        text = await client.audio.transcriptions.create(
            model="whisper-1", file=sound, response_format="text", language="zh"
        )
        assert str(text).strip() == told.text
        verbose = await client.audio.transcriptions.create(
            model="whisper-1", file=sound, response_format="verbose_json"
        )
        assert verbose.language == "chinese"
        assert verbose.segments is not None
        assert verbose.segments[0].text == told.text

    @pytest.mark.parametrize("format", ["srt", "vtt"])
    async def test_subtitles(self, client: openai.AsyncOpenAI, format: Any) -> None:
        told = await client.audio.transcriptions.create(
            model="whisper-1", file=("q.wav", make_wav()), response_format=format
        )
        assert "-->" in str(told)
        assert str(told).startswith("WEBVTT" if format == "vtt" else "1\n")

    async def test_events(self, client: openai.AsyncOpenAI) -> None:
        stream = await client.audio.transcriptions.create(
            model="whisper-1", file=("q.wav", make_wav()), stream=True
        )
        events = [event async for event in stream]
        assert [e.type for e in events] == ["transcript.text.delta", "transcript.text.done"]
        assert events[-1].text == "如何补办身份证?"  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("sound", "language", "status", "code"),
        [
            (b"", "", 400, "FileUnreadable"),
            (b"words", "", 400, "FileUnreadable"),
            (make_wav(), "fr", 422, "RequestInvalid"),
        ],
    )
    async def test_errors(
        self, client: openai.AsyncOpenAI, sound: bytes, language: str, status: int, code: str
    ) -> None:
        with pytest.raises(openai.APIStatusError) as caught:
            await client.audio.transcriptions.create(
                model="m", file=("q.wav", sound), language=language
            )
        assert (caught.value.status_code, caught.value.code) == (status, code)


class TestChat:
    MESSAGES: Any = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "How?"}]},
    )

    async def test_whole(self, client: openai.AsyncOpenAI) -> None:
        told = await client.chat.completions.create(model="any", messages=self.MESSAGES)
        message = told.choices[0].message
        assert message.content is not None
        assert message.content.startswith("Bring your identity card.")
        assert told.choices[0].finish_reason == "stop"
        assert told.usage is not None
        assert told.usage.total_tokens == told.usage.prompt_tokens + told.usage.completion_tokens
        assert told.usage.completion_tokens == count_tokens(message.content)
        assert told.model == "any"

    async def test_stream(self, client: openai.AsyncOpenAI) -> None:
        whole = await client.chat.completions.create(model="m", messages=self.MESSAGES)
        stream = await client.chat.completions.create(
            model="m", messages=self.MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text.strip() == whole.choices[0].message.content
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
        assert chunks[-1].usage == whole.usage
        assert len({c.id for c in chunks}) == 1

    @pytest.mark.parametrize(
        "messages",
        [
            [],
            [{"role": "assistant", "content": "Hello."}],
            [{"role": "user", "content": ""}],
            [{"role": "wizard", "content": "Hello."}],
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
            [{"role": "user", "content": "x" * 2_000}],
        ],
    )
    async def test_errors(self, client: openai.AsyncOpenAI, messages: Any) -> None:
        for stream in (False, True):
            with pytest.raises(openai.UnprocessableEntityError):
                await client.chat.completions.create(model="m", messages=messages, stream=stream)

    async def test_models(self, client: openai.AsyncOpenAI) -> None:
        names = [model.id async for model in client.models.list()]
        assert {"tts-1", "whisper-1"} < set(names)
        assert (await client.models.retrieve(names[0])).id == names[0]
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("nothing")

    def test_tokens(self) -> None:
        assert count_tokens("How much is it? 多少钱？") == 9


class TestSounds:
    def make_tone(self) -> Floats:
        time = np.arange(RATE) / RATE
        return (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)

    @pytest.mark.parametrize("format", ["mp3", "opus", "aac", "flac", "wav"])
    def test_bytes_come_while_it_is_made(self, format: SoundFormat) -> None:
        encoder, tone = open_encoder(format, RATE), self.make_tone()
        early = b"".join(encoder.feed(tone[i : i + 1_200]) for i in range(0, RATE // 2, 1_200))
        # Half a second was given; most of it is out.
        assert len(early) > 500
        late = encoder.feed(tone[RATE // 2 :]) + encoder.finish()
        assert seconds_of(early + late, format) == pytest.approx(1.0, abs=0.1)

    def test_a_wav_is_what_was_put_in(self) -> None:
        encoder, tone = open_encoder("wav", RATE), self.make_tone()
        with wave.open(io.BytesIO(encoder.feed(tone) + encoder.finish())) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)

    @pytest.mark.parametrize("speed", [0.25, 0.8, 2.0])
    def test_tempo_keeps_the_pitch(self, speed: float) -> None:
        tempo, tone = Tempo(speed, RATE), self.make_tone()
        out = np.concatenate([tempo.feed(tone), tempo.finish()])
        assert len(out) == pytest.approx(RATE / speed, rel=0.05)
        middle = out[len(out) // 4 : len(out) // 4 + 4_096] * np.hanning(4_096)
        peak = np.argmax(np.abs(np.fft.rfft(middle))) * RATE / 4_096
        assert peak == pytest.approx(440, abs=12)


async def test_speech_is_counted(tmp_path: Path, cast: Cast) -> None:
    async with open_api(tmp_path, cast) as api:
        await api.post("/v1/audio/speech", json={"input": "Hello."})
        text = (await api.get("/metrics")).text
        assert "visavis_speech_first_byte_seconds_count 1.0" in text
