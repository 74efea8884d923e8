"""`visavis voice create`: from a recording to the data set that a voice is fine-tuned with."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from visavis.apps.voice_data import creating, reading
from visavis.apps.voice_data.creating import Agreed, Wanted, create
from visavis.apps.voice_data.levels import speech_level
from visavis.core import registry
from visavis.core.errors import (
    AudioSilent,
    AudioTooLong,
    AudioTooShort,
    ConfigError,
    FileUnreadable,
    NoAudioStream,
    OutputUnwritable,
)
from visavis.core.types import Floats, Transcript, Waveform
from visavis.evaluation.word_errors import edit_distance, split_words
from visavis.media.audio import read_audio, write_wav
from visavis.stages.synthesizers.consent import read_with_consent

RATE = 16_000
CHUNK = 0.032
AGREED = Agreed("李 Ann", "I agree that my voice is imitated.", "tests", date(2026, 1, 2))
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight"]


class Recognizer:
    """Hears a number of words that fits the length; takes down how often it was asked."""

    asked = 0
    say: Callable[[int, float], str] = staticmethod(
        lambda number, seconds: " ".join(WORDS[: max(2, int(seconds))]) + "."
    )

    def __init__(self, *, language: str = "auto") -> None:
        self.language = language

    async def transcribe(self, audio: AsyncIterator[Waveform]) -> AsyncIterator[Transcript]:
        seconds = 0.0
        async for chunk in audio:
            assert chunk.sample_rate == RATE
            seconds += chunk.duration
        type(self).asked += 1
        text = type(self).say(self.asked, seconds)
        if not text:
            raise AudioSilent("nothing")
        yield Transcript(text, True, 0.0, seconds)


@pytest.fixture
def recognizer(monkeypatch: pytest.MonkeyPatch) -> type[Recognizer]:
    """A recogniser and a detector of speech that need no models."""

    class Fresh(Recognizer):
        asked = 0

    def by_level(sound: Waveform, told: object = None) -> Floats:
        size = round(CHUNK * sound.sample_rate)
        padded = np.pad(sound.samples, (0, -len(sound.samples) % size)).reshape(-1, size)
        return np.asarray(np.sqrt(np.mean(padded**2, axis=1)) > 0.03, np.float32)

    monkeypatch.setattr(registry, "load", lambda kind, name: Fresh)
    monkeypatch.setattr(reading, "listen", by_level)
    monkeypatch.setattr(creating, "LEAST_SPEECH", 15.0)
    return Fresh


def speak(seconds: list[float], pause: float = 0.8, noise: float = 0.003) -> npt.NDArray[Any]:
    """Tones that stand for sentences, with noise everywhere."""
    parts: list[npt.NDArray[Any]] = [np.zeros(RATE)]
    for length in seconds:
        time = np.arange(round(length * RATE)) / RATE
        parts += [0.2 * np.sin(2 * np.pi * (200 + 40 * time) * time), np.zeros(round(pause * RATE))]
    sound = np.concatenate(parts)
    return np.asarray(sound + noise * np.random.default_rng(0).normal(size=len(sound)), np.float32)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "我的 录音 1.wav"
    write_wav(path, Waveform(speak([4.0, 6.0, 3.2, 5.0]), RATE))
    return path


def wanted(folder: Path, **more: Any) -> Wanted:
    return Wanted("小李", folder, AGREED, **more)


def test_a_data_set_as_gpt_sovits_reads_it(
    recording: Path, tmp_path: Path, recognizer: type[Recognizer]
) -> None:
    out = tmp_path / "out 声音"
    report = create(wanted(out), [recording])
    # The two lines that GPT-SoVITS' preparation reads a list with.
    lines = (out / "小李.list").read_text("utf8").strip("\n").split("\n")
    rows = [line.split("|") for line in lines]
    assert len(rows) == len(report["pieces"]) == 4
    for number, (path, speaker, language, text) in enumerate(rows, 1):
        assert Path(path) == out / "wavs" / f"小李_{number:04}.wav"
        assert (speaker, language) == ("小李", "EN")
        assert text.startswith("one two")
        with wave.open(path) as sound:
            assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (
                32_000,
                1,
                2,
            )
            assert 3 <= sound.getnframes() / 32_000 <= 10
        level = speech_level(read_audio(path, 32_000).samples, 32_000)
        assert level == pytest.approx(-23, abs=0.5)
    assert report["seconds"] == pytest.approx(sum(p["seconds"] for p in report["pieces"]), abs=0.1)
    assert report["verdict"] == "too little"
    found = report["recordings"][0]
    # A tone of 0.2 has a power of 0.02.
    assert found["snr_db"] == pytest.approx(10 * np.log10(0.02 / 0.003**2), abs=0.5)
    assert found["snr_db_after"] > found["snr_db"] + 10
    assert json.loads((out / "report.json").read_text("utf-8")) == report
    assert "not checked: music" in (out / "report.txt").read_text("utf-8")


def test_the_reference_can_be_imitated_with_its_record(
    recording: Path, tmp_path: Path, recognizer: type[Recognizer]
) -> None:
    report = create(wanted(tmp_path / "out"), [recording])
    reference = tmp_path / "out" / "reference.wav"
    data = read_with_consent(reference)
    assert data == (tmp_path / "out" / report["reference"]["same_as"]).read_bytes()
    assert 5 <= read_audio(reference).duration <= 10
    text = (tmp_path / "out" / "reference.txt").read_text("utf-8")
    assert text == report["reference"]["text"] + "\n"
    record = json.loads((tmp_path / "out" / "reference.wav.consent.json").read_text("utf-8"))
    assert (record["speaker"], record["date"]) == ("李 Ann", "2026-01-02")
    reference.write_bytes(data + b"x")
    with pytest.raises(ConfigError, match="not of this recording"):
        read_with_consent(reference)


def test_a_killed_run_goes_on_and_leaves_nothing_half(
    recording: Path, tmp_path: Path, recognizer: type[Recognizer]
) -> None:
    out = tmp_path / "out"
    usual = recognizer.say

    def stop(number: int, seconds: float) -> str:
        if number == 6:
            raise KeyboardInterrupt
        return usual(number, seconds)

    recognizer.say = staticmethod(stop)
    with pytest.raises(KeyboardInterrupt):
        create(wanted(out), [recording])
    assert recognizer.asked == 6
    assert not list(out.glob("*.list"))
    assert not list(out.rglob("*.part"))
    recognizer.say = staticmethod(usual)
    first = create(wanted(out), [recording])
    # Two readings of two pieces were kept; the third began anew.
    assert recognizer.asked == 6 + 2 * (len(first["pieces"]) - 2)
    before = recognizer.asked
    assert create(wanted(out), [recording]) == first
    assert recognizer.asked == before
    # What another recogniser heard is another text.
    create(wanted(out, language="en"), [recording])
    assert recognizer.asked > before


def test_what_is_unsure_empty_or_of_another_language_is_left_out_with_its_reason(
    recording: Path, tmp_path: Path, recognizer: type[Recognizer]
) -> None:
    usual = recognizer.say

    def say(number: int, seconds: float) -> str:
        return {1: "", 4: "what else was that", 5: "今天天气很好", 6: "今天天气很好"}.get(
            number, usual(number, seconds)
        )

    recognizer.say = staticmethod(say)
    report = create(wanted(tmp_path / "out", language="en"), [recording])
    why = [d["why"] for d in report["dropped"]]
    assert [w.split(":")[0] for w in why] == [
        "no words were understood",
        "the recogniser is unsure",
        "another language was understood",
    ]
    assert all(0 <= d["start"] < d["end"] for d in report["dropped"])
    text = (tmp_path / "out" / "report.txt").read_text("utf-8")
    assert all(w in text for w in why)
    recognizer.say = staticmethod(lambda number, seconds: "")
    with pytest.raises(AudioSilent, match="no words were understood"):
        create(wanted(tmp_path / "none"), [recording])
    assert not list((tmp_path / "none").glob("*.list"))


def test_clipped_pieces_are_left_out(tmp_path: Path, recognizer: type[Recognizer]) -> None:
    sound = speak([5.0] * 4)
    loud = slice(RATE, RATE + 5 * RATE)
    sound[loud] = np.clip(sound[loud] * 20, -1, 1)
    # Written at the rate of the data set, so that resampling does not round the corners off.
    write_wav(tmp_path / "in.wav", Waveform(sound.repeat(2).astype(np.float32), 2 * RATE))
    report = create(wanted(tmp_path / "out"), [tmp_path / "in.wav"])
    assert [d["why"].split(":")[0] for d in report["dropped"]] == ["clipped"]
    assert any("clipped" in warning for warning in report["warnings"])


def test_a_full_disk_is_said_and_leaves_no_list(
    recording: Path,
    tmp_path: Path,
    recognizer: type[Recognizer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    create(wanted(out), [recording])
    real = os.fsync
    count = 0

    def full(handle: int) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr("visavis.media.files.os.fsync", full)
    with pytest.raises(OutputUnwritable, match="the disk is full"):
        create(wanted(out), [recording])
    assert not (out / "小李.list").exists()
    assert not (out / "report.json").exists()
    assert not list(out.rglob("*.part"))


def test_another_data_set_is_not_written_over_unasked(
    recording: Path, tmp_path: Path, recognizer: type[Recognizer]
) -> None:
    out = tmp_path / "out"
    first = create(wanted(out), [recording])
    write_wav(tmp_path / "other.wav", Waveform(speak([6.0] * 3), RATE))
    with pytest.raises(ConfigError, match="--replace"):
        create(wanted(out), [tmp_path / "other.wav"])
    with pytest.raises(ConfigError, match="--replace"):
        create(Wanted("Other", out, AGREED), [recording])
    assert json.loads((out / "report.json").read_text("utf-8")) == first
    (out / "wavs" / "mine_0001.wav").write_bytes(b"mine")
    second = create(Wanted("Other", out, AGREED, replace=True), [tmp_path / "other.wav"])
    names = {p.name for p in (out / "wavs").iterdir()}
    assert names == {"mine_0001.wav", *(Path(p["file"]).name for p in second["pieces"])}
    assert [p.name for p in out.glob("*.list")] == ["Other.list"]
    with pytest.raises(ConfigError, match="twice"):
        create(wanted(tmp_path / "twice"), [recording, recording])


def write_odd(path: Path, kind: str) -> None:
    if kind == "broken":
        path.write_bytes(b"RIFF" + bytes(range(256)) * 10)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "0 s":
        write_wav(path, Waveform(np.zeros(0, np.float32), RATE))
    elif kind == "silent":
        write_wav(path, Waveform(np.zeros(40 * RATE, np.float32), RATE))
    elif kind == "noise":
        write_wav(path, Waveform(speak([], noise=0.001).repeat(40), RATE))
    elif kind == "short":
        write_wav(path, Waveform(speak([6.0, 6.0, 1.0]), RATE))
    elif kind == "3 h":
        with wave.open(str(path), "wb") as sound:
            sound.setparams((1, 2, 8000, 3 * 3600 * 8000, "NONE", ""))
            sound.writeframes(b"\0\0")
        os.truncate(path, 44 + 3 * 3600 * 8000 * 2)
        with path.open("r+b") as file:
            for at, size in ((4, 3 * 3600 * 8000 * 2 + 36), (40, 3 * 3600 * 8000 * 2)):
                file.seek(at)
                file.write(size.to_bytes(4, "little"))
    elif kind == "picture only":
        import av

        with av.open(str(path), "w", format="mp4") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width = stream.height = 64
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            for _ in range(10):
                container.mux(stream.encode(frame))
            container.mux(stream.encode())


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("missing", FileUnreadable),
        ("broken", FileUnreadable),
        ("empty", FileUnreadable),
        ("0 s", AudioTooShort),
        ("silent", AudioSilent),
        ("noise", AudioSilent),
        ("short", AudioTooShort),
        ("3 h", AudioTooLong),
        ("picture only", NoAudioStream),
    ],
)
def test_odd_recordings_are_refused(
    kind: str, error: type[Exception], tmp_path: Path, recognizer: type[Recognizer]
) -> None:
    path = tmp_path / "odd 文件.bin"
    write_odd(path, kind)
    with pytest.raises(error):
        create(wanted(tmp_path / "out"), [path])
    assert recognizer.asked == 0
    assert not list((tmp_path / "out").glob("*.list"))
    assert not list((tmp_path / "out").rglob("*.wav"))


def test_many_files_are_too_long_together(
    recording: Path, tmp_path: Path, recognizer: type[Recognizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wav(tmp_path / "other.wav", Waveform(speak([6.0] * 3), RATE))
    assert create(wanted(tmp_path / "both"), [recording, tmp_path / "other.wav"])["seconds"] > 33
    monkeypatch.setattr(creating, "MOST_SECONDS", 40.0)
    with pytest.raises(AudioTooLong, match="30 minutes are the most"):
        create(wanted(tmp_path / "out"), [recording, tmp_path / "other.wav"])


def voice(*args: object, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "from visavis.apps.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "voice", "create", *map(str, args)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=600,
        check=False,
    )


def test_as_it_is_typed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = voice("ann", "a.wav", "-o", out)
    assert done.returncode == 4
    assert done.stderr.startswith("error: a voice is made only with its speaker's consent")
    assert "--consent-by, --consent-statement, --consent-scope" in done.stderr
    assert done.stderr.count("\n") == 1
    done = voice("ann", "-o", out)
    assert done.returncode == 2
    assert "--record" in done.stderr
    assert not out.exists()


@pytest.mark.assets
@pytest.mark.slow
def test_real_speech_with_noise_from_end_to_end(tmp_path: Path) -> None:
    said = (
        "您好，欢迎来到政务服务大厅。请问在哪里补办身份证？您可以到三号窗口办理，需要带上户口本和一张照片。"
        "如果您的申请已经通过了，我们会在十个工作日之内通知您。谢谢您的耐心等待，祝您生活愉快。"
        "办理护照的时候，请先在网上预约，然后按照时间过来。从北京到苏州坐火车大约需要五个小时。"
        "他的普通话很标准，声音也特别好听。如果您还有别的问题，欢迎随时打电话来问。"
    )
    code = "from visavis.apps.cli import main; main()"
    subprocess.run(
        [sys.executable, "-c", code, "speak", said, "-o", str(tmp_path / "clean.wav")], check=True
    )
    clean = read_audio(tmp_path / "clean.wav", 24_000).samples
    clean = np.concatenate([np.zeros(24_000, np.float32), clean])
    noise = np.random.default_rng(1).normal(size=len(clean))
    noise *= np.sqrt(np.mean(clean**2)) / 10
    write_wav(tmp_path / "在 线.wav", Waveform((clean + noise).astype(np.float32), 24_000))
    out = tmp_path / "out"
    done = voice(
        "kokoro", tmp_path / "在 线.wav", "-o", out, "--json", "--consent-by", "A Voice",
        "--consent-statement", "I agree that it is imitated.", "--consent-scope", "tests",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    found = report["recordings"][0]
    assert found["snr_db"] == pytest.approx(20, abs=2.5)
    assert found["snr_db_after"] > found["snr_db"] + 8
    assert report["seconds"] > 0.7 * found["speech_seconds"]
    heard = "".join(piece["text"] for piece in report["pieces"])
    # What was dropped is missing too; Whisper base hears about one character in ten wrong.
    wrong = edit_distance(split_words(said), split_words(heard)) / len(split_words(said))
    assert wrong < 0.35
    assert {piece["language"] for piece in report["pieces"]} == {"zh"}
    assert read_with_consent(out / "reference.wav")
