"""Where avatars lie: those shipped, those of the user, and those made on the fly.

shipped         beside this file, in defaults/
the user's      $VISAVIS_HOME/avatars, else $XDG_DATA_HOME/visavis/avatars
on the fly      $XDG_CACHE_HOME/visavis/avatars, named by the hash of what they were made of
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from visavis.core.errors import (
    FileUnreadable,
    InputError,
    OutputUnwritable,
    UnknownAvatar,
)
from visavis.core.types import Avatar
from visavis.media.files import unreadable, unwritable
from visavis.stages.avatars.report import CheckReport
from visavis.stages.avatars.scan import Progress, Stop

_LOG = logging.getLogger(__name__)

DEFAULT = "mei"
"""Who answers when nobody is named."""
SUFFIX = ".avatar"
LONGEST_NAME = 64
"""Characters."""

MOST_KEPT = 32
"""Avatars made on the fly that are kept; the ones not used for longest go first."""

_DEFAULTS = Path(__file__).parent / "defaults"
_MAKING = "2"
"""Raised when avatars are made differently, so that those made on the fly are made again."""
_RESERVED = {"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(10))}


@dataclass(frozen=True, slots=True)
class Stored:
    """An avatar on disk.

    Attributes:
        name: As the user calls it.
        path: Of the pack.
        origin: Whether it is shipped or the user's.
    """

    name: str
    path: Path
    origin: Literal["shipped", "own"]


def home() -> Path:
    """Give the folder of the user's avatars. It need not exist."""
    own = os.environ.get("VISAVIS_HOME", "").strip()
    if own:
        return Path(own).expanduser() / "avatars"
    base = os.environ.get("XDG_DATA_HOME", "").strip()
    data = Path(base).expanduser() if base else Path.home() / ".local" / "share"
    return data / "visavis" / "avatars"


def cache() -> Path:
    """Give the folder of avatars that were made on the fly. It need not exist."""
    base = os.environ.get("XDG_CACHE_HOME", "").strip()
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "visavis" / "avatars"


def list_avatars() -> list[Stored]:
    """All stored avatars: the default first, then those shipped, then the user's by name."""
    shipped = [Stored(p.stem, p, "shipped") for p in sorted(_DEFAULTS.glob(f"*{SUFFIX}"))]
    shipped.sort(key=lambda a: a.name != DEFAULT)
    names = {a.name for a in shipped}
    try:
        own = sorted(home().glob(f"*{SUFFIX}"))
    except OSError as error:
        raise unreadable(home(), error) from error
    # A file system may have decomposed the letters of a name.
    mine = [Stored(unicodedata.normalize("NFC", p.stem), p, "own") for p in own if p.is_file()]
    return shipped + [a for a in mine if a.name not in names]


def find(name: str) -> Stored:
    """Find a stored avatar by name.

    Raises:
        UnknownAvatar: There is none of that name.
    """
    wanted = unicodedata.normalize("NFC", name.strip())
    stored = list_avatars()
    for avatar in stored:
        if avatar.name == wanted:
            return avatar
    known = ", ".join(a.name for a in stored)
    raise UnknownAvatar(
        f"no avatar is called {name!r}; there are: {known}, or give a picture or a video"
    )


def check_name(name: str) -> str:
    """Give a name as it is stored, in any language.

    Raises:
        InputError: It is empty, too long, or cannot be a file's name everywhere.
    """
    clean = unicodedata.normalize("NFC", name.strip())
    if not clean:
        raise InputError("the avatar's name is empty; choose a name")
    if len(clean) > LONGEST_NAME or len(clean.encode("utf-8", "replace")) > 3 * LONGEST_NAME:
        raise InputError(
            f"the avatar's name has {len(clean)} characters; {LONGEST_NAME} are the most"
        )
    # Letters, marks and digits of any script; the marks join letters in Indic and other scripts.
    odd = sorted({c for c in clean if not (unicodedata.category(c)[0] in "LMN" or c in " _-")})
    if odd or clean[0] in "-" or unicodedata.category(clean[0])[0] == "M":
        shown = " ".join(repr(c) for c in odd) or repr(clean[0])
        raise InputError(
            f"the avatar's name {clean!r} has {shown} in it;"
            " use letters, digits, spaces, - and _, and begin with a letter or digit"
        )
    if clean.lower() in _RESERVED:
        raise InputError(f"{clean!r} is a device's name on some systems; choose another name")
    return clean


def load(name_or_path: str | Path) -> Avatar:
    """Load a stored avatar, a pack, or make one of a picture or video.

    A stored name goes before a file of that name. What is made is kept in the cache, so that the
    same file is made only once.

    Raises:
        UnknownAvatar: Neither a stored name nor a file.
        FileUnreadable: A pack is broken, or a file is neither picture nor video.
        InputError: The picture or video shows no usable face.
        MissingWeights: The networks that find faces are not on this machine.
    """
    from visavis.media.pack import load_avatar

    text = str(name_or_path)
    path = Path(name_or_path).expanduser()
    if not isinstance(name_or_path, Path):
        try:
            return load_avatar(find(text).path)
        except UnknownAvatar:
            if not _is_there(path):
                if path.suffix or path.name != text:
                    raise FileUnreadable(
                        f"{text} is neither a file nor a stored avatar; check the path"
                    ) from None
                raise
    if path.suffix.lower() == SUFFIX:
        return load_avatar(path)
    return _load_or_make(path)


def save(avatar: Avatar, *, overwrite: bool = False) -> Path:
    """Store an avatar under its name.

    Raises:
        InputError: The name cannot be used.
        OutputUnwritable: One of that name is there already, or the folder cannot be written.
    """
    from visavis.media.pack import save_avatar

    name = claim_name(avatar.name, overwrite=overwrite)
    path = home() / f"{name}{SUFFIX}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    save_avatar(path, replace(avatar, name=name))
    return path


def claim_name(name: str, *, overwrite: bool = False) -> str:
    """Check that a new avatar may have this name, before the work of making it is done.

    Raises:
        InputError: The name cannot be used.
        OutputUnwritable: One of that name is there already.
    """
    name = check_name(name)
    for stored in list_avatars():
        if stored.name != name:
            continue
        if stored.origin == "shipped":
            raise OutputUnwritable(f"{name!r} is shipped with visavis; choose another name")
        if not overwrite:
            raise OutputUnwritable(
                f"an avatar is called {name!r} already; choose another name or overwrite it"
            )
    return name


def create(
    path: str | Path,
    name: str,
    *,
    voice: Mapping[str, str] | None = None,
    force: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> tuple[Path, Avatar, CheckReport]:
    """Make an avatar of a picture or video and store it; nothing is stored when it fails.

    Raises as ``create_avatar`` and ``save``.
    """
    from visavis.stages.avatars.create import create_avatar

    name = claim_name(name, overwrite=overwrite)
    avatar, report = create_avatar(
        path, name, voice=voice, force=force, progress=progress, stop=stop
    )
    return save(avatar, overwrite=overwrite), avatar, report


def remove(name: str) -> Path:
    """Delete one of the user's avatars, with what it was tuned with, and give its path.

    Raises:
        UnknownAvatar: There is none of that name.
        InputError: It is shipped with visavis.
        OutputUnwritable: The folder is read-only.
    """
    from visavis.stages.avatars.tuned import forget_tuned

    stored = find(name)
    if stored.origin == "shipped":
        raise InputError(f"{stored.name!r} is shipped with visavis and cannot be removed")
    forget_tuned(stored.name)
    try:
        stored.path.unlink()
    except OSError as error:
        raise unwritable(stored.path, error) from error
    return stored.path


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or a NUL in it
        return False


def _load_or_make(path: Path) -> Avatar:
    from visavis.media.pack import load_avatar, save_avatar
    from visavis.stages.avatars.create import create_avatar, hash_file

    key = hashlib.sha256(f"{_MAKING}:{hash_file(path)}".encode()).hexdigest()[:32]
    kept = cache() / f"{key}{SUFFIX}"
    name = path.stem or path.name
    if kept.is_file():
        try:
            avatar = replace(load_avatar(kept), name=name)
            _touch(kept)
            return avatar
        except InputError as error:
            _LOG.warning("%s is made again: %s", name, error)
    avatar, report = create_avatar(path, name)
    for item in report.warnings:
        _LOG.warning("%s: %s; %s", path, item.found, item.advice)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_avatar(kept, avatar)
        _drop_oldest(kept.parent)
    except (OSError, OutputUnwritable) as error:
        _LOG.warning("%s is not kept for next time: %s", name, error)
    return avatar


def _touch(path: Path) -> None:
    with contextlib.suppress(OSError):  # a read-only cache only loses the order of use
        os.utime(path)


def _drop_oldest(folder: Path) -> None:
    packs = sorted(folder.glob(f"*{SUFFIX}"), key=lambda p: p.stat().st_mtime, reverse=True)
    for pack in packs[MOST_KEPT:]:
        pack.unlink(missing_ok=True)
