"""A skipped test must not pass unseen in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parent / "conftest.py"
BODY = "import pytest\ndef test_runs(): pass\n"
SKIPPED = BODY + "@pytest.mark.skip(reason='no tool')\ndef test_rests(): pass\n"


@pytest.mark.parametrize(
    ("body", "ci", "code"),
    [(SKIPPED, "true", 1), (SKIPPED, "", 0), (BODY, "true", 0)],
    ids=["skip in CI fails", "skip elsewhere passes", "no skip in CI passes"],
)
def test_skips_fail_only_in_ci(tmp_path: Path, body: str, ci: str, code: int) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "test_it.py").write_text(body)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert ("test_rests: Skipped: no tool" in done.stdout) == (code == 1)
