"""What the sound of a voice depends on, in a few letters."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from visavis.models.assets import get

_HERE = Path(__file__).parent
_MODELS = _HERE.parent.parent / "models"


@cache
def describe_version(assets: Sequence[str], model: str) -> str:
    """Digest the pinned weights and the code that speaks with them.

    The package's own version is not enough: whoever works on a voice must not hear yesterday's.

    Args:
        assets: Names in the catalogue; ``locate`` has checked that the files are those pinned.
        model: Folder of the network in ``models/``.
    """
    digest = hashlib.sha256()
    for name in assets:
        for file in get(name).files:
            digest.update(f"{file.path} {file.sha256}\n".encode())
    for room in (_HERE, _MODELS / model, _MODELS / "common"):
        for path in sorted(room.rglob("*.py")):
            digest.update(path.relative_to(room).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:32]
