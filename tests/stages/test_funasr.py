"""The recogniser `funasr` against stand-ins of both of FunASR's servers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from funasr_server import FunasrServer

from conformance.recognizer_suite import RecognizerSuite, chunks, final_text, hear
from visavis.core.errors import AudioSilent, AudioTooShort, ConfigError, StageError
from visavis.core.types import Transcript, Waveform
from visavis.stages.recognizers.funasr import FunasrRecognizer
from visavis.stages.recognizers.funasr_talk import FunasrLimits
from visavis.stages.recognizers.rich_text import FeltTranscript, read_tags

TEXT = "请问今天的天气怎么样？"
QUICK = FunasrLimits(connect_s=2.0, send_s=1.0, final_s=0.4, settle_s=0.1, backlog=0.0)


def speech(*stretches: float, rate: int = 16_000, level: float = 0.3) -> Waveform:
    """Tones of these seconds, with 0.6 s of quiet around each."""
    quiet = np.zeros(round(0.6 * rate), np.float32)
    parts = [quiet]
    for seconds in stretches:
        times = np.arange(round(seconds * rate)) / rate
        parts += [(level * np.sin(2 * np.pi * 220 * times)).astype(np.float32), quiet]
    return Waveform(np.concatenate(parts), rate)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "KEY", "KEY_FILE", "MODEL", "MODE"):
        monkeypatch.delenv(f"VISAVIS_RECOGNIZER_{name}", raising=False)


@pytest.fixture
async def serve() -> AsyncIterator[Any]:
    async with AsyncExitStack() as stack:

        async def start(
            *texts: str, how: dict[str, Any] | None = None, **options: Any
        ) -> tuple[FunasrServer, FunasrRecognizer]:
            made = FunasrServer(list(texts) or [TEXT], **(how or {}))
            server = await stack.enter_async_context(made.run())
            return server, FunasrRecognizer(
                **({"url": server.url, "limits": QUICK} | options)  # type: ignore[arg-type]
            )

        yield start


class TestConformance(RecognizerSuite):
    @pytest.fixture(params=["cpp", "python"])
    async def recognizer(self, serve: Any, request: pytest.FixtureRequest) -> Any:
        return (await serve(how={"flavour": request.param}))[1]

    @pytest.fixture
    def question(self) -> Waveform:
        return speech(1.5)

    @pytest.fixture
    def expected(self) -> str:
        return "天气"


@pytest.mark.parametrize("flavour", ["cpp", "python"])
class TestBothServers:
    async def test_partial_results_grow_and_are_corrected(self, serve: Any, flavour: str) -> None:
        _, stage = await serve(how={"flavour": flavour})
        heard = await hear(stage, speech(1.9))
        assert [t.text for t in heard] == ["请问今", "请问今天的天", "请问今天的天气怎么", TEXT]
        assert [t.is_final for t in heard] == [False, False, False, True]
        assert {t.language for t in heard} == {"zh"}

    async def test_several_stretches(self, serve: Any, flavour: str) -> None:
        _, stage = await serve("第一句。", "第二句。", "Third one.", how={"flavour": flavour})
        sound = speech(0.8, 0.7, 0.9)
        heard = [t for t in await hear(stage, sound) if t.is_final]
        assert [t.text for t in heard] == ["第一句。", "第二句。", "Third one."]
        assert [t.language for t in heard] == ["zh", "zh", "en"]
        edges = [x for t in heard for x in (t.start, t.end)]
        assert edges == sorted(edges)
        assert edges[-1] <= sound.duration + 0.07

    async def test_what_is_said_up_to_the_end(self, serve: Any, flavour: str) -> None:
        _, stage = await serve(how={"flavour": flavour})
        sound = speech(1.0)
        cut = Waveform(sound.samples[: 16_000 * 16 // 10], 16_000)
        heard = await hear(stage, cut)
        assert heard[-1].is_final
        assert heard[-1].text == TEXT

    async def test_offline(self, serve: Any, flavour: str) -> None:
        server, stage = await serve(how={"flavour": flavour}, mode="offline")
        heard = await hear(stage, speech(1.5, 0.8))
        assert [(t.text, t.is_final) for t in heard] == [(TEXT, True)] * 2
        assert server.starts[0]["mode"] == "offline"

    async def test_online_alone(self, serve: Any, flavour: str) -> None:
        _, stage = await serve(how={"flavour": flavour}, mode="online")
        heard = await hear(stage, speech(1.9))
        assert [t.is_final for t in heard] == [False, False, False, True]
        assert heard[-1].text == heard[-2].text == "请问今天的天气怎么"

    async def test_noise_without_words(self, serve: Any, flavour: str) -> None:
        _, stage = await serve("，", how={"flavour": flavour})
        with pytest.raises(AudioSilent):
            await hear(stage, speech(0.4))

    async def test_a_slow_server_with_a_whole_file(self, serve: Any, flavour: str) -> None:
        _, stage = await serve(how={"flavour": flavour, "slowness": 0.25})
        heard = await hear(stage, speech(0.8, 0.7, 0.9), 10.0)
        assert sum(t.is_final for t in heard) == 3

    async def test_all_was_answered_before_the_end(self, serve: Any, flavour: str) -> None:
        patient = replace(QUICK, final_s=6.0)
        _, stage = await serve(how={"flavour": flavour}, limits=patient)

        async def live() -> AsyncIterator[Waveform]:
            async for piece in chunks(speech(0.8, 0.7), 0.1):
                yield piece
                await asyncio.sleep(0.01)

        began = time.monotonic()
        heard = [t async for t in stage.transcribe(live())]
        assert sum(t.is_final for t in heard) == 2
        assert time.monotonic() - began < 3.0

    async def test_the_end_is_not_waited_for_where_it_is_known(
        self, serve: Any, flavour: str
    ) -> None:
        slow = replace(QUICK, settle_s=5.0)
        _, stage = await serve(how={"flavour": flavour}, limits=slow)
        sound = speech(1.5)
        began = time.monotonic()
        await hear(stage, Waveform(sound.samples[: 16_000 * 2], 16_000))
        assert time.monotonic() - began < 3.0


class TestProtocol:
    async def test_start_message_and_sound(self, serve: Any) -> None:
        server, stage = await serve(hint="护照, 身份证；护照 passport")
        await hear(stage, speech(1.0, rate=48_000))
        (start,) = server.starts
        assert start["mode"] == "2pass"
        assert start["is_speaking"] is True
        assert (start["wav_format"], start["audio_fs"]) == ("pcm", 16_000)
        assert start["chunk_size"] == [5, 10, 5]
        assert json.loads(start["hotwords"]) == {"护照": 20, "身份证": 20, "passport": 20}
        assert set(server.sizes) == {1920}, "60 ms each"
        assert len(server.sizes) == pytest.approx(2.2 / 0.06, abs=1)
        assert server.headers["sec-websocket-protocol"] == "binary"
        assert "authorization" not in server.headers

    async def test_a_key_and_the_environment(
        self, serve: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server, _ = await serve()
        monkeypatch.setenv("VISAVIS_RECOGNIZER_URL", server.url + "/")
        monkeypatch.setenv("VISAVIS_RECOGNIZER_KEY", "secret-1")
        monkeypatch.setenv("VISAVIS_RECOGNIZER_MODE", "offline")
        assert await hear(FunasrRecognizer(limits=QUICK), speech(1.0))
        assert server.headers["authorization"] == "Bearer secret-1"
        assert server.starts[0]["mode"] == "offline"

    async def test_tags_of_sensevoice(self, serve: Any) -> None:
        tags = "<|zh|><|HAPPY|><|Speech|><|withitn|>"
        _, stage = await serve("hello 你 好", how={"tags": tags})
        (heard,) = [t for t in await hear(stage, speech(1.0)) if t.is_final]
        assert (heard.text, heard.language) == ("hello 你好", "zh")
        assert isinstance(heard, FeltTranscript)
        assert heard.emotion == "happy"

    async def test_times_of_the_server(self, serve: Any) -> None:
        _, stage = await serve(how={"timestamps": True})
        heard = [t for t in await hear(stage, speech(1.2, 0.6)) if t.is_final]
        assert [(round(t.start, 2), round(t.end, 2)) for t in heard] == [
            (0.6, 1.8), (2.4, 3.0),
        ]  # fmt: skip

    async def test_a_stream_that_began_before(self, serve: Any) -> None:
        _, stage = await serve(how={"timestamps": True})
        sound = speech(1.2)

        async def later() -> AsyncIterator[Waveform]:
            yield Waveform(sound.samples, 16_000, 160_000)

        heard = [t async for t in stage.transcribe(later())]
        assert heard[-1].start == pytest.approx(10.6)

    async def test_respelling(self, serve: Any) -> None:
        def respell(heard: Transcript) -> Transcript:
            return replace(heard, text=heard.text.replace("天气", "天器"))

        _, stage = await serve(respell=respell)
        heard = await hear(stage, speech(1.5))
        assert "天器" in heard[-1].text
        assert "天器" not in heard[-2].text

    async def test_odd_messages_are_passed_over(self, serve: Any) -> None:
        _, stage = await serve(how={"trouble": "odd"})
        assert final_text(await hear(stage, speech(1.5))) == TEXT

    async def test_long_sound(self, serve: Any) -> None:
        server, stage = await serve(how={"flavour": "python"})
        sound = speech(*[2.0] * 40)
        heard = await hear(stage, sound, 10.0)
        assert sum(t.is_final for t in heard) == 40
        assert len(server.sizes) == pytest.approx(sound.duration / 0.06, abs=1)


class TestErrors:
    async def test_next_to_no_sound(self, serve: Any) -> None:
        _, stage = await serve()
        with pytest.raises(AudioTooShort):
            await hear(stage, Waveform(np.zeros(0, np.float32), 16_000))
        with pytest.raises(AudioTooShort):
            await hear(stage, Waveform(np.zeros(100, np.float32), 16_000))

    @pytest.mark.parametrize(
        ("trouble", "told", "retryable"),
        [
            ("close", "broke off before it had said all", True),
            ("garbage", "not JSON", False),
            ("list", "no object", False),
            ("hang", "went silent for 0.4 s", True),
            ("tail", "went silent for 0.4 s", True),
        ],
    )
    async def test_servers_that_fail(
        self, serve: Any, trouble: str, told: str, retryable: bool
    ) -> None:
        _, stage = await serve(how={"trouble": trouble})
        sound = speech(1.5)
        began = time.monotonic()
        with pytest.raises(StageError, match=told) as caught:
            await hear(stage, Waveform(sound.samples[: 16_000 * 2], 16_000))
        assert caught.value.retryable is retryable
        assert time.monotonic() - began < 3.0

    async def test_alive_and_without_a_word(self, serve: Any) -> None:
        _, stage = await serve(how={"trouble": "tail"}, mode="offline")
        with pytest.raises(AudioSilent):
            await hear(stage, Waveform(speech(1.0).samples[:16_000], 16_000))

    async def test_dead_and_without_a_word(self, serve: Any) -> None:
        _, stage = await serve(how={"trouble": "hang"}, mode="offline")
        with pytest.raises(StageError, match="went silent"):
            await hear(stage, Waveform(speech(1.0).samples[:16_000], 16_000))

    async def test_a_server_that_takes_nothing(self, serve: Any) -> None:
        _, stage = await serve(how={"trouble": "deaf"}, limits=replace(QUICK, send_s=0.3))
        with pytest.raises(StageError, match=r"went silent for 0\.3 s"):
            await hear(stage, speech(*[8.0] * 40), 30.0)

    async def test_refused(self, serve: Any) -> None:
        _, stage = await serve(how={"trouble": "refuse"})
        with pytest.raises(ConfigError, match="refuses the key; set VISAVIS_RECOGNIZER_KEY"):
            await hear(stage, speech(1.0))

    async def test_nobody_is_there(self) -> None:
        server = FunasrServer([TEXT])
        async with server.run():
            pass
        with pytest.raises(StageError, match="see that it runs") as caught:
            await hear(FunasrRecognizer(url=server.url, limits=QUICK), speech(1.0))
        assert caught.value.retryable

    async def test_the_microphone_fails(self, serve: Any) -> None:
        server, stage = await serve()

        async def broken() -> AsyncIterator[Waveform]:
            yield speech(0.5)
            raise OSError("unplugged")

        with pytest.raises(OSError, match="unplugged"):
            _ = [t async for t in stage.transcribe(broken())]
        async with asyncio.timeout(2):
            await server.closed.wait()

    async def test_closing_hangs_up_at_once(self, serve: Any) -> None:
        server, stage = await serve()

        async def endless() -> AsyncIterator[Waveform]:
            async for piece in chunks(speech(30.0), 0.2):
                yield piece
            await asyncio.sleep(60)

        began = time.monotonic()
        async with aclosing(stage.transcribe(endless())) as transcripts:
            await anext(transcripts)
        assert time.monotonic() - began < 2.0
        async with asyncio.timeout(2):
            await server.closed.wait()

    @pytest.mark.parametrize("url", ["", "http://x", "ws://", "ws://a:b@host", "x" * 40])
    def test_addresses(self, url: str) -> None:
        with pytest.raises(ConfigError, match="VISAVIS_RECOGNIZER_URL"):
            FunasrRecognizer(url=url)

    def test_modes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VISAVIS_RECOGNIZER_MODE", "3pass")
        with pytest.raises(ConfigError, match="'3pass'; it is 2pass, online, offline"):
            FunasrRecognizer(url="ws://x")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("<|en|><|NEUTRAL|><|Speech|><|woitn|>hi there", ("hi there", "en", "neutral")),
        ("<|zh|><|NEUTRAL|>你好<|zh|><|SAD|>再见", ("你好再见", "zh", "sad")),
        ("< | yue | >< | FEARFUL | >係", ("係", "zh", "fear")),
        ("😊 今 天 很 好。", ("今天很好。", None, "happy")),
        ("<|ja|><|EMO_UNKNOWN|><|BGM|>はい", ("はい", None, None)),
        ("a < b | c > d", ("a < b | c > d", None, None)),
        ("办 理 ID card 需要 两 天", ("办理 ID card 需要两天", None, None)),
        ("<|nospeech|><|EMO_UNKNOWN|>", ("", None, None)),
    ],
)
def test_tags(raw: str, expected: Any) -> None:
    assert read_tags(raw) == expected
