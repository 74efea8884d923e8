"""Where assets lie on this machine, and whether they are the pinned ones."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tomllib
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from visavis.core.errors import ChecksumMismatch, MissingWeights, UnknownAsset
from visavis.models.assets.catalogue import CATALOGUE
from visavis.models.assets.entries import Asset, File

log = logging.getLogger(__name__)

CARD = "asset.toml"
"""Beside bundled weights: name, use, licence, commercial, origin and [[files]]."""

_MODELS = Path(__file__).parent.parent
_BLOCK = 1 << 20


def is_offline() -> bool:
    """Whether VISAVIS_OFFLINE forbids fetching."""
    return os.environ.get("VISAVIS_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"}


def cache() -> Path:
    """Give the folder of this user's pulled assets."""
    base = os.environ.get("XDG_CACHE_HOME", "").strip()
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "visavis" / "models"


def folders() -> list[Path]:
    """List the folders that are looked in, first one first."""
    own = os.environ.get("VISAVIS_MODELS", "").strip()
    return ([Path(own).expanduser().absolute()] if own else []) + [cache()]


def home() -> Path:
    """Give the folder that `pull` writes to: VISAVIS_MODELS where it can be written, else the cache."""
    for folder in folders():
        existing = next(p for p in (folder, *folder.parents) if p.exists())
        if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
            return folder
    return cache()


def entries() -> dict[str, Asset]:
    """All assets by name, bundled ones included."""
    bundled = (_read_bundled(folder) for folder in sorted(_MODELS.glob("*/weights*")))
    return {**CATALOGUE, **{asset.name: asset for asset in bundled}}


def get(name: str) -> Asset:
    """Find an entry of the catalogue.

    Raises:
        UnknownAsset: There is none of that name.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    known = entries()
    if name not in known:
        raise UnknownAsset(f"no model is called {name!r}; there are: {', '.join(sorted(known))}")
    return known[name]


def locate(name: str) -> Path:
    """Give the path of an asset on this machine: its file when it is one file, else its folder.

    The hash of every file is checked when a file is new or has changed since the last time.
    Nothing is ever fetched.

    Raises:
        UnknownAsset: The catalogue has no such entry.
        MissingWeights: It is not on this machine; the message says how to get it.
        ChecksumMismatch: It is here, and is not the file that the catalogue pins.
    """
    asset = get(name)
    wrong: list[str] = []
    for folder in _places(asset):
        faults = _faults(asset, folder)
        if not faults:
            return folder / asset.files[0].path if asset.is_file else folder
        if folder.exists():
            wrong += faults
    if asset.kind == "installed":
        do = f"reinstall the Python package that holds {asset.module!r}"
    elif asset.kind == "bundled":
        do = "reinstall visavis"
    else:
        do = f"run `visavis models pull {name}`"
    if wrong:
        raise ChecksumMismatch(f"the model {name!r} is not the pinned one: {wrong[0]}; {do}")
    places = ", ".join(str(p) for p in _places(asset)) or f"any installed {asset.module!r}"
    raise MissingWeights(f"the model {name!r} is not on this machine (looked in {places}); {do}")


def find(name: str) -> Path | None:
    """Give the path of an asset, or None when it is missing or wrong."""
    try:
        return locate(name)
    except (MissingWeights, ChecksumMismatch):
        return None


def verify(names: Iterable[str] | None = None) -> dict[str, list[str]]:
    """Hash every file again, whatever was checked before.

    Args:
        names: Assets to look at; by default all that are on this machine.

    Returns:
        By asset, what is wrong with it; an empty list when it is as pinned.

    Raises:
        UnknownAsset: The catalogue has no such entry.
    """
    report: dict[str, list[str]] = {}
    for asset in [get(name) for name in names] if names is not None else entries().values():
        present = [folder for folder in _places(asset) if folder.exists()]
        if present:
            report[asset.name] = [f for folder in present for f in _faults(asset, folder, True)]
        elif names is not None:
            report[asset.name] = ["not on this machine"]
    return report


def sha256_of(path: Path) -> str:
    """Hash a file in constant memory."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def fault_of(file: File, folder: Path) -> str | None:
    """Say what is wrong with one file, hashing it; None when it is the pinned one."""
    path = folder / file.path
    if not path.is_file():
        return f"{path} is missing"
    size = path.stat().st_size
    if size != file.size:
        return f"{path} has {size:,} bytes instead of {file.size:,}"
    found = sha256_of(path)
    if found != file.sha256:
        return f"{path} has SHA-256 {found[:12]}… instead of {file.sha256[:12]}…"
    return None


def _places(asset: Asset) -> list[Path]:
    """Folders that may hold the asset's files."""
    if asset.kind == "pulled":
        return [folder / asset.name for folder in folders()]
    if asset.kind == "bundled":
        return [_MODELS / asset.folder]
    spec = find_spec(asset.module)
    locations = spec.submodule_search_locations if spec else None
    return [Path(location) / asset.folder for location in locations or ()]


def _faults(asset: Asset, folder: Path, again: bool = False) -> list[str]:
    """What is wrong with the asset in this folder, hashing only what changed unless ``again``."""
    checked = {} if again else _read_checked()
    faults: list[str] = []
    fresh: dict[str, list[Any]] = {}
    bad: list[str] = []
    for file in asset.files:
        path = folder / file.path
        try:
            stat = path.stat()
        except OSError:
            faults.append(f"{path} is missing")
            continue
        mark = [stat.st_size, stat.st_mtime_ns, file.sha256]
        if checked.get(str(path)) == mark:
            continue
        fault = fault_of(file, folder)
        if fault:
            faults.append(fault)
            bad.append(str(path))
        else:
            fresh[str(path)] = mark
    if fresh or bad:
        _write_checked(fresh, bad)
    return faults


def _read_checked() -> dict[str, Any]:
    try:
        content = json.loads((cache() / ".checked.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_checked(fresh: dict[str, list[Any]], bad: list[str]) -> None:
    """Remember what was hashed. Losing a race costs a hash, and nothing else."""
    checked = {path: mark for path, mark in _read_checked().items() if path not in bad} | fresh
    target = cache() / ".checked.json"
    part = target.with_name(f".checked.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(checked), "utf-8")
        part.replace(target)
    except OSError as error:
        log.debug("cannot remember checked hashes: %s", error)


def _read_bundled(folder: Path) -> Asset:
    """Read the card of bundled weights; without one, all that the folder holds is taken."""
    card = folder / CARD
    content = tomllib.loads(card.read_text("utf-8")) if card.is_file() else {}
    if content:
        files = tuple(File(f["path"], f["size"], f["sha256"]) for f in content["files"])
    else:
        paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".md")
        files = tuple(
            File(str(p.relative_to(folder)), p.stat().st_size, sha256_of(p)) for p in paths
        )
    return Asset(
        name=content.get("name", folder.parent.name),
        use=content.get("use", f"weights of {folder.parent.name}, trained here"),
        licence=content.get("licence", "unstated"),
        commercial=content.get("commercial", False),
        origin=content.get("origin", "trained by this project"),
        files=files,
        kind="bundled",
        is_file=len(files) == 1,
        licence_basis=content.get("licence_basis", ""),
        folder=str(folder.relative_to(_MODELS)),
    )
