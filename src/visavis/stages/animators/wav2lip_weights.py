"""Which lip generator an avatar speaks with.

There is no default: those that come with visavis learnt from recordings for research only.
"""

from __future__ import annotations

from pathlib import Path

from visavis.core.errors import LicenceNotAccepted, MissingWeights
from visavis.core.types import Avatar
from visavis.stages.avatars.tuned import find_tuned

SIZES = ("96", "192", "384")
"""Widths in pixels of the squares that they draw."""


def find_weights(chosen: str | Path, avatar: Avatar, *, own_first: bool = True) -> Path:
    """Find the folder of a lip generator.

    Args:
        chosen: One of ``SIZES``, a folder, or empty for what the avatar was tuned with.
        avatar: Who is to speak.
        own_first: Whether what the avatar was tuned with goes before one of ``SIZES``; a folder goes
            before both.

    Raises:
        LicenceNotAccepted: None was chosen, and those that are here are for research only.
        MissingWeights: The one that was chosen is not here, or none is.
        ChecksumMismatch: It is here, and is not the pinned one.
    """
    if not str(chosen).strip():
        return _find_own(avatar)
    if str(chosen) in SIZES:
        tuned = find_tuned(avatar) if own_first else None
        if tuned is not None:
            return tuned
        folder = _shipped(str(chosen))
        if folder is None:
            here = ", ".join(shipped_sizes()) or "none"
            raise MissingWeights(
                f"no lip generator of {chosen} pixels comes with this visavis; there are: {here}"
            )
        return folder
    folder = Path(chosen).expanduser()
    if not (folder / "network.json").is_file():
        raise MissingWeights(
            f"{folder} holds no lip generator; give {', '.join(SIZES)} or a folder that"
            " `python -m visavis.models.wav2lip.export` wrote"
        )
    return folder


def _find_own(avatar: Avatar) -> Path:
    tuned = find_tuned(avatar)
    if tuned is not None:
        return tuned
    tune = f"`visavis avatar tune {avatar.name} --video …`"
    sizes = shipped_sizes()
    if sizes:
        raise LicenceNotAccepted(
            "no lip generator was chosen, and those that come with visavis are for research only;"
            f" to use one all the same, set --weights or VISAVIS_WEIGHTS to {' or '.join(sizes)};"
            f" {tune} makes one for this avatar"
        )
    raise MissingWeights(
        "no lip generator was chosen and none comes with this visavis; train one with"
        " `visavis train wav2lip` and give its folder as --weights or VISAVIS_WEIGHTS"
    )


def shipped_sizes() -> list[str]:
    """Name the generators that come with visavis."""
    return [size for size in SIZES if _shipped(size) is not None]


def _shipped(size: str) -> Path | None:
    from visavis.core.errors import UnknownAsset
    from visavis.models.assets import locate

    try:
        return locate(f"wav2lip-{size}")
    except UnknownAsset:
        return None
