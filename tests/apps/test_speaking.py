"""`visavis speak` and `visavis voices` on the voice that needs no model file."""

import json
import wave
from pathlib import Path

import pytest
from click.testing import CliRunner

from visavis.apps.commands.speak import command as speak
from visavis.apps.commands.voices import command as voices
from visavis.core.errors import LanguageUnsupported, TextUnusable

VOICE = "hibari_heart"

pytestmark = pytest.mark.assets  # the router lists the voices of every synthesizer


def run(command, *args, stdin=None):
    return CliRunner().invoke(command, list(args), input=stdin)


def test_sentences_from_standard_input_become_one_file_with_subtitles(tmp_path: Path) -> None:
    output = tmp_path / "speech.wav"
    text = "It costs $5.99. 😀 Please call 911!\n\nThank you."
    result = run(speak, "-o", str(output), "--voice", VOICE, "--srt", "--json", stdin=text)
    assert result.exit_code == 0, result.output
    made = json.loads(result.output)
    assert made["sentences"] == 3
    with wave.open(str(output)) as sound:
        assert sound.getframerate() == made["sample_rate"]
        assert abs(sound.getnframes() / made["sample_rate"] - made["seconds"]) < 0.001
    subtitles = output.with_suffix(".srt").read_text("utf-8")
    assert "$5.99" in subtitles
    assert "Thank you." in subtitles


@pytest.mark.parametrize(
    ("text", "error"),
    [("😀🎉", TextUnusable), ("你好", LanguageUnsupported), ("مرحبا بك", LanguageUnsupported)],
)
def test_bad_text_leaves_no_file(tmp_path: Path, text: str, error: type[Exception]) -> None:
    result = run(speak, text, "-o", str(tmp_path / "a.wav"), "--voice", VOICE)
    assert isinstance(result.exception, error)
    assert list(tmp_path.iterdir()) == []


def test_input_that_is_not_text(tmp_path: Path) -> None:
    result = run(speak, "-o", str(tmp_path / "a.wav"), stdin=b"\xff\xfe\x00")
    assert isinstance(result.exception, TextUnusable)
    assert "UTF-8" in str(result.exception)


def test_voices_are_listed() -> None:
    rows = json.loads(run(voices, "--json").output)
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names) == 38
    assert sorted(d for row in rows for d in row["default_for"]) == ["en", "zh"]
    only = json.loads(run(voices, "--json", "--language", "zh").output)
    assert {row["languages"][0] for row in only} == {"zh"}
