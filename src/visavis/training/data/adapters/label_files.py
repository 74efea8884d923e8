"""Folders and label files as they are found in the wild: byte order marks, CRLF, other alphabets."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from visavis.training.data.adapters.record import Problem, Tell
from visavis.training.data.clip_sources import SUFFIXES

_LOOKED_AT = 50
"""Names of a folder that are looked at to recognise a layout."""


def list_folders(folder: Path, tell: Tell | None = None) -> list[Path]:
    """Folders in a folder by name, hidden ones left out; none where it cannot be listed."""
    return [path for path in _list(folder, tell) if path.is_dir()]


def list_files(folder: Path, suffixes: Iterable[str], tell: Tell | None = None) -> list[Path]:
    """Files in a folder by name, of the suffixes, which are in small letters with their dot."""
    wanted = frozenset(suffixes)
    return [path for path in _list(folder, tell) if path.suffix.lower() in wanted]


def list_videos(folder: Path, tell: Tell | None = None) -> list[Path]:
    """Videos in a folder by name."""
    return list_files(folder, SUFFIXES, tell)


def list_stems(folders: Iterable[Path], suffixes: Iterable[str] = SUFFIXES) -> list[str]:
    """Names without endings that any of the folders has a file of, sorted."""
    wanted = frozenset(suffixes)
    return sorted({path.stem for folder in folders for path in list_files(folder, wanted)})


def first_folders(folder: Path) -> list[Path]:
    """A few folders in a folder, in no order: enough to recognise a layout by."""
    return [path for path in _peek(folder) if path.is_dir()]


def first_files(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """A few files in a folder, in no order."""
    wanted = frozenset(suffixes)
    return [path for path in _peek(folder) if path.suffix.lower() in wanted]


def find_sibling(path: Path, suffixes: Iterable[str] = SUFFIXES) -> Path | None:
    """The file of the same name with one of the suffixes, the first by name, or None."""
    for suffix in sorted(suffixes):
        for written in (suffix, suffix.upper()):
            found = path.with_suffix(written)
            if found.is_file():
                return found
    return None


def place_of(path: Path, root: Path) -> str:
    """A path below the root, with slashes."""
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.as_posix()


def read_label(path: Path, root: Path, tell: Tell) -> str | None:
    """The text of a small label file, line ends made one; None with a problem where it is not there."""
    try:
        content = path.read_bytes()
    except OSError as error:
        kind = "label file missing" if isinstance(error, FileNotFoundError) else "unreadable"
        tell(Problem(place_of(path, root), kind, error.strerror or ""))
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        tell(Problem(place_of(path, root), "not UTF-8"))
        text = content.decode("utf-8", errors="replace").lstrip("\ufeff")
    return "\n".join(text.splitlines())


def read_lines(path: Path, root: Path, tell: Tell) -> Iterator[tuple[int, str]]:
    """Lines of a label file of any size with their numbers from 1, stripped, empty ones left out."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for number, line in enumerate(file, 1):
                if "\ufffd" in line:
                    tell(Problem(f"{place_of(path, root)}:{number}", "not UTF-8"))
                if line.strip():
                    yield number, line.strip()
    except OSError as error:
        kind = "label file missing" if isinstance(error, FileNotFoundError) else "unreadable"
        tell(Problem(place_of(path, root), kind, error.strerror or ""))


def to_number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _list(folder: Path, tell: Tell | None) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        if tell is not None:
            tell(Problem(str(folder), "folder cannot be listed", error.strerror or ""))
        return []
    return [folder / name for name in names]


def _peek(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            shown = (entry.name for entry in entries if not entry.name.startswith("."))
            return [folder / name for name in islice(shown, _LOOKED_AT)]
    except OSError:
        return []
