"""The recognisers on real speech; what every recogniser must do is in tests/conformance."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from visavis.apps.commands.transcribe import command
from visavis.core.errors import AudioSilent, AudioTooShort, FileUnreadable, OutputUnwritable
from visavis.core.types import Floats, Language, Transcript, Waveform
from visavis.media.audio import read_audio, write_wav
from visavis.media.resampling import resample
from visavis.stages.recognizers import whisper
from visavis.stages.recognizers.turns import Listener
from visavis.stages.recognizers.vosk import VoskRecognizer, join_words
from visavis.stages.recognizers.whisper import WhisperRecognizer, tidy_text

assets = pytest.mark.assets
FIXTURES = Path(__file__).parent.parent / "fixtures"
RATE = 16000
SAID: dict[Language, str] = {
    "zh": "今天天气很好，我们一起去公园散步吧。",
    "en": "What documents are required for the annual vehicle inspection?",
}
LANGUAGES: tuple[Language, ...] = ("zh", "en")
Stage = WhisperRecognizer | VoskRecognizer
STAGES: dict[str, type[Stage]] = {"whisper": WhisperRecognizer, "vosk": VoskRecognizer}


def speech(language: Language) -> Waveform:
    return read_audio(FIXTURES / f"speech_{language}.wav")


async def chunks(sound: Waveform, seconds: float = 0.2) -> AsyncIterator[Waveform]:
    size = round(seconds * sound.sample_rate)
    for start in range(0, len(sound.samples), size):
        yield Waveform(sound.samples[start : start + size], sound.sample_rate, sound.offset + start)


async def hear(stage: Stage, sound: Waveform) -> list[Transcript]:
    return [t async for t in stage.transcribe(chunks(sound))]


def units(text: str, language: Language) -> list[str]:
    if language == "zh":
        return [c for c in text if c.isalnum()]
    return "".join(c for c in text.lower() if c.isalnum() or c == " ").split()


def error_rate(heard: str, language: Language) -> float:
    """Edit distance per character (Chinese) or word (English)."""
    a, b = units(heard, language), units(SAID[language], language)
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        new = [i]
        for j, y in enumerate(b, 1):
            new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (x != y)))
        row = new
    return row[-1] / len(b)


def final_text(transcripts: Sequence[Transcript]) -> str:
    return " ".join(t.text for t in transcripts if t.is_final)


@assets
@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_hears_and_finds_the_language(name: str, language: Language) -> None:
    sound = speech(language)
    padded = np.concatenate([np.zeros(2 * RATE, np.float32), sound.samples])
    heard = await hear(STAGES[name](), Waveform(padded, RATE))
    assert error_rate(final_text(heard), language) <= 0.12
    finals = [t for t in heard if t.is_final]
    assert {t.language for t in finals} == {language}
    assert 2.0 < finals[0].start < 2.7
    assert finals[-1].end <= len(padded) / RATE
    words = [w for t in finals for w in t.words]
    assert len(words) >= 5
    assert all(a.end <= b.start + 0.02 for a, b in itertools.pairwise(words))


@assets
async def test_vosk_shows_words_while_they_are_spoken() -> None:
    heard = await hear(VoskRecognizer("zh"), speech("zh"))
    partial = [t.text for t in heard if not t.is_final]
    assert len(partial) >= 2
    assert partial[0] != partial[-1]
    assert len(partial[0]) < len(partial[-1])
    assert heard[-1].is_final
    assert " " not in heard[-1].text


@assets
@pytest.mark.parametrize("name", STAGES)
async def test_what_was_heard_is_respelt_before_it_is_given_out(name: str) -> None:
    def respell(heard: Transcript) -> Transcript:
        assert heard.is_final
        return replace(heard, text=f"<{heard.text}>")

    stage = STAGES[name]("zh", respell=respell)
    for transcript in await hear(stage, speech("zh")):
        assert transcript.text.startswith("<") == transcript.is_final
    if isinstance(stage, WhisperRecognizer):
        quick = stage.understand(speech("zh"))
        assert quick is not None
        assert quick.text.startswith("<今天")


@assets
@pytest.mark.parametrize("name", STAGES)
async def test_both_languages_in_one_recording(name: str) -> None:
    gap = np.zeros(2 * RATE, np.float32)
    both = np.concatenate([speech("zh").samples, gap, speech("en").samples])
    finals = [t for t in await hear(STAGES[name](), Waveform(both, RATE)) if t.is_final]
    assert [t.language for t in finals] == ["zh", "en"]
    assert error_rate(finals[0].text, "zh") <= 0.12
    assert error_rate(finals[1].text, "en") <= 0.12
    assert finals[1].start > finals[0].end + 1.5


@assets
@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("kind", ["8 kHz", "44.1 kHz", "clipped", "quiet"])
async def test_poor_recordings(name: str, kind: str) -> None:
    sound = speech("en")
    if kind.endswith("kHz"):
        sound = resample(sound, {"8 kHz": 8000, "44.1 kHz": 44100}[kind])
    else:
        gain = {"clipped": 12.0, "quiet": 0.03}[kind]
        sound = Waveform(np.clip(sound.samples * gain, -1, 1), RATE)
    stage = STAGES[name]("en")
    assert error_rate(final_text(await hear(stage, sound)), "en") <= 0.35


@assets
async def test_clipping_is_said(caplog: pytest.LogCaptureFixture) -> None:
    sound = Waveform(np.clip(speech("en").samples * 12, -1, 1), RATE)
    await hear(VoskRecognizer("en"), sound)
    assert "clipped" in caplog.text


def no_speech(kind: str) -> Floats:
    rng = np.random.default_rng(0)
    time = np.arange(6 * RATE) / RATE
    return {
        "silence": np.zeros(6 * RATE, np.float32),
        "hiss": rng.normal(0, 0.1, 6 * RATE).astype(np.float32),
        "tone": (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32),
    }[kind]


@assets
@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("kind", ["silence", "hiss", "tone"])
async def test_nothing_is_invented(name: str, kind: str) -> None:
    with pytest.raises(AudioSilent, match=r"no speech was heard in 6\.0 seconds"):
        await hear(STAGES[name](), Waveform(no_speech(kind), RATE))


@assets
@pytest.mark.parametrize("name", STAGES)
async def test_no_sound_at_all(name: str) -> None:
    with pytest.raises(AudioTooShort):
        await hear(STAGES[name](), Waveform(np.zeros(100, np.float32), RATE))


@assets
async def test_broken_samples_do_no_harm() -> None:
    samples = speech("en").samples.copy()
    samples[:500] = np.nan
    samples[500:520] = np.inf
    heard = await hear(VoskRecognizer("en"), Waveform(samples, RATE))
    assert error_rate(final_text(heard), "en") <= 0.2


@assets
async def test_times_count_from_the_stream() -> None:
    sound = speech("en")
    later = Waveform(sound.samples, RATE, offset=100 * RATE)
    heard = await hear(VoskRecognizer("en"), later)
    assert 100 < heard[-1].start < heard[-1].end < 104


@assets
def test_long_sound_takes_constant_memory() -> None:
    listener = Listener(pause=0.8, longest=10.0)
    talk = speech("zh").samples
    most = turns = 0
    for number in range(600):  # ten minutes, and somebody speaks without a pause in the middle
        sound = np.resize(talk, RATE) if 200 <= number < 240 else np.zeros(RATE, np.float32)
        turns += len(listener.hear(Waveform(sound, RATE, number * RATE)))
        most = max(most, len(listener._kept))
    turns += len(listener.finish())
    assert turns >= 4
    assert most <= 13 * RATE
    assert listener.position == 600 * RATE


def test_chinese_is_written_as_in_print() -> None:
    assert tidy_text(" 補辦身份證,需要多久? ", "zh") == "补办身份证，需要多久？"
    assert tidy_text("缴费3.5元,好", "zh") == "缴费3.5元,好".replace("元,", "元，")
    assert tidy_text(" Hello, there. ", "en") == "Hello, there."


def test_words_are_joined_by_script() -> None:
    assert join_words(["如何", "补办", "ID", "card", "呢"], "zh") == "如何补办ID card呢"
    assert join_words(["how", "do", "i"], "en") == "how do i"
    assert join_words([], "en") == ""


@pytest.mark.parametrize(
    ("changes", "made_up"),
    [
        ({}, False),
        ({"avg_logprob": -1.4, "no_speech_prob": 0.6}, True),
        ({"avg_logprob": -1.4}, False),
        ({"compression_ratio": 9.0}, True),
        ({"text": "谢谢观看" * 20}, True),
    ],
)
def test_made_up_segments(changes: dict[str, object], made_up: bool) -> None:
    fields: dict[str, object] = {
        "text": "今天天气很好",
        "start": 0.0,
        "end": 2.0,
        "avg_logprob": -0.2,
        "no_speech_prob": 0.05,
        "compression_ratio": 0.9,
    }
    assert whisper._is_made_up(SimpleNamespace(**{**fields, **changes}), "zh") is made_up


@assets
class TestCommand:
    def test_json_of_an_odd_path(self, tmp_path: Path) -> None:
        path = tmp_path / "问 题 '1' 🎤.wav"
        shutil.copy(FIXTURES / "speech_zh.wav", path)
        done = CliRunner().invoke(
            command, [str(path), "--recognizer", "vosk", "--language", "zh", "--json"]
        )
        assert done.exit_code == 0, done.output
        turns = json.loads(done.stdout)
        assert error_rate("".join(t["text"] for t in turns), "zh") <= 0.12
        assert turns[0]["words"][0]["start"] >= turns[0]["start"]

    @pytest.mark.parametrize("suffix", [".srt", ".vtt", ".txt"])
    def test_files(self, tmp_path: Path, suffix: str) -> None:
        out = tmp_path / f"字幕{suffix}"
        done = CliRunner().invoke(
            command,
            [str(FIXTURES / "speech_en.wav"), "--recognizer=vosk", "--language=en", "-o", str(out)],
        )
        assert done.exit_code == 0, done.output
        content = out.read_text("utf-8")
        assert "vehicle" in content
        assert ("-->" in content) == (suffix != ".txt")
        assert [p.name for p in tmp_path.iterdir()] == [out.name]

    def test_stereo_video_rate(self, tmp_path: Path) -> None:
        import av

        sound = resample(speech("en"), 48000).samples
        path = tmp_path / "s.flac"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("flac", rate=48000, layout="stereo")
            both = np.repeat((sound * 20000).astype(np.int16), 2).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
            frame.sample_rate = 48000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        done = CliRunner().invoke(command, [str(path), "--recognizer", "vosk", "--language", "en"])
        assert done.exit_code == 0, done.output
        assert "vehicle inspection" in done.stdout

    def test_not_audio(self, tmp_path: Path) -> None:
        path = tmp_path / "song.mp3"
        path.write_bytes(b"this is text" * 100)
        done = CliRunner().invoke(command, [str(path)])
        assert isinstance(done.exception, FileUnreadable)

    def test_silent_file(self, tmp_path: Path) -> None:
        write_wav(tmp_path / "s.wav", Waveform(no_speech("silence"), RATE))
        done = CliRunner().invoke(command, [str(tmp_path / "s.wav"), "--recognizer", "vosk"])
        assert isinstance(done.exception, AudioSilent)

    def test_unknown_output_is_refused_before_the_work(self, tmp_path: Path) -> None:
        done = CliRunner().invoke(
            command, [str(FIXTURES / "speech_en.wav"), "-o", str(tmp_path / "a.docx")]
        )
        assert isinstance(done.exception, OutputUnwritable)


OFFLINE = """
import sys
if sys.argv[2] == "guard":
    import socket
    def refuse(*_, **__):
        raise AssertionError("a connection was tried")
    socket.socket.connect = socket.socket.connect_ex = refuse
    socket.getaddrinfo = socket.create_connection = refuse
from visavis.apps.commands.transcribe import command
command([sys.argv[1], "--language", "en"], standalone_mode=False)
"""


@assets
def test_works_with_networking_cut_off() -> None:
    """In a network namespace without any interface where one may be made, else behind a guard."""
    cut = ["unshare", "--map-root-user", "--net"]
    may = shutil.which("unshare") and subprocess.run([*cut, "true"], capture_output=True)
    isolated = bool(may and may.returncode == 0)
    done = subprocess.run(
        [
            *(cut if isolated else []),
            *(sys.executable, "-c", OFFLINE, str(FIXTURES / "speech_en.wav")),
            "namespace" if isolated else "guard",
        ],
        env={**os.environ, "VISAVIS_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "vehicle inspection" in done.stdout
