"""Questions into files, with fakes for the stages and a real video writer."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from visavis.apps.answering import answer
from visavis.apps.assemble import Cast
from visavis.apps.printing import print_answer
from visavis.apps.recording import HEAD_SECONDS, TAIL_SECONDS
from visavis.apps.rendering import render_audio, render_text
from visavis.core.errors import AudioSilent, AudioTooLong, StageError
from visavis.core.types import FPS, Waveform
from visavis.media.audio import read_audio, write_wav
from visavis.media.video import probe, read_video
from visavis.stages import fakes
from visavis.stages.responders.persona import load_persona

WORDS = (
    "Bring",
    "your",
    "identity",
    "card",
    "请",
    "带",
    "身",
    "份",
    "证",
    "It",
    "takes",
    "ten",
    "days",
)
SECONDS = sum(len(w) for w in WORDS) * fakes.SECONDS_PER_CHARACTER


def make_noise(path: Path, seconds: float, level: float = 0.1) -> Path:
    rng = np.random.default_rng(0)
    samples = rng.normal(0, level, round(16_000 * seconds)).astype(np.float32)
    write_wav(path, Waveform(samples, 16_000))
    return path


def list_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_who_answers_is_named_in_the_language_of_the_answer(
    cast: Cast, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = await answer(cast, tmp_path / "a.mp4", "Hello?")
    assert "persona" not in result
    vars(cast.responder)["persona"] = load_persona("clerk")
    result = await answer(cast, tmp_path / "b.mp4", "Hello?")
    assert result["persona"] == "Xiaohui"
    print_answer(result)
    assert "persona   Xiaohui\nanswer    Bring your" in capsys.readouterr().out


async def test_a_written_question_becomes_a_video_with_subtitles(
    cast: Cast, tmp_path: Path
) -> None:
    target = tmp_path / "回答.mp4"
    result = await answer(cast, target, "How do I replace my card?")
    assert result["question"] == "How do I replace my card?"
    assert result["answer"].startswith("Bring your identity card.")
    info = probe(target)
    assert (info.video_codec, info.audio_codec, info.fps) == ("h264", "aac", FPS)
    assert info.is_ai_generated
    assert abs(info.video_duration - info.audio_duration) <= 1 / FPS
    quiet = HEAD_SECONDS + TAIL_SECONDS
    assert info.video_duration == pytest.approx(SECONDS + quiet, abs=2 / FPS)
    head = read_audio(target, 24_000, max_seconds=10).samples[: round(HEAD_SECONDS * 24_000) - 600]
    assert np.abs(head).max() < 0.01, "it begins in silence"
    assert result["seconds"] == pytest.approx(info.video_duration, abs=1 / FPS)
    assert {"responder", "synthesizer", "animator"} <= set(result["timings"])
    srt = target.with_suffix(".srt").read_text(encoding="utf-8")
    assert "identity card" in srt
    assert srt.splitlines()[1].startswith("00:00:00,3"), "captions wait for the first word"
    assert "请带身份证" in srt
    assert target.with_suffix(".vtt").read_text(encoding="utf-8").startswith("WEBVTT")
    assert list_names(tmp_path) == {"回答.mp4", "回答.srt", "回答.vtt"}


async def test_a_recorded_question_is_recognised(cast: Cast, tmp_path: Path) -> None:
    recording = make_noise(tmp_path / "question.wav", 1.0)
    result = await answer(cast, tmp_path / "a.mp4", None, recording, subtitles=False)
    assert result["question"] == "如何补办身份证?"
    assert "recognizer" in result["timings"]
    assert not (tmp_path / "a.srt").exists()


async def test_a_recording_of_an_hour_is_no_question(cast: Cast, tmp_path: Path) -> None:
    recording = tmp_path / "long.wav"
    write_wav(recording, Waveform(np.zeros(8000 * 61, np.float32), 8000))
    with pytest.raises(AudioTooLong, match="61 s long and the limit is 60 s"):
        await answer(cast, tmp_path / "a.mp4", None, recording)
    assert not (tmp_path / "a.mp4").exists()


async def test_a_failure_leaves_no_file(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Cast, "responder", fakes.EchoResponder("One. Two. Three.", fail=True), raising=True
    )
    with pytest.raises(StageError):
        await answer(cast, tmp_path / "a.mp4", "Count")
    assert list_names(tmp_path) == set()


async def test_a_cancelled_answer_leaves_no_file(cast: Cast, tmp_path: Path) -> None:
    def stop(seconds: float) -> None:
        work.cancel()

    question = "Go on. " * 60
    work = asyncio.create_task(answer(cast, tmp_path / "a.mp4", question, progress=stop))
    with pytest.raises(asyncio.CancelledError):
        await work
    assert list_names(tmp_path) == set()


async def test_text_is_rendered_with_a_label_unless_told_otherwise(
    cast: Cast, tmp_path: Path
) -> None:
    from dataclasses import replace

    await render_text(cast, "Hello there.", tmp_path / "with.mp4", False, lambda s: None)
    cast.settings = replace(cast.settings, label=False)
    await render_text(cast, "Hello there.", tmp_path / "without.mp4", False, lambda s: None)
    labelled = next(iter(read_video(tmp_path / "with.mp4"))).image.astype(int)
    plain = next(iter(read_video(tmp_path / "without.mp4"))).image.astype(int)
    difference = np.abs(labelled - plain).mean(axis=2)
    assert difference[48:, 20:].mean() > difference[:40].mean() + 20, "bottom right"
    assert probe(tmp_path / "without.mp4").is_ai_generated


async def test_a_recording_is_mouthed_and_keeps_its_length(cast: Cast, tmp_path: Path) -> None:
    recording = make_noise(tmp_path / "speech.wav", 3.21)
    await render_audio(cast, recording, tmp_path / "a.mp4", False, lambda s: None)
    info = probe(tmp_path / "a.mp4")
    assert info.video_duration == pytest.approx(3.24, abs=0.001)
    assert abs(info.audio_duration - info.video_duration) <= 1 / FPS
    heard = read_audio(tmp_path / "a.mp4", 16_000).samples
    said = read_audio(recording, 16_000).samples
    count = min(len(heard), len(said))
    assert np.corrcoef(heard[:count], said[:count])[0, 1] > 0.9, "in step to the sample"


async def test_silence_is_refused(cast: Cast, tmp_path: Path) -> None:
    write_wav(tmp_path / "silent.wav", Waveform(np.zeros(32_000, np.float32), 16_000))
    with pytest.raises(AudioSilent, match=r"silent for all of its 2\.0 s"):
        await render_audio(cast, tmp_path / "silent.wav", tmp_path / "a.mp4", False, lambda s: None)
    assert not (tmp_path / "a.mp4").exists()


async def test_progress_rises(cast: Cast, tmp_path: Path) -> None:
    told: list[float] = []
    await render_text(cast, "One two three.", tmp_path / "a.mp4", False, told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(probe(tmp_path / "a.mp4").video_duration, abs=1 / FPS)
