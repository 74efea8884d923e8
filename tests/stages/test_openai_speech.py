"""The synthesizer `openai-speech`, and what all voices of servers have in common, over real HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_server import Answer
from cloning_servers import openai_speech
from service_server import Request, ServiceServer, pcm, problem, sound, split, tone, wav
from voice_files import QUICK, joined, sentence, write_voices

from conformance.synthesizer_suite import SynthesizerSuite, speak
from visavis.core.errors import (
    ConfigError,
    Error,
    LanguageUnsupported,
    StageError,
    TextUnusable,
)
from visavis.core.protocols import Synthesizer
from visavis.core.types import Emotion, Speech
from visavis.pipeline.bridge import Worker
from visavis.stages.services.calls import Limits
from visavis.stages.services.failures import read_retry_after
from visavis.stages.synthesizers.openai_speech import OpenaiSpeechSynthesizer

KEY = "sk-very-secret-123"
TEXT = "Please come in."
SOUND = tone(TEXT).astype(np.float32) / 32768
HASTY = Limits(connect_s=1.0, first_s=0.3, between_s=0.3, backoff_s=0.01)

Serve = Callable[..., tuple[ServiceServer, OpenaiSpeechSynthesizer]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(
            script: Any, more: str = "", limits: Limits = QUICK, path: str = "/v1"
        ) -> tuple[ServiceServer, OpenaiSpeechSynthesizer]:
            script = [script] if isinstance(script, Answer) else script
            server = stack.enter_context(ServiceServer(script).run())
            text = (
                f'[voices.nova]\nkind = "openai-speech"\nurl = "{server.url}{path}"\n'
                f'languages = ["en"]\nvoice = "nova"\n{more}\n'
            )
            return server, OpenaiSpeechSynthesizer(write_voices(tmp_path, text), limits)

        yield start


async def say(stage: Synthesizer, text: str = TEXT) -> list[Speech]:
    return await speak(stage, sentence(text), "nova")


async def fail(stage: Synthesizer, kind: type[Error] = StageError) -> tuple[Any, list[Speech]]:
    """Speak, and give the error with what was heard before it."""
    heard: list[Speech] = []

    async def listen() -> None:
        async for speech in stage.speak(sentence(TEXT), "nova"):
            heard.append(speech)

    with pytest.raises(kind) as caught:
        await listen()
    assert KEY not in str(caught.value)
    return caught.value, heard


class TestConformance(SynthesizerSuite):
    @pytest.fixture(params=["pcm", "wav"])
    def synthesizer(self, serve: Serve, request: pytest.FixtureRequest) -> Synthesizer:
        return serve(openai_speech(), f'format = "{request.param}"')[1]


class TestSound:
    @pytest.mark.parametrize("more", ['format = "pcm"', 'format = "wav"', ""])
    async def test_it_is_what_the_server_sent(self, serve: Serve, more: str) -> None:
        _, stage = serve(openai_speech(), more)
        heard = await say(stage)
        np.testing.assert_array_equal(joined(heard), SOUND)
        assert max(s.audio.duration for s in heard) <= 0.2
        assert [s.is_last for s in heard] == [False] * (len(heard) - 1) + [True]

    @pytest.mark.parametrize("size", [101, 997])
    async def test_odd_pieces(self, serve: Serve, size: int) -> None:
        _, stage = serve(sound(*split(pcm(TEXT), size)))
        heard = await say(stage)
        np.testing.assert_array_equal(joined(heard), SOUND)
        assert min(s.audio.duration for s in heard[:-1]) >= 0.04

    async def test_a_header_of_another_rate_is_believed(self, serve: Serve) -> None:
        _, stage = serve(sound(wav(tone(TEXT, 16_000), 16_000), kind="audio/wav"), 'format = "wav"')
        heard = joined(await say(stage))
        assert len(heard) == pytest.approx(len(SOUND), abs=3)
        # The same pitch at the rate of the voice: the spectra have one peak at one place.
        peaks = [np.abs(np.fft.rfft(s[: len(heard)])).argmax() for s in (heard, SOUND)]
        assert abs(int(peaks[0]) - int(peaks[1])) <= 1

    @pytest.mark.parametrize(
        "answer",
        [
            sound(pcm(TEXT, 16_000), **{"x-audio-sample-rate": "16000"}),
            sound(pcm(TEXT, 16_000), **{"X-Custom-Header-sampleRate": "16000"}),
            sound(pcm(TEXT, 16_000), kind="audio/pcm;rate=16000"),
        ],
    )
    async def test_so_is_a_header_of_http(self, serve: Serve, answer: Answer) -> None:
        _, stage = serve(answer)
        assert len(joined(await say(stage))) == pytest.approx(len(SOUND), abs=3)

    async def test_the_rate_of_the_file_is_of_raw_sound(self, serve: Serve) -> None:
        _, stage = serve(sound(pcm(TEXT, 16_000)), "rate = 16000")
        heard = await say(stage)
        assert {s.audio.sample_rate for s in heard} == {16_000}
        np.testing.assert_array_equal(joined(heard), tone(TEXT, 16_000).astype(np.float32) / 32768)

    async def test_the_first_piece_comes_while_the_server_still_speaks(self, serve: Serve) -> None:
        data = pcm(TEXT, seconds=1.0)
        server, stage = serve(sound(data[:9_600], "hang"))
        began = time.monotonic()
        async with aclosing(stage.speak(sentence(), "nova")) as speeches:
            first = await anext(speeches)
        assert time.monotonic() - began < 1.5
        assert 0 < first.audio.duration <= 0.2
        assert not first.is_last
        assert await asyncio.to_thread(server.hung_up.wait, 2.0), "closing hangs up"


class TestOrder:
    async def ask(self, serve: Serve, more: str = "", path: str = "/v1", **how: Any) -> Request:
        server, stage = serve(openai_speech(), more, path=path)
        await speak(stage, sentence(TEXT, **how), "nova")
        return server.requests[0]

    async def test_plain(self, serve: Serve) -> None:
        asked = await self.ask(serve)
        assert asked.json == {
            "model": "tts-1", "input": TEXT, "voice": "nova", "response_format": "pcm",
        }  # fmt: skip
        assert "authorization" not in asked.headers

    @pytest.mark.parametrize("path", ["", "/", "/v1/", "/v1/audio/speech"])
    async def test_addresses(self, serve: Serve, path: str) -> None:
        assert (await self.ask(serve, path=path)).path == "/v1/audio/speech"

    async def test_an_emotion_is_told_in_words_and_pace(self, serve: Serve) -> None:
        more = 'model = "gpt-4o-mini-tts"\ninstruct = "Speak calmly."\nspeed = 1.1'
        order = (await self.ask(serve, more, emotion="happy", much=1.0)).json
        assert order["instructions"] == "Speak calmly. Speak in a very happy tone."
        assert order["speed"] == pytest.approx(1.1 * 1.06, abs=1e-3)
        sad = (await self.ask(serve, more, emotion="sad", much=0.5)).json
        assert sad["instructions"] == "Speak calmly. Speak in a sad tone."
        assert sad["speed"] < 1.1
        calm = (await self.ask(serve, more)).json
        assert (calm["instructions"], calm["speed"]) == ("Speak calmly.", 1.1)

    @pytest.mark.parametrize("emotion", ["angry", "contempt", "fear"])
    async def test_models_without_words_get_none(self, serve: Serve, emotion: Emotion) -> None:
        order = (await self.ask(serve, emotion=emotion, much=1.0)).json
        assert "instructions" not in order
        assert order["speed"] != 1.0

    async def test_another_language_is_not_sent(self, serve: Serve) -> None:
        server, stage = serve(openai_speech())
        with pytest.raises(LanguageUnsupported, match="'nova' speaks en"):
            await speak(stage, sentence("你好。"), "nova")
        assert not server.requests

    async def test_the_key(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NOVA_KEY", f" {KEY}\n")
        server, stage = serve(openai_speech(KEY), 'key_variable = "NOVA_KEY"')
        assert await say(stage)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        monkeypatch.setenv("NOVA_KEY", "wrong")
        error, _ = await fail(stage, ConfigError)
        assert "refuses the key; set NOVA_KEY" in str(error)


class TestErrors:
    @pytest.mark.parametrize(
        ("answer", "told", "retryable", "asked"),
        [
            (problem(400, {"error": {"message": "bad voice"}}), "(400): bad voice", False, 1),
            (problem(422, {"detail": [{"msg": "Field required"}]}), "Field required", False, 1),
            (problem(402, {}), "no credit", False, 1),
            (problem(500, {"error": "CUDA out of memory"}), "500: CUDA out", True, 3),
            (problem(503, {}), "is busy (503)", True, 3),
            (problem(429, {}, **{"retry-after": "60"}), "try again in 60 s", True, 1),
            (Answer((b"<html>oops</html>",), 502, "text/html"), "502: it does not", True, 3),
            (Answer((b"<html>hello</html>",), kind="text/html"), "web page", False, 1),
            (Answer((b'{"error": "no voice"}',), kind="application/json"), "no voice", False, 1),
            (sound(b"<!DOCTYPE html><html>login</html>"), "it is text", False, 1),
            (sound(b"ID3\x04" + bytes(2_000)), "it is MP3", False, 1),
            (sound(), "sent no sound", True, 3),
            (sound("cut"), "failed or broke", True, 3),
            (sound(b"\x01", "cut"), "failed or broke", True, 3),
        ],
    )
    async def test_each_is_told_and_retried_where_that_helps(
        self, serve: Serve, answer: Answer, told: str, retryable: bool, asked: int
    ) -> None:
        server, stage = serve(answer)
        error, heard = await fail(stage)
        assert told in str(error)
        assert error.retryable is retryable
        assert not heard
        assert len(server.requests) == asked

    @pytest.mark.parametrize("status", [301, 401, 403, 404, 405])
    async def test_settings(self, serve: Serve, status: int) -> None:
        server, stage = serve(problem(status, {"error": {"message": "no such thing"}}))
        error, _ = await fail(stage, ConfigError)
        assert "127.0.0.1" in str(error)
        assert len(server.requests) == 1

    async def test_a_key_in_the_answer_is_not_repeated(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NOVA_KEY", KEY)
        _, stage = serve(
            problem(400, {"error": {"message": f"odd {KEY}"}}), 'key_variable = "NOVA_KEY"'
        )
        error, _ = await fail(stage)
        assert "odd [key]" in str(error)

    async def test_it_works_after_a_busy_moment(self, serve: Serve) -> None:
        busy = problem(503, {}, **{"retry-after": "0.05"})
        server, stage = serve([busy, problem(500, {}), sound(pcm(TEXT))])
        np.testing.assert_array_equal(joined(await say(stage)), SOUND)
        assert len(server.requests) == 3

    async def test_nobody_is_there(self, serve: Serve) -> None:
        server, stage = serve(sound())
        with ServiceServer([]).run() as other:
            gone = other.url
        path = stage._shelf._path
        assert path is not None
        path.write_text(path.read_text().replace(server.url, gone))
        error, _ = await fail(stage)
        assert error.retryable
        assert "see that it runs" in str(error)

    @pytest.mark.parametrize("format", ["pcm", "wav"])
    async def test_broken_off_in_the_middle(self, serve: Serve, format: str) -> None:
        data = pcm(TEXT) if format == "pcm" else wav(tone(TEXT))
        server, stage = serve(sound(data[:20_000], 0.05, "cut"), f'format = "{format}"')
        error, heard = await fail(stage)
        assert error.retryable
        assert len(server.requests) == 1, "what was heard is not said once more"
        kept = joined(heard)
        assert len(kept) == (20_000 - (44 if format == "wav" else 0)) // 2
        np.testing.assert_array_equal(kept, SOUND[: len(kept)])
        assert not any(s.is_last for s in heard)

    async def test_a_wav_file_that_ends_too_early(self, serve: Serve) -> None:
        _, stage = serve(sound(wav(tone(TEXT))[:20_000], kind="audio/wav"), 'format = "wav"')
        error, heard = await fail(stage)
        assert "broke off within a sentence" in str(error)
        assert len(joined(heard)) == (20_000 - 44) // 2

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(("hang",)),
            sound("hang"),
            sound(b"\x01", "hang"),
            sound(*split(bytes(100), 1, 0.03)),
        ],
        ids=["no answer", "no sound", "a byte", "a trickle"],
    )
    async def test_hangs_before_the_first_sound(self, serve: Serve, answer: Answer) -> None:
        server, stage = serve(answer, limits=HASTY)
        began = time.monotonic()
        error, heard = await fail(stage)
        assert "gave no answer for 0.3 s" in str(error)
        assert error.retryable
        assert not heard
        assert time.monotonic() - began < 1.5
        assert len(server.requests) == 1

    @pytest.mark.parametrize("steps", [("hang",), split(bytes(100), 1, 0.03)])
    async def test_hangs_in_the_middle(self, serve: Serve, steps: Any) -> None:
        _, stage = serve(sound(pcm(TEXT)[:9_600], *steps), limits=HASTY)
        error, heard = await fail(stage)
        assert "went silent for 0.3 s" in str(error)
        assert len(joined(heard)) >= 4_800

    async def test_slow_is_not_hanging(self, serve: Serve) -> None:
        _, stage = serve(sound(*split(pcm(TEXT), 4_801, 0.08)), limits=HASTY)
        np.testing.assert_array_equal(joined(await say(stage)), SOUND)

    async def test_sound_without_end(self, serve: Serve) -> None:
        server, stage = serve(sound(*[bytes(960_000)] * 30))
        error, heard = await fail(stage)
        assert "sound without end" in str(error)
        assert len(joined(heard)) / 24_000 < 80
        assert len(server.requests) == 1

    @pytest.mark.parametrize("text", ["", " ", "🙂", "…!?", "—"])
    async def test_nothing_to_say_is_not_sent(self, serve: Serve, text: str) -> None:
        server, stage = serve(openai_speech())
        with pytest.raises(TextUnusable):
            await say(stage, text)
        assert not server.requests


class TestSessions:
    async def test_many_at_once(self, serve: Serve) -> None:
        _, stage = serve(openai_speech(pause=0.01))
        texts = [f"Number {n}, please." for n in range(8)]
        said = await asyncio.gather(*(say(stage, text) for text in texts))
        for text, heard in zip(texts, said, strict=True):
            np.testing.assert_array_equal(joined(heard), tone(text).astype(np.float32) / 32768)

    async def test_a_cancelled_task_hangs_up_at_once(self, serve: Serve) -> None:
        server, stage = serve(sound("hang"), limits=Limits())
        task = asyncio.create_task(say(stage))
        assert await asyncio.to_thread(server.asked.wait, 2.0)
        began = time.monotonic()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        assert time.monotonic() - began < 0.5
        assert await asyncio.to_thread(server.hung_up.wait, 2.0)

    async def test_on_workers_with_loops_of_their_own(self, serve: Serve) -> None:
        _, stage = serve(openai_speech())
        workers = [Worker("one"), Worker("two")]
        try:
            for worker in workers:
                relay = worker.iterate(lambda: stage.speak(sentence(), "nova"))
                np.testing.assert_array_equal(joined([s async for s in relay]), SOUND)
        finally:
            for worker in workers:
                await worker.close()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("-3", 0.0),
        ("soon", None),
        ("nan", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert read_retry_after({"retry-after": value}, now=10.0) == seconds
