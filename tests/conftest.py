"""What all tests share: where the sample data lie, and that nothing is skipped unseen in CI."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# The tools of training bring OpenVINO, which is taken where it is there; what is tested is what every
# installation has. Tests of OpenVINO ask for it.
os.environ.setdefault("VISAVIS_RUNTIME", "onnxruntime")

# Of tests that run side by side each process has a core of its own, and no network of one waits for
# a thread that another keeps from running. Has to be said before any library counts the cores.
if (_worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    _cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_cores[int(_worker.removeprefix("gw")) % len(_cores)]})

# A shell that starts this in the background lets it ignore Ctrl-C, and so would the processes that
# are tested for what they do on it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def is_ci() -> bool:
    return os.environ.get("CI", "").strip().lower() in {"1", "true", "yes"}


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI a skipped test is a failure: what was not run was not tested."""
    if exitstatus == pytest.ExitCode.OK and is_ci() and _skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    skips = _skips(config)
    if skips and is_ci():
        terminalreporter.section("skipped in CI, which counts as failed", red=True)
        for line in skips:
            terminalreporter.line(line)


def _skips(config: pytest.Config) -> list[str]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return []
    reports = reporter.stats.get("skipped", [])
    return [
        f"{r.nodeid}: {r.longrepr[2] if isinstance(r.longrepr, tuple) else r.longrepr}"
        for r in reports
    ]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the sample videos, which are never part of the repository."""
    folder = Path(os.environ.get("VISAVIS_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no sample data: neither VISAVIS_DATA nor {folder} is there")
    return folder


@pytest.fixture(scope="session")
def sample_vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the vectors of the sample bases are kept: made once, for all processes."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "sentence-vectors"
