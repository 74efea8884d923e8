"""The file of voices: what is right, and how it is told what is wrong."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from voice_files import add_recording, reference, sentence, write_voices

from visavis.core.errors import ConfigError, MissingExtra, UnknownVoice
from visavis.stages.synthesizers.cosyvoice import CosyvoiceSynthesizer
from visavis.stages.synthesizers.gpt_sovits import GptSovitsSynthesizer
from visavis.stages.synthesizers.index_tts import IndexTtsSynthesizer
from visavis.stages.synthesizers.openai_speech import OpenaiSpeechSynthesizer
from visavis.stages.synthesizers.service_voices import load_voices

ALL = [
    OpenaiSpeechSynthesizer,
    GptSovitsSynthesizer,
    CosyvoiceSynthesizer,
    IndexTtsSynthesizer,
]
PLAIN = """
[voices.nova]
kind = "openai-speech"
url = "http://localhost:8000/v1/"
languages = ["en", "zh"]
voice = "nova"
"""
CLONE = """
[voices.li]
kind = "gpt-sovits"
url = "http://localhost:9880"
languages = ["zh"]
gender = "male"
rate = 48000
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISAVIS_VOICES", raising=False)
    monkeypatch.delenv("NOVA_KEY", raising=False)


@pytest.mark.parametrize("make", ALL)
async def test_without_a_file_there_are_no_voices_and_no_errors(make: type) -> None:
    stage = make()
    assert list(stage.voices()) == []
    assert stage.version() == make().version()
    with pytest.raises(UnknownVoice, match="VISAVIS_VOICES lists none"):
        await anext(stage.speak(sentence(), "nova"))


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_voices(tmp_path, PLAIN + CLONE + reference())
    monkeypatch.setenv("VISAVIS_VOICES", str(path))
    (nova,) = OpenaiSpeechSynthesizer().voices()
    (li,) = GptSovitsSynthesizer().voices()
    assert (nova.name, nova.synthesizer, tuple(nova.languages)) == (
        "nova", "openai-speech", ("en", "zh"),
    )  # fmt: skip
    assert (nova.gender, nova.sample_rate) == ("unknown", 24_000)
    assert (li.name, li.gender, li.sample_rate) == ("li", "male", 48_000)
    assert not CosyvoiceSynthesizer().voices()


def test_paths_are_beside_the_file(tmp_path: Path) -> None:
    own = '\n[voices.li.emotions.happy]\naudio = "h.wav"\nlanguage = "zh"\nconsent = "c.json"\n'
    li = load_voices(write_voices(tmp_path, CLONE + reference() + own))["li"]
    assert li.reference is not None
    assert li.reference.audio == tmp_path / "li.wav"
    assert li.reference.consent == tmp_path / "li.wav.consent.json"
    assert li.reference.server_audio == "/refs/li.wav"
    happy = li.style_reference("happy")
    assert happy is not None
    assert (happy.consent, happy.server_audio) == (tmp_path / "c.json", str(tmp_path / "h.wav"))
    assert li.style_reference("sad") is li.reference


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[voices.a", "is not TOML"),
        ("[voice.a]\nx = 1", "unknown key 'voice'"),
        ("voices = 3", "voices are tables"),
        ("[voices]\na = 3", "voice 'a': it must be a table"),
        ("[voices.A]\nkind = 'cosyvoice'", "voice 'A': a name has small letters"),
        ("[voices.a]", "voice 'a': the key 'kind' is missing; it is openai-speech or"),
        ("[voices.a]\nkind = 'piper'", "key 'kind': .* and not 'piper'"),
        ("[voices.a]\nkind = ['x']", "key 'kind'"),
        (PLAIN.replace("http:", "ftp:"), "key 'url', is not the address"),
        (PLAIN.replace("localhost", "me:secret@host"), "name or password"),
        (PLAIN.replace("8000", "99999"), "is not the address"),
        (PLAIN + "speeed = 1", "openai-speech has no key 'speeed'; it has .*speed"),
        (PLAIN + "key = 'sk-1'", "keys are not kept in files"),
        (PLAIN + "key_variable = 'sk-1'", "no variable's name"),
        (PLAIN + "speed = 9", "between 0.25 and 4"),
        (PLAIN + "speed = true", "key 'speed': a number"),
        (PLAIN + "format = 'mp3'", "key 'format': pcm or wav, and not 'mp3'"),
        (PLAIN + "instruct = ''", "key 'instruct': a text that is not empty"),
        (PLAIN + 'instruct = "a\\u0000b"', "control characters"),
        (PLAIN + "instructions = 1", "true or false"),
        (PLAIN + "rate = 22051", "multiple of 25"),
        (PLAIN + "rate = '24k'", "multiple of 25"),
        (PLAIN + "gender = 'alien'", "key 'gender'"),
        (PLAIN.replace('"nova"', '""'), "key 'voice'"),
        (PLAIN.replace('voice = "nova"', ""), "needs the key 'voice'"),
        (PLAIN.replace('["en", "zh"]', "[]"), "key 'languages'"),
        (PLAIN.replace('["en", "zh"]', '["fr"]'), "key 'languages'"),
        (PLAIN.replace('["en", "zh"]', '"en"'), "key 'languages'"),
        (PLAIN + reference("nova"), "takes no reference"),
        (CLONE, "GPT-SoVITS needs a reference"),
        (CLONE + "reference = 'li.wav'", "must be a table with audio"),
        (CLONE + reference() + "sound = 3", "reference: unknown key 'sound'"),
        (CLONE + reference().replace('"zh"', '"cn"'), "reference, key 'language'"),
        (CLONE + reference().replace("audio =", "text2 ="), "unknown key"),
        (CLONE + "gpt_weights = 'a'" + reference(), "go together"),
        (CLONE + reference() + reference(table="emotions.bored"), "key 'emotions'"),
        (CLONE.replace("gpt-sovits", "cosyvoice"), "either a reference"),
        (
            CLONE.replace("gpt-sovits", "cosyvoice") + "speaker = 'x'" + reference(),
            "either a reference",
        ),
        (
            CLONE.replace("gpt-sovits", "cosyvoice") + "instruct_template = 'x'" + reference(),
            "must hold {} once",
        ),
        (CLONE.replace("gpt-sovits", "index-tts"), "IndexTTS needs a reference"),
        (
            CLONE.replace("gpt-sovits", "index-tts") + "api = 'v1'\nstream = true" + reference(),
            "does not stream",
        ),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = write_voices(tmp_path, text)
    with pytest.raises(ConfigError, match=told) as caught:
        load_voices(path)
    assert str(path) in str(caught.value)
    assert "sk-1" not in str(caught.value) or "no variable" in told
    assert "secret" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="named by VISAVIS_VOICES, is unreadable: No such file"):
        load_voices(tmp_path / "none.toml")
    for content, told in ((b"\xff\xfe\x00", "not TOML"), (b"#" * 2_000_000, "too large")):
        (tmp_path / "odd.toml").write_bytes(content)
        with pytest.raises(ConfigError, match=told):
            load_voices(tmp_path / "odd.toml")


def test_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "voices.toml"
    path.write_bytes(b"\xef\xbb\xbf" + PLAIN.encode())
    assert list(load_voices(path)) == ["nova"]


async def test_a_wrong_voice_takes_no_other_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = PLAIN.replace("nova", "bad").replace('languages = ["en", "zh"]', "")
    stage = OpenaiSpeechSynthesizer(write_voices(tmp_path, PLAIN + bad))
    with caplog.at_level(logging.WARNING):
        assert [v.name for v in stage.voices()] == ["nova"]
    assert "voice 'bad'" in caplog.text
    with pytest.raises(ConfigError, match="voice 'bad', key 'languages'"):
        await anext(stage.speak(sentence(), "bad"))


async def test_a_broken_file_is_told_at_speaking_and_never_at_listing(tmp_path: Path) -> None:
    for make in ALL:
        stage = make(write_voices(tmp_path, "[["))
        assert not list(stage.voices())
        with pytest.raises(ConfigError, match="not TOML"):
            await anext(stage.speak(sentence(), "nova"))


def test_one_server_with_weights_and_without(tmp_path: Path) -> None:
    tuned = CLONE.replace("voices.li", "voices.tuned")
    tuned += 'gpt_weights = "g"\nsovits_weights = "s"' + reference("tuned")
    with pytest.raises(ConfigError, match="voice 'li': other voices of this server name weights"):
        load_voices(write_voices(tmp_path, CLONE + reference() + tuned))
    elsewhere = tuned.replace("9880", "9881")
    assert len(load_voices(write_voices(tmp_path, CLONE + reference() + elsewhere))) == 2


async def test_the_key_comes_from_the_environment_or_not_at_all(tmp_path: Path) -> None:
    stage = OpenaiSpeechSynthesizer(write_voices(tmp_path, PLAIN + 'key_variable = "NOVA_KEY"'))
    with pytest.raises(ConfigError, match="set the environment variable NOVA_KEY"):
        await anext(stage.speak(sentence(), "nova"))


def test_the_version_changes_with_what_is_heard(tmp_path: Path) -> None:
    audio = add_recording(tmp_path)
    text = CLONE + reference()
    first = GptSovitsSynthesizer(write_voices(tmp_path, text)).version()
    assert GptSovitsSynthesizer(write_voices(tmp_path, text)).version() == first
    audio.write_bytes(b"other")
    second = GptSovitsSynthesizer(write_voices(tmp_path, text)).version()
    third = GptSovitsSynthesizer(write_voices(tmp_path, text + "# \n")).version()
    fourth = GptSovitsSynthesizer(
        write_voices(tmp_path, text.replace("rate = 48000", "speed = 1.2"))
    ).version()
    assert len({first, second, fourth}) == 3
    assert second == third


def test_listing_loads_no_client() -> None:
    """Who uses no service pays nothing for it."""
    program = (
        "import sys\n"
        "from visavis.stages.synthesizers import openai_speech, gpt_sovits, cosyvoice, index_tts\n"
        "from visavis.stages.recognizers import funasr, openai_transcription\n"
        "assert not gpt_sovits.GptSovitsSynthesizer().voices()\n"
        "print(*{'httpx', 'websockets', 'onnxruntime', 'ssl'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not set(done.stdout.split()) & {"httpx", "websockets"}


async def test_without_the_client_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    stage = OpenaiSpeechSynthesizer(write_voices(tmp_path, PLAIN))
    assert stage.voices()
    with pytest.raises(MissingExtra, match=r"visavis\[services\]"):
        await anext(stage.speak(sentence(), "nova"))
