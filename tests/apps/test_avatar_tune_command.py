"""`visavis avatar tune`, as it is typed: what it refuses, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from visavis.apps import tuning
from visavis.apps.commands.avatar import command
from visavis.core.errors import AssetError, FileUnreadable, UnknownAvatar

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAVIS_HOME", str(tmp_path))


def run(*args: object) -> Result:
    # As below `visavis`: click keeps the first form of a command's help option that it makes.
    names = ["-h", "--help"]
    return CliRunner().invoke(command, ["tune", *map(str, args)], help_option_names=names)


def test_it_wants_an_avatar_and_a_video() -> None:
    assert "Missing argument 'NAME'" in run().output
    assert "Missing option '--video'" in run("mei").output


def test_an_avatar_that_is_not_there() -> None:
    assert isinstance(run("nobody", "--video", FIXTURES / "speech_en.wav").exception, UnknownAvatar)


def test_weights_must_be_chosen() -> None:
    refused = run("mei", "--video", FIXTURES / "speech_en.wav").exception
    assert isinstance(refused, AssetError)
    assert "--weights" in str(refused)


def test_a_video_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text("{}")
    refused = run("mei", "--weights", tmp_path, "--video", tmp_path / "me.mp4").exception
    assert isinstance(refused, FileUnreadable)
    assert "me.mp4" in str(refused)


def test_what_came_of_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = {"mouth_psnr": 25.0, "lpips": 0.1}
    made = {
        "before": figures,
        "after": {**figures, "mouth_psnr": 27.5},
        "held_out": 3,
        "clips": 20,
        "steps": 400,
        "kept": str(tmp_path / "me.lips"),
    }
    asked = {}

    def tune(name: str, videos: tuple[Path, ...], **rest: object) -> dict[str, object]:
        asked.update(rest, name=name, videos=videos)
        return made

    monkeypatch.setattr(tuning, "tune_avatar", tune)
    shown = run("me", "--video", "a.mp4", "--video", "b.mp4", "--minutes", "3", "--weights", "192")
    assert shown.exception is None
    assert asked["videos"] == (Path("a.mp4"), Path("b.mp4"))
    assert asked["minutes"] == 3.0
    assert asked["weights"] == "192"
    assert "25.000   27.500" in shown.output
    assert "me.lips" in shown.output
