"""The command line as a whole: starts fast, fails in one sentence, shows on any terminal."""

import os
import subprocess
import sys
import time

import click
import pytest
from click.testing import CliRunner

from visavis.apps import cli
from visavis.core import errors


def run_program(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from visavis.apps.cli import main; main()", *args],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )


def test_help_lists_the_commands_and_is_fast() -> None:
    took = []
    for _ in range(3):
        began = time.perf_counter()
        result = run_program("--help")
        took.append(time.perf_counter() - began)
    assert result.returncode == 0
    for name in ("ask", "render", "demo", "bench", "stages", "models"):
        assert f"\n  {name} " in result.stdout
    assert min(took) < 1.0, "lazy imports keep the help fast, even on a busy machine"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from visavis.apps.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'cv2', 'onnxruntime', 'openvino', 'av', 'faster_whisper', 'rich', 'torch', 'numpy'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, f"imported: {result.stderr}"


def test_version() -> None:
    result = run_program("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("visavis 0.")


def test_every_command_has_help() -> None:
    group = cli.main
    with click.Context(group) as context:
        names = group.list_commands(context)
        for name in names:
            command = group.get_command(context, name)
            assert command is not None
            assert command.name == name
            assert command.get_short_help_str(), name
    assert group.get_command(context, "nothing") is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NoFaceFound("no face in x.png; give another picture"), 2),
        (errors.TextUnusable("the text is empty; give some words"), 2),
        (errors.MissingWeights("whisper-base is not here; run `visavis models pull`"), 3),
        (errors.UnknownVoice("no voice is called x"), 4),
        (errors.MissingExtra("needs torch"), 4),
        (errors.StageError("the voice failed"), 5),
        (errors.Cancelled("a newer turn"), 130),
        (KeyboardInterrupt(), 130),
        (ValueError("odd"), 1),
    ],
)
def test_errors_are_one_sentence_and_an_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command("fail")
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli.LazyCommands, "get_command", lambda self, ctx, name: fail)
    result = CliRunner().invoke(cli.main, ["fail"])
    assert result.exit_code == code
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.output
    if isinstance(error, errors.Error) and code != 130:
        assert str(error) in result.stderr
    if code == 1:
        assert "ValueError: odd" in result.stderr
        assert "--debug" in result.stderr


def test_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    @click.command("fail")
    def fail() -> None:
        raise errors.StageError("the voice failed")

    monkeypatch.setattr(cli.LazyCommands, "get_command", lambda self, ctx, name: fail)
    result = CliRunner().invoke(cli.main, ["--debug", "fail"])
    assert result.exit_code == 5
    assert "Traceback" in result.stderr + caplog.text


def test_every_error_of_the_tree_has_a_code() -> None:
    def leaves(kind: type[errors.Error]) -> list[type[errors.Error]]:
        below = kind.__subclasses__()
        return [leaf for child in below for leaf in leaves(child)] if below else [kind]

    for kind in leaves(errors.Error):
        if kind.__module__ != errors.__name__:
            continue  # of the server, which has codes of its own
        assert cli.exit_code(kind("x")) != 1, kind


def test_an_ascii_terminal_gets_substitutes_and_no_failure() -> None:
    result = run_program(
        "render", "--text", "", "-o", "不在/视频.mp4", PYTHONIOENCODING="ascii", PYTHONUTF8="0"
    )
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_reader_that_leaves_is_no_error() -> None:
    code = "from visavis.apps.cli import main; main(['stages', '--help'])"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)
    assert "Traceback" not in said
