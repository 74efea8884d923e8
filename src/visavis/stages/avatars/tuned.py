"""What an avatar was tuned with: its own lip generator, in a folder beside its pack.

A tuned generator is kept by the avatar's name, and says of which face it is: a picture that happens
to have the same name does not get it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from visavis.core.errors import InputError
from visavis.core.types import Avatar
from visavis.media.files import unwritable
from visavis.stages.avatars import store

_LOG = logging.getLogger(__name__)

SUFFIX = ".lips"
CARD = "tuning.json"
"""Of which face it is, from what it was made, and figures before and after."""


def digest_of(avatar: Avatar) -> str:
    """Tell an avatar from any other by its first picture and all its landmarks."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (avatar.frames[0], avatar.track.landmarks):
        digest.update(repr((part.shape, len(avatar.frames))).encode())
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def folder_of(name: str) -> Path:
    """Give the folder of a stored avatar's own generator. It need not exist."""
    return store.home() / f"{store.check_name(name)}{SUFFIX}"


def find_tuned(avatar: Avatar) -> Path | None:
    """Find an avatar's own generator, or None where it was not tuned."""
    try:
        folder = folder_of(avatar.name)
    except InputError:  # the name of a file, such as no stored avatar can have
        return None
    card = read_card(folder)
    if card is None:
        return None
    if card.get("avatar") != digest_of(avatar):
        _LOG.warning("%s was tuned for another face called %r; it is not used", folder, avatar.name)
        return None
    return folder


def keep_tuned(avatar: Avatar, made: Path, about: Mapping[str, Any]) -> Path:
    """Give an avatar a generator of its own, in the place of the one that it had.

    Args:
        avatar: A stored one.
        made: Folder of the exported generator; it is moved.
        about: For the card: plain values.

    Returns:
        Where it is now.

    Raises:
        OutputUnwritable: The folder of the avatars cannot be written.
    """
    folder = folder_of(avatar.name)
    card = {"avatar": digest_of(avatar), "name": avatar.name, **about}
    try:
        (made / CARD).write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", "utf-8")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".lips-") as scratch:
            fresh = Path(scratch) / "new"
            shutil.move(made, fresh)  # it may lie on another disk
            if folder.exists():
                folder.replace(Path(scratch) / "old")
            fresh.replace(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    return folder


def forget_tuned(name: str) -> bool:
    """Delete an avatar's own generator; False where it has none.

    Raises:
        OutputUnwritable: It cannot be deleted.
    """
    folder = folder_of(name)
    if not folder.is_dir():
        return False
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    return True


def read_card(folder: Path) -> dict[str, Any] | None:
    """Read what a tuned generator says of itself; None where there is none."""
    try:
        card = json.loads((folder / CARD).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return card if isinstance(card, dict) else None
