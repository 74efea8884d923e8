"""The synthesizers `gpt-sovits`, `cosyvoice` and `index-tts` against stand-ins of their servers."""

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
from cloning_servers import Cosyvoice, IndexTts, Sovits
from service_server import Request, ServiceServer, pcm, problem, sound, tone
from voice_files import QUICK, add_recording, joined, reference, sentence, write_voices

from conformance.synthesizer_suite import SynthesizerSuite, speak
from visavis.core.errors import ConfigError, StageError, UnknownVoice
from visavis.core.protocols import Synthesizer
from visavis.core.types import EMOTIONS, Emotion, Sentence
from visavis.stages.services.calls import Limits
from visavis.stages.synthesizers.consent import consent_path
from visavis.stages.synthesizers.cosyvoice import CosyvoiceSynthesizer
from visavis.stages.synthesizers.gpt_sovits import GptSovitsSynthesizer
from visavis.stages.synthesizers.index_tts import IndexTtsSynthesizer

KINDS: dict[str, tuple[type, int]] = {
    "gpt-sovits": (GptSovitsSynthesizer, 32_000),
    "cosyvoice": (CosyvoiceSynthesizer, 24_000),
    "index-tts": (IndexTtsSynthesizer, 22_050),
}
TEXT = "请带上身份证。"
Start = Callable[..., tuple[ServiceServer, Any]]


def describe(name: str, kind: str, url: str, more: str = "") -> str:
    return f'\n[voices.{name}]\nkind = "{kind}"\nurl = "{url}"\nlanguages = ["zh", "en"]\n{more}\n'


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a stand-in, and the stage with a voice ``li`` made from a recording."""
    audio = add_recording(tmp_path)
    with ExitStack() as stack:

        def begin(
            kind: str,
            script: Any = None,
            more: str = "",
            tables: str | None = None,
            limits: Limits = QUICK,
        ) -> tuple[ServiceServer, Any]:
            usual = {
                "gpt-sovits": Sovits,
                "cosyvoice": lambda: Cosyvoice(recording=audio.read_bytes()),
                "index-tts": IndexTts,
            }
            script = [script] if isinstance(script, Answer) else script or usual[kind]()
            server = stack.enter_context(ServiceServer(script).run())
            text = describe("li", kind, server.url, more)
            text += reference() if tables is None else tables
            return server, KINDS[kind][0](write_voices(tmp_path, text), limits)

        yield begin


class CloneConformance(SynthesizerSuite):
    kind = ""

    @pytest.fixture
    def synthesizer(self, start: Start) -> Synthesizer:
        stage: Synthesizer = start(self.kind)[1]
        return stage


class TestSovitsConforms(CloneConformance):
    kind = "gpt-sovits"


class TestCosyvoiceConforms(CloneConformance):
    kind = "cosyvoice"


class TestIndexConforms(CloneConformance):
    kind = "index-tts"


@pytest.mark.parametrize("kind", KINDS)
class TestConsent:
    async def test_no_consent_no_voice(self, start: Start, tmp_path: Path, kind: str) -> None:
        server, stage = start(kind)
        assert await speak(stage, sentence(TEXT), "li")
        asked = len(server.requests)
        consent_path(tmp_path / "li.wav").unlink()
        with pytest.raises(ConfigError, match=r"no consent record .*write_consent"):
            await speak(stage, sentence(TEXT), "li")
        assert len(server.requests) == asked, "nothing is sent"

    async def test_another_recording_is_noticed(
        self, start: Start, tmp_path: Path, kind: str
    ) -> None:
        server, stage = start(kind)
        (tmp_path / "li.wav").write_bytes(b"RIFF somebody else")
        with pytest.raises(ConfigError, match="not of this recording"):
            await speak(stage, sentence(TEXT), "li")
        assert not server.requests

    async def test_recordings_of_emotions_need_it_too(
        self, start: Start, tmp_path: Path, kind: str
    ) -> None:
        add_recording(tmp_path, "angry.wav", consent=False)
        tables = reference() + reference(audio="angry.wav", table="emotions.angry")
        server, stage = start(kind, tables=tables)
        assert await speak(stage, sentence(TEXT), "li")
        asked = len(server.requests)
        with pytest.raises(ConfigError, match=r"no consent record .*angry\.wav"):
            await speak(stage, sentence(TEXT, "angry", 0.9), "li")
        assert len(server.requests) == asked


@pytest.mark.parametrize("kind", KINDS)
class TestEach:
    async def test_sound_at_the_rate_of_the_voice(self, start: Start, kind: str) -> None:
        _, stage = start(kind)
        rate = KINDS[kind][1]
        heard = await speak(stage, sentence(TEXT), "li")
        assert {s.audio.sample_rate for s in heard} == {rate}
        expected = tone(TEXT, rate).astype(np.float32) / 32768
        np.testing.assert_array_equal(joined(heard), expected)

    async def test_server_errors(self, start: Start, kind: str) -> None:
        server, stage = start(kind, problem(400, {"message": "tts failed", "Exception": "no GPU"}))
        with pytest.raises(StageError, match="tts failed no GPU"):
            await speak(stage, sentence(TEXT), "li")
        assert len(server.requests) == 1

    async def test_another_server_at_that_address(self, start: Start, kind: str) -> None:
        _, stage = start(kind, problem(404, {"detail": "Not Found"}))
        with pytest.raises(ConfigError, match=r"does not know what was asked \(Not Found\)"):
            await speak(stage, sentence(TEXT), "li")

    async def test_closing_hangs_up(self, start: Start, kind: str) -> None:
        server, stage = start(kind, sound(pcm(TEXT, 8_000), "hang"))
        if kind != "cosyvoice":
            server.script = [sound(_wav_stream(), "hang", kind="audio/wav")]
        async with aclosing(stage.speak(sentence(TEXT), "li")) as speeches:
            await anext(speeches)
        assert await asyncio.to_thread(server.hung_up.wait, 2.0)

    async def test_a_voice_of_another_kind(self, start: Start, kind: str) -> None:
        _, stage = start(kind)
        with pytest.raises(UnknownVoice, match="lists li"):
            await speak(stage, sentence(TEXT), "nobody")


def _wav_stream() -> bytes:
    from service_server import wav

    return wav(tone(TEXT, 32_000), 32_000, 0)


async def ask(
    start: Start, kind: str, spoken: Sentence, more: str = "", tables: str | None = None
) -> Request:
    server, stage = start(kind, more=more, tables=tables)
    assert await speak(stage, spoken, "li")
    return server.requests[-1]


class TestSovits:
    async def test_order(self, start: Start) -> None:
        order = (await ask(start, "gpt-sovits", sentence(TEXT))).json
        assert order == {
            "text": TEXT,
            "text_lang": "zh",
            "ref_audio_path": "/refs/li.wav",
            "prompt_text": "大家好，我是小李。",
            "prompt_lang": "zh",
            "media_type": "wav",
            "streaming_mode": 1,
            "speed_factor": 1.0,
            "text_split_method": "cut5",
        }

    async def test_options(self, start: Start) -> None:
        more = 'format = "raw"\nstreaming_mode = "3"\nseed = 7\nsplit = "cut0"\nspeed = 1.2'
        order = (await ask(start, "gpt-sovits", sentence("Come in."), more)).json
        assert order["text_lang"] == "en"
        assert (order["media_type"], order["streaming_mode"], order["seed"]) == ("raw", 3, 7)
        assert (order["speed_factor"], order["text_split_method"]) == (1.2, "cut0")

    async def test_without_streaming(self, start: Start) -> None:
        assert await ask(start, "gpt-sovits", sentence(TEXT), 'streaming_mode = "0"')

    async def test_english_with_chinese_in_it(self, start: Start) -> None:
        mixed = Sentence(1, 0, "Ask for the 身份证.", "en")
        assert (await ask(start, "gpt-sovits", mixed)).json["text_lang"] == "zh"

    async def test_emotions(self, start: Start, tmp_path: Path) -> None:
        add_recording(tmp_path, "happy.wav")
        tables = reference() + reference(audio="happy.wav", table="emotions.happy")
        order = (await ask(start, "gpt-sovits", sentence(TEXT, "happy", 0.8), "", tables)).json
        assert (order["ref_audio_path"], order["speed_factor"]) == ("/refs/happy.wav", 1.0)
        order = (await ask(start, "gpt-sovits", sentence(TEXT, "sad", 1.0), "", tables)).json
        assert (order["ref_audio_path"], order["speed_factor"]) == ("/refs/li.wav", 0.88)
        order = (await ask(start, "gpt-sovits", sentence(TEXT, "happy", 0.05), "", tables)).json
        assert order["ref_audio_path"] == "/refs/li.wav"


class TestWeights:
    def prepare(self, start: Start, tmp_path: Path, pause: float = 0.0) -> tuple[Sovits, Any, Any]:
        made = Sovits(pause)
        server, _ = start("gpt-sovits", made)
        text = ""
        for name in ("li", "wang"):
            more = f'gpt_weights = "{name}.ckpt"\nsovits_weights = "{name}.pth"'
            text += describe(name, "gpt-sovits", server.url, more) + reference(name)
        more = 'gpt_weights = "missing.ckpt"\nsovits_weights = "x.pth"'
        text += describe("lost", "gpt-sovits", server.url, more) + reference("lost")
        return made, server, GptSovitsSynthesizer(write_voices(tmp_path, text), QUICK)

    async def test_they_are_loaded_once(self, start: Start, tmp_path: Path) -> None:
        made, server, stage = self.prepare(start, tmp_path)
        for name in ("li", "li", "wang", "li"):
            await speak(stage, sentence(TEXT), name)
        assert [g for g, _ in made.spoken_with] == ["li.ckpt", "li.ckpt", "wang.ckpt", "li.ckpt"]
        assert sum(r.path.startswith("/set_") for r in server.requests) == 6

    async def test_no_sentence_is_spoken_with_the_weights_of_another(
        self, start: Start, tmp_path: Path
    ) -> None:
        made, _, stage = self.prepare(start, tmp_path, pause=0.005)
        names = ["li", "wang", "li", "li", "wang", "wang"]
        said = await asyncio.gather(
            *(speak(stage, sentence(f"{TEXT}{n}"), name) for n, name in enumerate(names))
        )
        assert all(heard[-1].is_last for heard in said)
        assert all(g.split(".")[0] == s.split(".")[0] for g, s in made.spoken_with)
        assert sorted(g for g, _ in made.spoken_with) == ["li.ckpt"] * 3 + ["wang.ckpt"] * 3

    async def test_weights_that_are_not_there(self, start: Start, tmp_path: Path) -> None:
        made, _, stage = self.prepare(start, tmp_path)
        await speak(stage, sentence(TEXT), "li")
        with pytest.raises(StageError, match=r"no file missing\.ckpt"):
            await speak(stage, sentence(TEXT), "lost")
        await speak(stage, sentence(TEXT), "li")
        assert made.spoken_with == [("li.ckpt", "li.pth")] * 2

    async def test_a_cancelled_sentence_frees_the_server(
        self, start: Start, tmp_path: Path
    ) -> None:
        made, _, stage = self.prepare(start, tmp_path, pause=0.05)
        async with aclosing(stage.speak(sentence(TEXT), "li")) as speeches:
            await anext(speeches)
        began = time.monotonic()
        await speak(stage, sentence("好。"), "wang")
        assert time.monotonic() - began < 2.0
        assert made.spoken_with[-1][0] == "wang.ckpt"


class TestCosyvoice:
    SPEAKER = 'speaker = "中文女"'

    async def test_a_recording_with_its_text(self, start: Start, tmp_path: Path) -> None:
        asked = await ask(start, "cosyvoice", sentence(TEXT))
        assert asked.path == "/inference_zero_shot"
        assert asked.form == {"tts_text": TEXT, "prompt_text": "大家好，我是小李。"}
        name, data = asked.files["prompt_wav"]
        assert (name, data) == ("li.wav", (tmp_path / "li.wav").read_bytes())

    async def test_a_recording_without_text(self, start: Start) -> None:
        table = reference().replace('text = "大家好，我是小李。"\n', "")
        asked = await ask(start, "cosyvoice", sentence(TEXT), "", table)
        assert asked.path == "/inference_cross_lingual"
        assert asked.form == {"tts_text": TEXT}

    async def test_an_emotion_in_words(self, start: Start) -> None:
        asked = await ask(start, "cosyvoice", sentence(TEXT, "happy", 0.9))
        assert asked.path == "/inference_instruct2"
        assert asked.form == {"tts_text": TEXT, "instruct_text": "请用非常开心的语气说"}
        more = 'instruct = "用四川话说。"\ninstruct_template = "You help. {}<|endofprompt|>"'
        asked = await ask(start, "cosyvoice", sentence(TEXT, "sad", 0.3), more)
        told = "You help. 用四川话说。请用略带伤心的语气说<|endofprompt|>"
        assert asked.form["instruct_text"] == told
        asked = await ask(start, "cosyvoice", sentence(TEXT), more)
        assert asked.form["instruct_text"] == "You help. 用四川话说。<|endofprompt|>"

    async def test_a_model_that_takes_no_words(self, start: Start) -> None:
        asked = await ask(start, "cosyvoice", sentence(TEXT, "happy", 0.9), "instructions = false")
        assert asked.path == "/inference_zero_shot"

    async def test_a_recording_of_the_emotion_instead_of_words(
        self, start: Start, tmp_path: Path
    ) -> None:
        data = add_recording(tmp_path, "happy.wav").read_bytes()
        tables = reference() + reference(audio="happy.wav", table="emotions.happy")
        server, stage = start("cosyvoice", Cosyvoice(recording=data), tables=tables)
        assert await speak(stage, sentence(TEXT, "happy", 0.9), "li")
        assert server.requests[0].path == "/inference_zero_shot"

    async def test_a_speaker_of_the_model(self, start: Start) -> None:
        asked = await ask(start, "cosyvoice", sentence(TEXT, "happy", 0.9), self.SPEAKER, "")
        assert asked.path == "/inference_sft"
        assert asked.form == {"tts_text": TEXT, "spk_id": "中文女"}
        more = self.SPEAKER + "\ninstructions = true"
        asked = await ask(start, "cosyvoice", sentence(TEXT, "happy", 0.9), more, "")
        assert asked.path == "/inference_instruct"
        assert asked.form["instruct_text"] == "请用非常开心的语气说"

    async def test_the_rate_of_the_first_cosyvoice(self, start: Start, tmp_path: Path) -> None:
        made = Cosyvoice(22_050, (tmp_path / "li.wav").read_bytes())
        _, stage = start("cosyvoice", made, "rate = 22050")
        heard = joined(await speak(stage, sentence(TEXT), "li"))
        np.testing.assert_array_equal(heard, tone(TEXT, 22_050).astype(np.float32) / 32768)


class TestIndex:
    async def test_order(self, start: Start) -> None:
        asked = await ask(start, "index-tts", sentence(TEXT))
        assert asked.path == "/tts_url"
        assert asked.json == {
            "text": TEXT, "spk_audio_path": "/refs/li.wav", "emo_control_method": 0,
        }  # fmt: skip

    @pytest.mark.parametrize("emotion", [e for e in EMOTIONS if e != "neutral"])
    async def test_emotions_as_numbers(self, start: Start, emotion: Emotion) -> None:
        order = (await ask(start, "index-tts", sentence(TEXT, emotion, 0.5))).json
        names = ["happy", "angry", "sad", "fear", "disgusted", "low", "surprised", "neutral"]
        expected = dict.fromkeys(names, 0.0)
        if emotion == "contempt":
            expected["disgusted"] = 0.175
        else:
            expected[emotion] = 0.35
        assert order["emo_control_method"] == 2
        assert order["emo_vec"] == list(expected.values())

    async def test_a_recording_of_the_emotion(self, start: Start, tmp_path: Path) -> None:
        add_recording(tmp_path, "sad.wav")
        tables = reference() + reference(audio="sad.wav", table="emotions.sad")
        order = (await ask(start, "index-tts", sentence(TEXT, "sad", 0.6), "", tables)).json
        assert order["spk_audio_path"] == "/refs/li.wav"
        assert (order["emo_control_method"], order["emo_ref_path"]) == (1, "/refs/sad.wav")
        assert order["emo_weight"] == 0.6

    async def test_the_stream_of_forks(self, start: Start) -> None:
        asked = await ask(start, "index-tts", sentence(TEXT), "stream = true")
        assert (asked.path, asked.json["format"]) == ("/tts_stream", "wav")

    async def test_the_first_version(self, start: Start) -> None:
        more = 'api = "v1"\nrate = 24000'
        order = (await ask(start, "index-tts", sentence(TEXT, "sad", 1.0), more)).json
        assert order == {"text": TEXT, "audio_paths": ["/refs/li.wav"]}

    async def test_of_a_traceback_the_last_line_is_told(self, start: Start) -> None:
        table = reference().replace("/refs/", "/nowhere/")
        server, stage = start("index-tts", tables=table)
        with pytest.raises(StageError, match=r"500: FileNotFoundError: /nowhere/li\.wav"):
            await speak(stage, sentence(TEXT), "li")
        assert len(server.requests) == 3
