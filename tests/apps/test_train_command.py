"""`visavis train`, as it is typed: what it says, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.training.made_clips import MadeClips, write_store

from visavis.apps.cli import main

CODE = "from visavis.apps.cli import main; main()"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(*args: object) -> list[str]:
    return [sys.executable, "-c", CODE, "train", *map(str, args)]


def run(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args), capture_output=True, text=True, env=ENVIRONMENT, timeout=240, check=False
    )


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(MadeClips(train=6, val=2), tmp_path_factory.mktemp("clips"))


def test_recipes_are_listed() -> None:
    done = run("--list")
    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert {"syncnet-96-small", "wav2lip-384", "audio2mouth", "tiny-syncnet"} <= set(names)
    assert len(names) == len(set(names))


def test_every_recipe_can_be_shown() -> None:
    from visavis.training.recipes.catalogue import RECIPES

    for name, recipe in RECIPES.items():
        assert recipe.config().loop.steps > 0, name
    args = ["train", "wav2lip-192", "--show", "--steps", "7", "--set", "batch=3"]
    done = CliRunner().invoke(main, args)
    shown = json.loads(done.stdout)
    assert (shown["network"]["size"], shown["loop"]["steps"], shown["batch"]) == (192, 7, 3)


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ((), 2, "name a recipe"),
        (("syncnet-96-smal",), 4, "did you mean syncnet-96-small?"),
        (("tiny-syncnet",), 2, "--data (clips prepared by `visavis prepare`)"),
        (("tiny-syncnet", "--time-limit", "5x"), 2, "25m or 1h30m"),
        (("tiny-syncnet", "--set", "loop.stepz=3"), 4, "there is no setting 'loop.stepz'"),
        (("tiny-syncnet", "--data", "/nowhere", "-o", "."), 2, "visavis prepare"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(
    args: tuple[str, ...], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["train", *args])
    assert done.exit_code == code
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_place_that_cannot_be_written_to(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = run("tiny-syncnet", "--data", clips, "-o", tmp_path / "file" / "out")
    assert done.returncode == 2
    assert "is not a folder" in done.stderr


@pytest.mark.slow
def test_trains_exports_and_goes_on(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    base = ("tiny-syncnet", "--data", clips, "-o", out, "--set", "loop.evaluate_every=2")
    done = run(*base, "--steps", 2, "--export", tmp_path / "network")
    assert done.returncode == 0, done.stderr
    assert "6 clips of 4 people" in done.stdout
    assert "windows" in done.stdout
    assert "bound by" in done.stdout
    assert "exported to" in done.stdout
    assert (tmp_path / "network" / "face_encoder.onnx").stat().st_size > 1000
    assert json.loads((out / "recipe.json").read_text())["loop"]["steps"] == 2
    done = run(*base, "--steps", 4)
    assert "going on at step 2" in done.stdout
    assert len((out / "evaluation.csv").read_text().splitlines()) == 3
    # With another network the folder is refused.
    done = run(*base, "--steps", 6, "--set", "lips_steps=2")
    assert done.returncode == 4
    assert "another network" in done.stderr


@pytest.mark.slow
def test_sigterm_saves_and_a_second_training_is_kept_out(clips: Path, tmp_path: Path) -> None:
    args = ("tiny-syncnet", "--data", clips, "-o", tmp_path, "--steps", 100_000)
    with subprocess.Popen(
        command(*args, "--set", "loop.log_every=1"), stdout=subprocess.PIPE, text=True,
        env=ENVIRONMENT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if "step 2/" in line:
                break
        other = run(*args)
        assert other.returncode == 2
        assert "another training writes" in other.stderr
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert process.returncode == 143
    assert "stopped; the same command goes on" in rest
    assert (tmp_path / "last.pt").stat().st_size > 1000


@pytest.mark.slow
def test_time_limit_counts_from_the_start(clips: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    done = run("tiny-syncnet", "--data", clips, "-o", tmp_path, "--time-limit", "20s")
    assert done.returncode == 0, done.stderr
    # Starting Python and importing torch come on top.
    assert time.monotonic() - began < 60
    assert "steps fit into the time" in done.stdout
    assert "AUC" in done.stdout


def test_without_torch_it_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('No module named torch', name='torch')")
    done = subprocess.run(
        command("--list"), capture_output=True, text=True,
        env={**ENVIRONMENT, "PYTHONPATH": str(tmp_path)}, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert "pip install 'visavis[train]'" in done.stderr
