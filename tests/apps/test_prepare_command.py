"""`visavis prepare`, as it is typed: what it says, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parent.parent / "fixtures"


def prepare(*args: object, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "from visavis.apps.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "prepare", *map(str, args)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=240,
        check=False,
    )


def test_it_wants_videos_and_a_place(tmp_path: Path) -> None:
    done = prepare("-o", tmp_path)
    assert done.returncode == 2
    assert "name videos" in done.stderr
    done = prepare(tmp_path)
    assert done.returncode == 2
    assert "--output" in done.stderr


def test_a_folder_without_videos_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    done = prepare(tmp_path, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no video is in")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_offsets_of_nothing(tmp_path: Path) -> None:
    done = prepare("-o", tmp_path, "--expert", tmp_path / "expert")
    assert done.returncode == 3
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"x")
    (tmp_path / "file").write_text("x")
    done = prepare(tmp_path, "-o", tmp_path / "file" / "out")
    assert done.returncode == 2
    assert "is not a folder" in done.stderr


def test_missing_networks_end_it_at_once(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.mp4").write_bytes(b"x")
    done = prepare(
        tmp_path, "-o", tmp_path / "out", VISAVIS_MODELS=str(tmp_path), VISAVIS_OFFLINE="1",
        XDG_CACHE_HOME=str(tmp_path / "cache"), HOME=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 3
    assert "visavis models pull" in done.stderr


@pytest.mark.assets
def test_videos_that_cannot_be_used_are_named_and_the_page_written(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("one.mp4", "two.webm"):
        (tmp_path / "in" / name).write_bytes(b"no video at all")
    (tmp_path / "in" / "sound.mp4").write_bytes((FIXTURES / "speech_en.wav").read_bytes())
    done = prepare(tmp_path / "in", "-o", tmp_path / "out", "--jobs", 1)
    assert done.returncode == 2
    assert "no clip could be made" in done.stderr
    assert "one.mp4" in done.stderr
    assert "two.webm" in done.stderr
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "no moving picture" in page
    done = prepare(tmp_path / "in", "-o", tmp_path / "out", "--json")
    assert done.returncode == 2
    told = json.loads(done.stdout)
    assert told["clips"] == 0
    assert [source["file"] for source in told["failed"]] == ["one.mp4", "sound.mp4", "two.webm"]
