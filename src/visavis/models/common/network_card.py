"""What a folder of exported graphs says of itself: a small JSON file beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from visavis.core.errors import ChecksumMismatch, MissingWeights

NAME = "network.json"
Card: TypeAlias = dict[str, Any]


def write_network_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write it; what was there is replaced."""
    part = folder / (NAME + ".part")
    part.write_text(json.dumps(dict(card), indent=2) + "\n", encoding="utf-8")
    part.replace(folder / NAME)


def read_network_card(folder: Path, network: str) -> Card:
    """Read what a folder says of its network.

    Args:
        folder: As an ``export.py`` wrote it.
        network: The kind that is wanted.

    Raises:
        MissingWeights: There is none.
        ChecksumMismatch: It cannot be read, or is of another kind.
    """
    path = folder / NAME
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingWeights(
            f"there is no {path}; `python -m visavis.models.{network}.export` writes such a folder"
        ) from error
    except (OSError, ValueError) as error:
        raise ChecksumMismatch(f"{path} cannot be read: {error}") from error
    if not isinstance(card, dict) or card.get("network") != network:
        raise ChecksumMismatch(f"{path} is not of the network {network}")
    return card
