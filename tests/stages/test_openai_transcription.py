"""The recogniser `openai-transcription` against a stand-in, with real speech and the real detector."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_server import Answer
from service_server import ServiceServer, problem
from transcription_server import Transcriptions, event

from conformance.recognizer_suite import RecognizerSuite, chunks, final_text, hear
from visavis.core.errors import AudioSilent, AudioTooShort, ConfigError, StageError
from visavis.core.types import Transcript, Waveform
from visavis.media.audio import read_audio
from visavis.stages.recognizers.openai_transcription import OpenaiTranscriptionRecognizer
from visavis.stages.recognizers.rich_text import FeltTranscript
from visavis.stages.services.calls import Limits

pytestmark = pytest.mark.assets

FIXTURES = Path(__file__).parent.parent / "fixtures"
TEXT = "请问今天的天气怎么样？"
KEY = "sk-very-secret-123"
QUICK = Limits(connect_s=2.0, first_s=3.0, between_s=3.0, backoff_s=0.01)
HASTY = Limits(connect_s=1.0, first_s=0.3, between_s=0.3, backoff_s=0.01)


@pytest.fixture(scope="module")
def speech() -> Waveform:
    whole = read_audio(FIXTURES / "speech_zh.wav", 16_000)
    return Waveform(whole.samples[:40_000], 16_000)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "KEY", "KEY_FILE", "MODEL", "MODE"):
        monkeypatch.delenv(f"VISAVIS_RECOGNIZER_{name}", raising=False)


@pytest.fixture
def serve() -> Iterator[Any]:
    with ExitStack() as stack:

        def start(
            script: Any = None, **options: Any
        ) -> tuple[ServiceServer, OpenaiTranscriptionRecognizer]:
            script = [script] if isinstance(script, Answer) else script or Transcriptions(TEXT)
            server = stack.enter_context(ServiceServer(script).run())
            options = {"url": server.url + "/v1", "limits": QUICK} | options
            return server, OpenaiTranscriptionRecognizer(**options)

        yield start


class TestConformance(RecognizerSuite):
    @pytest.fixture(params=["json", "openai"])
    def recognizer(self, serve: Any, request: pytest.FixtureRequest) -> Any:
        return serve(Transcriptions(TEXT, style=request.param))[1]

    @pytest.fixture
    def question(self, speech: Waveform) -> Waveform:
        return speech

    @pytest.fixture
    def expected(self) -> str:
        return "天气"


class TestText:
    @pytest.mark.parametrize("style", ["openai", "vllm"])
    async def test_partial_texts_grow(self, serve: Any, speech: Waveform, style: Any) -> None:
        _, stage = serve(Transcriptions(TEXT, style=style))
        heard = await hear(stage, speech)
        texts = ["请问今", "请问今天的天", TEXT, TEXT]
        assert [t.text for t in heard[:4]] == texts
        assert [t.is_final for t in heard[:4]] == [False, False, False, True]
        assert {t.language for t in heard} == {"zh"}

    @pytest.mark.parametrize("style", ["json", "strict"])
    async def test_servers_that_do_not_stream(
        self, serve: Any, speech: Waveform, style: Any
    ) -> None:
        made = Transcriptions(TEXT, style=style)
        server, stage = serve(made)
        assert {t.is_final for t in await hear(stage, speech)} == {True}
        before = len(server.requests)
        await hear(stage, speech)
        assert len(server.requests) - before == len(made.seconds) / 2, "it is refused only once"

    async def test_plain_text(self, serve: Any, speech: Waveform) -> None:
        _, stage = serve(Answer((TEXT.encode() + b"\n",), kind="text/plain"))
        assert TEXT in final_text(await hear(stage, speech))

    async def test_tags_of_sensevoice(self, serve: Any, speech: Waveform) -> None:
        _, stage = serve(Transcriptions("<|zh|><|SAD|><|Speech|>你 好", style="json"))
        heard = (await hear(stage, speech))[0]
        assert isinstance(heard, FeltTranscript)
        assert (heard.text, heard.emotion) == ("你好", "sad")

    async def test_two_turns_with_their_times(self, serve: Any, speech: Waveform) -> None:
        made = Transcriptions("One.", "Two.", style="json")
        _, stage = serve(made)
        pause = np.zeros(32_000, np.float32)
        twice = Waveform(np.concatenate([speech.samples, pause, speech.samples]), 16_000)
        heard = await hear(stage, twice)
        assert heard[0].text == "One."
        assert len(heard) == len(made.seconds) >= 2
        assert heard[-1].start > speech.duration + 1.5
        assert heard[-1].end <= twice.duration
        assert heard[-1].language == "en"

    async def test_respelling(self, serve: Any, speech: Waveform) -> None:
        def respell(heard: Transcript) -> Transcript:
            return replace(heard, text="改")

        _, stage = serve(respell=respell)
        heard = await hear(stage, speech)
        assert {t.text for t in heard if t.is_final} == {"改"}
        assert "改" not in {t.text for t in heard if not t.is_final}


class TestOrder:
    async def test_plain(self, serve: Any, speech: Waveform) -> None:
        server, stage = serve()
        await hear(stage, speech)
        asked = server.requests[0]
        expected = {"model": "whisper-1", "response_format": "json", "stream": "true"}
        assert asked.form == expected
        assert asked.files["file"][0] == "turn.wav"
        assert "authorization" not in asked.headers

    async def test_settings(
        self, serve: Any, speech: Waveform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server, _ = serve(Transcriptions(TEXT, key=KEY))
        monkeypatch.setenv("VISAVIS_RECOGNIZER_URL", server.url)
        monkeypatch.setenv("VISAVIS_RECOGNIZER_MODEL", "iic/SenseVoiceSmall")
        monkeypatch.setenv("VISAVIS_RECOGNIZER_KEY", KEY)
        stage = OpenaiTranscriptionRecognizer("zh", hint="护照\n身份证", limits=QUICK)
        assert await hear(stage, speech)
        form = server.requests[0].form
        assert (form["model"], form["language"], form["prompt"]) == (
            "iic/SenseVoiceSmall", "zh", "护照 身份证",
        )  # fmt: skip

    async def test_long_sound_is_cut(self, serve: Any, speech: Waveform) -> None:
        made = Transcriptions(TEXT, style="json")
        _, stage = serve(made)
        long = Waveform(np.tile(speech.samples, 12), 16_000)
        assert await hear(stage, long, 5.0)
        assert max(made.seconds) <= 28.5
        assert sum(made.seconds) > 0.6 * long.duration

    @pytest.mark.parametrize("url", ["", "ftp://x", "http://a:b@host"])
    def test_addresses(self, url: str) -> None:
        with pytest.raises(ConfigError, match="VISAVIS_RECOGNIZER_URL"):
            OpenaiTranscriptionRecognizer(url=url)


class TestErrors:
    async def test_no_speech_is_not_sent(self, serve: Any) -> None:
        server, stage = serve()
        noise = np.random.default_rng(0).normal(0, 0.01, 32_000).astype(np.float32)
        with pytest.raises(AudioSilent):
            await hear(stage, Waveform(noise, 16_000))
        with pytest.raises(AudioTooShort):
            await hear(stage, Waveform(noise[:100], 16_000))
        assert not server.requests

    @pytest.mark.parametrize("text", ["", " ", "。", "<|nospeech|>"])
    async def test_no_words(self, serve: Any, speech: Waveform, text: str) -> None:
        _, stage = serve(Transcriptions(text, style="json"))
        with pytest.raises(AudioSilent):
            await hear(stage, speech)

    @pytest.mark.parametrize(
        ("answer", "told", "retryable", "asked"),
        [
            (problem(400, {"error": {"message": "odd file"}}), "(400): odd file", False, 2),
            (problem(413, {"detail": "too large"}), "(413): too large", False, 1),
            (problem(500, {}), "status 500", True, 3),
            (problem(429, {}, **{"retry-after": "30"}), "try again in 30 s", True, 1),
            (Answer((b"<html>",), kind="text/html"), "web page", False, 1),
            (Answer((b"\xff\x00garbage",), kind="application/json"), "not JSON", False, 1),
            (Answer((b'{"words": []}',), kind="application/json"), "no text in it", False, 1),
            (Answer((b'{"error": "OOM"}',), kind="application/json"), "OOM", False, 1),
            (Answer((event({"type": "error", "error": "OOM"}),)), "failed: OOM", False, 1),
            (Answer((b"data: {]\n\n",)), "event is not", False, 1),
            (Answer((b"data: []\n\n",)), "event is not", False, 1),
            (Answer(()), "broke off", True, 3),
            (Answer(("cut",)), "failed or broke", True, 3),
            (Answer((b"x" * 2**21,)), "text without end", False, 1),
        ],
    )
    async def test_each_is_told_and_retried_where_that_helps(
        self,
        serve: Any,
        speech: Waveform,
        answer: Answer,
        told: str,
        retryable: bool,
        asked: int,
    ) -> None:
        server, stage = serve(answer)
        with pytest.raises(StageError) as caught:
            await hear(stage, speech)
        assert told in str(caught.value)
        assert caught.value.retryable is retryable
        assert len(server.requests) == asked

    async def test_a_wrong_key(self, serve: Any, speech: Waveform) -> None:
        _, stage = serve(Transcriptions(TEXT, key="other"), key=KEY)
        with pytest.raises(ConfigError, match="set VISAVIS_RECOGNIZER_KEY") as caught:
            await hear(stage, speech)
        assert KEY not in str(caught.value)

    async def test_a_busy_moment(self, serve: Any, speech: Waveform) -> None:
        made = Transcriptions(TEXT)
        answers = iter([problem(503, {}), Answer(("cut",))])
        _, stage = serve(lambda request: next(answers, None) or made(request))
        assert TEXT in final_text(await hear(stage, speech))

    @pytest.mark.parametrize(
        ("steps", "told"),
        [
            (("hang",), "gave no answer"),
            ((b"data:", "hang"), "gave no answer"),
            ((event({"type": "transcript.text.delta", "delta": "请"}), "hang"), "went silent"),
        ],
    )
    async def test_hangs(self, serve: Any, speech: Waveform, steps: Any, told: str) -> None:
        _, stage = serve(Answer(steps), limits=HASTY)
        with pytest.raises(StageError, match=f"{told} for 0.3 s"):
            await hear(stage, speech)

    async def test_slow_is_not_hanging(self, serve: Any, speech: Waveform) -> None:
        _, stage = serve(Transcriptions(TEXT, pause=0.08), limits=HASTY)
        assert TEXT in final_text(await hear(stage, speech))

    async def test_closing_hangs_up_at_once(self, serve: Any, speech: Waveform) -> None:
        first = event({"type": "transcript.text.delta", "delta": "请"})
        server, stage = serve(Answer((first, "hang")))
        async with aclosing(stage.transcribe(chunks(speech, 0.2))) as transcripts:
            assert (await anext(transcripts)).text == "请"
            began = time.monotonic()
        assert time.monotonic() - began < 0.5
        assert await asyncio.to_thread(server.hung_up.wait, 2.0)

    async def test_the_microphone_fails(self, serve: Any, speech: Waveform) -> None:
        _, stage = serve()

        async def broken() -> AsyncIterator[Waveform]:
            yield speech
            raise OSError("unplugged")

        with pytest.raises(OSError, match="unplugged"):
            _ = [t async for t in stage.transcribe(broken())]
