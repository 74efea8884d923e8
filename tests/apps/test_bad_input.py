"""Bad input at the command line: one clear sentence, the right exit code, nothing left behind."""

import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from visavis.apps.assemble import Cast
from visavis.apps.cli import main
from visavis.core.types import Waveform
from visavis.media.audio import write_wav
from visavis.media.picture import write_png
from visavis.stages import fakes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with odd files in it, made the working folder."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    write_wav(tmp_path / "noise.wav", Waveform(noise, 16_000))
    write_wav(tmp_path / "silent.wav", Waveform(np.zeros(16_000, np.float32), 16_000))
    with wave.open(str(tmp_path / "hours.wav"), "wb") as long:
        long.setparams((1, 1, 2000, 0, "NONE", ""))
        long.writeframes(bytes([128]) * 2000 * 7200)
    (tmp_path / "words.txt").write_text("not sound", encoding="utf-8")
    (tmp_path / "latin1.txt").write_bytes("caf\xe9".encode("latin-1"))
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    write_png(tmp_path / "grey.png", np.full((300, 300, 3), 128, np.uint8))
    return tmp_path


@pytest.fixture
def invoke(
    folder: Path, fake_stages: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Run the real commands with fakes for the stages."""
    for name, value in {
        "RECOGNIZER": "script", "RESPONDER": "echo", "ANIMATOR": "paint",
        "VOICE_ZH": "tone_low", "VOICE_EN": "tone_high",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"VISAVIS_{name}", value)

    def load_avatar(self: Cast) -> object:
        return fakes.make_avatar(size=64) if not self.avatar else real(self)

    real = Cast.load_avatar
    monkeypatch.setattr(Cast, "load_avatar", load_avatar)

    def run(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(main, list(arguments), env=environment)

    return run


CASES: dict[str, tuple[list[str], int, str]] = {
    "no question": (["ask"], 2, "give a QUESTION"),
    "two questions": (["ask", "a", "--audio", "noise.wav"], 2, "give a QUESTION"),
    "empty question": (["ask", ""], 2, "the question is empty"),
    "blank question": (["ask", " \t\n"], 2, "the question is empty"),
    "control characters": (["ask", "\x01\x02\x1b"], 2, "the question is empty"),
    "endless question": (["ask", "字" * 1001], 2, "1001 characters and the limit is 1000"),
    "question not there": (["ask", "--audio", "nothing.wav"], 2, "no file nothing.wav"),
    "question is text": (["ask", "--audio", "words.txt"], 2, "words.txt"),
    "question is a folder": (["ask", "--audio", "folder"], 2, "folder"),
    "question is empty file": (["ask", "--audio", "empty"], 2, "empty"),
    "question is a picture": (["ask", "--audio", "grey.png"], 2, "grey.png"),
    "question of two hours": (["ask", "--audio", "hours.wav"], 2, "7200 s long"),
    "silent question": (["ask", "--audio", "silent.wav"], 2, "no speech"),
    "nothing to render": (["render"], 2, "give one of"),
    "two to render": (["render", "--text", "a", "--audio", "noise.wav"], 2, "give one of"),
    "empty text": (["render", "--text", ""], 2, "the text is empty"),
    "only emoji": (["render", "--text", "🙂🙂"], 2, "nothing in the text to speak"),
    "a hundred thousand": (["render", "--text", "字" * 100_000], 2, "the limit is 20000"),
    "no text file": (["render", "--text-file", "nothing.txt"], 2, "no file nothing.txt"),
    "text not UTF-8": (["render", "--text-file", "latin1.txt"], 2, "not UTF-8"),
    "silent sound": (["render", "--audio", "silent.wav"], 2, "is silent"),
    "sound of two hours": (["render", "--audio", "hours.wav"], 2, "7200 s long"),
    "sound is text": (["render", "--audio", "words.txt"], 2, "words.txt"),
    "drive not there": (["render", "--drive", "nothing.mp4"], 4, "cannot follow a video"),
    "wrong ending": (["render", "--text", "a", "-o", "a.avi"], 2, "does not end in .mp4"),
    "no such folder": (["render", "--text", "a", "-o", "no/a.mp4"], 2, "not a folder"),
    "into a file": (["render", "--text", "a", "-o", "words.txt/a.mp4"], 2, "words.txt"),
    "onto a folder": (["ask", "a", "-o", "folder/../folder"], 2, "folder"),
    "name too long": (["render", "--text", "a", "-o", "n" * 300 + ".mp4"], 2, "too long"),
    "no such voice": (["ask", "a", "--voice", "nobody"], 4, "no voice is called 'nobody'"),
    "no such emotion": (["ask", "a", "--emotion", "bored"], 2, "bored"),
    "intensity": (["ask", "a", "--intensity", "1.5"], 2, "1.5"),
    "label": (["render", "--text", "a", "--label-text", "Ωψ"], 2, "label"),
    "demo into a file": (["demo", "-o", "words.txt"], 2, "words.txt"),
    "no such command": (["dance"], 2, "dance"),
    "no such option": (["ask", "a", "--loud"], 2, "--loud"),
    "no such stage to bench": (["bench", "legs"], 2, "legs"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input(case: str, invoke: Callable[..., Result], folder: Path) -> None:
    arguments, code, said = CASES[case]
    before = {path.name for path in folder.iterdir()}
    result = invoke(*arguments)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert "unexpected" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.lower().startswith("error")]
    assert len(lines) == 1
    assert {path.name for path in folder.iterdir()} == before, "nothing is left behind"


@pytest.mark.parametrize(
    ("name", "value"), [("SIZE", "tiny"), ("EMOTION", "bored"), ("ANIMATOR", "nothing")]
)
def test_a_bad_setting(name: str, value: str, invoke: Callable[..., Result], folder: Path) -> None:
    result = invoke("ask", "a", **{f"VISAVIS_{name}": value})
    assert result.exit_code == 4
    assert value in result.stderr
    assert not (folder / "out.mp4").exists()


@pytest.mark.parametrize(
    "name", ["视频 一.mp4", "-dash.mp4", "a'b\"c.mp4", "ünï.MP4", "x" * 200 + ".mp4"]
)
def test_odd_names_are_fine(name: str, invoke: Callable[..., Result], folder: Path) -> None:
    result = invoke("render", "--text", "Hello.", "-o", str(folder / name), "--no-subtitles")
    assert result.exit_code == 0, result.output
    assert (folder / name).stat().st_size > 1000


def test_an_existing_video_survives_a_failure(invoke: Callable[..., Result], folder: Path) -> None:
    (folder / "out.mp4").write_bytes(b"precious")
    result = invoke("render", "--text", "🙂", "-o", "out.mp4")
    assert result.exit_code == 2
    assert (folder / "out.mp4").read_bytes() == b"precious"


def test_text_in_another_language_is_spoken_or_refused(
    invoke: Callable[..., Result], folder: Path
) -> None:
    result = invoke("render", "--text", "مرحبا بالعالم", "-o", "a.mp4")
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.assets
class TestAvatars:
    """What is given as an avatar, with the real checks of faces."""

    @pytest.mark.parametrize(
        ("avatar", "code"),
        [("grey.png", 2), ("words.txt", 2), ("noise.wav", 2), ("nobody", 4), ("no/where.png", 2)],
    )
    def test_no_avatar(
        self, avatar: str, code: int, invoke: Callable[..., Result], folder: Path
    ) -> None:
        result = invoke("render", "--text", "a", "--avatar", avatar, "-o", "a.mp4")
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        assert "unexpected" not in result.stderr
        assert not list(folder.glob("a.mp4*"))

    def test_the_speakers_own_errors(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        result = CliRunner().invoke(main, ["render", "--text", "مرحبا بالعالم", "-o", "a.mp4"])
        assert result.exit_code == 2
        assert len(result.stderr.strip().splitlines()[-1]) > 20
        assert not list(folder.glob("a.mp4*"))


@pytest.mark.assets
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_leaves_no_file(folder: Path, signal_number: int) -> None:
    text = "这是一段很长的文字,说到一半就会被打断。" * 40
    process = subprocess.Popen(
        [sys.executable, "-c", "from visavis.apps.cli import main; main()",
         "render", "--text", text, "-o", "long.mp4", "--size", "128"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if list(folder.glob("long.mp4*.part")):
            break
        time.sleep(0.1)
    if signal_number == signal.SIGINT:
        time.sleep(8)  # into the speaking; the other one meets the loading
    assert process.poll() is None, process.communicate()
    process.send_signal(signal_number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "stopped" in said
    assert not list(folder.glob("long*"))
